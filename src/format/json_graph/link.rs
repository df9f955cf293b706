//! From the nodes and edges of a document to objects with their references.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::columns::{Edges, Nodes};
use super::document::Document;
use super::fields::{Id, Reader, Texts, text_of};
use super::ids::Ids;
use super::text::{GraphLayout, GraphText};
use crate::error::{Error, Result};
use crate::format::scan::Scanner;
use crate::graph::address::AddressIndex;
use crate::graph::builder::RootRecord;
use crate::graph::column::Column;
use crate::graph::{About, Damage, GraphBuilder, Heap, ObjectTable, Records, RootKind};
use crate::progress::Progress;
use crate::source::Source;

/// Rows in a table: enough for the work, few enough that they are spread over threads.
const TABLE_ROWS: usize = 1 << 16;

/// Gives texts of ids their addresses, resolves sources and freezes the graph.
///
/// # Errors
/// More ids, objects or edges than there are numbers for.
pub(super) fn link(document: Document, source: Arc<Source>, progress: &Progress) -> Result<Heap> {
    let Document { reader, mut nodes, mut edges, listed_roots, mut damage, .. } = document;
    let first_named = nodes.highest.map_or(1, |highest| highest.saturating_add(1));
    let texts: Vec<Box<str>> = reader.texts.in_order().into_iter().map(Into::into).collect();
    if !texts.is_empty() && first_named.checked_add(texts.len() as u64).is_none() {
        return Err(Error::TooLarge { what: "ids", count: u64::MAX, limit: u64::MAX - texts.len() as u64 });
    }
    if edges.len() as u64 > u64::from(u32::MAX) {
        return Err(Error::TooLarge { what: "edges", count: edges.len() as u64, limit: u64::from(u32::MAX) });
    }
    give_addresses(&mut nodes.ids, &nodes.texts, first_named, &reader.texts);
    give_addresses(&mut edges.sources, &edges.text_sources, first_named, &reader.texts);
    give_addresses(&mut edges.targets, &edges.text_targets, first_named, &reader.texts);
    let index = AddressIndex::new(&nodes.ids);
    let sorted = SortedEdges::new(&nodes, &edges, &index, &mut damage);
    let mut builder = GraphBuilder::default();
    builder.name_ids(first_named, texts);
    for table in tables(&nodes, &edges, &sorted) {
        builder.add(table);
    }
    let address = |id: &Id| match *id {
        Id::Number(number) => reader.texts.address_of_number(number, first_named),
        Id::Text(number) => first_named + number,
    };
    builder.add(listed(listed_roots.iter().map(address), &index, &nodes, &source, reader.flavour));
    let about = About {
        format: reader.flavour.name().into(),
        has_reference_names: edges.has_labels,
        has_marked_roots: builder.has_roots(),
        ..About::default()
    };
    let Reader { flavour, texts, .. } = reader;
    let ids = Ids::Read(texts);
    let layout = GraphLayout { nodes: nodes.places, edges: edges.places, sorted, flavour, ids, first_named };
    let records = GraphText { source, layout: Arc::new(layout) };
    // what is left of them would stand beside the graph while it is made
    drop((index, nodes.ids, nodes.types, nodes.sizes, edges.sources, edges.lengths, edges.targets));
    let module_name = |place| records.describe(place, "module").name;
    let graph = builder.finish(&mut damage, &module_name, progress)?;
    Ok(Heap::new(graph, Box::new(records), about, damage))
}

impl Texts {
    /// The address that a number stands for, where texts have those from `first_named` on: a number that is none of a
    /// node's is no text's either.
    fn address_of_number(&self, number: u64, first_named: u64) -> u64 {
        address_of_number(number, (!self.is_empty()).then_some(first_named))
    }
}

/// The address that a number stands for, where texts, if there are any, have those from `first_named` on.
pub(super) fn address_of_number(number: u64, first_named: Option<u64>) -> u64 {
    if first_named.is_none_or(|first| number < first) { number } else { u64::MAX }
}

/// Makes addresses of ids, those at `places` being numbers of texts.
fn give_addresses(ids: &mut [u64], places: &[u64], first_named: u64, texts: &Texts) {
    if texts.is_empty() {
        return;
    }
    let mut places = places.iter().copied().peekable();
    for (place, id) in (0..).zip(ids) {
        *id = match places.next_if_eq(&place) {
            Some(_) => first_named + *id,
            None => texts.address_of_number(*id, first_named),
        };
    }
}

/// Edges grouped by the node they leave, in document order there. The last node of an id gets them.
#[derive(Debug)]
pub(super) struct SortedEdges {
    /// First edge of each node; n + 1 entries.
    pub(super) offsets: Column<u32>,
    /// Place of each edge in the document; empty where it is the same.
    pub(super) order: Column<u32>,
}

/// No node has the id.
const NO_ROW: u32 = u32::MAX;

