//! From an address to its row, in a few nanoseconds and about four bytes an object.
//!
//! Heap addresses cluster: a page of 64 KiB of the address space holds hundreds of objects or none. So the pages that occur
//! are numbered, and an address becomes a *code* of 32 bits, its page's slot and its place in the page: [`Pages`]. Each page
//! with objects has a bitmap of their places with running counts; the rank of an address in its page is then one lookup and
//! one population count, and two bytes an object turn ranks into rows: [`AddressIndex`]. Where addresses do not cluster
//! (random 64-bit ids), a sorted array and binary search take over.

use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::column::Column;
use super::index::{Index, IndexWriter, Unusable, below};

/// Bits of an address that its place in a page takes: pages of 64 KiB, places of 8 bytes. Addresses with another remainder
/// by 8 have pages of their own, so that small dense numbers are as good as addresses.
const PAGE_SHIFT: u32 = 16;
const PLACE_SHIFT: u32 = 3;
const PLACE_BITS: u32 = PAGE_SHIFT - PLACE_SHIFT;
const PLACES: u32 = 1 << PLACE_BITS;
const WORDS: usize = PLACES as usize / 64;
/// Slots of pages; one less than fit, so that no code is `u32::MAX`.
const MOST_PAGES: usize = (1 << (32 - PLACE_BITS)) - 1;
/// Fewer codes than this to a page, on average, and bitmaps waste more than they save.
const CODES_PER_PAGE: usize = 64;
/// Pages that may be sparser than that.
const SPARE_PAGES: usize = 1 << 13;
/// Pages that are found again without hashing.
const RECENT: usize = 1 << 10;
/// The same where addresses are only looked up.
const FINDER_RECENT: usize = 1 << 12;

/// The page of an address, with its remainder.
#[inline]
fn page_of(address: u64) -> u64 {
    (address >> PAGE_SHIFT) << PLACE_SHIFT | (address & 7)
}

#[expect(clippy::cast_possible_truncation, reason = "masked")]
#[inline]
fn place_of(address: u64) -> u32 {
    (address >> PLACE_SHIFT) as u32 & (PLACES - 1)
}

/// An address without its place: the same for all of a page, as [`page_of`] is, but had with one instruction.
#[inline]
fn without_place(address: u64) -> u64 {
    address & !(u64::from(PLACES - 1) << PLACE_SHIFT)
}

/// Where a page stands among those that were met last, by an address without its place. The multiplier is 2⁶⁴ divided by the
/// golden ratio (Knuth, The Art of Computer Programming 3, 6.4): the pages of several regions of memory do not meet in a few
/// places.
#[inline]
fn recent_place(without_place: u64) -> usize {
    (without_place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT.ilog2())) as usize % RECENT
}

/// Numbers the pages of addresses in order of appearance and encodes addresses by them.
#[derive(Debug)]
pub struct Pages {
    /// Page of each slot.
    pages: Vec<u64>,
    slots: FxHashMap<u64, u32>,
    /// Pages that were met last, by [`recent_place`].
    recent: Box<[RecentPage; RECENT]>,
    /// How many codes were asked for, as far as it was told.
    codes: usize,
}

/// The addresses of a page without their places, and the code of its first place.
type RecentPage = (u64, u32);

impl Default for Pages {
    fn default() -> Self {
        // an address without its place is never this
        let none = (u64::MAX, 0);
        Self { pages: Vec::new(), slots: FxHashMap::default(), recent: Box::new([none; RECENT]), codes: 0 }
    }
}

impl Pages {
    /// The code of an address, whose page gets a slot when it has none; `None` when there would be too many pages for what
    /// they hold: for the codes of which [`Pages::count`] was told.
    #[inline]
    pub fn code(&mut self, address: u64) -> Option<u32> {
        let page = without_place(address);
        let (known, first) = self.recent[recent_place(page)];
        if known == page {
            return Some(first | place_of(address));
        }
        Some(self.enter(address)? | place_of(address))
    }

    /// Notes that so many codes are in use.
    #[inline]
    pub fn count(&mut self, codes: usize) {
        self.codes += codes;
    }

