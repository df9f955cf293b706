//! Rows for tables.

use retainers::analysis::distances::RootChoice;
use retainers::analysis::export::{Rows, export};
use retainers::graph::Heap;

use crate::support::heap::load;

fn rows(heap: &Heap, rows: Rows) -> Vec<String> {
    let mut out = Vec::new();
    export(heap, &RootChoice::default(), rows, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(ToOwned::to_owned).collect()
}

/// The virtual root is 0, which is no object's address in a process.
#[test]
fn what_only_roots_hold_has_0_for_its_dominator() {
    let heap = load(b"{\"id\":1,\"type\":\"module\",\"size\":1,\"refs\":[2]}\n{\"id\":2,\"type\":\"T\",\"size\":1,\"refs\":[]}\n{\"id\":3,\"type\":\"T\",\"size\":1,\"refs\":[]}\n");
    assert_eq!(rows(&heap, Rows::Csv)[1..], ["1,module,1,0,0,2", "2,T,1,1,1,1", "3,T,1,,,"]);
}

#[test]
fn an_object_with_the_id_0_is_not_taken_for_the_virtual_root() {
    let heap = load(include_bytes!("../../fixtures/wild/idom-ambiguous.json"));
    assert_eq!(rows(&heap, Rows::Csv)[1..], ["0,module,1,0,,2", "1,T,1,1,0,1"]);
    let dominators: Vec<serde_json::Value> = rows(&heap, Rows::JsonLines)
        .iter()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["idom"].clone())
        .collect();
    assert_eq!(dominators, [serde_json::Value::Null, 0.into()]);
}
