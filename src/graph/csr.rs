//! Compressed sparse rows: who refers to whom, in two arrays.

use std::io;
use std::ops::Range;

use bytemuck::Pod;
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
        Grouped::<u8>::of(self.offsets.len(), |row| self.offsets.get(row) as u64).store(writer, offsets)?;
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
    /// each block is counted and put in order by itself. The result does not depend on the number of threads. Meanwhile 2
    /// bytes a reference are held, and the sources of a block a second time.
    pub fn reversed(&self) -> Self {
        if u32::try_from(self.targets.len()).is_ok() {
            let (offsets, targets) = self.reversed_rows();
            return Self { offsets: Offsets::Narrow(offsets), targets };
        }
        let (offsets, targets) = self.reversed_rows();
        Self { offsets: Offsets::Wide(offsets), targets }
    }

    /// Offsets and targets of [`Csr::reversed`].
    fn reversed_rows<T: Offset>(&self) -> (Column<T>, Column<u32>) {
        let rows = self.row_count();
        let pieces = partition(rows, rayon::current_num_threads() * 4);
        let counts: Vec<Vec<usize>> = pieces.par_iter().map(|piece| self.count_by_block(piece.clone())).collect();
        let lengths: Vec<usize> =
            (0..rows.div_ceil(BLOCK)).map(|block| counts.iter().map(|counts| counts[block]).sum()).collect();
        let mut sources = Column::zeroed(self.targets.len());
        let mut lows = Column::zeroed(self.targets.len());
        let work = pieces.par_iter().zip(drawers(&counts, &mut sources, &mut lows));
        work.for_each(|(piece, mut drawers)| self.sort_by_block(piece.clone(), &mut drawers));
        let mut offsets = Column::zeroed(rows + 1);
        let blocks = Block::all(&lengths, &mut offsets[1..], &mut sources, &lows);
        blocks.into_par_iter().for_each_init(Vec::new, |copy, block| block.order(self, copy));
        (offsets, sources)
    }

    /// References of consecutive rows by the block of their target.
    fn count_by_block(&self, rows: Range<usize>) -> Vec<usize> {
        let mut counts = vec![0; self.row_count().div_ceil(BLOCK)];
        for &target in &self.targets[self.offsets.get(rows.start)..self.offsets.get(rows.end)] {
            counts[target as usize / BLOCK] += 1;
        }
        counts
    }

    /// Puts the references of consecutive rows into the drawers of the blocks of their targets.
    fn sort_by_block(&self, rows: Range<usize>, drawers: &mut [Drawer<'_>]) {
        self.for_each_row(rows, |row, targets| {
            for &target in targets {
                let drawer = &mut drawers[target as usize / BLOCK];
                drawer.sources[drawer.filled] = row;
                drawer.lows[drawer.filled] = low_half(target);
                drawer.filled += 1;
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

/// The drawers of each piece, one for each block; those of one block follow each other in the order of the pieces.
fn drawers<'a>(counts: &[Vec<usize>], mut sources: &'a mut [u32], mut lows: &'a mut [u16]) -> Vec<Vec<Drawer<'a>>> {
    let blocks = counts.first().map_or(0, Vec::len);
    let mut drawers: Vec<Vec<Drawer<'a>>> = counts.iter().map(|_| Vec::with_capacity(blocks)).collect();
    for block in 0..blocks {
        for (counts, drawers) in counts.iter().zip(&mut drawers) {
            let (own_sources, other_sources) = sources.split_at_mut(counts[block]);
            let (own_lows, other_lows) = lows.split_at_mut(counts[block]);
            drawers.push(Drawer { sources: own_sources, lows: own_lows, filled: 0 });
            (sources, lows) = (other_sources, other_lows);
        }
    }
    drawers
}

/// An offset into the targets.
trait Offset: Pod + Send + Sync {
    fn of(position: usize) -> Self;
    fn position(self) -> usize;
}

impl Offset for u32 {
    #[expect(clippy::cast_possible_truncation, reason = "used where all offsets fit")]
    #[inline]
    fn of(position: usize) -> Self {
        position as Self
    }

    #[inline]
    fn position(self) -> usize {
        self as usize
    }
}

impl Offset for u64 {
    #[inline]
    fn of(position: usize) -> Self {
        position as Self
    }

    #[expect(clippy::cast_possible_truncation, reason = "offsets are lengths of vectors in memory")]
    #[inline]
    fn position(self) -> usize {
        self as usize
    }
}

/// The references of a block, which are to be put in order.
struct Block<'a, T> {
    /// The first target.
    first: usize,
    /// Where its references start.
    start: usize,
    /// Where the references of each target end; found here, zeros before.
    ends: &'a mut [T],
    sources: &'a mut [u32],
    lows: &'a [u16],
}

impl<'a, T: Offset> Block<'a, T> {
    /// The blocks of these lengths.
    fn all(lengths: &[usize], ends: &'a mut [T], mut sources: &'a mut [u32], mut lows: &'a [u16]) -> Vec<Self> {
        let mut blocks = Vec::with_capacity(lengths.len());
        let mut start = 0;
        for ((place, &length), ends) in lengths.iter().enumerate().zip(ends.chunks_mut(BLOCK)) {
            let (own_sources, other_sources) = sources.split_at_mut(length);
            let (own_lows, other_lows) = lows.split_at(length);
            (sources, lows) = (other_sources, other_lows);
            blocks.push(Self { first: place * BLOCK, start, ends, sources: own_sources, lows: own_lows });
            start += length;
        }
        blocks
    }

    /// Sorts the references by target, those of one target in the order in which they come. A block that holds a good part
    /// of all references, because of `None` and the like, is not copied but read from `forward` again.
    fn order(self, forward: &Csr, copy: &mut Vec<u32>) {
        let Self { first, start, ends, sources, lows } = self;
        for &low in lows {
            let degree = &mut ends[usize::from(low)];
            *degree = T::of(degree.position() + 1);
        }
        let mut next = 0;
        for degree in ends.iter_mut() {
            let place = next;
            next += degree.position();
            *degree = T::of(place);
        }
        let is_read_again = lows.len() > MOST_COPIED.max(forward.targets.len() / 16);
        copy.clear();
        copy.extend_from_slice(if is_read_again { &[] } else { sources });
        // each place moves on to the end of its target's references
        let mut put = |place: &mut T, source: u32| {
            sources[place.position()] = source;
            *place = T::of(place.position() + 1);
        };
        if is_read_again {
            forward.for_each_row(0..forward.row_count(), |row, targets| {
                for &target in targets {
                    if let Some(place) = ends.get_mut((target as usize).wrapping_sub(first)) {
                        put(place, row);
                    }
                }
            });
        } else {
            copy.iter().zip(lows).for_each(|(&source, &low)| put(&mut ends[usize::from(low)], source));
        }
        for end in ends {
            *end = T::of(start + end.position());
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
