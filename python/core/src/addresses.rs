//! Sets of addresses: one bit for each eight bytes of the heap.
//!
//! Objects lie at multiples of eight bytes and close together, so that bits cost a 64th of the heap where a hash table of
//! addresses costs up to half of it, and neighbours share a cache line.

use core::ffi::c_void;

use crate::buffer::Array;

unsafe extern "C" {
    fn calloc(count: usize, bytes: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// Address bits within a page: 1 MiB of address space.
const PAGE_BITS: u32 = 20;
/// Words of 64 bits in a page, one bit for each eight bytes.
const PAGE_WORDS: usize = (1 << PAGE_BITS) / 8 / 64;

/// One page of bits. The key is the page's number, plus one so that zero means an empty place.
#[derive(Clone, Copy)]
struct Page {
    key: usize,
    bits: *mut u64,
}

const NO_PAGE: Page = Page { key: 0, bits: core::ptr::null_mut() };

/// A set of addresses.
pub struct Addresses {
    /// Open addressing with linear probing; a power of two of places, at most half of them taken.
    pages: Array<Page>,
    used: usize,
    last: Page,
    /// Memory ran out: an address is missing.
    pub failed: bool,
}

impl Addresses {
    /// An empty set.
    pub fn new() -> Self {
        Addresses { pages: table(256), used: 0, last: NO_PAGE, failed: false }
    }

    /// Adds an address; whether it is new. Without memory nothing is new.
    #[inline]
    pub fn insert(&mut self, address: usize) -> bool {
        let key = key(address);
        if self.last.key != key {
            self.last = self.find_or_make(key);
        }
        let (word, bit) = place(address);
        if self.last.bits.is_null() {
            return false;
        }
        // SAFETY: a page has PAGE_WORDS words and the place is below that
        let word = unsafe { &mut *self.last.bits.add(word) };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether an address is in the set.
    #[inline]
    pub fn contains(&self, address: usize) -> bool {
        let page = if self.last.key == key(address) { self.last } else { self.find(key(address)) };
        let (word, bit) = place(address);
        // SAFETY: as in insert
        !page.bits.is_null() && unsafe { *page.bits.add(word) } & bit != 0
    }

    /// The page of a key, without bits where there is none.
    fn find(&self, key: usize) -> Page {
        self.pages.as_slice().get(self.slot(key)).copied().unwrap_or(NO_PAGE)
    }

    /// Where the page of a key is, or the empty place where it belongs.
    fn slot(&self, key: usize) -> usize {
        let pages = self.pages.as_slice();
        let mask = pages.len().wrapping_sub(1);
        let mut slot = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20 & mask;
        while pages.get(slot).is_some_and(|page| page.key != key && page.key != 0) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn find_or_make(&mut self, key: usize) -> Page {
        let found = self.find(key);
        if found.key == key {
            return found;
        }
        if (self.used + 1) * 2 > self.pages.len() {
            self.rehash();
        }
        // SAFETY: a plain allocation
        let bits = unsafe { calloc(PAGE_WORDS, size_of::<u64>()) }.cast::<u64>();
        let slot = self.slot(key);
        match self.pages.as_mut_slice().get_mut(slot) {
            Some(place) if !bits.is_null() && place.key == 0 => {
                *place = Page { key, bits };
                self.used += 1;
                *place
            }
            _ => {
                // SAFETY: bits is null or nobody's yet
                unsafe { free(bits.cast()) };
                self.failed = true;
                Page { key, bits: core::ptr::null_mut() }
            }
        }
    }

    /// Doubles the table.
    fn rehash(&mut self) {
        let grown = table(self.pages.len().max(128) * 2);
        let old = core::mem::replace(&mut self.pages, grown);
        for page in old.as_slice().iter().filter(|page| page.key != 0) {
            let slot = self.slot(page.key);
            if let Some(place) = self.pages.as_mut_slice().get_mut(slot) {
                *place = *page;
            }
        }
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        for page in self.pages.as_slice() {
            // SAFETY: null or from calloc
            unsafe { free(page.bits.cast()) };
        }
    }
}

fn key(address: usize) -> usize {
    (address >> PAGE_BITS) + 1
}

/// Word within the page, and the bit in it.
fn place(address: usize) -> (usize, u64) {
    let bit = (address & ((1 << PAGE_BITS) - 1)) / 8;
    (bit / 64, 1 << (bit % 64))
}

/// A table of empty places.
fn table(places: usize) -> Array<Page> {
    let mut pages = Array::new();
    for _ in 0..places {
        pages.push(NO_PAGE);
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_address_is_new_once() {
        let mut set = Addresses::new();
        let mut model = HashSet::new();
        let mut state = 1usize;
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // some close together, some all over the address space
            let address = if round % 2 == 0 { 0x7f00_0000_0000 + (state >> 44) * 8 } else { state >> 17 & !7 };
            assert_eq!(set.contains(address), model.contains(&address));
            assert_eq!(set.insert(address), model.insert(address));
        }
        assert!(!set.failed);
        assert!(model.iter().all(|&address| set.contains(address)));
    }
}
