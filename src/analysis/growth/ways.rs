//! Ways of being held, counted in every dump.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::tally::{change, grew_in_every_step};
use super::units::Unit;
use crate::analysis::chains::{Chains, Options, Signature, TypeAnswer, chains};
use crate::analysis::dominators::retained_together;
use crate::analysis::kept::distances_and_dominators;
use crate::analysis::marks::Marks;
use crate::analysis::origin::Origin;
use crate::analysis::retaining::Retaining;
use crate::analysis::select::{Group, Selection};
use crate::analysis::suspects::bounded::is_full;
use crate::graph::{Heap, ObjectId};

/// A way of being held that has more objects in the last dump than in the first, or as many that retain much more.
#[derive(Debug, Clone)]
pub struct GrownWay {
    /// The type of the objects.
    pub type_name: String,
    /// Whose code that is.
    pub origin: Origin,
    /// The same for the same way in every dump; empty for objects that no root reaches.
    pub fingerprint: String,
    /// How many objects are held so in each dump.
    pub counts: Vec<u64>,
    /// What they retain together in each dump, bytes; `None` where that was not worked out.
    pub retained: Vec<Option<u64>>,
    /// Those of the last dump that are neither in the first nor only in the last: they outlived a step. `None` for fewer
    /// than three dumps of one process.
    pub survivors: Option<u64>,
    /// Other types that grow with these, with the change of their numbers.
    pub with: Vec<(String, i64)>,
    /// The chains in the last dump: one type, one way; or objects that no root reaches.
    pub chains: Chains,
}

impl GrownWay {
    /// By how much the number of objects changed from the first dump to the last.
    pub fn more_objects(&self) -> i64 {
        change(&self.counts)
    }

    /// By how much what they retain changed, bytes.
    pub fn more_bytes(&self) -> i64 {
        change(&self.known_bytes())
    }

    /// Whether each dump has more of them than the one before, or as many that retain more.
    pub fn grew_in_every_step(&self) -> bool {
        grew_in_every_step(&self.counts) || self.has_swollen() && grew_in_every_step(&self.known_bytes())
    }

    /// Whether the number of objects never changed: what they retain has grown.
    pub fn has_swollen(&self) -> bool {
        self.counts.windows(2).all(|two| two[0] == two[1])
    }

    /// What they retain in each dump, 0 where that was not worked out.
    pub fn known_bytes(&self) -> Vec<u64> {
        self.retained.iter().map(|bytes| bytes.unwrap_or(0)).collect()
    }

    /// Whether the first dump has none of them.
    pub fn is_new(&self) -> bool {
        self.counts.first() == Some(&0)
    }
}

/// How the objects of a unit are held in one dump.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// Objects and bytes by [`key`].
    ways: FxHashMap<String, (u64, Option<u64>)>,
    /// Objects that no root reaches.
    unreached: u64,
}

/// Ways of a unit whose retained sizes are worked out.
const WEIGHED: usize = 20;

impl Counted {
    /// Counts `objects`, all of one type, by how they are held.
    pub(super) fn of(heap: &Heap, objects: &[ObjectId], options: &Options) -> Self {
        let found = find(heap, objects, &Options { retained: false, ..options.clone() });
        found.types.first().map_or_else(Self::default, |answer| Self::in_answer(heap, answer, options))
    }

    /// The same of objects whose ways are known.
    fn in_answer(heap: &Heap, answer: &TypeAnswer, options: &Options) -> Self {
        let retaining = Retaining::all(&heap.graph);
        let (distances, tree) = distances_and_dominators(heap, &retaining, &options.roots);
        let weigh = |objects: &[ObjectId]| {
            let roots = options.roots.roots(&heap.graph);
            let set = retained_together(&retaining, (&distances, &tree), roots, objects);
            set.shallow.saturating_add(set.external)
        };
        let ways = answer.signatures.iter().enumerate().map(|(place, way)| {
            let bytes = (place < WEIGHED).then(|| weigh(&way.objects));
            (key(heap, way), way.objects.len() as u64, bytes)
        });
        let mut by_key: FxHashMap<String, (u64, Option<u64>)> = FxHashMap::default();
        for (key, count, bytes) in ways {
            let sum = by_key.entry(key).or_insert((0, Some(0)));
            *sum = (sum.0 + count, sum.1.zip(bytes).map(|(sum, bytes)| sum.saturating_add(bytes)));
        }
        Self { ways: by_key, unreached: answer.unreached.len() as u64 }
    }

