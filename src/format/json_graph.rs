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

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::record::{self, qualified};
use super::scan::{Malformed, Number, Scan, Scanner, address_of_number, address_of_text, decode};
use crate::error::{Error, Result};
use crate::graph::builder::RootRecord;
use crate::graph::names::Names;
use crate::graph::{
    About, Damage, Description, GraphBuilder, Heap, ObjectTable, Records, ReferenceName, ReferenceSlot, RootKind,
};
use crate::progress::{Phase, Progress};
use crate::source::Source;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Which flavour the document is, from its first keys.
pub fn sniff(bytes: &[u8]) -> Option<Flavour> {
    let start = &bytes[..bytes.len().min(1 << 20)];
    let mut scanner = Scanner::new(start, if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let mut flavour = None;
    // the first bytes end within the document: what was seen until then decides
    let _ = scanner.object(|key, scanner| {
        let next = scanner.peek();
        match (key, next) {
            (b"graph", Some(b'{')) => {
                let is_graph = |key: &String| matches!(key.as_str(), "nodes" | "edges" | "hyperedges" | "metadata");
                let keys = super::python::first_keys(start, scanner.position()).unwrap_or_default();
                if keys.iter().any(is_graph) {
                    flavour = flavour.or(Some(Flavour::JsonGraphFormat));
                }
            }
            (b"graphs", Some(b'[')) => flavour = flavour.or(Some(Flavour::JsonGraphFormat)),
            (b"nodes" | b"links" | b"edges", Some(b'[')) => flavour = flavour.or(Some(Flavour::NodeLink)),
            _ => {}
        }
        scanner.skip().map(|_| ())
    });
    flavour
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
    progress.start(Phase::Read, source.len() as u64);
    let mut document = Document::new(flavour);
    document.damage.cut_off = source.cut_off().map(ToOwned::to_owned);
    document.read(&source, progress)?;
    document.freeze(source, progress)
}

/// The id of a node: a number, or the place of its text among the ids that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Id {
    Number(u64),
    Text(u32),
}

#[derive(Debug)]
struct Node {
    id: Id,
    type_number: u32,
    size: u64,
    place: u64,
    root: Option<RootKind>,
    name: Option<Box<str>>,
}

#[derive(Debug)]
struct Edge {
    source: Id,
    target: Id,
    /// Number of its label; `NO_LABEL` where it has none.
    label: u32,
    is_weak: bool,
}

const NO_LABEL: u32 = u32::MAX;

#[derive(Debug)]
struct Document {
    flavour: Flavour,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    listed_roots: Vec<Id>,
    texts: Names,
    labels: Names,
    types: Names,
    damage: Damage,
    /// Why the document cannot be used at all.
    refusal: Option<(usize, String)>,
    graphs: usize,
}

/// Fields of a node or edge, its `metadata` included.
#[derive(Debug, Default)]
struct Fields {
    id: Option<Id>,
    source: Option<Id>,
    target: Option<Id>,
    type_name: Option<String>,
    label: Option<String>,
    relation: Option<String>,
    module: Option<String>,
    name: Option<String>,
    size: u64,
    root: Option<RootKind>,
    is_weak: bool,
    is_undirected: bool,
}

