//! What grows: which objects are worth naming?
//!
//! The last dump is compared with the first, object by object where both are of one process, by numbers of types otherwise.
//! A type of the program or of an installed package has grown when it has more objects. Where most of its new objects are
//! dominated by new ones of another such type, it grows with that: types form a forest. For each of its trees one type is
//! named: from the outermost on, the one below it that grows in step with it (as many objects, give or take a tenth) and
//! keeps at least half of its memory, and so on inwards. So of a closure that holds a connection that holds a session, all
//! of which grew by thirty, the session is named when it is what the memory is for.
//!
//! New objects that hang on one of the first dump's, with none of these types below, are named by that object and their
//! own type: strings that pile up in a list. So are objects that were there before and are larger now, without new ones
//! below: a buffer that is appended to.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::matching::Matching;
use super::tally::Tally;
use crate::analysis::distances::RootChoice;
use crate::analysis::dominators::{Dominators, Holder};
use crate::analysis::kept::dominator_tree;
use crate::analysis::marks::Marks;
use crate::analysis::origin::{Origin, TypeOrigins};
use crate::analysis::retaining::Retaining;
use crate::analysis::suspects::{MANY, is_plumbing};
use crate::graph::{Heap, HeapGraph, ObjectId, TypeId};

/// Objects whose ways of being held are counted in every dump.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// By their type in the last dump.
    pub(super) type_id: TypeId,
    /// Whose code they are.
    pub(super) origin: Origin,
    place: Place,
    /// Other types that grow with it, with the change of their numbers.
    pub(super) with: Vec<(String, i64)>,
}

/// Which objects of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// Those whose immediate dominator this is, an object of the last dump.
    Below(Holder),
}

/// Units that are worked out.
const MOST: usize = 12;
/// Objects of a built-in type that are looked at where nothing else is known of them.
const MOST_BUILT_IN: u64 = 200_000;
/// Types that are told with a unit.
const TOLD: usize = 8;
/// New objects in a container that are worth naming although they are few: bytes.
const LARGE: u64 = 1 << 20;
/// An object that is larger by fewer bytes has not swollen.
const SWOLLEN: u64 = 4 << 10;

impl Unit {
    pub(super) fn of_type(type_id: TypeId) -> Self {
        Self { type_id, origin: Origin::Own, place: Place::Anywhere, with: Vec::new() }
    }

    /// Its objects in `heap`, which is `last` or whose objects are matched with those of `last`; by address.
    pub(super) fn objects_in(
        &self,
        heap: &Heap,
        last: &Heap,
        matching: Option<&Matching>,
        choice: &RootChoice,
    ) -> Vec<ObjectId> {
        let graph = &heap.graph;
        let name = last.graph.type_name(self.type_id);
        let Some((type_id, _)) = graph.types().find(|(_, other)| *other == name) else { return Vec::new() };
        let is_last = std::ptr::eq(heap, last);
        let mut objects = match self.place {
            Place::Anywhere => {
                let is_wanted: Vec<bool> = graph.types().map(|(other, _)| other == type_id).collect();
                graph.objects_of(&is_wanted)
            }
            Place::Below(holder) => {
                let there = match holder {
                    Holder::Object(object) if !is_last => {
                        matching.and_then(|matching| matching.earlier(object)).map(Holder::Object)
                    }
                    holder => Some(holder),
                };
                let tree = dominator_tree(heap, &Retaining::all(graph), choice);
                let roots = (there == Some(Holder::Root)).then(|| root_marks(graph));
                let is_wanted = |object: &ObjectId| {
                    graph.type_of(*object) == type_id && roots.as_ref().is_none_or(|roots| !roots.has(*object))
                };
                there.map_or_else(Vec::new, |holder| tree.children(holder).filter(is_wanted).collect())
            }
        };
        objects.sort_by_cached_key(|&object| graph.address(object));
        objects
    }
}

/// The objects that are roots: interned strings among them, which code that runs for the first time leaves behind, and which
/// pile up nowhere.
fn root_marks(graph: &HeapGraph) -> Marks {
    Marks::of(graph.object_count(), graph.roots().iter().map(|root| root.object))
}

