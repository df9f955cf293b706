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

use memchr::memchr;
use rayon::prelude::*;

use super::array;
use super::learned::{Learned, Recognised};
use super::pairs;
use super::record::{self, Aside, IDS, Kept, Order, REFERENCES, Record, TYPES};
use super::repair;
use super::scan::{BYTE_ORDER_MARK, Malformed, Scanner, decode, first_document};
use crate::error::{Error, Result};
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
    /// One record a line; otherwise arrays, or records on several lines each.
    pub is_lines: bool,
    /// Whether the first record lists references.
    pub has_references: bool,
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
/// More objects than ids, or no record lists references.
pub fn read(source: Arc<Source>, dialect: Dialect, progress: &Progress) -> Result<Heap> {
    let mut loaded = load(&source, dialect.is_lines, progress);
    let about = About {
        format: dialect.name.into(),
        has_marked_roots: loaded.builder.has_roots(),
        has_reference_names: loaded.has_names,
        ..About::default()
    };
    if loaded.counts.0 > 1 && loaded.counts.1 == 0 && !dialect.has_references {
        let reason = "its records list no references: `refs`, `referents`, `references` or `children`".to_owned();
        return Err(Error::Malformed { format: dialect.name, offset: 0, reason });
    }
    let mut records = RecordText { source, order: dialect.order };
    let module_name = |place| records.describe(place, "module").name;
    let graph = loaded.builder.finish(&mut loaded.damage, &module_name, progress)?;
    if dialect.order == Order::Traversal && pairs::keys_come_first(&graph, &records) {
        records.order = Order::KeysFirst;
    }
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

/// Reads all records of a dump that has not one a line, split into pieces of so many bytes.
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
        if start == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            scanner.seek(BYTE_ORDER_MARK.len());
        }
        loop {
            // an array with a record on each line, or with several
            while let Some(b'[' | b']' | b',') = scanner.peek() {
                scanner.seek(scanner.position() + 1);
            }
            if scanner.peek().is_none() {
                return;
            }
            let place = scanner.position();
            if let Err(malformed) = self.record(&mut scanner, record, place) {
                self.broken_line(bytes, (place, end), &malformed);
                scanner.lone_surrogates = 0;
                // where no record begins, the whole line is none
                let is_record = bytes.get(place) == Some(&b'{');
                if !is_record || !repair::go_on(&bytes[..end], &mut scanner, place, &malformed, None) {
                    return;
                }
            }
        }
    }

    /// Counts a line that cannot be read from `place` on. The last one of a dump may have been cut off.
    fn broken_line(&mut self, bytes: &[u8], (place, end): (usize, usize), malformed: &Malformed) {
        let is_whole = || Scanner::new(&bytes[..end], place).skip().is_ok();
        if end == bytes.len() && !is_whole() {
            self.damage.cut_off = Some(format!("the last line breaks off at byte {}", malformed.offset));
        } else {
            self.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
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
        self.damage.unread_sizes += u64::from(kept.has_unread_size);
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
    let (first, is_array) = first_record(start)?;
    let keys = first_keys(start, first)?;
    let has = |names: &[&str]| names.iter().any(|name| keys.iter().any(|key| key == name));
    let is_lines = is_whole_line(start, first) && (!is_array || is_alone_on_line(start, first));
    let has_references = REFERENCES.iter().any(|name| keys.iter().any(|key| key.as_bytes() == *name));
    Some(Dialect { is_lines, has_references, ..named_dialect(start, &has) })
}

/// Lines that may stand before the first record: of a log, or of what else a writer says first.
const MOST_BEFORE: usize = 16;

/// Where the first record of a dump is, and whether it is in an array.
fn first_record(start: &[u8]) -> Option<(usize, bool)> {
    let mut scanner = Scanner::new(start, first_document(start));
    for _ in 0..MOST_BEFORE {
        let is_array = scanner.peek() == Some(b'[');
        while scanner.take(b'[') {}
        let first = scanner.position();
        if is_record(start, first) {
            return Some((first, is_array));
        }
        // an object that is none may stand on a line of its own
        scanner.skip().ok().filter(|_| !is_array && is_whole_line(start, first))?;
    }
    None
}

/// Whether the object at `position` has an id, and a type or references.
fn is_record(start: &[u8], position: usize) -> bool {
    let keys = if start.get(position) == Some(&b'{') { first_keys(start, position) } else { None };
    let has = |names: &[&[u8]]| keys.iter().flatten().any(|key| names.contains(&key.as_bytes()));
    has(&IDS) && (has(&TYPES) || has(&REFERENCES))
}

/// Whether the object at `position` ends on its line.
pub(super) fn is_whole_line(start: &[u8], position: usize) -> bool {
    let line_end = memchr(b'\n', &start[position..]).map_or(start.len(), |distance| position + distance);
    Scanner::new(&start[..line_end], position).skip().is_ok()
}

fn named_dialect(start: &[u8], has: &dyn Fn(&[&str]) -> bool) -> Dialect {
    let dialect = |name, order| Dialect { name, order, is_lines: true, has_references: true };
    if has(&["id"]) && has(&["references"]) && memchr::memmem::find(start, b"\"builtins.").is_some() {
        return dialect("Midden lines", Order::Natural);
    }
    if has(&["address"]) && has(&["refs"]) && has(&["type"]) {
        return dialect("Meliae lines", Order::Traversal);
    }
    dialect("gc records", Order::Unknown)
}

/// Whether nothing but a comma or the end of its array follows the object at `position` on its line.
fn is_alone_on_line(start: &[u8], position: usize) -> bool {
    let mut scanner = Scanner::new(start, position);
    if scanner.skip().is_err() {
        return false;
    }
    let rest = &start[scanner.position()..];
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    line.iter().all(|byte| matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r'))
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
