//! Numbers whose neighbours are near each other: places and distances, and offsets as they stand in an index.

use std::io;
use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::column::Column;
use super::index::{Index, IndexWriter, Unusable};

/// Rows of a group.
const GROUP: usize = 32;
/// Rows that one task groups.
const PIECE: usize = 1 << 14;
/// Set in the word of a group whose numbers stand in the wide section.
const IS_WIDE: u64 = 1 << 63;

/// Numbers by row: n of them in one or two bytes each, with a word of eight bytes for each 32 rows. The word is the least
/// number of its rows, to which what stands at a row is added; or, with its highest bit set, where the numbers of the group
/// start among those that are kept whole.
#[derive(Debug)]
pub struct Grouped<T: Pod + Send + Sync> {
    near: Column<T>,
    words: Column<u64>,
    wide: Column<u64>,
}

/// The names of the sections: what is added, words, whole numbers.
pub type SectionNames = [&'static str; 3];

impl<T: Near> Grouped<T> {
    /// Groups `length` numbers, of which `get` gives that of each row. O(length), in parallel.
    pub fn of(length: usize, get: impl Fn(usize) -> u64 + Sync) -> Self {
        Self::of_parts(length, |_| None, get)
    }

    /// The same, where `part` has the numbers of some rows side by side, as four bytes each that come after a base.
    pub fn of_parts<'n>(
        length: usize,
        part: impl Fn(Range<usize>) -> Option<(u64, &'n [u32])> + Sync,
        get: impl Fn(usize) -> u64 + Sync,
    ) -> Self {
        let mut near = Column::zeroed(length);
        let mut words = Column::zeroed(length.div_ceil(GROUP));
        let pieces = near.par_chunks_mut(PIECE).zip(words.par_chunks_mut(PIECE / GROUP)).enumerate();
        let wide_groups: Vec<Vec<usize>> = pieces
            .map(|(piece, (near, words))| {
                let mut wide_groups = Vec::new();
                for (place, (near, word)) in near.chunks_mut(GROUP).zip(words).enumerate() {
                    let start = piece * PIECE + place * GROUP;
                    let least = match part(start..start + near.len()) {
                        Some((base, numbers)) => differences_of_part(base, numbers, near),
                        None => differences(start, &get, near),
                    };
                    match least {
                        Some(least) => *word = least,
                        None => wide_groups.push(start / GROUP),
                    }
                }
                wide_groups
            })
            .collect();
        let mut wide = Column::new();
        for group in wide_groups.into_iter().flatten() {
            words[group] = IS_WIDE | wide.len() as u64;
            (group * GROUP..length.min((group + 1) * GROUP)).for_each(|row| wide.push(get(row)));
        }
        Self { near, words, wide }
    }

    /// Whether the numbers take less room than with four bytes each.
    pub fn is_small(&self) -> bool {
        let bytes = size_of_val(&self.near[..]) + size_of_val(&self.words[..]) + size_of_val(&self.wide[..]);
        bytes < self.len() * size_of::<u32>()
    }

    /// Appends them to an index.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter, [near, words, wide]: SectionNames) -> io::Result<()> {
        writer.section(near, &self.near)?;
        writer.section(words, &self.words)?;
        writer.section(wide, &self.wide)
    }

    /// `length` numbers of an index.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub fn restore(index: &Index, length: usize, [near, words, wide]: SectionNames) -> Result<Self, Unusable> {
        let whole = index.bytes_of(wide).ok_or(Unusable::Damaged)? / size_of::<u64>();
        Ok(Self {
            near: index.column(near, length, |_| true)?,
            words: index.column(words, length.div_ceil(GROUP), |_| true)?,
            wide: index.column(wide, whole, |_| true)?,
        })
    }

    /// The same, of numbers that ascend from 0 on, up to `last`: what each group begins with is looked at now, the rest by
    /// [`Grouped::get_ascending`].
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there, or do not ascend.
    pub fn restore_ascending(
        index: &Index,
        length: usize,
        names @ [near, ..]: SectionNames,
        last: u64,
    ) -> Result<Self, Unusable> {
        let near = index.column(near, length, |block| block.values.chunks(GROUP).all(<[T]>::is_sorted))?;
        let grouped = Self { near, ..Self::restore(index, length, names)? };
        let mut end = 0;
        for (group, &word) in grouped.words.iter().enumerate() {
            let whole = [word];
            let numbers = if word & IS_WIDE == 0 {
                &whole[..]
            } else {
                let rows = GROUP.min(length - group * GROUP);
                let start = usize::try_from(word & !IS_WIDE).map_err(|_| Unusable::Damaged)?;
                let range = start..start.checked_add(rows).ok_or(Unusable::Damaged)?;
                grouped.wide[..].get(range).ok_or(Unusable::Damaged)?
            };
            let starts_well = numbers.first().is_some_and(|&first| if group == 0 { first == 0 } else { first >= end });
            if !starts_well || !numbers.is_sorted() {
                return Err(Unusable::Damaged);
            }
            end = numbers.last().copied().unwrap_or(end);
        }
        (end <= last).then_some(grouped).ok_or(Unusable::Damaged)
    }

    /// The number in `row` of those that ascend up to `last`. Gives up where it is larger than what the next group begins
    /// with: numbers of different rows are then in order whichever of them are looked at.
    #[inline]
    pub fn get_ascending(&self, row: usize, last: u64) -> u64 {
        let number = self.get(row);
        let next = (row / GROUP + 1) * GROUP;
        let limit = if next < self.len() { self.first_of(next / GROUP) } else { last };
        self.words.fits(|| number <= limit);
        number
    }

    /// The numbers in `row` and the one after it, as [`Grouped::get_ascending`] has them.
    #[inline]
    pub fn pair_ascending(&self, row: usize, last: u64) -> [u64; 2] {
        let (group, is_last_of_group) = (row / GROUP, row % GROUP == GROUP - 1);
        let word = self.words.get(group);
        if is_last_of_group || word & IS_WIDE != 0 {
            return [self.get_ascending(row, last), self.get_ascending(row + 1, last)];
        }
        let pair = match *self.near.range(row..row + 2) {
            [one, next] => [word + one.into(), word + next.into()],
            _ => [0; 2],
        };
        let next = (group + 1) * GROUP;
        let limit = if next < self.len() { self.first_of(group + 1) } else { last };
        self.words.fits(|| pair[0] <= limit && pair[1] <= limit);
        pair
    }

    /// The least number of a group.
    fn first_of(&self, group: usize) -> u64 {
        match self.words.get(group) {
            word if word & IS_WIDE == 0 => word,
            _ => self.get(group * GROUP),
        }
    }

    /// The number in `row`. Whoever asks checks whether it can be one.
    #[inline]
    pub fn get(&self, row: usize) -> u64 {
        let word = self.words.get(row / GROUP);
        if word & IS_WIDE == 0 {
            return word + self.near.get(row).into();
        }
        // too large a place is in no section either way
        let place = usize::try_from(word & !IS_WIDE).unwrap_or(usize::MAX);
        self.wide.get(place.saturating_add(row % GROUP))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.near.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at all of them, so that an index from which they come is known to be damaged if it is.
    pub fn check(&self) {
        self.near.check();
        self.words.check();
        self.wide.check();
    }
}

