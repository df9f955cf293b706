//! A chain as a person reads it.
//!
//! Chains are found on raw references, so that their length is what an object-graph tool in the process would find. They
//! are read with the plumbing folded: `obj.__dict__['cache']['k']` is one reference `.cache['k']` from `obj`, and the
//! dictionaries on the way are named beside it. Nothing is lost: what was folded is counted, and a raw reading shows it.

use std::borrow::Cow;

use super::{Signature, Step, StepReference};
use crate::counts::{cut, grouped};
use crate::graph::{Description, Heap, ObjectId, ReferenceKind, Root, RootKind};

/// An object of a chain, and how it holds the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadStep {
    /// Index in the signature's steps.
    pub step: usize,
    /// What it is: `module streamlit.config`, `blinker.base.Signal`.
    pub title: String,
    /// How it holds the next object, as the end of a Python expression; `None` for the target.
    pub expression: Option<String>,
    /// The objects that were folded into the expression: `dict of 34`.
    pub through: Vec<String>,
    /// How many further objects just like this one, held the same way, follow and are folded into this step.
    pub repeated: u64,
}

/// Built-in types that only pass a reference on.
const PLUMBING: [&str; 11] = [
    "dict",
    "list",
    "tuple",
    "set",
    "frozenset",
    "cell",
    "mappingproxy",
    "collections.deque",
    "collections.OrderedDict",
    "collections.defaultdict",
    "types.SimpleNamespace",
];
/// Equal steps in a row that are shown before the rest is folded.
const SHOWN_OF_REPEATED: usize = 3;

/// Reads a chain; `raw` shows each hop.
pub fn read(heap: &Heap, signature: &Signature, raw: bool) -> Vec<ReadStep> {
    let steps = &signature.steps;
    let mut read = Vec::new();
    let mut at = 0;
    while at < steps.len() {
        let last = if raw { at } else { end_of_plumbing(heap, steps, at) };
        read.push(ReadStep {
            step: at,
            title: title(heap, steps[at].object, &steps[at].description),
            expression: steps[last].reference.as_ref().map(|_| expression(&steps[at..=last])),
            through: steps[at + 1..=last].iter().map(|step| passed_through(heap, step)).collect(),
            repeated: 0,
        });
        at = last + 1;
    }
    if raw { read } else { fold_repeated(heap, steps, read) }
}

/// The whole chain as one Python expression.
pub fn whole_expression(heap: &Heap, signature: &Signature) -> String {
    let last = signature.steps.len().saturating_sub(1);
    from_root(heap, Some(&signature.root), &signature.steps[..last.max(1)])
}

/// The references of `steps`, the first of which is the root's, after the root's name.
pub fn from_root(heap: &Heap, root: Option<&Root>, steps: &[Step]) -> String {
    let start = match root.map(|root| (&root.kind, &root.name)) {
        Some((RootKind::Module, Some(name))) => short_name(name).into_owned(),
        Some((kind, Some(name))) => format!("<{} {}>", kind.title(), short_name(name)),
        _ => {
            format!("<{}>", steps.first().map_or_else(String::new, |step| title(heap, step.object, &step.description)))
        }
    };
    start + &expression(steps)
}

/// The index of the last step that is folded into the step at `at`.
fn end_of_plumbing(heap: &Heap, steps: &[Step], at: usize) -> usize {
    let is_plumbing = |step: &Step| {
        step.reference.is_some() && (step.is_namespace || PLUMBING.contains(&heap.graph.type_name_of(step.object)))
    };
    at + steps[at + 1..].iter().take_while(|step| is_plumbing(step)).count()
}

/// The references of consecutive steps, joined.
fn expression(steps: &[Step]) -> String {
    let mut text = String::new();
    for (place, step) in steps.iter().enumerate() {
        let Some(reference) = &step.reference else { continue };
        let after_namespace = place > 0 && opened_by_dict(steps[place - 1].reference.as_ref());
        let next = steps.get(place + 1).and_then(|next| next.reference.as_ref());
        if reference.name.kind == ReferenceKind::Namespace && next.is_some_and(is_plain_attribute) {
            continue;
        }
        text.push_str(&reference_text(reference, step.is_namespace, after_namespace));
    }
    text
}

