//! What accumulates here, when nobody has a name yet?
//!
//! A leak is a place where things pile up. The dominator tree shows such places: a container below which many objects of
//! one type hang, each with what only it retains. Most of them are no leaks: classes hold functions, modules hold classes,
//! the import system holds finders. So an accumulation is a suspect only when what piles up, or what hangs below it, are
//! instances of the program's own types or of installed packages; what is the standard library's is plumbing.
//!
//! Four kinds of suspects:
//!
//! - a *container* that holds at least [`MANY`] objects of one type, most of them with user objects below;
//! - user objects of one type that *no single object* holds, at least [`MANY`];
//! - user objects of one type that *no root* reaches, at least [`MANY`]: native code holds them;
//! - a *single* object below which at least a tenth of the heap hangs, followed down to where it spreads (the
//!   accumulation point of Eclipse MAT: the child keeps less than 70 % of its parent).
//!
//! They are ranked by what they retain, the program's own counting four times as much as installed packages.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};

use super::allocator::ProcessMemory;
use super::chains::{Chains, Detail, Options, chains, dump_data, object_expressions, object_title};
use super::distances::Distances;
use super::dominators::{Dominators, Holder, retained_together};
use super::kept::distances_and_dominators;
use super::origin::{Origin, TypeOrigins};
use super::retaining::Retaining;
use super::select::{Group, Selection};
use crate::counts::{bytes_text, counted, grouped, share_text};
use crate::graph::{Heap, ObjectId, ReferenceKind, TypeId};
use crate::report::{Block, Report, Span, Tone};

/// Objects of one type that make an accumulation.
pub const MANY: u64 = 5;
/// Part of the heap from which on a single object is a suspect.
const LARGE: f64 = 0.1;
/// A child that keeps less than this of its parent is where the parent spreads.
const SPREADS: f64 = 0.7;
/// Suspects that are worked out.
const MOST: usize = 20;

/// The suspects of a heap, the most suspicious first.
#[derive(Debug, Clone)]
pub struct Suspects {
    /// At most twenty.
    pub suspects: Vec<Suspect>,
    /// Bytes that some root reaches.
    pub reachable: u64,
    /// The memory of the process, where the dump says something of it.
    pub process: Option<ProcessMemory>,
}

/// An accumulation.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// What kind of place it is.
    pub place: Place,
    /// The type of what hangs there directly.
    pub type_id: TypeId,
    /// How many of these there are.
    pub count: u64,
    /// What goes when they go, bytes.
    pub retained: u64,
    /// User types among them and below, with their numbers, the most frequent first.
    pub user_types: Vec<(TypeId, u64)>,
    /// Whose code they are.
    pub origin: Origin,
    /// The holder as a Python expression, where there is one.
    pub expression: Option<String>,
    /// Chains of the objects of the first user type, or of the holder.
    pub chains: Chains,
}

/// Where things pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In this container.
    Container(ObjectId),
    /// No single object holds them.
    Shared,
    /// No root reaches them.
    Unreached,
    /// Below this one object.
    Single(ObjectId),
}

/// A suspect before it is worked out.
#[derive(Debug, Clone)]
struct Candidate {
    place: Place,
    type_id: TypeId,
    members: Vec<ObjectId>,
    retained: u64,
    origin: Origin,
}

impl Candidate {
    fn score(&self) -> u64 {
        match self.origin {
            Origin::Own => self.retained.saturating_mul(4),
            _ => self.retained,
        }
    }
}

