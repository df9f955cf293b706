//! All nodes and edges of a document, in columns: 28 bytes a node and 12 an edge, and 12 for each run of edges of one node.

use super::elements::{EdgePiece, NodePiece};
use crate::graph::RootKind;
use crate::graph::column::Column;
use crate::graph::names::Names;

/// The nodes, in document order.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Id of each node: a number, or the number of a text.
    pub(super) ids: Column<u64>,
    /// Rows whose ids are texts, ascending.
    pub(super) texts: Column<u64>,
    /// Highest id that is a number.
    pub(super) highest: Option<u64>,
    /// Number of each node's type.
    pub(super) types: Column<u32>,
    pub(super) type_names: Names,
    /// Shallow sizes in bytes.
    pub(super) sizes: Column<u64>,
    pub(super) places: Places,
    /// Rows that are roots, ascending.
    pub(super) roots: Vec<(usize, RootKind, Option<Box<str>>)>,
}

impl Nodes {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Makes room for the nodes of a list, to judge by its first piece.
    pub(super) fn make_room(&mut self, piece: &NodePiece, share: Share) {
        if self.len() == 0 {
            let nodes = share.of_all(piece.ids.len());
            self.ids = Column::with_capacity(nodes);
            self.types = Column::with_capacity(nodes);
            self.sizes = Column::with_capacity(nodes);
            self.places.low = Column::with_capacity(nodes);
        }
    }

    /// Appends a piece, whose texts have these numbers here.
    pub(super) fn append(&mut self, piece: NodePiece, texts: &[u32]) {
        let start = self.len();
        self.ids.extend_from_slice(&piece.ids);
        for row in piece.texts {
            let row = start + row as usize;
            self.ids[row] = number_of(texts, self.ids[row]);
            self.texts.push(row as u64);
        }
        for row in piece.unnamed {
            // node-link nodes without an id are known by their position
            let row = start + row as usize;
            self.ids[row] = row as u64;
            self.highest = self.highest.max(Some(row as u64));
        }
        self.highest = self.highest.max(piece.highest);
        let numbers: Vec<u32> = piece.type_table.names().map(|name| self.type_names.intern(name)).collect();
        piece.types.iter().for_each(|&number| self.types.push(numbers[number as usize]));
        self.sizes.extend_from_slice(&piece.sizes);
        self.places.append(piece.first_place, &piece.places);
        self.roots.extend(piece.roots.into_iter().map(|(row, kind, name)| (start + row as usize, kind, name)));
    }
}

/// The edges, in document order.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// Source of each run of edges that leave the same node: a number, or the number of a text.
    pub(super) sources: Column<u64>,
    /// Edges of each run.
    pub(super) lengths: Column<u32>,
    /// Runs whose sources are texts, ascending.
    pub(super) text_sources: Column<u64>,
    /// Target of each edge.
    pub(super) targets: Column<u64>,
    /// Edges whose targets are texts, ascending.
    pub(super) text_targets: Column<u64>,
    pub(super) places: Places,
    /// Edges that do not retain, ascending.
    pub(super) weak: Column<u64>,
    pub(super) has_labels: bool,
}

impl Edges {
    pub(super) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Makes room for the edges of a list, to judge by its first piece.
    pub(super) fn make_room(&mut self, piece: &EdgePiece, share: Share) {
        if self.len() == 0 {
            let (runs, edges) = (share.of_all(piece.sources.len()), share.of_all(piece.targets.len()));
            self.sources = Column::with_capacity(runs);
            self.lengths = Column::with_capacity(runs);
            self.targets = Column::with_capacity(edges);
            self.places.low = Column::with_capacity(edges);
        }
    }

    /// Appends a piece, whose texts have these numbers here.
    pub(super) fn append(&mut self, piece: &EdgePiece, texts: &[u32]) {
        let (run, edge) = (self.sources.len(), self.len());
        self.sources.extend_from_slice(&piece.sources);
        self.lengths.extend_from_slice(&piece.lengths);
        self.targets.extend_from_slice(&piece.targets);
        renumber(&mut self.sources, &mut self.text_sources, run, &piece.text_sources, texts);
        renumber(&mut self.targets, &mut self.text_targets, edge, &piece.text_targets, texts);
        self.places.append(piece.first_place, &piece.places);
        piece.weak.iter().for_each(|&weak| self.weak.push((edge + weak as usize) as u64));
        self.has_labels |= piece.has_labels;
    }
}

/// How much of a list a piece is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// Bytes of the piece.
    pub(super) piece: usize,
    /// Bytes of the list, or more.
    pub(super) list: usize,
}

impl Share {
    /// About as many entries as the list has if the piece has `entries`. Room that is not needed is never touched, but what
    /// a writer would not write is not to be reserved either.
    fn of_all(self, entries: usize) -> usize {
        const SHORTEST_ENTRY: usize = 32;
        const SAMPLE: usize = 1 << 16;
        let times = self.list / self.piece.max(SAMPLE) + 1;
        (entries.saturating_mul(times) / 8 * 9).min(self.list / SHORTEST_ENTRY)
    }
}

/// Gives the texts of a piece, whose entries begin at `start`, their numbers in the whole.
fn renumber(ids: &mut Column<u64>, all: &mut Column<u64>, start: usize, piece: &[u32], texts: &[u32]) {
    for &place in piece {
        let place = start + place as usize;
        ids[place] = number_of(texts, ids[place]);
        all.push(place as u64);
    }
}

fn number_of(texts: &[u32], number: u64) -> u64 {
    usize::try_from(number).ok().and_then(|number| texts.get(number)).copied().map_or(u64::MAX, u64::from)
}

/// Ascending byte offsets, four bytes each.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) low: Column<u32>,
    /// First entry, and the bits above 32 from there on.
    pub(super) high: Vec<(usize, u64)>,
}

impl Places {
    /// Appends the places of a piece, of which `first` is the first, and `low` the low halves of all: it is shorter than 2³²
    /// bytes.
    fn append(&mut self, first: u64, low: &[u32]) {
        let high = first >> 32 << 32;
        let (before, behind) = low.split_at(low.partition_point(|&low| u64::from(low) >= first - high));
        for (high, low) in [(high, before), (high + (1 << 32), behind)] {
            if !low.is_empty() && self.high.last().is_none_or(|last| last.1 != high) {
                self.high.push((self.low.len(), high));
            }
            self.low.extend_from_slice(low);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    pub(super) fn get(&self, entry: usize) -> u64 {
        let part = self.high.partition_point(|(first, _)| *first <= entry);
        let high = part.checked_sub(1).map_or(0, |part| self.high[part].1);
        high | u64::from(self.low.get(entry))
    }

    /// The entry with this offset.
    pub(super) fn find(&self, place: u64) -> Option<usize> {
        let (mut low, mut end) = (0, self.low.len());
        while low < end {
            let middle = low.midpoint(end);
            if self.get(middle) < place { low = middle + 1 } else { end = middle }
        }
        (low < self.low.len() && self.get(low) == place).then_some(low)
    }
}
