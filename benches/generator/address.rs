//! Addresses as CPython's allocators hand them out.
//!
//! Objects of up to 512 bytes come from pools of 16 KiB, one size class each, 16-aligned and dense; larger ones from the
//! general heap, far away. What belongs to the interpreter itself lies in its data segment, 8-aligned.

use super::random::Random;

/// Bytes of a pool, and of its header.
const POOL: u64 = 16 << 10;
const POOL_HEADER: u64 = 48;
/// Largest size that comes from a pool.
const LARGEST_SMALL: u64 = 512;
/// Slots in a hundred that other objects of the process hold, or that are free.
const HOLES: usize = 15;

/// Hands out addresses; no two overlap.
#[derive(Debug)]
pub struct Allocator {
    /// Next slot and end of the pool in use, by size class.
    open: [(u64, u64); 33],
    next_pool: u64,
    next_large: u64,
    next_static: u64,
    random: Random,
}

impl Allocator {
    /// An empty address space.
    pub fn new(seed: u64) -> Self {
        Self {
            open: [(0, 0); 33],
            next_pool: 0x7f3a_1000_0000,
            next_large: 0x55d0_4000_0000,
            next_static: 0x55d0_1000_0008,
            random: Random::new(seed),
        }
    }

    /// A place for `bytes`, with the 16 bytes in front that objects with references have.
    pub fn allocate(&mut self, bytes: u64, has_header: bool) -> u64 {
        let header = if has_header { 16 } else { 0 };
        let needed = (bytes + header).next_multiple_of(16);
        let start = if needed <= LARGEST_SMALL { self.small(needed) } else { self.large(needed) };
        start + header
    }

    /// A place in the data segment of the interpreter.
    pub fn allocate_static(&mut self, bytes: u64) -> u64 {
        let start = self.next_static;
        self.next_static += (bytes + 16).next_multiple_of(16);
        start
    }

    fn small(&mut self, bytes: u64) -> u64 {
        let class = usize::try_from(bytes / 16).unwrap_or(0);
        loop {
            let (start, end) = self.open[class];
            if start + bytes > end {
                self.open[class] = (self.next_pool + POOL_HEADER, self.next_pool + POOL);
                self.next_pool += POOL;
                continue;
            }
            self.open[class].0 += bytes;
            if !self.random.chance(HOLES) {
                return start;
            }
        }
    }

    fn large(&mut self, bytes: u64) -> u64 {
        let start = self.next_large;
        self.next_large += bytes + 16;
        start
    }
}
