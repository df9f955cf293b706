//! Which objects keep each object alive all by themselves, and how much memory goes with each?
//!
//! A *virtual root* refers to all roots. Object a *dominates* b when every path from the virtual root to b leads through a;
//! the nearest such a is b's *immediate dominator*: the objects that an object dominates are what goes when it goes, its
//! *retained set*. What dominates each object forms a chain, so immediate dominators form a tree below the virtual root.
//!
//! SEMI-NCA (Georgiadis, Tarjan and Werneck, "Finding Dominators in Practice", JGAA 10, 2006) on the objects that refer to
//! anything; the others, about half of a Python heap, get the nearest common dominator of their referrers, in parallel. With
//! jump pointers (Myers, "An applicative random-access stack", 1983) no heap is quadratic: O(m log n) time. Nothing recurses:
//! a list of ten million objects is a normal heap. The result has 24 bytes an object; while it runs, 22 to 37
//! more, the fewer the more objects are leaves.
//!
//! Rejected: Cooper, Harvey and Kennedy's iteration (`petgraph::algo::dominators::simple_fast`), which is quadratic on linked
//! lists that are held at both ends. The result is unique, so it does not depend on the number of threads.

mod layout;
mod search;
mod semidominators;
mod set;
mod tree;

pub use set::{SetSize, retained_by_set};

use petgraph::visit::{VisitMap, Visitable};
use rayon::prelude::*;

use super::retaining::Retaining;
use crate::graph::ObjectId;
use crate::graph::petgraph::Visited;
use search::DepthFirst;
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
    /// Row of each object, n entries; 0, which is the virtual root's, for what no root reaches.
    positions: Vec<u32>,
    /// Object of each row, r + 1 entries, the first of which has no meaning. So have the columns that follow.
    objects: Vec<ObjectId>,
    /// Row of the immediate dominator of each row; 0 for row 0.
    dominators: Vec<u32>,
    /// How many rows the subtree of each row takes, itself included.
    counts: Vec<u32>,
    /// Bytes of each subtree; `u64::MAX` for more.
    retained: Vec<u64>,
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
    let mut marks = retaining.graph.visit_map();
    roots.iter().for_each(|&root| _ = marks.visit(root));
    let mut search = search::search(retaining, &roots);
    let semidominators = semidominators::semidominators(retaining, &search, &marks);
    let tree = Tree::new(&std::mem::take(&mut search.parents), &semidominators);
    drop(semidominators);
    let numbers = dominators_of_all(retaining, &search, &tree, &marks);
    let layout = layout::lay_out(search, &tree, &numbers);
    drop((tree, numbers));
    let dominators = layout.dominators();
    let retained = layout.retained_sizes(retaining.graph, &dominators);
    Dominators { positions: layout.positions, objects: layout.objects, dominators, counts: layout.counts, retained }
}

/// The number of each object's immediate dominator, n entries: from the tree for the core, found here for leaves.
fn dominators_of_all(retaining: &Retaining<'_>, search: &DepthFirst, tree: &Tree, roots: &Visited) -> Vec<u32> {
    let dominator = |row: usize| match search.numbers[row] {
        0 => dominator_of_leaf(retaining, search, tree, roots, ObjectId::at(row)),
        number => tree.dominator(number),
    };
    (0..retaining.graph.object_count()).into_par_iter().map(dominator).collect()
}

/// The nearest common dominator of all referrers. A constant with millions of them soon is the virtual root's.
fn dominator_of_leaf(
    retaining: &Retaining<'_>,
    search: &DepthFirst,
    tree: &Tree,
    roots: &Visited,
    leaf: ObjectId,
) -> u32 {
    if roots.is_visited(&leaf) {
        return 0;
    }
    let mut nearest = UNREACHED;
    for referrer in retaining.referrers(leaf) {
        match search.numbers[referrer.index()] {
            0 => {}
            number if nearest == UNREACHED => nearest = number,
            number => nearest = tree.nearest_common(nearest, number),
        }
        if nearest == 0 {
            break;
        }
    }
    nearest
}

