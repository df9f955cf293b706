//! Does this dump hold to its rules? The gate for tests and for continuous integration.
//!
//! A rule is about the objects of a type: how many there may be, what they may retain, how many more than in a baseline,
//! and in which ways they may be held. What violates it is told with the chain and the fingerprint of each way. Ways that
//! are meant to be are allowed by their fingerprints and do not count.
//!
//! A baseline is reduced to counts before the dump itself is read, so that only one heap is in memory. Objects are not
//! matched: the baseline may be of another process.

mod report;
mod rules;

use rustc_hash::FxHashMap;

pub use self::rules::{Rule, Rules};
use super::chains::{Chains, Options, TypeAnswer, chains};
use super::distances::RootChoice;
use super::dominators::retained_together;
use super::kept::distances_and_dominators;
use super::origin::{Origin, TypeOrigins};
use super::retaining::Retaining;
use super::select::{Group, Missing, Query, Selection, select};
use super::suspects::is_plumbing;
use crate::graph::{Heap, ObjectId, TypeId};

/// What of a baseline the rules compare with.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// The dump.
    pub file: String,
    /// By type and fingerprint, how many objects are held so; those that no root reaches have no fingerprint.
    ways: FxHashMap<(String, String), u64>,
}

/// How a dump holds to its rules.
#[derive(Debug, Clone)]
pub struct Check {
    /// One for each rule, in their order.
    pub outcomes: Vec<Outcome>,
    /// The baseline that it was compared with.
    pub baseline: Option<String>,
}

/// How a dump holds to one rule.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The rule.
    pub rule: Rule,
    /// Whether the dump holds to it.
    pub holds: bool,
    /// What was compared with the limit: objects, bytes, or new ways.
    pub found: u64,
    /// The number in the baseline, where there is one.
    pub before: Option<u64>,
    /// What is held in ways that are allowed, and so was left out.
    pub allowed: u64,
    /// The ways in which the objects are held that are too many: of growth and new ways, those that grew or are new.
    pub violations: Vec<Violation>,
    /// The type that the rule names, where the dump has no object of it.
    pub missing: Option<Missing>,
}

/// A way of being held that makes a dump violate a rule.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The type of the objects.
    pub type_name: String,
    /// Empty for objects that no root reaches.
    pub fingerprint: String,
    /// How many objects are held so.
    pub count: u64,
    /// How many in the baseline.
    pub before: Option<u64>,
    /// The chain: one type, one way.
    pub chains: Chains,
}

/// Ways told of a rule at most.
const MOST_WAYS: usize = 20;

impl Check {
    /// Whether the dump holds to all rules.
    pub fn holds(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.holds)
    }
}

impl Baseline {
    /// Counts what `rules` compare with.
    pub fn new(heap: &Heap, rules: &Rules, options: &Options) -> Self {
        let options = Options { retained: false, ..options.clone() };
        let mut ways = FxHashMap::default();
        for rule in rules.rules.iter().filter(|rule| rule.compares()) {
            for answer in chains(heap, &selection_of(heap, rule), &options).types {
                let name = heap.graph.type_name(answer.type_id).to_owned();
                for (fingerprint, objects) in counts(&answer) {
                    ways.insert((name.clone(), fingerprint), objects);
                }
            }
        }
        Self { file: heap.about.file.clone(), ways }
    }

    fn count(&self, type_name: &str, fingerprint: &str) -> u64 {
        self.ways.get(&(type_name.to_owned(), fingerprint.to_owned())).copied().unwrap_or(0)
    }
}

/// Objects by fingerprint. Ways beyond those that are told apart count as one without a name.
fn counts(answer: &TypeAnswer) -> Vec<(String, u64)> {
    let ways = answer.signatures.iter().map(|way| (way.fingerprint.clone(), way.objects.len() as u64));
    let (_, further) = answer.further;
    ways.chain([(String::new(), answer.unreached.len() as u64 + further)]).collect()
}

