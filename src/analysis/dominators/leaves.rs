//! The immediate dominator of each object: the tree's for the core, the nearest common one of all referrers for leaves.

use rayon::prelude::*;

use super::UNREACHED;
use super::tree::{NearestCommon, Tree};
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;
use crate::graph::column::Column;
use crate::graph::csr::{PlainRows, Rows};

/// Objects that one task looks at.
const PIECE: usize = 1 << 14;
/// References to one object that one task looks at.
const MANY: usize = 1 << 16;
/// Referrers after which is looked for the first time whether they have nothing in common.
const FEW: usize = 16;

/// The place of each object's immediate dominator; [`UNREACHED`] for what no root reaches, and for one entry more than there
/// are objects. O(n + m), in parallel.
pub(super) fn holders(retaining: &Retaining<'_>, tree: &Tree, roots: &Marks) -> Column<u32> {
    let sources = retaining.plain_reverse();
    let sources = sources.as_ref().map(PlainRows::rows);
    let leaves = Leaves { retaining, sources, places: &tree.places, roots, common: NearestCommon::new(tree) };
    let dominators = &tree.dominators[..];
    let count = retaining.graph.object_count();
    let mut holders = Column::zeroed(count + 1);
    holders[count] = UNREACHED;
    holders[..count].par_chunks_mut(PIECE).enumerate().for_each(|(piece, holders)| {
        for (row, holder) in (piece * PIECE..).zip(holders) {
            *holder = match leaves.places[row] {
                0 => leaves.holder(ObjectId::at(row)),
                place => dominators[place as usize],
            };
        }
    });
    holders
}

struct Leaves<'a> {
    retaining: &'a Retaining<'a>,
    /// All referrers as slices, where none is left out.
    sources: Option<Rows<'a>>,
    /// Place of each object of the core, 0 for others.
    places: &'a [u32],
    roots: &'a Marks,
    common: NearestCommon<'a>,
}

impl Leaves<'_> {
    /// The nearest place that dominates all referrers of a leaf.
    #[inline]
    fn holder(&self, leaf: ObjectId) -> u32 {
        if self.roots.has(leaf) {
            return 0;
        }
        match self.sources.map(|sources| sources.row(leaf)) {
            Some(&[referrer]) => match self.places[referrer as usize] {
                0 => UNREACHED,
                place => place,
            },
            _ => self.common_of_all(leaf),
        }
    }

    #[inline(never)]
    fn common_of_all(&self, leaf: ObjectId) -> u32 {
        let reverse = self.retaining.graph.reverse();
        self.common_of(reverse.range(leaf).start, reverse.row(leaf))
    }

    /// The nearest place that dominates the sources of the references from position `start` on. A constant with millions of
    /// them soon is the virtual root's.
    fn common_of(&self, mut start: usize, mut sources: &[u32]) -> u32 {
        let mut bounds = Bounds::NONE;
        let mut length = FEW;
        while !sources.is_empty() && length <= MANY {
            let (some, rest) = sources.split_at(length.min(sources.len()));
            bounds = bounds.with(self.bounds(start, some));
            if self.holder_of(bounds) == 0 {
                return 0;
            }
            (start, sources, length) = (start + some.len(), rest, length * 2);
        }
        let parts = sources.par_chunks(MANY).enumerate();
        let rest = parts.map(|(part, sources)| self.bounds(start + part * MANY, sources));
        self.holder_of(bounds.with(rest.reduce(|| Bounds::NONE, Bounds::with)))
    }

    fn bounds(&self, start: usize, sources: &[u32]) -> Bounds {
        let places = self.retaining.counted(start, sources).map(|source| self.places[source.index()]);
        places.fold(Bounds::NONE, |bounds, place| match place {
            0 => bounds,
            _ => bounds.with(Bounds { first: place, last: place }),
        })
    }

    fn holder_of(&self, bounds: Bounds) -> u32 {
        if bounds.first > bounds.last { UNREACHED } else { self.common.of(bounds.first, bounds.last) }
    }
}

/// The first and the last of some places.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    first: u32,
    last: u32,
}

impl Bounds {
    /// Of no place.
    const NONE: Self = Self { first: u32::MAX, last: 0 };

    fn with(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}