/// Writes what is to be added to the least of the numbers from `start` on, which is returned; nothing where it is too much
/// for some.
fn differences<T: Near>(start: usize, get: impl Fn(usize) -> u64, near: &mut [T]) -> Option<u64> {
    let mut numbers = [0; GROUP];
    let numbers = &mut numbers[..near.len()];
    (start..).zip(&mut *numbers).for_each(|(row, number)| *number = get(row));
    let (least, most) = (*numbers.iter().min()?, *numbers.iter().max()?);
    if least >= IS_WIDE || T::try_from(most - least).is_err() {
        return None;
    }
    for (near, &number) in near.iter_mut().zip(&*numbers) {
        *near = T::try_from(number - least).unwrap_or_else(|_| T::zeroed());
    }
    Some(least)
}

/// The same of numbers that come after a base.
fn differences_of_part<T: Near>(base: u64, numbers: &[u32], near: &mut [T]) -> Option<u64> {
    let (least, most) =
        numbers.iter().fold((u32::MAX, 0), |(least, most), &number| (least.min(number), most.max(number)));
    let first = base.checked_add(least.into()).filter(|&first| first < IS_WIDE)?;
    T::try_from(u64::from(most.saturating_sub(least))).ok()?;
    near.iter_mut().zip(numbers).for_each(|(near, number)| *near = T::low(number - least));
    Some(first)
}

/// A width of what is added to the least number of a group.
pub trait Near: Pod + Send + Sync + Ord + Into<u64> + TryFrom<u64> {
    /// The low bytes of a number.
    fn low(number: u32) -> Self;
}

impl Near for u8 {
    #[expect(clippy::cast_possible_truncation, reason = "asked for")]
    fn low(number: u32) -> Self {
        number as Self
    }
}

impl Near for u16 {
    #[expect(clippy::cast_possible_truncation, reason = "asked for")]
    fn low(number: u32) -> Self {
        number as Self
    }
}

/// Numbers of four bytes by row, grouped where that is smaller.
#[derive(Debug)]
pub enum Numbers {
    /// As they were computed.
    Plain(Column<u32>),
    /// In groups.
    Grouped(Grouped<u8>),
}

impl Numbers {
    /// Groups numbers, if they take less room then.
    pub fn of(numbers: Column<u32>) -> Self {
        let plain = &numbers[..];
        let grouped = Grouped::of_parts(plain.len(), |rows| Some((0, &plain[rows])), |row| plain[row].into());
        if grouped.is_small() { Self::Grouped(grouped) } else { Self::Plain(numbers) }
    }

    /// The number in `row`.
    #[inline]
    pub fn get(&self, row: usize) -> u32 {
        match self {
            Self::Plain(numbers) => numbers.get(row),
            Self::Grouped(numbers) => u32::try_from(numbers.get(row)).unwrap_or(u32::MAX),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(numbers) => numbers.len(),
            Self::Grouped(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Looks at all of them, so that an index from which they come is known to be damaged if it is.
    pub fn check(&self) {
        if let Self::Grouped(numbers) = self {
            numbers.check();
        }
    }

    /// Appends them to an index.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter, names: SectionNames) -> io::Result<()> {
        match self {
            Self::Plain(numbers) => Grouped::<u8>::of(numbers.len(), |row| numbers[row].into()).store(writer, names),
            Self::Grouped(grouped) => grouped.store(writer, names),
        }
    }

    /// `length` numbers of an index.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub fn restore(index: &Index, length: usize, names: SectionNames) -> Result<Self, Unusable> {
        Grouped::restore(index, length, names).map(Self::Grouped)
    }
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Numbers {}
