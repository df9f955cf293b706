//! Which references count: the strong ones that are not excluded. Forward and backward passes ask the same predicate.

use crate::graph::{HeapGraph, ObjectId};

/// The references of a heap that keep objects alive, as far as the question is concerned.
#[derive(Debug, Clone)]
pub struct Retaining<'g> {
    /// The heap.
    pub graph: &'g HeapGraph,
    /// One bit a reference, in the order of [`HeapGraph::forward`]; `None` when nothing is excluded.
    excluded: Option<Vec<u64>>,
}

impl<'g> Retaining<'g> {
    /// All strong references.
    pub fn all(graph: &'g HeapGraph) -> Self {
        Self { graph, excluded: None }
    }

    /// All strong references but those at `positions` of [`HeapGraph::forward`].
    pub fn without(graph: &'g HeapGraph, positions: &[usize]) -> Self {
        if positions.is_empty() {
            return Self::all(graph);
        }
        let mut excluded = vec![0u64; graph.reference_count().div_ceil(64)];
        for &position in positions {
            excluded[position / 64] |= 1 << (position % 64);
        }
        Self { graph, excluded: Some(excluded) }
    }

    /// Whether the reference at `position` counts.
    pub fn counts(&self, position: usize) -> bool {
        self.excluded.as_ref().is_none_or(|excluded| excluded[position / 64] >> (position % 64) & 1 == 0)
    }

    /// Whether any strong reference does not count.
    pub fn excludes_any(&self) -> bool {
        self.excluded.is_some()
    }

    /// The objects that `object` keeps alive directly, parallel references each.
    pub fn referents(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let range = self.graph.forward().range(object);
        range.filter(|&position| self.counts(position)).map(|position| self.graph.forward().target(position))
    }

    /// The objects that keep `object` alive directly, each once, in dump order.
    pub fn referrers(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let mut previous = None;
        self.graph.referrers(object).filter(move |&referrer| {
            let is_new = previous.replace(referrer) != Some(referrer);
            is_new && (self.excluded.is_none() || self.referents(referrer).any(|target| target == object))
        })
    }
}
