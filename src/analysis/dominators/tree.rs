//! The dominator tree of the core: the second half of SEMI-NCA (Georgiadis, Tarjan and Werneck 2006), and its preorder.
//!
//! The immediate dominator of w is the nearest ancestor of its parent, in the tree that has grown so far, that is not larger
//! than its semidominator. Climbed step by step that is quadratic on a long list whose tail shares objects with a root; skew-
//! binary jump pointers (Myers 1983) climb in O(log n).

use rayon::prelude::*;

use super::search::DepthFirst;
use crate::graph::column::Column;

/// The dominator tree of the core in preorder: c places, place 0 is the virtual root's.
#[derive(Debug)]
pub(super) struct Tree {
    /// Place of each object, n entries; 0 for leaves and for what no root reaches.
    pub(super) places: Column<u32>,
    /// Place of the immediate dominator of each place, a smaller one; 0 for 0.
    pub(super) dominators: Column<u32>,
    /// c numbers without meaning, to be used again: fresh memory costs as much as what is done in it.
    pub(super) spare: Column<u32>,
    /// c pairs likewise.
    pub(super) spare_pairs: Column<[u32; 2]>,
}

impl Tree {
    /// The tree of what was found depth first, with the semidominators beside the parents. O(c log c) and O(n).
    pub(super) fn new(search: DepthFirst) -> Self {
        let DepthFirst { numbers: mut places, objects: mut spare, parents: mut column, spare: links } = search;
        drop(links);
        let rows = &mut column[..];
        find_immediate_dominators(rows);
        let dominators = number_in_preorder(rows, &mut spare);
        // number 0 has place 0: no branch on what is a leaf
        places.par_chunks_mut(1 << 14).for_each(|places| {
            places.iter_mut().for_each(|place| *place = rows[*place as usize][1]);
        });
        Self { places, dominators, spare, spare_pairs: column }
    }
}

/// Replaces the parent and the semidominator of each number by its immediate dominator, a smaller number, and another
/// dominator, further up or the same.
fn find_immediate_dominators(rows: &mut [[u32; 2]]) {
    // a jump passes 2^k − 1 dominators; this is k
    let mut jumps: Column<u8> = Column::zeroed(rows.len());
    let jumps = &mut jumps[..];
    for own in 1..rows.len() {
        let [parent, semidominator] = rows[own];
        let dominator = if semidominator == 0 { 0 } else { climb(rows, parent, semidominator) };
        let first = rows[dominator as usize][1];
        // two equal jumps make one of twice their length
        rows[own] = if jumps[dominator as usize] == jumps[first as usize] {
            jumps[own] = jumps[dominator as usize] + 1;
            [dominator, rows[first as usize][1]]
        } else {
            jumps[own] = 1;
            [dominator, dominator]
        };
    }
}

/// The nearest of `number` and its dominators that is at most `bound`.
#[inline]
fn climb(rows: &[[u32; 2]], mut number: u32, bound: u32) -> u32 {
    while number > bound {
        let [dominator, jump] = rows[number as usize];
        number = if jump > bound { jump } else { dominator };
    }
    number
}

/// Puts the place of each number in the preorder of the tree beside its dominator; siblings are in order of number. Returns
/// the place of the immediate dominator of each place.
fn number_in_preorder(rows: &mut [[u32; 2]], next: &mut [u32]) -> Column<u32> {
    // the size of each subtree; then the place of the next below it
    next.fill(1);
    for own in (1..rows.len()).rev() {
        next[rows[own][0] as usize] += next[own];
    }
    next[0] = 1;
    let mut dominators = Column::zeroed(rows.len());
    let by_place = &mut dominators[..];
    rows[0] = [0, 0];
    for own in 1..rows.len() {
        let dominator = rows[own][0] as usize;
        let place = next[dominator];
        next[dominator] += next[own];
        next[own] = place + 1;
        rows[own][1] = place;
        by_place[place as usize] = rows[dominator][1];
    }
    dominators
}

/// What [`NearestCommon`] looks at one by one.
const BLOCK: usize = 64;

/// Nearest common dominators in constant time.
///
/// In preorder that of places a < b is the least dominator of the places after a up to b: those are all in its subtree, and
/// the one of them that is or dominates b is directly below it. The least of blocks and of 2, 4, 8, … of them is kept (a
/// sparse table: Bender and Farach-Colton, "The LCA problem revisited", 2000): a byte a place.
#[derive(Debug)]
pub(super) struct NearestCommon<'a> {
    dominators: &'a [u32],
    /// Level k has the least of 2^k blocks from each block on.
    levels: Vec<Vec<u32>>,
}

impl<'a> NearestCommon<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let dominators = &tree.dominators[..];
        let mut levels = vec![dominators.par_chunks(BLOCK).map(least).collect::<Vec<u32>>()];
        loop {
            let half = 1 << (levels.len() - 1);
            let below = &levels[levels.len() - 1];
            let Some(later) = below.get(half..).filter(|later| !later.is_empty()) else { break };
            let level = below.iter().zip(later).map(|(one, other)| *one.min(other)).collect();
            levels.push(level);
        }
        Self { dominators, levels }
    }

    /// The nearest place that is or dominates both places, of which `first` is not the larger.
    pub(super) fn of(&self, first: u32, last: u32) -> u32 {
        if first == last {
            return first;
        }
        let (start, end) = (first as usize + 1, last as usize + 1);
        let blocks = start.div_ceil(BLOCK)..end / BLOCK;
        if blocks.is_empty() {
            return least(&self.dominators[start..end]);
        }
        let level = blocks.len().ilog2() as usize;
        let inner = self.levels[level][blocks.start].min(self.levels[level][blocks.end - (1 << level)]);
        let before = least(&self.dominators[start..blocks.start * BLOCK]);
        inner.min(before).min(least(&self.dominators[blocks.end * BLOCK..end]))
    }
}

fn least(places: &[u32]) -> u32 {
    places.iter().fold(u32::MAX, |least, &place| least.min(place))
}