    fn get(&self, fingerprint: &str) -> (u64, Option<u64>) {
        if fingerprint.is_empty() {
            return (self.unreached, Some(0));
        }
        self.ways.get(fingerprint).copied().unwrap_or((0, Some(0)))
    }
}

fn find(heap: &Heap, objects: &[ObjectId], options: &Options) -> Chains {
    let groups = objects.first().map(|&first| Group { type_id: heap.graph.type_of(first), objects: objects.to_vec() });
    chains(heap, &Selection { groups: groups.into_iter().collect(), ..Selection::default() }, options)
}

/// What two ways have in common that differ in nothing but the digits of attributes: `job_1`, `job_2`, … are names that the
/// program makes up as it runs. Of any other way, its fingerprint.
fn key(heap: &Heap, way: &Signature) -> String {
    let names = || way.steps.iter().filter_map(|step| step.reference.as_ref()?.name.attribute(step.is_namespace));
    let has_digits = |name: &str| name.bytes().any(|byte| byte.is_ascii_digit());
    if !names().any(has_digits) {
        return way.fingerprint.clone();
    }
    let mut key = format!("{} {}", way.root.kind.word(), way.root.name.as_deref().unwrap_or(""));
    for step in &way.steps {
        let name = step.reference.as_ref().map(|reference| match reference.name.attribute(step.is_namespace) {
            Some(attribute) => folded(attribute),
            None => reference.name.wildcard().to_owned(),
        });
        key.push_str(&format!("\n{} {}", heap.graph.type_name_of(step.object), name.unwrap_or_default()));
    }
    key
}

/// The text with each run of digits as `*`.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '0'..='9' if folded.ends_with('*') => {}
            '0'..='9' => folded.push('*'),
            letter => folded.push(letter),
        }
    }
    folded
}

/// What makes a way worth telling.
pub(super) struct Judge<'a> {
    /// Objects of the last dump that outlived a step, where that is known.
    pub(super) survivors: Option<&'a Marks>,
    /// Bytes of growth that are worth a name where the number of objects has not grown.
    pub(super) worth_naming: u64,
}

