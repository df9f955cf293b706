//! Units of flow from the roots to the targets, as many as the references let through.
//!
//! Dinic's phases on the residual network, whose arcs are: a reference with room, along it; a reference that carries flow,
//! back against it. A phase searches breadth first from the targets against the arcs until a root is met, which gives each
//! object its *level*, the number of arcs to a target. Then units are sent from the nearest roots down the levels, depth
//! first with one cursor an object, so that a phase looks at each reference a bounded number of times.

use rustc_hash::FxHashMap;

use super::open::OpenReferences;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;

/// Level of an object that cannot reach a target, as far as is known.
const NONE: u32 = u32::MAX;

/// The flow, and the levels of the current phase.
pub(super) struct Network<'a> {
    retaining: &'a Retaining<'a>,
    roots: &'a Marks,
    targets: &'a [ObjectId],
    is_uncuttable: &'a (dyn Fn(usize) -> bool + Sync),
    open: OpenReferences<'a>,
    carried: Carried,
    /// n entries: arcs to a target, or `NONE`.
    levels: Vec<u32>,
    /// The objects that were given a level, by level.
    visited: Vec<ObjectId>,
    /// The position to look at next, for objects that this phase came through.
    cursors: FxHashMap<ObjectId, usize>,
}

/// The references that carry flow, by position and by their ends.
#[derive(Default)]
struct Carried {
    flows: FxHashMap<usize, Flow>,
    /// Positions by holder.
    from: FxHashMap<ObjectId, Vec<usize>>,
    /// Positions by target.
    into: FxHashMap<ObjectId, Vec<usize>>,
}

/// What one reference carries.
struct Flow {
    holder: ObjectId,
    target: ObjectId,
    /// At least 1; more only on uncuttable references.
    units: usize,
    is_uncuttable: bool,
}

/// An arc of the residual network.
#[derive(Clone, Copy)]
enum Arc {
    /// Along the reference at a position, from its holder to its target.
    Along(usize),
    /// Back against the reference at a position, whose flow shrinks.
    Back(usize),
}

impl<'a> Network<'a> {
    /// A network without flow. No chain from a root to a target may have only uncuttable references.
    pub(super) fn new(
        retaining: &'a Retaining<'a>,
        roots: &'a Marks,
        targets: &'a [ObjectId],
        is_uncuttable: &'a (dyn Fn(usize) -> bool + Sync),
    ) -> Self {
        Self {
            retaining,
            roots,
            targets,
            is_uncuttable,
            open: OpenReferences::new(retaining),
            carried: Carried::default(),
            levels: vec![NONE; retaining.graph.object_count()],
            visited: Vec::new(),
            cursors: FxHashMap::default(),
        }
    }

    /// Sends units until no more get through, or more than `most` did. Returns how many.
    pub(super) fn saturate(&mut self, most: usize) -> usize {
        let mut flow = 0;
        while flow <= most {
            let roots = self.assign_levels();
            if roots.is_empty() {
                break;
            }
            self.cursors.clear();
            let before = flow;
            for root in roots {
                while flow <= most && self.send_from(root) {
                    flow += 1;
                }
            }
            if flow == before {
                // a root that has a level has a way, unless an index says other things of the two directions
                self.retaining.graph.reverse().fits(|| false);
                break;
            }
        }
        flow
    }

    /// Positions of the references into the set of objects that still reach a target, once no root is among them;
    /// ascending.
    pub(super) fn nearest_cut(&self) -> Vec<usize> {
        let is_on_side_of_targets = |object: ObjectId| self.levels[object.index()] != NONE;
        let crossing = |flow: &Flow| is_on_side_of_targets(flow.target) && !is_on_side_of_targets(flow.holder);
        let flows = self.carried.flows.iter().filter(|(_, flow)| crossing(flow));
        let mut positions: Vec<usize> = flows.map(|(&position, _)| position).collect();
        positions.sort_unstable();
        positions
    }

    /// Gives levels up to that of the nearest roots, and returns these by address.
    fn assign_levels(&mut self) -> Vec<ObjectId> {
        for object in self.visited.drain(..) {
            self.levels[object.index()] = NONE;
        }
        for &target in self.targets {
            self.visit(target, 0);
        }
        let mut level = 0;
        let mut start = 0;
        while start < self.visited.len() {
            let end = self.visited.len();
            level += 1;
            for place in start..end {
                self.visit_before(self.visited[place], level);
            }
            let mut roots: Vec<ObjectId> =
                self.visited[end..].iter().copied().filter(|&object| self.roots.has(object)).collect();
            if !roots.is_empty() {
                roots.sort_by_cached_key(|&root| self.retaining.graph.address(root));
                return roots;
            }
            start = end;
        }
        Vec::new()
    }