/// What is known of the first dump, object by object.
pub(super) struct First<'a> {
    /// Its heap.
    pub(super) heap: &'a Heap,
    /// Which of its objects are in the last dump.
    pub(super) matching: &'a Matching,
    /// The objects that it does not have.
    pub(super) new: &'a Marks,
}

impl First<'_> {
    /// By how many bytes an object of the last dump is larger than it was; 0 for a new one.
    fn swelling(&self, last: &HeapGraph, object: ObjectId) -> u64 {
        let own = |graph: &HeapGraph, object| graph.shallow_size(object).saturating_add(graph.external_size(object));
        let before = self.matching.earlier(object).map(|earlier| own(&self.heap.graph, earlier));
        before.map_or(0, |before| own(last, object).saturating_sub(before))
    }
}

/// Bytes of growth that are worth a name of their own, in a heap of so many reachable bytes.
pub(super) fn worth_naming(reachable: u64) -> u64 {
    LARGE.min(reachable / 50 + 1)
}

/// What grew from the first dump to the last: what retains most first. `first` is known for dumps of one process.
pub(super) fn find_units(
    last: &Heap,
    choice: &RootChoice,
    first: Option<&First<'_>>,
    before: &Tally,
    now: &Tally,
) -> Vec<Unit> {
    let graph = &last.graph;
    let origins = TypeOrigins::new(last);
    let grown: Vec<Option<Grown>> = graph
        .types()
        .map(|(type_id, name)| {
            let more = now.count(name).saturating_sub(before.count(name));
            let origin = origins.of_type(type_id);
            let is_users = origin < Origin::StandardLibrary && !is_class_like(name);
            let bytes = now.retained(name).saturating_sub(before.retained(name));
            (more > 0 && is_users).then_some(Grown { more, bytes, origin })
        })
        .collect();
    let tree = dominator_tree(last, &Retaining::all(graph), choice);
    let nesting = Nesting::new(graph, &tree, first, &grown);
    let mut units = nesting.forest(graph, &grown);
    match first {
        Some(_) => units.extend(nesting.containers(graph, &tree, &origins)),
        None if units.is_empty() => units.extend(built_in_types(graph, before, now)),
        None => {}
    }
    units.sort_by_key(|(bytes, unit)| {
        let weight = match unit.origin {
            Origin::Own => 4,
            Origin::ThirdParty => 2,
            Origin::StandardLibrary => 1,
        };
        (Reverse(bytes.saturating_mul(weight)), graph.type_name(unit.type_id).to_owned())
    });
    units.truncate(MOST);
    units.into_iter().map(|(_, unit)| unit).collect()
}

fn is_class_like(name: &str) -> bool {
    is_plumbing(name) || name.ends_with("Meta") || name.ends_with("Metaclass")
}

/// Built-in types that grew, where nothing else did and objects cannot be told apart.
fn built_in_types(graph: &HeapGraph, before: &Tally, now: &Tally) -> Vec<(u64, Unit)> {
    let mut types: Vec<(u64, Unit)> = graph
        .types()
        .filter(|(_, name)| now.count(name) > before.count(name) && now.count(name) <= MOST_BUILT_IN)
        .filter(|(_, name)| now.retained(name) > before.retained(name) && !is_class_like(name))
        .map(|(type_id, name)| {
            let unit = Unit { origin: Origin::StandardLibrary, ..Unit::of_type(type_id) };
            (now.retained(name) - before.retained(name), unit)
        })
        .collect();
    types.sort_by_key(|(bytes, unit)| (Reverse(*bytes), unit.type_id));
    types.truncate(3);
    types
}

/// A type that has more objects than in the first dump.
#[derive(Debug, Clone, Copy)]
struct Grown {
    /// How many more.
    more: u64,
    /// By how much what it retains has grown; 0 where that has shrunk.
    bytes: u64,
    origin: Origin,
}

/// What stands below what in the dominator tree.
struct Nesting {
    /// For each type that grew, how many of its new objects stand below which other such type, [`NOTHING`] for none.
    above: Vec<FxHashMap<u32, u64>>,
    /// New objects below an old one, without any type that grew below or at them: by holder and type.
    heads: FxHashMap<(Holder, TypeId), (u64, u64)>,
    /// Bytes by which old objects without anything new below are larger now: by holder and type.
    swollen: FxHashMap<(Holder, TypeId), u64>,
}

