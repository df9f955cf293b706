//! Retained sizes: four bytes a row, the few that do not fit in a table beside them.

use rayon::prelude::*;

use super::number;
use crate::graph::column::Column;
use crate::graph::{HeapGraph, ObjectId, Sizes};

/// Rows that one task looks at.
const PIECE: usize = 1 << 14;

/// Bytes of each row with all that it dominates; `u64::MAX` for more. `objects` and `dominators` are by row.
pub(super) fn retained_sizes(graph: &HeapGraph, objects: &[u32], dominators: &[u32]) -> Sizes {
    let mut narrow = Column::zeroed(objects.len());
    let wide = own_sizes(graph, objects, &mut narrow);
    let mut high = Column::zeroed(objects.len());
    let mut sums = Sums { low: &mut narrow, high: &mut high, is_wide: vec![0; objects.len().div_ceil(64)] };
    wide.into_iter().for_each(|(row, size)| sums.set(row, size));
    for (row, &above) in dominators.iter().enumerate().skip(1).rev() {
        sums.add(above as usize, row);
    }
    let mut wide = Vec::new();
    for row in 0..objects.len() {
        if sums.is_wide(row) || sums.low[row] == u32::MAX {
            wide.push((number(row), sums.get(row)));
            sums.low[row] = u32::MAX;
        }
    }
    Sizes::of_parts(narrow, wide)
}

/// Gives each row but the first the size of its object. Returns those that are wider than that, by row.
fn own_sizes(graph: &HeapGraph, objects: &[u32], narrow: &mut [u32]) -> Vec<(usize, u64)> {
    let plain = graph.plain_sizes();
    let pieces = narrow.par_chunks_mut(PIECE).zip(objects.par_chunks(PIECE)).enumerate();
    let wide = pieces.flat_map_iter(|(piece, (narrow, objects))| {
        let mut wide = Vec::new();
        let rows = (piece * PIECE..).zip(narrow.iter_mut().zip(objects));
        for (row, (narrow, &object)) in rows.skip(usize::from(piece == 0)) {
            if let Some(plain) = plain
                && plain[object as usize] != u32::MAX
            {
                *narrow = plain[object as usize];
                continue;
            }
            let object = ObjectId(object);
            let size = graph.shallow_size(object).saturating_add(graph.external_size(object));
            match u32::try_from(size) {
                Ok(size) => *narrow = size,
                Err(_) => wide.push((row, size)),
            }
        }
        wide
    });
    wide.collect()
}

/// Sums of 64 bits in two halves.
struct Sums<'a> {
    low: &'a mut [u32],
    /// Neither read nor written where `is_wide` is not set, which is almost everywhere: pages without wide sums take no
    /// memory.
    high: &'a mut [u32],
    /// One bit a row.
    is_wide: Vec<u64>,
}

impl Sums<'_> {
    fn is_wide(&self, row: usize) -> bool {
        self.is_wide[row / 64] >> (row % 64) & 1 == 1
    }

    fn get(&self, row: usize) -> u64 {
        let high = if self.is_wide(row) { self.high[row] } else { 0 };
        u64::from(high) << 32 | u64::from(self.low[row])
    }

    fn set(&mut self, row: usize, sum: u64) {
        let high = sum >> 32;
        #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
        if high > 0 {
            self.is_wide[row / 64] |= 1 << (row % 64);
            self.high[row] = high as u32;
            self.low[row] = sum as u32;
        } else {
            self.low[row] = sum as u32;
        }
    }

    /// Adds the sum of `row` to that of `above`.
    #[inline]
    fn add(&mut self, above: usize, row: usize) {
        match self.low[above].checked_add(self.low[row]) {
            Some(sum) if !self.is_wide(row) => self.low[above] = sum,
            _ => self.set(above, self.get(above).saturating_add(self.get(row))),
        }
    }
}