/// A row or a number of an object. There are fewer than 2³² of either.
fn number(index: usize) -> u32 {
    debug_assert!(u32::try_from(index).is_ok());
    #[expect(clippy::cast_possible_truncation, reason = "the graph has at most 2³² − 2 objects")]
    let number = index as u32;
    number
}

impl Dominators {
    /// Whether any root reaches the object.
    pub fn is_reachable(&self, object: ObjectId) -> bool {
        self.row(object).is_some()
    }

    /// The nearest object that dominates `object`, other than itself; `None` when no root reaches it.
    pub fn immediate_dominator(&self, object: ObjectId) -> Option<Holder> {
        Some(self.holder(self.dominators[self.row(object)?]))
    }

    /// Bytes that go when the object goes, its own and what they hold outside the heap included; `u64::MAX` for more than
    /// that, 0 when no root reaches it.
    pub fn retained_size(&self, object: ObjectId) -> u64 {
        self.row(object).map_or(0, |row| self.retained[row])
    }

    /// How many objects go when the object goes, itself included; 0 when no root reaches it.
    pub fn retained_count(&self, object: ObjectId) -> u64 {
        self.row(object).map_or(0, |row| u64::from(self.counts[row]))
    }

    /// Whether every path from the virtual root to `below` leads through `above`. An object that is reached dominates
    /// itself; what is not reached neither dominates nor is dominated. O(1).
    pub fn dominates(&self, above: ObjectId, below: ObjectId) -> bool {
        let (Some(above), Some(below)) = (self.row(above), self.row(below)) else { return false };
        (above..above + self.counts[above] as usize).contains(&below)
    }

    /// How many objects the roots reach.
    pub fn reachable_count(&self) -> u64 {
        u64::from(self.counts[0]) - 1
    }

    /// Bytes of all objects that the roots reach; `u64::MAX` for more than that.
    pub fn reachable_size(&self) -> u64 {
        self.retained[0]
    }

    /// The objects whose immediate dominator is `holder`, in dump order.
    pub fn children(&self, holder: Holder) -> impl Iterator<Item = ObjectId> + '_ {
        let row = match holder {
            Holder::Root => Some(0),
            Holder::Object(object) => self.row(object),
        };
        let rows = row.map_or(0..0, |row| row + 1..row + self.counts[row] as usize);
        let first = Some(rows.start).filter(|_| !rows.is_empty());
        let children = std::iter::successors(first, move |&row| {
            Some(row + self.counts[row] as usize).filter(|next| rows.contains(next))
        });
        children.map(|row| self.objects[row])
    }

    /// The objects that dominate `object`, itself left out, from the nearest upwards; none when no root reaches it.
    pub fn dominators_of(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let above = |row: usize| Some(self.dominators[row] as usize).filter(|&row| row != 0);
        let nearest = self.row(object).and_then(above);
        std::iter::successors(nearest, move |&row| above(row)).map(|row| self.objects[row])
    }

    /// What goes when the object goes, itself first, in the order of [`Dominators::top_down`]; nothing when no root reaches
    /// it.
    pub fn retained_set(&self, object: ObjectId) -> impl ExactSizeIterator<Item = ObjectId> + '_ {
        let rows = self.row(object).map_or(0..0, |row| row..row + self.counts[row] as usize);
        self.objects[rows].iter().copied()
    }

    /// All objects that the roots reach, each after its immediate dominator and followed by what it dominates; siblings in
    /// dump order.
    pub fn top_down(&self) -> impl ExactSizeIterator<Item = ObjectId> + DoubleEndedIterator + '_ {
        self.objects[1..].iter().copied()
    }

    /// The row of an object that is reached.
    fn row(&self, object: ObjectId) -> Option<usize> {
        Some(self.positions[object.index()] as usize).filter(|&row| row != 0)
    }

    fn holder(&self, row: u32) -> Holder {
        if row == 0 { Holder::Root } else { Holder::Object(self.objects[row as usize]) }
    }
}
