//! From an address to its row, in a few nanoseconds and about two bytes an object.
//!
//! Heap addresses cluster: a page of the address space holds hundreds of objects or none. So the pages that occur are kept
//! in a small hash map, each page as a bitmap of its granules with running counts; the rank of an address among all
//! addresses is then one lookup and one population count, and a permutation turns ranks into rows. Where addresses do not
//! cluster (random 64-bit ids), a sorted array and binary search take over.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// Granules in a page: 64 words of 64 bits.
const PAGE_BITS: u32 = 12;
const WORDS: usize = 1 << (PAGE_BITS - 6);
/// Fewer objects than this to a page, on average, and the bitmap wastes more than it saves.
const MIN_OBJECTS_PER_PAGE: usize = 16;

/// Finds the row of an address. Where an address stands in several rows, the last one counts.
#[derive(Debug)]
pub struct AddressIndex {
    layout: Layout,
    /// Row of each rank; as many as there are distinct addresses.
    rows: Vec<u32>,
}

#[derive(Debug)]
enum Layout {
    Pages { low_bits: u64, shift: u32, slots: FxHashMap<u64, u32>, pages: Vec<Page> },
    Sorted(Vec<u64>),
}

#[derive(Debug)]
struct Page {
    bits: [u64; WORDS],
    /// Rank of the first granule of each word.
    ranks: [u32; WORDS],
}

impl AddressIndex {
    /// Indexes `addresses`, whose positions are the rows. Fewer than 2³² of them.
    pub fn new(addresses: &[u64]) -> Self {
        let first = addresses.first().copied().unwrap_or(0);
        let differences = addresses.par_iter().map(|address| address ^ first).reduce(|| 0, |a, b| a | b);
        let shift = differences.trailing_zeros().min(16);
        let low_bits = first & ((1 << shift) - 1);
        let limit = addresses.len() / MIN_OBJECTS_PER_PAGE + 64;
        match paged(addresses, shift, limit) {
            Some((slots, pages)) => Self::with_rows(Layout::Pages { low_bits, shift, slots, pages }, addresses),
            None => {
                let mut sorted = addresses.to_vec();
                sorted.par_sort_unstable();
                sorted.dedup();
                Self::with_rows(Layout::Sorted(sorted), addresses)
            }
        }
    }

    /// The row of `address`, or `None` when no object has it.
    pub fn row(&self, address: u64) -> Option<u32> {
        self.rank(address).map(|rank| self.rows[rank as usize])
    }

    /// Finds the rows of many addresses in a row, remembering where the last ones were.
    pub fn finder(&self) -> Finder<'_> {
        Finder { index: self, recent: vec![(u64::MAX, 0); RECENT] }
    }

    /// How many distinct addresses there are.
    pub fn distinct(&self) -> usize {
        self.rows.len()
    }

    fn with_rows(layout: Layout, addresses: &[u64]) -> Self {
        let mut index = Self { rows: Vec::new(), layout };
        index.rows = vec![0; index.layout.distinct()];
        for (row, &address) in (0u32..).zip(addresses) {
            if let Some(rank) = index.rank(address) {
                index.rows[rank as usize] = row;
            }
        }
        index
    }

    fn rank(&self, address: u64) -> Option<u32> {
        match &self.layout {
            Layout::Pages { low_bits, shift, slots, pages } => {
                if address & ((1 << shift) - 1) != *low_bits {
                    return None;
                }
                let granule = address >> shift;
                pages[*slots.get(&(granule >> PAGE_BITS))? as usize].rank(granule)
            }
            Layout::Sorted(sorted) => sorted.binary_search(&address).ok().and_then(|rank| u32::try_from(rank).ok()),
        }
    }
}

impl Page {
    fn rank(&self, granule: u64) -> Option<u32> {
        let (word, bit) = place(granule);
        let bits = self.bits[word];
        let below = bits & ((1 << bit) - 1);
        (bits >> bit & 1 == 1).then(|| self.ranks[word] + below.count_ones())
    }
}

/// Pages that a [`Finder`] remembers.
const RECENT: usize = 256;

/// Looks up addresses, with the slots of recently met pages at hand: references of neighbours go to the same pages.
#[derive(Debug)]
pub struct Finder<'a> {
    index: &'a AddressIndex,
    /// Page numbers and their slots, by the low bits of the number.
    recent: Vec<(u64, u32)>,
}

impl Finder<'_> {
    /// The row of `address`, or `None` when no object has it.
    pub fn row(&mut self, address: u64) -> Option<u32> {
        let Layout::Pages { low_bits, shift, slots, pages } = &self.index.layout else {
            return self.index.row(address);
        };
        if address & ((1 << shift) - 1) != *low_bits {
            return None;
        }
        let granule = address >> shift;
        let number = granule >> PAGE_BITS;
        let recent = &mut self.recent[number as usize % RECENT];
        if recent.0 != number {
            *recent = (number, *slots.get(&number)?);
        }
        let rank = pages[recent.1 as usize].rank(granule)?;
        Some(self.index.rows[rank as usize])
    }
}

impl Layout {
    fn distinct(&self) -> usize {
        match self {
            Self::Sorted(sorted) => sorted.len(),
            Self::Pages { pages, .. } => {
                pages.last().map_or(0, |page| (page.ranks[WORDS - 1] + page.bits[WORDS - 1].count_ones()) as usize)
            }
        }
    }
}

fn place(granule: u64) -> (usize, u32) {
    let within = (granule & ((1 << PAGE_BITS) - 1)) as u32;
    ((within / 64) as usize, within % 64)
}

/// The bitmaps of all pages, or `None` when there would be more than `limit` of them.
fn paged(addresses: &[u64], shift: u32, limit: usize) -> Option<(FxHashMap<u64, u32>, Vec<Page>)> {
    let mut slots = FxHashMap::default();
    let mut pages: Vec<Page> = Vec::new();
    let mut last = (u64::MAX, 0);
    for address in addresses {
        let granule = address >> shift;
        let number = granule >> PAGE_BITS;
        if number != last.0 {
            let next = u32::try_from(pages.len()).ok()?;
            let slot = *slots.entry(number).or_insert(next);
            if slot == next {
                if pages.len() >= limit {
                    return None;
                }
                pages.push(Page { bits: [0; WORDS], ranks: [0; WORDS] });
            }
            last = (number, slot);
        }
        let (word, bit) = place(granule);
        pages[last.1 as usize].bits[word] |= 1 << bit;
    }
    let mut rank = 0;
    for page in &mut pages {
        for (bits, start) in page.bits.iter().zip(&mut page.ranks) {
            *start = rank;
            rank += bits.count_ones();
        }
    }
    Some((slots, pages))
}