/// The objects that a rule is about.
fn selection_of(heap: &Heap, rule: &Rule) -> Selection {
    if let Some(name) = rule.type_name() {
        return select(&heap.graph, &Query { types: vec![name.to_owned()], ids: Vec::new() });
    }
    let origins = TypeOrigins::new(heap);
    let is_users = |(type_id, name): (TypeId, &str)| {
        origins.of_type(type_id) < Origin::StandardLibrary && !is_plumbing(name) && !name.ends_with("Meta")
    };
    let is_wanted: Vec<bool> = heap.graph.types().map(is_users).collect();
    let mut by_type: FxHashMap<TypeId, Vec<ObjectId>> = FxHashMap::default();
    for object in heap.graph.objects_of(&is_wanted) {
        by_type.entry(heap.graph.type_of(object)).or_default().push(object);
    }
    let mut groups: Vec<Group> = by_type.into_iter().map(|(type_id, objects)| Group { type_id, objects }).collect();
    for group in &mut groups {
        group.objects.sort_by_cached_key(|&object| heap.graph.address(object));
    }
    groups.sort_by_key(|group| heap.graph.type_name(group.type_id));
    Selection { groups, ..Selection::default() }
}

/// Checks a dump. Rules that compare find nothing new or grown where there is no baseline.
pub fn check(heap: &Heap, rules: &Rules, baseline: Option<&Baseline>, options: &Options) -> Check {
    let examiner = Examiner { heap, rules, baseline, options };
    Check {
        outcomes: rules.rules.iter().map(|rule| examiner.outcome(rule)).collect(),
        baseline: baseline.map(|baseline| baseline.file.clone()),
    }
}

/// Which ways violate a rule.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// All of them.
    All,
    /// Those of this answer that have more objects than in the baseline.
    Grown(&'a Chains),
    /// Those of this answer that the baseline does not have.
    New(&'a Chains),
}

struct Examiner<'a> {
    heap: &'a Heap,
    rules: &'a Rules,
    baseline: Option<&'a Baseline>,
    options: &'a Options,
}

