//! What accumulates here, when nobody has a name yet?
//!
//! A leak is a place where things pile up: a container, a registry, and who owns it. Places are found by the references that
//! lead out of them (`places`), not by dominance alone: what two registries hold counts for both, and they are named
//! together. Five kinds:
//!
//! - a *container*: dictionary, list, set, deque, a subclass of one, the table of an `lru_cache`, a C object with items;
//! - *names* that a running program makes up: attributes `job_1`, `job_2`, … of one object (`named`);
//! - *roots* of one kind with one name: values of a context variable, modules made at run time (`named`);
//! - a *linked* structure: objects of one type that hang on each other (`linked`);
//! - what *no root reaches*, held from outside or garbage, as the reference counts tell (`unreached`).
//!
//! They are ranked by their bytes times what speaks for them (`evidence`). What lies below another place is part of it
//! (`fold`). What is large but has nothing that speaks for it (a table of constants, a cache that is full, the
//! interpreter's own) is no suspect: it is told as large.
//!
//! O(n + m), and a search for each suspect that is worked out.

pub(crate) mod bounded;
mod candidate;
mod evidence;
mod facts;
mod fold;
mod linked;
mod named;
mod places;
mod unreached;

use std::cmp::Reverse;

use rustc_hash::FxHashMap;
use serde::Serialize;

use self::candidate::{Candidate, Place as Spot};
use self::evidence::{Contents, score};
use self::facts::{Facts, Kind};
pub use self::unreached::Outside;
use super::allocator::ProcessMemory;
use super::chains::{Chains, Options, chains, object_expressions};
use super::distances::Distances;
use super::dominators::{Dominators, retained_together};
use super::kept::distances_and_dominators;
use super::marks::Marks;
use super::origin::Origin;
use super::retaining::Retaining;
use super::select::{Group, Selection};
use crate::graph::{Heap, ObjectId};

/// Objects that make an accumulation.
pub const MANY: u64 = 5;
/// References to few objects from which on a container is suspect.
const SAME_AGAIN: u64 = 200;
/// Suspects that are worked out.
const MOST: usize = 20;
/// Candidates whose place is named before the last ranking.
const NAMED: usize = 400;
/// Elements whose chains are looked for.
const CHAINED: usize = 10_000;
/// Suspects whose chain is shown.
const WITH_CHAIN: usize = 10;
/// Types of elements that are told.
const TYPES_TOLD: usize = 8;

/// The suspects of a heap, the most suspicious first.
#[derive(Debug, Clone, Serialize)]
pub struct Suspects {
    /// At most twenty.
    pub suspects: Vec<Suspect>,
    /// Places with more than a hundredth of the heap for which nothing else speaks, the largest first.
    pub large: Vec<Large>,
    /// Bytes that some root reaches.
    #[serde(rename = "reachable_bytes")]
    pub reachable: u64,
    /// Whether it is shown that nothing accumulates: no suspect, nothing large, and an undamaged dump.
    pub is_clean: bool,
    /// The memory of the process, where the dump says something of it.
    #[serde(skip)]
    pub process: Option<ProcessMemory>,
}

/// An accumulation.
#[derive(Debug, Clone, Serialize)]
pub struct Suspect {
    /// What kind of place it is.
    pub place: Place,
    /// Address of the container, the owner of the names, the first of linked objects.
    pub holder: Option<u64>,
    /// Its type.
    pub holder_type: Option<String>,
    /// The holder as a Python expression; of names, with what differs as `*`.
    pub expression: Option<String>,
    /// Other places that hold most of the same elements: all must let go.
    pub together_with: Vec<OtherHolder>,
    /// References from the holder to its items, parallel ones counted each.
    pub items: u64,
    /// The type of what is told first of the elements.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many elements of this type there are.
    pub count: u64,
    /// How many elements there are of each type, the program's own first.
    pub elements: Vec<TypeCount>,
    /// Types of the program and of packages among the elements and below, the program's own first.
    pub user_types: Vec<TypeCount>,
    /// Elements that are dead bookkeeping: weak references to nothing, empty containers.
    pub dead: u64,
    /// Whether the elements are classes.
    pub are_classes: bool,
    /// What goes when they go, bytes.
    pub retained: u64,
    /// Whose code they are.
    pub origin: Origin,
    /// Why what no root reaches is there.
    pub outside: Option<Outside>,
    /// The way in which the elements are held: the same in every dump.
    pub fingerprint: Option<String>,
    /// Chains of the elements; for the first suspects only.
    #[serde(skip)]
    pub chains: Option<Chains>,
    /// Elements, the first of which the chains are of.
    #[serde(skip)]
    pub shown: Vec<ObjectId>,
}

