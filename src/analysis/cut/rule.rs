//! Which references can nobody cut?
//!
//! A reference can be cut where a line of Python can end it: an attribute is deleted, an item removed, a local variable
//! rebound, a cell's `cell_contents` assigned, `tb_next` or `__traceback__` cleared. What Python offers no way to change,
//! or what belongs to one construct of the language, is uncuttable:
//!
//! | holder | reference | reason |
//! |---|---|---|
//! | any | `__dict__` | an object and the dictionary of its attributes are one; what is in it can be deleted |
//! | any | `__class__`, `__mro__`, `__base__`, `__bases__`, `__objclass__` | what an object is |
//! | function | `__code__`, `__globals__`, `__builtins__`, `__closure__` | what a function is; the content of its cells can be deleted |
//! | bound method, classmethod, staticmethod, built-in function | `__self__`, `__func__` | read-only: the method itself must be let go |
//! | weak reference | `__callback__` | read-only |
//! | `functools.partial` | `func`, `args`, `keywords` | read-only |
//! | property | `fget`, `fset`, `fdel` | read-only |
//! | frame | `f_back`, `f_code`, `f_globals`, `f_builtins` | read-only; its local variables can be rebound |
//! | traceback | `tb_frame` | read-only; `tb_next` can be assigned |
//! | generator, coroutine | `gi_frame`, `gi_code`, `gi_yieldfrom` and their like | read-only; the frame's local variables can be rebound |
//! | code | `co_…` | read-only |
//! | `tuple`, `frozenset` | items, so also from a `__closure__` to its cells | immutable: the whole tuple must be let go |
//!
//! Everything else can be cut, references of unknown name included.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::graph::{Heap, HeapGraph, ObjectId, ReferenceKind, ReferenceName};

/// Attributes that no holder lets go of.
const OF_ANY: [&str; 12] = [
    "__class__",
    "__mro__",
    "__base__",
    "__bases__",
    "__objclass__",
    "__code__",
    "__globals__",
    "__builtins__",
    "__closure__",
    "__self__",
    "__func__",
    "__callback__",
];
/// Attributes with plain names, by the types that do not let go of them.
const OF_TYPE: [(&[&str], &[&str]); 5] = [
    (&["functools.partial"], &["func", "args", "keywords"]),
    (&["property"], &["fget", "fset", "fdel"]),
    (&["frame"], &["f_back", "f_code", "f_globals", "f_builtins"]),
    (&["traceback"], &["tb_frame"]),
    (
        &["generator", "coroutine", "async_generator"],
        &["gi_frame", "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "cr_await", "ag_frame", "ag_code", "ag_await"],
    ),
];
/// Types whose items stay.
const IMMUTABLE: [&str; 2] = ["tuple", "frozenset"];
/// Types whose references are all items that can be removed: their records need not be read.
const ALL_CUTTABLE: [&str; 4] = ["dict", "list", "set", "cell"];

/// Tells of a reference, by its position in [`HeapGraph::forward`], whether nobody can cut it. Reads the record of each
/// holder that is asked about once, and remembers its uncuttable references.
pub fn uncuttable_by_rule(heap: &Heap) -> impl Fn(usize) -> bool + Sync {
    let known: Mutex<FxHashMap<ObjectId, Box<[usize]>>> = Mutex::default();
    move |position| {
        let holder = holder_of(&heap.graph, position);
        if ALL_CUTTABLE.contains(&heap.graph.type_name_of(holder)) {
            return false;
        }
        // a poisoned cache is still right: entries are inserted whole
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let uncuttable = known.entry(holder).or_insert_with(|| uncuttable_references(heap, holder));
        uncuttable.binary_search(&position).is_ok()
    }
}

/// The object whose references include `position`: O(log n).
fn holder_of(graph: &HeapGraph, position: usize) -> ObjectId {
    let (mut first, mut last) = (0, graph.object_count().saturating_sub(1));
    while first < last {
        let middle = first + (last - first) / 2;
        if graph.forward().range(ObjectId::at(middle)).end <= position {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    ObjectId::at(first)
}

/// Positions of the uncuttable references of `holder`, ascending.
fn uncuttable_references(heap: &Heap, holder: ObjectId) -> Box<[usize]> {
    let type_name = heap.graph.type_name_of(holder);
    let mut positions = Vec::new();
    heap.for_each_reference(holder, |position, _, name| {
        if is_uncuttable(type_name, name) {
            positions.push(position);
        }
    });
    positions.into()
}

fn is_uncuttable(holder: &str, name: &ReferenceName) -> bool {
    match name.kind {
        ReferenceKind::Namespace => true,
        ReferenceKind::Index | ReferenceKind::Member => IMMUTABLE.contains(&holder),
        ReferenceKind::Attribute => name.attribute(false).is_some_and(|name| is_fixed(holder, name)),
        _ => false,
    }
}

fn is_fixed(holder: &str, name: &str) -> bool {
    OF_ANY.contains(&name)
        || (holder == "code" && name.starts_with("co_"))
        || OF_TYPE.iter().any(|(holders, names)| holders.contains(&holder) && names.contains(&name))
}
