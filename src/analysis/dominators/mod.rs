//! Which objects keep each object alive all by themselves, and how much memory goes with each?
//!
//! A *virtual root* refers to all roots. Object a *dominates* b when every path from the virtual root to b leads through a;
//! the nearest such a is b's *immediate dominator*: the objects that an object dominates are what goes when it goes, its
//! *retained set*. What dominates each object forms a chain, so immediate dominators form a tree below the virtual root.
//!
//! SEMI-NCA (Georgiadis, Tarjan and Werneck, "Finding Dominators in Practice", JGAA 10, 2006) on the objects that refer to
//! anything; the others, about half of a Python heap, get the nearest common dominator of their referrers, in parallel and
//! each in the time of its references, however deep the tree is. With jump pointers (Myers, "An applicative random-access
//! stack", 1983) no heap is quadratic: O(m log n) time. Nothing recurses: a list of ten million objects is a normal heap.
//! The result has up to 20 bytes an object. Where half of the objects are leaves no more than that is held while it is
//! found; up to twice as much where none are and many references lead back.
//!
//! Rejected: Cooper, Harvey and Kennedy's iteration (`petgraph::algo::dominators::simple_fast`), which is quadratic on linked
//! lists that are held at both ends. The result is unique, so it does not depend on the number of threads.

mod layout;
mod leaves;
mod search;
mod semidominators;
mod set;
mod sizes;
mod tree;

pub use set::{SetSize, retained_by_set, retained_together};

use super::distances::{Distances, RootChoice};
use super::marks::Marks;
use super::retaining::Retaining;
use crate::graph::column::Column;
use crate::graph::{ObjectId, Sizes};
use tree::Tree;

/// What has no dominator: no root reaches it.
const UNREACHED: u32 = u32::MAX;

/// An immediate dominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The virtual root: no single object retains it, or it is a root itself.
    Root,
    /// An object.
    Object(ObjectId),
}

/// The dominator tree of what roots reach: r of n objects.
///
/// It is kept in preorder, siblings in dump order: the retained set of an object is a range of rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Dominators {
    columns: DominatorColumns,
}

/// What [`Dominators`] are made of, to be written to a file and read again. Columns by row have r + 1 entries; row 0 is the
/// virtual root's.
#[derive(Debug, PartialEq, Eq)]
pub struct DominatorColumns {
    /// Row of each object, n entries; 0 for what no root reaches.
    pub positions: Column<u32>,
    /// Object of each row; the first has no meaning.
    pub objects: Column<u32>,
    /// Row of the immediate dominator of each row, a smaller one; 0 for row 0.
    pub dominators: Column<u32>,
    /// How many rows the subtree of each row takes, itself included.
    pub counts: Sizes,
    /// Bytes of each subtree; `u64::MAX` for more.
    pub retained: Sizes,
}

/// Immediate dominators of everything that `roots` reach over the references of `retaining`, and retained sizes.
///
/// A root may be named several times. That other objects refer to a root does not matter: its holder is the virtual root.
///
/// ```
/// use retainers::analysis::dominators::{Holder, dominators};
/// use retainers::analysis::retaining::Retaining;
/// use retainers::progress::Progress;
/// use retainers::source::Source;
///
/// let dump = r#"{"address": 16, "type": "module", "size": 72, "name": "app", "refs": [32, 48]}
/// {"address": 32, "type": "dict", "size": 64, "refs": [64]}
/// {"address": 48, "type": "list", "size": 56, "refs": [64]}
/// {"address": 64, "type": "Session", "size": 40, "refs": [80]}
/// {"address": 80, "type": "str", "size": 50, "refs": []}
/// "#;
/// let progress = Progress::default();
/// let graph = retainers::format::read(Source::from_bytes("a dump", dump.into(), &progress), &progress)?.graph;
/// let tree = dominators(&Retaining::all(&graph), graph.roots().iter().map(|root| root.object));
/// let object = |address| graph.object_at(address).expect("in the dump");
/// // neither the dict nor the list alone retains the session: the module does
/// assert_eq!(tree.immediate_dominator(object(64)), Some(Holder::Object(object(16))));
/// assert_eq!(tree.immediate_dominator(object(16)), Some(Holder::Root));
/// assert_eq!(tree.retained_size(object(64)), 90);
/// assert_eq!(tree.retained_count(object(32)), 1);
/// # Ok::<(), retainers::error::Error>(())
/// ```
pub fn dominators(retaining: &Retaining<'_>, roots: impl Iterator<Item = ObjectId>) -> Dominators {
    let roots: Vec<ObjectId> = roots.collect();
    solve(retaining, &roots, &retaining.leaves())
}

/// Distances and dominators of the same roots, on two threads at once where there are two.
pub fn distances_and_dominators(retaining: &Retaining<'_>, choice: &RootChoice) -> (Distances, Dominators) {
    let roots: Vec<ObjectId> = choice.roots(retaining.graph).collect();
    let leaves = retaining.leaves();
    rayon::join(|| Distances::search_around(retaining, choice, &leaves), || solve(retaining, &roots, &leaves))
}

fn solve(retaining: &Retaining<'_>, roots: &[ObjectId], leaves: &Marks) -> Dominators {
    let mut search = search::search(retaining, roots, leaves);
    let roots = Marks::of(retaining.graph.object_count(), roots.iter().copied());
    semidominators::find_semidominators(retaining, &mut search, &roots);
    let tree = Tree::new(search);
    let holders = leaves::holders(retaining, &tree, &roots);
    let layout::Layout { positions, objects, dominators, counts } = layout::lay_out(tree, holders);
    let counts = counts.into();
    let retained = sizes::retained_sizes(retaining.graph, &objects, &dominators);
    Dominators { columns: DominatorColumns { positions, objects, dominators, counts, retained } }
}

