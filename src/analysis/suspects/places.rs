//! Where can things pile up? Containers, found by the references that lead out of them.
//!
//! What a container holds *claims* it when it is not known in the source, when the container does not hang below it, and
//! when only few other objects hold it: so what two or three registries of one owner share counts for each of them, though
//! none of them dominates it, and what everybody knows (a class, an interned string) counts for none.

use rayon::prelude::*;

use super::facts::{Facts, Kind, namespace_of};
use super::{MANY, SAME_AGAIN};
use crate::analysis::dominators::Dominators;
use crate::graph::{Heap, ObjectId, ReferenceKind};

/// Holders of an element from which on it belongs to nobody in particular.
const HOLDERS: usize = 8;
/// Referrers that are asked whether they stand below the element.
const REFERRERS: usize = 4_096;
/// The least part of the heap that a place keeps: a five-thousandth.
const SMALLEST: u64 = 10_000;
/// Distinct elements of a container that are looked at.
const LOOKED_AT: usize = 2_000_000;

/// A container with what it claims.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) holder: ObjectId,
    /// References to items, parallel ones counted each.
    pub(super) items: u64,
    /// What it claims, each once, by address.
    pub(super) elements: Vec<ObjectId>,
    /// Bytes of the container itself and what its elements retain.
    pub(super) bytes: u64,
    /// Whether it holds few objects again and again.
    pub(super) is_same_again: bool,
}

/// All containers in which enough piles up. O(n + m), in parallel.
pub(super) fn containers(heap: &Heap, tree: &Dominators, facts: &Facts) -> Vec<Found> {
    let floor = tree.reachable_size() / SMALLEST + 1;
    let rows: Vec<ObjectId> = tree.top_down().collect();
    rows.into_par_iter().filter_map(|object| container(heap, tree, facts, object, floor)).collect()
}

fn container(heap: &Heap, tree: &Dominators, facts: &Facts, object: ObjectId, floor: u64) -> Option<Found> {
    let graph = &heap.graph;
    let row = graph.forward().row(object);
    if row.len() < MANY as usize || facts.is_class.has(object) || facts.is_namespace.has(object) {
        return None;
    }
    let kind = facts.kind(graph, object);
    if !matches!(kind, Kind::Container | Kind::Instance) {
        return None;
    }
    let most: u64 = row
        .iter()
        .fold(graph.shallow_size(object), |sum, &target| sum.saturating_add(tree.retained_size(ObjectId(target))));
    if most < floor {
        return None;
    }
    let mut items: Vec<ObjectId> = match kind {
        Kind::Container => row.iter().map(|&target| ObjectId(target)).collect(),
        _ => named_items(heap, object),
    };
    let count = items.len() as u64;
    items.truncate(LOOKED_AT);
    items.sort_unstable();
    items.dedup();
    let distinct = items.len() as u64;
    items.retain(|&item| is_claimed(heap, tree, facts, object, item));
    let is_same_again = count >= SAME_AGAIN && distinct * 10 <= count;
    if (items.len() as u64) < MANY && !is_same_again || count < MANY || is_bookkeeping(heap, object) {
        return None;
    }
    let largest = items.iter().map(|&item| tree.retained_size(item)).max().unwrap_or(0);
    let held: u64 = items.iter().fold(0u64, |sum, &item| sum.saturating_add(tree.retained_size(item)));
    // where one element is nearly all, the place is further down
    let held = if largest > held / 10 * 6 { held - largest } else { held };
    let bytes = held.saturating_add(graph.shallow_size(object));
    if bytes < floor || is_attributes(heap, facts, object) {
        return None;
    }
    items.sort_by_cached_key(|&item| graph.address(item));
    Some(Found { holder: object, items: count, elements: items, bytes, is_same_again })
}

/// Items of an object that is no built-in container: those of a subclass of one, of a cache, of a C object.
fn named_items(heap: &Heap, object: ObjectId) -> Vec<ObjectId> {
    let mut items = Vec::new();
    heap.for_each_reference(object, |_, target, name| {
        let is_item = match name.kind {
            ReferenceKind::Value | ReferenceKind::Key | ReferenceKind::Index | ReferenceKind::Member => true,
            ReferenceKind::Unknown => true,
            ReferenceKind::Attribute => name.text.contains('['),
            _ => false,
        };
        if is_item {
            items.push(target);
        }
    });
    items
}

/// Whether an element counts for the container that holds it.
pub(super) fn is_claimed(heap: &Heap, tree: &Dominators, facts: &Facts, holder: ObjectId, element: ObjectId) -> bool {
    let graph = &heap.graph;
    if facts.is_root.has(element) || facts.is_named.has(element) || !tree.is_reachable(element) {
        return false;
    }
    let is_class = facts.is_class.has(element);
    let is_program = match facts.kind(graph, element) {
        Kind::Plumbing => !matches!(graph.type_name_of(element), "module" | "code"),
        Kind::Function => !facts.is_closure.has(element),
        _ => false,
    };
    if is_program && !is_class || tree.dominates(element, holder) {
        return false;
    }
    // instances of a class refer to it: they do not hold it for themselves
    if is_class || graph.referrer_count(element) <= HOLDERS {
        return true;
    }
    let mut previous = None;
    let outside = graph
        .referrers(element)
        .take(REFERRERS)
        .filter(|&referrer| previous.replace(referrer) != Some(referrer) && !tree.dominates(element, referrer));
    outside.take(HOLDERS + 1).count() <= HOLDERS
}

/// Whether an object is a dictionary of somebody's attributes: their owner is no place where things pile up.
fn is_attributes(heap: &Heap, facts: &Facts, object: ObjectId) -> bool {
    let graph = &heap.graph;
    if graph.type_name_of(object) != "dict" {
        return false;
    }
    let holders = graph.referrers(object).take(HOLDERS);
    let is_owner = |holder: &ObjectId| {
        let is_short = graph.forward().row(*holder).len() <= 64;
        is_short && !matches!(facts.kind(graph, *holder), Kind::Container | Kind::Frozen)
    };
    holders.filter(is_owner).any(|holder| opens(heap, holder, object))
}

fn opens(heap: &Heap, holder: ObjectId, space: ObjectId) -> bool {
    let is_known =
        |text: &str| matches!(text, "__globals__" | "f_globals" | "f_locals" | "__builtins__" | "f_builtins");
    let mut found = false;
    heap.for_each_reference(holder, |_, target, name| {
        found |=
            target == space && (name.kind == ReferenceKind::Namespace || is_known(name.text.trim_start_matches('.')));
    });
    found
}

/// Whether only the interpreter's bookkeeping of classes refers to the object.
fn is_bookkeeping(heap: &Heap, object: ObjectId) -> bool {
    let graph = &heap.graph;
    let mut holders = graph.referrers(object);
    holders.len() == 1 && holders.all(|holder| graph.type_name_of(holder).ends_with("_abc_data"))
}

/// The dictionary in which an object keeps its attributes, or the object itself where it has none.
pub(super) fn attributes_of(heap: &Heap, object: ObjectId) -> ObjectId {
    namespace_of(heap, object).unwrap_or(object)
}
