//! How far is each object from a root?
//!
//! One multi-source breadth-first search over forward references: O(n + m) time. Only the distance is kept, 4 bytes an
//! object: it is unique, while parents are not, so that chains read from it (a referrer at distance d − 1) do not depend on
//! the order of the search. Whether an object was seen is asked of one bit, which is in a cache where distances are not, and
//! objects without references, about half of a heap, are never looked at again: n / 4 bytes more while the search runs,
//! and the two widest of its levels.
//!
//! Roots are asked in passes: modules first; what no module reaches is searched from thread frames, and what is left from
//! all other roots. A later pass only enters objects that no earlier one reached, so distances of one pass never lead into
//! another: they are kept in one column, each pass from its own base upwards.

use super::marks::Marks;
use super::pattern;
use super::retaining::{References, Retaining};
use crate::error::{Error, Result};
use crate::graph::column::Column;
use crate::graph::grouped::Numbers;
use crate::graph::{HeapGraph, ObjectId, Root, RootKind};

/// Which roots are asked, and in which passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootChoice {
    /// Each pass asks the roots that match one of its patterns.
    passes: Vec<Vec<RootPattern>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct RootPattern {
    /// Glob over the kind's word.
    kind: String,
    /// Glob over the root's name.
    name: Option<String>,
}

impl Default for RootChoice {
    /// Modules; then thread frames; then everything else.
    fn default() -> Self {
        let pass = |kind: &str| vec![RootPattern { kind: kind.to_owned(), name: None }];
        Self { passes: vec![pass("module"), pass("frame"), pass("*")] }
    }
}

impl RootChoice {
    /// One pass over the named roots: kinds or globs of kinds (`module`, `frame`, `all`), each optionally with a glob of
    /// the name (`module:streamlit.*`).
    ///
    /// # Errors
    /// An empty list, or an empty word in it.
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut pass = Vec::new();
        for word in words.iter().flat_map(|words| words.split(',')) {
            let (kind, name) = match word.split_once(':') {
                Some((kind, name)) => (kind, Some(name.to_owned())),
                None => (word, None),
            };
            if kind.is_empty() {
                return Err(Error::Usage("--roots needs kinds of roots, such as `module,frame` or `all`".to_owned()));
            }
            let kind = match kind {
                "all" => "*",
                "modules" => "module",
                "frames" | "threads" => "frame",
                kind => kind,
            };
            pass.push(RootPattern { kind: kind.to_owned(), name });
        }
        Ok(Self { passes: vec![pass] })
    }

    /// The objects of all roots that are asked in any pass, in dump order; an object that is a root several times comes
    /// as often.
    pub fn roots<'a>(&'a self, graph: &'a HeapGraph) -> impl Iterator<Item = ObjectId> + Clone + 'a {
        self.asked_roots(graph).map(|root| root.object)
    }

    /// The roots that are asked in any pass, in dump order.
    pub fn asked_roots<'a>(&'a self, graph: &'a HeapGraph) -> impl Iterator<Item = &'a Root> + Clone + 'a {
        let is_asked = |root: &&Root| (0..self.passes.len()).any(|pass| self.pass_has(pass, root));
        graph.roots().iter().filter(is_asked)
    }

    /// How many passes there are.
    pub fn pass_count(&self) -> usize {
        self.passes.len()
    }

    fn pass_has(&self, pass: usize, root: &Root) -> bool {
        self.passes[pass].iter().any(|wanted| {
            let name = root.name.as_deref().unwrap_or("");
            pattern::matches(&wanted.kind, root.kind.word())
                && wanted.name.as_ref().is_none_or(|wanted| pattern::matches(wanted, name))
        })
    }
}

/// Distance of each object from the nearest root of the first pass that reaches it.
#[derive(Debug, PartialEq, Eq)]
pub struct Distances {
    columns: DistanceColumns,
}

/// What [`Distances`] are made of, to be written to a file and read again.
#[derive(Debug, PartialEq, Eq)]
pub struct DistanceColumns {
    /// n entries: base of the pass plus distance; `u32::MAX` for what no root reaches.
    pub values: Numbers,
    /// Base of each pass, ascending, the first 0; at least two apart from the end of the pass before.
    pub bases: Vec<u32>,
    /// How many objects each pass reached.
    pub reached: Vec<u64>,
}

const UNREACHED: u32 = u32::MAX;
/// Objects whose references are fetched from memory at once.
const AHEAD: usize = 16;

impl Distances {
    /// Searches from the roots of `choice`.
    pub fn search(retaining: &Retaining<'_>, choice: &RootChoice) -> Self {
        Self::search_around(retaining, choice, &retaining.leaves())
    }

    /// The same, where it is known which objects have no references that count.
    pub(super) fn search_around(retaining: &Retaining<'_>, choice: &RootChoice, leaves: &Marks) -> Self {
        match retaining.plain() {
            Some(references) => Self::search_along(&references.rows(), retaining.graph, choice, leaves),
            None => Self::search_along(retaining, retaining.graph, choice, leaves),
        }
    }