/// Where things pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In a container.
    Container,
    /// Under names of one object.
    Names,
    /// In objects of one type that hang on each other.
    Linked,
    /// Under roots of one name.
    Roots,
    /// No root reaches them.
    Unreached,
}

/// Another place that holds the same elements.
#[derive(Debug, Clone, Serialize)]
pub struct OtherHolder {
    /// Its address.
    pub holder: u64,
    /// Its type.
    pub holder_type: String,
    /// It as a Python expression.
    pub expression: Option<String>,
}

/// How many objects of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many.
    pub count: u64,
}

/// A place that is large, and no more than that.
#[derive(Debug, Clone, Serialize)]
pub struct Large {
    /// It as a Python expression.
    pub expression: Option<String>,
    /// Its type.
    pub holder_type: String,
    /// References to its items.
    pub items: u64,
    /// Bytes of it and of what its elements retain.
    pub bytes: u64,
    /// Why it is no suspect.
    pub reason: Harmless,
}

/// Why a large place is no suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harmless {
    /// Text and numbers, or containers of them, of a package: a table in its source.
    Table,
    /// It is as long as its bound.
    Full,
    /// The interpreter's or the standard library's, without objects of others.
    Interpreter,
}

/// Finds the suspects.
pub fn suspects(heap: &Heap, options: &Options) -> Suspects {
    let retaining = Retaining::all(&heap.graph);
    let (distances, tree) = distances_and_dominators(heap, &retaining, &options.roots);
    let facts = Facts::new(heap, &tree);
    let survey = Survey { heap, retaining: &retaining, distances: &distances, tree: &tree, facts: &facts, options };
    let (ranked, harmless) = survey.ranked();
    let folded = fold::fold(&heap.graph, &tree, &facts, ranked, MOST);
    let suspects: Vec<Suspect> = folded
        .into_iter()
        .enumerate()
        .map(|(place, candidate)| survey.work_out(candidate, place < WITH_CHAIN))
        .collect();
    let large = survey.large(harmless);
    Suspects {
        is_clean: suspects.is_empty() && large.is_empty() && heap.damage == Default::default(),
        suspects,
        large,
        reachable: tree.reachable_size(),
        process: ProcessMemory::new(heap),
    }
}

struct Survey<'a> {
    heap: &'a Heap,
    retaining: &'a Retaining<'a>,
    distances: &'a Distances,
    tree: &'a Dominators,
    facts: &'a Facts,
    options: &'a Options,
}