/// Finds the suspects. O(n + m) and a search for each that is worked out.
pub fn suspects(heap: &Heap, options: &Options) -> Suspects {
    let retaining = Retaining::all(&heap.graph);
    let (distances, dominators) = distances_and_dominators(heap, &retaining, &options.roots);
    let survey = Survey::new(heap, &retaining, (&distances, &dominators), options);
    let mut candidates = survey.containers();
    candidates.extend(survey.shared());
    candidates.extend(survey.unreached());
    // a container that was found by what piles up in it says more than its size
    let containers: FxHashSet<Place> = candidates.iter().map(|candidate| candidate.place).collect();
    let single = survey.single().into_iter();
    candidates.extend(single.filter(|candidate| match candidate.place {
        Place::Single(object) => !containers.contains(&Place::Container(object)),
        _ => true,
    }));
    candidates.retain(|candidate| candidate.retained > 0);
    candidates.sort_by_key(|candidate| {
        let type_name = heap.graph.type_name(candidate.type_id);
        let first = candidate.members.iter().map(|&member| heap.graph.address(member)).min();
        (std::cmp::Reverse(candidate.score()), type_name, first)
    });
    candidates.truncate(MOST);
    let suspects = candidates.into_iter().map(|candidate| survey.work_out(candidate)).collect();
    Suspects { suspects, reachable: dominators.reachable_size(), process: ProcessMemory::new(heap) }
}

/// What all kinds of suspects need to know.
struct Survey<'a> {
    heap: &'a Heap,
    retaining: &'a Retaining<'a>,
    distances: &'a Distances,
    dominators: &'a Dominators,
    options: &'a Options,
    origins: TypeOrigins,
    /// For each object, the best origin among it and what hangs below it.
    below: Vec<Origin>,
}

impl<'a> Survey<'a> {
    fn new(
        heap: &'a Heap,
        retaining: &'a Retaining<'a>,
        (distances, dominators): (&'a Distances, &'a Dominators),
        options: &'a Options,
    ) -> Self {
        let origins = TypeOrigins::new(heap);
        let mut below: Vec<Origin> =
            heap.graph.objects().map(|object| origins.of_type(heap.graph.type_of(object))).collect();
        for object in dominators.top_down().rev() {
            if let Some(Holder::Object(holder)) = dominators.immediate_dominator(object) {
                let best = below[holder.index()].min(below[object.index()]);
                // classes and modules hold user objects by their nature: what hangs below them speaks for itself
                if !is_plumbing(heap.graph.type_name_of(object)) {
                    below[holder.index()] = best;
                }
            }
        }
        Self { heap, retaining, distances, dominators, options, origins, below }
    }

    /// Children of one holder by type, where there are many.
    fn groups_under(&self, holder: Holder) -> Vec<(TypeId, Vec<ObjectId>)> {
        let mut by_type: FxHashMap<TypeId, Vec<ObjectId>> = FxHashMap::default();
        for child in self.dominators.children(holder) {
            by_type.entry(self.heap.graph.type_of(child)).or_default().push(child);
        }
        let mut groups: Vec<(TypeId, Vec<ObjectId>)> =
            by_type.into_iter().filter(|(_, members)| members.len() as u64 >= MANY).collect();
        groups.sort_by_key(|(type_id, _)| self.heap.graph.type_name(*type_id));
        groups
    }

    fn candidate(&self, place: Place, type_id: TypeId, members: Vec<ObjectId>) -> Option<Candidate> {
        let count_of = |origin: Origin| members.iter().filter(|member| self.below[member.index()] <= origin).count();
        let origin =
            [Origin::Own, Origin::ThirdParty].into_iter().find(|&origin| count_of(origin) * 2 >= members.len())?;
        let retained = members.iter().map(|&member| self.dominators.retained_size(member)).sum();
        Some(Candidate { place, type_id, members, retained, origin })
    }

    fn containers(&self) -> Vec<Candidate> {
        let holders: Vec<ObjectId> = self.dominators.top_down().collect();
        holders
            .into_par_iter()
            .filter(|&holder| CONTAINERS.contains(&self.heap.graph.type_name_of(holder)))
            .filter(|&holder| self.dominators.retained_count(holder) > MANY)
            .flat_map_iter(|holder| {
                let groups = self.groups_under(Holder::Object(holder));
                let found = groups.into_iter().filter(|(type_id, _)| !is_plumbing(self.heap.graph.type_name(*type_id)));
                let found = found
                    .filter_map(move |(type_id, members)| self.candidate(Place::Container(holder), type_id, members));
                found.filter(move |_| !self.is_namespace(holder))
            })
            .collect()
    }

