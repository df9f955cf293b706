//! Which objects are meant by `--type` and `--id`?
//!
//! A type is named by its qualified name, by a bare class name (the end of the qualified one, at a dot), or by a glob
//! over qualified names. Objects are grouped by qualified type, so that two types of one bare name are answered apart.

use super::pattern;
use crate::format::scan::address_of_text;
use crate::graph::{HeapGraph, ObjectId, TypeId};

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Qualified names, bare names or globs.
    pub types: Vec<String>,
    /// Addresses, decimal or hexadecimal; or ids as the dump writes them.
    pub ids: Vec<String>,
}

/// The objects that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// By qualified type, in alphabetical order.
    pub groups: Vec<Group>,
    /// Names that several types answer to.
    pub ambiguous: Vec<(String, Vec<String>)>,
    /// What matched nothing.
    pub missing: Vec<Missing>,
}

/// Asked objects of one type.
#[derive(Debug, Clone)]
pub struct Group {
    /// Their type.
    pub type_id: TypeId,
    /// By address, distinct.
    pub objects: Vec<ObjectId>,
}

/// A name or id that matched nothing.
#[derive(Debug, Clone)]
pub struct Missing {
    /// As it was asked.
    pub asked: String,
    /// Whether it was asked as an id.
    pub is_id: bool,
    /// The nearest type names with their number of objects, nearest first.
    pub nearest: Vec<(String, u64)>,
}

/// Finds the objects of a query: O(n) in the number of objects.
pub fn select(graph: &HeapGraph, query: &Query) -> Selection {
    let mut selection = Selection::default();
    let mut is_wanted = vec![false; graph.types().count()];
    for asked in &query.types {
        let matched: Vec<TypeId> =
            graph.types().filter(|(_, name)| names_type(asked, name)).map(|(type_id, _)| type_id).collect();
        if matched.is_empty() {
            let nearest = nearest_types(graph, asked);
            selection.missing.push(Missing { asked: asked.clone(), is_id: false, nearest });
        }
        if matched.len() > 1 && !pattern::is_glob(asked) {
            let names = matched.iter().map(|&type_id| graph.type_name(type_id).to_owned()).collect();
            selection.ambiguous.push((asked.clone(), names));
        }
        matched.iter().for_each(|type_id| is_wanted[type_id.index()] = true);
    }
    let mut by_type: Vec<Vec<ObjectId>> = vec![Vec::new(); is_wanted.len()];
    if is_wanted.contains(&true) {
        for object in graph.objects_of(&is_wanted) {
            by_type[graph.type_of(object).index()].push(object);
        }
    }
    for asked in &query.ids {
        match find_id(graph, asked) {
            Some(object) => by_type[graph.type_of(object).index()].push(object),
            None => selection.missing.push(Missing { asked: asked.clone(), is_id: true, nearest: Vec::new() }),
        }
    }
    for ((type_id, _), mut objects) in graph.types().zip(by_type) {
        objects.sort_by_cached_key(|&object| graph.address(object));
        objects.dedup();
        if !objects.is_empty() {
            selection.groups.push(Group { type_id, objects });
        }
    }
    selection.groups.sort_by_key(|group| graph.type_name(group.type_id));
    selection
}

/// Whether a type of this name is meant by what was asked for.
pub(crate) fn names_type(asked: &str, name: &str) -> bool {
    if pattern::is_glob(asked) {
        return pattern::matches(asked, name);
    }
    asked == name || asked.strip_prefix("builtins.") == Some(name) || pattern::is_bare_name_of(asked, name)
}

fn find_id(graph: &HeapGraph, asked: &str) -> Option<ObjectId> {
    graph.object_named(asked).or_else(|| graph.object_at(address_of_text(asked)?))
}

/// How many names to suggest.
const SUGGESTIONS: usize = 5;

/// The types whose names are most like `asked`, compared without regard to case with their bare and qualified names.
fn nearest_types(graph: &HeapGraph, asked: &str) -> Vec<(String, u64)> {
    let wanted = asked.to_lowercase();
    let mut near: Vec<(f64, &str, TypeId)> = graph
        .types()
        .map(|(type_id, name)| (likeness(&wanted, &name.to_lowercase()), name, type_id))
        .filter(|(likeness, _, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.truncate(SUGGESTIONS);
    let count = |type_id| graph.objects().filter(|&object| graph.type_of(object) == type_id).count() as u64;
    near.into_iter().map(|(_, name, type_id)| (name.to_owned(), count(type_id))).collect()
}

fn likeness(wanted: &str, name: &str) -> f64 {
    let bare = name.rsplit('.').next().unwrap_or(name);
    if wanted.len() > 2 && bare.contains(wanted.trim_matches('*')) {
        return 1.0;
    }
    strsim::jaro_winkler(wanted, bare).max(strsim::jaro_winkler(wanted, name))
}
