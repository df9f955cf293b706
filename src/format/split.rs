//! Reading one long list of a JSON document in pieces, in parallel.
//!
//! Between two elements, all that a reader knows is where it stands. So pieces may start wherever an element is supposed to
//! begin: a piece counts if the one before it stops exactly there, and is dropped if not, and then the one before it reads
//! on. What comes out is what reading from beginning to end would give, on any text and for any number of threads, and no
//! text is read more than twice. Tracking quotes and brackets from the start (as
//! [Pison](https://www.vldb.org/pvldb/vol14/p694-jiang.pdf) does) would find the same places at the price of another look at
//! each byte, and would lose its way at the first broken element.

use memchr::{memchr, memchr_iter, memrchr};
use rayon::prelude::*;

use super::scan::Scanner;

/// Bytes of a piece: enough for a thread to be worth it, few enough that what is dropped is no loss.
pub const PIECE: usize = 1 << 20;
/// Pieces for each thread that are read before their results are collected.
const PIECES_PER_THREAD: usize = 16;

/// Where a reader has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At an element, at this place or right behind it, as far as it was asked to read.
    At(usize),
    /// At the end of the list, or of what can be read of it.
    End,
}

/// Reads a list from `start`, where its first element begins. `read` reads elements from a place on, up to the first that
/// begins at or after a limit; `keep` gets what it read, in order, while the next pieces are read. `piece` is the number of
/// bytes in a piece.
pub fn read<P: Send>(
    bytes: &[u8],
    start: usize,
    piece: usize,
    beginning: Option<&Beginning<'_>>,
    read: impl Fn(usize, usize) -> (P, Stop) + Sync,
    mut keep: impl FnMut(P) + Send,
) {
    let beginning = beginning.filter(|_| rayon::current_num_threads() > 1);
    let mut kept = Vec::new();
    let mut stop = Stop::At(start);
    while let Stop::At(at) = stop {
        let starts = beginning.map_or_else(|| vec![at], |beginning| beginning.starts(bytes, at, piece));
        let end = at.saturating_add(piece.saturating_mul(starts.len()));
        let limit = if end < bytes.len() { end } else { usize::MAX };
        let supposed = || read_all(&starts, limit, &read);
        let (pieces, ()) = rayon::join(supposed, || kept.drain(..).for_each(&mut keep));
        stop = join(at, pieces, &read, |piece| kept.push(piece));
    }
    kept.into_iter().for_each(keep);
}

/// What was read from a supposed beginning of an element.
struct Supposed<P> {
    start: usize,
    piece: P,
    stop: Stop,
}

/// Reads from each of `starts` to the next, and from the last to `limit`.
fn read_all<P: Send>(
    starts: &[usize],
    limit: usize,
    read: &(impl Fn(usize, usize) -> (P, Stop) + Sync),
) -> Vec<Supposed<P>> {
    let limits = starts.iter().skip(1).copied().chain([limit]);
    let ranges: Vec<(usize, usize)> = starts.iter().copied().zip(limits).collect();
    let supposed = ranges.into_par_iter().map(|(start, limit)| {
        let (piece, stop) = read(start, limit);
        Supposed { start, piece, stop }
    });
    supposed.collect()
}

/// Keeps the pieces that reading from `at` on comes to, and what is between them; tells where that ends.
fn join<P>(
    at: usize,
    pieces: Vec<Supposed<P>>,
    read: &impl Fn(usize, usize) -> (P, Stop),
    mut keep: impl FnMut(P),
) -> Stop {
    let mut last = Stop::At(at);
    for Supposed { start, piece, stop } in pieces {
        // a piece that read past a start that was none goes on to the next
        while let Stop::At(at) = last
            && at < start
        {
            let (piece, stop) = read(at, start);
            keep(piece);
            last = stop;
        }
        if last == Stop::At(start) {
            keep(piece);
            last = stop;
        }
    }
    last
}

/// How the first element of a list begins, by which others are recognised.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Whether each element is an object with its name in front.
    is_named: bool,
    /// First key of the object with its quotes, or the bracket that closes it where it has none.
    key: &'a [u8],
}

