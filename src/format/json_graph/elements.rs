//! Nodes and edges of one piece of a list.

use super::super::block;
use super::super::record::qualified;
use super::super::repair;
use super::super::scan::{Malformed, Scan, Scanner, decode};
use super::super::split::{Beginning, Stop};
use super::Flavour;
use super::fields::{Fields, Id, Reader, Slot, steps, text_of};
use super::pattern::Pattern;
use crate::graph::builder::TypeTable;
use crate::graph::{Damage, RootKind};
use crate::source::Source;

/// The nodes of a piece, in columns.
#[derive(Debug, Default)]
pub(super) struct NodePiece {
    /// Id of each node: a number, or the number of a text in the piece.
    pub(super) ids: Vec<u64>,
    /// Rows whose ids are texts, ascending.
    pub(super) texts: Vec<u32>,
    /// Rows without an id, ascending: they are known by their position.
    pub(super) unnamed: Vec<u32>,
    /// Highest id that is a number.
    pub(super) highest: Option<u64>,
    /// Number of each node's type in the piece.
    pub(super) types: Vec<u32>,
    pub(super) type_table: TypeTable,
    /// Shallow sizes in bytes.
    pub(super) sizes: Vec<u64>,
    /// Offset of the first node's bracket.
    pub(super) first_place: u64,
    /// Low half of the offset of each node's bracket.
    pub(super) places: Vec<u32>,
    /// Rows that are roots, ascending.
    pub(super) roots: Vec<(u32, RootKind, Option<Box<str>>)>,
}

/// The edges of a piece, in columns. Edges of one node follow each other in most documents: a run has one source.
#[derive(Debug, Default)]
pub(super) struct EdgePiece {
    /// Source of each run: a number, or the number of a text in the piece.
    pub(super) sources: Vec<u64>,
    /// Edges of each run.
    pub(super) lengths: Vec<u32>,
    /// Runs whose sources are texts, ascending.
    pub(super) text_sources: Vec<u32>,
    /// Target of each edge, as sources.
    pub(super) targets: Vec<u64>,
    /// Edges whose targets are texts, ascending.
    pub(super) text_targets: Vec<u32>,
    /// Offset of the first edge's bracket.
    pub(super) first_place: u64,
    /// Low half of the offset of each edge's bracket.
    pub(super) places: Vec<u32>,
    /// Edges that do not retain, ascending.
    pub(super) weak: Vec<u32>,
    pub(super) has_labels: bool,
    last_source: Option<Id>,
}

/// What was read of a piece.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) nodes: NodePiece,
    pub(super) edges: EdgePiece,
    pub(super) reader: Reader,
    pub(super) damage: Damage,
    /// Elements that could not be read.
    pub(super) broken: u64,
    /// Where the list ends, or why it cannot be read further; `None` where more follows.
    pub(super) end: Option<Scan<usize>>,
    /// Bytes that were read.
    pub(super) length: usize,
}

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// `[{"id": …}, …]`
    Nodes,
    /// `{"id": {…}, …}`
    NamedNodes,
    /// `[{"source": …, "target": …}, …]`
    Edges,
}

/// Reads elements from `start` on, up to the first that begins at or after `limit`.
pub(super) fn read(
    source: &Source,
    (start, limit): (usize, usize),
    flavour: Flavour,
    list: List,
    beginning: Option<&Beginning<'_>>,
) -> (Piece, Stop) {
    let bytes: &[u8] = source;
    let mut window = source.window(start..limit.clamp(start, bytes.len().max(start)));
    window.move_to(start);
    let mut elements = Elements {
        bytes,
        scanner: Scanner::new(bytes, start),
        list,
        beginning,
        pattern: Pattern::new(),
        piece: Piece {
            nodes: NodePiece::default(),
            edges: EdgePiece::default(),
            reader: Reader::new(flavour),
            damage: Damage::default(),
            broken: 0,
            end: None,
            length: 0,
        },
    };
    let stop = if list == List::NamedNodes { elements.named(limit) } else { elements.items(limit) };
    let Elements { scanner, mut piece, .. } = elements;
    piece.damage.lone_surrogates = scanner.lone_surrogates;
    piece.length = scanner.position() - start;
    let stop = match stop {
        Ok(stop) => stop,
        Err(malformed) => {
            piece.end = Some(Err(malformed));
            Stop::End
        }
    };
    if stop == Stop::End && piece.end.is_none() {
        piece.end = Some(Ok(scanner.position()));
    }
    (piece, stop)
}

