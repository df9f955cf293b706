//! Long arrays of numbers, on huge pages where they are long.
//!
//! The first touch of fresh memory costs as much as what is computed in it: with pages of 4 KiB several times more than with
//! huge ones. So a long column lies in a mapping of its own for which the kernel is asked for huge pages. Room that is
//! reserved but never touched costs nothing.
//!
//! A column may also lie in a mapped [index](super::index), whose numbers are checked when they are first looked at. Read it
//! in the way in which it is used: [`Column::get`] and [`Column::range`] look at a part, a slice of the whole column checks
//! all of it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use bytemuck::Pod;
use memmap2::{MmapMut, MmapOptions};

use super::index::Section;

/// Bytes from which a column has a mapping of its own.
const LONG: usize = 8 << 20;

/// Bytes of a huge page on most processors.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// A growable array of plain numbers. Dereferences to a slice.
pub struct Column<T: Pod + Send + Sync> {
    storage: Storage<T>,
}

enum Storage<T> {
    Short(Vec<T>),
    /// The first `length` numbers of the mapping are in use.
    Long {
        map: MmapMut,
        length: usize,
        of: PhantomData<T>,
    },
    /// In an index; copied when it is to be changed.
    Mapped(Box<Section<T>>),
}

impl<T: Pod + Send + Sync> Column<T> {
    /// An empty column.
    pub const fn new() -> Self {
        Self { storage: Storage::Short(Vec::new()) }
    }

    /// An empty column with room for `capacity` numbers.
    pub fn with_capacity(capacity: usize) -> Self {
        match long_map::<T>(capacity) {
            Some(map) => Self { storage: Storage::Long { map, length: 0, of: PhantomData } },
            None => Self { storage: Storage::Short(Vec::with_capacity(capacity)) },
        }
    }

