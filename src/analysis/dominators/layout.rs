//! From dominators to positions: every dominator subtree becomes a range of rows.

use rayon::prelude::*;

use super::tree::Tree;
use super::{UNREACHED, number};
use crate::graph::column::Column;

/// Objects that one task looks at.
const PIECE: usize = 1 << 14;

/// The dominator tree of all reached objects in preorder, siblings in dump order: r + 1 rows, row 0 is the virtual root.
#[derive(Debug)]
pub(super) struct Layout {
    /// Row of each object, n entries; 0 for what no root reaches.
    pub(super) positions: Column<u32>,
    /// Object of each row; the first has no meaning.
    pub(super) objects: Column<u32>,
    /// Row of each row's immediate dominator, 0 for row 0.
    pub(super) dominators: Column<u32>,
    /// How many rows the subtree of each row takes, itself included.
    pub(super) counts: Column<u32>,
}

/// Lays the tree out. `holders` has n + 1 entries: the place of each object's immediate dominator, or [`UNREACHED`].
///
/// Linear. First each object gets its offset from its dominator, for which only subtree sizes are needed; then dominators
/// get their rows, from the top down, and all others theirs from them.
pub(super) fn lay_out(tree: Tree, holders: Column<u32>) -> Layout {
    let Tree { mut places, dominators, mut spare, mut spare_pairs } = tree;
    let sizes = &mut spare[..];
    let (starts, next) = bytemuck::cast_slice_mut(&mut spare_pairs).split_at_mut(sizes.len());
    find_subtree_sizes(sizes, &places, &dominators, &holders);
    find_offsets(&mut places, starts, next, sizes, &holders);
    dominators.iter().enumerate().skip(1).for_each(|(place, &above)| starts[place] += starts[above as usize]);
    drop(dominators);
    let mut positions = places;
    positions.par_chunks_mut(PIECE).zip(holders.par_chunks(PIECE)).for_each(|(positions, holders)| {
        let reached = positions.iter_mut().zip(holders).filter(|(_, holder)| **holder != UNREACHED);
        reached.for_each(|(position, &holder)| *position += starts[holder as usize]);
    });
    let mut counts = holders;
    counts.truncate(sizes[0] as usize);
    counts.fill(1);
    let by_row = &mut counts[..];
    starts.iter().zip(sizes).for_each(|(&start, &mut size)| by_row[start as usize] = size);
    drop((spare, spare_pairs));
    let (objects, dominators) = rayon::join(|| in_order(&positions, counts.len()), || dominators_of_rows(&counts));
    Layout { positions, objects, dominators, counts }
}

/// How many objects each place dominates, leaves and itself included: c entries.
fn find_subtree_sizes(sizes: &mut [u32], places: &[u32], dominators: &[u32], holders: &[u32]) {
    sizes.fill(1);
    for (&place, &holder) in places.iter().zip(holders) {
        // no branch on what is a leaf: about every other object is
        if holder != UNREACHED {
            sizes[holder as usize] += u32::from(place == 0);
        }
    }
    for place in (1..sizes.len()).rev() {
        sizes[dominators[place] as usize] += sizes[place];
    }
}

/// Replaces the place of each object by how far it comes after its dominator, 1 for the first in dump order; `starts` gets
/// the same by place. `next` is room for c numbers.
fn find_offsets(places: &mut [u32], starts: &mut [u32], next: &mut [u32], sizes: &[u32], holders: &[u32]) {
    next.fill(1);
    for (place, &holder) in places.iter_mut().zip(holders) {
        if holder != UNREACHED {
            let size = sizes[*place as usize];
            let offset = &mut next[holder as usize];
            let own = *offset;
            *offset += if *place == 0 { 1 } else { size };
            // what leaves write here is not kept
            starts[*place as usize] = own;
            *place = own;
        }
    }
    starts[0] = 0;
}

/// The objects by position.
fn in_order(positions: &[u32], rows: usize) -> Column<u32> {
    let mut column = Column::zeroed(rows);
    let objects = &mut column[..];
    for (object, &position) in positions.iter().enumerate() {
        if position != 0 {
            objects[position as usize] = number(object);
        }
    }
    column
}

/// Row of each row's immediate dominator, 0 for row 0, given how many rows each subtree takes.
///
/// In preorder it is the nearest of the row before and its dominators whose subtree is not yet full. Each is left once:
/// O(n).
fn dominators_of_rows(counts: &[u32]) -> Column<u32> {
    let mut column = Column::zeroed(counts.len());
    let dominators = &mut column[..];
    for row in 1..counts.len() {
        let mut above = row - 1;
        while above + counts[above] as usize <= row {
            above = dominators[above] as usize;
        }
        dominators[row] = number(above);
    }
    column
}