struct Elements<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    list: List,
    /// How the first element begins.
    beginning: Option<&'a Beginning<'a>>,
    pattern: Pattern<Slot>,
    piece: Piece,
}

impl<'a> Elements<'a> {
    /// Reads items of an array.
    fn items(&mut self, limit: usize) -> Scan<Stop> {
        let mut fields = Fields::default();
        loop {
            self.pass_commas();
            let start = self.scanner.position();
            if start >= limit {
                return Ok(Stop::At(start));
            }
            if self.scanner.take(b']') {
                return Ok(Stop::End);
            }
            if let Err(malformed) = self.item(&mut fields) {
                self.go_on(start, malformed)?;
            }
        }
    }

    /// Goes on after the element at `start`, which cannot be read.
    ///
    /// # Errors
    /// What is wrong with it, where nothing follows that could be read.
    #[cold]
    fn go_on(&mut self, start: usize, malformed: Malformed) -> Scan<()> {
        let is_cut_off = malformed.offset >= self.bytes.len();
        if is_cut_off || !repair::go_on(self.bytes, &mut self.scanner, start, &malformed, self.beginning) {
            return Err(malformed);
        }
        self.piece.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
        self.piece.broken += 1;
        Ok(())
    }

    /// Moves the cursor to what is no comma.
    fn pass_commas(&mut self) {
        let at = self.scanner.position();
        match self.bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(b",\n{" | b", {") => self.scanner.seek(at + 2),
            _ => while self.scanner.take(b',') {},
        }
    }

    fn item(&mut self, fields: &mut Fields<'a>) -> Scan<()> {
        self.scanner.peek();
        let place = self.scanner.position();
        *fields = Fields::default();
        if let Some(end) = self.piece.reader.familiar(&mut self.pattern, self.bytes, place, fields) {
            self.scanner.seek(end);
        } else {
            *fields = self.piece.reader.fields(&mut self.scanner)?;
            self.learn(place);
        }
        self.keep(None, fields, place)
    }

    /// Reads members of an object.
    fn named(&mut self, limit: usize) -> Scan<Stop> {
        let mut fields = Fields::default();
        loop {
            self.pass_commas();
            self.scanner.peek();
            let start = self.scanner.position();
            if start >= limit {
                return Ok(Stop::At(start));
            }
            if self.scanner.take(b'}') {
                return Ok(Stop::End);
            }
            if let Err(malformed) = self.member(&mut fields) {
                self.go_on(start, malformed)?;
            }
        }
    }

    fn member(&mut self, fields: &mut Fields<'a>) -> Scan<()> {
        let start = self.scanner.position();
        *fields = Fields::default();
        if let Some(end) = self.piece.reader.familiar(&mut self.pattern, self.bytes, start, fields) {
            // behind its name, which was read
            let place = value_of_member(self.bytes, start);
            self.scanner.seek(end);
            return self.keep(fields.id, fields, place);
        }
        let name = self.scanner.string()?;
        self.scanner.expect(b':', "`:`")?;
        let id = self.piece.reader.id_of_text(&decode(name));
        self.scanner.peek();
        let place = self.scanner.position();
        *fields = self.piece.reader.fields(&mut self.scanner)?;
        self.learn(start);
        self.keep(Some(id), fields, place)
    }

    /// Learns how the element from `start` to the cursor is written.
    fn learn(&mut self, start: usize) {
        if self.pattern.is_curious() {
            let mut again = Scanner::new(self.bytes, start);
            let is_named = self.list == List::NamedNodes;
            let end = self.scanner.position();
            self.pattern.learn(self.bytes, start, end, |found| steps(&mut again, is_named, found));
        }
    }

    fn keep(&mut self, name: Option<Id>, fields: &Fields<'_>, place: usize) -> Scan<()> {
        let Piece { nodes, edges, reader, damage, .. } = &mut self.piece;
        if self.list == List::Nodes && fields.has_null_id {
            return Err(Malformed { offset: place, expected: "a node with an id" });
        }
        if self.list != List::Edges {
            nodes.push(name.or(fields.id), fields, place, damage);
            return Ok(());
        }
        if fields.is_undirected {
            reader.refuse(place, "an edge is undirected; references have a direction");
        }
        let (Some(source), Some(target)) = (fields.source, fields.target) else {
            return Err(Malformed { offset: place, expected: "an edge with a source and a target" });
        };
        edges.push(source, target, fields, place);
        Ok(())
    }
}