/// No type, no head.
const NOTHING: u32 = u32::MAX;

impl Nesting {
    /// One pass over the tree from the top down: O(n), 12 bytes an object while it lasts.
    fn new(graph: &HeapGraph, tree: &Dominators, first: Option<&First<'_>>, grown: &[Option<Grown>]) -> Self {
        let count = graph.object_count();
        let new = first.map(|first| first.new);
        let mut swollen: Vec<(ObjectId, Holder, u64)> = Vec::new();
        let mut has_new: FxHashSet<ObjectId> = FxHashSet::default();
        let is_new = |object: ObjectId| new.is_none_or(|new| new.has(object));
        // of each object, or the nearest above: a type that grew, and the nearest such type that is another
        let mut nearest = vec![NOTHING; count];
        let mut other = vec![NOTHING; count];
        let mut head_of = vec![NOTHING; if new.is_some() { count } else { 0 }];
        let mut heads: Vec<(ObjectId, Holder, bool)> = Vec::new();
        let mut above: Vec<FxHashMap<u32, u64>> = vec![FxHashMap::default(); grown.len()];
        for object in tree.top_down() {
            let holder = tree.immediate_dominator(object).unwrap_or(Holder::Root);
            let row = object.index();
            let (mut own, mut further, mut head) = (NOTHING, NOTHING, NOTHING);
            if let Holder::Object(holder) = holder {
                (own, further) = (nearest[holder.index()], other[holder.index()]);
                head = head_of.get(holder.index()).copied().unwrap_or(NOTHING);
            }
            if is_new(object) {
                let type_id = graph.type_of(object);
                if let Holder::Object(holder) = holder
                    && new.is_some()
                    && !is_new(holder)
                {
                    has_new.insert(holder);
                }
                if new.is_some() && head == NOTHING {
                    head = u32::try_from(heads.len()).unwrap_or(NOTHING);
                    heads.push((object, holder, own != NOTHING));
                }
                if grown[type_id.index()].is_some() {
                    let parent = if own == type_id.0 { further } else { own };
                    *above[type_id.index()].entry(parent).or_default() += 1;
                    (own, further) = (type_id.0, parent);
                    if let Some(head) = heads.get_mut(head as usize) {
                        head.2 = true;
                    }
                }
                if new.is_some() {
                    head_of[row] = head;
                }
            } else if let Some(first) = first {
                let bytes = first.swelling(graph, object);
                if bytes >= SWOLLEN {
                    swollen.push((object, holder, bytes));
                }
            }
            (nearest[row], other[row]) = (own, further);
        }
        let mut by_place: FxHashMap<(Holder, TypeId), (u64, u64)> = FxHashMap::default();
        let roots = root_marks(graph);
        let is_told = |(object, holder, has_users): &(ObjectId, Holder, bool)| {
            !(*has_users || *holder == Holder::Root && roots.has(*object))
        };
        for (object, holder, _) in heads.into_iter().filter(is_told) {
            let (members, bytes) = by_place.entry((holder, graph.type_of(object))).or_default();
            *members += 1;
            *bytes = bytes.saturating_add(tree.retained_size(object));
        }
        let mut swollen_by_place: FxHashMap<(Holder, TypeId), u64> = FxHashMap::default();
        // a container that is larger because it has more items is told by its items
        for (object, holder, bytes) in swollen.into_iter().filter(|(object, _, _)| !has_new.contains(object)) {
            let sum = swollen_by_place.entry((holder, graph.type_of(object))).or_default();
            *sum = sum.saturating_add(bytes);
        }
        Self { above, heads: by_place, swollen: swollen_by_place }
    }

    /// The type below which most of the new objects of a type stand.
    fn parent(&self, type_id: TypeId) -> Option<TypeId> {
        let above = &self.above[type_id.index()];
        let all: u64 = above.values().sum();
        let most = above
            .iter()
            .filter(|(parent, _)| **parent != NOTHING)
            .max_by_key(|&(&parent, &count)| (count, Reverse(parent)));
        most.filter(|&(_, &count)| count * 2 > all).map(|(&parent, _)| TypeId(parent))
    }

