//! Summaries against definitions that are too simple to be wrong, and as a person reads them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use retainers::analysis::distances::RootChoice;
use retainers::analysis::summary::{Amount, By, FromOutside, NO_ROOT, SEVERAL_ROOTS, Sort, Summary, summary};
use retainers::graph::Heap;
use serde_json::json;

use super::{in_small_stack, long_list, page};
use crate::support::heap::{heap, load};

/// A random heap: types, references, reference counts and roots by object.
#[derive(Debug, Clone)]
struct Random {
    types: Vec<usize>,
    counts: Vec<u64>,
    references: Vec<(usize, usize)>,
    roots: BTreeSet<usize>,
}

const TYPES: [&str; 4] = ["a.X", "a.Y", "b.f.<locals>.Z", "str"];
const MODULES: [&str; 4] = ["a", "a", "b", "builtins"];

fn random() -> impl Strategy<Value = Random> {
    (2usize..16).prop_flat_map(|count| {
        let types = prop::collection::vec(0..TYPES.len(), count);
        let counts = prop::collection::vec(prop_oneof![0u64..4, Just(1 << 30)], count);
        let references = prop::collection::vec((0..count, 0..count), 0..30);
        (types, counts, references, prop::collection::btree_set(0..count, 0..4))
            .prop_map(|(types, counts, references, roots)| Random { types, counts, references, roots })
    })
}

impl Random {
    fn count(&self) -> usize {
        self.types.len()
    }

    fn dump(&self) -> String {
        let mut lines = vec![json!({"retainers": 1}).to_string()];
        for object in 0..self.count() {
            let refs: Vec<usize> = self.referents(object).map(|to| to * 16 + 16).collect();
            let (name, count) = (TYPES[self.types[object]], self.counts[object]);
            let size = self.size(object);
            lines.push(
                json!({"address": object * 16 + 16, "type": name, "size": size, "rc": count, "refs": refs}).to_string(),
            );
        }
        for root in &self.roots {
            lines.push(json!({"root": "module", "name": format!("r{root}"), "object": root * 16 + 16}).to_string());
        }
        lines.push(json!({"end": {"objects": self.count()}}).to_string());
        lines.join("\n") + "\n"
    }

    fn size(&self, object: usize) -> u64 {
        1 << object
    }