/// The place of the value of the member whose name starts at `start`.
fn value_of_member(bytes: &[u8], start: usize) -> usize {
    if let Some(length) = block::near_string_end(bytes, start + 1)
        && bytes[start + 1 + length..].starts_with(b"\":{")
    {
        return start + length + 3;
    }
    let mut scanner = Scanner::new(bytes, start);
    // it was read before
    let _ = scanner.string();
    let _ = scanner.take(b':');
    scanner.peek();
    scanner.position()
}

impl NodePiece {
    fn push(&mut self, id: Option<Id>, fields: &Fields<'_>, place: usize, damage: &mut Damage) {
        let row = next(&self.ids);
        let id = match id {
            Some(Id::Number(number)) => {
                self.highest = self.highest.max(Some(number));
                damage.wide_ids += u64::from(number >= 1 << 53);
                number
            }
            Some(Id::Text(number)) => {
                self.texts.push(row);
                number
            }
            None => {
                self.unnamed.push(row);
                0
            }
        };
        self.ids.push(id);
        let type_number = self.type_number(fields);
        self.types.push(type_number);
        self.sizes.push(fields.size);
        damage.unread_sizes += u64::from(fields.has_unread_size);
        if self.places.is_empty() {
            self.first_place = place as u64;
        }
        self.places.push(low_half(place));
        if let Some(word) = fields.root {
            self.roots.push((row, RootKind::from_word(&decode(word)), fields.name.map(|name| text_of(name).into())));
        }
    }

    fn type_number(&mut self, fields: &Fields<'_>) -> u32 {
        let (module, name) = fields.written_type();
        self.type_table.number(module, name, || qualified(&text_of(module), &text_of(name)))
    }
}

impl EdgePiece {
    fn push(&mut self, source: Id, target: Id, fields: &Fields<'_>, place: usize) {
        match self.lengths.last_mut().filter(|_| self.last_source == Some(source)) {
            Some(length) => *length += 1,
            None => {
                if matches!(source, Id::Text(_)) {
                    self.text_sources.push(next(&self.sources));
                }
                self.sources.push(plain(source));
                self.lengths.push(1);
                self.last_source = Some(source);
            }
        }
        let edge = next(&self.targets);
        if matches!(target, Id::Text(_)) {
            self.text_targets.push(edge);
        }
        self.targets.push(plain(target));
        if self.places.is_empty() {
            self.first_place = place as u64;
        }
        self.places.push(low_half(place));
        if fields.is_weak {
            self.weak.push(edge);
        }
        self.has_labels |= fields.written_label().is_some();
    }
}

fn plain(id: Id) -> u64 {
    match id {
        Id::Number(number) | Id::Text(number) => number,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the other half is known of the piece")]
fn low_half(place: usize) -> u32 {
    place as u32
}

/// The number of the next entry. Pieces are short enough.
fn next<T>(column: &[T]) -> u32 {
    u32::try_from(column.len()).unwrap_or(u32::MAX)
}