    fn search_along(references: &impl References, graph: &HeapGraph, choice: &RootChoice, leaves: &Marks) -> Self {
        let count = graph.object_count();
        let mut values = Column::filled(count, UNREACHED);
        let seen = Marks::of(count, std::iter::empty());
        let mut search =
            Search { references, leaves, seen, values: &mut values, frontier: Vec::new(), next: Vec::new() };
        let (mut bases, mut reached) = (Vec::new(), Vec::new());
        let mut base = 0;
        for pass in 0..choice.passes.len() {
            let roots = graph.roots().iter().filter(|root| choice.pass_has(pass, root));
            bases.push(base);
            let (count, next_base) = search.pass(roots.map(|root| root.object), base);
            reached.push(count);
            base = next_base;
        }
        Self { columns: DistanceColumns { values: Numbers::of(values), bases, reached } }
    }

    /// The parts of which the distances are made.
    pub fn columns(&self) -> &DistanceColumns {
        &self.columns
    }

    /// Distances of parts that [`Distances::columns`] gave. They are believed: whoever read them from a file has checked it.
    pub fn from_columns(columns: DistanceColumns) -> Self {
        Self { columns }
    }

    /// References from the nearest root of the pass that reached the object; `None` where none did.
    pub fn distance(&self, object: ObjectId) -> Option<u32> {
        self.pass(object).map(|pass| self.order(object) - self.columns.bases[pass])
    }

    /// The pass that reached the object: 0 is modules, where all passes are asked.
    pub fn pass(&self, object: ObjectId) -> Option<usize> {
        let value = self.order(object);
        (value != UNREACHED).then(|| self.columns.bases.partition_point(|&base| base <= value) - 1)
    }

    /// Whether any pass reached the object.
    pub fn is_reached(&self, object: ObjectId) -> bool {
        self.order(object) != UNREACHED
    }

    /// Whether the object is a root of its pass.
    pub fn is_root(&self, object: ObjectId) -> bool {
        self.distance(object) == Some(0)
    }

    /// Whether a shortest chain can lead from `referrer` to `object`, given that the former refers to the latter.
    pub fn is_step(&self, referrer: ObjectId, object: ObjectId) -> bool {
        let value = self.order(object);
        value != UNREACHED && self.order(referrer).checked_add(1) == Some(value)
    }

    /// A key that sorts objects so that each comes after all objects of its shortest chains.
    pub fn order(&self, object: ObjectId) -> u32 {
        self.columns.values.get(object.index())
    }

    /// How many objects each pass reached.
    pub fn reached(&self) -> &[u64] {
        &self.columns.reached
    }
}

/// A search that has its distances still to give.
struct Search<'a, R> {
    references: &'a R,
    /// Objects without references that count.
    leaves: &'a Marks,
    /// What has a distance.
    seen: Marks,
    values: &'a mut [u32],
    /// Objects of the last level whose references are to be followed.
    frontier: Vec<ObjectId>,
    /// Those of the level that is entered.
    next: Vec<ObjectId>,
}

impl<R: References> Search<'_, R> {
    /// Searches from those of `roots` that no earlier pass reached; their distance is `base`. Returns how many objects it
    /// reached, and the base for the next pass.
    fn pass(&mut self, roots: impl Iterator<Item = ObjectId>, base: u32) -> (u64, u32) {
        let earlier = self.seen.len();
        roots.for_each(|root| self.reach(root, base));
        let mut distance = base;
        while !self.next.is_empty() {
            distance += 1;
            std::mem::swap(&mut self.frontier, &mut self.next);
            let frontier = std::mem::take(&mut self.frontier);
            for objects in frontier.chunks(AHEAD) {
                self.look_ahead(objects);
                objects.iter().for_each(|&object| self.follow(object, distance));
            }
            self.frontier = frontier;
            self.frontier.clear();
        }
        // the last level may have been leaves alone
        ((self.seen.len() - earlier) as u64, distance.saturating_add(2))
    }

    /// Reads the first reference of each object, so that the memory fetches all of them at once and not one after the other.
    #[inline]
    fn look_ahead(&self, objects: &[ObjectId]) {
        let first = |&object: &ObjectId| self.references.row(object).first().copied().unwrap_or(0);
        std::hint::black_box(objects.iter().fold(0, |all, object| all ^ first(object)));
    }

    /// Reaches what `object` refers to.
    #[inline]
    fn follow(&mut self, object: ObjectId, distance: u32) {
        let references = self.references;
        for (place, &target) in references.row(object).iter().enumerate() {
            if references.counts(object, place) {
                self.reach(ObjectId(target), distance);
            }
        }
    }

    /// Gives an object its distance where it has none, and has it looked at later.
    #[inline]
    fn reach(&mut self, object: ObjectId, distance: u32) {
        if self.seen.insert(object) {
            self.values[object.index()] = distance;
            if !self.leaves.has(object) {
                self.next.push(object);
            }
        }
    }
}

/// The root at `object` that names a chain: modules first, then frames, then other kinds; then by name.
pub fn naming_root(graph: &HeapGraph, object: ObjectId, pass: usize, choice: &RootChoice) -> Option<Root> {
    let at = graph.roots().iter().filter(|root| root.object == object && choice.pass_has(pass, root));
    at.min_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name))).cloned()
}

/// How the kinds of the roots asked in `pass` are called in a sentence.
pub fn pass_title(kind: &RootKind) -> &str {
    kind.title()
}
