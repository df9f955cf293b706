//! Text of nodes and edges, read again from the document.

use std::io;
use std::sync::Arc;

use super::super::record;
use super::super::scan::Scanner;
use super::Flavour;
use super::columns::Places;
use super::fields::{Id, Reader, text_of};
use super::ids::Ids;
use super::link::{SortedEdges, address_of_number};
use crate::graph::index::IndexWriter;
use crate::graph::{Description, Records, ReferenceName, ReferenceSlot};
use crate::source::Source;

/// Text of nodes, and their edges.
pub struct GraphText {
    /// The document.
    pub source: Arc<Source>,
    /// Where its nodes and edges stand.
    pub layout: Arc<GraphLayout>,
}

/// Where nodes and edges stand in a document: 4 bytes a node for its place and 4 for its first edge, 4 an edge for its
/// place, and 4 for its order where edges are not sorted by their sources.
#[derive(Debug)]
pub struct GraphLayout {
    /// Place of each node, ascending.
    pub(super) nodes: Places,
    /// Place of each edge, ascending.
    pub(super) edges: Places,
    pub(super) sorted: SortedEdges,
    pub(super) flavour: Flavour,
    pub(super) ids: Ids,
    /// Address of the first id that is a text.
    pub(super) first_named: u64,
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
        let Some(row) = self.layout.nodes.find(place) else {
            return;
        };
        for edge in self.layout.sorted.edges_of(row) {
            if let Some(slot) = self.layout.slot(&self.source, edge, type_name) {
                visit(slot);
            }
        }
    }

    fn stored(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.layout.stored()).ok()
    }

    fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        self.layout.store(writer)
    }
}

impl GraphLayout {
    fn slot(&self, source: &Source, edge: usize, type_name: &str) -> Option<ReferenceSlot> {
        let place = usize::try_from(self.edges.get(edge)).ok()?;
        let mut reader = Reader::new(self.flavour);
        let fields = reader.fields(&mut Scanner::new(source, place)).ok()?;
        let target = match fields.target? {
            Id::Number(number) => address_of_number(number, (!self.ids.is_empty()).then_some(self.first_named)),
            Id::Text(local) => {
                let text = *reader.texts.in_order().get(usize::try_from(local).ok()?)?;
                self.first_named + u64::from(self.ids.find(text)?)
            }
        };
        let name = match fields.written_label() {
            None => ReferenceName::unknown(),
            Some(label) => ReferenceName::parse(&text_of(label), type_name),
        };
        Some(ReferenceSlot { target, name, key: None, is_weak: fields.is_weak })
    }
}
