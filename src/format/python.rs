//! Python gc exports that exist in the world: one record an object, as lines or as one JSON array.
//!
//! - [Meliae](https://launchpad.net/meliae) lines, with or without the keys `module`, `rc`, `edges` and `root`;
//! - [Midden](https://github.com/jamespic/midden) lines;
//! - the record that people write by hand: `{id|address, type|class, size, refs|referents|references, …}`.
//!
//! Where no record marks a root, modules are the roots. Where references have no names, those that follow from the order
//! of a known writer are rebuilt ([`Order`]); others are left out.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memrchr};
use rayon::prelude::*;

use super::array;
use super::learned::{Learned, Recognised};
use super::record::{self, Aside, Kept, Order, Record};
use super::scan::{Scanner, decode};
use crate::error::Result;
use crate::graph::csr::partition;
use crate::graph::{About, Damage, Description, GraphBuilder, Heap, ObjectTable, Records, ReferenceSlot};
use crate::progress::{Phase, Progress};
use crate::source::Source;

/// What the first records look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What to call the format.
    pub name: &'static str,
    /// What the order of references means.
    pub order: Order,
    /// One record a line; otherwise one array.
    pub is_lines: bool,
}

/// Everything that came out of the records of a dump.
pub struct Loaded {
    /// The objects, in dump order.
    pub builder: GraphBuilder,
    /// What was wrong.
    pub damage: Damage,
    /// Lines that describe no object.
    pub asides: Asides,
    /// Objects and strong references read, repeated and dangling ones included.
    pub counts: (u64, u64),
    /// Whether references have names.
    pub has_names: bool,
}

/// Lines of our own format that describe no object.
#[derive(Debug, Default, Clone)]
pub struct Asides {
    /// What the capture could not see, and how often.
    pub unseen: Vec<(String, u64)>,
    /// Place and text of the last end line.
    pub end: Option<(usize, Vec<u8>)>,
    /// Place of the last line that is no end line.
    pub last_record: usize,
}

/// Reads a gc export.
///
/// # Errors
/// More objects than ids.
pub fn read(source: Arc<Source>, dialect: Dialect, progress: &Progress) -> Result<Heap> {
    let mut loaded = load(&source, dialect.is_lines, progress);
    let about = About {
        format: dialect.name.into(),
        has_marked_roots: loaded.builder.has_roots(),
        has_reference_names: loaded.has_names,
        ..About::default()
    };
    let records = RecordText { source, order: dialect.order };
    let module_name = |place| records.describe(place, "module").name;
    let graph = loaded.builder.finish(&mut loaded.damage, &module_name, progress)?;
    Ok(Heap::new(graph, Box::new(records), about, loaded.damage))
}

/// Reads all records of a dump, in parallel.
pub fn load(source: &Source, is_lines: bool, progress: &Progress) -> Loaded {
    if !is_lines {
        return load_array(source, array::PIECE, progress);
    }
    progress.start(Phase::Read, source.len() as u64);
    let read = line_pieces(source).into_par_iter().map(|range| {
        let rest = range.len() as u64 % PROGRESS_STEP;
        let piece = read_lines(source, range, progress);
        progress.advance(rest);
        piece
    });
    merged(source, read.collect())
}

/// Reads all records of a dump that is one array, split into pieces of so many bytes.
pub fn load_array(source: &Source, piece: usize, progress: &Progress) -> Loaded {
    progress.start(Phase::Read, source.len() as u64);
    merged(source, array::read(source, piece, progress))
}

fn merged(source: &Source, read: Vec<Piece>) -> Loaded {
    let mut loaded = Loaded {
        builder: GraphBuilder::default(),
        damage: Damage { cut_off: source.cut_off().map(ToOwned::to_owned), ..Damage::default() },
        asides: Asides::default(),
        counts: (0, 0),
        has_names: false,
    };
    for piece in read {
        loaded.counts.0 += piece.table.len() as u64;
        loaded.counts.1 += piece.table.reference_count() as u64;
        loaded.has_names |= piece.has_names;
        loaded.damage.merge(piece.damage);
        loaded.asides.unseen.extend(piece.asides.unseen);
        loaded.asides.end = piece.asides.end.or(loaded.asides.end);
        loaded.asides.last_record = loaded.asides.last_record.max(piece.asides.last_record);
        loaded.builder.add(piece.table);
    }
    loaded
}

/// What a thread read.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) table: ObjectTable,
    pub(super) damage: Damage,
    asides: Asides,
    has_names: bool,
}

