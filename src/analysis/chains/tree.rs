//! One shortest chain for each target, all of them as one tree.
//!
//! Among the shortest chains of an object the telling one is chosen, by this rule: roots in the program's own modules or
//! in the package of the object's type come before third-party ones, those before the standard library's; then the root's
//! name; then dump order of the objects from the root on. Each object's choice only depends on the choices of its
//! referrers, so that all chains together form a tree, found in one pass over the ancestors of the targets in order of
//! distance. The number of shortest chains is counted in the same pass (parallel references count once).
//!
//! Cost: O(a log a + e) for a ancestors with e references into them.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::analysis::distances::{Distances, RootChoice, naming_root};
use crate::analysis::origin::{Origin, origin_of_root, package};
use crate::analysis::retaining::Retaining;
use crate::graph::{Heap, ObjectId, ReferenceKind, ReferenceName, Root};

/// The chosen chains of a set of targets. Objects are numbered so that each comes after the one that holds it.
#[derive(Debug)]
pub struct ChainTree {
    /// The objects on the chains.
    pub objects: Vec<ObjectId>,
    /// For each, the place of its holder in `objects`; its own place for a root.
    pub holders: Vec<u32>,
    /// For each, how its holder refers to it; unknown for a root.
    pub names: Vec<ReferenceName>,
    /// For each, the number of its shortest chains; saturates.
    pub chain_counts: Vec<u64>,
    /// Place in `objects` of each target, in the order in which targets were given.
    pub targets: Vec<u32>,
    /// The roots of the tree.
    pub roots: FxHashMap<u32, Root>,
}

impl ChainTree {
    /// Places from the object at `place` up to its root.
    pub fn upwards(&self, place: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(place), |&place| {
            let holder = self.holders[place as usize];
            (holder != place).then_some(holder)
        })
    }
}

/// Chooses chains for `targets`, all of which some root reaches. `type_package` is the package of their type.
pub fn choose_chains(
    heap: &Heap,
    retaining: &Retaining<'_>,
    distances: &Distances,
    choice: &RootChoice,
    targets: &[ObjectId],
    type_package: &str,
) -> ChainTree {
    let ancestors = ancestors(retaining, distances, targets);
    let roots = ranked_roots(heap, distances, choice, &ancestors, type_package);
    let (chosen, counts) = choose_holders(retaining, distances, &ancestors, &roots);
    prune(heap, retaining, &ancestors, chosen, counts, roots, targets)
}

/// The objects on shortest chains of the targets, sorted by distance, then address; and the place of each.
struct Ancestors {
    objects: Vec<ObjectId>,
    places: FxHashMap<ObjectId, u32>,
}

fn ancestors(retaining: &Retaining<'_>, distances: &Distances, targets: &[ObjectId]) -> Ancestors {
    let mut seen: rustc_hash::FxHashSet<ObjectId> = targets.iter().copied().collect();
    let mut objects: Vec<ObjectId> = targets.to_vec();
    objects.sort_unstable();
    objects.dedup();
    let mut next = 0;
    while let Some(&object) = objects.get(next) {
        next += 1;
        if distances.is_root(object) {
            continue;
        }
        for referrer in retaining.graph.referrers(object) {
            if distances.is_step(referrer, object) && !seen.contains(&referrer) && counts(retaining, referrer, object) {
                seen.insert(referrer);
                objects.push(referrer);
            }
        }
    }
    objects.sort_by_cached_key(|&object| (distances.order(object), retaining.graph.address(object)));
    let places = (0..).zip(&objects).map(|(place, &object)| (object, place)).collect();
    Ancestors { objects, places }
}

fn counts(retaining: &Retaining<'_>, referrer: ObjectId, object: ObjectId) -> bool {
    !retaining.excludes_any() || retaining.referents(referrer).any(|target| target == object)
}

/// The roots among the ancestors with their rank: the lower the more telling.
fn ranked_roots(
    heap: &Heap,
    distances: &Distances,
    choice: &RootChoice,
    ancestors: &Ancestors,
    type_package: &str,
) -> FxHashMap<u32, (u32, Root)> {
    let candidates: Vec<u32> = (0..)
        .zip(&ancestors.objects)
        .filter(|(_, object)| distances.is_root(**object))
        .map(|(place, _)| place)
        .collect();
    let mut ranked: Vec<(Origin, Root, u32)> = candidates
        .into_par_iter()
        .filter_map(|place| {
            let object = ancestors.objects[place as usize];
            let root = naming_root(&heap.graph, object, distances.pass(object)?, choice)?;
            let name = root.name.as_deref().unwrap_or("");
            let is_of_type = !type_package.is_empty() && package(name) == type_package;
            let origin = if is_of_type { Origin::Own } else { origin_of_root(heap, object, &root.kind, name) };
            Some((origin, root, place))
        })
        .collect();
    ranked.sort_by(|a, b| (a.0, &a.1.name, a.2).cmp(&(b.0, &b.1.name, b.2)));
    (0..).zip(ranked).map(|(rank, (_, root, place))| (place, (rank, root))).collect()
}

