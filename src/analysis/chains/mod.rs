//! Who keeps these objects alive, and through which references?
//!
//! A *chain* leads from a root over strong references to an object; the shortest ones are found by one breadth-first
//! search for all objects ([`distances`](super::distances)). Of each object's shortest chains the most telling is chosen
//! (`tree`). Chains of one shape are a *signature* (`shape`): thirty sessions that are held
//! the same way are one answer with a count.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

mod data;
mod described;
mod one_way;
mod pictures;
mod reading;
pub mod report;
mod shape;
mod sites;
mod tree;

pub use self::data::{SCHEMA, dump as dump_data};
pub(crate) use self::data::{
    address as address_data, reference as reference_data, signature as signature_data, unreached as unreached_data,
};
use self::described::{Descriptions, described, shorten};
pub(crate) use self::pictures::object_picture_name;
pub(crate) use self::reading::{short_name, title, whole_expression};
pub use self::report::Detail;
use self::shape::Shapes;
pub use self::sites::AllocationSites;
use self::tree::{ChainTree, choose_chains};
use super::cut::{Freed, disjoint_ways, frees};
use super::distances::{Distances, RootChoice};
use super::dominators::{Dominators, Holder, SetSize, retained_together};
use super::exclude::{ReferencePattern, matching_references};
use super::holders::{KnownHolder, KnownHolders};
use super::kept;
use super::origin::package;
use super::retaining::Retaining;
use super::select::{Group, Selection};
use crate::graph::{Description, Heap, ObjectId, ReferenceKind, ReferenceName, Root, TypeId};

/// How to ask.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which roots count.
    pub roots: RootChoice,
    /// References that do not count.
    pub exclude: Vec<ReferencePattern>,
    /// Further references that do not count, by their position in
    /// [`HeapGraph::forward`](crate::graph::HeapGraph::forward).
    pub without: Vec<usize>,
    /// Whether to compute what the objects and their holders retain.
    pub retained: bool,
    /// Holders that everyone meets.
    pub holders: KnownHolders,
}

/// The chains of all objects asked for.
#[derive(Debug, Clone)]
pub struct Chains {
    /// One answer a qualified type.
    pub types: Vec<TypeAnswer>,
    /// How many references were excluded.
    pub excluded_references: u64,
    /// Bytes and objects that some root reaches; `None` where retained sizes were not asked for.
    pub reachable: Option<Retained>,
    /// What going without some references frees; `None` where that was not asked.
    pub freed: Option<Freed>,
}

/// What would go if something went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Retained {
    /// Bytes, what is held outside the heap included.
    pub bytes: u64,
    /// Bytes of these that are held outside the heap; known for sets only.
    pub external: Option<u64>,
    /// Objects.
    pub objects: u64,
}

impl From<SetSize> for Retained {
    fn from(set: SetSize) -> Self {
        Self { bytes: set.shallow.saturating_add(set.external), external: Some(set.external), objects: set.objects }
    }
}

/// How the objects of one type are held.
#[derive(Debug, Clone)]
pub struct TypeAnswer {
    /// Their type.
    pub type_id: TypeId,
    /// How many there are.
    pub count: u64,
    /// Their shallow sizes together, bytes.
    pub shallow_size: u64,
    /// What becomes unreachable when all of them go.
    pub retained: Option<Retained>,
    /// The ways in which they are held, the most frequent first.
    pub signatures: Vec<Signature>,
    /// Ways beyond the first [`MAX_SIGNATURES`], and the objects that are held so.
    pub further: (u64, u64),
    /// Objects that no root reaches.
    pub unreached: Vec<Unreached>,
}