fn opened_by_dict(reference: Option<&StepReference>) -> bool {
    reference.is_some_and(|reference| reference.name.kind == ReferenceKind::Namespace)
}

/// Whether a reference out of a `__dict__` reads as `.name`.
fn is_plain_attribute(reference: &StepReference) -> bool {
    reference.name.expression(true).starts_with('.') && reference.name.kind == ReferenceKind::Value
}

fn reference_text(reference: &StepReference, in_namespace: bool, after_namespace: bool) -> String {
    if reference.differs && reference.name.is_wild(in_namespace) {
        return reference.name.wildcard().to_owned();
    }
    reference.name.expression(after_namespace)
}

/// How one reference reads on its own.
pub fn hop_text(step: &Step) -> Option<String> {
    step.reference.as_ref().map(|reference| reference_text(reference, step.is_namespace, step.is_namespace))
}

fn passed_through(heap: &Heap, step: &Step) -> String {
    if step.is_namespace {
        return "__dict__".to_owned();
    }
    let type_name = &*short_name(heap.graph.type_name_of(step.object));
    match step.description.length {
        Some(length) if type_name != "cell" => format!("{type_name} of {}", grouped(length)),
        _ => type_name.to_owned(),
    }
}

/// Folds long runs of equal steps into the last one that is shown of them.
fn fold_repeated(heap: &Heap, steps: &[Step], read: Vec<ReadStep>) -> Vec<ReadStep> {
    let is_same = |a: &ReadStep, b: &ReadStep| {
        let type_of = |step: &ReadStep| heap.graph.type_of(steps[step.step].object);
        type_of(a) == type_of(b) && a.expression == b.expression
    };
    let mut folded: Vec<ReadStep> = Vec::new();
    for run in read.chunk_by(is_same) {
        if run.len() <= SHOWN_OF_REPEATED + 1 {
            folded.extend_from_slice(run);
            continue;
        }
        folded.extend_from_slice(&run[..SHOWN_OF_REPEATED]);
        if let Some(last) = folded.last_mut() {
            last.repeated = (run.len() - SHOWN_OF_REPEATED) as u64;
        }
    }
    folded
}

/// What an object is, in a few words: its type with its name, or with its value where it is a plain one.
pub fn title(heap: &Heap, object: ObjectId, description: &Description) -> String {
    let type_name = heap.graph.type_name_of(object);
    let name = description.name.clone().or_else(|| method_name(heap, object, type_name));
    let (name, type_name) = (name.as_deref().map(short_name), &*short_name(type_name));
    match (type_name, name, &description.value) {
        ("type", Some(name), _) => format!("class {name}"),
        ("method", Some(name), _) => format!("bound method {name}"),
        ("frame", Some(name), Some(place)) => format!("frame {name} ({})", short_place(place)),
        (_, Some(name), _) => format!("{type_name} {name}"),
        ("str", None, Some(value)) => format!("str {}", quoted(value)),
        ("int" | "float" | "bool" | "bytes" | "complex", None, Some(value)) => format!("{type_name} {}", short(value)),
        _ => type_name.to_owned(),
    }
}

/// The name of a bound method is that of its function.
fn method_name(heap: &Heap, object: ObjectId, type_name: &str) -> Option<String> {
    if type_name != "method" {
        return None;
    }
    let mut function = None;
    heap.for_each_reference(object, |_, target, name| {
        if name.attribute(false) == Some("__func__") {
            function = Some(target);
        }
    });
    heap.describe(function?).name
}

/// Bytes of a name that are shown.
const NAME: usize = 240;

/// A name as it is shown: the middle of a very long one is cut.
pub fn short_name(name: &str) -> Cow<'_, str> {
    cut(name, NAME)
}

/// Longest value shown, in characters.
const SHORT: usize = 40;

fn short(value: &str) -> String {
    match value.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", short(value))
}

/// `file.py:12` of a path.
fn short_place(place: &str) -> &str {
    place.rsplit(['/', '\\']).next().unwrap_or(place)
}
