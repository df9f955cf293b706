//! Which references does `--exclude` mean?
//!
//! A pattern is `OWNER.NAME`: `*.__globals__` is that attribute of any object, `blinker.base.Signal.receivers` of any
//! instance of the type, `sys.modules` of the module. An attribute is found where it is stored: on the object itself, or
//! under its name in the dictionary that is the object's `__dict__`.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::pattern;
use crate::error::{Error, Result};
use crate::graph::{Heap, ObjectId, ReferenceKind};

/// A reference by the name of its owner and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencePattern {
    owner: String,
    name: String,
}

impl ReferencePattern {
    /// Reads `OWNER.NAME`; both may have wildcards.
    ///
    /// # Errors
    /// There is no dot between two words.
    pub fn parse(text: &str) -> Result<Self> {
        match text.rsplit_once('.') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(Error::Usage(format!(
                "`{text}` is no reference pattern; write OWNER.NAME, as in `sys.modules` or `*.__globals__`"
            ))),
        }
    }

    /// Whether the reference `attribute` of an object of type `type_name` is meant, or of the module of that name.
    pub fn fits(&self, type_name: &str, module: Option<&str>, attribute: &str) -> bool {
        self.is_owned_by(type_name, module) && pattern::matches(&self.name, attribute)
    }

    fn is_owned_by(&self, type_name: &str, module: Option<&str>) -> bool {
        let fits = |name: &str| {
            pattern::matches(&self.owner, name)
                || (!pattern::is_glob(&self.owner) && pattern::is_bare_name_of(&self.owner, name))
        };
        fits(type_name) || module.is_some_and(|module| pattern::matches(&self.owner, module))
    }
}

/// Positions in [`HeapGraph::forward`](crate::graph::HeapGraph::forward) of all references that match a pattern,
/// ascending. Reads every record of the dump once, in parallel.
pub fn matching_references(heap: &Heap, patterns: &[ReferencePattern]) -> Vec<usize> {
    if patterns.is_empty() {
        return Vec::new();
    }
    let (direct, namespaces) = direct_references(heap, patterns);
    let mut positions = direct;
    let in_namespaces: Vec<usize> = namespaces
        .par_iter()
        .flat_map_iter(|(&namespace, owned)| {
            let mut positions = Vec::new();
            heap.for_each_reference(namespace, |position, _, name| {
                let attribute = name.attribute(true);
                let is_meant = |&pattern: &usize| {
                    attribute.is_some_and(|attribute| pattern::matches(&patterns[pattern].name, attribute))
                };
                if owned.iter().any(is_meant) {
                    positions.push(position);
                }
            });
            positions
        })
        .collect();
    positions.extend(in_namespaces);
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Positions of references of one object, and its attribute dictionaries with the patterns that it answers to.
type Found = (Vec<usize>, Vec<(ObjectId, usize)>);

/// The references that match on the owner itself, and the dictionaries of owners with the patterns that they answer to.
fn direct_references(heap: &Heap, patterns: &[ReferencePattern]) -> (Vec<usize>, FxHashMap<ObjectId, Vec<usize>>) {
    let module_names = module_names(heap);
    let found: Vec<Found> = (0..heap.graph.object_count())
        .into_par_iter()
        .map(ObjectId::at)
        .filter_map(|object| {
            let type_name = heap.graph.type_name_of(object);
            let module = module_names.get(&object).map(String::as_str);
            let is_owned = |place: &usize| patterns[*place].is_owned_by(type_name, module);
            let owned: Vec<usize> = (0..patterns.len()).filter(is_owned).collect();
            (!owned.is_empty()).then(|| references_of(heap, object, patterns, &owned))
        })
        .collect();
    let mut positions = Vec::new();
    let mut namespaces: FxHashMap<ObjectId, Vec<usize>> = FxHashMap::default();
    for (direct, dictionaries) in found {
        positions.extend(direct);
        for (dictionary, pattern) in dictionaries {
            namespaces.entry(dictionary).or_default().push(pattern);
        }
    }
    (positions, namespaces)
}

fn references_of(heap: &Heap, object: ObjectId, patterns: &[ReferencePattern], owned: &[usize]) -> Found {
    let mut positions = Vec::new();
    let mut dictionaries = Vec::new();
    heap.for_each_reference(object, |position, target, name| {
        let attribute = name.attribute(false);
        let is_meant = |&pattern: &usize| attribute.is_some_and(|text| pattern::matches(&patterns[pattern].name, text));
        if owned.iter().any(is_meant) {
            positions.push(position);
        }
        if name.kind == ReferenceKind::Namespace {
            dictionaries.extend(owned.iter().map(|&pattern| (target, pattern)));
        }
    });
    (positions, dictionaries)
}

fn module_names(heap: &Heap) -> FxHashMap<ObjectId, String> {
    let roots = heap.graph.roots().iter();
    let named = roots.filter_map(|root| Some((root.object, root.name.as_deref()?.to_owned())));
    let modules = heap.graph.objects().filter(|&object| heap.graph.type_name_of(object) == "module");
    let described = modules.filter_map(|object| Some((object, heap.describe(object).name?)));
    described.chain(named).collect()
}