/// For each ancestor, in order of distance: its holder on the chosen chain, and the number of shortest chains.
fn choose_holders(
    retaining: &Retaining<'_>,
    distances: &Distances,
    ancestors: &Ancestors,
    roots: &FxHashMap<u32, (u32, Root)>,
) -> (Vec<u32>, Vec<u64>) {
    let count = ancestors.objects.len();
    let mut ranks = vec![u32::MAX; count];
    let mut holders: Vec<u32> = Vec::with_capacity(count);
    let mut chain_counts: Vec<u64> = Vec::with_capacity(count);
    for (place, &object) in (0u32..).zip(&ancestors.objects) {
        if let Some((rank, _)) = roots.get(&place) {
            ranks[place as usize] = *rank;
            holders.push(place);
            chain_counts.push(1);
            continue;
        }
        let mut best = (u32::MAX, place);
        let mut chains = 0u64;
        for referrer in retaining.referrers(object).filter(|&referrer| distances.is_step(referrer, object)) {
            let Some(&holder) = ancestors.places.get(&referrer) else {
                continue;
            };
            best = best.min((ranks[holder as usize], holder));
            chains = chains.saturating_add(chain_counts[holder as usize]);
        }
        ranks[place as usize] = best.0;
        holders.push(best.1);
        chain_counts.push(chains);
    }
    (holders, chain_counts)
}

/// Keeps what is on a chosen chain, and looks up the names of its references.
fn prune(
    heap: &Heap,
    retaining: &Retaining<'_>,
    ancestors: &Ancestors,
    holders: Vec<u32>,
    counts: Vec<u64>,
    roots: FxHashMap<u32, (u32, Root)>,
    targets: &[ObjectId],
) -> ChainTree {
    let mut is_kept = vec![false; ancestors.objects.len()];
    for target in targets {
        let mut place = ancestors.places[target];
        while !is_kept[place as usize] {
            is_kept[place as usize] = true;
            place = holders[place as usize];
        }
    }
    let mut new_places = vec![u32::MAX; ancestors.objects.len()];
    let kept = || (0..ancestors.objects.len()).filter(|&place| is_kept[place]);
    for (new_place, place) in (0..).zip(kept()) {
        new_places[place] = new_place;
    }
    let objects: Vec<ObjectId> = kept().map(|place| ancestors.objects[place]).collect();
    let holders: Vec<u32> = kept().map(|place| new_places[holders[place] as usize]).collect();
    let names = reference_names(heap, retaining, &objects, &holders);
    ChainTree {
        names,
        chain_counts: kept().map(|place| counts[place]).collect(),
        targets: targets.iter().map(|target| new_places[ancestors.places[target] as usize]).collect(),
        roots: roots
            .into_iter()
            .filter(|(place, _)| is_kept[*place as usize])
            .map(|(place, (_, root))| (new_places[place as usize], root))
            .collect(),
        objects,
        holders,
    }
}

/// How each object is held by its holder. Each holder's record is read once, in parallel.
fn reference_names(
    heap: &Heap,
    retaining: &Retaining<'_>,
    objects: &[ObjectId],
    holders: &[u32],
) -> Vec<ReferenceName> {
    let mut held: Vec<(u32, u32)> = (0u32..)
        .zip(holders)
        .filter(|(place, holder)| place != *holder)
        .map(|(place, &holder)| (holder, place))
        .collect();
    held.sort_unstable();
    let by_holder: Vec<&[(u32, u32)]> = held.chunk_by(|a, b| a.0 == b.0).collect();
    let found: Vec<Vec<(u32, ReferenceName)>> = by_holder
        .par_chunks(HOLDERS_OF_TASK)
        .map(|groups| {
            let mut found = Vec::new();
            for group in groups {
                let holder = objects[group[0].0 as usize];
                let mut wanted: Vec<Wanted> =
                    group.iter().map(|&(_, place)| (objects[place as usize], place, None)).collect();
                names_from(heap, retaining, holder, &mut wanted);
                found.extend(wanted.into_iter().filter_map(|(_, place, name)| Some((place, name?))));
            }
            found
        })
        .collect();
    let mut names = vec![ReferenceName::unknown(); objects.len()];
    for (place, name) in found.into_iter().flatten() {
        names[place as usize] = name;
    }
    names
}

/// Holders whose records one task reads.
const HOLDERS_OF_TASK: usize = 64;

/// An object that is held, its place, and the name that says most of those under which its holder holds it.
type Wanted = (ObjectId, u32, Option<ReferenceName>);

/// Finds the names under which `holder` holds the wanted objects: the first that says most.
fn names_from(heap: &Heap, retaining: &Retaining<'_>, holder: ObjectId, wanted: &mut [Wanted]) {
    wanted.sort_unstable_by_key(|(object, ..)| *object);
    heap.for_each_reference(holder, |position, target, name| {
        let Ok(place) = wanted.binary_search_by_key(&target, |(object, ..)| *object) else { return };
        let best = &mut wanted[place].2;
        if retaining.counts(position) && best.as_ref().is_none_or(|known| telling(name) < telling(known)) {
            *best = Some(name.clone());
        }
    });
}

/// Lower for names that say more.
fn telling(name: &ReferenceName) -> u8 {
    match name.kind {
        ReferenceKind::Unknown => 3,
        ReferenceKind::Key => 2,
        _ if name.text.is_empty() => 1,
        _ => 0,
    }
}
