//! Compressed sparse rows: who refers to whom, in two arrays.

use std::io;
use std::ops::Range;

use rayon::prelude::*;

use super::column::Column;
use super::grouped::{Grouped, SectionNames};
use super::id::ObjectId;
use super::index::{Index, IndexWriter, Unusable, below};

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
    /// In an index; up to the number of references.
    Grouped {
        offsets: Grouped<u8>,
        last: u64,
    },
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
            Self::Narrow(offsets) => offsets.get(index) as usize,
            Self::Wide(offsets) => offsets.get(index) as usize,
            Self::Grouped { offsets, last } => offsets.get_ascending(index, *last) as usize,
        }
    }

    /// From the offset at `index` to the next one.
    #[expect(clippy::cast_possible_truncation, reason = "offsets are lengths of vectors in memory")]
    #[inline]
    fn range(&self, index: usize) -> Range<usize> {
        match self {
            Self::Grouped { offsets, last } => {
                let [start, end] = offsets.pair_ascending(index, *last);
                start as usize..end as usize
            }
            Self::Narrow(_) | Self::Wide(_) => self.get(index)..self.get(index + 1),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(offsets) => offsets.len(),
            Self::Wide(offsets) => offsets.len(),
            Self::Grouped { offsets, .. } => offsets.len(),
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

/// What the rows of a [`Csr`] are read from as plain slices.
#[derive(Debug)]
pub struct PlainRows<'a> {
    offsets: PlainOffsets<'a>,
    targets: &'a [u32],
}

#[derive(Debug)]
enum PlainOffsets<'a> {
    Kept(&'a [u32]),
    Made(Column<u32>),
}

impl PlainRows<'_> {
    /// The rows.
    pub fn rows(&self) -> Rows<'_> {
        let offsets = match &self.offsets {
            PlainOffsets::Kept(offsets) => offsets,
            PlainOffsets::Made(offsets) => &offsets[..],
        };
        Rows { offsets, targets: self.targets }
    }
}

/// The rows of a [`Csr`] as plain slices, for loops over most of them: what a [`Csr`] asks at each row was asked once.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    offsets: &'a [u32],
    targets: &'a [u32],
}

impl<'a> Rows<'a> {
    /// The targets of `row`, in order.
    #[inline]
    pub fn row(self, row: ObjectId) -> &'a [u32] {
        &self.targets[self.offsets[row.index()] as usize..self.offsets[row.index() + 1] as usize]
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