    fn referents(&self, object: usize) -> impl Iterator<Item = usize> + '_ {
        self.references.iter().filter(move |(from, _)| *from == object).map(|(_, to)| *to)
    }

    /// What `starts` lead to, themselves included, without passing through `closed`.
    fn reached(&self, starts: impl IntoIterator<Item = usize>, closed: Option<usize>) -> BTreeSet<usize> {
        let mut open: Vec<usize> = starts.into_iter().filter(|&start| Some(start) != closed).collect();
        let mut seen: BTreeSet<usize> = open.iter().copied().collect();
        while let Some(object) = open.pop() {
            let referents = self.referents(object).filter(|&to| Some(to) != closed);
            open.extend(referents.filter(|&to| seen.insert(to)));
        }
        seen
    }

    fn reachable(&self) -> BTreeSet<usize> {
        self.reached(self.roots.iter().copied(), None)
    }

    /// What is no longer reached without `object`.
    fn retained(&self, object: usize) -> BTreeSet<usize> {
        let rest = self.reached(self.roots.iter().copied(), Some(object));
        self.reachable().difference(&rest).copied().collect()
    }

    fn amount(&self, objects: &BTreeSet<usize>) -> Amount {
        Amount { objects: objects.len() as u64, bytes: objects.iter().map(|&object| self.size(object)).sum() }
    }

    /// Objects and retained amount by group: sets of objects that no other object of the group retains.
    fn groups(&self, name: impl Fn(usize) -> String) -> BTreeMap<String, (u64, Amount)> {
        let retained: Vec<BTreeSet<usize>> = (0..self.count()).map(|object| self.retained(object)).collect();
        let mut groups: BTreeMap<String, (u64, Amount)> = BTreeMap::new();
        for object in 0..self.count() {
            let is_below =
                |other: usize| other != object && name(other) == name(object) && retained[other].contains(&object);
            let group = groups.entry(name(object)).or_default();
            group.0 += 1;
            if !(0..self.count()).any(is_below) {
                let Amount { objects, bytes } = self.amount(&retained[object]);
                group.1.add(objects, bytes);
            }
        }
        groups
    }

    /// The root that retains the object, if one does.
    fn root_of(&self, object: usize) -> String {
        if !self.reachable().contains(&object) {
            return NO_ROOT.to_owned();
        }
        // a root is held by nothing else, so that no root retains another
        let retains = |root: usize| {
            let others = self.roots.iter().copied().filter(|&other| other != root);
            object == root || !self.roots.contains(&object) && !self.reached(others, Some(root)).contains(&object)
        };
        let root = self.roots.iter().copied().find(|&root| retains(root));
        root.map_or(SEVERAL_ROOTS.to_owned(), |root| format!("module r{root}"))
    }

    fn unreachable(&self) -> BTreeSet<usize> {
        let reachable = self.reachable();
        (0..self.count()).filter(|object| !reachable.contains(object)).collect()
    }

    fn is_on_cycle(&self, object: usize) -> bool {
        self.reached(self.referents(object), None).contains(&object)
    }

    fn has_referrer(&self, object: usize) -> bool {
        self.references.iter().any(|(_, to)| *to == object)
    }

    fn held_from_outside(&self) -> FromOutside {
        let reachable = self.reachable();
        let mut outside = FromOutside::default();
        for object in 0..self.count() {
            let found = self.references.iter().filter(|(_, to)| *to == object).count() as u64;
            if self.counts[object] > found && self.counts[object] < 1 << 30 {
                outside.objects += 1;
                outside.unreachable += u64::from(!reachable.contains(&object));
            }
        }
        outside
    }
}

