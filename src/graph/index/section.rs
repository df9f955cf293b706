//! An array in a mapped index, whose blocks are checked when they are first looked at.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytemuck::Pod;
use rayon::prelude::*;

use super::header::{Entry, hash_at};
use super::{BLOCK, IndexFile, hash};

/// Numbers of a section that are checked together.
#[derive(Debug)]
pub struct Block<'a, T> {
    /// The row of the first of them.
    pub first: usize,
    /// The numbers; at least one.
    pub values: &'a [T],
    /// The number that follows them, not checked yet.
    pub next: Option<T>,
}

/// Says whether the numbers of a block can mean what they are to mean.
type Check<T> = Box<dyn Fn(Block<'_, T>) -> bool + Send + Sync>;

/// Numbers in a mapped file.
pub(in crate::graph) struct Section<T> {
    file: Arc<IndexFile>,
    bytes: Range<usize>,
    /// Offset of the table of hashes, and where in it those of this section start.
    hashes: (usize, usize),
    /// One bit a block: checked, and good.
    good: Box<[AtomicU64]>,
    all_good: AtomicBool,
    check: Check<T>,
}

impl<T: Pod + Send + Sync> Section<T> {
    /// Numbers in a block.
    const ROWS: usize = BLOCK / size_of::<T>();

    /// The section of `entry`, which the header's check has found to lie within the file, aligned.
    pub(super) fn new(file: Arc<IndexFile>, entry: &Entry, hashes: usize, check: Check<T>) -> Self {
        Self {
            bytes: entry.range(),
            hashes: (hashes, entry.first_hash),
            good: (0..entry.blocks().div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            all_good: AtomicBool::new(false),
            check,
            file,
        }
    }

    pub(in crate::graph) fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    /// The number in `row`.
    pub(in crate::graph) fn get(&self, row: usize) -> T {
        self.ensure_good(row / Self::ROWS);
        self.number(row).unwrap_or_else(|| self.file.give_up())
    }

    /// The numbers in `rows`.
    pub(in crate::graph) fn range(&self, rows: Range<usize>) -> &[T] {
        if rows.start < rows.end {
            (rows.start / Self::ROWS..=(rows.end - 1) / Self::ROWS).for_each(|block| self.ensure_good(block));
        }
        self.raw().get(rows).unwrap_or_else(|| self.file.give_up())
    }

    /// All numbers.
    pub(in crate::graph) fn all(&self) -> &[T] {
        if !self.all_good.load(Ordering::Acquire) {
            self.check_all();
        }
        self.raw()
    }

    /// Gives up: what it says does not fit what another section says.
    pub(in crate::graph) fn give_up(&self) -> ! {
        self.file.give_up()
    }

    /// The number in `row`, not checked: one comparison, where a slice of all numbers takes several.
    #[inline]
    fn number(&self, row: usize) -> Option<T> {
        let start = row.checked_mul(size_of::<T>()).filter(|&start| start < self.bytes.len())?;
        let bytes = self.file.map.get(self.bytes.start + start..)?.get(..size_of::<T>())?;
        Some(bytemuck::pod_read_unaligned(bytes))
    }

    /// Not checked.
    fn raw(&self) -> &[T] {
        // the header's check makes sure of bounds and alignment
        self.file.map.get(self.bytes.clone()).and_then(|bytes| bytemuck::try_cast_slice(bytes).ok()).unwrap_or_default()
    }

    #[cold]
    fn check_all(&self) {
        let blocks = self.len().div_ceil(Self::ROWS);
        (0..blocks).into_par_iter().with_min_len(256).for_each(|block| self.ensure_good(block));
        self.all_good.store(true, Ordering::Release);
    }

    #[inline]
    fn ensure_good(&self, block: usize) {
        match self.good.get(block / 64) {
            Some(word) if word.load(Ordering::Acquire) >> (block % 64) & 1 == 1 => {}
            Some(word) => self.check_block(block, word),
            None => self.file.give_up(),
        }
    }

    #[cold]
    fn check_block(&self, block: usize, word: &AtomicU64) {
        let values = self.raw();
        let first = block * Self::ROWS;
        let end = (first + Self::ROWS).min(values.len());
        let is_good = values.get(first..end).is_some_and(|block_values| {
            let expected = hash_at(&self.file.map, self.hashes.0, self.hashes.1 + block);
            expected == Some(hash(bytemuck::cast_slice(block_values)))
                && (self.check)(Block { first, values: block_values, next: values.get(end).copied() })
        });
        if !is_good {
            self.file.give_up();
        }
        word.fetch_or(1 << (block % 64), Ordering::AcqRel);
    }
}

impl<T> fmt::Debug for Section<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Whether all numbers of a block are below `limit`.
pub fn below<T: Copy + PartialOrd + TryFrom<u64>>(limit: u64) -> impl Fn(Block<'_, T>) -> bool {
    let limit = T::try_from(limit).ok();
    // no search for the first offender, and no wider numbers: it runs at the speed of memory
    move |block| limit.is_none_or(|limit| !block.values.iter().fold(false, |found, &value| found | (value >= limit)))
}

/// Whether the numbers of a block ascend, equal ones allowed, also to the block that follows, from 0 on and up to `last`,
/// which the last of the section is.
pub fn ascending<T: Copy + PartialOrd + Into<u64>>(last: u64) -> impl Fn(Block<'_, T>) -> bool {
    move |block| {
        let starts_well = block.first != 0 || block.values.first().is_none_or(|&first| first.into() == 0);
        let end = block.values.last().map_or(0, |&end| end.into());
        let ends_well = block.next.map_or(end == last, |next| end <= next.into() && end <= last);
        let steps = block.values.iter().zip(block.values.iter().skip(1));
        starts_well && ends_well && !steps.fold(false, |found, (one, next)| found | (one > next))
    }
}
