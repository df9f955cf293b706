//! What becomes unreachable when some references go? Two searches from the roots, with and without them: O(n + m).

use rustc_hash::FxHashSet;

use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;

/// What becomes unreachable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// How many objects.
    pub objects: u64,
    /// Their sizes together, shallow and external; saturates.
    pub bytes: u64,
    /// How many of them are targets.
    pub targets_freed: u64,
}

/// What `roots` reach now, but not without the references at `positions` of
/// [`HeapGraph::forward`](crate::graph::HeapGraph::forward). A cut is proved by `targets_freed`: it is the number of
/// targets that were reachable.
pub fn frees(
    retaining: &Retaining<'_>,
    roots: impl Iterator<Item = ObjectId>,
    positions: &[usize],
    targets: &[ObjectId],
) -> Freed {
    let graph = retaining.graph;
    let roots: Vec<ObjectId> = roots.collect();
    let before = reached(retaining, &roots, &FxHashSet::default());
    let after = reached(retaining, &roots, &positions.iter().copied().collect());
    let is_target = Marks::of(graph.object_count(), targets.iter().copied());
    let mut freed = Freed::default();
    for object in before.iter().filter(|&object| !after.has(object)) {
        freed.objects += 1;
        freed.bytes =
            freed.bytes.saturating_add(graph.shallow_size(object)).saturating_add(graph.external_size(object));
        freed.targets_freed += u64::from(is_target.has(object));
    }
    freed
}

/// The objects that `roots` reach without the references in `removed`.
fn reached(retaining: &Retaining<'_>, roots: &[ObjectId], removed: &FxHashSet<usize>) -> Marks {
    let forward = retaining.graph.forward();
    let mut reached = Marks::of(retaining.graph.object_count(), roots.iter().copied());
    let mut found: Vec<ObjectId> = reached.iter().collect();
    while let Some(object) = found.pop() {
        for position in forward.range(object) {
            let target = forward.target(position);
            if !reached.has(target) && retaining.counts(position) && !removed.contains(&position) {
                reached.insert(target);
                found.push(target);
            }
        }
    }
    reached
}