impl SortedEdges {
    fn new(nodes: &Nodes, edges: &Edges, index: &AddressIndex, damage: &mut Damage) -> Self {
        let mut rows = Column::zeroed(edges.sources.len());
        rows.par_chunks_mut(1 << 14).zip(edges.sources.par_chunks(1 << 14)).for_each(|(rows, sources)| {
            let mut finder = index.finder();
            for (row, &source) in rows.iter_mut().zip(sources) {
                *row = finder.row(source).unwrap_or(NO_ROW);
            }
        });
        let mut offsets = Column::zeroed(nodes.len() + 1);
        let mut is_sorted = true;
        let mut last = 0;
        for (&row, &length) in rows.iter().zip(edges.lengths.iter()) {
            if row == NO_ROW {
                damage.dangling_references += u64::from(length);
            } else {
                offsets[row as usize + 1] += length;
            }
            is_sorted &= row != NO_ROW && row >= last;
            last = row;
        }
        for row in 0..nodes.len() {
            offsets[row + 1] += offsets[row];
        }
        let order = if is_sorted { Column::new() } else { order(&rows, &edges.lengths, &offsets) };
        Self { offsets, order }
    }

    fn range(&self, row: usize) -> Range<usize> {
        self.offsets.get(row) as usize..self.offsets.get(row + 1) as usize
    }

    /// The edges of a node by their places in the document.
    pub(super) fn edges_of(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let is_sorted = self.order.is_empty();
        self.range(row).map(move |place| if is_sorted { place } else { self.order.get(place) as usize })
    }
}

/// The edges that leave nodes, by node.
fn order(rows: &[u32], lengths: &[u32], offsets: &[u32]) -> Column<u32> {
    let mut next: Column<u32> = Column::new();
    next.extend_from_slice(offsets);
    let mut order = Column::zeroed(offsets.last().map_or(0, |&end| end as usize));
    let mut edge = 0;
    for (&row, &length) in rows.iter().zip(lengths) {
        if row != NO_ROW {
            let place = &mut next[row as usize];
            for (entry, edge) in order[*place as usize..(*place + length) as usize].iter_mut().zip(edge..) {
                *entry = edge;
            }
            *place += length;
        }
        edge += length;
    }
    order
}

/// The objects, in tables of consecutive rows.
fn tables(nodes: &Nodes, edges: &Edges, sorted: &SortedEdges) -> Vec<ObjectTable> {
    let starts: Vec<usize> = (0..nodes.len()).step_by(TABLE_ROWS).collect();
    starts
        .into_par_iter()
        .map(|start| table(start..nodes.len().min(start + TABLE_ROWS), nodes, edges, sorted))
        .collect()
}

fn table(rows: Range<usize>, nodes: &Nodes, edges: &Edges, sorted: &SortedEdges) -> ObjectTable {
    let references = (sorted.offsets[rows.end] - sorted.offsets[rows.start]) as usize;
    let mut table = ObjectTable::with_capacity(rows.len(), references);
    let mut types = vec![u32::MAX; nodes.type_names.len()];
    let mut strong = Vec::new();
    let first_root = nodes.roots.partition_point(|(row, ..)| *row < rows.start);
    let mut roots = nodes.roots[first_root..].iter().peekable();
    for row in rows {
        let type_number = &mut types[nodes.types[row] as usize];
        if *type_number == u32::MAX {
            let name = nodes.type_names.get(nodes.types[row]);
            *type_number = table.type_number(b"", name.as_bytes(), || name.to_owned());
        }
        table.object(nodes.ids[row], *type_number, nodes.sizes[row], nodes.places.get(row));
        if sorted.order.is_empty() && edges.weak.is_empty() {
            table.references(&edges.targets[sorted.range(row)]);
        } else {
            strong.clear();
            for edge in sorted.edges_of(row) {
                if edges.weak.binary_search(&(edge as u64)).is_ok() {
                    table.weak_reference(edges.targets[edge]);
                } else {
                    strong.push(edges.targets[edge]);
                }
            }
            table.references(&strong);
        }
        if let Some((_, kind, name)) = roots.next_if(|root| root.0 == row) {
            table.root(RootRecord { address: nodes.ids[row], kind: kind.clone(), name: name.clone() });
        }
    }
    table
}

/// The roots that the document lists.
fn listed(
    addresses: impl Iterator<Item = u64>,
    index: &AddressIndex,
    nodes: &Nodes,
    source: &Source,
    flavour: super::Flavour,
) -> ObjectTable {
    let mut table = ObjectTable::default();
    for address in addresses {
        let row = index.row(address).map(|row| row as usize);
        let kind = match row.map(|row| nodes.type_names.get(nodes.types[row])) {
            Some("module") => RootKind::Module,
            Some("frame") => RootKind::Frame,
            _ => RootKind::Other("root".into()),
        };
        let name = row.and_then(|row| {
            let place = usize::try_from(nodes.places.get(row)).ok()?;
            let fields = Reader::new(flavour).fields(&mut Scanner::new(source, place)).ok()?;
            fields.name.map(|name| text_of(name).into())
        });
        table.root(RootRecord { address, kind, name });
    }
    table
}
