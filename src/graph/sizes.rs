//! Numbers by row of which nearly all are small: sizes in bytes, sizes of subtrees.
//!
//! Two bytes each are enough for nearly all of them in most heaps, and four in the others; the few that do not fit stand in a
//! table beside them.

use std::io;

use rayon::prelude::*;

use super::column::Column;
use super::index::{Block, Index, IndexWriter, Unusable};
use super::stored::{pairs, sorted_pairs};

/// Sizes by row: two bytes each where that is enough for nearly all, or four, and a table of those that do not fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Sizes {
    narrow: Narrow,
    /// Sorted by row.
    wide: Vec<(u32, u64)>,
}

/// The largest number of the width stands for those that do not fit.
#[derive(Debug, PartialEq, Eq)]
enum Narrow {
    Four(Column<u32>),
    Two(Column<u16>),
}

/// Of this many sizes one may be too large for two bytes.
const RARE: usize = 256;
/// Rows that one task looks at.
const PIECE: usize = 1 << 14;

impl Default for Sizes {
    fn default() -> Self {
        Self::from(Column::new())
    }
}

impl From<Column<u32>> for Sizes {
    /// Sizes all of which are less than `u32::MAX`.
    fn from(narrow: Column<u32>) -> Self {
        Self::of_parts(narrow, Vec::new())
    }
}

/// Sizes as a slice; the largest number of the width stands for what [`Sizes::get`] says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlainSizes<'a> {
    Four(&'a [u32]),
    Two(&'a [u16]),
}

impl Sizes {
    /// Sizes of which those that are `u32::MAX` stand in `wide`, sorted by row.
    pub fn of_parts(narrow: Column<u32>, wide: Vec<(u32, u64)>) -> Self {
        let sizes = Self { narrow: Narrow::Four(narrow), wide };
        sizes.in_two_bytes().unwrap_or(sizes)
    }

    /// Sizes in order.
    pub fn of(sizes: impl Iterator<Item = u64>) -> Self {
        let (mut narrow, mut wide) = (Column::with_capacity(sizes.size_hint().0), Vec::new());
        for (row, size) in (0..).zip(sizes) {
            let fitting = u32::try_from(size).unwrap_or(u32::MAX);
            if fitting == u32::MAX {
                wide.push((row, size));
            }
            narrow.push(fitting);
        }
        Self::of_parts(narrow, wide)
    }

    /// The size in `row`.
    #[inline]
    pub fn get(&self, row: usize) -> u64 {
        let (size, is_wide) = match &self.narrow {
            Narrow::Four(sizes) => {
                let size = sizes.get(row);
                (u64::from(size), size == u32::MAX)
            }
            Narrow::Two(sizes) => {
                let size = sizes.get(row);
                (u64::from(size), size == u16::MAX)
            }
        };
        if is_wide { self.wide_size(row).unwrap_or(size) } else { size }
    }

    /// All sizes as a slice; where they lie in an index, all of it is looked at.
    pub(crate) fn plain(&self) -> PlainSizes<'_> {
        match &self.narrow {
            Narrow::Four(sizes) => PlainSizes::Four(sizes),
            Narrow::Two(sizes) => PlainSizes::Two(sizes),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.narrow {
            Narrow::Four(sizes) => sizes.len(),
            Narrow::Two(sizes) => sizes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn wide_size(&self, row: usize) -> Option<u64> {
        let place = self.wide.binary_search_by_key(&row, |(row, _)| *row as usize).ok()?;
        Some(self.wide[place].1)
    }

    /// Looks at all sizes, so that an index from which they come is known to be damaged if it is.
    pub fn check(&self) {
        match &self.narrow {
            Narrow::Four(sizes) => sizes.check(),
            Narrow::Two(sizes) => sizes.check(),
        }
    }

    /// Appends the sizes to an index, under the names of the column and of the table of wide ones.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter, [narrow, wide]: [&str; 2]) -> io::Result<()> {
        match &self.narrow {
            Narrow::Four(sizes) => writer.section(narrow, sizes)?,
            Narrow::Two(sizes) => writer.section(narrow, sizes)?,
        }
        writer.section(wide, &pairs(&self.wide))
    }

    /// The same in two bytes each; `None` where they are, or where too many do not fit.
    fn in_two_bytes(&self) -> Option<Self> {
        let Narrow::Four(sizes) = &self.narrow else { return None };
        let fitting = |&size: &u32| u16::try_from(size).unwrap_or(u16::MAX);
        let is_wide = |size: &u32| fitting(size) == u16::MAX;
        let count = |piece: &[u32]| piece.iter().filter(|size| is_wide(size)).count();
        let counts: Vec<usize> = sizes.par_chunks(PIECE).map(count).collect();
        if counts.iter().sum::<usize>() > sizes.len() / RARE {
            return None;
        }
        let pieces = (0..).step_by(PIECE).zip(sizes.chunks(PIECE)).zip(counts).filter(|(_, count)| *count > 0);
        let others = pieces.flat_map(|((first, piece), _)| (first..).zip(piece).filter(|(_, size)| is_wide(size)));
        let wide = others.map(|(row, _): (u32, _)| (row, self.get(row as usize))).collect();
        let mut narrow = Column::zeroed(sizes.len());
        let pieces = narrow.par_chunks_mut(PIECE).zip(sizes.par_chunks(PIECE));
        pieces.for_each(|(narrow, sizes)| narrow.iter_mut().zip(sizes).for_each(|(two, four)| *two = fitting(four)));
        Some(Self { narrow: Narrow::Two(narrow), wide })
    }

    /// `length` sizes from an index. `fits` says whether a row can have a size.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub fn restore(
        index: &Index,
        length: usize,
        [narrow, wide]: [&str; 2],
        fits: impl Fn(usize, u64) -> bool + Send + Sync + 'static,
    ) -> Result<Self, Unusable> {
        let wide = sorted_pairs(index, wide)?;
        if !wide.iter().all(|&(row, size)| (row as usize) < length && fits(row as usize, size)) {
            return Err(Unusable::Damaged);
        }
        let narrow = if index.width_of(narrow) == Some(size_of::<u16>()) {
            Narrow::Two(index.column(narrow, length, move |block| all_fit(&block, u16::MAX, &fits))?)
        } else {
            Narrow::Four(index.column(narrow, length, move |block| all_fit(&block, u32::MAX, &fits))?)
        };
        Ok(Self { narrow, wide })
    }
}

/// Whether all sizes of a block fit, but for those that stand for others.
fn all_fit<T: Copy + PartialEq + Into<u64>>(
    block: &Block<'_, T>,
    other: T,
    fits: &impl Fn(usize, u64) -> bool,
) -> bool {
    let sizes = (block.first..).zip(block.values);
    sizes.filter(|&(row, &size)| size != other && !fits(row, size.into())).count() == 0
}
