//! How much memory would go if a whole set of objects went?

use std::ops::Range;

use super::Dominators;
use crate::analysis::distances::Distances;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;

/// What a set of objects keeps alive, its reachable members included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SetSize {
    /// How many objects.
    pub objects: u64,
    /// Their shallow sizes, bytes.
    pub shallow: u64,
    /// What they hold outside the heap, bytes.
    pub external: u64,
}

impl SetSize {
    fn add(&mut self, retaining: &Retaining<'_>, object: ObjectId) {
        self.objects += 1;
        self.shallow = self.shallow.saturating_add(retaining.graph.shallow_size(object));
        self.external = self.external.saturating_add(retaining.graph.external_size(object));
    }
}

/// What no longer is reachable from `roots` once all objects of `set` are gone, everything counted once.
///
/// More than the sum of what each retains, where members share what only they hold; less, where one retains another.
/// The dominator tree does not know it. Two searches that share their marks, each object is entered once: O(n + m) time,
/// n / 4 bytes of marks. Where distances and dominators are known, [`retained_together`] is faster.
pub fn retained_by_set(retaining: &Retaining<'_>, roots: impl Iterator<Item = ObjectId>, set: &[ObjectId]) -> SetSize {
    let count = retaining.graph.object_count();
    let members = Marks::of(count, set.iter().copied());
    let mut seen = Marks::of(count, std::iter::empty());
    // members are seen but not entered
    let mut touched = Vec::new();
    let mut open = Vec::new();
    let mut reach = |target: ObjectId, open: &mut Vec<ObjectId>| {
        if seen.insert(target) {
            if members.has(target) { touched.push(target) } else { open.push(target) }
        }
    };
    roots.for_each(|root| reach(root, &mut open));
    while let Some(object) = open.pop() {
        retaining.for_each_referent(object, |target| reach(target, &mut open));
    }
    everything_below(retaining, touched, &mut seen)
}

/// The objects of `open`, and all that they reach that has not been seen.
fn everything_below(retaining: &Retaining<'_>, mut open: Vec<ObjectId>, seen: &mut Marks) -> SetSize {
    let mut size = SetSize::default();
    while let Some(object) = open.pop() {
        size.add(retaining, object);
        retaining.for_each_referent(object, |target| {
            if seen.insert(target) {
                open.push(target);
            }
        });
    }
    size
}

/// The same as [`retained_by_set`] from `distances` and `dominators`, which are those of the same references and roots.
///
/// What the members dominate goes with them. What that refers to is alive if a path leads back from it to a root and avoids
/// what goes: the search follows the referrer with the smallest distance first, so that it mostly walks straight to a root
/// or to what is known to be alive. What it visited without getting there goes as well. The time is that of the retained
/// objects, their references and the walks; beyond a sixteenth of the objects these are given up for the two searches.
/// Either way the result is exact.
pub fn retained_together(
    retaining: &Retaining<'_>,
    (distances, dominators): (&Distances, &Dominators),
    roots: impl Iterator<Item = ObjectId> + Clone,
    set: &[ObjectId],
) -> SetSize {
    let count = retaining.graph.object_count();
    let none = || Marks::of(count, std::iter::empty());
    let mut region = Region {
        retaining,
        distances,
        roots: Marks::of(count, roots.clone()),
        inside: none(),
        alive: none(),
        seen: none(),
        open: Vec::new(),
        visited: Vec::new(),
        path: Vec::new(),
        size: SetSize::default(),
        steps: count / STEPS_SHARE + FEWEST_STEPS,
    };
    region.grow(dominators, set).unwrap_or_else(|| retained_by_set(retaining, roots, set))
}

/// Of the objects of a heap, how many referrers are looked at before the search from the roots is cheaper.
const STEPS_SHARE: usize = 16;
/// Referrers that are looked at in any heap.
const FEWEST_STEPS: usize = 1 << 12;
/// Referrers among which the one with the smallest distance is followed first.
const CHOICE: usize = 16;

/// What goes with a set, while it grows.
struct Region<'a> {
    retaining: &'a Retaining<'a>,
    distances: &'a Distances,
    roots: Marks,
    /// What goes.
    inside: Marks,
    /// What is known to stay.
    alive: Marks,
    /// What a search backwards has visited: between searches, it is inside or alive.
    seen: Marks,
    /// What goes and whose references have not been followed, beside what the members dominate.
    open: Vec<ObjectId>,
    /// Room for what a search backwards visits, and for its way.
    visited: Vec<ObjectId>,
    path: Vec<Step>,
    /// Of what is inside.
    size: SetSize,
    /// How many more referrers may be looked at.
    steps: usize,
}

/// An object on the way back to a root, and the references to it.
struct Step {
    object: ObjectId,
    /// Their positions in [`HeapGraph::reverse`](crate::graph::HeapGraph::reverse). Of a constant's millions only a few are
    /// looked at, and an index has only those checked.
    positions: Range<usize>,
    /// How many of them have been looked at one by one; `None` before the nearest was chosen.
    followed: Option<usize>,
}