    /// Appends the codes of addresses to `codes`, unless one of them has none: returns whether all were appended, none is
    /// otherwise.
    pub fn append_codes(&mut self, addresses: &[u64], codes: &mut Column<u32>) -> bool {
        self.count(addresses.len());
        for (code, &address) in codes.more(addresses.len()).iter_mut().zip(addresses) {
            let Some(own) = self.code(address) else {
                codes.truncate(codes.len() - addresses.len());
                return false;
            };
            *code = own;
        }
        true
    }

    /// The first code of the page of an address that was not met lately. The page gets a slot when it has none; `None` when
    /// there would be too many pages for so many codes.
    #[cold]
    #[inline(never)]
    fn enter(&mut self, address: u64) -> Option<u32> {
        let page = page_of(address);
        let next = u32::try_from(self.pages.len()).ok()?;
        let slot = match self.slots.entry(page) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                if self.pages.len() >= MOST_PAGES.min(SPARE_PAGES + self.codes / CODES_PER_PAGE) {
                    return None;
                }
                self.pages.push(page);
                *entry.insert(next)
            }
        };
        let first = slot << PLACE_BITS;
        let without_place = without_place(address);
        self.recent[recent_place(without_place)] = (without_place, first);
        Some(first)
    }

    /// The address that a code of these pages stands for.
    pub fn address(&self, code: u32) -> u64 {
        decode(&self.pages, code)
    }

    /// The slot of a page.
    fn find(&self, page: u64) -> Option<u32> {
        self.slots.get(&page).copied()
    }
}

fn decode(pages: &[u64], code: u32) -> u64 {
    first_address(pages[(code >> PLACE_BITS) as usize]) | u64::from(code & (PLACES - 1)) << PLACE_SHIFT
}

/// The address at the first place of a page.
fn first_address(page: u64) -> u64 {
    (page >> PLACE_SHIFT) << PAGE_SHIFT | (page & 7)
}

/// Addresses of objects by row, distinct.
#[derive(Debug)]
pub enum Addresses {
    /// Codes of four bytes.
    Coded {
        /// Page of each slot.
        pages: Column<u64>,
        /// Code of each row.
        codes: Column<u32>,
    },
    /// As they are.
    Wide(Column<u64>),
}

impl Addresses {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Coded { codes, .. } => codes.len(),
            Self::Wide(addresses) => addresses.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address in `row`.
    pub fn get(&self, row: usize) -> u64 {
        match self {
            Self::Coded { pages, codes } => decode(pages, codes.get(row)),
            Self::Wide(addresses) => addresses.get(row),
        }
    }

    /// Appends the addresses to an index.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        match self {
            Self::Coded { pages, codes } => {
                writer.section("addresses.pages", pages)?;
                writer.section("addresses", codes)
            }
            Self::Wide(addresses) => writer.section("addresses", addresses),
        }
    }

    /// The addresses of an index.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub fn restore(index: &Index) -> Result<Self, Unusable> {
        let rows = index.object_count();
        if !index.has("addresses.pages") {
            return Ok(Self::Wide(index.column("addresses", rows, |_| true)?));
        }
        let pages: Vec<u64> = index.rows("addresses.pages")?;
        if pages.is_empty() && rows > 0 {
            return Err(Unusable::Damaged);
        }
        let codes = index.column("addresses", rows, below::<u32>((pages.len() as u64) << PLACE_BITS))?;
        Ok(Self::Coded { pages: pages.into(), codes })
    }

    /// Looks at all of them, so that an index from which they come is known to be damaged if it is.
    pub(super) fn check(&self) {
        match self {
            Self::Coded { codes, .. } => codes.check(),
            Self::Wide(addresses) => addresses.check(),
        }
    }

    /// The row of an address. Looks at all of them: for the few that a person asks for.
    pub fn find(&self, address: u64) -> Option<usize> {
        match self {
            Self::Wide(addresses) => position(addresses, address),
            Self::Coded { pages, codes } => {
                let slot = u32::try_from(position(pages, page_of(address))?).ok()?;
                position(codes, slot << PLACE_BITS | place_of(address))
            }
        }
    }
}

