//! Compressed sparse rows: who refers to whom, in two arrays.

use std::ops::Range;

use rayon::prelude::*;

use super::id::ObjectId;

/// References by row: `offsets` has n + 1 entries, `targets` has m.
#[derive(Debug, Default)]
pub struct Csr {
    offsets: Offsets,
    targets: Vec<u32>,
}

/// Offsets into the targets; four bytes each while m fits.
#[derive(Debug)]
enum Offsets {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

impl Default for Offsets {
    fn default() -> Self {
        Self::Narrow(vec![0])
    }
}

impl Offsets {
    fn from_degrees(degrees: &[u32], total: usize) -> Self {
        if u32::try_from(total).is_ok() {
            Self::Narrow(running_sum(degrees, |degree| degree))
        } else {
            Self::Wide(running_sum(degrees, u64::from))
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "offsets are lengths of vectors in memory")]
    fn get(&self, index: usize) -> usize {
        match self {
            Self::Narrow(offsets) => offsets[index] as usize,
            Self::Wide(offsets) => offsets[index] as usize,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(offsets) => offsets.len(),
            Self::Wide(offsets) => offsets.len(),
        }
    }
}

fn running_sum<T: Copy + Default + std::ops::AddAssign>(degrees: &[u32], widen: impl Fn(u32) -> T) -> Vec<T> {
    let mut offsets = Vec::with_capacity(degrees.len() + 1);
    let mut sum = T::default();
    offsets.push(sum);
    for &degree in degrees {
        sum += widen(degree);
        offsets.push(sum);
    }
    offsets
}

impl Csr {
    /// Rows with these numbers of targets, which follow each other in `targets`.
    pub fn new(degrees: &[u32], targets: Vec<u32>) -> Self {
        Self { offsets: Offsets::from_degrees(degrees, targets.len()), targets }
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many references there are.
    pub fn reference_count(&self) -> usize {
        self.targets.len()
    }

    /// Where the references of `row` stand.
    pub fn range(&self, row: ObjectId) -> Range<usize> {
        self.offsets.get(row.index())..self.offsets.get(row.index() + 1)
    }

    /// The targets of `row`, in order.
    pub fn row(&self, row: ObjectId) -> &[u32] {
        &self.targets[self.range(row)]
    }

    /// The row of the reference at `position`, found by binary search.
    pub fn row_of(&self, position: usize) -> ObjectId {
        let (mut low, mut high) = (0, self.row_count());
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.offsets.get(middle) <= position { low = middle } else { high = middle }
        }
        ObjectId::at(low)
    }

    /// The target of the reference at `position`.
    pub fn target(&self, position: usize) -> ObjectId {
        ObjectId(self.targets[position])
    }

    /// The same references by target: row t lists its sources, ascending, as often as they refer to t.
    ///
    /// A radix partition: pieces of the rows sort their references into blocks of targets, then each block is counted and
    /// filled on its own. The result does not depend on the number of threads. 8 bytes a reference are held meanwhile.
    pub fn reversed(&self) -> Self {
        let rows = self.row_count();
        let pieces = partition(rows, rayon::current_num_threads() * 4);
        let sorted: Vec<ByBlock> = pieces.into_par_iter().map(|piece| self.by_block(piece)).collect();
        let mut degrees = vec![0u32; rows];
        degrees.par_chunks_mut(BLOCK).enumerate().for_each(|(block, degrees)| count_block(block, degrees, &sorted));
        let mut sources = vec![0u32; self.targets.len()];
        let blocks: Vec<(&[u32], &mut [u32])> = split_by_block(&degrees, &mut sources);
        blocks.into_par_iter().enumerate().for_each(|(block, (degrees, sources))| {
            fill_block(block, degrees, sources, &sorted);
        });
        drop(sorted);
        Self::new(&degrees, sources)
    }

    /// References of consecutive rows, sorted by the block of their target, in order within a block.
    fn by_block(&self, rows: Range<usize>) -> ByBlock {
        let blocks = self.row_count().div_ceil(BLOCK);
        let references = self.offsets.get(rows.start)..self.offsets.get(rows.end);
        let mut ends = vec![0usize; blocks + 1];
        for &target in &self.targets[references.clone()] {
            ends[target as usize / BLOCK + 1] += 1;
        }
        for block in 0..blocks {
            ends[block + 1] += ends[block];
        }
        let starts = ends.clone();
        let mut pairs = vec![(0, 0); references.len()];
        for row in rows.map(ObjectId::at) {
            for &target in self.row(row) {
                let place = &mut ends[target as usize / BLOCK];
                pairs[*place] = (target, row.0);
                *place += 1;
            }
        }
        ByBlock { starts, pairs }
    }
}

/// Targets in a block of the radix partition: their counters stay in the second-level cache.
const BLOCK: usize = 1 << 16;

/// (target, source) pairs of some rows, block after block.
struct ByBlock {
    /// Where each block starts, and the end.
    starts: Vec<usize>,
    pairs: Vec<(u32, u32)>,
}

impl ByBlock {
    fn block(&self, block: usize) -> &[(u32, u32)] {
        &self.pairs[self.starts[block]..self.starts[block + 1]]
    }
}

fn count_block(block: usize, degrees: &mut [u32], sorted: &[ByBlock]) {
    for (target, _) in sorted.iter().flat_map(|piece| piece.block(block)) {
        degrees[*target as usize - block * BLOCK] += 1;
    }
}

/// The degrees and the sources of each block.
fn split_by_block<'a>(degrees: &'a [u32], mut sources: &'a mut [u32]) -> Vec<(&'a [u32], &'a mut [u32])> {
    let mut blocks = Vec::with_capacity(degrees.len().div_ceil(BLOCK));
    for degrees in degrees.chunks(BLOCK) {
        let length = degrees.iter().map(|&degree| degree as usize).sum();
        let (block, rest) = sources.split_at_mut(length);
        blocks.push((degrees, block));
        sources = rest;
    }
    blocks
}

fn fill_block(block: usize, degrees: &[u32], sources: &mut [u32], sorted: &[ByBlock]) {
    let mut places: Vec<usize> = running_sum(degrees, |degree| degree as usize);
    for &(target, source) in sorted.iter().flat_map(|piece| piece.block(block)) {
        let place = &mut places[target as usize - block * BLOCK];
        sources[*place] = source;
        *place += 1;
    }
}

/// Cuts `0..length` into at most `pieces` ranges of nearly equal length.
pub fn partition(length: usize, pieces: usize) -> Vec<Range<usize>> {
    let step = length.div_ceil(pieces.max(1)).max(1);
    (0..length).step_by(step).map(|start| start..(start + step).min(length)).collect()
}
