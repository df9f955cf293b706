//! How far is each object from a root?
//!
//! One multi-source breadth-first search over forward references: O(n + m) time, 4 bytes an object. Only the distance is
//! kept: it is unique, while parents are not, so that chains read from it (a referrer at distance d − 1) do not depend on
//! the order of the search.
//!
//! Roots are asked in passes: modules first; what no module reaches is searched from thread frames, and what is left from
//! all other roots. A later pass only enters objects that no earlier one reached, so distances of one pass never lead into
//! another: they are kept in one column, each pass from its own base upwards.

use super::pattern;
use super::retaining::Retaining;
use crate::error::{Error, Result};
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

    fn pass_has(&self, pass: usize, root: &Root) -> bool {
        self.passes[pass].iter().any(|wanted| {
            let name = root.name.as_deref().unwrap_or("");
            pattern::matches(&wanted.kind, root.kind.word())
                && wanted.name.as_ref().is_none_or(|wanted| pattern::matches(wanted, name))
        })
    }
}

/// Distance of each object from the nearest root of the first pass that reaches it.
#[derive(Debug)]
pub struct Distances {
    /// n entries: base of the pass plus distance; `UNREACHED` for what no root reaches.
    column: Vec<u32>,
    /// Base of each pass, ascending; at least two apart from the end of the pass before.
    bases: Vec<u32>,
    /// Objects reached in each pass.
    reached: Vec<u64>,
}

const UNREACHED: u32 = u32::MAX;

impl Distances {
    /// Searches from the roots of `choice`.
    pub fn search(retaining: &Retaining<'_>, choice: &RootChoice) -> Self {
        let mut distances =
            Self { column: vec![UNREACHED; retaining.graph.object_count()], bases: Vec::new(), reached: Vec::new() };
        let mut base = 0;
        for pass in 0..choice.passes.len() {
            let roots = retaining.graph.roots().iter().filter(|root| choice.pass_has(pass, root));
            let frontier = distances.enter(roots.map(|root| root.object), base);
            distances.bases.push(base);
            base = distances.spread(retaining, frontier, base);
        }
        distances
    }

    /// Marks the roots that no earlier pass reached.
    fn enter(&mut self, roots: impl Iterator<Item = ObjectId>, base: u32) -> Vec<ObjectId> {
        let mut frontier = Vec::new();
        for root in roots {
            if self.column[root.index()] == UNREACHED {
                self.column[root.index()] = base;
                frontier.push(root);
            }
        }
        frontier
    }

    /// Searches from `frontier`, whose distance is `base`. Returns the base for the next pass.
    fn spread(&mut self, retaining: &Retaining<'_>, mut frontier: Vec<ObjectId>, base: u32) -> u32 {
        let mut distance = base;
        let mut next = Vec::new();
        let mut reached = 0;
        while !frontier.is_empty() {
            reached += frontier.len() as u64;
            distance += 1;
            for object in frontier.drain(..) {
                for target in retaining.referents(object) {
                    let seen = &mut self.column[target.index()];
                    if *seen == UNREACHED {
                        *seen = distance;
                        next.push(target);
                    }
                }
            }
            std::mem::swap(&mut frontier, &mut next);
        }
        self.reached.push(reached);
        distance.saturating_add(2)
    }

    /// References from the nearest root of the pass that reached the object; `None` where none did.
    pub fn distance(&self, object: ObjectId) -> Option<u32> {
        self.pass(object).map(|pass| self.column[object.index()] - self.bases[pass])
    }

    /// The pass that reached the object: 0 is modules, where all passes are asked.
    pub fn pass(&self, object: ObjectId) -> Option<usize> {
        let value = self.column[object.index()];
        (value != UNREACHED).then(|| self.bases.partition_point(|&base| base <= value) - 1)
    }

    /// Whether the object is a root of its pass.
    pub fn is_root(&self, object: ObjectId) -> bool {
        self.distance(object) == Some(0)
    }

    /// Whether a shortest chain can lead from `referrer` to `object`, given that the former refers to the latter.
    pub fn is_step(&self, referrer: ObjectId, object: ObjectId) -> bool {
        let value = self.column[object.index()];
        value != UNREACHED && self.column[referrer.index()].checked_add(1) == Some(value)
    }

    /// A key that sorts objects so that each comes after all objects of its shortest chains.
    pub fn order(&self, object: ObjectId) -> u32 {
        self.column[object.index()]
    }

    /// How many objects each pass reached.
    pub fn reached(&self) -> &[u64] {
        &self.reached
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
