//! Which references count: the strong ones that are not excluded. Forward and backward passes ask the same predicate.

use super::marks::Marks;
use crate::graph::csr::{PlainRows, Rows};
use crate::graph::{HeapGraph, ObjectId};

/// The references of a heap that keep objects alive, as far as the question is concerned.
#[derive(Debug, Clone)]
pub struct Retaining<'g> {
    /// The heap.
    pub graph: &'g HeapGraph,
    /// `None` when nothing is excluded.
    excluded: Option<Excluded>,
}

/// What a search over the whole heap follows, so that it asks for exceptions once and not at each reference.
pub(crate) trait References {
    /// What `object` refers to.
    fn row(&self, object: ObjectId) -> &[u32];

    /// Whether the reference at `place` of the row counts.
    fn counts(&self, object: ObjectId, place: usize) -> bool;
}

impl References for Rows<'_> {
    #[inline]
    fn row(&self, object: ObjectId) -> &[u32] {
        Rows::row(*self, object)
    }

    #[inline]
    fn counts(&self, _: ObjectId, _: usize) -> bool {
        true
    }
}

impl References for Retaining<'_> {
    #[inline]
    fn row(&self, object: ObjectId) -> &[u32] {
        self.graph.forward().row(object)
    }

    #[inline]
    fn counts(&self, object: ObjectId, place: usize) -> bool {
        !self.excludes_any() || Retaining::counts(self, self.graph.forward().range(object).start + place)
    }
}

/// References that do not count, one bit each, in both orders.
#[derive(Debug, Clone)]
struct Excluded {
    /// In the order of [`HeapGraph::forward`].
    forward: Vec<u64>,
    /// In the order of [`HeapGraph::reverse`]: of k parallel references of which j are excluded, the first j.
    reverse: Vec<u64>,
}

impl Excluded {
    fn new(graph: &HeapGraph, positions: &[usize]) -> Self {
        let words = graph.reference_count().div_ceil(64);
        let mut excluded = Self { forward: vec![0; words], reverse: vec![0; words] };
        positions.iter().for_each(|&position| set(&mut excluded.forward, position));
        for parallel in excluded.pairs(graph).chunk_by(|one, other| one == other) {
            let (target, source) = parallel[0];
            let (row, sources) = (graph.reverse().range(target), graph.reverse().row(target));
            let first = row.start + sources.partition_point(|&other| other < source.0);
            // an index may say otherwise, but in the heap as many references come back
            let end = row.end.min(first + parallel.len());
            (first..end).for_each(|position| set(&mut excluded.reverse, position));
        }
        excluded
    }

    /// Target and source of each excluded reference, sorted.
    fn pairs(&self, graph: &HeapGraph) -> Vec<(ObjectId, ObjectId)> {
        let mut pairs = Vec::new();
        for source in graph.objects() {
            let positions = graph.forward().range(source).filter(|&position| is_set(&self.forward, position));
            pairs.extend(positions.map(|position| (graph.forward().target(position), source)));
        }
        pairs.sort_unstable();
        pairs
    }
}

fn set(bits: &mut [u64], position: usize) {
    bits[position / 64] |= 1 << (position % 64);
}

fn is_set(bits: &[u64], position: usize) -> bool {
    bits[position / 64] >> (position % 64) & 1 == 1
}

impl<'g> Retaining<'g> {
    /// All strong references.
    pub fn all(graph: &'g HeapGraph) -> Self {
        Self { graph, excluded: None }
    }

    /// All strong references but those at `positions` of [`HeapGraph::forward`].
    pub fn without(graph: &'g HeapGraph, positions: &[usize]) -> Self {
        let excluded = (!positions.is_empty()).then(|| Excluded::new(graph, positions));
        Self { graph, excluded }
    }

    /// Whether the reference at `position` of [`HeapGraph::forward`] counts.
    pub fn counts(&self, position: usize) -> bool {
        self.excluded.as_ref().is_none_or(|excluded| !is_set(&excluded.forward, position))
    }

    /// Whether any strong reference does not count.
    pub fn excludes_any(&self) -> bool {
        self.excluded.is_some()
    }

    /// The objects that `object` keeps alive directly, parallel references each.
    pub fn referents(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let forward = self.graph.forward();
        let references = forward.range(object).zip(forward.row(object));
        references.filter(|(position, _)| self.counts(*position)).map(|(_, &target)| ObjectId(target))
    }

    /// Calls `visit` for each of [`Retaining::referents`]: several times faster than the iterator where nothing is excluded.
    #[inline]
    pub fn for_each_referent(&self, object: ObjectId, mut visit: impl FnMut(ObjectId)) {
        match self.excluded {
            None => self.graph.forward().row(object).iter().for_each(|&target| visit(ObjectId(target))),
            Some(_) => self.referents(object).for_each(visit),
        }
    }

    /// All references as slices, where none is excluded and there are fewer than 2³².
    pub(crate) fn plain(&self) -> Option<PlainRows<'g>> {
        if self.excludes_any() { None } else { self.graph.forward().plain() }
    }

    /// All references by target as slices, under the same conditions.
    pub(crate) fn plain_reverse(&self) -> Option<PlainRows<'g>> {
        if self.excludes_any() { None } else { self.graph.reverse().plain() }
    }

    /// The objects without references that count: 45 to 60 % of a Python heap. O(n + e) for e excluded references.
    pub(crate) fn leaves(&self) -> Marks {
        let (count, forward) = (self.graph.object_count(), self.graph.forward());
        match self.excluded {
            None if forward.empty_rows(0..0).is_some() => {
                Marks::of_words(count, |rows| forward.empty_rows(rows).unwrap_or_default())
            }
            None => Marks::where_each(count, |object| forward.range(object).is_empty()),
            Some(_) => Marks::where_each(count, |object| self.referents(object).next().is_none()),
        }
    }

    /// Those of `sources` whose references count, as often as they refer: a part of a row of [`HeapGraph::reverse`] that
    /// stands at `start`.
    pub(crate) fn counted<'a>(&'a self, start: usize, sources: &'a [u32]) -> impl Iterator<Item = ObjectId> + 'a {
        let counts = move |position| match &self.excluded {
            None => true,
            Some(excluded) => !is_set(&excluded.reverse, position),
        };
        (start..).zip(sources).filter(move |(position, _)| counts(*position)).map(|(_, &source)| ObjectId(source))
    }

    /// The objects that keep `object` alive directly, each once, in dump order. O(1) for each reference, excluded or not.
    pub fn referrers(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let reverse = self.graph.reverse();
        let mut previous = None;
        self.counted(reverse.range(object).start, reverse.row(object))
            .filter(move |&referrer| previous.replace(referrer) != Some(referrer))
    }
}
