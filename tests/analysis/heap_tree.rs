//! The tree from the largest holder down: grouping, thresholds, depth.

use retainers::analysis::distances::RootChoice;
use retainers::analysis::heap_tree::{DEEPEST, HeapTree, TreeOptions, heap_tree};
use retainers::graph::Heap;

use super::{in_small_stack, long_list, page};
use crate::support::heap::{heap, load};

fn tree(heap: &Heap, options: TreeOptions) -> HeapTree {
    heap_tree(heap, &RootChoice::default(), options)
}

fn text(heap: &Heap, options: TreeOptions) -> String {
    page(&tree(heap, options).report(heap))
}

/// Six sessions with a list each, in a dictionary; the module holds one of them directly as well.
fn sessions() -> String {
    let mut sketch = String::from("module app .sessions -> d, .last -> s0\nroot frame main -> f\nf: frame\n");
    let held: Vec<String> = (0..6).map(|n| format!("['k{n}'] -> s{n}")).collect();
    sketch.push_str(&format!("d: dict {}\n", held.join(", ")));
    for n in 0..6 {
        sketch.push_str(&format!("s{n}: app.Session .rows -> r{n}\nr{n}: list\n"));
    }
    sketch
}

#[test]
fn siblings_of_one_type_are_one_row() {
    let heap = heap(&sessions());
    let all = TreeOptions { threshold: 0.0, ..TreeOptions::default() };
    let shown = text(&heap, all);
    let rows: Vec<&str> = shown.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    let expected: Vec<&str> = EXPECTED.lines().collect();
    assert_eq!(rows, expected, "{shown}");
}

const EXPECTED: &str = "\
\u{20} retained  share  shallow  holder
  16.4 KiB  96.3%    128 B  module app
  16.2 KiB  95.6%    256 B    dict  .__dict__
  14.1 KiB  83.1%    384 B      dict  ['sessions']
  13.8 KiB  80.9%  5.0 KiB        5 × app.Session  […]
   8.8 KiB  51.5%  8.8 KiB          5 × list  .rows
   1.9 KiB  11.0%    512 B      app.Session  ['last']
   1.4 KiB   8.1%  1.4 KiB        list  .rows
     640 B   3.7%    640 B  frame";

#[test]
fn what_is_small_or_deep_is_counted() {
    let heap = heap(&sessions());
    let shallow = text(&heap, TreeOptions { depth: 1, threshold: 0.5, ..TreeOptions::default() });
    assert!(shallow.contains("… 1 deeper"), "{shallow}");
    assert!(shallow.contains("… 1 smaller"), "{shallow}");
    let answer = tree(&heap, TreeOptions { depth: 1, threshold: 0.5, ..TreeOptions::default() });
    assert_eq!(answer.nodes.len(), 1);
    assert_eq!(answer.left_out.smaller.objects, 1);
    let below = answer.nodes[0].left_out;
    let parts = below.deeper.bytes + below.smaller.bytes + answer.nodes[0].shallow;
    assert_eq!(parts, answer.nodes[0].retained.bytes, "each byte is in one place");
}

#[test]
fn few_siblings_and_giants_stand_alone() {
    let heap = heap(&sessions());
    let count = |group_from| {
        let options = TreeOptions { threshold: 0.0, group_from, ..TreeOptions::default() };
        tree(&heap, options).nodes.iter().filter(|node| node.title(&heap) == "app.Session").count()
    };
    // the session that another reference keeps alive too stands elsewhere
    assert_eq!((count(2), count(5), count(6)), (2, 2, 6));
    let giant = load(giant().as_bytes());
    let answer = tree(&giant, TreeOptions { threshold: 0.0, ..TreeOptions::default() });
    let rows: Vec<(u64, u64)> = answer.nodes.iter().map(|node| (node.count, node.retained.bytes)).collect();
    assert_eq!(rows, [(1, 1058), (1, 1000), (5, 50)]);
}

/// A module that holds one large list and five small ones.
fn giant() -> String {
    let mut dump = String::from(
        "{\"address\":16,\"type\":\"module\",\"size\":8,\"name\":\"app\",\"refs\":[32,48,64,80,96,112]}\n",
    );
    for (address, size) in [(32, 10), (48, 10), (64, 1000), (80, 10), (96, 10), (112, 10)] {
        dump.push_str(&format!("{{\"address\":{address},\"type\":\"list\",\"size\":{size},\"refs\":[]}}\n"));
    }
    dump
}

#[test]
fn the_data_nests_as_the_tree_does() {
    let heap = heap(&sessions());
    let data = tree(&heap, TreeOptions { threshold: 0.0, ..TreeOptions::default() }).report(&heap).data;
    assert_eq!(data["schema"], 1);
    let module = &data["nodes"][0];
    assert_eq!(module["title"], "module app");
    let dict = &module["below"][0];
    assert_eq!(dict["reference"]["name"], "__dict__");
    let titles: Vec<&str> =
        dict["below"].as_array().unwrap().iter().map(|node| node["title"].as_str().unwrap()).collect();
    assert!(titles.contains(&"dict") && titles.contains(&"app.Session"), "{titles:?}");
}

#[test]
fn a_long_list_needs_no_stack() {
    let depths = in_small_stack(|| {
        let heap = load(long_list(200_000, "module").as_bytes());
        let answer = tree(&heap, TreeOptions { depth: usize::MAX, ..TreeOptions::default() });
        let report = answer.report(&heap);
        let text = serde_json::to_string(&report.data).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        (answer.nodes.len(), page(&report).contains("deeper"))
    });
    assert_eq!(depths, (DEEPEST, true));
}