/// Where a number stands first.
fn position<T: Copy + PartialEq + Sync>(numbers: &[T], wanted: T) -> Option<usize> {
    /// Numbers that are compared without a branch.
    const PIECE: usize = 1 << 12;
    let piece = numbers
        .par_chunks(PIECE)
        .position_first(|piece| piece.iter().fold(false, |found, &number| found | (number == wanted)))?;
    numbers[piece * PIECE..].iter().position(|&number| number == wanted).map(|place| piece * PIECE + place)
}

/// Finds the row of an address. Where an address stands in several rows, the last one counts.
#[derive(Debug)]
pub struct AddressIndex {
    layout: Layout,
    distinct: usize,
}

#[derive(Debug)]
enum Layout {
    Pages {
        slots: Pages,
        bitmaps: Vec<Bitmap>,
        rows: PageRows,
    },
    Sorted {
        addresses: Column<u64>,
        /// Row of each address.
        rows: Vec<u32>,
    },
}

/// The objects in a page.
#[derive(Debug)]
struct Bitmap {
    bits: [u64; WORDS],
    /// How many objects of the page come before each word.
    ranks: [u16; WORDS],
    /// Its smallest row, which is left out of what is kept for each object; 0 where that is all of the row.
    base: u32,
    /// Where its rows start among those of its width.
    start: u32,
    /// Whether its rows take four bytes.
    is_wide: bool,
}

/// The rows of the objects of all pages, page by page in order of place. Objects of a page are mostly allocated, and dumped,
/// at about the same time: their rows differ by less than 2¹⁶.
#[derive(Debug, Default)]
struct PageRows {
    near: Vec<u16>,
    wide: Vec<u32>,
}

/// A piece's codes, which become codes of the whole.
#[derive(Debug)]
pub struct Translation {
    /// First code of each slot of the piece in the whole; `u32::MAX` for pages without objects.
    pages: Vec<u32>,
}

impl Translation {
    fn new(piece: &Pages, whole: &Pages) -> Self {
        let first = |&page: &u64| whole.find(page).map_or(u32::MAX, |slot| slot << PLACE_BITS);
        Self { pages: piece.pages.iter().map(first).collect() }
    }

    /// The code of the whole; `None` where no object is near.
    #[inline]
    pub fn code(&self, code: u32) -> Option<u32> {
        let first = self.pages[(code >> PLACE_BITS) as usize];
        (first != u32::MAX).then_some(first | code & (PLACES - 1))
    }
}

/// Codes of the objects of a piece of the dump, in the piece's own pages.
pub trait Piece: Sync {
    /// The pages by which they are encoded.
    fn pages(&self) -> &Pages;
    /// The code of each row of the piece.
    fn codes(&self) -> impl Iterator<Item = u32> + '_;
}