impl Examiner<'_> {
    fn outcome(&self, rule: &Rule) -> Outcome {
        let mut selection = selection_of(self.heap, rule);
        let missing = selection.missing.pop();
        let options = Options { retained: false, ..self.options.clone() };
        let needs_ways = rule.compares() || !self.rules.allowed.is_empty();
        let objects: u64 = selection.groups.iter().map(|group| group.objects.len() as u64).sum();
        if let Rule::Max { objects: limit, .. } = rule
            && (objects <= *limit || !needs_ways)
        {
            let violations = if objects <= *limit { Vec::new() } else { self.violations(&selection, Wanted::All) };
            let holds = objects <= *limit;
            return Outcome {
                rule: rule.clone(),
                holds,
                found: objects,
                before: None,
                allowed: 0,
                violations,
                missing,
            };
        }
        let found = chains(self.heap, &selection, &options);
        let allowed = self.allowed(&found);
        let outcome = |holds, found, before, violations| Outcome {
            rule: rule.clone(),
            holds,
            found,
            before,
            allowed: allowed.len() as u64,
            violations,
            missing,
        };
        match rule {
            Rule::Max { objects: limit, .. } => {
                let count = objects - allowed.len() as u64;
                let holds = count <= *limit;
                outcome(holds, count, None, self.violations_unless(holds, &selection, Wanted::All))
            }
            Rule::MaxRetained { bytes: limit, .. } => {
                let bytes = self.retained(&selection, &allowed);
                let holds = bytes <= *limit;
                outcome(holds, bytes, None, self.violations_unless(holds, &selection, Wanted::All))
            }
            Rule::MaxGrowth { objects: limit, .. } => {
                let before = self.before(rule);
                let more = (objects - allowed.len() as u64).saturating_sub(before);
                let holds = self.baseline.is_none() || more <= *limit;
                outcome(holds, more, Some(before), self.violations_unless(holds, &selection, Wanted::Grown(&found)))
            }
            Rule::NoNewSignatures { .. } => {
                let is_new = |(name, (fingerprint, count)): &(&str, (String, u64))| {
                    !fingerprint.is_empty()
                        && *count > 0
                        && !self.rules.allows(fingerprint)
                        && self.baseline.is_some_and(|baseline| baseline.count(name, fingerprint) == 0)
                };
                let of_type = |answer: &TypeAnswer| {
                    let name = self.heap.graph.type_name(answer.type_id);
                    counts(answer).into_iter().map(move |way| (name, way)).collect::<Vec<_>>()
                };
                let new = found.types.iter().flat_map(of_type).filter(is_new).count() as u64;
                outcome(new == 0, new, None, self.violations_unless(new == 0, &selection, Wanted::New(&found)))
            }
        }
    }

    /// The objects that are held in allowed ways.
    fn allowed(&self, found: &Chains) -> Vec<ObjectId> {
        let ways = found.types.iter().flat_map(|answer| &answer.signatures);
        ways.filter(|way| self.rules.allows(&way.fingerprint)).flat_map(|way| way.objects.iter().copied()).collect()
    }

    fn retained(&self, selection: &Selection, allowed: &[ObjectId]) -> u64 {
        let retaining = Retaining::all(&self.heap.graph);
        let choice: &RootChoice = &self.options.roots;
        let (distances, tree) = distances_and_dominators(self.heap, &retaining, choice);
        let mut objects: Vec<ObjectId> =
            selection.groups.iter().flat_map(|group| group.objects.iter().copied()).collect();
        if !allowed.is_empty() {
            let allowed: rustc_hash::FxHashSet<ObjectId> = allowed.iter().copied().collect();
            objects.retain(|object| !allowed.contains(object));
        }
        let set = retained_together(&retaining, (&distances, &tree), choice.roots(&self.heap.graph), &objects);
        set.shallow.saturating_add(set.external)
    }

    /// Objects of the rule's types in the baseline that are not held in allowed ways.
    fn before(&self, rule: &Rule) -> u64 {
        let (Some(baseline), Some(asked)) = (self.baseline, rule.type_name()) else { return 0 };
        let counts = baseline.ways.iter().filter(|((name, fingerprint), _)| {
            super::select::names_type(asked, name) && !self.rules.allows(fingerprint)
        });
        counts.map(|(_, count)| count).sum()
    }

    fn violations_unless(&self, holds: bool, selection: &Selection, wanted: Wanted<'_>) -> Vec<Violation> {
        if holds { Vec::new() } else { self.violations(selection, wanted) }
    }

    /// The wanted ways in which the objects of a selection are held and that are not allowed: the most frequent first, those
    /// of a baseline by what they have more.
    fn violations(&self, selection: &Selection, wanted: Wanted<'_>) -> Vec<Violation> {
        let chosen = match wanted {
            Wanted::All => selection.clone(),
            // retained sizes and names only for what grew
            Wanted::Grown(found) | Wanted::New(found) => self.grown(selection, found),
        };
        let answered = chains(self.heap, &chosen, &Options { retained: true, ..self.options.clone() });
        let mut violations = Vec::new();
        for answer in &answered.types {
            let name = self.heap.graph.type_name(answer.type_id);
            let mut add = |fingerprint: &str, count: u64, held| {
                let before = self.baseline.map_or(0, |baseline| baseline.count(name, fingerprint));
                let is_wanted = match wanted {
                    Wanted::All => true,
                    Wanted::Grown(_) => before < count,
                    Wanted::New(_) => before == 0 && !fingerprint.is_empty(),
                };
                if count > 0 && is_wanted && !self.rules.allows(fingerprint) {
                    violations.push(Violation {
                        type_name: name.to_owned(),
                        fingerprint: fingerprint.to_owned(),
                        count,
                        before: (!matches!(wanted, Wanted::All)).then_some(before),
                        chains: answered.alone(answer, held),
                    });
                }
            };
            for way in &answer.signatures {
                add(&way.fingerprint, way.objects.len() as u64, Some(way));
            }
            add("", answer.unreached.len() as u64, None);
        }
        violations.sort_by_key(|violation| {
            let more = violation.count - violation.before.unwrap_or(0);
            (std::cmp::Reverse(more), violation.type_name.clone(), violation.fingerprint.clone())
        });
        violations.truncate(MOST_WAYS);
        violations
    }

    /// The types of a selection that have a way with more objects than in the baseline.
    fn grown(&self, selection: &Selection, found: &Chains) -> Selection {
        let has_grown = |answer: &&TypeAnswer| {
            let name = self.heap.graph.type_name(answer.type_id);
            let before = |fingerprint: &str| self.baseline.map_or(0, |baseline| baseline.count(name, fingerprint));
            counts(answer).iter().any(|(fingerprint, count)| *count > before(fingerprint))
        };
        let grown: Vec<TypeId> = found.types.iter().filter(has_grown).map(|answer| answer.type_id).collect();
        let groups = selection.groups.iter().filter(|group| grown.contains(&group.type_id)).cloned().collect();
        Selection { groups, ..Selection::default() }
    }
}
