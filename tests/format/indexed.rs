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

/// Graphs with words as ids, repeated ids, edges in no order, from nowhere and to nowhere, and text in `metadata` and
/// beside it: JSON Graph Format 1 and 2, and node-link.
fn graphs() -> [String; 3] {
    let nodes = [
        ("app", r#""label":"module","metadata":{"name":"app","root":"module","size":72}"#),
        (r"s\u00e9ance", r#""label":"Session","metadata":{"type":"app.Session","size":48,"value":"open","len":3}"#),
        ("7", r#""type":"dict","size":232,"value":"{}""#),
        ("twice", r#""type":"old","size":1"#),
        ("lost", r#""type":"app.Lost","size":16,"metadata":{"rc":2,"site":"app.py:3"}"#),
        ("twice", r#""type":"app.Session","size":100,"name":"new""#),
        ("9", r#""type":"bytes","size":5000,"metadata":{"external":100}"#),
        ("z-9", r#""type":"frame","size":400,"root":"frame","name":"main""#),
    ];
    let edges = [
        ("twice", "9", r#","relation":".data""#),
        ("app", "7", r#","relation":".cache""#),
        ("7", r"s\u00e9ance", r#","metadata":{"relation":"['a']"}"#),
        ("nowhere", "7", ""),
        ("7", "twice", r#","metadata":{"relation":"['b']"}"#),
        (r"s\u00e9ance", "twice", r#","weak":true"#),
        (r"s\u00e9ance", "12345", r#","relation":".x""#),
        (r"s\u00e9ance", "9", r#","relation":".data""#),
        ("z-9", "twice", r#","label":"local s""#),
        ("app", "nowhere", ""),
        ("lost", "9", ""),
        ("twice", r"s\u00e9ance", r#","relation":".next""#),
    ];
    let join = |items: Vec<String>| items.join(",\n");
    let listed = join(nodes.iter().map(|(id, rest)| format!(r#"{{"id":"{id}",{rest}}}"#)).collect());
    let named = join(nodes.iter().map(|(id, rest)| format!(r#""{id}":{{{rest}}}"#)).collect());
    let edges =
        join(edges.iter().map(|(from, to, rest)| format!(r#"{{"source":"{from}","target":"{to}"{rest}}}"#)).collect());
    [
        format!(r#"{{"graph":{{"directed":true,"nodes":[{listed}],"edges":[{edges}]}}}}"#),
        format!(r#"{{"graph":{{"metadata":{{"roots":["lost"]}},"nodes":{{{named}}},"edges":[{edges}]}}}}"#),
        format!(r#"{{"directed":true,"links":[{edges}],"nodes":[{listed}]}}"#),
    ]
}

/// All that objects say of themselves: ids, text, and references as the dump and as the graph has them.
fn text_of(heap: &Heap) -> String {
    let mut text = String::new();
    for object in heap.graph.objects() {
        let (place, type_name) = (heap.graph.place(object), heap.graph.type_name_of(object));
        text += &format!("{} {type_name} {:?}\n", heap.graph.id_text(object), heap.describe(object));
        heap.records.references(place, type_name, &mut |slot| text += &format!("  {slot:?}\n"));
        heap.for_each_reference(object, |position, target, name| {
            text += &format!("  {position} {} {name:?}\n", heap.graph.id_text(target));
        });
    }
    text
}

/// What is said of a heap and by it.
fn everything(heap: &Heap) -> Vec<u8> {
    let mut page = answers(heap);
    page.extend_from_slice(text_of(heap).as_bytes());
    page
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
        attempt(|| everything(&heap)).ok()
    }
}

fn index_of(heap: &Heap, folder: &Path) -> Vec<u8> {
    let path = folder.join("dump.rtx");
    indexed::write(heap, Identity::default(), &path, |writer| kept::store(heap, writer)).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn all_answers_are_the_same() {
    let fixtures =
        ["meliae.jsonl", "json-graph-1.json", "json-graph-2.json", "node-link-links.json", "node-link-edges.json"];
    let fixtures = fixtures.map(|name| std::fs::read(format!("fixtures/small/{name}")).unwrap());
    let sketches = graphs().map(String::into_bytes);
    for dump in [small().into_bytes()].into_iter().chain(fixtures).chain(sketches) {
        let indexed = Indexed::new(&dump);
        assert!(indexed.answers(&indexed.bytes).unwrap() == everything(&indexed.heap));
    }
}

#[test]
fn ids_that_are_words_and_names_of_references_are_those_of_the_document() {
    for document in graphs() {
        let indexed = Indexed::new(document.as_bytes());
        let heap = indexed.restore(&indexed.bytes).unwrap();
        let said = |id: &str| {
            let object = heap.graph.object_named(id).unwrap();
            let mut references = Vec::new();
            heap.for_each_reference(object, |_, target, name| {
                references.push((heap.graph.id_text(target), name.text.to_string()));
            });
            references
        };
        let reference = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(said("séance"), [reference("0x9", ".data")]);
        assert_eq!(said("twice"), [reference("0x9", ".data"), reference("séance", ".next")]);
        assert_eq!(said("app"), [reference("0x7", ".cache")]);
        let twice = heap.graph.object_named("twice").unwrap();
        assert_eq!(heap.describe(twice).name.as_deref(), Some("new"));
        let slots = |heap: &Heap| {
            let mut targets = Vec::new();
            let seance = heap.graph.object_named("séance").unwrap();
            heap.records.references(heap.graph.place(seance), "app.Session", &mut |slot| {
                targets.push((slot.target, slot.is_weak));
            });
            targets
        };
        assert_eq!(slots(&heap), slots(&indexed.heap));
        assert_eq!(slots(&heap).len(), 3);
    }
}

#[test]
fn edges_of_nowhere_are_kept() {
    let documents = [
        r#"{"nodes":[{}],"links":[]}"#,
        r#"{"nodes":[{"id":"c"}],"links":[{"source":"a","target":"b"}]}"#,
        r#"{"nodes":[{"id":1}],"links":[{"source":2,"target":1}]}"#,
        r#"{"graph":{"nodes":{"a":{}},"edges":[]}}"#,
    ];
    for document in documents {
        let indexed = Indexed::new(document.as_bytes());
        assert!(indexed.answers(&indexed.bytes).unwrap() == everything(&indexed.heap), "{document}");
    }
}

#[test]
fn without_the_document_objects_have_ids_and_references_have_no_names() {
    for document in graphs() {
        let indexed = Indexed::new(document.as_bytes());
        let heap = indexed::restore(Index::from_bytes(&indexed.bytes).unwrap(), None, "gone").unwrap();
        assert!(!indexed::can_be_stored(&heap));
        let told = attempt(|| text_of(&heap)).unwrap();
        assert!(told.contains("twice app.Session") && !told.contains(".data"), "{told}");
        let (graph, expected) = (&heap.graph, &indexed.heap.graph);
        for object in graph.objects() {
            assert_eq!(graph.id_text(object), expected.id_text(object));
            assert!(graph.referents(object).eq(expected.referents(object)));
        }
        // a document that goes away while it is asked about
        let heap = indexed.restore(&indexed.bytes).unwrap();
        std::fs::remove_file(indexed.folder.path().join("dump")).unwrap();
        assert_eq!(heap.describe(graph.object_named("twice").unwrap()), Default::default());
    }
}

#[test]
fn another_document_in_its_place_makes_nothing_panic() {
    let [first, second, third] = graphs();
    for (document, other) in [(&first, &second), (&second, &third), (&third, &first)] {
        let indexed = Indexed::new(document.as_bytes());
        for other in [other.as_bytes(), &document.as_bytes()[..document.len() / 2], b"[[[[", b""] {
            std::fs::write(indexed.folder.path().join("dump"), other).unwrap();
            assert!(indexed.answers(&indexed.bytes).is_some());
        }
    }
}

#[test]
fn an_index_written_from_an_index_is_the_same() {
    for dump in [small()].into_iter().chain(graphs()) {
        let indexed = Indexed::new(dump.as_bytes());
        let heap = indexed.restore(&indexed.bytes).unwrap();
        assert!(!kept::has_news(&heap));
        let folder = TempDir::new().unwrap();
        assert!(index_of(&heap, folder.path()) == indexed.bytes);
    }
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

/// Lines of 2,000 objects: most of one of two types, one in ten of one of 60 others.
fn of_many_types() -> String {
    let line = |number: usize| {
        let rare = if number % 10 == 3 { Some(number / 10 % 60) } else { None };
        let name = rare.map_or(format!("common{}", number % 2), |rare| format!("app.Rare{rare}"));
        format!("{{\"address\":{},\"type\":\"{name}\",\"size\":16,\"refs\":[]}}\n", number * 16 + 4096)
    };
    (0..2_000).map(line).collect()
}

#[test]
fn objects_of_types_are_those_that_a_look_at_all_objects_finds() {
    let indexed = Indexed::new(of_many_types().as_bytes());
    let heap = indexed.restore(&indexed.bytes).unwrap();
    let count = heap.graph.types().count();
    assert_eq!(count, 62);
    let (_, listed) = section(&indexed.bytes, "types.rows").unwrap();
    assert_eq!(listed, 200 * 4, "all of the rare types and none of the common ones");
    for (one, other) in (0..count).flat_map(|one| (one..count).map(move |other| (one, other))) {
        let wanted: Vec<bool> = (0..count).map(|number| number == one || number == other).collect();
        assert_eq!(heap.graph.objects_of(&wanted), indexed.heap.graph.objects_of(&wanted), "{one}, {other}");
    }
    assert_eq!(heap.graph.objects_of(&vec![true; count]).len(), 2_000);
    assert!(heap.graph.objects_of(&vec![false; count]).is_empty());
}

#[test]
fn objects_that_are_listed_by_another_type_or_in_no_order_are_damage() {
    let indexed = Indexed::new(of_many_types().as_bytes());
    let (start, length) = section(&indexed.bytes, "types.rows").unwrap();
    let all_of_each = |bytes: &[u8]| {
        let heap = indexed.restore(bytes)?;
        let count = heap.graph.types().count();
        let of_type = |number: usize| {
            let wanted: Vec<bool> = (0..count).map(|other| other == number).collect();
            heap.graph.objects_of(&wanted)
        };
        attempt(|| (0..count).map(of_type).collect::<Vec<_>>()).ok()
    };
    assert!(all_of_each(&indexed.bytes).is_some());
    // by the type before or behind, twice, a row that is not there
    for change in [
        |rows: &mut [u8]| rows.rotate_left(4),
        |rows: &mut [u8]| rows.copy_within(0..4, 4),
        |rows: &mut [u8]| rows[..4].copy_from_slice(&2_000u32.to_le_bytes()),
    ] {
        let mut forged = indexed.bytes.clone();
        change(&mut forged[start..start + length]);
        reseal(&mut forged).unwrap();
        assert!(all_of_each(&forged).is_none());
    }
    let (start, length) = section(&indexed.bytes, "types.starts").unwrap();
    for place in (start..start + length).step_by(4) {
        let mut forged = indexed.bytes.clone();
        forged[place] ^= 1;
        reseal(&mut forged).unwrap();
        let same = all_of_each(&indexed.bytes);
        assert!(all_of_each(&forged).is_none_or(|found| Some(found) == same), "{place}");
    }
}

/// Turns a bit of each byte in turn.
fn flip_everywhere(dump: &str) {
    let indexed = Indexed::new(dump.as_bytes());
    let expected = everything(&indexed.heap);
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
    assert!(known > indexed.bytes.len() * 8 / 10, "{known} of {}", indexed.bytes.len());
}

#[test]
fn a_flipped_bit_anywhere_gives_the_right_answer_or_is_known() {
    flip_everywhere(&small());
}

#[test]
fn a_flipped_bit_in_the_index_of_a_graph_gives_the_right_answer_or_is_known() {
    flip_everywhere(&graphs()[0]);
}

#[test]
fn an_index_cut_anywhere_is_known_to_be_damaged() {
    for dump in [small()].into_iter().chain(graphs()) {
        let indexed = Indexed::new(dump.as_bytes());
        assert!((0..indexed.bytes.len()).all(|length| Index::from_bytes(&indexed.bytes[..length]).is_err()));
    }
}

/// Changes a few bytes of an index, whose hashes are right again then, in many ways.
fn lie(dump: &str, rounds: usize) {
    let indexed = Indexed::new(dump.as_bytes());
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let mut answered = 0;
    for round in 0..rounds {
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

#[test]
fn an_index_that_lies_with_right_hashes_makes_nothing_panic_or_run_for_ever() {
    lie(&small(), 3_000);
}

#[test]
fn an_index_of_a_graph_that_lies_with_right_hashes_makes_nothing_panic_or_run_for_ever() {
    graphs().iter().for_each(|document| lie(document, 2_000));
}

#[test]
fn orders_places_and_ids_that_cannot_be_are_known() {
    let indexed = Indexed::new(graphs()[2].as_bytes());
    // numbers that are too large, and numbers that fall
    for name in ["nodes", "edges", "edges.offsets", "edges.order", "ids.order", "ids.offsets"] {
        let (start, length) = section(&indexed.bytes, name).unwrap();
        let mut forged = indexed.bytes.clone();
        forged[start..start + length].fill(0xff);
        reseal(&mut forged).unwrap();
        assert!(indexed.answers(&forged).is_none(), "{name}");
    }
    for name in ["nodes", "edges", "edges.offsets", "ids.offsets"] {
        let (start, length) = section(&indexed.bytes, name).unwrap();
        let mut forged = indexed.bytes.clone();
        let width = if name == "ids.offsets" { 8 } else { 4 };
        forged[start..start + length].rotate_left(width);
        reseal(&mut forged).unwrap();
        assert!(indexed.answers(&forged).is_none(), "{name}");
    }
}

/// Where a section lies in an index, and its bytes.
fn section(index: &[u8], name: &str) -> Option<(usize, usize)> {
    let field = |at: usize| Some(u64::from_le_bytes(*index.get(at..)?.first_chunk()?) as usize);
    let entry = (0..82).map(|entry| 128 + entry * 48).find(|&entry| {
        let written = &index[entry..entry + 16];
        &written[..name.len()] == name.as_bytes() && written[name.len()..].iter().all(|&byte| byte == 0)
    })?;
    Some((field(entry + 16)?, field(entry + 24)?))
}