/// A way of being held, and the objects that are held so.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The same for the same way in every dump.
    pub fingerprint: String,
    /// Where the chains begin.
    pub root: Root,
    /// The pass of the search that found them: 0 is modules when nothing else was chosen.
    pub pass: usize,
    /// References in the chain of the representative; the shortest of all.
    pub length: u64,
    /// References in the longest chain: differs from `length` where repetitions were folded.
    pub longest: u64,
    /// How many shortest chains the representative has, this one included.
    pub equally_short: u64,
    /// Raw hops of the representative's chain, root first, the target last.
    pub steps: Vec<Step>,
    /// All objects that are held so, by address those of equal distance; the representative first.
    pub objects: Vec<ObjectId>,
    /// Their shallow sizes together, bytes.
    pub shallow_size: u64,
    /// Where they were allocated, as far as the dump says.
    pub sites: AllocationSites,
    /// What becomes unreachable when all of them go.
    pub retained: Option<Retained>,
    /// Disjoint ways from roots to the representative, each root first, where no single object retains it; at least two
    /// then, unless it is a root. Of many types, those of the first thousand.
    pub disjoint_ways: Vec<Vec<ObjectId>>,
    /// Holders on the chain that everyone meets, and what makes them let go.
    pub known_holders: Vec<KnownHolder>,
}

/// An object on a chain.
#[derive(Debug, Clone)]
pub struct Step {
    /// The object, on the representative's chain.
    pub object: ObjectId,
    /// What the dump says of it.
    pub description: Description,
    /// How many distinct objects stand at this place in the chains of the signature.
    pub count: u64,
    /// How it refers to the next step; `None` for the target.
    pub reference: Option<StepReference>,
    /// Whether it is the dictionary of the attributes of the step before.
    pub is_namespace: bool,
    /// What becomes unreachable when this object goes.
    pub retained: Option<Retained>,
    /// Whether all chains to the representative lead through it: it dominates it.
    pub is_must_pass: bool,
}

/// A reference on a chain.
#[derive(Debug, Clone)]
pub struct StepReference {
    /// Its name on the representative's chain.
    pub name: ReferenceName,
    /// Whether other chains of the signature have another name here.
    pub differs: bool,
}

/// An object that no root reaches.
#[derive(Debug, Clone)]
pub struct Unreached {
    /// The object.
    pub object: ObjectId,
    /// Its reference count, where the dump has it.
    pub reference_count: Option<u64>,
    /// How many objects refer to it.
    pub referrer_count: u64,
    /// The first of them, with the name of the reference.
    pub referrers: Vec<(ObjectId, ReferenceName)>,
    /// The nearest holder (or the object itself) with more references than the dump has referrers: something that is no
    /// object holds it.
    pub held_from_outside: Option<HeldFromOutside>,
}

/// An object that something outside the dump holds: native code, a stack.
#[derive(Debug, Clone)]
pub struct HeldFromOutside {
    /// The object that is held.
    pub object: ObjectId,
    /// References from it to the object that was asked for.
    pub distance: u64,
    /// Its reference count.
    pub reference_count: u64,
    /// References to it that the dump has.
    pub found: u64,
}

/// Ways of being held that are told apart for one type; further ones are only counted.
pub const MAX_SIGNATURES: usize = 10_000;
/// Signatures of a type for which the retained size of the set, and disjoint ways, are computed.
const WEIGHED: usize = 10;
/// Types for whose objects disjoint ways are searched, each of which may cost a look at the whole heap.
const FOLLOWED: usize = 1_000;
/// Disjoint ways that are named at most.
const DISJOINT_WAYS: usize = 3;
/// Referrers that are described for an object that no root reaches.
const REFERRERS_SHOWN: usize = 10;
/// Unreached objects of a type that are traced to what holds them from outside.
const TRACED: usize = 100;
/// Holders that are looked at for references from outside.
const HOLDERS_SEARCHED: usize = 1_000;
/// Reference counts from here on mark immortal objects (CPython 3.12 and later).
pub(crate) const FIRST_IMMORTAL: u64 = 1 << 30;

