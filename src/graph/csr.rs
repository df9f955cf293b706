//! Compressed sparse rows: who refers to whom, in two arrays.

use std::ops::Range;

use rayon::prelude::*;

use super::column::Column;
use super::id::ObjectId;

/// References by row: `offsets` has n + 1 entries, `targets` has m.
#[derive(Debug, Default)]
pub struct Csr {
    offsets: Offsets,
    targets: Column<u32>,
}

/// Offsets into the targets; four bytes each while m fits.
#[derive(Debug)]
enum Offsets {
    Narrow(Column<u32>),
    Wide(Column<u64>),
}

impl Default for Offsets {
    fn default() -> Self {
        Self::Narrow(vec![0].into())
    }
}

impl Offsets {
    /// Offsets from the degrees of the rows, which follow a zero.
    fn from_degrees(mut degrees: Column<u32>, total: usize) -> Self {
        if u32::try_from(total).is_ok() {
            running_sum(&mut degrees);
            return Self::Narrow(degrees);
        }
        let mut wide: Column<u64> = degrees.iter().map(|&degree| u64::from(degree)).collect();
        running_sum(&mut wide);
        Self::Wide(wide)
    }

    #[expect(clippy::cast_possible_truncation, reason = "offsets are lengths of vectors in memory")]
    #[inline]
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

/// Replaces each number by the sum of all up to it.
fn running_sum<T: Copy + Default + std::ops::AddAssign>(numbers: &mut [T]) {
    let mut sum = T::default();
    for number in numbers {
        sum += *number;
        *number = sum;
    }
}

impl Csr {
    /// Rows with these numbers of targets, which follow each other in `targets`. `degrees` has a zero in front: n + 1
    /// entries.
    pub fn from_degrees(degrees: Column<u32>, targets: Column<u32>) -> Self {
        Self { offsets: Offsets::from_degrees(degrees, targets.len()), targets }
    }

    /// As [`Csr::from_degrees`], without the zero in front.
    pub fn new(degrees: &[u32], targets: Vec<u32>) -> Self {
        let degrees = std::iter::once(0).chain(degrees.iter().copied()).collect();
        Self::from_degrees(degrees, targets.into())
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
    #[inline]
    pub fn range(&self, row: ObjectId) -> Range<usize> {
        self.offsets.get(row.index())..self.offsets.get(row.index() + 1)
    }

    /// The targets of `row`, in order.
    #[inline]
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
    #[inline]
    pub fn target(&self, position: usize) -> ObjectId {
        ObjectId(self.targets[position])
    }

    /// The same references by target: row t lists its sources, ascending, as often as they refer to t.
    ///
    /// A radix partition: pieces of the rows put their references into blocks of targets, each into places of its own; then
    /// each block is counted and put in order by itself. The result does not depend on the number of threads. It is done for
    /// one half of the references after the other, so that 1 byte a reference is held meanwhile, and the sources of a block a
    /// second time.
    pub fn reversed(&self) -> Self {
        let rows = self.row_count();
        let pieces = partition(rows, rayon::current_num_threads() * 4);
        let counts: Vec<Vec<usize>> = pieces.par_iter().map(|piece| self.count_by_block(piece.clone())).collect();
        let lengths: Vec<usize> =
            (0..rows.div_ceil(BLOCK)).map(|block| counts.iter().map(|counts| counts[block]).sum()).collect();
        let middle = middle(&lengths);
        let halves = [0..middle, middle..lengths.len()];
        let longest = halves.iter().map(|half| lengths[half.clone()].iter().sum()).max();
        let mut sources = Column::zeroed(self.targets.len());
        let mut lows = Column::zeroed(longest.unwrap_or(0));
        let mut degrees = Column::zeroed(rows + 1);
        let (mut sources_left, mut degrees_left) = (&mut sources[..], &mut degrees[1..]);
        for half in halves {
            let lengths = &lengths[half.clone()];
            let half_sources = sources_left.split_off_mut(..lengths.iter().sum()).unwrap_or_default();
            let half_rows = (half.len() * BLOCK).min(degrees_left.len());
            let half_degrees = degrees_left.split_off_mut(..half_rows).unwrap_or_default();
            let drawers = drawers(&counts, half.clone(), half_sources, &mut lows);
            let work = pieces.par_iter().zip(drawers);
            work.for_each(|(piece, mut drawers)| self.sort_by_block(piece.clone(), &half, &mut drawers));
            order_blocks(lengths, half_degrees, half_sources, &lows);
        }
        drop(lows);
        Self::from_degrees(degrees, sources)
    }

    /// References of consecutive rows by the block of their target.
    fn count_by_block(&self, rows: Range<usize>) -> Vec<usize> {
        let mut counts = vec![0; self.row_count().div_ceil(BLOCK)];
        for &target in &self.targets[self.offsets.get(rows.start)..self.offsets.get(rows.end)] {
            counts[target as usize / BLOCK] += 1;
        }
        counts
    }

    /// Puts the references of consecutive rows to the targets of some blocks into the drawers of those blocks.
    fn sort_by_block(&self, rows: Range<usize>, blocks: &Range<usize>, drawers: &mut [Drawer<'_>]) {
        for row in rows.map(ObjectId::at) {
            for &target in self.row(row) {
                let block = (target as usize / BLOCK).wrapping_sub(blocks.start);
                if let Some(drawer) = drawers.get_mut(block) {
                    drawer.sources[drawer.filled] = row.0;
                    drawer.lows[drawer.filled] = low_half(target);
                    drawer.filled += 1;
                }
            }
        }
    }
}

/// Targets in a block of the radix partition: their counters stay in the second-level cache.
const BLOCK: usize = 1 << 16;

/// Room for the references of a piece of the rows to a block of the targets.
struct Drawer<'a> {
    sources: &'a mut [u32],
    /// Targets in the block.
    lows: &'a mut [u16],
    filled: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "the block says the rest")]
fn low_half(target: u32) -> u16 {
    target as u16
}

/// How many of the first lengths make about half of all.
fn middle(lengths: &[usize]) -> usize {
    let half = lengths.iter().sum::<usize>() / 2;
    let mut sum = 0;
    lengths
        .iter()
        .take_while(|&&length| {
            sum += length;
            sum <= half
        })
        .count()
}

/// The drawers of each piece, one for each of `blocks`; those of one block follow each other in the order of the pieces.
fn drawers<'a>(
    counts: &[Vec<usize>],
    blocks: Range<usize>,
    mut sources: &'a mut [u32],
    mut lows: &'a mut [u16],
) -> Vec<Vec<Drawer<'a>>> {
    let mut drawers: Vec<Vec<Drawer<'a>>> = counts.iter().map(|_| Vec::with_capacity(blocks.len())).collect();
    for block in blocks {
        for (counts, drawers) in counts.iter().zip(&mut drawers) {
            let (own_sources, other_sources) = sources.split_at_mut(counts[block]);
            let (own_lows, other_lows) = lows.split_at_mut(counts[block]);
            drawers.push(Drawer { sources: own_sources, lows: own_lows, filled: 0 });
            (sources, lows) = (other_sources, other_lows);
        }
    }
    drawers
}

