//! Which dumps are of one process, and in what order were they taken?

use rustc_hash::FxHashMap;

use super::matching::Matching;
use crate::analysis::allocator::ProcessMemory;
use crate::analysis::distances::RootChoice;
use crate::analysis::kept::dominator_tree;
use crate::analysis::retaining::Retaining;
use crate::analysis::summary::Amount;
use crate::counts::grouped;
use crate::graph::{About, Heap, ObjectId, RootKind};

/// What is known of a dump as a whole.
#[derive(Debug, Clone)]
pub struct DumpFacts {
    /// Where it comes from.
    pub about: About,
    /// How many objects it has.
    pub objects: u64,
    /// How many references.
    pub references: u64,
    /// What roots reach.
    pub reachable: Amount,
    /// The memory of its process, where it says something of it.
    pub process: Option<ProcessMemory>,
    /// Whether it is of the last dump's process.
    pub kinship: Kinship,
    /// What of it is in the last dump; `None` for the last, and for dumps of other processes.
    pub matched: Option<Matched>,
    /// What was wrong with it, in words.
    pub damage: Vec<String>,
    /// Whether it lacks objects or references for that.
    pub is_incomplete: bool,
}

/// How the objects of a dump compare with those of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Matched {
    /// How many are in both.
    pub same: u64,
    /// How many of these may be others, for all that is known.
    pub unsure: u64,
    /// Addresses at which another object of the same type is by now.
    pub used_again: u64,
}

/// Whether a dump is of the same process as the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kinship {
    /// It is the last one.
    Itself,
    /// Of the same process.
    SameProcess,
    /// Of another process; why that is known, in words.
    Other(String),
}

impl DumpFacts {
    pub(super) fn new(heap: &Heap, choice: &RootChoice, kinship: Kinship, matching: Option<&Matching>) -> Self {
        let tree = dominator_tree(heap, &Retaining::all(&heap.graph), choice);
        Self {
            about: heap.about.clone(),
            objects: heap.graph.object_count() as u64,
            references: heap.graph.reference_count() as u64,
            reachable: Amount { objects: tree.reachable_count(), bytes: tree.reachable_size() },
            process: ProcessMemory::new(heap),
            kinship,
            matched: matching.map(|matching| Matched {
                same: matching.len(),
                unsure: matching.unsure,
                used_again: matching.used_again,
            }),
            damage: heap.damage.facts(),
            is_incomplete: heap.damage.cut_off.is_some()
                || heap.damage.broken_records > 0
                || heap.damage.dangling_references > 0
                || heap.damage.dangling_roots > 0,
        }
    }

    /// Seconds since 1970 at which the dump was taken, where it says so.
    pub fn taken(&self) -> Option<u64> {
        self.about.time.as_deref().and_then(epoch_seconds)
    }

    /// Whether the other is the very same dump, as far as its numbers tell.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        let numbers = |facts: &Self| (facts.objects, facts.references, facts.about.bytes, facts.reachable);
        let texts = |facts: &Self| (facts.about.pid, facts.about.time.clone(), facts.about.command.clone());
        numbers(self) == numbers(other) && texts(self) == texts(other)
    }
}

/// Of modules that both dumps have, the part that must be at the same address in dumps of one process.
const SAME_MODULES: f64 = 0.5;

/// Whether `heap` is of the same process as `last`: by its number and the version of its interpreter, and by the addresses
/// of its modules, which differ from process to process unless one was forked from the other.
pub(super) fn kinship(heap: &Heap, last: &Heap) -> Kinship {
    let (about, about_last) = (&heap.about, &last.about);
    if let (Some(pid), Some(pid_last)) = (about.pid, about_last.pid)
        && pid != pid_last
    {
        return Kinship::Other(format!("process {pid}, not {pid_last}"));
    }
    if let (Some(version), Some(version_last)) = (&about.runtime_version, &about_last.runtime_version)
        && version != version_last
    {
        return Kinship::Other(format!("of version {version} of the interpreter, not {version_last}"));
    }
    let (modules, modules_last) = (modules(heap), modules(last));
    let (mut common, mut same) = (0, 0);
    for (name, object) in modules {
        if let Some(object_last) = modules_last.get(name) {
            common += 1;
            same += u64::from(heap.graph.address(object) == last.graph.address(*object_last));
        }
    }
    if common > 0 && crate::report::share(same, common) < SAME_MODULES {
        return Kinship::Other(format!(
            "only {} of {} modules are at the same address",
            grouped(same),
            grouped(common)
        ));
    }
    if common == 0 && share_of_addresses(heap, last) < SAME_ADDRESSES {
        return Kinship::Other("nearly no object is at the same address with the same type".to_owned());
    }
    Kinship::SameProcess
}

fn modules(heap: &Heap) -> FxHashMap<&str, ObjectId> {
    let modules = heap.graph.roots().iter().filter(|root| root.kind == RootKind::Module);
    modules.filter_map(|root| Some((root.name.as_deref()?, root.object))).collect()
}

/// Of the objects of a dump without modules, the part that must have its address and type in the last.
const SAME_ADDRESSES: f64 = 0.1;
/// Objects that are looked at for that.
const PROBED: usize = 2_000;

fn share_of_addresses(heap: &Heap, last: &Heap) -> f64 {
    let step = heap.graph.object_count().div_ceil(PROBED).max(1);
    let of_last: FxHashMap<u64, &str> =
        last.graph.objects().map(|object| (last.graph.address(object), last.graph.type_name_of(object))).collect();
    let (mut probed, mut same) = (0, 0);
    for object in heap.graph.objects().step_by(step) {
        probed += 1;
        let there = of_last.get(&heap.graph.address(object));
        same += u64::from(there.is_some_and(|&name| name == heap.graph.type_name_of(object)));
    }
    crate::report::share(same, probed)
}

/// The order in which dumps of one process were taken: the places of `dumps` by their times, and whether that is another
/// order than the given one. `None` where a time is missing or the dumps are of several processes: then the given order is
/// all that is known.
pub fn by_time(dumps: &[Option<About>]) -> Option<(Vec<usize>, bool)> {
    let pid = dumps.first()?.as_ref()?.pid?;
    let mut times = Vec::new();
    for about in dumps {
        let about = about.as_ref()?;
        if about.pid != Some(pid) {
            return None;
        }
        times.push(epoch_seconds(about.time.as_deref()?)?);
    }
    let mut order: Vec<usize> = (0..dumps.len()).collect();
    order.sort_by_key(|&place| times[place]);
    let is_changed = !order.is_sorted();
    Some((order, is_changed))
}

/// Seconds since 1970 of a time in UTC as dumps write it, `2026-11-22T09:00:00Z`; fractions are left out.
pub fn epoch_seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split('.').next()?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_sound = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_sound {
        return None;
    }
    // days since 0000-03-01 in the proleptic Gregorian calendar, whose leap day ends its year
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}
