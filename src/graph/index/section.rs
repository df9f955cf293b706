//! An array in a mapped index, whose blocks are checked when they are first looked at.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
    harmless: T,
    check: Check<T>,
    /// What is shown as a whole when not all of it is good.
    substitute: OnceLock<Vec<T>>,
}

impl<T: Pod + Send + Sync> Section<T> {
    /// Numbers in a block.
    const ROWS: usize = BLOCK / size_of::<T>();

    /// The section of `entry`, which the header's check has found to lie within the file, aligned.
    pub(super) fn new(file: Arc<IndexFile>, entry: &Entry, hashes: usize, harmless: T, check: Check<T>) -> Self {
        Self {
            bytes: entry.range(),
            hashes: (hashes, entry.first_hash),
            good: (0..entry.blocks().div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            all_good: AtomicBool::new(false),
            harmless,
            check,
            substitute: OnceLock::new(),
            file,
        }
    }

    pub(in crate::graph) fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    /// The number in `row`; the harmless one where its block is not good or there is no such row.
    pub(in crate::graph) fn get(&self, row: usize) -> T {
        if self.is_good(row / Self::ROWS)
            && let Some(&value) = self.raw().get(row)
        {
            return value;
        }
        self.harmless
    }

    /// The numbers in `rows`; none where a block of them is not good or there are no such rows.
    pub(in crate::graph) fn range(&self, rows: Range<usize>) -> &[T] {
        if rows.start >= rows.end {
            return &[];
        }
        let mut blocks = rows.start / Self::ROWS..=(rows.end - 1) / Self::ROWS;
        match self.raw().get(rows) {
            Some(values) if blocks.all(|block| self.is_good(block)) => values,
            Some(_) => &[],
            None => {
                self.file.set_damaged();
                &[]
            }
        }
    }

    /// All numbers; all harmless where any block is not good.
    pub(in crate::graph) fn all(&self) -> &[T] {
        if self.all_good.load(Ordering::Acquire) || self.check_all() {
            return self.raw();
        }
        self.substitute.get_or_init(|| vec![self.harmless; self.len()])
    }

    /// Not checked.
    fn raw(&self) -> &[T] {
        // the header's check makes sure of bounds and alignment
        self.file.map.get(self.bytes.clone()).and_then(|bytes| bytemuck::try_cast_slice(bytes).ok()).unwrap_or_default()
    }

    #[cold]
    fn check_all(&self) -> bool {
        let blocks = self.len().div_ceil(Self::ROWS);
        let is_good = (0..blocks).into_par_iter().with_min_len(16).all(|block| self.is_good(block));
        self.all_good.store(is_good, Ordering::Release);
        is_good
    }

    fn is_good(&self, block: usize) -> bool {
        let Some(word) = self.good.get(block / 64) else {
            self.file.set_damaged();
            return false;
        };
        word.load(Ordering::Acquire) >> (block % 64) & 1 == 1 || self.check_block(block, word)
    }

    /// Checks a block; once any has failed, no other is good.
    #[cold]
    fn check_block(&self, block: usize, word: &AtomicU64) -> bool {
        if self.file.is_damaged() {
            return false;
        }
        let values = self.raw();
        let first = block * Self::ROWS;
        let end = (first + Self::ROWS).min(values.len());
        let is_good = values.get(first..end).is_some_and(|block_values| {
            let expected = hash_at(&self.file.map, self.hashes.0, self.hashes.1 + block);
            expected == Some(hash(bytemuck::cast_slice(block_values)))
                && (self.check)(Block { first, values: block_values, next: values.get(end).copied() })
        });
        if is_good {
            word.fetch_or(1 << (block % 64), Ordering::AcqRel);
        } else {
            self.file.set_damaged();
        }
        is_good
    }
}

impl<T> fmt::Debug for Section<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Whether all numbers of a block are below `limit`.
pub fn below<T: Copy + Into<u64>>(limit: u64) -> impl Fn(Block<'_, T>) -> bool + Send + Sync + 'static {
    // a maximum, not a search for the first offender: it runs at the speed of memory
    move |block| block.values.iter().copied().map(Into::into).max().is_none_or(|largest| largest < limit)
}

/// Whether the numbers of a block ascend, equal ones allowed, also to the block that follows, from 0 on and up to `last`,
/// which the last of the section is.
pub fn ascending<T: Copy + Into<u64>>(last: u64) -> impl Fn(Block<'_, T>) -> bool + Send + Sync + 'static {
    move |block| {
        let start_is_zero = block.first != 0 || block.values.first().is_none_or(|&first| first.into() == 0);
        let end = block.values.last().map_or(0, |&end| end.into());
        let ends_well = block.next.map_or(end == last, |next| end <= next.into() && end <= last);
        let steps = block.values.windows(2).filter(|pair| pair[0].into() > pair[1].into()).count();
        start_is_zero && ends_well && steps == 0
    }
}
