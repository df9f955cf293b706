//! Which objects are on a cycle of references?
//!
//! An object is on a cycle when it leads to itself: its strongly connected component has several members, or it refers to
//! itself. Tarjan's algorithm ("Depth-first search and linear graph algorithms", SIAM Journal on Computing 1, 1972) with a
//! stack of its own: O(n + m) time, 8 bytes an object. `petgraph::algo::tarjan_scc` recurses, and a list of ten million
//! objects is a normal heap.

use petgraph::visit::{VisitMap, Visitable};

use super::retaining::Retaining;
use crate::graph::ObjectId;
use crate::graph::petgraph::Visited;

/// No number yet; numbers start at 1.
const NEW: u32 = 0;
/// Lowest number of an object whose component is complete.
const DONE: u32 = u32::MAX;

/// The objects of `within` that are on a cycle. Nothing in `within` may refer to an object outside that leads back.
pub fn on_cycles(retaining: &Retaining<'_>, within: impl Fn(ObjectId) -> bool) -> Visited {
    let graph = retaining.graph;
    let mut search = Search {
        numbers: vec![NEW; graph.object_count()],
        lowest: vec![NEW; graph.object_count()],
        found: 0,
        open: Vec::new(),
        path: Vec::new(),
        cyclic: graph.visit_map(),
    };
    for object in graph.objects().filter(|&object| within(object)) {
        search.search_from(retaining, &within, object);
    }
    search.cyclic
}

struct Search {
    /// Order of discovery, n entries.
    numbers: Vec<u32>,
    /// Smallest number that an object's subtree refers back to, n entries.
    lowest: Vec<u32>,
    /// Objects found so far.
    found: u32,
    /// Found objects whose component is not complete.
    open: Vec<ObjectId>,
    /// The path of the depth-first search, with the position of the next reference to follow.
    path: Vec<(ObjectId, usize)>,
    cyclic: Visited,
}

impl Search {
    fn search_from(&mut self, retaining: &Retaining<'_>, within: &impl Fn(ObjectId) -> bool, start: ObjectId) {
        let forward = retaining.graph.forward();
        if self.numbers[start.index()] == NEW {
            self.enter(start, forward.range(start).start);
        }
        while let Some((object, position)) = self.path.last_mut() {
            let object = *object;
            if *position == forward.range(object).end {
                self.leave(object);
                continue;
            }
            let reference = *position;
            *position += 1;
            let target = forward.target(reference);
            if retaining.counts(reference) && within(target) {
                self.follow(object, target, forward.range(target).start);
            }
        }
    }

    fn enter(&mut self, object: ObjectId, first: usize) {
        self.found += 1;
        self.numbers[object.index()] = self.found;
        self.lowest[object.index()] = self.found;
        self.open.push(object);
        self.path.push((object, first));
    }

    fn follow(&mut self, object: ObjectId, target: ObjectId, first: usize) {
        if object == target {
            self.cyclic.visit(object);
        } else if self.numbers[target.index()] == NEW {
            self.enter(target, first);
        } else if self.lowest[target.index()] != DONE {
            self.lower(object, self.numbers[target.index()]);
        }
    }

    fn lower(&mut self, object: ObjectId, number: u32) {
        let lowest = &mut self.lowest[object.index()];
        *lowest = number.min(*lowest);
    }

    /// The object has no more references to follow: its component is complete when nothing in it refers further back.
    fn leave(&mut self, object: ObjectId) {
        self.path.pop();
        let lowest = self.lowest[object.index()];
        if let Some(&(before, _)) = self.path.last() {
            self.lower(before, lowest);
        }
        if lowest == self.numbers[object.index()] {
            self.complete(object);
        }
    }

    fn complete(&mut self, first: ObjectId) {
        let is_alone = self.open.last() == Some(&first);
        while let Some(member) = self.open.pop() {
            self.lowest[member.index()] = DONE;
            if !is_alone {
                self.cyclic.visit(member);
            }
            if member == first {
                return;
            }
        }
    }
}
