//! The outline of a document: where its lists are, and what stands beside them.

use super::super::scan::{BYTE_ORDER_MARK, Scan, Scanner, first_document};
use super::super::split::{self, Beginning};
use super::Flavour;
use super::columns::{Edges, Nodes, Share};
use super::elements::{self, List, Piece};
use super::fields::{Id, Reader};
use crate::counts::counted;
use crate::error::{Error, Result};
use crate::graph::Damage;
use crate::progress::Progress;
use crate::source::Source;

/// What a document says.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) reader: Reader,
    pub(super) nodes: Nodes,
    pub(super) edges: Edges,
    pub(super) listed_roots: Vec<Id>,
    pub(super) damage: Damage,
    graphs: usize,
    /// Whether there is a list of edges.
    has_edges: bool,
    /// Edges that could not be read, and where the first is.
    broken_edges: Option<(u64, u64)>,
    /// Bytes of a piece of a list.
    piece: usize,
}

impl Document {
    pub(super) fn new(flavour: Flavour, piece: usize) -> Self {
        Self {
            reader: Reader::new(flavour),
            nodes: Nodes::default(),
            edges: Edges::default(),
            listed_roots: Vec::new(),
            damage: Damage::default(),
            graphs: 0,
            has_edges: false,
            broken_edges: None,
            piece,
        }
    }

    /// Reads all of it, as far as that goes.
    ///
    /// # Errors
    /// It is no one directed graph, or has nodes and no edges that could be read.
    pub(super) fn read(&mut self, source: &Source, progress: &Progress) -> Result<()> {
        let bytes: &[u8] = source;
        let mut scanner = Scanner::new(bytes, first_document(bytes));
        self.note_what_is_before(scanner.position());
        let read = match self.reader.flavour {
            Flavour::NodeLink => self.graph(&mut scanner, source, progress),
            Flavour::JsonGraphFormat => scanner.object(|key, scanner| match (key, scanner.peek()) {
                (b"graph", Some(b'{')) => self.graph(scanner, source, progress),
                (b"graphs", Some(b'[')) => scanner.array(|scanner| self.graph(scanner, source, progress)),
                _ => scanner.skip().map(|_| ()),
            }),
        };
        self.damage.lone_surrogates += scanner.lone_surrogates;
        let several = || format!("it holds {} graphs; a heap is one graph", self.graphs);
        let several = (self.graphs > 1).then(|| (0, several()));
        let refusal = self.reader.refusal.map(|(offset, reason)| (offset, reason.to_owned()));
        if let Some((offset, reason)) = refusal.or(several) {
            return Err(Error::Malformed { format: self.reader.flavour.name(), offset: offset as u64, reason });
        }
        if let Err(malformed) = read {
            let reason =
                format!("the document breaks off at byte {}: expected {}", malformed.offset, malformed.expected);
            self.damage.cut_off.get_or_insert(reason);
        } else if scanner.peek().is_some() {
            self.damage.broken(scanner.position() as u64, "expected the end of the document");
        }
        self.check_edges()
    }

    /// Counts a line of a log that stands before the document.
    fn note_what_is_before(&mut self, start: usize) {
        if start > BYTE_ORDER_MARK.len() {
            self.damage.broken(0, "expected a JSON document");
        }
    }

