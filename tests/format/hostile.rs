//! Damage and malice: cut at every byte, bytes turned over, counts and words for what was found.

use ::retainers::error::Error;
use ::retainers::progress::Progress;
use ::retainers::source::Source;
use proptest::prelude::*;

use super::contents;
use crate::support::heap::{load, try_load};

fn small_fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/small");
    let mut fixtures: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    fixtures.sort();
    fixtures
}

#[test]
fn a_dump_cut_at_any_byte_is_read_as_far_as_it_goes_and_says_so() {
    for (name, bytes) in small_fixtures() {
        let whole = load(&bytes).graph.object_count();
        for end in 0..bytes.len() {
            match try_load(&bytes[..end]) {
                Ok(heap) => {
                    assert!(heap.graph.object_count() <= whole, "{name} {end}");
                    let is_lines = name.ends_with(".jsonl");
                    let at_line_end = is_lines && (bytes[end] == b'\n' || bytes[end - 1] == b'\n');
                    let rest_is_blank = bytes[end..].iter().all(u8::is_ascii_whitespace);
                    let is_told = !heap.damage.facts().is_empty();
                    assert!(is_told || at_line_end || rest_is_blank, "{name} cut at {end} is not told");
                }
                Err(Error::UnknownFormat { .. }) => assert!(end < 400, "{name} {end}"),
                // the header breaks off, or there is no record yet
                Err(Error::Malformed { .. }) => assert!(end < 400, "{name} {end}"),
                Err(other) => panic!("{name} {end}: {other}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_dump_with_bytes_turned_over_never_panics(
        which in 0usize..9,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let (_, mut bytes) = small_fixtures().swap_remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(heap) = try_load(&bytes) {
            for object in heap.graph.objects() {
                heap.describe(object);
                heap.for_each_reference(object, |_, _, _| {});
            }
        }
    }
}

#[test]
fn broken_lines_are_left_out_counted_and_placed() {
    let heap = load(
        b"{\"address\": 1, \"type\": \"a\", \"refs\": [2]}\n{\"address\": oops}\n{\"address\": 2, \"type\": \"b\", \"refs\": []}\ntrash\n{\"address\": 3, \"type\": \"c\", \"refs\": [\n{\"address\": 4, \"type\": \"d\", \"refs\": []}\n",
    );
    let types: Vec<String> = contents(&heap).into_iter().map(|(_, name)| name).collect();
    assert_eq!(types, ["a", "b", "d"]);
    assert_eq!(heap.damage.broken_records, 3);
    assert_eq!(heap.damage.first_broken, Some((53, "expected a number".to_owned())));
}

#[test]
fn repeated_ids_are_counted_and_the_last_record_counts() {
    let heap = load(
        b"{\"address\": 1, \"type\": \"old\", \"size\": 1, \"refs\": [2, 2]}\n{\"address\": 2, \"type\": \"x\", \"refs\": [1]}\n{\"address\": 1, \"type\": \"new\", \"size\": 7, \"refs\": [2]}\n",
    );
    assert_eq!(heap.damage.duplicate_ids, 1);
    assert_eq!(contents(&heap), [(2, "x".to_owned()), (1, "new".to_owned())]);
    assert_eq!(heap.graph.reference_count(), 2);
    assert_eq!(heap.graph.shallow_size(heap.graph.object_at(1).unwrap()), 7);
}

#[test]
fn wide_ids_surrogates_and_dangling_references_are_counted() {
    let heap = load(
        br#"{"address": 18446744073709551615, "type": "a", "size": 6000000000, "value": "\ud800", "refs": [9007199254740993, 5]}
{"address": 9007199254740993, "type": "b", "refs": []}
"#,
    );
    assert_eq!(heap.damage.wide_ids, 2);
    assert_eq!(heap.damage.lone_surrogates, 1);
    assert_eq!(heap.damage.dangling_references, 1);
    let first = heap.graph.object_at(u64::MAX).unwrap();
    assert_eq!(heap.graph.shallow_size(first), 6_000_000_000);
    assert_eq!(heap.describe(first).value.as_deref(), Some("\\ud800"));
    assert_eq!(heap.graph.referents(first).len(), 1);
}

#[test]
fn deep_nesting_is_no_recursion() {
    let nested = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let heap = load(format!("{{\"address\": 1, \"type\": \"a\", \"value\": {nested}, \"refs\": []}}\n").as_bytes());
    assert_eq!(heap.graph.object_count(), 1);
}

#[test]
fn a_cut_compressed_stream_is_used_as_far_as_it_goes() {
    let line =
        |number: u64| format!("{{\"address\": {number}, \"type\": \"a\", \"refs\": [{}]}}\n", number * 7919 % 5000);
    let text: String = (1..5000).map(line).collect();
    let zstd = zstd::stream::encode_all(text.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for packed in [zstd, gzip] {
        assert_eq!(load(&packed).graph.object_count(), 4999);
        let source = Source::from_bytes("cut", packed[..packed.len() - 9].to_vec(), &Progress::default());
        assert!(source.cut_off().unwrap().contains("breaks off after"));
        // in a file as in memory
        let progress = Progress::default();
        for in_memory in [0, 1_000, usize::MAX] {
            let whole = Source::from_bytes_within("packed", packed.clone(), in_memory, &progress);
            assert!(whole.cut_off().is_none());
            assert_eq!(*whole, *text.as_bytes(), "{in_memory}");
        }
        let half = load(&packed[..packed.len() * 9 / 10]);
        assert!(half.graph.object_count() < 4999);
        assert!(half.damage.cut_off.is_some());
    }
}

#[test]
fn not_a_dump_at_all_shows_its_first_bytes_and_what_is_known() {
    for (bytes, shown) in [
        (&b"hello, world"[..], "\"hello, world\""),
        (b"", "nothing"),
        (b"\x7fFLE\x02\x01", "7f 46 4c 45"),
        (b"{\"a\": 1}", "{\\\"a\\\": 1}"),
    ] {
        let error = try_load(bytes).unwrap_err().to_string();
        assert!(error.contains(shown), "{error}");
        assert!(error.contains("JSON Graph Format") && error.contains("Meliae"), "{error}");
    }
}

#[test]
fn names_that_cannot_be_read_do_not_hide_the_references_behind_them() {
    let heap = load(
        b"{\"address\": 1, \"type\": \"a\", \"edges\": [\"x\" \"y\"], \"len\": 1-2, \"rc\": 1e, \"weak_edges\": [null \"z\"], \"refs\": [2]}\n{\"address\": 2, \"type\": \"b\", \"refs\": []}\n",
    );
    assert_eq!(heap.graph.reference_count(), 1);
    assert_eq!(super::names(&heap, 1), [""]);
}