    /// Whether the object is the dictionary of somebody's attributes.
    fn is_namespace(&self, object: ObjectId) -> bool {
        let mut is_namespace = false;
        if self.heap.graph.type_name_of(object) != "dict" {
            return false;
        }
        for referrer in self.retaining.referrers(object).take(REFERRERS_ASKED) {
            self.heap.for_each_reference(referrer, |_, target, name| {
                let names = ["__globals__", "f_globals", "__builtins__"];
                let opens = name.kind == ReferenceKind::Namespace || names.iter().any(|&known| name.text == known);
                is_namespace |= target == object && opens;
            });
        }
        is_namespace
    }

    /// User objects that hang on no single object.
    fn shared(&self) -> Vec<Candidate> {
        let groups = self.groups_under(Holder::Root).into_iter();
        let of_user = groups.filter(|(type_id, _)| {
            self.origins.of_type(*type_id) < Origin::StandardLibrary && !self.is_class(*type_id)
        });
        let mut candidates: Vec<Candidate> =
            of_user.filter_map(|(type_id, members)| self.candidate(Place::Shared, type_id, members)).collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score()));
        candidates.truncate(MOST);
        for candidate in &mut candidates {
            let roots = self.options.roots.roots(&self.heap.graph);
            let known = (self.distances, self.dominators);
            let set = retained_together(self.retaining, known, roots, &candidate.members);
            candidate.retained = set.shallow.saturating_add(set.external);
        }
        candidates
    }

    /// Whether instances of the type are classes themselves: they refer to bases.
    fn is_class(&self, type_id: TypeId) -> bool {
        let name = self.heap.graph.type_name(type_id);
        is_plumbing(name) || name.ends_with("Meta") || name.ends_with("Type") || name.ends_with("Metaclass")
    }

    /// User objects that no root reaches, with everything that only they reach.
    fn unreached(&self) -> Vec<Candidate> {
        let mut by_type: FxHashMap<TypeId, Vec<ObjectId>> = FxHashMap::default();
        for object in self.heap.graph.objects().filter(|&object| !self.dominators.is_reachable(object)) {
            let type_id = self.heap.graph.type_of(object);
            if self.origins.of_type(type_id) == Origin::Own && !self.is_class(type_id) {
                by_type.entry(type_id).or_default().push(object);
            }
        }
        let many = by_type.into_iter().filter(|(_, members)| members.len() as u64 >= MANY);
        many.map(|(type_id, members)| {
            let retained = self.size_behind(&members);
            Candidate { place: Place::Unreached, type_id, members, retained, origin: Origin::Own }
        })
        .collect()
    }

    /// Bytes of what the objects reach and no root does.
    fn size_behind(&self, objects: &[ObjectId]) -> u64 {
        let mut seen: FxHashSet<ObjectId> = objects.iter().copied().collect();
        let mut open = objects.to_vec();
        let mut size = 0u64;
        while let Some(object) = open.pop() {
            size = size.saturating_add(self.heap.graph.shallow_size(object));
            let next = self.retaining.referents(object).filter(|&target| !self.dominators.is_reachable(target));
            open.extend(next.filter(|&target| seen.insert(target)));
        }
        size
    }

    /// Single objects with a large part of the heap below, at the point where it spreads.
    fn single(&self) -> Vec<Candidate> {
        let whole = self.dominators.reachable_size();
        let is_large = |object: &ObjectId| share(self.dominators.retained_size(*object), whole) >= LARGE;
        let large = self.dominators.children(Holder::Root).filter(is_large);
        let mut points: Vec<ObjectId> = large.map(|object| self.accumulation_point(object)).collect();
        points.sort_unstable();
        points.dedup();
        points.retain(|&object| !is_plumbing(self.heap.graph.type_name_of(object)) && !self.is_namespace(object));
        points
            .into_iter()
            .map(|object| Candidate {
                place: Place::Single(object),
                type_id: self.heap.graph.type_of(object),
                members: vec![object],
                retained: self.dominators.retained_size(object),
                origin: self.below[object.index()].min(Origin::ThirdParty),
            })
            .collect()
    }

    fn accumulation_point(&self, start: ObjectId) -> ObjectId {
        let mut at = start;
        loop {
            let retained = self.dominators.retained_size(at);
            let largest = self.dominators.children(Holder::Object(at)).max_by_key(|&child| {
                (self.dominators.retained_size(child), std::cmp::Reverse(self.heap.graph.address(child)))
            });
            match largest.filter(|&child| share(self.dominators.retained_size(child), retained) >= SPREADS) {
                Some(child) => at = child,
                None => return at,
            }
        }
    }

    fn work_out(&self, candidate: Candidate) -> Suspect {
        let user_types = self.user_types(&candidate.members);
        let holder = match candidate.place {
            Place::Container(holder) | Place::Single(holder) => Some(holder),
            Place::Shared | Place::Unreached => None,
        };
        let expression = holder
            .and_then(|holder| object_expressions(self.heap, self.retaining, &self.options.roots, &[holder]).pop()?);
        let shown = self.shown(&candidate, &user_types);
        let selection = Selection { groups: vec![shown], ..Selection::default() };
        let options = Options { retained: false, ..self.options.clone() };
        Suspect {
            place: candidate.place,
            type_id: candidate.type_id,
            count: candidate.members.len() as u64,
            retained: candidate.retained,
            origin: candidate.origin,
            user_types: user_types.iter().map(|(type_id, objects)| (*type_id, objects.len() as u64)).collect(),
            expression,
            chains: chains(self.heap, &selection, &options),
        }
    }

    /// The objects whose chains are shown: those of the most frequent user type, or what piles up itself.
    fn shown(&self, candidate: &Candidate, user_types: &[(TypeId, Vec<ObjectId>)]) -> Group {
        let (type_id, mut objects) = match user_types.first() {
            Some((type_id, objects)) => (*type_id, objects.clone()),
            None => (candidate.type_id, candidate.members.clone()),
        };
        objects.sort_by_cached_key(|&object| self.heap.graph.address(object));
        Group { type_id, objects }
    }

    /// User objects among the members and below, by type: the types that most members have come first, of these the one
    /// that is nearest to the holder.
    fn user_types(&self, members: &[ObjectId]) -> Vec<(TypeId, Vec<ObjectId>)> {
        let mut found: FxHashMap<TypeId, (usize, Vec<ObjectId>)> = FxHashMap::default();
        let mut depth = 0;
        let mut level: Vec<ObjectId> = members.to_vec();
        let mut looked_at = 0;
        while !level.is_empty() && looked_at < LOOKED_AT {
            let mut next = Vec::new();
            for &object in &level {
                looked_at += 1;
                let type_id = self.heap.graph.type_of(object);
                if self.origins.of_type(type_id) < Origin::StandardLibrary && !self.is_class(type_id) {
                    found.entry(type_id).or_insert((depth, Vec::new())).1.push(object);
                }
                next.extend(self.dominators.children(Holder::Object(object)));
            }
            level = next;
            depth += 1;
        }
        let mut types: Vec<(TypeId, (usize, Vec<ObjectId>))> = found.into_iter().collect();
        let common = |objects: &[ObjectId]| objects.len() * 2 >= members.len();
        let name = |type_id: TypeId| self.heap.graph.type_name(type_id);
        types.sort_by_key(|(type_id, (depth, objects))| (!common(objects), *depth, name(*type_id)));
        types.into_iter().map(|(type_id, (_, objects))| (type_id, objects)).collect()
    }
}

