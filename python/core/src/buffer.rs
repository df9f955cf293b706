//! Growing arrays over the process's `malloc`: the core is linked to no allocator of its own.
//!
//! A failed allocation does not abort, as it would with the standard collections: it is remembered in [`Array::failed`],
//! what would not fit is dropped, and the walk ends with an error at the next object.

use core::ffi::c_void;

unsafe extern "C" {
    fn realloc(block: *mut c_void, bytes: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// Bytes from which on an array does not double: a process whose memory is full is to be captured too.
const LARGE: usize = 4 << 20;

/// A growing array of plain values.
pub struct Array<T: Copy> {
    start: *mut T,
    len: usize,
    capacity: usize,
    /// Memory ran out: something that was pushed is missing.
    pub failed: bool,
}

/// Bytes of JSON that are being put together.
pub type Text = Array<u8>;

impl<T: Copy> Array<T> {
    /// An empty array, which has allocated nothing.
    pub const fn new() -> Self {
        Array { start: core::ptr::null_mut(), len: 0, capacity: 0, failed: false }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: T) {
        if self.len == self.capacity && !self.grow(1) {
            return;
        }
        // SAFETY: len < capacity, so that the place is within the block
        unsafe { self.start.add(self.len).write(value) };
        self.len += 1;
    }

    /// Takes the last value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the place was below the length, hence written
        Some(unsafe { self.start.add(self.len).read() })
    }

    /// Appends all of a slice, or nothing where memory runs out.
    #[inline]
    pub fn extend(&mut self, values: &[T]) {
        if self.capacity - self.len < values.len() && !self.grow(values.len()) {
            return;
        }
        // SAFETY: there is room for the slice, and it lies elsewhere: it is borrowed while self is borrowed mutably
        unsafe { self.start.add(self.len).copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        self.len += values.len();
    }

    /// Appends a copy of its own values from `start` to `end`.
    pub fn extend_from_within(&mut self, start: usize, end: usize) {
        let count = end.saturating_sub(start);
        if end > self.len || (self.capacity - self.len < count && !self.grow(count)) {
            return;
        }
        // SAFETY: the values lie below the length, and the room for their copy above it
        unsafe { self.start.add(self.len).copy_from_nonoverlapping(self.start.add(start), count) };
        self.len += count;
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets the values from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The values.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: the first len values have been written
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// The values, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        if self.start.is_null() {
            return &mut [];
        }
        // SAFETY: as in as_slice, and self is borrowed mutably
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Makes room for `more` values: at least twice as much, or a quarter more where that is much already.
    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        let spare = if self.capacity > LARGE / size_of::<T>() { self.capacity / 4 } else { self.capacity };
        let wanted = self.len.saturating_add(more).max(self.capacity.saturating_add(spare)).max(64);
        let grown = match wanted.checked_mul(size_of::<T>()) {
            // SAFETY: start is null or came from realloc
            Some(bytes) => unsafe { realloc(self.start.cast(), bytes) },
            None => core::ptr::null_mut(),
        };
        if grown.is_null() {
            self.failed = true;
            return false;
        }
        self.start = grown.cast();
        self.capacity = wanted;
        true
    }
}

impl<T: Copy> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: start is null or came from realloc
        unsafe { free(self.start.cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order_and_the_last_is_popped_first() {
        let mut array = Array::new();
        for value in 0..1000u32 {
            array.push(value);
        }
        array.extend(&[7, 8]);
        assert_eq!(array.len(), 1002);
        assert_eq!(array.as_slice().first(), Some(&0));
        assert_eq!((array.pop(), array.pop(), array.pop()), (Some(8), Some(7), Some(999)));
        array.extend_from_within(1, 3);
        assert_eq!(array.as_slice().get(998..), Some(&[998, 1, 2][..]));
        array.truncate(1);
        assert_eq!(array.as_slice(), [0]);
        array.clear();
        assert_eq!(array.pop(), None);
    }
}
