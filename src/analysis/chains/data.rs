//! The answer for machines: the JSON that `docs/json-output.md` describes.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::reading::{ReadStep, hop_text, read, whole_expression};
use super::{Chains, Signature, Step, TypeAnswer, Unreached};
use crate::analysis::select::Selection;
use crate::counts::cut;
use crate::graph::{Heap, ObjectId, ReferenceName};

/// Grows whenever a consumer would have to change.
pub const SCHEMA: u32 = 1;

/// Everything that the text shows, numbers exact.
pub fn data(heap: &Heap, selection: &Selection, chains: &Chains) -> Value {
    let matched: u64 = chains.types.iter().map(|answer| answer.count).sum();
    let signatures: Vec<Value> = chains
        .types
        .iter()
        .flat_map(|answer| answer.signatures.iter().map(|way| signature(heap, answer, way)))
        .collect();
    let unreached: Vec<Value> =
        chains.types.iter().flat_map(|answer| answer.unreached.iter().map(|object| unreached(heap, object))).collect();
    let missing = selection.missing.iter().map(|missing| {
        let nearest: Vec<Value> =
            missing.nearest.iter().map(|(name, count)| json!({"type": name, "count": count})).collect();
        json!({"asked": missing.asked, "nearest": nearest})
    });
    let ambiguous = selection.ambiguous.iter().map(|(asked, types)| json!({"asked": asked, "types": types}));
    json!({
        "schema": SCHEMA,
        "dump": dump(heap),
        "matched": matched,
        "types": chains.types.iter().map(|answer| of_type(heap, answer)).collect::<Vec<_>>(),
        "ambiguous": ambiguous.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "excluded_references": chains.excluded_references,
        "reachable": chains.reachable,
        "without": chains.freed.map(|freed| json!({
            "objects": freed.objects,
            "bytes": freed.bytes,
            "matched": freed.targets_freed,
        })),
        "signatures": signatures,
        "unreached": unreached,
    })
}

/// What is known of the dump.
pub fn dump(heap: &Heap) -> Value {
    let mut about = serde_json::to_value(&heap.about).unwrap_or_default();
    if let Value::Object(fields) = &mut about {
        fields.insert("objects".into(), heap.graph.object_count().into());
        fields.insert("references".into(), heap.graph.reference_count().into());
        fields.insert("weak_references".into(), heap.graph.weak_references().len().into());
        fields.insert("roots".into(), heap.graph.roots().len().into());
        fields.insert("damage".into(), serde_json::to_value(&heap.damage).unwrap_or_default());
    }
    about
}

/// Bytes of the name of a type or a root; what is longer is cut.
const LONGEST: usize = 4 << 10;

fn name_text(name: &str) -> Cow<'_, str> {
    cut(name, LONGEST)
}

fn of_type(heap: &Heap, answer: &TypeAnswer) -> Value {
    json!({
        "type": name_text(heap.graph.type_name(answer.type_id)),
        "count": answer.count,
        "shallow_size": answer.shallow_size,
        "retained": answer.retained,
        "signatures": answer.signatures.len() as u64 + answer.further.0,
        "signatures_left_out": answer.further.0,
        "unreached": answer.unreached.len(),
    })
}

/// A way of being held.
pub fn signature(heap: &Heap, answer: &TypeAnswer, way: &Signature) -> Value {
    json!({
        "fingerprint": way.fingerprint,
        "type": name_text(heap.graph.type_name(answer.type_id)),
        "count": way.objects.len(),
        "shallow_size": way.shallow_size,
        "retained": way.retained,
        "length": way.length,
        "longest": way.longest,
        "equally_short": way.equally_short,
        "root": {
            "kind": way.root.kind.word(),
            "name": way.root.name.as_deref().map(name_text),
            "address": address(heap, way.root.object),
        },
        "expression": whole_expression(heap, way),
        "steps": way.steps.iter().map(|hop| step(heap, hop)).collect::<Vec<_>>(),
        "reading": read(heap, way, false).iter().map(read_step).collect::<Vec<_>>(),
        "objects": way.objects.iter().map(|&object| address(heap, object)).collect::<Vec<_>>(),
        "disjoint_ways": way.disjoint_ways.iter().map(|ways| objects(heap, ways)).collect::<Vec<_>>(),
        "known_holders": way.known_holders,
        "sites": way.sites,
    })
}

fn step(heap: &Heap, step: &Step) -> Value {
    let mut fields = object(heap, step.object);
    let description = &step.description;
    fields.insert("count".into(), step.count.into());
    if let Some(retained) = step.retained {
        fields.insert("retained".into(), json!({"bytes": retained.bytes, "objects": retained.objects}));
        fields.insert("must_pass".into(), step.is_must_pass.into());
    }
    let texts = [("name", &description.name), ("value", &description.value), ("site", &description.site)];
    for (key, text) in texts {
        if let Some(text) = text {
            fields.insert(key.into(), text.as_str().into());
        }
    }
    for (key, number) in [("length", description.length), ("reference_count", description.reference_count)] {
        if let Some(number) = number {
            fields.insert(key.into(), number.into());
        }
    }
    let held = step.reference.as_ref().map(|held| {
        let mut fields = reference(&held.name);
        fields.insert("differs".into(), held.differs.into());
        fields.insert("expression".into(), hop_text(step).into());
        fields
    });
    fields.insert("reference".into(), held.map_or(Value::Null, Value::Object));
    Value::Object(fields)
}

fn object(heap: &Heap, object: ObjectId) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("address".into(), address(heap, object));
    fields.insert("type".into(), name_text(heap.graph.type_name_of(object)).into());
    fields.insert("size".into(), heap.graph.shallow_size(object).into());
    fields
}

fn objects(heap: &Heap, objects: &[ObjectId]) -> Vec<Value> {
    objects.iter().map(|&one| Value::Object(object(heap, one))).collect()
}

/// A number, or the dump's own text where ids are no numbers.
pub fn address(heap: &Heap, object: ObjectId) -> Value {
    heap.graph.named_id(object).map_or_else(|| heap.graph.address(object).into(), Into::into)
}

/// The text and the kind of a name.
pub fn reference(name: &ReferenceName) -> Map<String, Value> {
    let text = Some(name.text.as_str()).filter(|text| !text.is_empty());
    let mut fields = Map::new();
    fields.insert("name".into(), text.into());
    fields.insert("kind".into(), serde_json::to_value(name.kind).unwrap_or_default());
    fields
}

fn read_step(step: &ReadStep) -> Value {
    json!({
        "step": step.step,
        "object": step.title,
        "reference": step.expression,
        "through": step.through,
        "repeated": step.repeated,
    })
}

/// An object that no root reaches.
pub fn unreached(heap: &Heap, unreached: &Unreached) -> Value {
    let mut fields = object(heap, unreached.object);
    let referrers = unreached.referrers.iter().map(|(referrer, name)| {
        let mut fields = object(heap, *referrer);
        fields.insert("reference".into(), Value::Object(reference(name)));
        Value::Object(fields)
    });
    fields.insert("reference_count".into(), unreached.reference_count.into());
    fields.insert("referrer_count".into(), unreached.referrer_count.into());
    fields.insert("referrers".into(), referrers.collect());
    let outside = unreached.held_from_outside.as_ref().map(|held| {
        let mut fields = object(heap, held.object);
        fields.insert("distance".into(), held.distance.into());
        fields.insert("reference_count".into(), held.reference_count.into());
        fields.insert("references_found".into(), held.found.into());
        fields
    });
    fields.insert("held_from_outside".into(), outside.map_or(Value::Null, Value::Object));
    Value::Object(fields)
}
