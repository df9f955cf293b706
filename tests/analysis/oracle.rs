//! Random heaps: chains against a search that is too simple to be wrong.

use std::collections::{BTreeSet, HashMap, VecDeque};

use proptest::prelude::*;
use retainers::graph::Heap;
use serde_json::json;

use super::Asked;
use crate::support::heap::load;

/// A random heap: n objects, references among them (some dangling, some parallel), roots of two kinds.
#[derive(Debug, Clone)]
struct Random {
    count: u64,
    /// Each object has a type of its own, so that no chain repeats itself and none is folded.
    has_own_types: bool,
    references: Vec<(u64, u64)>,
    modules: BTreeSet<u64>,
    frames: BTreeSet<u64>,
}

fn random() -> impl Strategy<Value = Random> {
    (2u64..40).prop_flat_map(|count| {
        let object = 0..count;
        (
            prop::collection::vec((object.clone(), 0..count + 2), 0..90),
            prop::collection::btree_set(object.clone(), 0..4),
            prop::collection::btree_set(object, 0..4),
        )
            .prop_map(move |(references, modules, frames)| Random {
                count,
                has_own_types: false,
                references,
                modules,
                frames,
            })
    })
}

impl Random {
    fn type_of(&self, object: u64) -> String {
        if self.has_own_types { format!("T{object}") } else { "T".to_owned() }
    }

    fn dump(&self) -> String {
        let mut lines = vec![json!({"retainers": 1}).to_string()];
        for object in 0..self.count {
            let refs: Vec<u64> =
                self.references.iter().filter(|(from, _)| *from == object).map(|(_, to)| to * 16 + 16).collect();
            let edges: Vec<String> = refs.iter().map(|to| format!(".a{}", to % 3)).collect();
            let line = json!({"address": object * 16 + 16, "type": self.type_of(object), "size": 8, "refs": refs, "edges": edges});
            lines.push(line.to_string());
        }
        for (kind, roots) in [("module", &self.modules), ("frame", &self.frames)] {
            lines.extend(
                roots.iter().map(|root| {
                    json!({"root": kind, "name": format!("r{root}"), "object": root * 16 + 16}).to_string()
                }),
            );
        }
        lines.push(json!({"end": {"objects": self.count}}).to_string());
        lines.join("\n") + "\n"
    }

    /// Distance from the nearest of `roots`, not entering `closed`.
    fn distances(&self, roots: &BTreeSet<u64>, closed: &HashMap<u64, u64>) -> HashMap<u64, u64> {
        let mut found: HashMap<u64, u64> = HashMap::new();
        let mut queue: VecDeque<u64> = roots.iter().copied().filter(|root| !closed.contains_key(root)).collect();
        queue.iter().for_each(|&root| {
            found.insert(root, 0);
        });
        while let Some(object) = queue.pop_front() {
            for &(_, target) in self.references.iter().filter(|(from, _)| *from == object) {
                if target < self.count && !closed.contains_key(&target) && !found.contains_key(&target) {
                    found.insert(target, found[&object] + 1);
                    queue.push_back(target);
                }
            }
        }
        found
    }
}

/// Distance of each object by its chain, and whether it came from the first pass.
fn by_chains(heap: &Heap) -> HashMap<u64, (u64, bool)> {
    let (_, answer) = Asked::types(&["T*"]).answer(heap);
    let mut found = HashMap::new();
    for signature in answer.types.iter().flat_map(|answer| &answer.signatures) {
        for &object in &signature.objects {
            found.insert(heap.graph.address(object) / 16 - 1, (signature.length, signature.pass == 0));
        }
        for hop in signature.steps.windows(2) {
            assert!(heap.graph.referents(hop[0].object).any(|target| target == hop[1].object));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn chains_are_as_long_as_a_plain_search_finds_them(random in random()) {
        let random = Random { has_own_types: true, ..random };
        let heap = load(random.dump().as_bytes());
        let from_modules = random.distances(&random.modules, &HashMap::new());
        let from_frames = random.distances(&random.frames, &from_modules);
        let mut expected: HashMap<u64, (u64, bool)> =
            from_modules.into_iter().map(|(object, distance)| (object, (distance, true))).collect();
        expected.extend(from_frames.into_iter().map(|(object, distance)| (object, (distance, false))));
        // without any root, objects of type module would stand in; there are none here
        prop_assert_eq!(by_chains(&heap), expected);
    }

    #[test]
    fn the_answer_does_not_depend_on_the_number_of_threads(random in random()) {
        let answer = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Asked::types(&["T"]).text(&load(random.dump().as_bytes())))
        };
        let one = answer(1);
        for threads in [2, 3, 8] {
            prop_assert_eq!(&answer(threads), &one);
        }
    }
}
