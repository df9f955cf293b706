//! Distances and dominators, of which many questions ask: searched once for a heap, or read from its index.
//!
//! Kept are those from the roots that are asked unless others are named, over all strong references.

use std::io;
use std::sync::Arc;

use super::distances::{DistanceColumns, Distances, RootChoice};
use super::dominators::{self, DominatorColumns, Dominators, dominators};
use super::retaining::Retaining;
use crate::graph::column::Column;
use crate::graph::grouped::{Numbers, SectionNames};
use crate::graph::index::{Block, Index, IndexWriter, Unusable, below};
use crate::graph::{Heap, Sizes};

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

/// Both, at once where neither is known.
pub fn distances_and_dominators(
    heap: &Heap,
    retaining: &Retaining<'_>,
    choice: &RootChoice,
) -> (Arc<Distances>, Arc<Dominators>) {
    let is_new = !is_usual(retaining, choice) || (known_distances(heap).is_none() && known_dominators(heap).is_none());
    if !is_new {
        return (distances(heap, retaining, choice), dominator_tree(heap, retaining, choice));
    }
    let (distances, tree) = dominators::distances_and_dominators(retaining, choice);
    if is_usual(retaining, choice) {
        (heap.results.keep(distances), heap.results.keep(tree))
    } else {
        (Arc::new(distances), Arc::new(tree))
    }
}

fn is_usual(retaining: &Retaining<'_>, choice: &RootChoice) -> bool {
    !retaining.excludes_any() && *choice == RootChoice::default()
}

fn known_distances(heap: &Heap) -> Option<Arc<Distances>> {
    let restored = || restore_distances(heap.results.index()?).map(|distances| heap.results.keep(distances));
    heap.results.get().or_else(restored)
}

fn known_dominators(heap: &Heap) -> Option<Arc<Dominators>> {
    let restored = || restore_dominators(heap.results.index()?).map(|tree| heap.results.keep(tree));
    heap.results.get().or_else(restored)
}

/// Whether something is known that the index from which the heap comes does not have.
pub fn has_news(heap: &Heap) -> bool {
    let Some(index) = heap.results.index() else { return true };
    let distances = heap.results.get::<Distances>().is_some() && !index.has(DISTANCES[0]);
    distances || (heap.results.get::<Dominators>().is_some() && !index.has(POSITIONS))
}

/// Looks at all numbers of a heap that comes from an index, so that damage is known before anything is said. O(n + m).
pub fn check(heap: &Heap) {
    heap.graph.check();
    if let Some(distances) = known_distances(heap) {
        distances.columns().values.check();
    }
    if let Some(tree) = known_dominators(heap) {
        let columns = tree.columns();
        [&columns.positions, &columns.objects, &columns.dominators].into_iter().for_each(Column::check);
        columns.counts.check();
        columns.retained.check();
    }
}

/// Appends what is known to an index.
///
/// # Errors
/// What the system says.
pub fn store(heap: &Heap, writer: &mut IndexWriter) -> io::Result<()> {
    if let Some(distances) = known_distances(heap) {
        let columns = distances.columns();
        columns.values.store(writer, DISTANCES)?;
        writer.json(PASSES, &(&columns.bases, &columns.reached))?;
    }
    if let Some(tree) = known_dominators(heap) {
        let columns = tree.columns();
        writer.section(POSITIONS, &columns.positions)?;
        writer.section(OBJECTS, &columns.objects)?;
        writer.section(DOMINATORS, &columns.dominators)?;
        columns.counts.store(writer, COUNTS)?;
        columns.retained.store(writer, RETAINED)?;
    }
    Ok(())
}

const DISTANCES: SectionNames = ["distances", "distances.groups", "distances.wide"];
const PASSES: &str = "distances.bases";
const POSITIONS: &str = "tree.positions";
const OBJECTS: &str = "tree.objects";
const DOMINATORS: &str = "tree.dominators";
const COUNTS: [&str; 2] = ["tree.counts", "tree.counts.w"];
const RETAINED: [&str; 2] = ["tree.retained", "tree.retained.w"];

/// The distances in an index; `None` where there are none.
fn restore_distances(index: &Index) -> Option<Distances> {
    if !index.has(DISTANCES[0]) {
        return None;
    }
    let restore = || {
        let (bases, reached): (Vec<u32>, Vec<u64>) = index.json(PASSES)?;
        let is_sound = bases.first() == Some(&0) && bases.is_sorted() && bases.len() == reached.len();
        if !is_sound || bases.len() != RootChoice::default().pass_count() {
            return Err(Unusable::Damaged);
        }
        let values = Numbers::restore(index, index.object_count(), DISTANCES)?;
        Ok(Distances::from_columns(DistanceColumns { values, bases, reached }))
    };
    Some(restore().unwrap_or_else(|_| index.give_up()))
}

/// The dominator tree in an index; `None` where there is none.
fn restore_dominators(index: &Index) -> Option<Dominators> {
    let bytes = index.bytes_of(OBJECTS)?;
    let restore = || {
        let (objects, rows) = (index.object_count() as u64, bytes / size_of::<u32>());
        if rows == 0 {
            return Err(Unusable::Damaged);
        }
        let dominators = index.column(DOMINATORS, rows, |block: Block<'_, u32>| {
            // each row comes after its dominator, but for the first, which has none
            let above = (block.first..).zip(block.values);
            above.filter(|&(row, &above)| above as usize >= row.max(1)).count() == 0
        })?;
        // a subtree has its own row, and ends within the tree
        let counts = Sizes::restore(index, rows, COUNTS, move |row, count| count > 0 && count <= (rows - row) as u64)?;
        let is_object = below::<u32>(objects);
        Ok(Dominators::from_columns(DominatorColumns {
            positions: index.column(POSITIONS, index.object_count(), below::<u32>(rows as u64))?,
            // the first has no meaning
            objects: index.column(OBJECTS, rows, move |block| {
                let values = if block.first == 0 { &block.values[1..] } else { block.values };
                is_object(Block { values, ..block })
            })?,
            dominators,
            counts,
            retained: Sizes::restore(index, rows, RETAINED, |_, _| true)?,
        }))
    };
    Some(restore().unwrap_or_else(|_| index.give_up()))
}
