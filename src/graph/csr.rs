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
        if rows == 0 {
            return Self::default();
        }
        let pieces = partition(rows, rayon::current_num_threads() * 4);
        let blocks = rows.div_ceil(BLOCK);
        let sorted: Vec<Vec<Vec<(u32, u32)>>> = pieces
            .into_par_iter()
            .map(|piece| {
                let mut by_block = vec![Vec::new(); blocks];
                for row in piece.map(ObjectId::at) {
                    for &target in self.row(row) {
                        by_block[target as usize / BLOCK].push((target, row.0));
                    }
                }
                by_block
            })
            .collect();
        let mut degrees = vec![0u32; rows];
        let filled: Vec<Vec<u32>> = degrees
            .par_chunks_mut(BLOCK)
            .enumerate()
            .map(|(block, degrees)| fill_block(block, degrees, &sorted))
            .collect();
        drop(sorted);
        let mut sources = Vec::with_capacity(self.targets.len());
        for block in filled {
            sources.extend_from_slice(&block);
        }
        Self::new(&degrees, sources)
    }
}

/// Targets in a block of the radix partition: their counters stay in the second-level cache.
const BLOCK: usize = 1 << 16;

fn fill_block(block: usize, degrees: &mut [u32], sorted: &[Vec<Vec<(u32, u32)>>]) -> Vec<u32> {
    let first = block * BLOCK;
    let pairs = || sorted.iter().flat_map(|piece| &piece[block]);
    for (target, _) in pairs() {
        degrees[*target as usize - first] += 1;
    }
    let mut places: Vec<usize> = running_sum(degrees, |degree| degree as usize);
    let mut sources = vec![0; places[degrees.len()]];
    for &(target, source) in pairs() {
        let place = &mut places[target as usize - first];
        sources[*place] = source;
        *place += 1;
    }
    sources
}

/// Cuts `0..length` into at most `pieces` ranges of nearly equal length.
pub fn partition(length: usize, pieces: usize) -> Vec<Range<usize>> {
    let step = length.div_ceil(pieces.max(1)).max(1);
    (0..length).step_by(step).map(|start| start..(start + step).min(length)).collect()
}