/// A row or a number of an object. There are fewer than 2³² of either.
fn number(index: usize) -> u32 {
    debug_assert!(u32::try_from(index).is_ok());
    #[expect(clippy::cast_possible_truncation, reason = "the graph has at most 2³² − 2 objects")]
    let number = index as u32;
    number
}

impl Dominators {
    /// The parts of which the tree is made.
    pub fn columns(&self) -> &DominatorColumns {
        &self.columns
    }

    /// The tree of parts that [`Dominators::columns`] gave. They are believed: whoever read them from a file has checked
    /// that rows and objects are in range, and that each row comes after its dominator and in its subtree.
    pub fn from_columns(columns: DominatorColumns) -> Self {
        Self { columns }
    }

    /// Whether any root reaches the object.
    pub fn is_reachable(&self, object: ObjectId) -> bool {
        self.row(object).is_some()
    }

    /// The nearest object that dominates `object`, other than itself; `None` when no root reaches it.
    pub fn immediate_dominator(&self, object: ObjectId) -> Option<Holder> {
        Some(self.holder(self.columns.dominators.get(self.row(object)?)))
    }

    /// Bytes that go when the object goes, its own and what they hold outside the heap included; `u64::MAX` for more than
    /// that, 0 when no root reaches it.
    pub fn retained_size(&self, object: ObjectId) -> u64 {
        self.row(object).map_or(0, |row| self.columns.retained.get(row))
    }

    /// How many objects go when the object goes, itself included; 0 when no root reaches it.
    pub fn retained_count(&self, object: ObjectId) -> u64 {
        self.row(object).map_or(0, |row| self.columns.counts.get(row))
    }

    /// Whether every path from the virtual root to `below` leads through `above`. An object that is reached dominates
    /// itself; what is not reached neither dominates nor is dominated. O(1).
    pub fn dominates(&self, above: ObjectId, below: ObjectId) -> bool {
        let (Some(above), Some(below)) = (self.row(above), self.row(below)) else { return false };
        (above..above + self.count(above)).contains(&below)
    }

    /// How many objects the roots reach.
    pub fn reachable_count(&self) -> u64 {
        self.columns.counts.get(0) - 1
    }

    /// Bytes of all objects that the roots reach; `u64::MAX` for more than that.
    pub fn reachable_size(&self) -> u64 {
        self.columns.retained.get(0)
    }

    /// The objects whose immediate dominator is `holder`, in dump order.
    pub fn children(&self, holder: Holder) -> impl Iterator<Item = ObjectId> + '_ {
        let row = match holder {
            Holder::Root => Some(0),
            Holder::Object(object) => self.row(object),
        };
        let rows = row.map_or(0..0, |row| row + 1..row + self.count(row));
        let first = Some(rows.start).filter(|_| !rows.is_empty());
        let children =
            std::iter::successors(first, move |&row| Some(row + self.count(row)).filter(|next| rows.contains(next)));
        children.map(|row| self.object(row))
    }

    /// The objects that dominate `object`, itself left out, from the nearest upwards; none when no root reaches it.
    pub fn dominators_of(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let above = |row: usize| Some(self.columns.dominators.get(row) as usize).filter(|&row| row != 0);
        let nearest = self.row(object).and_then(above);
        std::iter::successors(nearest, move |&row| above(row)).map(|row| self.object(row))
    }

    /// What goes when the object goes, itself first, in the order of [`Dominators::top_down`]; nothing when no root reaches
    /// it.
    pub fn retained_set(&self, object: ObjectId) -> impl ExactSizeIterator<Item = ObjectId> + '_ {
        let rows = self.row(object).map_or(0..0, |row| row..row + self.count(row));
        self.columns.objects.range(rows).iter().copied().map(ObjectId)
    }

    /// All objects that the roots reach, each after its immediate dominator and followed by what it dominates; siblings in
    /// dump order.
    pub fn top_down(&self) -> impl ExactSizeIterator<Item = ObjectId> + DoubleEndedIterator + '_ {
        self.columns.objects[1..].iter().copied().map(ObjectId)
    }

    /// Those of `set` that roots reach and that no other of them dominates, each once, in the order of
    /// [`Dominators::top_down`].
    fn topmost(&self, set: &[ObjectId]) -> Vec<ObjectId> {
        let mut rows: Vec<usize> = set.iter().filter_map(|&object| self.row(object)).collect();
        rows.sort_unstable();
        let mut end = 0;
        rows.retain(|&row| {
            let is_topmost = row >= end;
            end = end.max(row + self.count(row));
            is_topmost
        });
        rows.into_iter().map(|row| self.object(row)).collect()
    }

    /// The row of an object that is reached.
    fn row(&self, object: ObjectId) -> Option<usize> {
        Some(self.columns.positions.get(object.index()) as usize).filter(|&row| row != 0)
    }

    /// How many rows the subtree of a row takes.
    #[inline]
    fn count(&self, row: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "fewer than 2³² rows")]
        let count = self.columns.counts.get(row) as usize;
        count
    }

    /// The object of a row.
    #[inline]
    fn object(&self, row: usize) -> ObjectId {
        let object = ObjectId(self.columns.objects.get(row));
        // otherwise ways down the tree might not end
        self.columns.objects.fits(|| self.row(object) == Some(row));
        object
    }

    fn holder(&self, row: u32) -> Holder {
        if row == 0 { Holder::Root } else { Holder::Object(self.object(row as usize)) }
    }
}