impl AddressIndex {
    /// Indexes `addresses`, whose positions are the rows. Fewer than 2³² of them.
    pub fn new(addresses: &[u64]) -> Self {
        struct All(Pages, Vec<u32>);
        impl Piece for All {
            fn pages(&self) -> &Pages {
                &self.0
            }
            fn codes(&self) -> impl Iterator<Item = u32> + '_ {
                self.1.iter().copied()
            }
        }
        let mut all = All(Pages::default(), Vec::with_capacity(addresses.len()));
        for &address in addresses {
            all.0.count(1);
            match all.0.code(address) {
                Some(code) => all.1.push(code),
                None => return Self::sorted(addresses),
            }
        }
        Self::of_pieces(std::slice::from_ref(&all)).map_or_else(|| Self::sorted(addresses), |(index, _)| index)
    }

    /// Indexes `addresses` by sorting them.
    pub fn sorted(addresses: &[u64]) -> Self {
        let mut sorted: Vec<u64> = addresses.to_vec();
        sorted.par_sort_unstable();
        sorted.dedup();
        let mut rows = vec![0; sorted.len()];
        for (row, address) in (0..).zip(addresses) {
            if let Ok(rank) = sorted.binary_search(address) {
                rows[rank] = row;
            }
        }
        Self { distinct: sorted.len(), layout: Layout::Sorted { addresses: sorted.into(), rows } }
    }

    /// Indexes the objects of pieces whose rows follow each other, and translates each piece's codes. `None` when the pieces
    /// together have more pages than there are slots.
    pub fn of_pieces<P: Piece>(pieces: &[P]) -> Option<(Self, Vec<Translation>)> {
        let mut slots = Pages { codes: usize::MAX / 2, ..Pages::default() };
        let marked: Vec<Vec<u64>> = pieces.par_iter().map(marked_places).collect();
        for (piece, marked) in pieces.iter().zip(&marked) {
            let pages = piece.pages().pages.iter().zip(marked.chunks_exact(WORDS));
            for (&page, _) in pages.filter(|(_, marks)| marks.iter().any(|&bits| bits != 0)) {
                slots.enter(first_address(page))?;
            }
        }
        let mut bitmaps = bitmaps(&slots, pieces, marked);
        let translations: Vec<Translation> =
            pieces.par_iter().map(|piece| Translation::new(piece.pages(), &slots)).collect();
        let distinct = bitmaps.last().map_or(0, |last| last.start as usize + last.len());
        let rows: Vec<AtomicU32> = (0..distinct).map(|_| AtomicU32::new(0)).collect();
        let counts: Vec<usize> = pieces.par_iter().map(|piece| piece.codes().count()).collect();
        let starts = counts.iter().scan(0u32, |next, &count| {
            let start = *next;
            *next += u32::try_from(count).unwrap_or(u32::MAX);
            Some(start)
        });
        let fill = |((piece, translation), start): ((&P, &Translation), u32)| {
            for (row, code) in (start..).zip(piece.codes()) {
                let Some(code) = translation.code(code) else { continue };
                let bitmap = &bitmaps[(code >> PLACE_BITS) as usize];
                if let Some(rank) = bitmap.rank(code & (PLACES - 1)) {
                    rows[bitmap.start as usize + rank].store(row, Ordering::Relaxed);
                }
            }
        };
        let starts: Vec<u32> = starts.collect();
        if counts.iter().sum::<usize>() == distinct {
            pieces.par_iter().zip(&translations).zip(starts).for_each(fill);
        } else {
            // the last row of an address counts: in order
            pieces.iter().zip(&translations).zip(starts).for_each(fill);
        }
        let rows = PageRows::new(&mut bitmaps, &rows);
        Some((Self { layout: Layout::Pages { slots, bitmaps, rows }, distinct }, translations))
    }

    /// The row of `address`, or `None` when no object has it.
    pub fn row(&self, address: u64) -> Option<u32> {
        match &self.layout {
            Layout::Pages { slots, bitmaps, rows } => {
                rows.get(&bitmaps[slots.find(page_of(address))? as usize], place_of(address))
            }
            Layout::Sorted { addresses, rows } => addresses.binary_search(&address).ok().map(|rank| rows[rank]),
        }
    }

    /// The row of the object with this code, which a [`Translation`] made.
    #[inline]
    pub fn row_of_code(&self, code: u32) -> Option<u32> {
        match &self.layout {
            Layout::Pages { bitmaps, rows, .. } => {
                rows.get(&bitmaps[(code >> PLACE_BITS) as usize], code & (PLACES - 1))
            }
            Layout::Sorted { .. } => None,
        }
    }

    /// Finds the rows of many addresses in a row, remembering where the last ones were.
    pub fn finder(&self) -> Finder<'_> {
        Finder { index: self, recent: Box::new([(u64::MAX, 0); FINDER_RECENT]) }
    }

    /// How many distinct addresses there are.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// The page of each slot; none where addresses are sorted.
    pub fn into_pages(self) -> Vec<u64> {
        match self.layout {
            Layout::Pages { slots, .. } => slots.pages,
            Layout::Sorted { .. } => Vec::new(),
        }
    }
}

impl PageRows {
    /// Keeps `rows`, in order of page and place, in as few bytes as each page allows.
    fn new(bitmaps: &mut [Bitmap], rows: &[AtomicU32]) -> Self {
        let mut kept = Self { near: Vec::with_capacity(rows.len()), wide: Vec::new() };
        for bitmap in bitmaps {
            let rows = &rows[bitmap.start as usize..][..bitmap.len()];
            let rows = || rows.iter().map(|row| row.load(Ordering::Relaxed));
            let (least, most) = rows().fold((u32::MAX, 0), |(least, most), row| (row.min(least), row.max(most)));
            if most.saturating_sub(least) <= u32::from(u16::MAX) {
                (bitmap.base, bitmap.start) = (least, number(kept.near.len()));
                kept.near.extend(rows().map(|row| low_half(row - least)));
            } else {
                (bitmap.is_wide, bitmap.start) = (true, number(kept.wide.len()));
                kept.wide.extend(rows());
            }
        }
        kept.near.shrink_to_fit();
        kept.wide.shrink_to_fit();
        kept
    }

