//! Expressions, read against a heap: what answers print is found again.

use retainers::analysis::expression::find_references;

use crate::support::heap::heap;

const HEAP: &str = "module app .cache -> c, .cache2 -> x\nmodule app.web .rows -> l\nc: app.Cache __dict__ -> cd\n\
    cd: dict ['items'] -> i, ['odd key'] -> x\ni: dict ['a'] -> x, [7] -> y\nl: list [1] -> y, [0] -> x\nx: T .me -> x\ny: T";

/// Types of holder and target of each reference that the text means.
fn meant(text: &str) -> Vec<String> {
    let heap = heap(HEAP);
    let forward = heap.graph.forward();
    let ends = find_references(&heap, text).into_iter().map(|position| {
        let (holder, target) = (forward.row_of(position), forward.target(position));
        format!("{} -> {}", heap.graph.id_text(holder), heap.graph.type_name_of(target))
    });
    ends.collect()
}

#[test]
fn attributes_are_found_through_dictionaries_and_directly() {
    assert_eq!(meant("app.cache").len(), 1);
    assert_eq!(meant("app.cache.items").len(), 1);
    assert_eq!(meant("app.cache2.me").len(), 1);
    assert_eq!(meant("app.cache2.me.me").len(), 1);
    assert!(meant("app.cach").is_empty());
    assert!(meant("app").is_empty());
    assert!(meant("other.cache").is_empty());
}

#[test]
fn items_are_found_by_key_by_index_or_all() {
    assert_eq!(meant("app.cache.items['a']").len(), 1);
    assert_eq!(meant("app.cache.items[7]").len(), 1);
    assert_eq!(meant("app.cache.items[…]").len(), 2);
    assert_eq!(meant("app.cache.items[*]").len(), 2);
    assert_eq!(meant("app.web.rows[1]"), meant("app.web.rows[1]"));
    assert_eq!(meant("app.web.rows[…]").len(), 2);
    assert_eq!(meant("app.web.rows[…].me").len(), 1);
    assert!(meant("app.web.rows[2]").is_empty());
}
