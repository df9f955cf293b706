//! gc exports: Meliae, Midden, hand-made records.

use super::{contents, names, referents};
use crate::support::heap::load;

#[test]
fn meliae_names_follow_from_the_order_of_its_scanner() {
    let heap = load(
        br#"{"address": 16, "type": "module", "size": 72, "name": "app", "refs": [32]}
{"address": 32, "type": "dict", "size": 232, "len": 2, "refs": [48, 64]}
{"address": 48, "type": "list", "size": 72, "len": 2, "refs": [80, 64]}
{"address": 64, "type": "dict", "size": 232, "len": 1, "refs": [80, 96]}
{"address": 80, "type": "cell", "size": 40, "refs": [96]}
{"address": 96, "type": "int", "size": 28, "value": 7, "refs": []}
{"address": 112, "type": "method", "size": 64, "refs": [128, 48]}
{"address": 128, "type": "function", "size": 136, "name": "close", "refs": [32, 48]}
"#,
    );
    assert_eq!(heap.about.format, "Meliae lines");
    assert_eq!(names(&heap, 16), ["__dict__"]);
    assert_eq!(names(&heap, 32), ["", ""]);
    assert_eq!(names(&heap, 48), ["[1]", "[0]"]);
    assert_eq!(names(&heap, 64), ["[7]", "key [7]"]);
    assert_eq!(names(&heap, 80), ["cell_contents"]);
    assert_eq!(names(&heap, 112), ["__func__", "__self__"]);
    assert_eq!(names(&heap, 128), ["", ""]);
    assert_eq!(heap.graph.roots().len(), 1);
    assert_eq!(heap.graph.roots()[0].name.as_deref(), Some("app"));
}

#[test]
fn midden_names_follow_from_keys_and_values() {
    let heap = load(
        br#"{"id": 16, "type": "builtins.module", "references": [32], "size": 72, "value": "module app"}
{"id": 32, "type": "builtins.dict", "references": [48, 64], "size": 232}
{"id": 48, "type": "builtins.str", "references": [], "size": 52, "value": "it's"}
{"id": 64, "type": "builtins.tuple", "references": [48, 80], "size": 56}
{"id": 80, "type": "app.Session", "references": [], "size": 56}
"#,
    );
    assert_eq!(heap.about.format, "Midden lines");
    assert_eq!(names(&heap, 32), ["key ['it\\'s']", "['it\\'s']"]);
    assert_eq!(names(&heap, 64), ["[0]", "[1]"]);
    assert_eq!(contents(&heap)[4].1, "app.Session");
    assert_eq!(contents(&heap)[0].1, "module");
    assert_eq!(heap.graph.roots()[0].name.as_deref(), Some("app"));
}

#[test]
fn hand_made_records_are_read_by_whatever_keys_they_have() {
    let lines = br#"{"id": 16, "class": "<class 'dict'>", "size": 64, "referents": [32]}
{"id": "0x20", "type": "app.Thing", "size": null, "references": null, "children": []}
"#;
    let array = br#"[{"addr": 16, "class": "dict", "size": 64, "refs": ["32"]}, {"addr": 32, "class": "app.Thing"}]"#;
    let pretty = br#"
[
  {
    "id": 16,
    "type": "dict",
    "referents": [
      32
    ]
  },
  {
    "id": 32,
    "type": "app.Thing",
    "referents": []
  }
]
"#;
    for dump in [&lines[..], array, pretty] {
        let heap = load(dump);
        let expected = [(16, "dict".to_owned()), (32, "app.Thing".to_owned())];
        assert_eq!(contents(&heap), expected, "{}", String::from_utf8_lossy(dump));
        assert_eq!(referents(&heap, 16), [32]);
        assert_eq!(names(&heap, 16), [""]);
        assert!(heap.damage.facts().is_empty(), "{:?}", heap.damage);
    }
}

#[test]
fn an_array_with_a_record_on_each_line_is_an_array_all_the_same() {
    let heap =
        load(b"[\n{\"id\": 1, \"type\": \"a\", \"refs\": [2]},\n{\"id\": 2, \"type\": \"b\", \"refs\": []}\n]\n");
    assert_eq!(heap.graph.object_count(), 2);
    assert!(heap.damage.facts().is_empty(), "{:?}", heap.damage);
}

#[test]
fn extra_keys_name_references_types_and_roots() {
    let heap = load(
        br#"{"address":16,"type":"module","size":72,"name":"app","module":"builtins","rc":3,"refs":[32],"edges":["__dict__"],"root":"module"}
{"address":32,"type":"Session","module":"app.web","size":48,"refs":[16,16],"edges":[".a",null]}
{"address":48,"type":"frame","module":"builtins","size":400,"name":"run","refs":[],"edges":[],"root":"frame"}
{"address":64,"type":"module","size":72,"name":"not in sys.modules","module":"builtins","refs":[],"edges":[]}
"#,
    );
    assert_eq!(contents(&heap)[1].1, "app.web.Session");
    assert_eq!(names(&heap, 32), [".a", ""]);
    let roots: Vec<(&str, Option<&str>)> =
        heap.graph.roots().iter().map(|root| (root.kind.word(), root.name.as_deref())).collect();
    assert_eq!(roots, [("module", Some("app")), ("frame", Some("run"))]);
}

#[test]
fn parallel_references_are_kept() {
    let heap = load(
        b"{\"address\": 1, \"type\": \"list\", \"refs\": [2, 2, 2]}\n{\"address\": 2, \"type\": \"x\", \"refs\": []}\n",
    );
    assert_eq!(heap.graph.reference_count(), 3);
    assert_eq!(referents(&heap, 1), [2, 2, 2]);
}
