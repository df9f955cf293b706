//! Ways in which one object is held that share no other object.
//!
//! By Menger's theorem the most such ways are a maximum flow in which each object lets one unit through: each object is
//! split into the side where references come *in* and the side where they go *out*, with one unit between them. Units are
//! found one by one with a breadth-first search from the object backwards (Edmonds and Karp), which may lead a way found
//! earlier elsewhere; a greedy search, which cannot, misses ways that exist.
//!
//! Cost: O(w (n + m)) time for w ways, 4 bytes an object.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::open::OpenReferences;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;

/// Chains from `roots` to `target` that share no object but the target: as many as there are, at most `most`. Root first,
/// target last; the shortest first, then by the addresses of their objects. A target that is a root is held by `[target]` as
/// one of its ways.
///
/// With `most` = 2: fewer than two ways, of a reachable object that is no root, mean that some object is on all its
/// chains; two mean that no object is, so that its immediate dominator is the virtual root.
pub fn disjoint_ways(
    retaining: &Retaining<'_>,
    roots: impl Iterator<Item = ObjectId>,
    target: ObjectId,
    most: usize,
) -> Vec<Vec<ObjectId>> {
    let roots = Marks::of(retaining.graph.object_count(), roots);
    let mut ways: Vec<Vec<ObjectId>> = Vec::new();
    if roots.has(target) {
        ways.push(vec![target]);
    }
    let mut search = Search::new(retaining, &roots, target);
    let wanted = most.saturating_sub(ways.len());
    let found = (0..wanted).take_while(|_| search.add_way()).count();
    if found > 0 {
        ways.extend(search.ways());
    }
    ways.truncate(most);
    let addresses = |way: &[ObjectId]| way.iter().map(|&object| retaining.graph.address(object)).collect::<Vec<u64>>();
    ways.sort_by_cached_key(|way| (way.len(), addresses(way)));
    ways
}

/// `towards` of an object whose outgoing side was not reached.
const NONE: ObjectId = ObjectId(u32::MAX);

struct Search<'a> {
    roots: &'a Marks,
    target: ObjectId,
    open: OpenReferences<'a>,
    /// For each object on a way, the next one.
    next: FxHashMap<ObjectId, ObjectId>,
    /// For each object on a way but its root, the one before.
    previous: FxHashMap<ObjectId, ObjectId>,
    /// n entries: for an object whose outgoing side was reached, the object whose incoming side is next on the way to the
    /// target; the object itself where its own unit is taken back.
    towards: Vec<ObjectId>,
    /// The objects that have an entry in `towards`.
    visited: Vec<ObjectId>,
    /// Objects on a way whose incoming side was reached.
    entered: FxHashSet<ObjectId>,
}

impl<'a> Search<'a> {
    fn new(retaining: &Retaining<'a>, roots: &'a Marks, target: ObjectId) -> Self {
        Self {
            roots,
            target,
            open: OpenReferences::new(retaining),
            next: FxHashMap::default(),
            previous: FxHashMap::default(),
            towards: vec![NONE; retaining.graph.object_count()],
            visited: Vec::new(),
            entered: FxHashSet::default(),
        }
    }

    /// Finds one more way, leading known ones elsewhere where needed; whether there is one.
    fn add_way(&mut self) -> bool {
        let root = self.find_root();
        if let Some(root) = root {
            self.augment(root);
        }
        root.is_some()
    }

    /// Searches backwards from the target over incoming sides, to a root whose incoming side is reached.
    fn find_root(&mut self) -> Option<ObjectId> {
        for object in self.visited.drain(..) {
            self.towards[object.index()] = NONE;
        }
        self.entered.clear();
        let mut queue = VecDeque::from([self.target]);
        while let Some(object) = queue.pop_front() {
            if object != self.target && self.roots.has(object) {
                return Some(object);
            }
            let is_new = |holder: ObjectId| holder != self.target && self.towards[holder.index()] == NONE;
            let holders: Vec<ObjectId> = self.open.holders(object, is_new);
            for holder in holders {
                self.reach(holder, object, &mut queue);
            }
            // what reached the incoming side of an object on a way can take back the unit inside
            if self.next.contains_key(&object) && self.towards[object.index()] == NONE {
                self.reach(object, object, &mut queue);
            }
        }
        None
    }

    /// Reaches the outgoing side of `object`, and from there an incoming side: its own where no way goes through it, else
    /// that of the next object on the way, whose unit from here can be taken back.
    fn reach(&mut self, object: ObjectId, towards: ObjectId, queue: &mut VecDeque<ObjectId>) {
        self.towards[object.index()] = towards;
        self.visited.push(object);
        match self.next.get(&object) {
            None => queue.push_back(object),
            Some(&next) if next != self.target && self.entered.insert(next) => queue.push_back(next),
            Some(_) => {}
        }
    }

    /// Follows the search from `root` to the target: references are added to ways, those that it goes back over are taken.
    fn augment(&mut self, root: ObjectId) {
        let mut added = Vec::new();
        let mut taken = Vec::new();
        let mut at = root;
        while at != self.target {
            let mut out = at;
            if self.next.contains_key(&at) {
                // its incoming side is left against the unit that comes in
                let Some(&previous) = self.previous.get(&at) else { return };
                taken.push((previous, at));
                out = previous;
            }
            let towards = self.towards[out.index()];
            if towards != out {
                added.push((out, towards));
            }
            at = towards;
        }
        for (holder, object) in taken {
            self.next.remove(&holder);
            self.previous.remove(&object);
        }
        for (holder, object) in added {
            self.next.insert(holder, object);
            if object != self.target {
                self.previous.insert(object, holder);
            }
        }
    }

    /// The ways from their roots on.
    fn ways(&self) -> Vec<Vec<ObjectId>> {
        let starts = self.next.keys().filter(|object| !self.previous.contains_key(object));
        let follow = |&start: &ObjectId| std::iter::successors(Some(start), |object| self.next.get(object).copied());
        starts.map(|start| follow(start).collect()).collect()
    }
}
