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
const FINDER_RECENT: usize = 1 << 10;

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
        bitmaps: Bitmaps,
        rows: PageRows,
    },
    Sorted {
        addresses: Column<u64>,
        /// Row of each address.
        rows: Vec<u32>,
    },
}

/// The objects in all pages.
#[derive(Debug)]
struct Bitmaps {
    /// 64 places of a page after the other, by code.
    words: Column<Word>,
    /// How many objects come before each page, and how many there are.
    starts: Vec<u32>,
}

/// A bit for each place with an object, and how many objects of the page come before: side by side, so that one look at the
/// memory finds both. Eight bytes and two.
type Word = [u8; 10];

/// The rows of the objects of all pages, page by page in order of place. Objects of a page are mostly allocated, and dumped,
/// at about the same time: their rows differ by less than 2¹⁶.
#[derive(Debug, Default)]
struct PageRows {
    pages: Vec<RowsOfPage>,
    near: Column<u16>,
    wide: Column<u32>,
}

/// How the rows of a page are kept.
#[derive(Debug, Clone, Copy)]
struct RowsOfPage {
    /// Its smallest row, which is left out of what is kept for each object; [`WIDE`] where all of the row is kept.
    base: u32,
    /// Where its rows start among those of its width.
    start: u32,
}

/// No row is this.
const WIDE: u32 = u32::MAX;

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
        let translations: Vec<Translation> =
            pieces.par_iter().map(|piece| Translation::new(piece.pages(), &slots)).collect();
        let bitmaps = Bitmaps::new(slots.pages.len(), &translations, marked);
        let distinct = bitmaps.len();
        let rows: Vec<AtomicU32> = (0..distinct).map(|_| AtomicU32::new(0)).collect();
        let counts: Vec<usize> = pieces.par_iter().map(|piece| piece.codes().count()).collect();
        let starts = counts.iter().scan(0u32, |next, &count| {
            let start = *next;
            *next += u32::try_from(count).unwrap_or(u32::MAX);
            Some(start)
        });
        let fill = |((piece, translation), start): ((&P, &Translation), u32)| {
            for (row, code) in (start..).zip(piece.codes()) {
                let place = translation.code(code).and_then(|code| bitmaps.place(code));
                if let Some(place) = place {
                    rows[place].store(row, Ordering::Relaxed);
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
        let rows = PageRows::new(&bitmaps, &rows);
        Some((Self { layout: Layout::Pages { slots, bitmaps, rows }, distinct }, translations))
    }

    /// The row of `address`, or `None` when no object has it.
    pub fn row(&self, address: u64) -> Option<u32> {
        match &self.layout {
            Layout::Pages { slots, .. } => {
                let first = slots.find(page_of(address))? << PLACE_BITS;
                self.codes()?.row(first | place_of(address))
            }
            Layout::Sorted { addresses, rows } => addresses.binary_search(&address).ok().map(|rank| rows[rank]),
        }
    }

    /// The rows of all codes, which a [`Translation`] made; `None` where addresses are sorted.
    pub fn codes(&self) -> Option<Codes<'_>> {
        match &self.layout {
            Layout::Pages { bitmaps, rows, .. } => {
                Some(Codes { words: &bitmaps.words, pages: &rows.pages, near: &rows.near, wide: &rows.wide })
            }
            Layout::Sorted { .. } => None,
        }
    }

    /// Finds the rows of many addresses in a row, remembering where the last ones were.
    pub fn finder(&self) -> Finder<'_> {
        Finder { index: self, codes: self.codes(), recent: Box::new([FoundPage::NONE; FINDER_RECENT]) }
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

/// The rows of codes, to be looked up in plain slices.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    words: &'a [Word],
    pages: &'a [RowsOfPage],
    near: &'a [u16],
    wide: &'a [u32],
}

impl Codes<'_> {
    /// The row of the object with this code.
    #[inline]
    pub fn row(self, code: u32) -> Option<u32> {
        let rank = rank(self.words, code)?;
        Some(self.row_of_rank(self.pages[(code >> PLACE_BITS) as usize], rank))
    }

    /// The row of an object of a page before which so many others come.
    #[inline]
    fn row_of_rank(self, page: RowsOfPage, rank: usize) -> u32 {
        let place = page.start as usize + rank;
        if page.base == WIDE { self.wide[place] } else { page.base + u32::from(self.near[place]) }
    }
}

/// How many objects of its page come before that with this code, if there is one.
#[inline]
fn rank(words: &[Word], code: u32) -> Option<usize> {
    let (word, bit) = (&words[(code / 64) as usize], code % 64);
    let bits = bits_of(word);
    let below = bits & ((1 << bit) - 1);
    let before = u16::from_le_bytes([word[8], word[9]]);
    (bits >> bit & 1 == 1).then(|| usize::from(before) + below.count_ones() as usize)
}

