//! One object whole.

use retainers::analysis::distances::RootChoice;
use retainers::analysis::object::{ObjectPage, SHOWN, object_page};
use retainers::graph::Heap;

use super::{in_small_stack, long_list, page};
use crate::support::heap::{heap, load};

const SKETCH: &str = "
    module app .cache -> c
    c: dict ['a'] -> s, ['b'] -> s
    s: app.Session .rows -> r, .owner -> u
    r: list [0] -> t
    t: str
    u: app.User ~> s
    v: app.User .lost -> w
    w: str
";

fn of(heap: &Heap, type_name: &str) -> ObjectPage {
    let object = heap.graph.objects().find(|&object| heap.graph.type_name_of(object) == type_name).unwrap();
    object_page(heap, &RootChoice::default(), object)
}

#[test]
fn the_page_tells_all_of_an_object() {
    let heap = heap(SKETCH);
    let text = page(&of(&heap, "app.Session").report(&heap));
    assert_eq!(text, EXPECTED, "{text}");
}

const EXPECTED: &str = "\
app.Session · 0x40
  type app.Session
  512 B shallow · 2.8 KiB retained in 4 objects

[1] the only one held by module app · 3 references · c7bef6e86c1d
  module app  128 B
  │ .cache['a']  through __dict__, dict
  ╰▶ app.Session  512 B · 0x40
     app.cache['a']
     2 plumbing objects folded into the references (--raw shows each)

goes when any of these goes, nearest first

  object      id    retained
  dict        0x30   3.1 KiB
  dict        0x20   3.4 KiB
  module app  0x10   3.5 KiB

refers to

  reference  object    id    shallow  retained
  .rows      list      0x50    640 B   1.5 KiB
  .owner     app.User  0x60    768 B     768 B

is referred to by

  reference  object    id    shallow  retained
  ['a']      dict      0x30    384 B   3.1 KiB
  weak       app.User  0x60    768 B     768 B

retains, itself included

  type         objects   size
  str                1  896 B
  app.User           1  768 B
  list               1  640 B
  app.Session        1  512 B
";

#[test]
fn the_data_has_the_same() {
    let heap = heap(SKETCH);
    let data = of(&heap, "app.Session").report(&heap).data;
    assert_eq!(data["schema"], 1);
    assert_eq!(data["type"], "app.Session");
    assert_eq!(data["references_found"], 2);
    assert_eq!(data["retained_count"], 4);
    assert_eq!(data["chain"]["length"], 3);
    assert_eq!(data["unreached"], serde_json::Value::Null);
    assert_eq!(data["referrers"]["shown"][1]["weak"], true);
    assert_eq!(data["dominators"]["shown"].as_array().unwrap().len(), 3);
    let retained: u64 =
        data["retains"].as_array().unwrap().iter().map(|of_type| of_type["size"].as_u64().unwrap()).sum();
    assert_eq!(Some(retained), data["retained_size"].as_u64());
}

#[test]
fn what_no_root_reaches_says_so() {
    let dump = r#"{"address":16,"type":"T","size":8,"rc":3,"refs":[]}
{"address":32,"type":"Holder","size":8,"rc":0,"refs":[16],"edges":[".held"]}
{"address":48,"type":"module","size":8,"name":"app","refs":[]}
"#;
    let heap = load(dump.as_bytes());
    let answer = of(&heap, "T");
    let text = page(&answer.report(&heap));
    assert!(text.contains("8 B shallow · no root reaches it"), "{text}");
    assert!(text.contains("reference count 3 · the dump has 1 reference to it: something outside holds it"), "{text}");
    assert!(text.contains("1 is not reachable from any root"), "{text}");
    assert!(!text.contains("is alive"), "{text}");
    assert!(answer.retains.is_empty() && answer.dominators.shown.is_empty());
}

#[test]
fn many_neighbours_are_counted() {
    let mut sketch = String::from("module app .all -> l\n");
    let held: Vec<String> = (0..200).map(|n| format!("[{n}] -> t{n}")).collect();
    sketch.push_str(&format!("l: list {}\n", held.join(", ")));
    (0..200).for_each(|n| sketch.push_str(&format!("t{n}: T .hub -> h\n")));
    sketch.push_str("h: Hub");
    let heap = heap(&sketch);
    let list = of(&heap, "list");
    assert_eq!((list.references.shown.len(), list.references.more), (SHOWN, 150));
    assert_eq!(list.references.shown[49].name.text, "[49]");
    let hub = of(&heap, "Hub");
    assert_eq!((hub.referrers.shown.len(), hub.referrers.more), (SHOWN, 150));
    assert!(page(&hub.report(&heap)).contains("… 150 more referrers"));
}

#[test]
fn the_end_of_a_long_list_needs_no_stack() {
    let (shown, more) = in_small_stack(|| {
        let heap = load(long_list(200_000, "module").as_bytes());
        let last = heap.graph.objects().last().unwrap();
        let answer = object_page(&heap, &RootChoice::default(), last);
        let _ = page(&answer.report(&heap));
        (answer.dominators.shown.len(), answer.dominators.more)
    });
    assert_eq!((shown as u64) + more, 200_000);
}
