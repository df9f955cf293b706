//! JSON Graph Format and node-link: ids, profile, refusals.

use super::{contents, names, referents};
use crate::support::heap::{load, try_load};
use ::retainers::error::Error;

fn refusal(document: &str) -> String {
    match try_load(document.as_bytes()) {
        Err(Error::Malformed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_may_be_words() {
    let heap = load(
        br#"{"graph":{"nodes":{"app":{"label":"module","metadata":{"name":"app"}},"s":{"label":"Session"},"7":{"label":"x"}},
            "edges":[{"source":"app","target":"s","relation":".session"},{"source":"s","target":"7"}]}}"#,
    );
    assert_eq!(heap.about.format, "JSON Graph Format");
    let session = heap.graph.object_named("s").unwrap();
    assert_eq!(heap.graph.id_text(session), "s");
    assert_eq!(heap.graph.type_name_of(session), "Session");
    assert_eq!(referents(&heap, heap.graph.address(session)), [7]);
    assert_eq!(heap.graph.id_text(heap.graph.object_at(7).unwrap()), "0x7");
}

#[test]
fn node_link_nodes_without_id_are_known_by_position() {
    let heap = load(br#"{"nodes":[{"type":"module"},{"type":"b"}],"links":[{"source":0,"target":1,"name":".b"}]}"#);
    assert_eq!(contents(&heap), [(0, "module".to_owned()), (1, "b".to_owned())]);
    assert_eq!(names(&heap, 0), [".b"]);
}

#[test]
fn ids_of_tuples_are_their_text() {
    let heap =
        load(br#"{"directed":true,"nodes":[{"id":["a",1]},{"id":"b"}],"edges":[{"source":["a",1],"target":"b"}]}"#);
    let tuple = heap.graph.object_named(r#"["a",1]"#).unwrap();
    assert_eq!(heap.graph.referents(tuple).len(), 1);
}

#[test]
fn weak_edges_and_listed_roots_are_known() {
    let heap = load(
        br#"{"graph":{"metadata":{"roots":["1"]},"nodes":{"1":{"label":"Registry"},"2":{"label":"a"},"3":{"label":"b"}},
            "edges":[{"source":"1","target":"2","metadata":{"weak":true}},{"source":"1","target":"3","weak":false}]}}"#,
    );
    assert_eq!(referents(&heap, 1), [3]);
    assert_eq!(heap.graph.weak_references().len(), 1);
    assert_eq!(heap.graph.roots()[0].kind.word(), "root");
}

#[test]
fn edges_may_come_before_nodes() {
    let heap = load(br#"{"links":[{"source":1,"target":2}],"nodes":[{"id":1},{"id":2}]}"#);
    assert_eq!(referents(&heap, 1), [2]);
}

#[test]
fn what_has_no_direction_or_several_ends_is_refused_with_the_reason() {
    assert!(refusal(r#"{"directed":false,"nodes":[{"id":1}],"links":[]}"#).contains("undirected"));
    assert!(refusal(r#"{"graph":{"directed":false,"nodes":{}}}"#).contains("undirected"));
    let edge = r#"{"graph":{"nodes":{"1":{}},"edges":[{"source":"1","target":"1","directed":false}]}}"#;
    assert!(refusal(edge).contains("undirected"));
    assert!(refusal(r#"{"graph":{"nodes":{},"hyperedges":[{"nodes":["1"]}]}}"#).contains("hyperedge"));
    assert!(refusal(r#"{"graphs":[{"nodes":{"1":{}}},{"nodes":{"1":{}}}]}"#).contains("2 graphs"));
}

#[test]
fn dangling_edges_and_repeated_ids_are_counted() {
    let heap = load(
        br#"{"nodes":[{"id":1,"type":"old"},{"id":2},{"id":1,"type":"new"}],
            "links":[{"source":1,"target":2},{"source":1,"target":9},{"source":9,"target":1}]}"#,
    );
    assert_eq!(heap.damage.duplicate_ids, 1);
    assert_eq!(heap.damage.dangling_references, 2);
    assert_eq!(heap.graph.type_name_of(heap.graph.object_at(1).unwrap()), "new");
    assert_eq!(referents(&heap, 1), [2]);
}
