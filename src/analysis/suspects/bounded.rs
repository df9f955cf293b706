//! Is a container full because it has a bound? Then it is as large as it will ever be.
//!
//! A bound is told by the object that has it (`maxsize`, also of a `functools.lru_cache`). A ring (`collections.deque`) and
//! a dictionary out of which entries have been removed show none in a dump; of these, a length that a person would type
//! (a multiple of fifty, a power of two) is one. That a dictionary has had removals shows in its size: with insertions alone
//! its table would be smaller.

use super::facts::namespace_of;
use crate::graph::{Heap, HeapGraph, ObjectId};

/// The type of the caches of `functools.lru_cache`.
const LRU_CACHE: &str = "functools._lru_cache_wrapper";
/// Shortest length that may be a bound.
const SHORTEST: u64 = 16;
/// Objects between a cache and the number that bounds it.
const STEPS: usize = 6;
/// Referrers of a container that may be its owner.
const OWNERS: usize = 4;
/// References of an owner that are read.
const READ: usize = 64;

/// Whether the container is full.
pub(crate) fn is_full(heap: &Heap, holder: ObjectId) -> bool {
    let graph = &heap.graph;
    let Some(length) = length_of(heap, holder).filter(|&length| length >= SHORTEST) else { return false };
    if has_told_bound(heap, holder, length) {
        return true;
    }
    let type_name = graph.type_name_of(holder);
    is_round(length) && (type_name == "collections.deque" || has_removals(graph, holder, length))
}

fn is_round(length: u64) -> bool {
    length.is_multiple_of(50) || length.is_power_of_two()
}

/// Entries of a container; of an `lru_cache`, those of its dictionary.
fn length_of(heap: &Heap, holder: ObjectId) -> Option<u64> {
    let graph = &heap.graph;
    if graph.type_name_of(holder) == LRU_CACHE {
        let is_link = |target: ObjectId| graph.type_name_of(target) == "functools._lru_list_elem";
        let has_links = |target: &ObjectId| graph.referents(*target).take(4).any(is_link);
        return heap.describe(graph.referents(holder).find(has_links)?).length;
    }
    heap.describe(holder).length
}

/// Whether the owner, or the cache itself, has a number for a bound that equals the length.
fn has_told_bound(heap: &Heap, holder: ObjectId, length: u64) -> bool {
    let graph = &heap.graph;
    let is_bound = |target: ObjectId| {
        graph.type_name_of(target) == "int" && heap.describe(target).value.as_deref() == Some(&*length.to_string())
    };
    if graph.type_name_of(holder) == LRU_CACHE {
        return parameters(heap, holder).into_iter().any(is_bound);
    }
    let mut owners: Vec<ObjectId> = vec![holder];
    owners.extend(graph.referrers(holder).take(OWNERS));
    owners.into_iter().filter(|&owner| owner == holder || graph.forward().row(owner).len() <= READ * 2).any(|owner| {
        let mut found = false;
        heap.for_each_reference(owner, |_, target, name| {
            let text = name.text.to_ascii_lowercase();
            let is_named = ["max", "limit", "bound", "capacity", "size"].iter().any(|word| text.contains(word));
            found |= is_named && is_bound(target);
        });
        found
    })
}

/// Numbers in the closure of `cache_parameters`, which an `lru_cache` has since Python 3.9.
fn parameters(heap: &Heap, wrapper: ObjectId) -> Vec<ObjectId> {
    let graph = &heap.graph;
    let mut level: Vec<ObjectId> = namespace_of(heap, wrapper).into_iter().collect();
    let mut found = Vec::new();
    for _ in 0..STEPS {
        let mut next = Vec::new();
        for object in level {
            for target in graph.referents(object).take(READ) {
                match graph.type_name_of(target) {
                    "int" => found.push(target),
                    "dict" if graph.forward().row(target).len() <= READ => next.push(target),
                    "function" | "tuple" | "cell" => next.push(target),
                    _ => {}
                }
            }
        }
        next.truncate(READ);
        level = next;
    }
    found
}

/// Whether the table of a dictionary is larger than insertions alone would have made it.
fn has_removals(graph: &HeapGraph, holder: ObjectId, length: u64) -> bool {
    let size = graph.shallow_size(holder);
    let inserted = slots_by_insertion(length);
    let fits = |slots: u64| {
        let index = if slots <= 128 {
            1
        } else if slots <= 1 << 15 {
            2
        } else {
            4
        };
        let usable = slots * 2 / 3;
        [16, 24].iter().any(|entry| {
            let plain = usable * entry + slots * index;
            // an ordered dictionary has a table of nodes, and the nodes
            let ordered = plain + slots * 8 + length * 32;
            [plain, ordered].iter().any(|body| size.checked_sub(*body).is_some_and(|head| (48..=200).contains(&head)))
        })
    };
    length >= 64 && !fits(inserted) && [inserted * 2, inserted * 4].into_iter().any(fits)
}

/// Slots of the table of a dictionary into which so many entries were inserted one by one (CPython 3.7 and later: it grows
/// to three times the entries when two thirds are full).
fn slots_by_insertion(length: u64) -> u64 {
    let mut slots = 8u64;
    while slots * 2 / 3 < length {
        slots = (slots * 2 / 3 * 3 + 1).next_power_of_two();
    }
    slots
}
