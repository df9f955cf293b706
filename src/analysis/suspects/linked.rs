//! Objects of one type that hang on each other: linked lists, trees, nested tuples. No container holds them; the first of
//! them is the place.

use rustc_hash::FxHashMap;

use super::candidate::{Candidate, Place};
use super::evidence::Contents;
use super::facts::{Facts, Kind};
use crate::analysis::dominators::{Dominators, Holder};
use crate::analysis::origin::Origin;
use crate::graph::{Heap, ObjectId};

/// Objects that make a structure.
const NODES: u64 = 100;
/// Objects between two nodes: a `__dict__`, a list of children and its like.
const BETWEEN: usize = 2;

/// All structures, by their first node. One pass over the dominator tree.
pub(super) fn structures(heap: &Heap, tree: &Dominators, facts: &Facts) -> Vec<Candidate> {
    let graph = &heap.graph;
    // of each node, the first of its structure
    let mut first: Vec<u32> = vec![u32::MAX; graph.object_count()];
    let mut counts: FxHashMap<ObjectId, u64> = FxHashMap::default();
    for object in tree.top_down() {
        let is_node = !facts.is_class.has(object)
            && match facts.kind(graph, object) {
                Kind::Instance | Kind::OfCode => true,
                Kind::Frozen => graph.type_name_of(object) == "tuple",
                Kind::Container => graph.type_name_of(object) == "list",
                _ => false,
            };
        if !is_node {
            continue;
        }
        let type_id = graph.type_of(object);
        let mut at = object;
        let mut top = object;
        for _ in 0..=BETWEEN {
            let Some(Holder::Object(above)) = tree.immediate_dominator(at) else { break };
            if graph.type_of(above) == type_id {
                top = ObjectId(first[above.index()]);
                break;
            }
            let passes_on =
                matches!(facts.kind(graph, above), Kind::Container | Kind::Frozen) && !facts.is_namespace.has(above);
            if !passes_on {
                break;
            }
            at = above;
        }
        first[object.index()] = top.0;
        *counts.entry(top).or_default() += 1;
    }
    let mut tops: Vec<ObjectId> = counts.into_iter().filter(|(_, count)| *count >= NODES).map(|(top, _)| top).collect();
    tops.sort_unstable();
    let mut elements: FxHashMap<u32, Vec<ObjectId>> = tops.iter().map(|top| (top.0, Vec::new())).collect();
    for object in graph.objects() {
        if let Some(nodes) = elements.get_mut(&first[object.index()]) {
            nodes.push(object);
        }
    }
    let structure = |top: ObjectId| {
        let mut nodes = elements.remove(&top.0)?;
        nodes.sort_by_cached_key(|&node| graph.address(node));
        Some(Candidate {
            place: Place::Linked,
            holder: Some(top),
            others: Vec::new(),
            items: nodes.len() as u64,
            bytes: tree.retained_size(top),
            contents: Contents::of(heap, facts, &nodes),
            elements: nodes,
            owner: Origin::StandardLibrary,
            expression: None,
        })
    };
    tops.into_iter().filter_map(structure).collect()
}
