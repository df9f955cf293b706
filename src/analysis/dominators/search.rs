//! Numbers the core of the heap depth first.
//!
//! The core is what has references that count: 40 to 55 % of the objects of a Python heap. The others, the leaves, dominate
//! nothing, and nothing is reached through them.

use petgraph::visit::{VisitMap, Visitable};

use super::number;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;
use crate::graph::petgraph::Visited;

/// The core objects that roots reach, numbered in the order in which a depth-first search enters them: c − 1 of them, from
/// 1 on. Number 0 is the virtual root, which refers to all roots.
#[derive(Debug)]
pub(super) struct DepthFirst {
    /// Number of each object, n entries; 0 for leaves and for what no root reaches.
    pub(super) numbers: Vec<u32>,
    /// Object of each number, c entries; the first has no meaning.
    pub(super) objects: Vec<ObjectId>,
    /// Number from which each number was entered, c entries; always a smaller one.
    pub(super) parents: Vec<u32>,
}

/// An object whose references have been followed in part.
#[derive(Debug, Clone, Copy)]
struct Frame {
    number: u32,
    /// How many of its references have been followed.
    followed: u32,
}

/// Searches from `roots`, in their order, along references in dump order. O(n + m).
pub(super) fn search(retaining: &Retaining<'_>, roots: &[ObjectId]) -> DepthFirst {
    let mut found = DepthFirst {
        numbers: vec![0; retaining.graph.object_count()],
        objects: vec![ObjectId(u32::MAX)],
        parents: vec![0],
    };
    let mut closed = leaves(retaining);
    let mut path = Vec::new();
    for &root in roots {
        if closed.visit(root) {
            path.push(found.enter(root, 0));
            found.descend(retaining, &mut closed, &mut path);
        }
    }
    found
}

/// The objects without references that count.
fn leaves(retaining: &Retaining<'_>) -> Visited {
    let mut leaves = retaining.graph.visit_map();
    for object in retaining.graph.objects() {
        if retaining.referents(object).next().is_none() {
            leaves.visit(object);
        }
    }
    leaves
}

impl DepthFirst {
    /// Gives `object` the next number.
    fn enter(&mut self, object: ObjectId, parent: u32) -> Frame {
        let number = number(self.objects.len());
        self.numbers[object.index()] = number;
        self.objects.push(object);
        self.parents.push(parent);
        Frame { number, followed: 0 }
    }

    /// Enters everything below the objects of `path` that is not yet closed.
    ///
    /// A frame leaves the path with its last reference, so that the path along a linked list stays short.
    fn descend(&mut self, retaining: &Retaining<'_>, closed: &mut Visited, path: &mut Vec<Frame>) {
        let forward = retaining.graph.forward();
        while let Some(Frame { number: parent, followed }) = path.pop() {
            let references = forward.range(self.objects[parent as usize]);
            let mut rest = references.start + followed as usize..references.end;
            let open = rest.find(|&position| {
                let target = forward.target(position);
                !closed.is_visited(&target) && retaining.counts(position) && closed.visit(target)
            });
            let Some(position) = open else { continue };
            if !rest.is_empty() {
                path.push(Frame { number: parent, followed: number(rest.start - references.start) });
            }
            path.push(self.enter(forward.target(position), parent));
        }
    }
}
