//! Where nodes and edges stand, in an index.

use std::io;

use super::Flavour;
use super::columns::Places;
use super::ids::Ids;
use super::link::SortedEdges;
use super::text::GraphLayout;
use crate::graph::column::Column;
use crate::graph::index::{Block, Index, IndexWriter, Unusable, ascending, below};

/// What an index keeps of a [`GraphLayout`] beside its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredGraph {
    /// How the document is written.
    pub flavour: Flavour,
    /// Address of the first id that is a text.
    pub first_named: u64,
}

impl GraphLayout {
    /// What goes with the columns.
    pub fn stored(&self) -> StoredGraph {
        StoredGraph { flavour: self.flavour, first_named: self.first_named }
    }

    /// Appends the columns to an index.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        self.nodes.store(writer, ["nodes", "nodes.bases"])?;
        self.edges.store(writer, ["edges", "edges.bases"])?;
        self.sorted.store(writer, self.edges.len())?;
        self.ids.store(writer)
    }

    /// The layout of an index. Its columns are checked when they are looked at.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when something is missing, or its lengths do not fit.
    pub fn restore(index: &Index, stored: StoredGraph) -> Result<Self, Unusable> {
        let StoredGraph { flavour, first_named } = stored;
        let nodes = Places::restore(index, ["nodes", "nodes.bases"])?;
        let edges = Places::restore(index, ["edges", "edges.bases"])?;
        // an id may be that of several nodes
        if nodes.len() < index.object_count() {
            return Err(Unusable::Damaged);
        }
        let sorted = SortedEdges::restore(index, nodes.len(), edges.len())?;
        Ok(Self { nodes, edges, sorted, flavour, ids: Ids::restore(index, first_named)?, first_named })
    }
}

impl Places {
    fn store(&self, writer: &mut IndexWriter, [low, bases]: [&str; 2]) -> io::Result<()> {
        writer.section(low, &self.low)?;
        let high: Vec<[u64; 2]> = self.high.iter().map(|&(first, high)| [first as u64, high]).collect();
        writer.section(bases, &high)
    }

    fn restore(index: &Index, [low, bases]: [&str; 2]) -> Result<Self, Unusable> {
        let length = entries(index, low)?;
        let pairs: Vec<[u64; 2]> = index.rows(bases)?;
        let starts_well = pairs.first().map_or(length == 0, |[first, _]| *first == 0);
        let ascend = pairs.windows(2).all(|two| two[0][0] < two[1][0] && two[0][1] < two[1][1]);
        let are_bases = pairs.iter().all(|[first, high]| *first < length as u64 && high.trailing_zeros() >= 32);
        if !(starts_well && ascend && are_bases) {
            return Err(Unusable::Damaged);
        }
        let narrow = |[first, high]: [u64; 2]| usize::try_from(first).ok().map(|first| (first, high));
        let high: Vec<(usize, u64)> = pairs.into_iter().map(narrow).collect::<Option<_>>().ok_or(Unusable::Damaged)?;
        let firsts: Vec<usize> = high.iter().map(|(first, _)| *first).collect();
        Ok(Self { low: index.column(low, length, move |block| ascend_from(&firsts, &block))?, high })
    }
}

/// Whether the numbers of a block ascend, but where one of `firsts` begins anew.
fn ascend_from(firsts: &[usize], block: &Block<'_, u32>) -> bool {
    let following = block.values.iter().skip(1).copied().chain(block.next);
    let steps = block.values.iter().copied().zip(following);
    (block.first + 1..).zip(steps).all(|(row, (one, next))| one < next || firsts.binary_search(&row).is_ok())
}

impl SortedEdges {
    fn store(&self, writer: &mut IndexWriter, edges: usize) -> io::Result<()> {
        writer.section("edges.offsets", &self.offsets)?;
        // where no edge leaves a node, none is in order
        if self.order.is_empty() && self.offsets.last().is_some_and(|&end| end as usize == edges) {
            return Ok(());
        }
        writer.section("edges.order", &self.order)
    }

    fn restore(index: &Index, nodes: usize, edges: usize) -> Result<Self, Unusable> {
        let (order, end) = if index.has("edges.order") {
            let length = entries(index, "edges.order")?;
            (index.column("edges.order", length, below::<u32>(edges as u64))?, length)
        } else {
            (Column::new(), edges)
        };
        let offsets = index.column("edges.offsets", nodes + 1, ascending::<u32>(end as u64))?;
        Ok(Self { offsets, order })
    }
}

/// How many numbers of four bytes a section has.
fn entries(index: &Index, name: &str) -> Result<usize, Unusable> {
    index.bytes_of(name).map(|bytes| bytes / size_of::<u32>()).ok_or(Unusable::Damaged)
}
