//! From dominators to positions: every dominator subtree becomes a range.

use rayon::prelude::*;

use super::search::DepthFirst;
use super::tree::Tree;
use super::{UNREACHED, number};
use crate::graph::{HeapGraph, ObjectId};

/// The dominator tree of all reached objects in preorder, siblings in dump order: r + 1 rows, row 0 is the virtual root.
#[derive(Debug)]
pub(super) struct Layout {
    /// Row of each object, n entries; 0 for what no root reaches.
    pub(super) positions: Vec<u32>,
    /// Object of each row; the first has no meaning.
    pub(super) objects: Vec<ObjectId>,
    /// How many rows the subtree of each row takes, itself included.
    pub(super) counts: Vec<u32>,
}

/// Lays the tree out. `dominators` has n entries: the number of each object's immediate dominator, or [`UNREACHED`].
///
/// Linear. First each object gets its place below its dominator, for which only subtree sizes are needed; then dominators
/// get their positions, from the top down, and all others theirs from them.
pub(super) fn lay_out(search: DepthFirst, tree: &Tree, dominators: &[u32]) -> Layout {
    let DepthFirst { numbers, objects, .. } = search;
    let sizes = subtree_sizes(tree, &numbers, dominators);
    let mut positions = places_below_dominators(numbers, &sizes, dominators);
    let mut starts = vec![0; tree.len()];
    for own in 1..tree.len() {
        let dominator = tree.dominator(number(own));
        starts[own] = starts[dominator as usize] + positions[objects[own].index()];
    }
    drop(objects);
    let mut counts = vec![1; sizes[0] as usize];
    starts.iter().zip(sizes).for_each(|(&start, size)| counts[start as usize] = size);
    let reached = positions.par_iter_mut().zip(dominators).filter(|(_, dominator)| **dominator != UNREACHED);
    reached.for_each(|(position, &dominator)| *position += starts[dominator as usize]);
    drop(starts);
    Layout { objects: in_order(&positions, counts.len()), positions, counts }
}

/// How many objects each number dominates, leaves and itself included: c entries.
fn subtree_sizes(tree: &Tree, numbers: &[u32], dominators: &[u32]) -> Vec<u32> {
    let mut sizes = vec![1; tree.len()];
    let objects = numbers.iter().zip(dominators);
    let leaves = objects.filter(|&(&number, &dominator)| number == 0 && dominator != UNREACHED);
    leaves.for_each(|(_, &dominator)| sizes[dominator as usize] += 1);
    for own in (1..tree.len()).rev() {
        sizes[tree.dominator(number(own)) as usize] += sizes[own];
    }
    sizes
}

/// How far each object comes after its dominator: 1 for the first in dump order. Takes the place of the numbers.
fn places_below_dominators(mut numbers: Vec<u32>, sizes: &[u32], dominators: &[u32]) -> Vec<u32> {
    let mut next = vec![1; sizes.len()];
    for (number, &dominator) in numbers.iter_mut().zip(dominators) {
        if dominator != UNREACHED {
            let size = if *number == 0 { 1 } else { sizes[*number as usize] };
            let next = &mut next[dominator as usize];
            *number = *next;
            *next += size;
        }
    }
    numbers
}

/// The objects by position.
fn in_order(positions: &[u32], rows: usize) -> Vec<ObjectId> {
    let mut objects = vec![ObjectId(u32::MAX); rows];
    for (row, &position) in positions.iter().enumerate() {
        if position != 0 {
            objects[position as usize] = ObjectId::at(row);
        }
    }
    objects
}

impl Layout {
    /// Position of each row's immediate dominator, 0 for row 0.
    ///
    /// In preorder it is the nearest of the row before and its dominators whose subtree is not yet full. Each is left once:
    /// O(n).
    pub(super) fn dominators(&self) -> Vec<u32> {
        let mut dominators = vec![0; self.counts.len()];
        for row in 1..dominators.len() {
            let mut above = row - 1;
            while above + self.counts[above] as usize <= row {
                above = dominators[above] as usize;
            }
            dominators[row] = number(above);
        }
        dominators
    }

    /// Bytes of each row with all that it dominates, given the `dominators`; u64::MAX for more.
    pub(super) fn retained_sizes(&self, graph: &HeapGraph, dominators: &[u32]) -> Vec<u64> {
        let own_size = |(row, &object): (usize, &ObjectId)| if row == 0 { 0 } else { own_size(graph, object) };
        let mut retained: Vec<u64> = self.objects.par_iter().enumerate().map(own_size).collect();
        for row in (1..retained.len()).rev() {
            let above = dominators[row] as usize;
            retained[above] = retained[above].saturating_add(retained[row]);
        }
        retained
    }
}

/// Bytes of an object in the heap and outside.
fn own_size(graph: &HeapGraph, object: ObjectId) -> u64 {
    graph.shallow_size(object).saturating_add(graph.external_size(object))
}