    /// The types that are named, with what the outermost of their trees retains more than before.
    fn forest(&self, graph: &HeapGraph, grown: &[Option<Grown>]) -> Vec<(u64, Unit)> {
        let types: Vec<(TypeId, Grown)> =
            graph.types().filter_map(|(type_id, _)| Some((type_id, grown[type_id.index()]?))).collect();
        let parents: FxHashMap<TypeId, TypeId> =
            types.iter().filter_map(|(type_id, _)| Some((*type_id, self.parent(*type_id)?))).collect();
        let mut trees: FxHashMap<TypeId, Vec<(TypeId, Grown)>> = FxHashMap::default();
        for &(type_id, about) in &types {
            trees.entry(outermost(&parents, type_id)).or_default().push((type_id, about));
        }
        trees
            .into_iter()
            .filter_map(|(top, members)| {
                let outer = grown[top.index()]?;
                let named = innermost_in_step(&parents, &members, top, outer);
                let mut with: Vec<(String, i64)> = members
                    .iter()
                    .filter(|(type_id, _)| *type_id != named)
                    .map(|(type_id, about)| {
                        (graph.type_name(*type_id).to_owned(), i64::try_from(about.more).unwrap_or(i64::MAX))
                    })
                    .collect();
                with.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                with.truncate(TOLD);
                let origin = grown[named.index()]?.origin;
                Some((outer.bytes, Unit { type_id: named, origin, place: Place::Anywhere, with }))
            })
            .collect()
    }

    /// Places where new objects of no such type pile up, or old ones swell.
    fn containers(&self, graph: &HeapGraph, tree: &Dominators, origins: &TypeOrigins) -> Vec<(u64, Unit)> {
        let worth_naming = worth_naming(tree.reachable_size());
        let is_worth_it = |members: u64, bytes: u64| members >= MANY || bytes >= worth_naming;
        let mut places: Vec<(u64, Unit)> = self
            .heads
            .iter()
            .filter(|((_, type_id), (members, bytes))| {
                is_worth_it(*members, *bytes) && origins.of_type(*type_id) == Origin::StandardLibrary
            })
            .map(|(&place, &(_, bytes))| (place, bytes))
            .chain(
                self.swollen
                    .iter()
                    .filter(|(place, bytes)| **bytes >= worth_naming && !self.heads.contains_key(*place))
                    .map(|(&place, &bytes)| (place, bytes)),
            )
            .map(|((holder, type_id), bytes)| {
                let origin = origins.of_type(type_id);
                (bytes, Unit { type_id, origin, place: Place::Below(holder), with: Vec::new() })
            })
            .collect();
        places.sort_by_key(|(bytes, unit)| {
            let holder = match unit.place {
                Place::Below(Holder::Object(holder)) => graph.address(holder),
                _ => 0,
            };
            (Reverse(*bytes), graph.type_name(unit.type_id), holder)
        });
        places.truncate(MOST);
        places
    }
}

/// The type above all that a type stands below; two types that each stand below the other have the smaller number.
fn outermost(parents: &FxHashMap<TypeId, TypeId>, type_id: TypeId) -> TypeId {
    let mut seen = vec![type_id];
    let mut at = type_id;
    while let Some(&parent) = parents.get(&at) {
        if let Some(place) = seen.iter().position(|&known| known == parent) {
            return seen[place..].iter().copied().min().unwrap_or(at);
        }
        seen.push(parent);
        at = parent;
    }
    at
}

/// From the outermost type inwards, as long as one below grows in step and keeps at least half of the memory.
fn innermost_in_step(
    parents: &FxHashMap<TypeId, TypeId>,
    members: &[(TypeId, Grown)],
    top: TypeId,
    outer: Grown,
) -> TypeId {
    let (mut at, mut about) = (top, outer);
    let mut passed = vec![top];
    loop {
        let is_in_step = |more: u64| more.abs_diff(about.more) <= (about.more / 10).max(1);
        let inner = members
            .iter()
            .filter(|(type_id, _)| parents.get(type_id) == Some(&at) && !passed.contains(type_id))
            .filter(|(_, inner)| is_in_step(inner.more) && inner.bytes >= about.bytes / 2)
            .max_by_key(|(type_id, inner)| (inner.bytes, Reverse(*type_id)));
        match inner {
            Some(&(type_id, inner)) => {
                (at, about) = (type_id, inner);
                passed.push(type_id);
            }
            None => return at,
        }
    }
}
