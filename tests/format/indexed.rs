//! A heap from its index answers as the heap from its dump does, or is known to be damaged.

use std::path::Path;

use retainers::analysis::distances::RootChoice;
use retainers::analysis::kept;
use retainers::analysis::retaining::Retaining;
use retainers::format::indexed;
use retainers::graph::Heap;
use retainers::graph::index::{Identity, Index, attempt};
use retainers::progress::Progress;
use tempfile::TempDir;

use crate::support::answers::answers;
use crate::support::heap::dump;
use crate::support::reseal::reseal;

/// A small heap with something of everything.
fn small() -> String {
    let text = dump(
        "module app .cache -> c, .queue -> q
        module lib .hook -> f
        c: dict ['a'] -> s1, ['b'] -> s2, ['c'] -> c
        q: list [0] -> s3, [1] -> s3, [2] -> n
        s1: app.Session .data -> big, .next -> s2
        s2: app.Session ~> s1, .next -> s3
        s3: app.Session .data -> big
        f: function .__closure__ -> n
        n: NoneType
        root frame main -> s2
        root atexit -> f
        big: bytearray
        lost: app.Lost .x -> s1, .y -> lost2
        lost2: app.Lost .x -> lost",
    );
    text.replacen("\"size\":", "\"external\": 1000, \"value\": \"some text\", \"rc\": 3, \"size\":", 4)
}

/// A dump, its heap, and its index.
struct Indexed {
    folder: TempDir,
    heap: Heap,
    bytes: Vec<u8>,
}

impl Indexed {
    fn new(dump: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("dump");
        std::fs::write(&path, dump).unwrap();
        let heap = retainers::format::open(&path, &Progress::default()).unwrap();
        let (retaining, choice) = (Retaining::all(&heap.graph), RootChoice::default());
        kept::distances(&heap, &retaining, &choice);
        kept::dominator_tree(&heap, &retaining, &choice);
        drop(retaining);
        let bytes = index_of(&heap, folder.path());
        Self { folder, heap, bytes }
    }

    /// The heap of an index, which may have been tampered with; `None` where that was found out when it was opened.
    fn restore(&self, bytes: &[u8]) -> Option<Heap> {
        let index = Index::from_bytes(bytes).ok()?;
        let dump = self.folder.path().join("dump");
        indexed::restore(index, Some(&dump), &dump.display().to_string()).ok()
    }

    /// What an index answers; `None` where it is known to be damaged.
    fn answers(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let heap = self.restore(bytes)?;
        attempt(|| answers(&heap)).ok()
    }
}

fn index_of(heap: &Heap, folder: &Path) -> Vec<u8> {
    let path = folder.join("dump.rtx");
    indexed::write(heap, Identity::default(), &path, |writer| kept::store(heap, writer)).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn all_answers_are_the_same() {
    for dump in [small().into_bytes(), std::fs::read("fixtures/small/meliae.jsonl").unwrap()] {
        let indexed = Indexed::new(&dump);
        assert_eq!(indexed.answers(&indexed.bytes).unwrap(), answers(&indexed.heap));
    }
}

#[test]
fn an_index_written_from_an_index_is_the_same() {
    let indexed = Indexed::new(small().as_bytes());
    let heap = indexed.restore(&indexed.bytes).unwrap();
    assert!(!kept::has_news(&heap));
    let folder = TempDir::new().unwrap();
    assert!(index_of(&heap, folder.path()) == indexed.bytes);
}

#[test]
fn what_an_index_lacks_is_news_once_it_is_known() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dump");
    std::fs::write(&path, small()).unwrap();
    let heap = retainers::format::open(&path, &Progress::default()).unwrap();
    let bytes = index_of(&heap, folder.path());
    let heap = indexed::restore(Index::from_bytes(&bytes).unwrap(), Some(&path), "dump").unwrap();
    assert!(!kept::has_news(&heap));
    kept::distances(&heap, &Retaining::all(&heap.graph), &RootChoice::parse(&["all".to_owned()]).unwrap());
    assert!(!kept::has_news(&heap), "distances from other roots are not kept");
    kept::distances(&heap, &Retaining::all(&heap.graph), &RootChoice::default());
    assert!(kept::has_news(&heap));
    let bytes = index_of(&heap, folder.path());
    let heap = indexed::restore(Index::from_bytes(&bytes).unwrap(), Some(&path), "dump").unwrap();
    kept::distances(&heap, &Retaining::all(&heap.graph), &RootChoice::default());
    assert!(!kept::has_news(&heap));
    kept::dominator_tree(&heap, &Retaining::all(&heap.graph), &RootChoice::default());
    assert!(kept::has_news(&heap));
}

#[test]
fn more_types_than_two_bytes_can_number_and_addresses_that_do_not_cluster_are_kept() {
    let mut text = String::new();
    for object in 1..70_000u64 {
        let address = object.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
        text.push_str(&format!(
            "{{\"address\":{address},\"type\":\"t{object}\",\"size\":{},\"refs\":[]}}\n",
            object << 17
        ));
    }
    let indexed = Indexed::new(text.as_bytes());
    let heap = indexed.restore(&indexed.bytes).unwrap();
    let (graph, expected) = (&heap.graph, &indexed.heap.graph);
    for object in graph.objects() {
        assert_eq!(graph.address(object), expected.address(object));
        assert_eq!(graph.type_name_of(object), expected.type_name_of(object));
        assert_eq!(graph.shallow_size(object), expected.shallow_size(object));
        assert_eq!(heap.describe(object), indexed.heap.describe(object));
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_the_right_answer_or_is_known() {
    let indexed = Indexed::new(small().as_bytes());
    let expected = answers(&indexed.heap);
    let mut known = 0;
    for place in 0..indexed.bytes.len() {
        let mut flipped = indexed.bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        match indexed.answers(&flipped) {
            None => known += 1,
            // what is between two sections
            Some(answers) => assert!(answers == expected, "{place}"),
        }
    }
    assert!(known > indexed.bytes.len() * 9 / 10, "{known} of {}", indexed.bytes.len());
}

#[test]
fn an_index_cut_anywhere_is_known_to_be_damaged() {
    let indexed = Indexed::new(small().as_bytes());
    assert!((0..indexed.bytes.len()).all(|length| Index::from_bytes(&indexed.bytes[..length]).is_err()));
}

#[test]
fn an_index_that_lies_with_right_hashes_makes_nothing_panic_or_run_for_ever() {
    let indexed = Indexed::new(small().as_bytes());
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let mut answered = 0;
    for round in 0..3_000 {
        let mut forged = indexed.bytes.clone();
        for _ in 0..=next(4) {
            // numbers are small here, and so are the lies that are hardest to find
            let start = if round % 10 == 0 { 0 } else { 4096 };
            let place = start + next(forged.len() - start);
            forged[place] = [next(4), next(32), next(256)][next(3)] as u8;
        }
        let _ = reseal(&mut forged);
        answered += u32::from(indexed.answers(&forged).is_some());
    }
    assert!(answered > 100, "{answered}");
}
