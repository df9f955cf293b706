//! Which comes first where a dictionary's references are pairs: its keys, or its values?
//!
//! CPython's traversal gives value, key from version 3 on, and gave key, value before. The records do not say which
//! interpreter wrote them; what they refer to does: a list is nobody's key, and what a module's dictionary has for keys are
//! strings. One order holds for a whole dump.

use crate::graph::{HeapGraph, ObjectId, Records};

/// Built-in types whose objects cannot be keys.
const NO_KEYS: [&str; 6] = ["dict", "list", "set", "bytearray", "collections.defaultdict", "collections.deque"];
/// Types that strings have.
const STRINGS: [&str; 2] = ["str", "unicode"];
/// Types that only an interpreter before version 3 has.
const OLD_TYPES: [&str; 4] = ["unicode", "instancemethod", "classobj", "long"];
/// Dictionaries that are looked at.
const MOST: usize = 4096;

/// Whether the keys come first in the pairs of this dump.
pub(super) fn keys_come_first(graph: &HeapGraph, records: &dyn Records) -> bool {
    let mut keys_first = 0;
    let mut values_first = 0;
    for dictionary in dictionaries(graph).take(MOST) {
        match keys_of(graph, records, dictionary) {
            Some(true) => keys_first += 1,
            Some(false) => values_first += 1,
            None => {}
        }
    }
    let is_old = || graph.types().any(|(_, name)| OLD_TYPES.contains(&name));
    keys_first > values_first || (keys_first == values_first && is_old())
}

fn dictionaries(graph: &HeapGraph) -> impl Iterator<Item = ObjectId> + '_ {
    let dict = graph.types().find(|(_, name)| *name == "dict").map(|(number, _)| number);
    graph.objects().filter(move |&object| Some(graph.type_of(object)) == dict)
}

/// Whether the keys of a dictionary come first; `None` where that cannot be told.
fn keys_of(graph: &HeapGraph, records: &dyn Records, dictionary: ObjectId) -> Option<bool> {
    let place = graph.place(dictionary);
    let mut targets = Vec::new();
    let mut kept = graph.referents(dictionary).peekable();
    records.references(place, "dict", &mut |slot| {
        if !slot.is_weak {
            // what dangles was left out of the graph
            targets.push(kept.next_if(|&target| graph.address(target) == slot.target));
        }
    });
    let length = records.describe(place, "dict").length?;
    if length == 0 || length.checked_mul(2) != Some(targets.len() as u64) {
        return None;
    }
    let is_of = |target: &Option<ObjectId>, types: &[&str]| {
        target.is_some_and(|target| types.contains(&graph.type_name_of(target)))
    };
    let [first, second] = [0, 1].map(|start| targets.iter().skip(start).step_by(2));
    let [no_first, no_second] =
        [first.clone(), second.clone()].map(|mut part| part.any(|target| is_of(target, &NO_KEYS)));
    if no_first != no_second {
        return Some(no_second);
    }
    let is_of_module = graph.referrers(dictionary).any(|holder| graph.type_name_of(holder) == "module");
    let [words_first, words_second] = [first, second].map(|mut part| part.all(|target| is_of(target, &STRINGS)));
    (is_of_module && words_first != words_second).then_some(words_first)
}