/// Finds the chains of the selected objects. O(n + m) for all of them together, and the text of the records on chosen
/// chains.
pub fn chains(heap: &Heap, selection: &Selection, options: &Options) -> Chains {
    let mut positions = matching_references(heap, &options.exclude);
    let excluded_references = positions.len() as u64;
    let freed = freed_without(heap, selection, options, &positions);
    positions.extend_from_slice(&options.without);
    positions.sort_unstable();
    positions.dedup();
    let retaining = Retaining::without(&heap.graph, &positions);
    let (distances, dominators) = if options.retained {
        let (distances, dominators) = kept::distances_and_dominators(heap, &retaining, &options.roots);
        (distances, Some(dominators))
    } else {
        (kept::distances(heap, &retaining, &options.roots), None)
    };
    let (choice, holders) = (&options.roots, &options.holders);
    let descriptions = Descriptions::default();
    let search = Search { heap, retaining, distances, dominators, choice, holders, descriptions };
    let types = search.answer_all(&selection.groups);
    let reachable = search.dominators.as_ref().map(|dominators| Retained {
        bytes: dominators.reachable_size(),
        external: None,
        objects: dominators.reachable_count(),
    });
    Chains { types, excluded_references, reachable, freed }
}

/// What goes when the references of `without` go, beyond those that are excluded anyway.
fn freed_without(heap: &Heap, selection: &Selection, options: &Options, excluded: &[usize]) -> Option<Freed> {
    if options.without.is_empty() {
        return None;
    }
    let retaining = Retaining::without(&heap.graph, excluded);
    let targets: Vec<ObjectId> = selection.groups.iter().flat_map(|group| &group.objects).copied().collect();
    Some(frees(&retaining, options.roots.roots(&heap.graph), &options.without, &targets))
}

/// What the chains of all types share.
struct Search<'a> {
    heap: &'a Heap,
    retaining: Retaining<'a>,
    distances: Arc<Distances>,
    dominators: Option<Arc<Dominators>>,
    choice: &'a RootChoice,
    holders: &'a KnownHolders,
    descriptions: Descriptions,
}

