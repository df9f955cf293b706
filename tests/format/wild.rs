//! Files as people have them (`fixtures/wild`): read right, or refused with the reason and what to do.

use ::retainers::error::{Error, Result};
use ::retainers::graph::Heap;
use ::retainers::progress::Progress;

use super::{contents, names, referents};
use crate::support::command::Workshop;
use crate::support::heap::load;

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wild").join(name)
}

fn open(name: &str) -> Result<Heap> {
    ::retainers::format::open(&path(name), &Progress::default())
}

fn read(name: &str) -> Heap {
    open(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Files that are refused, with what they are, and a part of the advice.
const REFUSED: [(&str, &str, &str); 9] = [
    ("v8-tiny.heapsnapshot", "V8 heap snapshot", "another runtime"),
    ("refcycle.json", "export of refcycle", "`source` and `target`"),
    ("nx-adjacency.json", "networkx adjacency data", "node_link_data"),
    ("nx-tree.json", "tree of nested objects", "node_link_data"),
    ("referrers-only.jsonl", "objects with their referrers", "gc.get_referents"),
    ("ruby-objspace.jsonl", "heap dump of Ruby", "another runtime"),
    ("wrapper-objects.json", "list of records below a key", "jq -c '.objects[]'"),
    ("dict-by-id.json", "map of records by their ids", "jq -c '.[]'"),
    ("utf16-powershell.jsonl", "text in UTF-16", "iconv -f UTF-16"),
];

/// Files that are read: objects, references, and broken records.
const READ: [(&str, usize, usize, u64); 16] = [
    ("visjs.json", 2, 1, 0),
    ("nodelink-from-to.json", 2, 1, 0),
    ("gc-one-bad-record-oneline.json", 999, 997, 1),
    ("nodelink-one-bad-edge-oneline.json", 1000, 998, 1),
    ("nodelink-one-bad-edge-indent.json", 200, 198, 1),
    ("nodelink-graph-metadata.json", 5, 4, 0),
    ("nodelink-graph-nodes-attr.json", 5, 4, 0),
    ("nodelink-float-ids.json", 2, 1, 0),
    ("nodelink-bigint-ids.json", 2, 1, 0),
    ("meliae-py27-dict-order.jsonl", 6, 5, 0),
    ("pretty-records.jsonl", 2, 1, 0),
    ("string-sizes.jsonl", 2, 1, 0),
    ("two-arrays.json", 3, 1, 0),
    ("d3-after-simulation.json", 2, 1, 0),
    ("idom-ambiguous.json", 2, 1, 0),
    ("log-line-first.jsonl", 2, 1, 1),
];

#[test]
fn each_file_is_read_right_or_refused() {
    let mut files: Vec<String> = std::fs::read_dir(path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut known: Vec<&str> = READ.iter().map(|row| row.0).chain(REFUSED.iter().map(|row| row.0)).collect();
    known.sort_unstable();
    assert_eq!(files, known);
    for (name, objects, references, broken) in READ {
        let heap = read(name);
        let found = (heap.graph.object_count(), heap.graph.reference_count(), heap.damage.broken_records);
        assert_eq!(found, (objects, references, broken), "{name}: {:?}", heap.damage.facts());
        assert!(heap.damage.cut_off.is_none(), "{name}: {:?}", heap.damage);
    }
}

#[test]
fn what_is_not_read_has_a_name_and_what_to_do() {
    let workshop = Workshop::new();
    for (name, what, advice) in REFUSED {
        assert!(matches!(open(name), Err(Error::Foreign { .. })), "{name}");
        workshop.write(name, std::fs::read(path(name)).unwrap());
        for question in [&["--type", "Session"][..], &[]] {
            let ran = workshop.run(&[&[name], question].concat());
            assert_eq!(ran.code, 2, "{name}: {}", ran.stdout);
            assert!(ran.stderr.contains(what) && ran.stderr.contains(advice), "{name}: {}", ran.stderr);
        }
        let checked = workshop.run(&["check", name, "--max", "Session=0"]);
        assert_eq!(checked.code, 2, "{name}: {}", checked.stdout);
    }
}

#[test]
fn the_first_broken_record_is_told_with_its_place() {
    let first = |name| read(name).damage.first_broken.unwrap();
    assert_eq!(first("gc-one-bad-record-oneline.json"), (532, "expected a number".to_owned()));
    let (place, reason) = first("nodelink-one-bad-edge-oneline.json");
    let text = std::fs::read_to_string(path("nodelink-one-bad-edge-oneline.json")).unwrap();
    assert!(text[usize::try_from(place).unwrap()..].starts_with("{\"source\": 10}"), "{place}");
    assert_eq!(reason, "expected an edge with a source and a target");
    let (place, _) = first("nodelink-one-bad-edge-indent.json");
    let text = std::fs::read_to_string(path("nodelink-one-bad-edge-indent.json")).unwrap();
    let bad = text[usize::try_from(place).unwrap()..].split_once('}').unwrap().0;
    assert_eq!(bad.split_whitespace().collect::<Vec<_>>(), ["{", "\"source\":", "10"]);
    assert_eq!(first("log-line-first.jsonl").0, 0);
}

#[test]
fn dictionaries_of_python_2_have_their_keys_first() {
    let heap = read("meliae-py27-dict-order.jsonl");
    assert_eq!(names(&heap, 32), ["key ['CACHE']", "['CACHE']"]);
    assert_eq!(names(&heap, 64), ["key ['k0']", "['k0']"]);
    let workshop = Workshop::new();
    workshop.write("dump", std::fs::read(path("meliae-py27-dict-order.jsonl")).unwrap());
    for _ in 0..2 {
        // the second time from an index
        let ran = workshop.run(&["dump", "--type", "Session", "--no-files", "--index", "."]);
        assert!(ran.stdout.contains("__main__.CACHE['k0']"), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn ids_of_any_kind_are_known_by_their_text() {
    for (name, id) in [("nodelink-float-ids.json", "1.5"), ("nodelink-bigint-ids.json", "1180591620717411303425")] {
        let heap = read(name);
        let held = heap.graph.object_named(id).unwrap();
        assert_eq!(heap.graph.type_name_of(held), "T");
        assert_eq!(heap.graph.referrers(held).len(), 1);
    }
    let d3 = read("d3-after-simulation.json");
    let module = d3.graph.object_named("a").unwrap();
    let held: Vec<String> = d3.graph.referents(module).map(|object| d3.graph.id_text(object)).collect();
    assert_eq!(held, ["b"]);
}

#[test]
fn sizes_in_strings_count() {
    let heap = read("string-sizes.jsonl");
    let sizes: Vec<u64> = heap.graph.objects().map(|object| heap.graph.shallow_size(object)).collect();
    assert_eq!(sizes, [72, 48]);
    assert_eq!(referents(&heap, 16), [32]);
    let lines = b"{\"id\":1,\"type\":\"T\",\"size\":\"0x10\",\"refs\":[2]}\n{\"id\":2,\"type\":\"T\",\"size\":\"12 kB\",\"refs\":[1]}\n{\"id\":3,\"type\":\"T\",\"size\":null,\"refs\":[]}\n";
    let graph = br#"{"nodes":[{"id":1,"size":"16"},{"id":2,"size":"12 kB"},{"id":3,"size":"8.0"}],"links":[{"source":1,"target":2}]}"#;
    for (dump, expected) in [(&lines[..], [16, 0, 0]), (graph, [16, 0, 8])] {
        let heap = load(dump);
        let sizes: Vec<u64> = heap.graph.objects().map(|object| heap.graph.shallow_size(object)).collect();
        assert_eq!(sizes, expected);
        assert_eq!(heap.damage.facts(), ["1 size in words, which is no number of bytes: taken for 0"]);
    }
}

#[test]
fn all_arrays_and_all_records_on_several_lines_are_read() {
    let types = |name: &str| contents(&read(name)).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(types("two-arrays.json"), ["module", "app.Session", "app.Other"]);
    assert_eq!(types("pretty-records.jsonl"), ["module", "app.Session"]);
    assert_eq!(read("pretty-records.jsonl").graph.roots()[0].name.as_deref(), Some("app"));
}
