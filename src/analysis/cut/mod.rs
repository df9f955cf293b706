//! Which few references must go so that these objects can be collected?
//!
//! A *cut* of a set of objects, the *targets*, is a set of references without which no chain leads from a root to any of
//! them. Parallel references between two objects count one each: all of them must go. Some references nobody can cut,
//! such as that from a module to its `__dict__` ([`uncuttable_by_rule`] has the table); a cut has none of them.
//!
//! [`minimum_cut`] finds the smallest cut, and of several smallest the one nearest to the targets: its side of the targets
//! is contained in that of every other. By the theorem of Ford and Fulkerson the size is that of a maximum flow of units
//! from the roots to the targets, found with Dinic's algorithm (E. A. Dinic 1970; unit capacities: S. Even and
//! R. E. Tarjan 1975), searching from the targets backwards, so that what lies beyond the cut is not looked at by the last
//! search. The heap itself is the network: only references that carry flow are stored.
//!
//! A cut of k references costs O(k (n + m)) time at worst, a few searches in practice: one for each length of chains that
//! carry flow. Memory: 4 bytes an object, and the references on k chains. One thread; the answer depends on nothing but
//! the heap, the roots and the targets.
//!
//! [`disjoint_ways`] is the counterpart for one object: chains that share no object, so that no single object holds it.
//! [`frees`] tells what becomes unreachable without some references.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

mod answer;
mod flow;
mod freed;
mod open;
mod rule;
mod ways;

pub use self::answer::{CutAnswer, CutReference, cut_answer};
use self::flow::Network;
pub use self::freed::{Freed, frees};
pub use self::rule::uncuttable_by_rule;
pub use self::ways::disjoint_ways;
use super::marks::Marks;
use super::retaining::Retaining;
use crate::graph::ObjectId;

/// What it takes to make objects collectable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// No root reaches any of them.
    AlreadyUnreachable,
    /// The smallest cut, nearest to the targets: positions in [`HeapGraph::forward`](crate::graph::HeapGraph::forward),
    /// ascending, which is by holder, then by place in its record.
    Found(Vec<usize>),
    /// Every cut has more references than were allowed.
    TooMany {
        /// No cut has fewer.
        at_least: usize,
    },
    /// There is no cut: the objects of a chain that has only uncuttable references, root first, target last. One object
    /// alone is a target that is a root.
    Impossible(Vec<ObjectId>),
}

/// Finds the smallest set of references whose loss makes all `targets` unreachable from `roots`, if it has at most `most`
/// references. `is_uncuttable` is asked with positions in [`HeapGraph::forward`](crate::graph::HeapGraph::forward), only
/// for references on chains that matter, and must answer the same for the same position.
///
/// O(min(k, `most`) (n + m)) time for a cut of k references, and 4 bytes an object.
pub fn minimum_cut(
    retaining: &Retaining<'_>,
    roots: impl Iterator<Item = ObjectId>,
    targets: &[ObjectId],
    is_uncuttable: &(dyn Fn(usize) -> bool + Sync),
    most: usize,
) -> Cut {
    let count = retaining.graph.object_count();
    let roots = Marks::of(count, roots);
    if let Some(chain) = uncuttable_chain(retaining, &roots, targets, is_uncuttable) {
        return Cut::Impossible(chain);
    }
    let mut network = Network::new(retaining, &roots, targets, is_uncuttable);
    match network.saturate(most) {
        0 => Cut::AlreadyUnreachable,
        flow if flow > most => Cut::TooMany { at_least: flow },
        _ => Cut::Found(network.nearest_cut()),
    }
}

/// The shortest chain from a root to a target that has only uncuttable references. Only what such chains reach is
/// searched: in a Python heap, modules and their dictionaries, types with their bases, frames.
fn uncuttable_chain(
    retaining: &Retaining<'_>,
    roots: &Marks,
    targets: &[ObjectId],
    is_uncuttable: &dyn Fn(usize) -> bool,
) -> Option<Vec<ObjectId>> {
    let is_target = Marks::of(retaining.graph.object_count(), targets.iter().copied());
    let mut queue: VecDeque<ObjectId> = roots.iter().collect();
    let mut holders: FxHashMap<ObjectId, ObjectId> = queue.iter().map(|&root| (root, root)).collect();
    let forward = retaining.graph.forward();
    while let Some(object) = queue.pop_front() {
        if is_target.has(object) {
            return Some(chain_to(object, &holders));
        }
        for position in forward.range(object) {
            let target = forward.target(position);
            if !holders.contains_key(&target) && retaining.counts(position) && is_uncuttable(position) {
                holders.insert(target, object);
                queue.push_back(target);
            }
        }
    }
    None
}

/// The chain down to `object`, root first, where roots are their own holders.
fn chain_to(object: ObjectId, holders: &FxHashMap<ObjectId, ObjectId>) -> Vec<ObjectId> {
    let upwards =
        std::iter::successors(Some(object), |object| holders.get(object).copied().filter(|holder| holder != object));
    let mut chain: Vec<ObjectId> = upwards.collect();
    chain.reverse();
    chain
}
