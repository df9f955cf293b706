//! Counts and sizes of groups of objects, dump by dump.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::analysis::distances::RootChoice;
use crate::analysis::summary::{By, SummaryGroup, group_sums};
use crate::graph::Heap;

/// The groups of one dump.
#[derive(Debug, Default)]
pub(super) struct Tally {
    groups: FxHashMap<String, SummaryGroup>,
}

impl Tally {
    pub(super) fn new(heap: &Heap, choice: &RootChoice, by: By) -> Self {
        let groups = group_sums(heap, choice, by);
        Self { groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect() }
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        self.groups.get(name).map_or(0, |group| group.count)
    }

    pub(super) fn retained(&self, name: &str) -> u64 {
        self.groups.get(name).map_or(0, |group| group.retained.bytes)
    }
}

/// A group of objects over a series of dumps.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Trend {
    /// Type, module, root or line of code.
    pub name: String,
    /// How many objects it has in each dump.
    pub counts: Vec<u64>,
    /// Their own sizes together, those outside the heap included, bytes.
    pub own: Vec<u64>,
    /// What its reachable objects retain, counted once, bytes.
    pub retained: Vec<u64>,
}

impl Trend {
    /// By how much its number of objects changed from the first dump to the last.
    pub fn more_objects(&self) -> i64 {
        change(&self.counts)
    }

    /// By how much what it retains changed from the first dump to the last, bytes.
    pub fn more_bytes(&self) -> i64 {
        change(&self.retained)
    }

    /// Whether each dump has more of it than the one before: objects, or bytes where the number of objects never changed.
    pub fn grew_in_every_step(&self) -> bool {
        grew_in_every_step(&self.counts)
            || self.counts.windows(2).all(|step| step[0] == step[1]) && grew_in_every_step(&self.retained)
    }

    /// Whether anything about it changed.
    pub fn has_changed(&self) -> bool {
        [&self.counts, &self.own, &self.retained].iter().any(|numbers| numbers.windows(2).any(|two| two[0] != two[1]))
    }
}

/// The last number less the first; saturates.
pub(super) fn change(numbers: &[u64]) -> i64 {
    let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
    let distance = i64::try_from(last.abs_diff(first)).unwrap_or(i64::MAX);
    if last < first { -distance } else { distance }
}

/// Whether each number is larger than the one before.
pub(super) fn grew_in_every_step(numbers: &[u64]) -> bool {
    numbers.len() > 1 && numbers.windows(2).all(|step| step[0] < step[1])
}

/// The groups of all dumps: those that have more objects first, of them those whose retained size grew most; then by name.
pub(super) fn trends(tallies: &[Tally]) -> Vec<Trend> {
    let mut trends: BTreeMap<&str, Trend> = BTreeMap::new();
    for (place, tally) in tallies.iter().enumerate() {
        for group in tally.groups.values() {
            let none = || vec![0; tallies.len()];
            let trend = trends.entry(&group.name).or_insert_with(|| Trend {
                name: group.name.clone(),
                counts: none(),
                own: none(),
                retained: none(),
            });
            trend.counts[place] = group.count;
            trend.own[place] = group.shallow.saturating_add(group.external);
            trend.retained[place] = group.retained.bytes;
        }
    }
    let mut trends: Vec<Trend> = trends.into_values().collect();
    trends.sort_by_key(|trend| {
        let more = trend.more_objects();
        (Reverse(more > 0), Reverse(trend.more_bytes()), Reverse(more))
    });
    trends
}