impl Search<'_> {
    /// Types of one package share the ranking of roots, and so the tree of chosen chains.
    fn answer_all(&self, groups: &[Group]) -> Vec<TypeAnswer> {
        let mut by_package: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        for (place, group) in groups.iter().enumerate() {
            by_package.entry(self.package_of(group)).or_default().push(place);
        }
        let mut answers: Vec<(usize, TypeAnswer)> = by_package
            .into_iter()
            .flat_map(|(package, places)| self.answer_package(groups, package, &places))
            .collect();
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn package_of<'g>(&'g self, group: &Group) -> &'g str {
        let name = self.heap.graph.type_name(group.type_id);
        if name.contains('.') { package(name) } else { "" }
    }

    fn answer_package(&self, groups: &[Group], package: &str, places: &[usize]) -> Vec<(usize, TypeAnswer)> {
        let is_reached = |object: &ObjectId| self.distances.pass(*object).is_some();
        let reached: Vec<ObjectId> =
            places.iter().flat_map(|&place| &groups[place].objects).copied().filter(is_reached).collect();
        let tree = choose_chains(self.heap, &self.retaining, &self.distances, self.choice, &reached, package);
        let shapes = Shapes::new(&self.heap.graph, &tree);
        let mut targets = tree.targets.as_slice();
        let mut parts = Vec::new();
        for &place in places {
            let count = groups[place].objects.iter().filter(|object| is_reached(object)).count();
            let (own, rest) = targets.split_at(count);
            targets = rest;
            parts.push((place, own));
        }
        let answer = |(place, own)| (place, self.answer_type(&groups[place], place, own, &tree, &shapes));
        parts.into_par_iter().map(answer).collect()
    }

    /// The answer about the type that is the `place`th asked for.
    fn answer_type(
        &self,
        group: &Group,
        place: usize,
        targets: &[u32],
        tree: &ChainTree,
        shapes: &Shapes,
    ) -> TypeAnswer {
        let finds_ways = place < FOLLOWED;
        let mut by_shape: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for &target in targets {
            by_shape.entry(shapes.of_object[target as usize]).or_default().push(target);
        }
        let mut ways: Vec<(u32, Vec<u32>)> = by_shape.into_iter().collect();
        ways.sort_unstable_by_key(|(_, targets)| (std::cmp::Reverse(targets.len()), targets.iter().min().copied()));
        let rest = ways.split_off(ways.len().min(MAX_SIGNATURES));
        let further = (rest.len() as u64, rest.iter().map(|(_, targets)| targets.len() as u64).sum());
        let mut signatures: Vec<Signature> =
            ways.into_par_iter().filter_map(|(shape, targets)| self.signature(shape, targets, tree, shapes)).collect();
        signatures.sort_by(|a, b| {
            let address = |signature: &Signature| self.heap.graph.address(signature.objects[0]);
            let key = |signature: &Signature| (signature.pass, signature.length, address(signature));
            b.objects.len().cmp(&a.objects.len()).then_with(|| key(a).cmp(&key(b)))
        });
        for signature in &mut signatures {
            signature.known_holders = self.holders.on(self.heap, signature).into_iter().cloned().collect();
        }
        // mostly all are held in one way: what that retains was computed
        let retained = match signatures.as_slice() {
            [only] if only.objects.len() == group.objects.len() => {
                self.weigh(&mut signatures, finds_ways);
                signatures[0].retained
            }
            _ => rayon::join(|| self.retained_by(&group.objects), || self.weigh(&mut signatures, finds_ways)).0,
        };
        let unreached = group.objects.iter().filter(|&&object| self.distances.pass(object).is_none());
        TypeAnswer {
            type_id: group.type_id,
            count: group.objects.len() as u64,
            shallow_size: self.size_of(&group.objects),
            retained,
            signatures,
            further,
            unreached: unreached.enumerate().map(|(place, &object)| self.unreached(object, place)).collect(),
        }
    }

    fn size_of(&self, objects: &[ObjectId]) -> u64 {
        objects.iter().fold(0u64, |sum, &object| sum.saturating_add(self.heap.graph.shallow_size(object)))
    }

    fn signature(&self, shape: u32, mut targets: Vec<u32>, tree: &ChainTree, shapes: &Shapes) -> Option<Signature> {
        // places are in order of distance, then of addresses
        targets.sort_unstable();
        let representative = *targets.first()?;
        let farthest = *targets.last()?;
        let objects: Vec<ObjectId> = targets.iter().map(|&place| tree.objects[place as usize]).collect();
        let crowd = Crowd::new(&targets, tree, shapes);
        let mut places: Vec<u32> = tree.upwards(representative).collect();
        places.reverse();
        let steps: Vec<Step> = (0..places.len())
            .map(|at| self.step(places[at], places.get(at + 1).copied(), objects[0], tree, shapes, &crowd))
            .collect();
        Some(Signature {
            fingerprint: shapes.fingerprint(&self.heap.graph, shape),
            root: tree.roots.get(places.first()?)?.clone(),
            pass: self.distances.pass(objects[0])?,
            length: places.len() as u64 - 1,
            longest: tree.upwards(farthest).count() as u64 - 1,
            equally_short: tree.chain_counts[representative as usize],
            steps,
            shallow_size: self.size_of(&objects),
            sites: AllocationSites::of(self.heap, &objects),
            retained: None,
            disjoint_ways: Vec::new(),
            known_holders: Vec::new(),
            objects,
        })
    }

    fn step(
        &self,
        place: u32,
        next: Option<u32>,
        target: ObjectId,
        tree: &ChainTree,
        shapes: &Shapes,
        crowd: &Crowd,
    ) -> Step {
        let object = tree.objects[place as usize];
        let reference = next.map(|next| {
            let mut name = tree.names[next as usize].clone();
            shorten(&mut name.text);
            StepReference { name, differs: crowd.differs(shapes.of_object[next as usize]) }
        });
        Step {
            object,
            description: match next {
                Some(_) => self.descriptions.of_holder(self.heap, object),
                None => described(self.heap, object),
            },
            count: crowd.count(shapes.of_object[place as usize]),
            reference,
            is_namespace: shapes.is_namespace[place as usize],
            retained: self.dominators.as_ref().map(|dominators| self.retained_by_one(dominators, object)),
            is_must_pass: self.dominators.as_ref().is_some_and(|dominators| dominators.dominates(object, target)),
        }
    }

    /// What the whole set retains, everything counted once.
    fn retained_by(&self, objects: &[ObjectId]) -> Option<Retained> {
        let known = (&*self.distances, &**self.dominators.as_ref()?);
        if let [only] = objects {
            return Some(self.retained_by_only(known.1, *only));
        }
        Some(retained_together(&self.retaining, known, self.choice.roots(&self.heap.graph), objects).into())
    }

    /// What a set of one object retains: the tree knows it.
    fn retained_by_only(&self, dominators: &Dominators, object: ObjectId) -> Retained {
        let outside = |object| self.heap.graph.external_size(object);
        let external = match self.heap.graph.has_external_sizes() {
            true => dominators.retained_set(object).map(outside).fold(0, u64::saturating_add),
            false => 0,
        };
        Retained { external: Some(external), ..self.retained_by_one(dominators, object) }
    }

    fn retained_by_one(&self, dominators: &Dominators, object: ObjectId) -> Retained {
        Retained { bytes: dominators.retained_size(object), external: None, objects: dominators.retained_count(object) }
    }

    /// Computes what costs a search for each signature, for those that are likely to be shown.
    fn weigh(&self, signatures: &mut [Signature], finds_ways: bool) {
        let Some(dominators) = &self.dominators else { return };
        signatures.par_iter_mut().take(WEIGHED).for_each(|signature| {
            signature.retained = self.retained_by(&signature.objects);
            let target = signature.objects[0];
            let is_held_apart = dominators.immediate_dominator(target) == Some(Holder::Root);
            if finds_ways && is_held_apart && !signature.steps.is_empty() {
                let roots = self.choice.roots(&self.heap.graph);
                signature.disjoint_ways = disjoint_ways(&self.retaining, roots, target, DISJOINT_WAYS);
            }
        });
    }

    fn unreached(&self, object: ObjectId, place: usize) -> Unreached {
        let mut referrers = Vec::new();
        let mut referrer_count = 0;
        for referrer in self.retaining.referrers(object) {
            referrer_count += 1;
            if referrers.len() < REFERRERS_SHOWN {
                referrers.push((referrer, self.name_of(referrer, object)));
            }
        }
        let reference_count = self.heap.describe(object).reference_count;
        let held_from_outside = if place < TRACED { self.held_from_outside(object) } else { None };
        Unreached { object, reference_count, referrer_count, referrers, held_from_outside }
    }

    /// Looks at the holders of an object, nearest first, for one whose reference count is not accounted for.
    fn held_from_outside(&self, object: ObjectId) -> Option<HeldFromOutside> {
        let mut seen: FxHashSet<ObjectId> = std::iter::once(object).collect();
        let mut queue = std::collections::VecDeque::from([(object, 0)]);
        while let Some((object, distance)) = queue.pop_front() {
            let found = self.heap.graph.referrer_count(object) as u64;
            let count = self.heap.describe(object).reference_count.filter(|&count| count < FIRST_IMMORTAL);
            if let Some(reference_count) = count.filter(|&count| count > found) {
                return Some(HeldFromOutside { object, distance, reference_count, found });
            }
            for referrer in self.retaining.referrers(object) {
                if seen.len() < HOLDERS_SEARCHED && seen.insert(referrer) {
                    queue.push_back((referrer, distance + 1));
                }
            }
        }
        None
    }

    fn name_of(&self, referrer: ObjectId, object: ObjectId) -> ReferenceName {
        let mut found: Option<ReferenceName> = None;
        self.heap.for_each_reference(referrer, |_, target, name| {
            let is_better = found.as_ref().is_none_or(|known| known.kind == ReferenceKind::Unknown);
            if target == object && is_better {
                found = Some(name.clone());
            }
        });
        found.unwrap_or_else(ReferenceName::unknown)
    }
}

