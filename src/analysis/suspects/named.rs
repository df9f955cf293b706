//! Places with names that a running program makes up: attributes `job_1`, `job_2`, … of one object, globals of a module,
//! modules in `sys.modules`, context variables. Each group of names that differ in digits only is one place.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::candidate::{Candidate, Place};
use super::evidence::{Contents, is_constant};
use super::facts::{Facts, Kind, namespace_of};
use super::places::attributes_of;
use super::{MANY, bytes_of};
use crate::analysis::dominators::Dominators;
use crate::analysis::origin::Origin;
use crate::graph::{Heap, ObjectId, ReferenceKind, RootKind};

/// Names of one pattern that are no accident.
const NAMES: usize = 10;
/// Roots that say nothing about the program.
const EVERYONES: [&str; 6] = ["module", "builtin", "interned", "immortal", "frame", "thread"];

/// All owners of many such names.
pub(super) fn names(heap: &Heap, tree: &Dominators, facts: &Facts) -> Vec<Candidate> {
    let graph = &heap.graph;
    let rows: Vec<ObjectId> = tree.top_down().collect();
    let may_be_owner = |object: &ObjectId| {
        let references = graph.forward().row(*object).len();
        references >= NAMES
            && !facts.is_class.has(*object)
            && match facts.kind(graph, *object) {
                Kind::Container => graph.type_name_of(*object) == "dict",
                Kind::Instance => true,
                _ => false,
            }
    };
    let found = rows.into_par_iter().filter(may_be_owner).flat_map_iter(|owner| patterns(heap, tree, facts, owner));
    found.collect()
}

fn patterns(heap: &Heap, tree: &Dominators, facts: &Facts, owner: ObjectId) -> Vec<Candidate> {
    let graph = &heap.graph;
    let is_space = facts.is_namespace.has(owner);
    let is_dict = graph.type_name_of(owner) == "dict";
    // a dictionary whose keys are made up is a container; here it must be somebody's attributes
    if is_dict && !is_space && !is_attributes_of_one(heap, facts, owner) {
        return Vec::new();
    }
    let mut groups: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
    heap.for_each_reference(owner, |_, target, name| {
        let is_name = name.kind == ReferenceKind::Attribute || is_dict && name.kind == ReferenceKind::Value;
        let attribute = is_name.then(|| name.attribute(true)).flatten();
        if let Some(pattern) = attribute.and_then(folded) {
            groups.entry(pattern).or_default().push(target);
        }
    });
    let groups = groups.into_iter().filter(|(_, targets)| targets.len() >= NAMES);
    groups.filter_map(|(pattern, targets)| candidate(heap, tree, facts, owner, pattern, targets)).collect()
}

fn is_attributes_of_one(heap: &Heap, facts: &Facts, space: ObjectId) -> bool {
    let graph = &heap.graph;
    let holders = graph.referrers(space).take(2);
    let is_owner =
        |holder: &ObjectId| !matches!(facts.kind(graph, *holder), Kind::Container | Kind::Frozen | Kind::Plumbing);
    let small = holders.filter(|holder| graph.forward().row(*holder).len() <= 64).filter(is_owner);
    small.into_iter().any(|holder| attributes_of(heap, holder) == space) || is_local(heap, space)
}

/// Whether only a `threading.local` has the dictionary: one of its threads' attributes.
fn is_local(heap: &Heap, space: ObjectId) -> bool {
    heap.graph.referrers(space).take(4).any(|holder| heap.graph.type_name_of(holder).starts_with("_thread._local"))
}

fn candidate(
    heap: &Heap,
    tree: &Dominators,
    facts: &Facts,
    owner: ObjectId,
    pattern: String,
    mut targets: Vec<ObjectId>,
) -> Option<Candidate> {
    let graph = &heap.graph;
    let items = targets.len() as u64;
    targets.sort_unstable();
    targets.dedup();
    targets.retain(|&target| {
        let is_program = match facts.kind(graph, target) {
            Kind::Plumbing => true,
            Kind::Function => !facts.is_closure.has(target),
            _ => facts.is_class.has(target),
        };
        !is_program
            && tree.is_reachable(target)
            && !facts.is_root.has(target)
            && !tree.dominates(target, owner)
            && !is_constant(heap, facts, target)
    });
    targets.sort_by_cached_key(|&target| graph.address(target));
    (targets.len() >= NAMES).then(|| Candidate {
        place: Place::Names(pattern),
        holder: Some(owner),
        others: Vec::new(),
        items,
        bytes: bytes_of(tree, &targets),
        contents: Contents::of(heap, facts, &targets),
        elements: targets,
        owner: Origin::StandardLibrary,
        expression: None,
    })
}

/// The name with each run of digits as `*`; `None` for a name without digits.
pub(super) fn folded(name: &str) -> Option<String> {
    if !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '0'..='9' if text.ends_with('*') => {}
            '0'..='9' => text.push('*'),
            letter => text.push(letter),
        }
    }
    Some(text)
}

/// Roots of one kind under one name, digits aside; modules that were made at run time.
pub(super) fn roots(heap: &Heap, tree: &Dominators, facts: &Facts) -> Vec<Candidate> {
    let graph = &heap.graph;
    let mut groups: FxHashMap<(&str, String), Vec<ObjectId>> = FxHashMap::default();
    for root in graph.roots() {
        let name = root.name.as_deref().unwrap_or("");
        let pattern = match &root.kind {
            RootKind::Module => {
                let is_made = facts.origins.of_name(name) < Origin::StandardLibrary;
                let Some(pattern) = folded(name).filter(|_| is_made && !has_file(heap, root.object)) else { continue };
                pattern
            }
            kind if EVERYONES.contains(&kind.word()) => continue,
            _ => folded(name).unwrap_or_else(|| name.to_owned()),
        };
        groups.entry((root.kind.word(), pattern)).or_default().push(root.object);
    }
    let mut found: Vec<Candidate> = Vec::new();
    for ((kind, pattern), mut objects) in groups {
        objects.sort_unstable();
        objects.dedup();
        objects.retain(|&object| tree.is_reachable(object) && !facts.is_class.has(object));
        if (objects.len() as u64) < MANY {
            continue;
        }
        objects.sort_by_cached_key(|&object| graph.address(object));
        let title = match kind {
            "module" => format!("sys.modules['{pattern}']"),
            "context" => format!("context variable {pattern}"),
            _ => format!("<{kind} {pattern}>"),
        };
        let mut contents = Contents::of(heap, facts, &objects);
        if kind == "module" {
            contents = Contents { third_party: objects.len() as u64, ..Contents::default() };
        }
        found.push(Candidate {
            place: Place::Roots(kind.to_owned()),
            holder: None,
            others: Vec::new(),
            items: objects.len() as u64,
            bytes: bytes_of(tree, &objects),
            owner: contents.origin(),
            contents,
            elements: objects,
            expression: Some(title),
        });
    }
    found
}

fn has_file(heap: &Heap, module: ObjectId) -> bool {
    let mut has_file = false;
    if let Some(space) = namespace_of(heap, module) {
        heap.for_each_reference(space, |_, _, name| {
            has_file |= name.kind == ReferenceKind::Value && name.attribute(true) == Some("__file__");
        });
    }
    has_file
}
