//! Which reference does `streamlit.config._on_config_parsed.receivers` mean?
//!
//! An expression is a root's name and the references from there on, as answers print them: `.attribute`, `['key']`,
//! `[3]`, and `[…]` (or `[*]`) for all items. It is read against the heap: from the root, every reference whose own text
//! comes next in the expression is followed, through `__dict__` where the attribute is kept there. What it means are the
//! references that come last. It is the inverse of how chains are read.

use rustc_hash::FxHashSet;

use crate::graph::{Heap, ObjectId, ReferenceKind, ReferenceName};

/// Pairs of object and place in the expression that are looked at before giving up.
const MOST_STATES: usize = 1 << 20;

/// The positions in [`HeapGraph::forward`](crate::graph::HeapGraph::forward) of the references that `text` means,
/// ascending; none where nothing in the heap fits it.
pub fn find_references(heap: &Heap, text: &str) -> Vec<usize> {
    let text = text.replace("[*]", "[…]").replace("{*}", "{…}");
    let mut search = Search { heap, found: FxHashSet::default(), seen: FxHashSet::default(), open: Vec::new() };
    for root in heap.graph.roots() {
        let Some(rest) = root.name.as_deref().and_then(|name| text.strip_prefix(name)) else { continue };
        if rest.starts_with(['.', '[', '{']) {
            search.push(root.object, rest);
        }
    }
    while let Some((object, rest)) = search.open.pop() {
        search.step(object, rest);
    }
    let mut found: Vec<usize> = search.found.into_iter().collect();
    found.sort_unstable();
    found
}

struct Search<'h, 't> {
    heap: &'h Heap,
    found: FxHashSet<usize>,
    /// Objects with what is left of the expression there, by its length.
    seen: FxHashSet<(ObjectId, usize)>,
    open: Vec<(ObjectId, &'t str)>,
}

impl<'t> Search<'_, 't> {
    fn push(&mut self, object: ObjectId, rest: &'t str) {
        if self.seen.len() < MOST_STATES && self.seen.insert((object, rest.len())) {
            self.open.push((object, rest));
        }
    }

    fn step(&mut self, object: ObjectId, rest: &'t str) {
        let mut namespaces = Vec::new();
        let mut next = Vec::new();
        self.heap.for_each_reference(object, |position, target, name| {
            if name.kind == ReferenceKind::Namespace {
                namespaces.push(target);
            }
            next.extend(after(rest, name, false).map(|rest| (position, target, rest)));
        });
        for namespace in namespaces {
            self.heap.for_each_reference(namespace, |position, target, name| {
                next.extend(after(rest, name, true).map(|rest| (position, target, rest)));
            });
        }
        for (position, target, rest) in next {
            if rest.is_empty() {
                self.found.insert(position);
            } else {
                self.push(target, rest);
            }
        }
    }
}

/// What is left of the expression after a reference that comes next in it.
fn after<'t>(rest: &'t str, name: &ReferenceName, in_namespace: bool) -> Option<&'t str> {
    let exact = name.expression(in_namespace);
    let left = rest.strip_prefix(exact.as_str()).or_else(|| {
        let is_item = name.is_wild(false) && !(in_namespace && name.kind == ReferenceKind::Value);
        rest.strip_prefix(name.wildcard()).filter(|_| is_item)
    })?;
    (left.is_empty() || left.starts_with(['.', '[', '{'])).then_some(left)
}
