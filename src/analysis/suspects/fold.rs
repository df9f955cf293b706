//! One place is one suspect: what lies below another is part of it, and what holds the same elements holds them together
//! with it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::candidate::{Candidate, Place};
use super::facts::{Facts, Kind};
use crate::analysis::dominators::Dominators;
use crate::analysis::origin::Origin;
use crate::graph::{HeapGraph, ObjectId};

/// Dominators that are looked at on the way up.
const LEVELS: usize = 64;
/// References of an element that are looked at for what it is about.
const PARTS: usize = 16;

/// Folds candidates, the most suspicious first, into at most `most`.
pub(super) fn fold(
    graph: &HeapGraph,
    tree: &Dominators,
    facts: &Facts,
    candidates: Vec<Candidate>,
    most: usize,
) -> Vec<Candidate> {
    let mut folded: Vec<Candidate> = Vec::new();
    let mut taken: FxHashMap<ObjectId, usize> = FxHashMap::default();
    let mut holders: FxHashSet<ObjectId> = FxHashSet::default();
    for candidate in candidates {
        if matches!(candidate.place, Place::Unreached(_)) {
            folded.push(candidate);
            continue;
        }
        let contents = contents(graph, facts, &candidate.elements);
        if let Some(first) = shared_with(&taken, &contents) {
            let holder = candidate.holder.filter(|holder| folded[first].holder != Some(*holder));
            if let Some(holder) = holder.filter(|_| !is_below(tree, &taken, &holders, candidate.holder))
                && !folded[first].others.contains(&holder)
            {
                folded[first].others.push(holder);
            }
            // who shares with this one shares with the first
            contents.into_iter().for_each(|object| _ = taken.entry(object).or_insert(first));
            continue;
        }
        let is_part = |object: &ObjectId| is_below(tree, &taken, &holders, Some(*object));
        let parts = candidate.elements.iter().filter(|element| is_part(element)).count();
        if is_below(tree, &taken, &holders, candidate.holder) || parts > 0 && parts * 2 >= candidate.elements.len() {
            continue;
        }
        if contains_others(tree, &folded, &candidate) {
            continue;
        }
        taken.extend(contents.into_iter().map(|object| (object, folded.len())));
        taken.extend(candidate.elements.iter().map(|&object| (object, folded.len())));
        holders.extend(candidate.holder);
        folded.push(candidate);
        if folded.len() >= most {
            break;
        }
    }
    folded
}

/// What the elements are about: themselves, or the objects of a program or package that a plain one has, two levels deep.
fn contents(graph: &HeapGraph, facts: &Facts, elements: &[ObjectId]) -> Vec<ObjectId> {
    let is_users =
        |object: ObjectId| facts.own[object.index()] < Origin::StandardLibrary && !facts.is_class.has(object);
    let mut contents = Vec::new();
    let mut plain = Vec::new();
    for &element in elements {
        let before = contents.len();
        if facts.own[element.index()] == Origin::StandardLibrary {
            for part in graph.referents(element).take(PARTS) {
                match facts.kind(graph, part) {
                    _ if is_users(part) => contents.push(part),
                    Kind::Container | Kind::Frozen => {
                        contents.extend(graph.referents(part).take(PARTS).filter(|&inner| is_users(inner)));
                    }
                    _ => {}
                }
            }
        }
        if contents.len() == before {
            if is_users(element) { contents.push(element) } else { plain.push(element) }
        }
    }
    // keys and what else is plain beside objects says nothing
    if contents.len() * 3 < plain.len() {
        contents.append(&mut plain);
    }
    contents
}

/// The earlier place that has at least half of the contents.
fn shared_with(taken: &FxHashMap<ObjectId, usize>, contents: &[ObjectId]) -> Option<usize> {
    let mut counts: FxHashMap<usize, usize> = FxHashMap::default();
    for place in contents.iter().filter_map(|object| taken.get(object)) {
        *counts.entry(*place).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|&(place, count)| (count, std::cmp::Reverse(place)));
    most.filter(|&(_, count)| count * 2 >= contents.len()).map(|(place, _)| place)
}

/// Whether the object is an element or a holder of an earlier place, or lies below one.
fn is_below(
    tree: &Dominators,
    taken: &FxHashMap<ObjectId, usize>,
    holders: &FxHashSet<ObjectId>,
    object: Option<ObjectId>,
) -> bool {
    let is_known = |object: &ObjectId| taken.contains_key(object) || holders.contains(object);
    object.is_some_and(|object| {
        is_known(&object) || tree.dominators_of(object).take(LEVELS).any(|above| is_known(&above))
    })
}

/// Whether most of what hangs at the candidate is what hangs at earlier ones.
fn contains_others(tree: &Dominators, folded: &[Candidate], candidate: &Candidate) -> bool {
    let Some(holder) = candidate.holder else { return false };
    let inner = folded.iter().filter(|known| known.holder.is_some_and(|known| tree.dominates(holder, known)));
    let bytes = inner.fold(0u64, |sum, known| sum.saturating_add(known.bytes));
    bytes > 0 && bytes >= candidate.bytes / 2
}