/// Puts the sources of blocks of these lengths in order, and counts those of each target.
fn order_blocks(lengths: &[usize], degrees: &mut [u32], mut sources: &mut [u32], mut lows: &[u16]) {
    let mut blocks = Vec::with_capacity(lengths.len());
    for (&length, degrees) in lengths.iter().zip(degrees.chunks_mut(BLOCK)) {
        let (own_sources, other_sources) = sources.split_at_mut(length);
        let (own_lows, other_lows) = lows.split_at(length);
        (sources, lows) = (other_sources, other_lows);
        blocks.push((degrees, own_sources, own_lows));
    }
    blocks.into_par_iter().for_each_init(Vec::new, |copy, (degrees, sources, lows)| {
        order_block(degrees, sources, lows, copy);
    });
}

/// Sorts the references of a block by target, those of one target in the order in which they come, and counts them.
///
/// The sources of the most popular target, which may be a third of all in the heap, are moved in place; only the others are
/// copied.
fn order_block(degrees: &mut [u32], sources: &mut [u32], lows: &[u16], others: &mut Vec<(u32, u16)>) {
    for &low in lows {
        degrees[usize::from(low)] += 1;
    }
    let popular = (0..=u16::MAX).zip(degrees.iter()).max_by_key(|(_, degree)| **degree).map_or(0, |(low, _)| low);
    let mut next = 0;
    let mut places: Vec<usize> = degrees
        .iter()
        .map(|&degree| {
            let place = next;
            next += degree as usize;
            place
        })
        .collect();
    others.clear();
    let mut kept = 0;
    for (place, &low) in lows.iter().enumerate() {
        let source = sources[place];
        if low == popular {
            sources[kept] = source;
            kept += 1;
        } else {
            others.push((source, low));
        }
    }
    if let Some(&place) = places.get(usize::from(popular)) {
        sources.copy_within(..kept, place);
    }
    for &(source, low) in others.iter() {
        let place = &mut places[usize::from(low)];
        sources[*place] = source;
        *place += 1;
    }
}

/// Cuts `0..length` into at most `pieces` ranges of nearly equal length.
pub fn partition(length: usize, pieces: usize) -> Vec<Range<usize>> {
    let step = length.div_ceil(pieces.max(1)).max(1);
    (0..length).step_by(step).map(|start| start..(start + step).min(length)).collect()
}
