//! Numbers the core of the heap depth first.
//!
//! The core is what has references that count: 40 to 55 % of the objects of a Python heap. The others, the leaves, dominate
//! nothing, and nothing is reached through them.

use super::number;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::{References, Retaining};
use crate::graph::ObjectId;
use crate::graph::column::Column;

/// The core objects that roots reach, numbered in the order in which a depth-first search enters them: c − 1 of them, from
/// 1 on. Number 0 is the virtual root, which refers to all roots.
#[derive(Debug)]
pub(super) struct DepthFirst {
    /// Number of each object, n entries; 0 for leaves and for what no root reaches.
    pub(super) numbers: Column<u32>,
    /// Object of each number, c entries; the first has no meaning.
    pub(super) objects: Column<u32>,
    /// Number from which each number was entered, which is a smaller one; twice, the second as a bound for the number's
    /// semidominator. c entries.
    pub(super) parents: Column<[u32; 2]>,
    /// At least c pairs without meaning, to be used again.
    pub(super) spare: Column<[u32; 2]>,
}

/// Searches from `roots`, in their order, along references in dump order. O(n + m) time; beside the result, at most 8 bytes
/// an object of the core, for the longest path.
pub(super) fn search(retaining: &Retaining<'_>, roots: &[ObjectId], leaves: &Marks) -> DepthFirst {
    let count = retaining.graph.object_count();
    match retaining.plain() {
        Some(references) => search_along(&references.rows(), count, roots, leaves),
        None => search_along(retaining, count, roots, leaves),
    }
}

fn search_along(references: &impl References, count: usize, roots: &[ObjectId], leaves: &Marks) -> DepthFirst {
    let most = count - leaves.len() + 1;
    let mut numbers = Column::zeroed(count);
    let mut objects = Column::zeroed(most);
    let mut parents = Column::zeroed(most);
    let mut path = Column::zeroed(most);
    let mut search = Search {
        references,
        closed: leaves.clone(),
        numbers: &mut numbers,
        objects: &mut objects,
        parents: &mut parents,
        path: &mut path,
        last: 0,
    };
    roots.iter().for_each(|&root| search.descend(root));
    let entered = search.last as usize + 1;
    objects.truncate(entered);
    parents.truncate(entered);
    DepthFirst { numbers, objects, parents, spare: path }
}

struct Search<'a, R> {
    references: &'a R,
    /// Leaves, and what has a number.
    closed: Marks,
    numbers: &'a mut [u32],
    objects: &'a mut [u32],
    parents: &'a mut [[u32; 2]],
    /// Numbers whose references have been followed in part, and how many of them have.
    path: &'a mut [[u32; 2]],
    /// The last number that was given.
    last: u32,
}

impl<R: References> Search<'_, R> {
    /// Enters a root and everything below it that is not yet closed.
    ///
    /// A number leaves the path with its last reference, so that the path along a linked list stays short.
    fn descend(&mut self, root: ObjectId) {
        if !self.closed.insert(root) {
            return;
        }
        let (mut object, mut number, mut followed) = (root, self.enter(root, 0), 0);
        let mut depth = 0;
        loop {
            if let Some((target, after, is_last)) = self.next_open(object, followed) {
                if !is_last {
                    self.path[depth] = [number, after];
                    depth += 1;
                }
                (object, number, followed) = (target, self.enter(target, number), 0);
            } else if depth == 0 {
                return;
            } else {
                depth -= 1;
                [number, followed] = self.path[depth];
                object = ObjectId(self.objects[number as usize]);
            }
        }
    }

    /// Closes the next open object to which `object` refers, of whose references some have been followed. Returns it, how
    /// many have been followed then, and whether they were all.
    #[inline]
    fn next_open(&mut self, object: ObjectId, followed: u32) -> Option<(ObjectId, u32, bool)> {
        let rest = self.references.row(object).get(followed as usize..)?;
        let counts = |place: usize| self.references.counts(object, followed as usize + place);
        let is_open = |(place, &target): (usize, &u32)| !self.closed.has(ObjectId(target)) && counts(place);
        let place = rest.iter().enumerate().position(is_open)?;
        let target = ObjectId(rest[place]);
        self.closed.insert(target);
        Some((target, followed + number(place) + 1, place + 1 == rest.len()))
    }

    /// Gives `object` the next number.
    #[inline]
    fn enter(&mut self, object: ObjectId, parent: u32) -> u32 {
        self.last += 1;
        self.numbers[object.index()] = self.last;
        self.objects[self.last as usize] = object.0;
        self.parents[self.last as usize] = [parent; 2];
        self.last
    }
}