/// What an object is, in a few words.
pub fn object_title(heap: &Heap, object: ObjectId) -> String {
    reading::title(heap, object, &heap.describe(object))
}

/// For references by their position in [`HeapGraph::forward`](crate::graph::HeapGraph::forward): who holds, and the
/// reference as a Python expression along the holder's chosen chain. A holder that no root reaches is named by its type.
pub fn reference_expressions(
    heap: &Heap,
    retaining: &Retaining<'_>,
    choice: &RootChoice,
    positions: &[usize],
) -> Vec<(ObjectId, String)> {
    let distances = kept::distances(heap, retaining, choice);
    let holders: Vec<ObjectId> = positions.iter().map(|&position| heap.graph.forward().row_of(position)).collect();
    let reached: Vec<ObjectId> = holders.iter().copied().filter(|&holder| distances.pass(holder).is_some()).collect();
    let tree = choose_chains(heap, retaining, &distances, choice, &reached, "");
    let shapes = Shapes::new(&heap.graph, &tree);
    let mut places = tree.targets.iter().copied();
    let expressions = positions.iter().zip(&holders).map(|(&position, &holder)| {
        let place = distances.pass(holder).and_then(|_| places.next());
        let name = name_at(heap, holder, position);
        let expression = match place {
            Some(place) => expression_to(heap, &tree, &shapes, place, name),
            None => format!("<{}>{}", heap.graph.type_name_of(holder), name.expression(false)),
        };
        (holder, expression)
    });
    expressions.collect()
}

