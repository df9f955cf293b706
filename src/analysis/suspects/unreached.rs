//! Without a root there are three different truths, and the reference counts tell which.
//!
//! An object whose count is higher than the references that the dump has is *held from outside*: by native code, a stack, a
//! table of the interpreter. Where all counts are explained, it is *garbage* that the collector has not reached yet:
//! reference cycles. Where the dump has no counts, it is *unknown*.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::MANY;
use super::candidate::{Candidate, Place};
use super::evidence::Contents;
use super::facts::{Facts, Kind};
use crate::analysis::chains::FIRST_IMMORTAL;
use crate::analysis::dominators::Dominators;
use crate::analysis::marks::Marks;
use crate::analysis::origin::Origin;
use crate::graph::{Heap, HeapGraph, ObjectId};

/// Garbage below this part of the heap comes and goes: a fiftieth.
const GARBAGE: u64 = 50;
/// What native code of packages and the interpreter itself hold is less than this part of the heap: a tenth.
const NATIVE: u64 = 10;
/// Steps after which a cycle is no longer looked for.
const CYCLE_STEPS: usize = 100_000;
/// Objects of a cycle that are told.
const CYCLE_TOLD: usize = 8;

/// Why objects without a root are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outside {
    /// Reference counts are higher than the references in the dump.
    HeldFromOutside {
        /// Objects with such a count.
        held: u64,
        /// The type of most of them.
        of_type: String,
        /// The reference count of the first of them.
        reference_count: u64,
        /// The references to it in the dump.
        found: u64,
        /// A table of the interpreter that probably holds them: `atexit`.
        probably: Option<String>,
    },
    /// All reference counts are explained by references in the dump.
    Garbage {
        /// Types along one cycle, the first being the last's target; empty where none was found.
        cycle: Vec<String>,
    },
    /// The dump has no reference counts.
    Unknown,
}

/// What no root reaches, in at most three groups.
pub(super) fn unreached(heap: &Heap, tree: &Dominators, facts: &Facts) -> Vec<Candidate> {
    let graph = &heap.graph;
    let mut all: Vec<ObjectId> = graph.objects().filter(|&object| !tree.is_reachable(object)).collect();
    all.sort_by_cached_key(|&object| graph.address(object));
    if all.is_empty() {
        return Vec::new();
    }
    let mut seeds: Vec<(ObjectId, u64)> = Vec::new();
    let mut has_counts = false;
    for &object in all.iter().filter(|&&object| !facts.is_class.has(object)) {
        let Some(count) = heap.describe(object).reference_count else { continue };
        has_counts = true;
        if count < FIRST_IMMORTAL && count > graph.referrer_count(object) as u64 {
            seeds.push((object, count));
        }
    }
    let held = reached(graph, tree, seeds.iter().map(|(object, _)| *object));
    let (outside, rest): (Vec<ObjectId>, Vec<ObjectId>) = all.iter().partition(|&&object| held.has(object));
    let mut found = Vec::new();
    if let Some(state) = held_from_outside(heap, facts, &seeds) {
        found.extend(candidate(heap, tree, facts, &outside, state));
    }
    let state = if has_counts { Outside::Garbage { cycle: Vec::new() } } else { Outside::Unknown };
    if let Some(mut garbage) = candidate(heap, tree, facts, &rest, state) {
        let is_large = garbage.bytes >= tree.reachable_size() / GARBAGE;
        if let Place::Unreached(Outside::Garbage { cycle }) = &mut garbage.place {
            *cycle = cycle_at(graph, tree, &garbage.elements);
        }
        found.extend(Some(garbage).filter(|_| is_large || !has_counts));
    }
    found
}