fn found(heap: &Heap, by: By) -> BTreeMap<String, (u64, Amount)> {
    let groups = summary(heap, &RootChoice::default(), by, Sort::Name).groups;
    groups.into_iter().map(|group| (group.name, (group.count, group.retained))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_is_retained_twice_by_a_group(random in random()) {
        let heap = load(random.dump().as_bytes());
        prop_assert_eq!(found(&heap, By::Type), random.groups(|object| TYPES[random.types[object]].to_owned()));
        prop_assert_eq!(found(&heap, By::Module), random.groups(|object| MODULES[random.types[object]].to_owned()));
        prop_assert_eq!(found(&heap, By::Root), random.groups(|object| random.root_of(object)));
    }

    #[test]
    fn what_is_not_reachable_is_counted_by_its_reason(random in random()) {
        let heap = load(random.dump().as_bytes());
        let totals = summary(&heap, &RootChoice::default(), By::Type, Sort::Name).totals;
        let unreachable = random.unreachable();
        let cyclic: BTreeSet<usize> = unreachable.iter().copied().filter(|&object| random.is_on_cycle(object)).collect();
        let loose = random.reached(unreachable.iter().copied().filter(|&object| !random.has_referrer(object)), None);
        let by_cycles: BTreeSet<usize> =
            unreachable.iter().copied().filter(|object| !cyclic.contains(object) && !loose.contains(object)).collect();
        prop_assert_eq!(totals.reachable, random.amount(&random.reachable()));
        prop_assert_eq!(totals.unreachable, random.amount(&unreachable));
        prop_assert_eq!(totals.in_cycles, random.amount(&cyclic));
        prop_assert_eq!(totals.held_by_cycles, random.amount(&by_cycles));
        prop_assert_eq!(totals.held_from_outside, Some(random.held_from_outside()));
    }
}

const SKETCH: &str = "
    module app .cache -> c, .last -> s2
    module lib .shared -> x
    c: dict ['a'] -> s1, ['b'] -> s2
    s1: app.Session .rows -> r
    r: list [0] -> s3
    s2: app.Session .x -> x
    s3: app.Session
    x: str
    y: app.Node .me -> y, .leaf -> z
    z: str
";

fn text_of(answer: &Summary, heap: &Heap, limit: usize) -> String {
    page(&answer.report(heap, limit))
}

#[test]
fn the_summary_reads_as_a_table() {
    let heap = heap(SKETCH);
    let answer = summary(&heap, &RootChoice::default(), By::Type, Sort::Retained);
    assert_eq!(text_of(&answer, &heap, 10), EXPECTED);
}

const EXPECTED: &str = "\
6.9 KiB in 10 objects that roots reach
no root reaches 2 objects, 2.9 KiB: 1 in cycles, 1 held only by cycles

  type         objects  shallow  retained  of reachable
  module             2    768 B   6.0 KiB         87.3%
  dict               3  1.4 KiB   5.2 KiB         76.4%
  app.Session        3  2.8 KiB   3.9 KiB         56.4%
  list               1  1.1 KiB   2.4 KiB         34.5%
  str                2  2.4 KiB     896 B         12.7%
  app.Node           1  1.4 KiB       0 B          0.0%

note: retained is what objects keep alive each by itself, counted once a type; one type may retain another
";

#[test]
fn one_session_below_another_counts_once() {
    let heap = heap(SKETCH);
    let answer = summary(&heap, &RootChoice::default(), By::Type, Sort::Retained);
    let sessions = answer.groups.iter().find(|group| group.name == "app.Session").unwrap();
    assert_eq!(sessions.count, 3);
    // s1 with its list and s3 below it; s2 alone, since the text is shared with another module
    assert_eq!(sessions.retained.objects, 4);
    assert_eq!(sessions.retained.bytes, (1024 + 1152 + 1280) + 512);
}

#[test]
fn groups_are_sorted_as_asked_and_limited() {
    let heap = heap(SKETCH);
    let names = |sort| -> Vec<String> {
        summary(&heap, &RootChoice::default(), By::Type, sort).groups.into_iter().map(|group| group.name).collect()
    };
    assert_eq!(names(Sort::Name), ["app.Node", "app.Session", "dict", "list", "module", "str"]);
    assert_eq!(names(Sort::Count)[..2], ["app.Session", "dict"]);
    let answer = summary(&heap, &RootChoice::default(), By::Type, Sort::Name);
    assert!(text_of(&answer, &heap, 2).contains("… 4 more types"));
    assert_eq!(answer.report(&heap, 2).data["groups"].as_array().unwrap().len(), 6);
}

#[test]
fn sites_and_external_bytes_are_told_where_the_dump_has_them() {
    let dump = r#"{"address":16,"type":"module","size":8,"name":"app","refs":[32,48]}
{"address":32,"type":"numpy.ndarray","size":96,"external":4096,"site":"app.py:7","refs":[]}
{"address":48,"type":"str","size":50,"refs":[]}
"#;
    let heap = load(dump.as_bytes());
    let answer = summary(&heap, &RootChoice::default(), By::Site, Sort::Retained);
    let groups: Vec<(&str, u64, u64)> =
        answer.groups.iter().map(|group| (group.name.as_str(), group.external, group.retained.bytes)).collect();
    assert_eq!(groups, [("not recorded", 0, 4250), ("app.py:7", 4096, 4192)]);
    assert!(text_of(&answer, &heap, 10).contains("external"));
    assert_eq!(answer.totals.held_from_outside, None);
}

#[test]
fn a_long_list_and_a_long_cycle_that_no_root_reaches_need_no_stack() {
    let answer = in_small_stack(|| {
        let reached = load(long_list(200_000, "module").as_bytes());
        let lost = load(long_list(200_000, "Other").as_bytes());
        [reached, lost].map(|heap| summary(&heap, &RootChoice::default(), By::Type, Sort::Retained))
    });
    assert_eq!(answer[0].groups[1].name, "Node");
    assert_eq!(answer[0].groups[1].retained.objects, 200_000);
    assert_eq!(answer[1].totals.in_cycles.objects, 200_000);
}