    /// Refuses a graph of whose edges nothing could be read: its objects would all be free.
    fn check_edges(&self) -> Result<()> {
        let refused =
            |offset, reason: String| Err(Error::Malformed { format: self.reader.flavour.name(), offset, reason });
        match self.broken_edges {
            Some((count, first)) if self.edges.len() == 0 => refused(
                first,
                format!(
                    "none of its {} could be read: an edge has a `source` and a `target` (or `from` and `to`)",
                    counted(count, "edge")
                ),
            ),
            _ if !self.has_edges && self.nodes.len() > 1 && self.damage.cut_off.is_none() => {
                refused(0, "it has nodes and no list of `edges` or `links`".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn graph(&mut self, scanner: &mut Scanner<'_>, source: &Source, progress: &Progress) -> Scan<()> {
        self.graphs += 1;
        scanner.object(|key, scanner| {
            let place = scanner.position();
            match (key, scanner.peek()) {
                (b"directed", _) => {
                    if scanner.skip()? == b"false" {
                        self.reader.refuse(place, "the graph is undirected; references have a direction");
                    }
                    Ok(())
                }
                (b"nodes", Some(b'[')) => self.list(scanner, source, List::Nodes, progress),
                (b"nodes", Some(b'{')) => self.list(scanner, source, List::NamedNodes, progress),
                (b"edges" | b"links", Some(b'[')) => {
                    self.has_edges = true;
                    self.list(scanner, source, List::Edges, progress)
                }
                (b"adjacency", Some(b'[')) => {
                    self.reader.refuse(place, "it is adjacency data: write the graph with `networkx.node_link_data`");
                    scanner.skip().map(|_| ())
                }
                (b"hyperedges", Some(b'[')) => {
                    if scanner.skip()?.len() > 2 {
                        self.reader
                            .refuse(place, "the graph has hyperedges; a reference has one holder and one target");
                    }
                    Ok(())
                }
                (b"roots", Some(b'[')) => self.roots(scanner),
                (b"metadata" | b"graph", Some(b'{')) => scanner.object(|key, scanner| match (key, scanner.peek()) {
                    (b"roots", Some(b'[')) => self.roots(scanner),
                    _ => scanner.skip().map(|_| ()),
                }),
                _ => scanner.skip().map(|_| ()),
            }
        })
    }

    fn roots(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        scanner.array(|scanner| {
            let id = self.reader.id(scanner)?;
            self.listed_roots.push(id);
            Ok(())
        })
    }

    /// Reads a list of nodes or edges, in pieces.
    fn list(&mut self, scanner: &mut Scanner<'_>, source: &Source, list: List, progress: &Progress) -> Scan<()> {
        let bytes: &[u8] = source;
        // the bracket was seen
        scanner.seek(scanner.position() + 1);
        let first = scanner.peek();
        let start = scanner.position();
        if list == List::NamedNodes && first == Some(b'}') {
            scanner.seek(start + 1);
            return Ok(());
        }
        let beginning = Beginning::of_list(bytes, start, list == List::NamedNodes);
        let flavour = self.reader.flavour;
        let mut end = Ok(start);
        split::read(
            bytes,
            start,
            self.piece,
            beginning.as_ref(),
            |start, limit| elements::read(source, (start, limit), flavour, list, beginning.as_ref()),
            |piece| {
                if list == List::Edges && piece.broken > 0 {
                    let first = piece.damage.first_broken.as_ref().map_or(0, |(offset, _)| *offset);
                    let (count, first) = self.broken_edges.unwrap_or((0, first));
                    self.broken_edges = Some((count + piece.broken, first));
                }
                progress.advance(piece.length as u64);
                progress.add_objects(piece.nodes.ids.len() as u64);
                let share = Share { piece: piece.length, list: bytes.len() - start };
                self.nodes.make_room(&piece.nodes, share);
                self.edges.make_room(&piece.edges, share);
                if let Some(last) = self.append(piece) {
                    end = last;
                }
            },
        );
        scanner.seek(end?);
        Ok(())
    }

    /// Appends the next piece of a list; returns where the list ends, if it does there.
    fn append(&mut self, piece: Piece) -> Option<Scan<usize>> {
        let texts: Vec<u32> =
            piece.reader.texts.in_order().into_iter().map(|text| self.reader.texts.intern(text)).collect();
        self.nodes.append(piece.nodes, &texts);
        self.edges.append(&piece.edges, &texts);
        self.damage.merge(piece.damage);
        if let Some((offset, reason)) = piece.reader.refusal {
            self.reader.refuse(offset, reason);
        }
        piece.end
    }
}