fn held_from_outside(heap: &Heap, facts: &Facts, seeds: &[(ObjectId, u64)]) -> Option<Outside> {
    let graph = &heap.graph;
    let mut counts: FxHashMap<&str, (Origin, u64)> = FxHashMap::default();
    for (object, _) in seeds {
        let origin = facts.own[object.index()].min(facts.below[object.index()]);
        let known = counts.entry(graph.type_name_of(*object)).or_insert((origin, 0));
        *known = (known.0.min(origin), known.1 + 1);
    }
    // the program's own first: others may be held by what a capture cannot see
    let most = counts.into_iter().min_by_key(|&(name, (origin, count))| (origin, Reverse(count), name));
    let (most, _) = most?;
    let of_most = || seeds.iter().filter(|(object, _)| graph.type_name_of(*object) == most);
    let (first, reference_count) = *of_most().next()?;
    let is_callback = matches!(facts.kind(graph, first), Kind::Function | Kind::OfCode);
    let unseen =
        heap.about.unseen.iter().find_map(|(what, _)| what.rsplit_once("callbacks of ").map(|(_, table)| table));
    let probably = match unseen {
        Some(table) if is_callback => Some(table.to_owned()),
        None if is_callback => Some("os.register_at_fork".to_owned()),
        _ => None,
    };
    Some(Outside::HeldFromOutside {
        held: of_most().count() as u64,
        of_type: graph.type_name_of(first).to_owned(),
        reference_count,
        found: graph.referrer_count(first) as u64,
        probably,
    })
}

fn candidate(heap: &Heap, tree: &Dominators, facts: &Facts, objects: &[ObjectId], state: Outside) -> Option<Candidate> {
    let graph = &heap.graph;
    let is_of = |origin: Origin| move |object: &&ObjectId| facts.own[object.index()] <= origin;
    let users: Vec<ObjectId> = objects.iter().filter(is_of(Origin::ThirdParty)).copied().collect();
    let own = objects.iter().filter(is_of(Origin::Own)).count() as u64;
    let elements = if users.len() as u64 >= MANY { users } else { objects.to_vec() };
    let set = reached(graph, tree, elements.iter().copied());
    let bytes = set.iter().fold(0u64, |sum, object| {
        sum.saturating_add(graph.shallow_size(object)).saturating_add(graph.external_size(object))
    });
    // packages in native code hold their own tables, the interpreter its own: in every program
    if own < MANY && bytes < tree.reachable_size() / NATIVE {
        return None;
    }
    let contents = Contents::of(heap, facts, &elements);
    Some(Candidate {
        place: Place::Unreached(state),
        holder: None,
        others: Vec::new(),
        items: elements.len() as u64,
        bytes,
        owner: contents.origin(),
        contents,
        elements,
        expression: None,
    })
}

fn reached(graph: &HeapGraph, tree: &Dominators, seeds: impl Iterator<Item = ObjectId>) -> Marks {
    let mut seen = Marks::of(graph.object_count(), std::iter::empty());
    let mut open: Vec<ObjectId> = seeds.filter(|&seed| seen.insert(seed)).collect();
    while let Some(object) = open.pop() {
        for target in graph.referents(object).filter(|&target| !tree.is_reachable(target)) {
            if seen.insert(target) {
                open.push(target);
            }
        }
    }
    seen
}

/// The types along a shortest way from the first element that has one back to itself.
fn cycle_at(graph: &HeapGraph, tree: &Dominators, elements: &[ObjectId]) -> Vec<String> {
    let mut steps = 0;
    for &start in elements.iter().take(100) {
        let mut holders: FxHashMap<ObjectId, ObjectId> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(object) = queue.pop_front() {
            steps += 1;
            if steps > CYCLE_STEPS {
                return Vec::new();
            }
            for target in graph.referents(object).filter(|&target| !tree.is_reachable(target)) {
                if target == start {
                    let way = std::iter::successors(Some(object), |object| holders.get(object).copied());
                    let mut types: Vec<String> = way.map(|object| graph.type_name_of(object).to_owned()).collect();
                    types.reverse();
                    types.truncate(CYCLE_TOLD);
                    return types;
                }
                if let std::collections::hash_map::Entry::Vacant(place) = holders.entry(target) {
                    place.insert(object);
                    queue.push_back(target);
                }
            }
        }
    }
    Vec::new()
}
