//! Our own format.

use super::{contents, names};
use crate::support::heap::{load, try_load};
use ::retainers::error::Error;

const HEADER: &str = r#"{"retainers":1,"runtime":"cpython","runtime_version":"3.13.1","time":"2026-01-02T03:04:05Z","pid":7,"command":["python","a b.py"],"rss":1048576}"#;

#[test]
fn everything_that_a_dump_says_is_known() {
    let dump = format!(
        "{HEADER}\n{}\n{}\n{}\n{}\n{}\n",
        r#"{"address":16,"type":"app.Cache","size":56,"refs":[32,48],"edges":[".table","['k']"],"kinds":"sv","weak":[48],"weak_edges":["callback"],"rc":2,"len":5,"value":"v","name":"n","site":"app.py:3","external":4096}"#,
        r#"{"root":"frame","name":"run","thread":"worker","object":16}"#,
        r#"{"address":32,"type":"dict","size":64,"refs":[],"edges":[]}"#,
        r#"{"address":48,"type":"str","size":50,"refs":[],"edges":[]}"#,
        "{\"unseen\":\"greenlets\",\"count\":3}\n{\"end\":{\"objects\":3,\"references\":2,\"roots\":1}}",
    );
    let heap = load(dump.as_bytes());
    assert!(heap.damage.facts().is_empty(), "{:?}", heap.damage);
    assert_eq!(heap.about.runtime_version.as_deref(), Some("3.13.1"));
    assert_eq!((heap.about.pid, heap.about.resident), (Some(7), Some(1 << 20)));
    assert_eq!(heap.about.command.as_deref(), Some("python a b.py"));
    assert_eq!(heap.about.unseen, [("greenlets".to_owned(), 3)]);
    assert_eq!(heap.graph.roots()[0].name.as_deref(), Some("run in worker"));
    assert_eq!(names(&heap, 16), [".table", "['k']"]);
    let cache = heap.graph.object_at(16).unwrap();
    assert_eq!(heap.graph.external_size(cache), 4096);
    assert_eq!(heap.graph.weak_references().len(), 1);
    let description = heap.describe(cache);
    assert_eq!(description.site.as_deref(), Some("app.py:3"));
    assert_eq!((description.length, description.reference_count), (Some(5), Some(2)));
    assert_eq!((description.name.as_deref(), description.value.as_deref()), (Some("n"), Some("v")));
}

#[test]
fn a_dump_without_its_end_line_is_known_as_cut_off() {
    let dump = format!("{HEADER}\n{{\"address\":16,\"type\":\"a\",\"refs\":[]}}\n");
    assert!(load(dump.as_bytes()).damage.cut_off.unwrap().contains("no end line"));
}

#[test]
fn counts_that_contradict_the_end_line_are_told() {
    let dump = format!("{HEADER}\n{{\"address\":16,\"type\":\"a\",\"refs\":[]}}\n{{\"end\":{{\"objects\":2}}}}\n");
    assert!(load(dump.as_bytes()).damage.cut_off.unwrap().contains("promises 2 objects, but 1"));
}

#[test]
fn a_dump_can_be_appended_to() {
    let start = format!("{HEADER}\n{{\"address\":16,\"type\":\"a\",\"refs\":[32]}}\n{{\"end\":{{\"objects\":1}}}}\n");
    let more = "{\"address\":32,\"type\":\"b\",\"refs\":[]}\n";
    let unfinished = load(format!("{start}{more}").as_bytes());
    assert!(unfinished.damage.cut_off.unwrap().contains("follow its last end line"));
    let finished = load(format!("{start}{more}{{\"end\":{{\"objects\":2,\"references\":1}}}}\n").as_bytes());
    assert!(finished.damage.facts().is_empty());
    assert_eq!(contents(&finished), [(16, "a".to_owned()), (32, "b".to_owned())]);
}

#[test]
fn a_newer_version_is_refused() {
    let Err(Error::Malformed { reason, .. }) = try_load(b"{\"retainers\":2}\n") else { panic!("taken") };
    assert!(reason.contains("version 2"), "{reason}");
}

#[test]
fn a_reader_of_meliae_lines_reads_the_objects() {
    let line =
        r#"{"address":16,"type":"app.Cache","size":56,"refs":[],"edges":[],"rc":2,"len":5,"value":"v","name":"n"}"#;
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["address", "type", "size", "len", "value", "name", "refs"] {
        assert!(object.get(key).is_some(), "{key}");
    }
    assert_eq!(load(format!("{line}\n").as_bytes()).about.format, "Meliae lines");
}
