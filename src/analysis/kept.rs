//! Distances and dominators, of which many questions ask: searched once for a heap, or read from its index.
//!
//! Kept are those from the roots that are asked unless others are named, over all strong references.

use std::io;
use std::sync::Arc;

use super::distances::{Distances, RootChoice};
use super::dominators::{Dominators, dominators};
use super::retaining::Retaining;
use crate::graph::Heap;
use crate::graph::index::IndexWriter;

/// Distances from the roots of `choice`.
pub fn distances(heap: &Heap, retaining: &Retaining<'_>, choice: &RootChoice) -> Arc<Distances> {
    let search = || Distances::search(retaining, choice);
    if !is_usual(retaining, choice) {
        return Arc::new(search());
    }
    known_distances(heap).unwrap_or_else(|| heap.results.keep(search()))
}

/// Dominators from the roots of `choice`.
pub fn dominator_tree(heap: &Heap, retaining: &Retaining<'_>, choice: &RootChoice) -> Arc<Dominators> {
    let search = || dominators(retaining, choice.roots(&heap.graph));
    if !is_usual(retaining, choice) {
        return Arc::new(search());
    }
    known_dominators(heap).unwrap_or_else(|| heap.results.keep(search()))
}

fn is_usual(retaining: &Retaining<'_>, choice: &RootChoice) -> bool {
    !retaining.excludes_any() && *choice == RootChoice::default()
}

fn known_distances(heap: &Heap) -> Option<Arc<Distances>> {
    let restored = || Distances::restore(heap.results.index()?).map(|distances| heap.results.keep(distances));
    heap.results.get().or_else(restored)
}

fn known_dominators(heap: &Heap) -> Option<Arc<Dominators>> {
    let restored = || Dominators::restore(heap.results.index()?).map(|tree| heap.results.keep(tree));
    heap.results.get().or_else(restored)
}

/// Whether something is known that the index from which the heap comes does not have.
pub fn has_news(heap: &Heap) -> bool {
    let Some(index) = heap.results.index() else { return true };
    let distances = heap.results.get::<Distances>().is_some() && !Distances::is_in(index);
    distances || (heap.results.get::<Dominators>().is_some() && !Dominators::is_in(index))
}

/// Appends what is known to an index.
///
/// # Errors
/// What the system says.
pub fn store(heap: &Heap, writer: &mut IndexWriter) -> io::Result<()> {
    if let Some(distances) = known_distances(heap) {
        distances.store(writer)?;
    }
    match known_dominators(heap) {
        Some(tree) => tree.store(writer),
        None => Ok(()),
    }
}