impl PageRows {
    /// Keeps `rows`, in order of page and place, in as few bytes as each page allows.
    fn new(bitmaps: &Bitmaps, rows: &[AtomicU32]) -> Self {
        let bounds: Vec<(u32, u32)> = bitmaps
            .starts
            .par_windows(2)
            .map(|ends| {
                let rows = rows[ends[0] as usize..ends[1] as usize].iter().map(|row| row.load(Ordering::Relaxed));
                rows.fold((u32::MAX, 0), |(least, most), row| (row.min(least), row.max(most)))
            })
            .collect();
        let (mut near, mut wide) = (0, 0);
        let pages: Vec<RowsOfPage> = bounds
            .into_iter()
            .zip(bitmaps.starts.windows(2))
            .map(|((least, most), ends)| {
                let is_near = most.saturating_sub(least) <= u32::from(u16::MAX);
                let (base, next) = if is_near { (least, &mut near) } else { (WIDE, &mut wide) };
                let start = *next;
                *next += ends[1] - ends[0];
                RowsOfPage { base, start }
            })
            .collect();
        let mut kept = Self { pages, near: Column::zeroed(near as usize), wide: Column::zeroed(wide as usize) };
        let (mut near, mut wide) = (&mut kept.near[..], &mut kept.wide[..]);
        let work: Vec<_> = kept
            .pages
            .iter()
            .zip(bitmaps.starts.windows(2))
            .map(|(&page, ends)| {
                let rows = &rows[ends[0] as usize..ends[1] as usize];
                let (own_near, own_wide) = if page.base == WIDE { (0, rows.len()) } else { (rows.len(), 0) };
                let own_near = near.split_off_mut(..own_near).unwrap_or_default();
                let own_wide = wide.split_off_mut(..own_wide).unwrap_or_default();
                (page, rows, own_near, own_wide)
            })
            .collect();
        work.into_par_iter().for_each(|(page, rows, near, wide)| {
            let rows = || rows.iter().map(|row| row.load(Ordering::Relaxed));
            near.iter_mut().zip(rows()).for_each(|(near, row)| *near = low_half(row - page.base));
            wide.iter_mut().zip(rows()).for_each(|(wide, row)| *wide = row);
        });
        kept
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

/// Pages whose bitmaps one task makes.
const PAGES_OF_TASK: usize = 1 << 12;

impl Bitmaps {
    /// The bitmaps of all pages by slot of the whole, of the marked places of pieces.
    fn new(slots: usize, translations: &[Translation], marked: Vec<Vec<u64>>) -> Self {
        let mut words = Column::zeroed(slots * WORDS);
        let tasks = words.par_chunks_mut(PAGES_OF_TASK * WORDS).enumerate();
        let lengths: Vec<Vec<u32>> = tasks
            .map(|(task, words)| {
                let first = task * PAGES_OF_TASK;
                for (translation, marked) in translations.iter().zip(&marked) {
                    for (&code, marks) in translation.pages.iter().zip(marked.chunks_exact(WORDS)) {
                        // pages without objects have another one
                        let slot = (code >> PLACE_BITS) as usize;
                        if let Some(start) = slot.checked_sub(first).map(|page| page * WORDS)
                            && let Some(words) = words.get_mut(start..start + WORDS)
                        {
                            words.iter_mut().zip(marks).for_each(|(word, marks)| set_bits(word, bits_of(word) | marks));
                        }
                    }
                }
                words.chunks_mut(WORDS).map(write_counts).collect()
            })
            .collect();
        drop(marked);
        let lengths = lengths.into_iter().flatten();
        let ends = lengths.scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        Self { words, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// How many objects there are.
    fn len(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// How many objects come before that with this code, if there is one.
    #[inline]
    fn place(&self, code: u32) -> Option<usize> {
        rank(&self.words, code).map(|rank| self.starts[(code >> PLACE_BITS) as usize] as usize + rank)
    }
}

/// Writes the running counts of a page. Returns how many objects there are.
fn write_counts(words: &mut [Word]) -> u32 {
    let mut before = 0;
    for word in words {
        word[8..].copy_from_slice(&low_half(before).to_le_bytes());
        before += bits_of(word).count_ones();
    }
    before
}

/// The bits of the places of a word.
#[inline]
fn bits_of(&[a, b, c, d, e, f, g, h, _, _]: &Word) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn set_bits(word: &mut Word, bits: u64) {
    word[..8].copy_from_slice(&bits.to_le_bytes());
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
    codes: Option<Codes<'a>>,
    /// By bits of the page.
    recent: Box<[FoundPage; FINDER_RECENT]>,
}

/// A page that was looked up.
#[derive(Debug, Clone, Copy)]
struct FoundPage {
    /// Its addresses without their places.
    without_place: u64,
    first_code: u32,
    rows: RowsOfPage,
}

impl FoundPage {
    /// An address without its place is never this.
    const NONE: Self = Self { without_place: u64::MAX, first_code: 0, rows: RowsOfPage { base: 0, start: 0 } };
}

impl Finder<'_> {
    /// The row of `address`, or `None` when no object has it.
    #[inline]
    pub fn row(&mut self, address: u64) -> Option<u32> {
        let (Layout::Pages { slots, .. }, Some(codes)) = (&self.index.layout, self.codes) else {
            return self.index.row(address);
        };
        let page = without_place(address);
        let recent = &mut self.recent[recent_place(page) % FINDER_RECENT];
        if recent.without_place != page {
            let slot = slots.find(page_of(address))?;
            *recent =
                FoundPage { without_place: page, first_code: slot << PLACE_BITS, rows: codes.pages[slot as usize] };
        }
        let rank = rank(codes.words, recent.first_code | place_of(address))?;
        Some(codes.row_of_rank(recent.rows, rank))
    }
}
