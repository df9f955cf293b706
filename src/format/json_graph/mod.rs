//! One JSON document that lists nodes and edges.
//!
//! - [JSON Graph Format](https://jsongraphformat.info) version 1 (`nodes` is an array) and 2 (`nodes` is a map);
//! - NetworkX [node-link](https://networkx.org/documentation/stable/reference/readwrite/json_graph.html) data, edges under
//!   `links` or `edges`.
//!
//! The profile, by which attributes of the two mean something for a heap (`docs/formats.md`): on a node, or in its
//! `metadata`: `type` (or `class`, or `label`), `module`, `size`, `root`, `name`, `value`, `len`, `rc`; on an edge, or in
//! its `metadata`: `relation` (or `name`, or `label`) and `weak`; on the graph or in its `metadata`: `roots`, a list of
//! ids. Ids may be numbers or strings. Undirected graphs and hyperedges are refused.
//!
//! Lists are read in pieces, in parallel, into columns (`split`); what the text says again and again is
//! recognised rather than parsed (`pattern.rs`). Names of references stay in the document.

mod columns;
mod document;
mod elements;
mod fields;
mod ids;
mod link;
mod pattern;
mod stored;
mod text;

use std::sync::Arc;

use super::scan::{Scanner, first_document};
use super::split;
use crate::error::Result;
use crate::graph::Heap;
use crate::progress::{Phase, Progress};
use crate::source::Source;
use document::Document;
pub use stored::StoredGraph;
pub use text::{GraphLayout, GraphText};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// `{"graph": {"nodes": …}}` or `{"graphs": […]}`.
    JsonGraphFormat,
    /// `{"nodes": […], "links": […]}`.
    NodeLink,
}

impl Flavour {
    fn name(self) -> &'static str {
        match self {
            Self::JsonGraphFormat => "JSON Graph Format",
            Self::NodeLink => "NetworkX node-link",
        }
    }
}

/// Which flavour the document is, from its first keys. Lists of nodes or edges at the top make it node-link data, whatever
/// the attributes of its `graph` are called.
pub fn sniff(bytes: &[u8]) -> Option<Flavour> {
    let start = &bytes[..bytes.len().min(1 << 20)];
    let mut scanner = Scanner::new(start, first_document(start));
    let (mut has_graph, mut has_lists) = (false, false);
    // the first bytes end within the document: what was seen until then decides
    let _ = scanner.object(|key, scanner| {
        match (key, scanner.peek()) {
            (b"graph", Some(b'{')) => has_graph |= is_graph(&mut scanner.clone()),
            (b"graphs", Some(b'[')) => has_graph = true,
            (b"nodes" | b"links" | b"edges", Some(b'[')) => has_lists = true,
            _ => {}
        }
        scanner.skip().map(|_| ())
    });
    match (has_lists, has_graph) {
        (true, _) => Some(Flavour::NodeLink),
        (false, true) => Some(Flavour::JsonGraphFormat),
        (false, false) => None,
    }
}

/// Whether the object under the cursor is a graph: it has nodes or edges, or the metadata of one.
fn is_graph(scanner: &mut Scanner<'_>) -> bool {
    let mut is_graph = false;
    let _ = scanner.object(|key, scanner| {
        is_graph |= matches!(
            (key, scanner.peek()),
            (b"nodes", Some(b'{' | b'[')) | (b"edges" | b"hyperedges", Some(b'[')) | (b"metadata", Some(b'{'))
        );
        scanner.skip().map(|_| ())
    });
    is_graph
}

/// Reads a document.
///
/// # Errors
/// The graph is undirected, has hyperedges, or there are several; more objects than ids.
pub fn read(source: Arc<Source>, progress: &Progress) -> Result<Heap> {
    let flavour = sniff(&source).unwrap_or(Flavour::NodeLink);
    read_as(source, flavour, progress)
}

/// Reads a document as the given flavour.
///
/// # Errors
/// As [`read`].
pub fn read_as(source: Arc<Source>, flavour: Flavour, progress: &Progress) -> Result<Heap> {
    read_in_pieces(source, flavour, split::PIECE, progress)
}

/// Reads a document whose lists are split into pieces of so many bytes.
///
/// # Errors
/// As [`read`].
pub fn read_in_pieces(source: Arc<Source>, flavour: Flavour, piece: usize, progress: &Progress) -> Result<Heap> {
    progress.start(Phase::Read, source.len() as u64);
    let mut document = Document::new(flavour, piece.clamp(1, LONGEST_PIECE));
    document.damage.cut_off = source.cut_off().map(ToOwned::to_owned);
    document.read(&source, progress)?;
    link::link(document, source, progress)
}

/// A piece's rows have numbers of 32 bits.
const LONGEST_PIECE: usize = 1 << 30;
