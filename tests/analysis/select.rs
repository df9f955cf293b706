//! Which objects a name means.

use retainers::analysis::pattern;
use retainers::analysis::select::{Query, Selection, select};
use retainers::graph::Heap;

use crate::support::heap::heap;

fn two_session_types() -> Heap {
    heap("a: app.state.SessionState\nb: proto.SessionState\nc: app.state.SessionState\nd: app.Session\ne: dict")
}

fn query(heap: &Heap, types: &[&str], ids: &[&str]) -> Selection {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    select(&heap.graph, &Query { types: owned(types), ids: owned(ids) })
}

fn found(heap: &Heap, selection: &Selection) -> Vec<(String, usize)> {
    let groups = selection.groups.iter();
    groups.map(|group| (heap.graph.type_name(group.type_id).to_owned(), group.objects.len())).collect()
}

#[test]
fn a_bare_name_of_several_types_is_answered_apart_and_told() {
    let heap = two_session_types();
    let selection = query(&heap, &["SessionState"], &[]);
    let expected = [("app.state.SessionState".to_owned(), 2), ("proto.SessionState".to_owned(), 1)];
    assert_eq!(found(&heap, &selection), expected);
    assert_eq!(selection.ambiguous[0].1.len(), 2);
}

#[test]
fn qualified_names_and_globs_and_builtins_are_found() {
    let heap = two_session_types();
    assert_eq!(found(&heap, &query(&heap, &["app.state.SessionState"], &[])).len(), 1);
    assert_eq!(found(&heap, &query(&heap, &["state.SessionState"], &[])).len(), 1);
    assert_eq!(found(&heap, &query(&heap, &["*Session*"], &[])).len(), 3);
    assert_eq!(found(&heap, &query(&heap, &["builtins.dict"], &[])), [("dict".to_owned(), 1)]);
    assert!(query(&heap, &["*Session*"], &[]).ambiguous.is_empty());
    assert!(found(&heap, &query(&heap, &["State"], &[])).is_empty());
}

#[test]
fn ids_are_decimal_or_hexadecimal_and_counted_once() {
    let heap = two_session_types();
    let selection = query(&heap, &["Session"], &["16", "0x10", "0x20", "64"]);
    let expected =
        [("app.Session".to_owned(), 1), ("app.state.SessionState".to_owned(), 1), ("proto.SessionState".to_owned(), 1)];
    assert_eq!(found(&heap, &selection), expected);
    assert_eq!(query(&heap, &[], &["0x999", "x"]).missing.len(), 2);
}

#[test]
fn the_nearest_names_are_suggested() {
    let heap = two_session_types();
    let selection = query(&heap, &["SesionState"], &[]);
    assert!(selection.groups.is_empty());
    let nearest: Vec<(&str, u64)> =
        selection.missing[0].nearest.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(nearest[..2], [("app.state.SessionState", 2), ("proto.SessionState", 1)]);
}

#[test]
fn globs_match_whole_names() {
    for (glob, text, expected) in [
        ("*", "", true),
        ("a*c", "abbbc", true),
        ("a*c", "abbbd", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*a*b*", "xxaxxbxx", true),
        ("**", "x", true),
        ("", "x", false),
        ("é?", "éü", true),
    ] {
        assert_eq!(pattern::matches(glob, text), expected, "{glob} {text}");
    }
}