    /// Appends the rows to an index, under the names of offsets and targets.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn store(&self, writer: &mut IndexWriter, offsets: SectionNames, targets: &str) -> io::Result<()> {
        Grouped::<u8>::store(writer, offsets, self.offsets.len(), |row| self.offsets.get(row) as u64)?;
        writer.section(targets, &self.targets)
    }

    /// Rows from an index.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub(super) fn restore(index: &Index, offsets: SectionNames, targets: &str) -> Result<Self, Unusable> {
        let (rows, references) = (index.object_count(), index.reference_count());
        let offsets = Grouped::restore_ascending(index, rows + 1, offsets, references as u64)?;
        let offsets = Offsets::Grouped { offsets, last: references as u64 };
        Ok(Self { offsets, targets: index.column(targets, references, below::<u32>(rows as u64))? })
    }

    /// Looks at all numbers, so that an index from which they come is known to be damaged if it is.
    pub(super) fn check(&self) {
        if let Offsets::Grouped { offsets, .. } = &self.offsets {
            offsets.check();
            let ends = self.offsets.get(0) == 0 && self.offsets.get(self.row_count()) == self.targets.len();
            self.targets.fits(|| ends);
            (0..self.row_count()).for_each(|row| _ = self.range(ObjectId::at(row)));
        }
        self.targets.check();
    }

    /// Gives up where the rows lie in an index and do not fit what else is known, as [`Column::fits`] does.
    pub fn fits(&self, fits: impl FnOnce() -> bool) {
        self.targets.fits(fits);
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many references there are.
    pub fn reference_count(&self) -> usize {
        self.targets.len()
    }

    /// What all rows can be read from as slices; where they lie in an index, all of it is looked at. `None` where there are
    /// 2³² references or more.
    pub fn plain(&self) -> Option<PlainRows<'_>> {
        let offsets = match &self.offsets {
            Offsets::Narrow(offsets) => PlainOffsets::Kept(offsets),
            Offsets::Wide(_) => return None,
            Offsets::Grouped { .. } => {
                u32::try_from(self.targets.len()).ok()?;
                let ends = (0..self.row_count()).map(|row| self.range(ObjectId::at(row)).end);
                let all = std::iter::once(0).chain(ends);
                PlainOffsets::Made(all.map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect())
            }
        };
        Some(PlainRows { offsets, targets: &self.targets })
    }

    /// Which of up to 64 consecutive rows are empty, the first in the lowest bit; `None` where it takes a look at each row.
    #[inline]
    pub fn empty_rows(&self, rows: Range<usize>) -> Option<u64> {
        let Offsets::Narrow(offsets) = &self.offsets else { return None };
        let offsets = &offsets[rows.start..=rows.end];
        let steps = offsets.iter().zip(&offsets[1..]).rev();
        Some(steps.fold(0, |word, (start, end)| word << 1 | u64::from(start == end)))
    }

    /// Where the references of `row` stand.
    #[inline]
    pub fn range(&self, row: ObjectId) -> Range<usize> {
        let range = self.offsets.range(row.index());
        self.targets.fits(|| range.start <= range.end && range.end <= self.targets.len());
        range
    }

    /// The targets of `row`, in order.
    #[inline]
    pub fn row(&self, row: ObjectId) -> &[u32] {
        self.targets.range(self.range(row))
    }

    /// The targets at consecutive positions, as [`Csr::range`] gives them: a part of a row.
    #[inline]
    pub fn part(&self, positions: Range<usize>) -> &[u32] {
        self.targets.range(positions)
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
        ObjectId(self.targets.get(position))
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
            let blocks = Block::all(half.start * BLOCK, lengths, half_degrees, half_sources, &lows);
            blocks.into_par_iter().for_each_init(Vec::new, |copy, block| block.order(self, copy));
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
        self.for_each_row(rows, |row, targets| {
            for &target in targets {
                let block = (target as usize / BLOCK).wrapping_sub(blocks.start);
                if let Some(drawer) = drawers.get_mut(block) {
                    drawer.sources[drawer.filled] = row;
                    drawer.lows[drawer.filled] = low_half(target);
                    drawer.filled += 1;
                }
            }
        });
    }

    /// Calls `visit` for each of consecutive rows, with its targets.
    fn for_each_row(&self, rows: Range<usize>, mut visit: impl FnMut(u32, &[u32])) {
        let numbers = ObjectId::at(rows.start).0..;
        match &self.offsets {
            Offsets::Narrow(offsets) => {
                for (row, ends) in numbers.zip(offsets[rows.start..=rows.end].windows(2)) {
                    visit(row, &self.targets[ends[0] as usize..ends[1] as usize]);
                }
            }
            Offsets::Wide(_) | Offsets::Grouped { .. } => {
                rows.map(ObjectId::at).for_each(|row| visit(row.0, self.row(row)));
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

/// The references of a block, which are to be put in order.
struct Block<'a> {
    /// The first target.
    first: usize,
    /// Counted here.
    degrees: &'a mut [u32],
    sources: &'a mut [u32],
    lows: &'a [u16],
}

impl<'a> Block<'a> {
    /// The blocks of these lengths, from the target `first` on.
    fn all(
        first: usize,
        lengths: &[usize],
        degrees: &'a mut [u32],
        mut sources: &'a mut [u32],
        mut lows: &'a [u16],
    ) -> Vec<Self> {
        let mut blocks = Vec::with_capacity(lengths.len());
        for ((place, &length), degrees) in lengths.iter().enumerate().zip(degrees.chunks_mut(BLOCK)) {
            let (own_sources, other_sources) = sources.split_at_mut(length);
            let (own_lows, other_lows) = lows.split_at(length);
            (sources, lows) = (other_sources, other_lows);
            blocks.push(Self { first: first + place * BLOCK, degrees, sources: own_sources, lows: own_lows });
        }
        blocks
    }

    /// Sorts the references by target, those of one target in the order in which they come, and counts them. A block that
    /// holds a good part of all references, because of `None` and the like, is not copied but read from `forward` again.
    fn order(self, forward: &Csr, copy: &mut Vec<u32>) {
        for &low in self.lows {
            self.degrees[usize::from(low)] += 1;
        }
        let mut next = 0;
        let mut places: Vec<usize> = self
            .degrees
            .iter()
            .map(|&degree| {
                let place = next;
                next += degree as usize;
                place
            })
            .collect();
        let is_read_again = self.lows.len() > MOST_COPIED.max(forward.targets.len() / 16);
        copy.clear();
        copy.extend_from_slice(if is_read_again { &[] } else { self.sources });
        let mut put = |low: usize, source: u32| {
            self.sources[places[low]] = source;
            places[low] += 1;
        };
        if is_read_again {
            forward.for_each_row(0..forward.row_count(), |row, targets| {
                for &target in targets {
                    let low = (target as usize).wrapping_sub(self.first);
                    if low < self.degrees.len() {
                        put(low, row);
                    }
                }
            });
        } else {
            copy.iter().zip(self.lows).for_each(|(&source, &low)| put(usize::from(low), source));
        }
    }
}

/// References of a block that are copied in any case.
const MOST_COPIED: usize = 1 << 20;

/// Cuts `0..length` into at most `pieces` ranges of nearly equal length.
pub fn partition(length: usize, pieces: usize) -> Vec<Range<usize>> {
    let step = length.div_ceil(pieces.max(1)).max(1);
    (0..length).step_by(step).map(|start| start..(start + step).min(length)).collect()
}