/// Bytes between two reports of progress.
const PROGRESS_STEP: u64 = 1 << 20;
/// Bytes between two looks at how far reading has come.
const STRIDE: usize = 1 << 14;
/// Bytes below which a piece is not worth a thread.
const MIN_PIECE: usize = 1 << 18;

/// Ranges that begin and end at line boundaries.
fn line_pieces(bytes: &[u8]) -> Vec<Range<usize>> {
    let most = (bytes.len() / MIN_PIECE).clamp(1, rayon::current_num_threads() * 8);
    let mut start = 0;
    let mut pieces = Vec::new();
    for rough in partition(bytes.len(), most) {
        let end = match memchr(b'\n', &bytes[rough.end..]) {
            Some(distance) if rough.end < bytes.len() => rough.end + distance + 1,
            _ => bytes.len(),
        };
        if end > start {
            pieces.push(start..end);
            start = end;
        }
    }
    pieces
}

fn read_lines(source: &Source, range: Range<usize>, progress: &Progress) -> Piece {
    let bytes: &[u8] = source;
    let mut piece = Piece { table: table_for(bytes, &range, b'\n'), ..Piece::default() };
    let mut record = Record::default();
    let mut learned = Learned::default();
    let mut window = source.window(range.clone());
    let mut line_start = range.start;
    let mut reported = (range.start as u64, 0);
    while line_start < range.end {
        window.move_to(line_start);
        let stop = range.end.min(line_start + STRIDE);
        line_start = piece.read_lines(bytes, line_start, (stop, range.end), &mut record, &mut learned);
        while line_start as u64 - reported.0 >= PROGRESS_STEP {
            progress.advance(PROGRESS_STEP);
            progress.add_objects(piece.table.len() as u64 - reported.1);
            reported = (reported.0 + PROGRESS_STEP, piece.table.len() as u64);
        }
    }
    progress.add_objects(piece.table.len() as u64 - reported.1);
    piece.add_recognised(learned.found());
    piece
}

/// A table with about the room that the records of `range` need, to judge by the first of them. There is a `mark` in each.
pub(super) fn table_for(bytes: &[u8], range: &Range<usize>, mark: u8) -> ObjectTable {
    const SAMPLE: usize = 1 << 16;
    let sample = &bytes[range.start..range.end.min(range.start + SAMPLE)];
    let records = memchr::memchr_iter(mark, sample).count();
    let commas = memchr::memchr_iter(b',', sample).count();
    let in_all = |count: usize| count.saturating_mul(range.len() / sample.len().max(1) + 1) / 4 * 5;
    ObjectTable::with_capacity(in_all(records), in_all(commas.saturating_sub(records * 4)))
}

impl Piece {
    /// Notes what the records were that were read by what was learned.
    pub(super) fn add_recognised(&mut self, found: Recognised) {
        self.damage.wide_ids += found.wide_ids;
        self.has_names |= found.has_names;
        self.asides.last_record = self.asides.last_record.max(found.last);
    }

    /// Reads the lines from `start` on up to the first that starts at `stop` or behind it, and returns where that is. The range
    /// of lines ends at `limit`.
    fn read_lines<'a>(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        (stop, limit): (usize, usize),
        record: &mut Record<'a>,
        learned: &mut Learned,
    ) -> usize {
        let mut start = start;
        while start < stop {
            let is_read;
            (start, is_read) = learned.read(bytes, start, stop, &mut self.table);
            if is_read {
                break;
            }
            let newline = memchr(b'\n', &bytes[start..limit]).map(|distance| start + distance);
            let end = newline.unwrap_or(limit);
            let before = self.table.len();
            self.line(bytes, start, end, record);
            if newline.is_some() && self.table.len() > before && learned.is_curious() {
                learned.learn(bytes, start, end + 1);
            }
            start = end + 1;
        }
        start
    }

    fn line<'a>(&mut self, bytes: &'a [u8], start: usize, end: usize, record: &mut Record<'a>) {
        let mut scanner = Scanner::new(&bytes[..end], start);
        match scanner.peek() {
            None => return,
            // a byte order mark, or an array with a record on each line
            Some(0xef) if start == 0 => scanner.seek(3),
            Some(b'[' | b']') => scanner.seek(scanner.position() + 1),
            Some(_) => {}
        }
        if scanner.peek().is_none() {
            return;
        }
        let place = scanner.position();
        let result = self.record(&mut scanner, record, place);
        let result = result.and_then(|()| {
            let _ = scanner.take(b',');
            let _ = scanner.take(b']');
            match scanner.peek() {
                None => Ok(()),
                Some(_) => Err(scanner.malformed("the end of the line")),
            }
        });
        if let Err(malformed) = result {
            if end == bytes.len() {
                self.damage.cut_off = Some(format!("the last line breaks off at byte {}", malformed.offset));
            } else {
                self.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
            }
        }
    }

    /// Reads the record under the cursor.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub(super) fn record<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        record: &mut Record<'a>,
        place: usize,
    ) -> super::scan::Scan<()> {
        let kept = record.read(scanner, &mut self.table)?;
        self.damage.lone_surrogates += std::mem::take(&mut scanner.lone_surrogates);
        self.count(kept, place);
        Ok(())
    }

    /// Counts what is in a record that was added to the table.
    fn count(&mut self, kept: Kept<'_>, place: usize) {
        self.damage.wide_ids += u64::from(kept.has_wide_id);
        self.has_names |= kept.has_names;
        match kept.aside {
            Some(Aside::End(text)) => self.asides.end = Some((place, text.to_vec())),
            Some(Aside::Unseen(what, count)) => {
                self.asides.unseen.push((decode(what).into_owned(), count));
                self.asides.last_record = place;
            }
            _ => self.asides.last_record = place,
        }
    }
}