    fn visit(&mut self, object: ObjectId, level: u32) {
        if self.levels[object.index()] == NONE {
            self.levels[object.index()] = level;
            self.visited.push(object);
        }
    }

    /// Visits the objects from which an arc leads to `object`.
    fn visit_before(&mut self, object: ObjectId, level: u32) {
        let Self { open, levels, visited, carried, .. } = self;
        let first_new = visited.len();
        visited.extend(open.holders(object, |holder| levels[holder.index()] == NONE));
        for holder in &visited[first_new..] {
            levels[holder.index()] = level;
        }
        for position in carried.from.get(&object).into_iter().flatten() {
            if let Some(flow) = carried.flows.get(position)
                && levels[flow.target.index()] == NONE
            {
                levels[flow.target.index()] = level;
                visited.push(flow.target);
            }
        }
    }

    /// Sends one unit from `root` down the levels; whether it got to a target. Objects from which it did not lose their
    /// level.
    fn send_from(&mut self, root: ObjectId) -> bool {
        let mut path: Vec<(ObjectId, Arc)> = Vec::new();
        let mut at = root;
        while self.levels[at.index()] != 0 {
            match self.next_arc(at) {
                Some((arc, to)) => {
                    path.push((at, arc));
                    at = to;
                }
                None => {
                    self.levels[at.index()] = NONE;
                    let Some((before, _)) = path.pop() else {
                        return false;
                    };
                    at = before;
                }
            }
        }
        for (holder, arc) in path {
            match arc {
                Arc::Along(position) => self.add_unit(holder, position),
                Arc::Back(position) => self.take_unit(position),
            }
        }
        true
    }

    /// The first arc from `object` one level down, and where it leads.
    fn next_arc(&mut self, object: ObjectId) -> Option<(Arc, ObjectId)> {
        let wanted = self.levels[object.index()].checked_sub(1)?;
        let forward = self.retaining.graph.forward();
        let range = forward.range(object);
        let cursor = self.cursors.entry(object).or_insert(range.start);
        for position in *cursor..range.end {
            *cursor = position;
            let target = forward.target(position);
            let has_room = || self.carried.flows.get(&position).is_none_or(|flow| flow.is_uncuttable);
            if self.levels[target.index()] == wanted && self.retaining.counts(position) && has_room() {
                return Some((Arc::Along(position), target));
            }
        }
        *cursor = range.end;
        let back = self.carried.into.get(&object).into_iter().flatten();
        back.filter_map(|&position| Some((Arc::Back(position), self.carried.flows.get(&position)?.holder)))
            .find(|(_, holder)| self.levels[holder.index()] == wanted)
    }

    fn add_unit(&mut self, holder: ObjectId, position: usize) {
        if let Some(flow) = self.carried.flows.get_mut(&position) {
            flow.units += 1;
            return;
        }
        let target = self.retaining.graph.forward().target(position);
        let is_uncuttable = (self.is_uncuttable)(position);
        if !is_uncuttable {
            self.open.close(holder, target);
        }
        self.carried.insert(position, Flow { holder, target, units: 1, is_uncuttable });
    }

    fn take_unit(&mut self, position: usize) {
        let Some(flow) = self.carried.flows.get_mut(&position) else { return };
        flow.units -= 1;
        if flow.units > 0 {
            return;
        }
        if !flow.is_uncuttable {
            self.open.reopen(flow.holder, flow.target);
        }
        self.carried.remove(position);
    }
}

impl Carried {
    fn insert(&mut self, position: usize, flow: Flow) {
        self.from.entry(flow.holder).or_default().push(position);
        self.into.entry(flow.target).or_default().push(position);
        self.flows.insert(position, flow);
    }

    fn remove(&mut self, position: usize) {
        let Some(flow) = self.flows.remove(&position) else { return };
        for positions in [self.from.get_mut(&flow.holder), self.into.get_mut(&flow.target)].into_iter().flatten() {
            positions.retain(|&other| other != position);
        }
    }
}