/// Where a search backwards goes on.
enum Next {
    /// To what is known to be alive.
    Alive,
    Referrer(ObjectId),
    /// From here, nowhere.
    Back,
}

impl<'a> Region<'a> {
    /// `None` when it takes too long.
    fn grow(&mut self, dominators: &Dominators, set: &[ObjectId]) -> Option<SetSize> {
        let tops = dominators.topmost(set);
        let dominated = || tops.iter().flat_map(|&top| dominators.retained_set(top));
        dominated().for_each(|object| self.take_in(object));
        dominated().try_for_each(|object| self.follow(object))?;
        while let Some(object) = self.open.pop() {
            self.follow(object)?;
        }
        Some(self.size)
    }

    fn take_in(&mut self, object: ObjectId) {
        self.inside.insert(object);
        self.size.add(self.retaining, object);
    }

    /// Decides about what an object that goes refers to.
    fn follow(&mut self, object: ObjectId) -> Option<()> {
        let mut goes_on = Some(());
        let retaining = self.retaining;
        retaining.for_each_referent(object, |target| {
            if goes_on.is_some() && !self.inside.has(target) && !self.alive.has(target) {
                goes_on = self.decide(target);
            }
        });
        goes_on
    }

    /// Searches backwards from an object of which nothing is known, and decides about all that it visits.
    fn decide(&mut self, object: ObjectId) -> Option<()> {
        let (mut visited, mut path) = (std::mem::take(&mut self.visited), std::mem::take(&mut self.path));
        let mut next = Next::Referrer(object);
        let is_alive = loop {
            match next {
                Next::Alive => break true,
                Next::Back => _ = path.pop(),
                Next::Referrer(object) => {
                    self.seen.insert(object);
                    visited.push(object);
                    path.push(self.enter(object));
                    if self.roots.has(object) {
                        break true;
                    }
                }
            }
            let Some(step) = path.last_mut() else { break false };
            next = self.next_from(step)?;
        };
        if is_alive {
            path.iter().for_each(|step| _ = self.alive.insert(step.object));
            self.revive(&visited, path.len())?;
        }
        for object in visited.drain(..) {
            if !self.alive.has(object) {
                self.take_in(object);
                self.open.push(object);
            }
        }
        path.clear();
        (self.visited, self.path) = (visited, path);
        Some(())
    }

    fn enter(&self, object: ObjectId) -> Step {
        Step { object, positions: self.retaining.graph.reverse().range(object), followed: None }
    }

    /// The next referrer to visit: of the first few the nearest to a root, then each in order.
    fn next_from(&mut self, step: &mut Step) -> Option<Next> {
        if step.followed.is_none() {
            let nearest = self.nearest(step)?;
            step.followed = Some(0);
            if !matches!(nearest, Next::Back) {
                return Some(nearest);
            }
        }
        for place in step.followed.unwrap_or(0)..step.positions.len() {
            self.spend(1)?;
            step.followed = Some(place + 1);
            let position = step.positions.start + place;
            let source = self.retaining.graph.reverse().target(position);
            match self.retaining.counted(position, &[source.0]).next() {
                Some(source) if self.alive.has(source) => return Some(Next::Alive),
                Some(source) if self.is_open(source) => return Some(Next::Referrer(source)),
                _ => {}
            }
        }
        Some(Next::Back)
    }

    fn nearest(&mut self, step: &Step) -> Option<Next> {
        let start = step.positions.start;
        let retaining = self.retaining;
        let few = retaining.graph.reverse().part(start..start + step.positions.len().min(CHOICE));
        self.spend(few.len())?;
        let sources = || retaining.counted(start, few);
        if sources().any(|source| self.alive.has(source)) {
            return Some(Next::Alive);
        }
        let nearest =
            sources().filter(|&source| self.is_open(source)).min_by_key(|&source| self.distances.order(source));
        Some(nearest.map_or(Next::Back, Next::Referrer))
    }

    /// Whether an object may be visited: what no root reaches keeps nothing alive.
    fn is_open(&self, object: ObjectId) -> bool {
        !self.inside.has(object) && !self.seen.has(object) && self.distances.is_reached(object)
    }

    /// Finds those of `visited` to which what is alive leads, of which `known` are known. The search left them before it
    /// got there: all their referrers are inside or visited.
    fn revive(&mut self, visited: &[ObjectId], known: usize) -> Option<()> {
        if known == visited.len() {
            return Some(());
        }
        let mut open = Vec::new();
        for &object in visited {
            if self.alive.has(object) {
                continue;
            }
            self.spend(self.retaining.graph.reverse().range(object).len())?;
            if self.retaining.referrers(object).any(|referrer| self.alive.has(referrer)) {
                self.alive.insert(object);
                open.push(object);
            }
        }
        while let Some(object) = open.pop() {
            self.spend(self.retaining.graph.forward().range(object).len())?;
            let retaining = self.retaining;
            retaining.for_each_referent(object, |target| {
                if self.seen.has(target) && !self.inside.has(target) && self.alive.insert(target) {
                    open.push(target);
                }
            });
        }
        Some(())
    }

    /// Counts references that are looked at; `None` when they have become too many.
    fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }
}