/// What an index keeps of the text of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredText {
    /// Of a [`RecordText`].
    Records {
        /// What the order of references means.
        order: Order,
    },
}

/// The text of records, read again from the dump.
pub struct RecordText {
    /// The dump.
    pub source: Arc<Source>,
    /// What the order of references means where they have no names.
    pub order: Order,
}

impl Records for RecordText {
    fn describe(&self, place: u64, type_name: &str) -> Description {
        record::describe(&self.source, place, type_name)
    }

    fn references(&self, place: u64, type_name: &str, visit: &mut dyn FnMut(ReferenceSlot)) {
        record::references(&self.source, place, type_name, self.order, visit);
    }

    fn stored(&self) -> Option<serde_json::Value> {
        serde_json::to_value(StoredText::Records { order: self.order }).ok()
    }
}

/// The dialect of a dump whose first bytes are records, or `None` when they are not.
pub fn dialect(bytes: &[u8]) -> Option<Dialect> {
    let start = &bytes[..bytes.len().min(1 << 20)];
    let mut scanner = Scanner::new(start, if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let is_array = scanner.take(b'[');
    if scanner.peek() != Some(b'{') {
        return None;
    }
    let first = scanner.position();
    let line_end = memchr(b'\n', &start[first..]).map_or(start.len(), |distance| first + distance);
    let keys = first_keys(start, first)?;
    let has = |names: &[&str]| names.iter().any(|name| keys.iter().any(|key| key == name));
    if !has(&["address", "id", "addr"]) || !has(&["type", "class", "refs", "referents", "references", "children"]) {
        return None;
    }
    // an array whose records stand on lines of their own reads as lines
    let closes_on_line = {
        let mut one = Scanner::new(&start[..line_end], first);
        one.skip().is_ok()
    };
    let is_lines = if is_array { closes_on_line && !second_record_on_line(start, first) } else { true };
    Some(Dialect { is_lines, ..named_dialect(start, &has) })
}

fn named_dialect(start: &[u8], has: &dyn Fn(&[&str]) -> bool) -> Dialect {
    let dialect = |name, order| Dialect { name, order, is_lines: true };
    if has(&["id"]) && has(&["references"]) && memchr::memmem::find(start, b"\"builtins.").is_some() {
        return dialect("Midden lines", Order::Natural);
    }
    if has(&["address"]) && has(&["refs"]) && has(&["type"]) {
        return dialect("Meliae lines", Order::Traversal);
    }
    dialect("gc records", Order::Unknown)
}

/// Whether another record follows on the line of the one at `first`.
fn second_record_on_line(start: &[u8], first: usize) -> bool {
    let mut scanner = Scanner::new(start, first);
    if scanner.skip().is_err() {
        return false;
    }
    let end = scanner.position();
    let _ = scanner.take(b',');
    scanner.peek() == Some(b'{') && memrchr(b'\n', &start[end..scanner.position()]).is_none()
}

/// The keys of the object at `position`, as far as they can be read.
pub fn first_keys(bytes: &[u8], position: usize) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut scanner = Scanner::new(bytes, position);
    // the first bytes may end within the object: the keys so far will do
    let _ = scanner.object(|key, scanner| {
        keys.push(decode(key).into_owned());
        scanner.skip().map(|_| ())
    });
    (!keys.is_empty()).then_some(keys)
}
