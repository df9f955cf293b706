//! Who refers to an object through a reference that is still open?
//!
//! The reverse rows say how often one object refers to another, but not at which positions. So the closed references,
//! excluded or saturated, are counted by their two ends: as long as there are fewer of them than references, one is open.
//! Looking for positions in the holder's row instead would read a dictionary of a million entries a million times.

use rustc_hash::FxHashMap;

use crate::analysis::retaining::Retaining;
use crate::graph::{HeapGraph, ObjectId};

/// Holders of one object that are put in the order of their addresses.
const MOST_SORTED: usize = 1 << 12;

/// Counts of closed references by target and holder.
#[derive(Debug)]
pub(super) struct OpenReferences<'a> {
    graph: &'a HeapGraph,
    closed: FxHashMap<(ObjectId, ObjectId), u32>,
}

impl<'a> OpenReferences<'a> {
    /// All references but the excluded ones are open. O(n + m) when some are excluded.
    pub(super) fn new(retaining: &Retaining<'a>) -> Self {
        let mut open = Self { graph: retaining.graph, closed: FxHashMap::default() };
        if retaining.excludes_any() {
            let forward = retaining.graph.forward();
            for holder in retaining.graph.objects() {
                for position in forward.range(holder).filter(|&position| !retaining.counts(position)) {
                    open.close(holder, forward.target(position));
                }
            }
        }
        open
    }

    /// Closes one of the references from `holder` to `target`.
    pub(super) fn close(&mut self, holder: ObjectId, target: ObjectId) {
        *self.closed.entry((target, holder)).or_insert(0) += 1;
    }

    /// Opens one of the references from `holder` to `target` that were closed.
    pub(super) fn reopen(&mut self, holder: ObjectId, target: ObjectId) {
        if let Some(count) = self.closed.get_mut(&(target, holder)) {
            *count -= 1;
        }
    }

    /// The objects that refer to `target` through an open reference and that `is_wanted`, each once, by address; in dump
    /// order where so many refer to it that sorting them would take longer than the search.
    pub(super) fn holders(&self, target: ObjectId, is_wanted: impl Fn(ObjectId) -> bool) -> Vec<ObjectId> {
        let parallel = self.graph.reverse().row(target).chunk_by(|a, b| a == b);
        let open = parallel.filter_map(|references| {
            let holder = ObjectId(references[0]);
            (is_wanted(holder) && self.is_open(holder, target, references.len())).then_some(holder)
        });
        let mut holders: Vec<ObjectId> = open.collect();
        if holders.len() <= MOST_SORTED {
            holders.sort_by_cached_key(|&holder| self.graph.address(holder));
        }
        holders
    }

    fn is_open(&self, holder: ObjectId, target: ObjectId, count: usize) -> bool {
        self.closed.is_empty() || self.closed.get(&(target, holder)).is_none_or(|&closed| (closed as usize) < count)
    }
}