impl Document {
    fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            nodes: Vec::new(),
            edges: Vec::new(),
            listed_roots: Vec::new(),
            texts: Names::default(),
            labels: Names::default(),
            types: Names::default(),
            damage: Damage::default(),
            refusal: None,
            graphs: 0,
        }
    }

    fn read(&mut self, bytes: &[u8], progress: &Progress) -> Result<()> {
        let mut scanner = Scanner::new(bytes, if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
        let read = match self.flavour {
            Flavour::NodeLink => self.graph(&mut scanner, bytes, progress),
            Flavour::JsonGraphFormat => scanner.object(|key, scanner| match (key, scanner.peek()) {
                (b"graph", Some(b'{')) => self.graph(scanner, bytes, progress),
                (b"graphs", Some(b'[')) => scanner.array(|scanner| self.graph(scanner, bytes, progress)),
                _ => scanner.skip().map(|_| ()),
            }),
        };
        self.damage.lone_surrogates = scanner.lone_surrogates;
        if self.graphs > 1 && self.refusal.is_none() {
            self.refusal = Some((0, format!("it holds {} graphs; a heap is one graph", self.graphs)));
        }
        if let Some((offset, reason)) = self.refusal.take() {
            return Err(Error::Malformed { format: self.flavour.name(), offset: offset as u64, reason });
        }
        if let Err(malformed) = read {
            let reason =
                format!("the document breaks off at byte {}: expected {}", malformed.offset, malformed.expected);
            self.damage.cut_off.get_or_insert(reason);
        }
        Ok(())
    }

    fn graph(&mut self, scanner: &mut Scanner<'_>, bytes: &[u8], progress: &Progress) -> Scan<()> {
        self.graphs += 1;
        scanner.object(|key, scanner| {
            let place = scanner.position();
            match (key, scanner.peek()) {
                (b"directed", _) => {
                    if scanner.skip()? == b"false" {
                        self.refuse(place, "the graph is undirected; references have a direction");
                    }
                    Ok(())
                }
                (b"nodes", Some(b'[')) => self.list(scanner, bytes, progress, Self::node),
                (b"nodes", Some(b'{')) => self.node_map(scanner, progress),
                (b"edges" | b"links", Some(b'[')) => self.list(scanner, bytes, progress, Self::edge),
                (b"hyperedges", Some(b'[')) => {
                    if scanner.skip()?.len() > 2 {
                        self.refuse(place, "the graph has hyperedges; a reference has one holder and one target");
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

    fn refuse(&mut self, offset: usize, reason: &str) {
        self.refusal.get_or_insert_with(|| (offset, reason.to_owned()));
    }

    fn roots(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        scanner.array(|scanner| {
            let id = self.id(scanner)?;
            self.listed_roots.push(id);
            Ok(())
        })
    }

    /// Reads an array of nodes or edges. After one that cannot be read, reading goes on with the next line.
    fn list(
        &mut self,
        scanner: &mut Scanner<'_>,
        bytes: &[u8],
        progress: &Progress,
        one: fn(&mut Self, &mut Scanner<'_>) -> Scan<()>,
    ) -> Scan<()> {
        scanner.expect(b'[', "`[`")?;
        let mut reported = scanner.position();
        loop {
            while scanner.take(b',') {}
            if scanner.take(b']') {
                return Ok(());
            }
            if let Err(malformed) = one(self, scanner) {
                if malformed.offset >= bytes.len() || !next_line(bytes, scanner, malformed.offset) {
                    return Err(malformed);
                }
                self.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
            }
            if scanner.position() - reported > 1 << 20 {
                progress.advance((scanner.position() - reported) as u64);
                reported = scanner.position();
            }
        }
    }

    fn node_map(&mut self, scanner: &mut Scanner<'_>, progress: &Progress) -> Scan<()> {
        let mut reported = scanner.position();
        scanner.object(|key, scanner| {
            let id = self.id_of_text(&decode(key));
            scanner.peek();
            let place = scanner.position();
            let fields = self.fields(scanner)?;
            self.push_node(Some(id), fields, place);
            if scanner.position() - reported > 1 << 20 {
                progress.advance((scanner.position() - reported) as u64);
                reported = scanner.position();
            }
            Ok(())
        })
    }

    fn node(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        scanner.peek();
        let place = scanner.position();
        let fields = self.fields(scanner)?;
        self.push_node(fields.id, fields, place);
        Ok(())
    }

    fn push_node(&mut self, id: Option<Id>, fields: Fields, place: usize) {
        // node-link nodes without an id are known by their position
        let id = id.unwrap_or(Id::Number(self.nodes.len() as u64));
        if matches!(id, Id::Number(number) if number >= 1 << 53) {
            self.damage.wide_ids += 1;
        }
        let type_name = fields.type_name.or(fields.label).unwrap_or_default();
        let type_name = qualified(&fields.module.unwrap_or_default(), &type_name);
        self.nodes.push(Node {
            id,
            type_number: self.types.intern(&type_name),
            size: fields.size,
            place: place as u64,
            root: fields.root,
            name: fields.name.map(Into::into),
        });
    }

    fn edge(&mut self, scanner: &mut Scanner<'_>) -> Scan<()> {
        scanner.peek();
        let place = scanner.position();
        let fields = self.fields(scanner)?;
        if fields.is_undirected {
            self.refuse(place, "an edge is undirected; references have a direction");
        }
        let (Some(source), Some(target)) = (fields.source, fields.target) else {
            return Err(Malformed { offset: place, expected: "an edge with a source and a target" });
        };
        let label = fields.relation.or(fields.name).or(fields.label).filter(|label| !label.is_empty());
        let label = label.map_or(NO_LABEL, |label| self.labels.intern(&label));
        self.edges.push(Edge { source, target, label, is_weak: fields.is_weak });
        Ok(())
    }

    fn fields(&mut self, scanner: &mut Scanner<'_>) -> Scan<Fields> {
        let mut fields = Fields::default();
        scanner.object(|key, scanner| match (key, scanner.peek()) {
            (b"metadata", Some(b'{')) => scanner.object(|key, scanner| self.field(key, scanner, &mut fields)),
            _ => self.field(key, scanner, &mut fields),
        })?;
        Ok(fields)
    }

    fn field(&mut self, key: &[u8], scanner: &mut Scanner<'_>, fields: &mut Fields) -> Scan<()> {
        let place = scanner.position();
        match key {
            b"id" => fields.id = Some(self.id(scanner)?),
            b"source" | b"target" if scanner.peek() == Some(b'[') && self.flavour == Flavour::JsonGraphFormat => {
                self.refuse(place, "an edge has several ends; a reference has one holder and one target");
                scanner.skip()?;
            }
            b"source" => fields.source = Some(self.id(scanner)?),
            b"target" => fields.target = Some(self.id(scanner)?),
            b"type" | b"class" => fields.type_name = record::text(scanner)?,
            b"label" => fields.label = record::text(scanner)?,
            b"relation" => fields.relation = record::text(scanner)?,
            b"module" => fields.module = record::text(scanner)?,
            b"name" => fields.name = record::text(scanner)?,
            b"size" => fields.size = record::size(scanner)?,
            b"root" => fields.root = record::root_word(scanner)?.map(|word| RootKind::from_word(&decode(word))),
            b"weak" => fields.is_weak = !matches!(scanner.skip()?, b"false" | b"null" | b"0"),
            b"directed" => fields.is_undirected = scanner.skip()? == b"false",
            _ => {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// An id: a number, a string, or any other value by its text (NetworkX writes tuples as arrays).
    fn id(&mut self, scanner: &mut Scanner<'_>) -> Scan<Id> {
        match scanner.peek() {
            Some(b'"') => {
                let text = scanner.text()?;
                Ok(self.id_of_text(&text))
            }
            Some(b'0'..=b'9') => {
                let start = scanner.position();
                let number: Number = scanner.number()?;
                address_of_number(number)
                    .map(Id::Number)
                    .ok_or(Malformed { offset: start, expected: "an id that is a whole number or a string" })
            }
            _ => {
                let text = String::from_utf8_lossy(scanner.skip()?).into_owned();
                Ok(self.id_of_text(&text))
            }
        }
    }

    fn id_of_text(&mut self, text: &str) -> Id {
        address_of_text(text).map_or_else(|| Id::Text(self.texts.intern(text)), Id::Number)
    }

    fn freeze(mut self, source: Arc<Source>, progress: &Progress) -> Result<Heap> {
        let highest = self.nodes.iter().filter_map(|node| match node.id {
            Id::Number(number) => Some(number),
            Id::Text(_) => None,
        });
        let first_named = highest.max().map_or(1, |highest| highest.saturating_add(1));
        let texts: Vec<Box<str>> = self.texts.iter().map(Into::into).collect();
        if !texts.is_empty() && first_named.checked_add(texts.len() as u64).is_none() {
            return Err(Error::TooLarge { what: "ids", count: u64::MAX, limit: u64::MAX - texts.len() as u64 });
        }
        let address = move |id: Id| match id {
            Id::Number(number) => number,
            Id::Text(place) => first_named + u64::from(place),
        };
        let sorted = self.edges_by_node();
        let table = self.table(&sorted, &address);
        let mut builder = GraphBuilder::default();
        builder.name_ids(first_named, texts);
        let about = About {
            format: self.flavour.name(),
            has_reference_names: !self.labels.is_empty(),
            has_marked_roots: !table.1,
            ..About::default()
        };
        builder.add(table.0);
        let records = GraphText {
            places: self.nodes.iter().map(|node| node.place).collect(),
            sorted,
            labels: self.labels,
            source,
        };
        let module_name = |place| records.describe(place, "module").name;
        let graph = builder.finish(&mut self.damage, &module_name, progress)?;
        let records = GraphText { sorted: records.sorted.with_addresses(&address, &self.edges), ..records };
        Ok(Heap { graph, records: Box::new(records), about, damage: self.damage })
    }

    /// Edges grouped by the node they leave; the last node of an id gets them.
    fn edges_by_node(&mut self) -> SortedEdges {
        let mut row_of = FxHashMap::default();
        for (row, node) in self.nodes.iter().enumerate() {
            row_of.insert(node.id, row);
        }
        let mut counts = vec![0usize; self.nodes.len() + 1];
        for edge in &self.edges {
            match row_of.get(&edge.source) {
                Some(&row) => counts[row + 1] += 1,
                None => self.damage.dangling_references += 1,
            }
        }
        for row in 0..self.nodes.len() {
            counts[row + 1] += counts[row];
        }
        let offsets = counts.clone();
        let mut order = vec![0usize; counts[self.nodes.len()]];
        for (place, edge) in self.edges.iter().enumerate() {
            if let Some(&row) = row_of.get(&edge.source) {
                order[counts[row]] = place;
                counts[row] += 1;
            }
        }
        SortedEdges { offsets, order, slots: Vec::new() }
    }

    /// The objects, and whether no root was marked.
    fn table(&self, sorted: &SortedEdges, address: &dyn Fn(Id) -> u64) -> (ObjectTable, bool) {
        let mut table = ObjectTable::default();
        let mut is_rootless = self.listed_roots.is_empty();
        for (row, node) in self.nodes.iter().enumerate() {
            let name = self.types.get(node.type_number);
            let type_number = table.type_number(b"", name.as_bytes(), || name.to_owned());
            table.object(address(node.id), type_number, node.size, node.place);
            for &edge in &sorted.order[sorted.offsets[row]..sorted.offsets[row + 1]] {
                let edge = &self.edges[edge];
                if edge.is_weak {
                    table.weak_reference(address(edge.target));
                } else {
                    table.reference(address(edge.target));
                }
            }
            if let Some(kind) = &node.root {
                is_rootless = false;
                table.root(RootRecord { address: address(node.id), kind: kind.clone(), name: node.name.clone() });
            }
        }
        let named: FxHashMap<Id, &Node> = self.nodes.iter().map(|node| (node.id, node)).collect();
        for &id in &self.listed_roots {
            let node = named.get(&id);
            let kind = match node.map(|node| self.types.get(node.type_number)) {
                Some("module") => RootKind::Module,
                Some("frame") => RootKind::Frame,
                _ => RootKind::Other("root".into()),
            };
            table.root(RootRecord { address: address(id), kind, name: node.and_then(|node| node.name.clone()) });
        }
        (table, is_rootless)
    }
}

/// Moves to the first line after `offset` that is not empty.
fn next_line(bytes: &[u8], scanner: &mut Scanner<'_>, offset: usize) -> bool {
    let rest = bytes.get(offset..).unwrap_or(&[]);
    let Some(distance) = memchr::memchr(b'\n', rest) else {
        return false;
    };
    scanner.seek(offset + distance + 1);
    matches!(scanner.peek(), Some(b'{' | b',' | b']'))
}

/// Edges grouped by node.
#[derive(Debug)]
struct SortedEdges {
    /// First place in `order` of each node; n + 1 entries.
    offsets: Vec<usize>,
    /// Places of edges.
    order: Vec<usize>,
    /// Target, label and weakness of each edge in `order`.
    slots: Vec<(u64, u32, bool)>,
}

impl SortedEdges {
    fn with_addresses(self, address: &dyn Fn(Id) -> u64, edges: &[Edge]) -> Self {
        let slot = |&place: &usize| (address(edges[place].target), edges[place].label, edges[place].is_weak);
        let slots = self.order.iter().map(slot).collect();
        Self { slots, order: Vec::new(), ..self }
    }
}

/// Text of nodes, read again from the document, and the labels of edges.
struct GraphText {
    source: Arc<Source>,
    /// Place of each node, ascending.
    places: Vec<u64>,
    sorted: SortedEdges,
    labels: Names,
}

impl Records for GraphText {
    fn describe(&self, place: u64, type_name: &str) -> Description {
        let mut description = record::describe(&self.source, place, type_name);
        let mut scanner = Scanner::new(&self.source, usize::try_from(place).unwrap_or(usize::MAX));
        // the node was read whole before: reading it again cannot fail
        let _ = scanner.object(|key, scanner| {
            scanner.peek();
            if key == b"metadata" {
                let inner = record::describe(&self.source, scanner.position() as u64, type_name);
                description.name = description.name.take().or(inner.name);
                description.value = description.value.take().or(inner.value);
                description.length = description.length.or(inner.length);
                description.reference_count = description.reference_count.or(inner.reference_count);
                description.site = description.site.take().or(inner.site);
            }
            scanner.skip().map(|_| ())
        });
        description
    }

    fn references(&self, place: u64, type_name: &str, visit: &mut dyn FnMut(ReferenceSlot)) {
        let Ok(row) = self.places.binary_search(&place) else {
            return;
        };
        for &(target, label, is_weak) in &self.sorted.slots[self.sorted.offsets[row]..self.sorted.offsets[row + 1]] {
            let name = match label {
                NO_LABEL => ReferenceName::unknown(),
                label => ReferenceName::parse(self.labels.get(label), type_name),
            };
            visit(ReferenceSlot { target, name, key: None, is_weak });
        }
    }
}