/// Objects as Python expressions along their chosen chains; `None` for those that no root reaches.
pub fn object_expressions(
    heap: &Heap,
    retaining: &Retaining<'_>,
    choice: &RootChoice,
    objects: &[ObjectId],
) -> Vec<Option<String>> {
    let distances = kept::distances(heap, retaining, choice);
    let reached: Vec<ObjectId> = objects.iter().copied().filter(|&object| distances.pass(object).is_some()).collect();
    let tree = choose_chains(heap, retaining, &distances, choice, &reached, "");
    let shapes = Shapes::new(&heap.graph, &tree);
    let mut places = tree.targets.iter().copied();
    let place_of = |&object: &ObjectId| distances.pass(object).and_then(|_| places.next());
    let found: Vec<Option<u32>> = objects.iter().map(place_of).collect();
    let expression = |place: u32| match tree.holders[place as usize] {
        holder if holder == place => reading::from_root(heap, tree.roots.get(&place), &[]),
        holder => expression_to(heap, &tree, &shapes, holder, tree.names[place as usize].clone()),
    };
    found.into_iter().map(|place| place.map(expression)).collect()
}

fn name_at(heap: &Heap, holder: ObjectId, wanted: usize) -> ReferenceName {
    let mut found = ReferenceName::unknown();
    heap.for_each_reference(holder, |position, _, name| {
        if position == wanted {
            found = name.clone();
        }
    });
    found
}

/// The chain down to `place` and one more reference, as an expression.
fn expression_to(heap: &Heap, tree: &ChainTree, shapes: &Shapes, place: u32, last: ReferenceName) -> String {
    let mut places: Vec<u32> = tree.upwards(place).collect();
    places.reverse();
    let names = places[1..].iter().map(|&place| tree.names[place as usize].clone()).chain([last]);
    let steps: Vec<Step> = places
        .iter()
        .zip(names)
        .map(|(&place, name)| Step {
            object: tree.objects[place as usize],
            description: Description::default(),
            count: 1,
            reference: Some(StepReference { name, differs: false }),
            is_namespace: shapes.is_namespace[place as usize],
            retained: None,
            is_must_pass: false,
        })
        .collect();
    reading::from_root(heap, tree.roots.get(&places[0]), &steps)
}

/// How many objects stand at each place of a signature's chains, and whether the references into that place have one
/// name. Each object is looked at once.
struct Crowd {
    places: FxHashMap<u32, (u64, ReferenceName, bool)>,
}

impl Crowd {
    fn new(targets: &[u32], tree: &ChainTree, shapes: &Shapes) -> Self {
        let mut places: FxHashMap<u32, (u64, ReferenceName, bool)> = FxHashMap::default();
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        for &target in targets {
            for place in tree.upwards(target) {
                if !seen.insert(place) {
                    break;
                }
                let name = &tree.names[place as usize];
                let shape = shapes.of_object[place as usize];
                let (count, first, differs) = places.entry(shape).or_insert_with(|| (0, name.clone(), false));
                *count += 1;
                *differs |= first != name;
            }
        }
        Self { places }
    }

    fn count(&self, shape: u32) -> u64 {
        self.places.get(&shape).map_or(1, |(count, _, _)| *count)
    }

    fn differs(&self, shape: u32) -> bool {
        self.places.get(&shape).is_some_and(|(_, _, differs)| *differs)
    }
}