impl Survey<'_> {
    /// Suspects before they are folded, the most suspicious first; and places that are none.
    fn ranked(&self) -> (Vec<Candidate>, Vec<(Candidate, Harmless)>) {
        let (heap, tree, facts) = (self.heap, self.tree, self.facts);
        let found = places::containers(heap, tree, facts).into_iter().map(|found| Candidate {
            place: Spot::Container { is_same_again: found.is_same_again },
            holder: Some(found.holder),
            others: Vec::new(),
            items: found.items,
            bytes: found.bytes,
            contents: Contents::of(heap, facts, &found.elements),
            elements: found.elements,
            owner: Origin::StandardLibrary,
            expression: None,
        });
        let mut candidates: Vec<Candidate> = found.collect();
        candidates.extend(named::names(heap, tree, facts));
        candidates.extend(linked::structures(heap, tree, facts));
        self.sort(&mut candidates);
        candidates.truncate(NAMED);
        self.name(&mut candidates);
        candidates.extend(named::roots(heap, tree, facts));
        candidates.extend(unreached::unreached(heap, tree, facts));
        self.sort(&mut candidates);
        let mut harmless = Vec::new();
        candidates.retain(|candidate| match self.harmless(candidate) {
            Some(reason) => {
                harmless.push((candidate.clone(), reason));
                false
            }
            None => true,
        });
        (candidates, harmless)
    }

    fn sort(&self, candidates: &mut [Candidate]) {
        let graph = &self.heap.graph;
        let address = |object: ObjectId| graph.address(object);
        candidates.sort_by_cached_key(|candidate| {
            let first = candidate.holder.or(candidate.elements.first().copied()).map(address);
            (Reverse(score(candidate)), first, candidate.expression.clone())
        });
    }

    /// Gives candidates their expressions, and with these their owners.
    fn name(&self, candidates: &mut [Candidate]) {
        let holders: Vec<ObjectId> = candidates.iter().filter_map(|candidate| candidate.holder).collect();
        let expressions = object_expressions(self.heap, self.retaining, &self.options.roots, &holders);
        for (candidate, expression) in candidates.iter_mut().filter(|one| one.holder.is_some()).zip(expressions) {
            candidate.owner = expression.as_deref().map_or(Origin::StandardLibrary, |text| self.owner(text));
            candidate.expression = match (&candidate.place, expression) {
                (Spot::Names(pattern), Some(owner)) => {
                    Some(format!("{}.{pattern}", owner.strip_suffix(".__dict__").unwrap_or(&owner)))
                }
                (_, expression) => expression,
            };
        }
    }

    /// Whose code the root of an expression is: frames are the program's.
    fn owner(&self, expression: &str) -> Origin {
        if expression.starts_with("<thread frame") {
            return Origin::Own;
        }
        let name = expression.find(['[', '<', '{']).map_or(expression, |end| &expression[..end]);
        self.facts.origins.of_name(name)
    }

    /// Why a candidate is no suspect, where it is none.
    fn harmless(&self, candidate: &Candidate) -> Option<Harmless> {
        if !matches!(candidate.place, Spot::Container { .. } | Spot::Names(_) | Spot::Linked) {
            return None;
        }
        let contents = &candidate.contents;
        if candidate.holder.is_some_and(|holder| bounded::is_full(self.heap, holder)) {
            return Some(Harmless::Full);
        }
        if contents.has_users()
            || matches!(candidate.place, Spot::Container { is_same_again: true } if contents.constant == 0)
        {
            return None;
        }
        let is_small = candidate.bytes < self.tree.reachable_size() / 100;
        match candidate.owner {
            Origin::Own => None,
            Origin::ThirdParty if contents.is_made_up() || is_small && contents.changing > 0 => None,
            Origin::ThirdParty => Some(Harmless::Table),
            Origin::StandardLibrary => Some(Harmless::Interpreter),
        }
    }

    fn large(&self, harmless: Vec<(Candidate, Harmless)>) -> Vec<Large> {
        let floor = self.tree.reachable_size() / 100;
        let graph = &self.heap.graph;
        // the interpreter has tables in every program
        let is_told =
            |(candidate, reason): &(Candidate, Harmless)| candidate.bytes >= floor && *reason != Harmless::Interpreter;
        let mut large: Vec<Large> = harmless
            .into_iter()
            .filter(is_told)
            .map(|(candidate, reason)| Large {
                holder_type: candidate.holder.map_or_else(String::new, |holder| graph.type_name_of(holder).to_owned()),
                expression: candidate.expression,
                items: candidate.items,
                bytes: candidate.bytes,
                reason,
            })
            .collect();
        large.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.expression.cmp(&b.expression)));
        large.truncate(MOST);
        large
    }

    fn work_out(&self, candidate: Candidate, has_chain: bool) -> Suspect {
        let graph = &self.heap.graph;
        let type_name = |object: ObjectId| graph.type_name_of(object).to_owned();
        let elements = self.by_type(&candidate.elements);
        let user_types = self.user_types(&candidate.elements);
        let shown = self.shown(&candidate.elements, user_types.first().or(elements.first()));
        let chains = (has_chain && !shown.is_empty()).then(|| self.chains(&shown));
        let signature = chains.as_ref().and_then(|chains| chains.types.first()?.signatures.first());
        let fingerprint = signature.map(|signature| signature.fingerprint.clone());
        let expressions = object_expressions(self.heap, self.retaining, &self.options.roots, &candidate.others);
        let others = candidate.others.iter().zip(expressions);
        let first = elements.first().cloned().unwrap_or(TypeCount { type_name: String::new(), count: 0 });
        Suspect {
            place: match candidate.place {
                Spot::Container { .. } => Place::Container,
                Spot::Names(_) => Place::Names,
                Spot::Linked => Place::Linked,
                Spot::Roots(_) => Place::Roots,
                Spot::Unreached(_) => Place::Unreached,
            },
            holder: candidate.holder.map(|holder| graph.address(holder)),
            holder_type: candidate.holder.map(type_name),
            together_with: others
                .map(|(&holder, expression)| OtherHolder {
                    holder: graph.address(holder),
                    holder_type: type_name(holder),
                    expression,
                })
                .collect(),
            items: candidate.items,
            type_name: first.type_name,
            count: first.count,
            elements,
            user_types,
            dead: self.dead(&candidate.elements),
            are_classes: shown.first().is_some_and(|&element| self.facts.is_class.has(element)),
            retained: self.retained(&candidate),
            origin: candidate.contents.origin(),
            outside: if let Spot::Unreached(outside) = candidate.place { Some(outside) } else { None },
            expression: candidate.expression,
            fingerprint,
            chains,
            shown,
        }
    }

    /// What goes when holder and elements go.
    fn retained(&self, candidate: &Candidate) -> u64 {
        if matches!(candidate.place, Spot::Unreached(_)) {
            return candidate.bytes;
        }
        let dominated = candidate.holder.filter(|&holder| {
            let is_names = matches!(candidate.place, Spot::Names(_));
            !is_names && candidate.elements.iter().all(|&element| self.tree.dominates(holder, element))
        });
        if let Some(holder) = dominated {
            return self.tree.retained_size(holder);
        }
        let is_names = matches!(candidate.place, Spot::Names(_));
        let mut set = candidate.elements.clone();
        set.extend(candidate.holder.filter(|_| !is_names));
        let roots = self.options.roots.roots(&self.heap.graph);
        let set = retained_together(self.retaining, (self.distances, self.tree), roots, &set);
        set.shallow.saturating_add(set.external)
    }

    /// Elements by type: the program's own first, then packages', and of them the most frequent.
    fn by_type(&self, elements: &[ObjectId]) -> Vec<TypeCount> {
        let graph = &self.heap.graph;
        let mut counts: FxHashMap<&str, (Origin, u64)> = FxHashMap::default();
        for &element in elements {
            let known = counts.entry(graph.type_name_of(element)).or_insert((self.facts.own[element.index()], 0));
            known.0 = known.0.min(self.facts.own[element.index()]);
            known.1 += 1;
        }
        let is_plain = |name: &str| matches!(name, "str" | "int" | "bytes" | "float" | "functools._lru_list_elem");
        let mut counts: Vec<(&str, (Origin, u64))> = counts.into_iter().collect();
        counts.sort_by_key(|&(name, (origin, count))| (origin, is_plain(name), Reverse(count), name));
        counts.truncate(TYPES_TOLD);
        counts.into_iter().map(|(name, (_, count))| TypeCount { type_name: name.to_owned(), count }).collect()
    }

    /// Types of the program and of packages among the elements and below them: those that most elements have first.
    fn user_types(&self, elements: &[ObjectId]) -> Vec<TypeCount> {
        let graph = &self.heap.graph;
        let mut counts: FxHashMap<&str, (Origin, u64, usize)> = FxHashMap::default();
        let mut looked_at = 0;
        let mut seen = Marks::of(graph.object_count(), std::iter::empty());
        let mut level: Vec<ObjectId> = elements.to_vec();
        for depth in 0..LEVELS {
            let mut next = Vec::new();
            for object in level {
                if looked_at >= LOOKED_AT || !seen.insert(object) {
                    continue;
                }
                looked_at += 1;
                let origin = self.facts.own[object.index()];
                if origin < Origin::StandardLibrary {
                    let known = counts.entry(graph.type_name_of(object)).or_insert((origin, 0, depth));
                    known.1 += 1;
                }
                let passes_on = match self.facts.kind(graph, object) {
                    Kind::Function | Kind::OfCode | Kind::Frozen => true,
                    _ => graph.type_name_of(object) == "cell",
                };
                if passes_on {
                    // what a closure refers to may be held elsewhere as well
                    next.extend(graph.referents(object).take(PARTS).filter(|&part| self.is_data(part)));
                }
                if self.tree.is_reachable(object) {
                    next.extend(self.tree.children(super::dominators::Holder::Object(object)));
                }
            }
            level = next;
        }
        let common =
            |count: u64| count * 2 >= elements.len() as u64 || count >= MANY && elements.len() < 2 * MANY as usize;
        let mut counts: Vec<(&str, (Origin, u64, usize))> = counts.into_iter().collect();
        counts.sort_by_key(|&(name, (origin, count, depth))| (!common(count), origin, depth, Reverse(count), name));
        counts.truncate(TYPES_TOLD);
        counts.into_iter().map(|(name, (_, count, _))| TypeCount { type_name: name.to_owned(), count }).collect()
    }

    /// Whether an object is no part of the program itself: nothing that the source names, no root, no module's names.
    fn is_data(&self, object: ObjectId) -> bool {
        let facts = self.facts;
        let is_program = facts.is_named.has(object) || facts.is_root.has(object) || facts.is_namespace.has(object);
        !is_program && !matches!(self.heap.graph.type_name_of(object), "code" | "module")
    }

    /// The elements of one type, by address; of all where none is of it.
    fn shown(&self, elements: &[ObjectId], of: Option<&TypeCount>) -> Vec<ObjectId> {
        let graph = &self.heap.graph;
        let is_of = |object: &&ObjectId| of.is_some_and(|of| graph.type_name_of(**object) == of.type_name);
        let mut shown: Vec<ObjectId> = elements.iter().filter(is_of).copied().collect();
        if shown.is_empty() {
            let first = elements.first().map(|&first| graph.type_of(first));
            shown = elements.iter().filter(|&&object| Some(graph.type_of(object)) == first).copied().collect();
        }
        shown.sort_by_cached_key(|&object| graph.address(object));
        shown.truncate(CHAINED);
        shown
    }

    fn chains(&self, objects: &[ObjectId]) -> Chains {
        let type_id = self.heap.graph.type_of(objects[0]);
        let group = Group { type_id, objects: objects.to_vec() };
        let selection = Selection { groups: vec![group], ..Selection::default() };
        chains(self.heap, &selection, &Options { retained: false, ..self.options.clone() })
    }

    /// Weak references to nothing, and containers without anything.
    fn dead(&self, elements: &[ObjectId]) -> u64 {
        let graph = &self.heap.graph;
        let is_weak = |object: ObjectId| {
            let name = graph.type_name_of(object);
            name.starts_with("weakref") || name == "weakref.ReferenceType"
        };
        let is_empty = |object: ObjectId| {
            matches!(graph.type_name_of(object), "dict" | "list" | "set" | "collections.deque")
                && graph.forward().row(object).is_empty()
        };
        let has_weak = elements.iter().any(|&element| is_weak(element));
        let alive: rustc_hash::FxHashSet<ObjectId> = match has_weak {
            true => graph.weak_references().iter().map(|weak| weak.source).collect(),
            false => Default::default(),
        };
        let is_dead = |element: ObjectId| is_weak(element) && !alive.contains(&element) || is_empty(element);
        elements.iter().filter(|&&element| is_dead(element)).count() as u64
    }
}

/// Levels below the elements on which types are looked for.
const LEVELS: usize = 10;
/// References of a function, a method or a tuple that are followed.
const PARTS: usize = 16;
/// Objects below a place that are looked at for types.
const LOOKED_AT: usize = 200_000;

/// What objects retain together, as far as each retains it alone.
fn bytes_of(tree: &Dominators, objects: &[ObjectId]) -> u64 {
    objects.iter().fold(0u64, |sum, &object| sum.saturating_add(tree.retained_size(object)))
}

/// Types that hold a program together rather than its data.
pub(crate) fn is_plumbing(type_name: &str) -> bool {
    matches!(type_name, "module" | "type" | "code" | "frame" | "abc.ABCMeta" | "enum.EnumType" | "enum.EnumMeta")
}
