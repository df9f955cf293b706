//! Retained sizes: four bytes a row, the few that do not fit in a table beside them.

use rayon::prelude::*;

use super::number;
use crate::graph::column::Column;
use crate::graph::{HeapGraph, ObjectId, PlainSizes, Sizes};

/// Rows that one task looks at.
const PIECE: usize = 1 << 14;

/// Bytes of each row with all that it dominates; `u64::MAX` for more. `objects` and `dominators` are by row.
pub(super) fn retained_sizes(graph: &HeapGraph, objects: &[u32], dominators: &[u32]) -> Sizes {
    let mut narrow = Column::zeroed(objects.len());
    let wide = own_sizes(graph, objects, &mut narrow);
    if wide.is_empty() && total(&narrow) < u64::from(u32::MAX) {
        // nor is any sum of some of them
        let sums = &mut narrow[..];
        for (row, &above) in dominators.iter().enumerate().skip(1).rev() {
            sums[above as usize] += sums[row];
        }
        return Sizes::of_parts(narrow, Vec::new());
    }
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

fn total(sizes: &[u32]) -> u64 {
    sizes.par_chunks(PIECE).map(|sizes| sizes.iter().map(|&size| u64::from(size)).sum::<u64>()).sum()
}

/// Gives each row but the first the size of its object. Returns those that are wider than that, by row.
fn own_sizes(graph: &HeapGraph, objects: &[u32], narrow: &mut [u32]) -> Vec<(usize, u64)> {
    let plain = graph.plain_sizes();
    let pieces = narrow.par_chunks_mut(PIECE).zip(objects.par_chunks(PIECE)).enumerate();
    let wide = pieces.flat_map_iter(|(piece, (narrow, objects))| {
        let first = usize::from(piece == 0);
        let (narrow, objects) = (&mut narrow[first..], &objects[first..]);
        let start = piece * PIECE + first;
        match plain {
            Some(PlainSizes::Four(plain)) => copied(graph, plain, start, objects, narrow),
            Some(PlainSizes::Two(plain)) => copied(graph, plain, start, objects, narrow),
            None => each_size(graph, start, objects, narrow),
        }
    });
    wide.collect()
}

/// Copies the sizes of some objects, of which the first has the row `start`. Returns those that are wider than four bytes,
/// which stay 0.
fn copied<T: Narrow>(
    graph: &HeapGraph,
    plain: &[T],
    start: usize,
    objects: &[u32],
    narrow: &mut [u32],
) -> Vec<(usize, u64)> {
    let mut wide = Vec::new();
    for (place, (narrow, &object)) in narrow.iter_mut().zip(objects).enumerate() {
        let size = plain[object as usize];
        *narrow = size.into();
        if size == T::OTHER {
            let size = graph.shallow_size(ObjectId(object));
            *narrow = u32::try_from(size).unwrap_or_else(|_| {
                wide.push((start + place, size));
                0
            });
        }
    }
    wide
}

/// A width of sizes, and the number that stands for larger ones.
trait Narrow: Copy + PartialEq + Into<u32> {
    const OTHER: Self;
}

impl Narrow for u32 {
    const OTHER: Self = Self::MAX;
}

impl Narrow for u16 {
    const OTHER: Self = Self::MAX;
}

/// The size of each object, of which the first has the row `start`. Returns those that are wider, which stay 0.
fn each_size(graph: &HeapGraph, start: usize, objects: &[u32], narrow: &mut [u32]) -> Vec<(usize, u64)> {
    let mut wide = Vec::new();
    for (row, (narrow, &object)) in (start..).zip(narrow.iter_mut().zip(objects)) {
        let object = ObjectId(object);
        let size = graph.shallow_size(object).saturating_add(graph.external_size(object));
        *narrow = u32::try_from(size).unwrap_or_else(|_| {
            wide.push((row, size));
            0
        });
    }
    wide
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