/// Objects below an accumulation that are looked at for user types.
const LOOKED_AT: usize = 200_000;
/// Referrers that are asked whether they hold a dictionary as their attributes.
const REFERRERS_ASKED: usize = 20;
/// Types in which things pile up.
const CONTAINERS: [&str; 9] = [
    "dict",
    "list",
    "set",
    "frozenset",
    "tuple",
    "collections.deque",
    "collections.OrderedDict",
    "collections.defaultdict",
    "weakref.WeakValueDictionary",
];

/// Types that hold a program together rather than its data.
pub(crate) fn is_plumbing(type_name: &str) -> bool {
    matches!(type_name, "module" | "type" | "code" | "frame" | "abc.ABCMeta" | "enum.EnumType" | "enum.EnumMeta")
}

fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share for a threshold")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

impl Suspects {
    /// The suspects as prose with chains, pictures of the chains, and data.
    pub fn report(&self, heap: &Heap, limit: usize) -> Report {
        let mut report = Report::default();
        // before any scapegoat is named
        let verdict = self.process.and_then(|process| process.verdict());
        report.blocks.extend(verdict.map(|verdict| Block::Headline(vec![Span::plain(verdict)])));
        if self.suspects.is_empty() {
            report.blocks.push(Block::Headline(vec![Span::plain("nothing accumulates here that looks like a leak")]));
        }
        for (number, suspect) in (1..).zip(self.suspects.iter().take(limit)) {
            report.blocks.push(Block::Headline(self.sentence(heap, number, suspect)));
            let part = suspect.chains.report(
                heap,
                &Selection::default(),
                Detail { limit: 1, data: false, ..Detail::default() },
            );
            report.blocks.extend(part.blocks.into_iter().filter(|block| matches!(block, Block::Chain(_))));
            report.pictures.extend(part.pictures.into_iter().take(1));
        }
        report.data = json!({
            "schema": 1,
            "dump": dump_data(heap),
            "reachable_bytes": self.reachable,
            "memory": self.process.map(|process| process.data()),
            "suspects": self.suspects.iter().take(limit).map(|suspect| suspect.data(heap)).collect::<Vec<_>>(),
        });
        report
    }