    /// The row of the object at a place of a page.
    #[inline]
    fn get(&self, bitmap: &Bitmap, place: u32) -> Option<u32> {
        let rank = bitmap.rank(place)?;
        let place = bitmap.start as usize + rank;
        Some(if bitmap.is_wide { self.wide[place] } else { bitmap.base + u32::from(self.near[place]) })
    }
}

/// The places of a piece's objects, a bit each, by slot; pages that are only referred to have none.
fn marked_places<P: Piece>(piece: &P) -> Vec<u64> {
    let mut marked = vec![0; piece.pages().pages.len() * WORDS];
    for code in piece.codes() {
        marked[(code / 64) as usize] |= 1 << (code % 64);
    }
    marked
}

/// The bitmaps of all pages, by slot of the whole.
fn bitmaps(slots: &Pages, pieces: &[impl Piece], marked: Vec<Vec<u64>>) -> Vec<Bitmap> {
    let none = || Bitmap { bits: [0; WORDS], ranks: [0; WORDS], base: 0, start: 0, is_wide: false };
    let mut bitmaps: Vec<Bitmap> = slots.pages.iter().map(|_| none()).collect();
    for (piece, marked) in pieces.iter().zip(marked) {
        for (&page, marks) in piece.pages().pages.iter().zip(marked.chunks_exact(WORDS)) {
            if let Some(slot) = slots.find(page) {
                let bits = &mut bitmaps[slot as usize].bits;
                bits.iter_mut().zip(marks).for_each(|(bits, more)| *bits |= more);
            }
        }
    }
    let mut start = 0;
    for bitmap in &mut bitmaps {
        let mut rank = 0;
        for (bits, before) in bitmap.bits.iter().zip(&mut bitmap.ranks) {
            *before = low_half(rank);
            rank += bits.count_ones();
        }
        bitmap.start = start;
        start += rank;
    }
    bitmaps
}

impl Bitmap {
    /// How many objects there are.
    fn len(&self) -> usize {
        usize::from(self.ranks[WORDS - 1]) + self.bits[WORDS - 1].count_ones() as usize
    }

    /// How many objects come before that at `place`, if there is one.
    #[inline]
    fn rank(&self, place: u32) -> Option<usize> {
        let (word, bit) = ((place / 64) as usize, place % 64);
        let bits = self.bits[word];
        let below = bits & ((1 << bit) - 1);
        (bits >> bit & 1 == 1).then(|| usize::from(self.ranks[word]) + below.count_ones() as usize)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are fewer objects than 2³²")]
fn number(objects: usize) -> u32 {
    objects as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "less than 2¹⁶: places of a page, or rows that were found to be near"
)]
fn low_half(number: u32) -> u16 {
    number as u16
}

/// Looks up addresses, with the slots of recently met pages at hand: references of neighbours go to the same pages.
#[derive(Debug)]
pub struct Finder<'a> {
    index: &'a AddressIndex,
    /// Pages and their slots, by bits of the page.
    recent: Box<[(u64, u32); FINDER_RECENT]>,
}

impl Finder<'_> {
    /// The row of `address`, or `None` when no object has it.
    #[inline]
    pub fn row(&mut self, address: u64) -> Option<u32> {
        let Layout::Pages { slots, bitmaps, rows } = &self.index.layout else {
            return self.index.row(address);
        };
        let page = page_of(address);
        // the low bits of a page are the remainder, and mostly 0
        let recent = &mut self.recent[(page ^ page >> PLACE_SHIFT) as usize % FINDER_RECENT];
        if recent.0 != page {
            *recent = (page, slots.find(page)?);
        }
        rows.get(&bitmaps[recent.1 as usize], place_of(address))
    }
}