    /// `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        match long_map::<T>(length) {
            Some(map) => Self { storage: Storage::Long { map, length, of: PhantomData } },
            None => Self { storage: Storage::Short(vec![T::zeroed(); length]) },
        }
    }

    /// `length` times the same number.
    pub fn filled(length: usize, value: T) -> Self {
        let mut column = Self::zeroed(length);
        column.fill(value);
        column
    }

    /// A section of an index.
    pub(super) fn mapped(section: Section<T>) -> Self {
        Self { storage: Storage::Mapped(Box::new(section)) }
    }

    /// How many numbers there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.storage {
            Storage::Short(values) => values.len(),
            Storage::Long { length, .. } => *length,
            Storage::Mapped(section) => section.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number in `row`.
    ///
    /// # Panics
    /// There is no such row. Where the column lies in an index, that index is damaged then, and it
    /// [unwinds](super::index::attempt).
    #[inline]
    pub fn get(&self, row: usize) -> T {
        match &self.storage {
            Storage::Short(values) => values[row],
            Storage::Long { map, length, .. } => bytemuck::cast_slice(map)[..*length][row],
            Storage::Mapped(section) => section.get(row),
        }
    }

    /// The numbers in `rows`.
    ///
    /// # Panics
    /// There are no such rows. Where the column lies in an index, that index is damaged then, and it
    /// [unwinds](super::index::attempt).
    #[inline]
    pub fn range(&self, rows: Range<usize>) -> &[T] {
        match &self.storage {
            Storage::Short(values) => &values[rows],
            Storage::Long { map, length, .. } => &bytemuck::cast_slice(map)[..*length][rows],
            Storage::Mapped(section) => section.range(rows),
        }
    }

    /// Gives up where the column lies in an index and what it says does not fit what another one says; the columns that were
    /// computed here fit.
    #[inline]
    pub fn fits(&self, fits: impl FnOnce() -> bool) {
        if let Storage::Mapped(section) = &self.storage
            && !fits()
        {
            section.give_up();
        }
    }

    /// Looks at all numbers, so that an index in which they lie is known to be damaged if it is.
    pub fn check(&self) {
        if let Storage::Mapped(section) = &self.storage {
            section.all();
        }
    }

    /// Appends a number.
    #[inline]
    pub fn push(&mut self, value: T) {
        if !self.push_within(value) {
            self.grow(self.len() + 1);
            self.push_within(value);
        }
    }

    /// Appends a number where there is room for it; whether there was.
    #[inline]
    fn push_within(&mut self, value: T) -> bool {
        match &mut self.storage {
            Storage::Short(values) if values.len() < values.capacity() => values.push(value),
            Storage::Long { map, length, .. } => {
                let start = *length * size_of::<T>();
                let Some(place) = map.get_mut(start..start + size_of::<T>()) else { return false };
                place.copy_from_slice(bytemuck::bytes_of(&value));
                *length += 1;
            }
            Storage::Short(_) | Storage::Mapped(_) => return false,
        }
        true
    }

    /// Appends numbers.
    pub fn extend_from_slice(&mut self, values: &[T]) {
        self.reserve(values.len());
        match &mut self.storage {
            Storage::Short(own) => own.extend_from_slice(values),
            Storage::Long { map, length, .. } => {
                let end = *length + values.len();
                bytemuck::cast_slice_mut(map)[*length..end].copy_from_slice(values);
                *length = end;
            }
            // reserving has copied it
            Storage::Mapped(_) => {}
        }
    }

    /// The last number.
    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.reserve(0);
        match &mut self.storage {
            Storage::Short(values) => values.last_mut(),
            Storage::Long { map, length, .. } => bytemuck::cast_slice_mut(map)[..*length].last_mut(),
            Storage::Mapped(_) => None,
        }
    }

    /// Shortens the column; does nothing when it is not longer.
    pub fn truncate(&mut self, length: usize) {
        self.own();
        match &mut self.storage {
            Storage::Mapped(_) => {}
            Storage::Short(values) => values.truncate(length),
            Storage::Long { length: own, .. } => *own = length.min(*own),
        }
    }

    fn capacity(&self) -> usize {
        match &self.storage {
            Storage::Short(values) => values.capacity(),
            Storage::Long { map, .. } => map.len() / size_of::<T>(),
            Storage::Mapped(_) => 0,
        }
    }

    /// Makes room; copies a column that lies in an index.
    #[inline]
    fn reserve(&mut self, additional: usize) {
        let needed = self.len() + additional;
        if needed > self.capacity() {
            self.grow(needed);
        }
    }

    /// Copies a column that lies in an index, so that it can be changed.
    fn own(&mut self) {
        if let Storage::Mapped(section) = &self.storage {
            let mut copy = Self::with_capacity(section.len());
            copy.extend_from_slice(section.all());
            *self = copy;
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let mut grown = Self::with_capacity(needed.max(self.capacity() * 2).max(16));
        if needed <= grown.capacity() {
            grown.extend_from_slice(self);
        }
        *self = grown;
    }
}

/// A mapping of its own for `capacity` numbers, if so many are worth one and the system gives it.
fn long_map<T: Pod>(capacity: usize) -> Option<MmapMut> {
    let bytes = capacity.checked_mul(size_of::<T>()).filter(|&bytes| bytes >= LONG)?;
    let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon().ok()?;
    #[cfg(target_os = "linux")]
    {
        // where there are none, ordinary pages do; and at the end, where the rest of a huge page would lie idle
        let _ = map.advise_range(memmap2::Advice::HugePage, 0, bytes - bytes % HUGE_PAGE);
    }
    Some(map)
}

impl<T: Pod + Send + Sync> Deref for Column<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.storage {
            Storage::Short(values) => values,
            Storage::Long { map, length, .. } => &bytemuck::cast_slice(map)[..*length],
            Storage::Mapped(section) => section.all(),
        }
    }
}

impl<T: Pod + Send + Sync> DerefMut for Column<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.own();
        match &mut self.storage {
            Storage::Short(values) => values,
            Storage::Long { map, length, .. } => &mut bytemuck::cast_slice_mut(map)[..*length],
            Storage::Mapped(_) => &mut [],
        }
    }
}

impl<T: Pod + Send + Sync> Default for Column<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Pod + Send + Sync> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Self { storage: Storage::Short(values) }
    }
}

impl<T: Pod + Send + Sync> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values = values.into_iter();
        let mut column = Self::with_capacity(values.size_hint().0);
        values.for_each(|value| column.push(value));
        column
    }
}

impl<T: Pod + Send + Sync + PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + Send + Sync + Eq> Eq for Column<T> {}

impl<T: Pod + Send + Sync> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column").field("length", &self.len()).finish_non_exhaustive()
    }
}