    fn sentence(&self, heap: &Heap, number: u32, suspect: &Suspect) -> Vec<Span> {
        let name = heap.graph.type_name(suspect.type_id);
        let mut spans = vec![
            Span::new(Tone::Faint, format!("suspect {number}  ")),
            Span::new(Tone::Number, grouped(suspect.count)),
            Span::plain(" "),
            Span::new(Tone::Target, name),
        ];
        let users = suspect.user_types.iter().filter(|(type_id, _)| *type_id != suspect.type_id).take(3);
        let users: Vec<String> =
            users.map(|(type_id, count)| format!("{} {}", grouped(*count), heap.graph.type_name(*type_id))).collect();
        if !users.is_empty() {
            spans.push(Span::plain(format!(" with {}", users.join(", "))));
        }
        let share = share_text(suspect.retained, self.reachable);
        spans.push(Span::plain(format!(", {}, {share} of the heap, ", bytes_text(suspect.retained))));
        spans.extend(suspect.held(heap));
        spans
    }
}

impl Suspect {
    fn held(&self, heap: &Heap) -> Vec<Span> {
        let holder = |object: ObjectId| self.expression.clone().unwrap_or_else(|| object_title(heap, object));
        match self.place {
            Place::Container(object) => {
                vec![Span::plain("all held through "), Span::new(Tone::Reference, holder(object))]
            }
            Place::Single(object) => {
                let length = heap.describe(object).length;
                let items = length.map_or_else(String::new, |length| format!(" ({})", counted(length, "item")));
                vec![Span::plain("all below "), Span::new(Tone::Reference, holder(object) + &items)]
            }
            Place::Shared => vec![Span::plain("which no single object holds: several ways lead to them")],
            Place::Unreached => vec![Span::plain("which no root reaches: native code holds them")],
        }
    }

    fn data(&self, heap: &Heap) -> Value {
        let (place, holder) = match self.place {
            Place::Container(object) => ("container", Some(object)),
            Place::Single(object) => ("single", Some(object)),
            Place::Shared => ("shared", None),
            Place::Unreached => ("unreached", None),
        };
        let users = self
            .user_types
            .iter()
            .map(|(type_id, count)| json!({"type": heap.graph.type_name(*type_id), "count": count}));
        let signature = self.chains.types.first().and_then(|answer| answer.signatures.first());
        json!({
            "place": place,
            "holder": holder.map(|object| heap.graph.address(object)),
            "expression": self.expression,
            "type": heap.graph.type_name(self.type_id),
            "count": self.count,
            "retained": self.retained,
            "user_types": users.collect::<Vec<_>>(),
            "origin": match self.origin {
                Origin::Own => "own",
                Origin::ThirdParty => "third_party",
                Origin::StandardLibrary => "standard_library",
            },
            "fingerprint": signature.map(|signature| signature.fingerprint.clone()),
        })
    }
}