impl<'a> Beginning<'a> {
    /// The beginning of the elements of a list whose first one stands at `position`; where that is broken, of one behind it.
    /// `None` where none is found.
    pub fn of_list(bytes: &'a [u8], position: usize, is_named: bool) -> Option<Self> {
        const SEARCHED: usize = 1 << 16;
        let of = if is_named { Self::of_named } else { Self::of_item };
        let later = || {
            let searched = bytes.get(position..bytes.len().min(position.saturating_add(SEARCHED)))?;
            memchr_iter(b'{', searched).find_map(|distance| {
                let bracket = position + distance;
                let start = if is_named { name_of(bytes, bracket)? } else { bracket };
                before(bytes, start, b',').and_then(|_| of(bytes, start))
            })
        };
        of(bytes, position).or_else(later)
    }

    /// The beginning of the element of an array at `position`; `None` when it is no object.
    pub fn of_item(bytes: &'a [u8], position: usize) -> Option<Self> {
        let mut scanner = Scanner::new(bytes, position);
        scanner.expect(b'{', "`{`").ok()?;
        let is_empty = scanner.peek() == Some(b'}');
        let start = scanner.position();
        if is_empty {
            return Some(Self { is_named: false, key: &bytes[start..=start] });
        }
        scanner.string().ok()?;
        Some(Self { is_named: false, key: &bytes[start..scanner.position()] })
    }

    /// The beginning of the named element at `position`; `None` when it is no object.
    pub fn of_named(bytes: &'a [u8], position: usize) -> Option<Self> {
        let mut scanner = Scanner::new(bytes, position);
        scanner.string().ok()?;
        scanner.expect(b':', "`:`").ok()?;
        let item = Self::of_item(bytes, scanner.position())?;
        Some(Self { is_named: true, ..item })
    }

    /// Where pieces may start: at `at`, and at supposed beginnings of elements, ascending.
    fn starts(&self, bytes: &[u8], at: usize, piece: usize) -> Vec<usize> {
        // where none of them is found, one piece is as long as all: its readers keep places in 32 bits
        let most = rayon::current_num_threads().saturating_mul(PIECES_PER_THREAD).min(u32::MAX as usize / piece.max(1));
        let roughly = (1..most).map(|number| at.saturating_add(piece.saturating_mul(number)));
        let mut starts = vec![at];
        for rough in roughly.take_while(|&rough| rough < bytes.len()) {
            let found = self.find(bytes, rough, rough.saturating_add(piece).min(bytes.len()));
            starts.extend(found.filter(|&found| starts.last().is_some_and(|&last| found > last)));
        }
        starts
    }

    /// The first supposed beginning of an element whose bracket is in `from..to`.
    fn find(&self, bytes: &[u8], from: usize, to: usize) -> Option<usize> {
        let mut from = from;
        while let Some(distance) = memchr(b'{', bytes.get(from..to)?) {
            let bracket = from + distance;
            if let Some(start) = self.check(bytes, bracket) {
                return Some(start);
            }
            from = bracket + 1;
        }
        None
    }

    /// Whether each element has its name in front.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// Where the element begins whose bracket stands at `bracket`, if it looks like one that follows another.
    fn check(&self, bytes: &[u8], bracket: usize) -> Option<usize> {
        let start = self.after_comma(bytes, bracket)?;
        let comma = before(bytes, start, b',')?;
        before(bytes, comma, b'}')?;
        Some(start)
    }

    /// Where the element begins whose bracket stands at `bracket`, if it looks like one that follows anything.
    pub fn after_comma(&self, bytes: &[u8], bracket: usize) -> Option<usize> {
        let mut scanner = Scanner::new(bytes, bracket + 1);
        scanner.peek();
        if !bytes[scanner.position()..].starts_with(self.key) {
            return None;
        }
        let start = if self.is_named { name_of(bytes, bracket)? } else { bracket };
        before(bytes, start, b',')?;
        Some(start)
    }
}

/// Where the name starts that stands before the bracket at `bracket`.
fn name_of(bytes: &[u8], bracket: usize) -> Option<usize> {
    let colon = before(bytes, bracket, b':')?;
    let quote = before(bytes, colon, b'"')?;
    let start = memrchr(b'"', &bytes[..quote])?;
    // a quote that is escaped does not begin a string
    (start > 0 && bytes[start - 1] != b'\\').then_some(start)
}

/// The place of `byte` if it is what stands before `position`, white space left out.
fn before(bytes: &[u8], position: usize, byte: u8) -> Option<usize> {
    let place = bytes[..position].iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    (bytes[place] == byte).then_some(place)
}
