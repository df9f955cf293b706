//! Containers that are longer in every dump, whatever they hold: one list that gets the same object again and again has no
//! new objects, and may be small against the heap.

use rayon::prelude::*;
use serde::Serialize;

use super::matching::Matching;
use super::tally::grew_in_every_step;
use crate::analysis::chains::{Options, object_expressions};
use crate::analysis::retaining::Retaining;
use crate::graph::{Heap, ObjectId};

/// References more than in the first dump from which on a container is named.
const MANY_MORE: u64 = 100;
/// Containers that are named.
const MOST: usize = 20;

/// A container that is longer in every dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrownContainer {
    /// Its address.
    pub holder: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// It as a Python expression.
    pub expression: Option<String>,
    /// How many items it has in each dump.
    pub lengths: Vec<u64>,
    /// Its own size in the last dump, bytes.
    pub size: u64,
}

/// Containers of the last dump that were in the first and are longer by now, with their length in each dump.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    longer: Vec<(ObjectId, Vec<u64>)>,
}

impl Lengths {
    /// From the first dump.
    pub(super) fn new(last: &Heap, first: &Heap, matching: &Matching) -> Self {
        let graph = &last.graph;
        let references = |heap: &Heap, object: ObjectId| heap.graph.forward().row(object).len() as u64;
        let is_container = |object: ObjectId| {
            !matches!(graph.type_name_of(object), "module" | "type" | "function" | "code" | "frame" | "cell" | "tuple")
        };
        let is_longer = |&object: &ObjectId| {
            let now = references(last, object);
            let before = || matching.earlier(object).map(|earlier| references(first, earlier));
            now >= MANY_MORE && is_container(object) && before().is_some_and(|before| now >= before + MANY_MORE)
        };
        let objects: Vec<ObjectId> = graph.objects().collect();
        let longer: Vec<ObjectId> = objects.into_par_iter().filter(is_longer).collect();
        let mut lengths = Self { longer: longer.into_iter().map(|object| (object, Vec::new())).collect() };
        lengths.add(last, first, matching);
        lengths
    }

    /// Looks at the next dump.
    pub(super) fn add(&mut self, last: &Heap, heap: &Heap, matching: &Matching) {
        for (object, lengths) in &mut self.longer {
            lengths.push(matching.earlier(*object).map_or(0, |earlier| length_in(last, *object, heap, earlier)));
        }
    }

    /// Those that grew in every step and that `is_told` has not named otherwise, those with the most new items first.
    pub(super) fn grown(
        self,
        last: &Heap,
        options: &Options,
        is_told: impl Fn(ObjectId) -> bool,
    ) -> Vec<GrownContainer> {
        let graph = &last.graph;
        let mut grown: Vec<(ObjectId, Vec<u64>)> = self
            .longer
            .into_iter()
            .map(|(object, mut lengths)| {
                lengths.push(length_in(last, object, last, object));
                (object, lengths)
            })
            .filter(|(object, lengths)| grew_in_every_step(lengths) && !is_told(*object))
            .collect();
        let more = |lengths: &[u64]| lengths.last().zip(lengths.first()).map_or(0, |(last, first)| last - first);
        grown.sort_by_key(|(object, lengths)| (std::cmp::Reverse(more(lengths)), graph.address(*object)));
        grown.truncate(MOST);
        let objects: Vec<ObjectId> = grown.iter().map(|(object, _)| *object).collect();
        let expressions = object_expressions(last, &Retaining::all(graph), &options.roots, &objects);
        let container = |((object, lengths), expression): ((ObjectId, Vec<u64>), Option<String>)| {
            // what no root reaches is told elsewhere
            Some(GrownContainer {
                holder: graph.address(object),
                type_name: graph.type_name_of(object).to_owned(),
                expression: Some(expression?),
                size: graph.shallow_size(object),
                lengths,
            })
        };
        grown.into_iter().zip(expressions).filter_map(container).collect()
    }
}

/// The number of items that the dump tells; else that of the references.
fn length_in(last: &Heap, object: ObjectId, heap: &Heap, there: ObjectId) -> u64 {
    let has_length = last.describe(object).length.is_some();
    let length = if has_length { heap.describe(there).length } else { None };
    length.unwrap_or_else(|| heap.graph.forward().row(there).len() as u64)
}