/// The ways in which the objects of `unit` are held in `last` and that have grown since the first of `counted`, the counts
/// of all dumps but the last; and how many have shrunk, and how many are gone.
pub(super) fn grown_ways(
    last: &Heap,
    unit: &Unit,
    objects: &[ObjectId],
    counted: &[&Counted],
    judge: &Judge<'_>,
    options: &Options,
) -> (Vec<GrownWay>, (u64, u64)) {
    let found = find(last, objects, &Options { retained: true, ..options.clone() });
    let now = found.types.first().map_or_else(Counted::default, |answer| Counted::in_answer(last, answer, options));
    let history = |fingerprint: &str| -> Vec<(u64, Option<u64>)> {
        counted.iter().map(|counted| counted.get(fingerprint)).chain([now.get(fingerprint)]).collect()
    };
    let before = |fingerprint: &str| counted.first().map_or(0, |counted| counted.get(fingerprint).0);
    let shrunk = now.ways.iter().filter(|(fingerprint, (count, _))| *count < before(fingerprint)).count() as u64;
    let gone = counted.first().map_or(0, |first| first.ways.keys().filter(|way| !now.ways.contains_key(*way)).count());
    let Some(answer) = found.types.first() else { return (Vec::new(), (shrunk, gone as u64)) };
    let way = |place: &str, fingerprint: &str, objects: &[ObjectId], held: Option<&Signature>| {
        let history = history(place);
        let (counts, retained): (Vec<u64>, Vec<Option<u64>>) = history.into_iter().unzip();
        let has_swollen = || {
            let bytes: Option<Vec<u64>> = retained.iter().copied().collect();
            bytes.is_some_and(|bytes| u64::try_from(change(&bytes)).is_ok_and(|more| more >= judge.worth_naming))
        };
        (counts.first() < counts.last() || has_swollen()).then(|| GrownWay {
            type_name: last.graph.type_name(answer.type_id).to_owned(),
            origin: unit.origin,
            fingerprint: fingerprint.to_owned(),
            counts,
            retained,
            survivors: judge.survivors.map(|marks| objects.iter().filter(|&&object| marks.has(object)).count() as u64),
            with: unit.with.clone(),
            chains: found.alone(answer, held),
        })
    };
    let mut by_key: Vec<(String, Signature)> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for held in &answer.signatures {
        match places.entry(key(last, held)) {
            Entry::Occupied(place) => {
                let known = &mut by_key[*place.get()].1;
                known.objects.extend_from_slice(&held.objects);
                known.shallow_size = known.shallow_size.saturating_add(held.shallow_size);
            }
            Entry::Vacant(place) => {
                by_key.push((place.key().clone(), held.clone()));
                place.insert(by_key.len() - 1);
            }
        }
    }
    let mut ways: Vec<GrownWay> =
        by_key.iter().filter_map(|(key, held)| way(key, &held.fingerprint, &held.objects, Some(held))).collect();
    if !answer.unreached.is_empty() {
        let objects: Vec<ObjectId> = answer.unreached.iter().map(|unreached| unreached.object).collect();
        ways.extend(way("", "", &objects, None));
    }
    (ways, (shrunk, gone as u64))
}

/// Growth of so few bytes that then stops says nothing.
const TRIFLE: i64 = 4 << 10;

/// Whether a way has grown and come to an end: it did not grow in the last of several steps, and it fills a cache to its
/// bound, or is a trifle.
pub(super) fn has_ended(heap: &Heap, way: &GrownWay) -> bool {
    let stands = |numbers: &[u64]| matches!(numbers, [_, .., before, last] if last <= before);
    if !stands(&way.counts) || way.has_swollen() {
        return false;
    }
    let signatures = way.chains.types.iter().flat_map(|answer| &answer.signatures);
    let mut holders = signatures.flat_map(|held| &held.steps).map(|step| step.object);
    let is_trifle = way.origin == Origin::StandardLibrary && way.more_bytes() < TRIFLE;
    is_trifle || holders.any(|holder| is_full(heap, holder))
}

/// The type of the caches of `functools.lru_cache`. Most have a bound: they fill, and stop.
const BOUNDED_CACHE: &str = "functools._lru_cache_wrapper";

/// Puts those first that grew in every step, and of these what retains most more than in the first dump: of the program's
/// own types four times as heavy, of installed packages' twice as heavy as of built-in ones, and what a bounded cache holds
/// eight times lighter.
pub(super) fn rank(heap: &Heap, ways: &mut [GrownWay]) {
    let is_cached = |way: &GrownWay| {
        let signatures = way.chains.types.iter().flat_map(|answer| &answer.signatures);
        let mut steps = signatures.flat_map(|held| &held.steps);
        steps.any(|step| heap.graph.type_name_of(step.object) == BOUNDED_CACHE)
    };
    ways.sort_by_cached_key(|way| {
        let weight = match way.origin {
            Origin::Own => 4,
            Origin::ThirdParty => 2,
            Origin::StandardLibrary => 1,
        };
        let bytes = u64::try_from(way.more_bytes()).unwrap_or(0).saturating_mul(weight);
        let bytes = if is_cached(way) { bytes / 8 } else { bytes };
        let leading = (Reverse(way.grew_in_every_step()), Reverse(bytes), Reverse(way.more_objects()));
        (leading, way.type_name.clone(), way.fingerprint.clone())
    });
}
