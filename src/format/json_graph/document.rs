//! The outline of a document: where its lists are, and what stands beside them.

use super::super::scan::{Scan, Scanner};
use super::super::split::{self, Beginning};
use super::Flavour;
use super::columns::{Edges, Nodes, Share};
use super::elements::{self, List, Piece};
use super::fields::{Id, Reader};
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
            piece,
        }
    }

    /// Reads all of it, as far as that goes.
    ///
    /// # Errors
    /// It is no one directed graph.
    pub(super) fn read(&mut self, source: &Source, progress: &Progress) -> Result<()> {
        let bytes: &[u8] = source;
        let mut scanner = Scanner::new(bytes, if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
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
        }
        Ok(())
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
                (b"edges" | b"links", Some(b'[')) => self.list(scanner, source, List::Edges, progress),
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
        let beginning = match list {
            List::NamedNodes => Beginning::of_named(bytes, start),
            List::Nodes | List::Edges => Beginning::of_item(bytes, start),
        };
        let flavour = self.reader.flavour;
        let mut end = Ok(start);
        split::read(
            bytes,
            start,
            self.piece,
            beginning.as_ref(),
            |start, limit| elements::read(source, start, limit, flavour, list),
            |piece| {
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
