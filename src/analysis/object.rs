//! What is this object, what does it hold, and who holds it?
//!
//! One object whole: what the dump says of it, its references and referrers with their names, its shortest chain from a
//! root, the objects that dominate it, and what goes when it goes. O(m log n) for the dominators, O(n + m) for the chain;
//! names are read from the records of the object and of the referrers that are shown.

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::chains::report::notes;
use super::chains::{
    Chains, Detail, FIRST_IMMORTAL, Options, SCHEMA, address_data, chains, dump_data, object_picture_name,
    reference_data, short_name, title,
};
use super::distances::RootChoice;
use super::dominators::Dominators;
use super::kept::dominator_tree;
use super::retaining::Retaining;
use super::select::{Group, Selection};
use super::summary::Amount;
use crate::counts::{bytes_text, counted, grouped, more_of};
use crate::graph::{Description, Heap, ObjectId, ReferenceKind, ReferenceName, TypeId};
use crate::report::{Block, Cell, Picture, Report, Span, Table, Tone};

/// References, referrers and dominators that are described each; further ones are counted.
pub const SHOWN: usize = 50;
/// Types of what an object retains that are told apart.
pub const TYPES_SHOWN: usize = 20;

/// An object with its surroundings.
#[derive(Debug, Clone)]
pub struct ObjectPage {
    /// The object.
    pub object: ObjectId,
    /// What it is, in a few words.
    pub title: String,
    /// What the dump says of it.
    pub description: Description,
    /// References to it that the dump has, parallel ones each: what its reference count should be.
    pub references_found: u64,
    /// Its own size, bytes.
    pub shallow: u64,
    /// What it holds outside the heap, bytes.
    pub external: u64,
    /// What goes when it goes, itself included; `None` when no root reaches it.
    pub retained: Option<Amount>,
    /// The objects to which it refers, in dump order, parallel references each; weak ones last.
    pub references: Neighbours,
    /// The objects that refer to it, each once, in dump order; weak ones last.
    pub referrers: Neighbours,
    /// The object asked for, as chains ask.
    selection: Selection,
    /// Its shortest chain, or why there is none.
    pub chains: Chains,
    /// Objects that keep it alive all by themselves, nearest first. Names are not looked up.
    pub dominators: Neighbours,
    /// What it retains by type, itself included: largest first, then by name.
    pub retains: Vec<RetainedType>,
    /// Types beyond the first [`TYPES_SHOWN`].
    pub further_types: u64,
}

/// Objects around an object.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    /// The first [`SHOWN`].
    pub shown: Vec<Neighbour>,
    /// How many there are beyond.
    pub more: u64,
}

/// An object that refers to the object, is referred to, or dominates it.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The object.
    pub object: ObjectId,
    /// What it is, in a few words.
    pub title: String,
    /// How the holder calls the reference.
    pub name: ReferenceName,
    /// Whether the reference does not keep its target alive.
    pub is_weak: bool,
    /// Bytes that go when it goes; 0 when no root reaches it.
    pub retained: u64,
}

/// Objects of a type that an object retains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetainedType {
    /// The type.
    pub type_id: TypeId,
    /// How many there are, and their sizes together.
    pub amount: Amount,
}

/// All about one object.
pub fn object_page(heap: &Heap, choice: &RootChoice, object: ObjectId) -> ObjectPage {
    let graph = &heap.graph;
    let tree = dominator_tree(heap, &Retaining::all(graph), choice);
    let group = Group { type_id: graph.type_of(object), objects: vec![object] };
    let selection = Selection { groups: vec![group], ..Selection::default() };
    let options = Options { roots: choice.clone(), ..Options::default() };
    let description = heap.describe(object);
    let retained = Amount { objects: tree.retained_count(object), bytes: tree.retained_size(object) };
    let mut retains = retained_types(heap, &tree, object);
    let further_types = retains.len().saturating_sub(TYPES_SHOWN) as u64;
    retains.truncate(TYPES_SHOWN);
    let around = Around { heap, tree: &tree };
    ObjectPage {
        object,
        title: title(heap, object, &description),
        description,
        references_found: graph.referrer_count(object) as u64,
        shallow: graph.shallow_size(object),
        external: graph.external_size(object),
        retained: tree.is_reachable(object).then_some(retained),
        references: around.references(object),
        referrers: around.referrers(object),
        chains: chains(heap, &selection, &options),
        selection,
        dominators: around.dominators(object),
        retains,
        further_types,
    }
}

/// Looks up what is around an object.
struct Around<'a> {
    heap: &'a Heap,
    tree: &'a Dominators,
}

impl Around<'_> {
    fn references(&self, object: ObjectId) -> Neighbours {
        let mut found = Neighbours::default();
        let graph = &self.heap.graph;
        // names are matched by position: a record that names fewer references than the graph has leaves the rest unnamed
        let start = graph.forward().range(object).start;
        let mut names: FxHashMap<usize, ReferenceName> = FxHashMap::default();
        self.heap.for_each_reference(object, |position, _, name| {
            if position - start < SHOWN {
                names.insert(position - start, name.clone());
            }
        });
        for (place, target) in graph.referents(object).enumerate() {
            let name = names.remove(&place).unwrap_or_else(ReferenceName::unknown);
            self.take(&mut found, target, |_| (name, false));
        }
        for weak in graph.weak_references().iter().filter(|weak| weak.source == object) {
            self.take(&mut found, weak.target, |_| (ReferenceName::unknown(), true));
        }
        found
    }

    fn referrers(&self, object: ObjectId) -> Neighbours {
        let mut found = Neighbours::default();
        let graph = &self.heap.graph;
        for referrer in Retaining::all(graph).referrers(object) {
            self.take(&mut found, referrer, |around| (around.name_of(referrer, object), false));
        }
        for weak in graph.weak_references().iter().filter(|weak| weak.target == object) {
            self.take(&mut found, weak.source, |_| (ReferenceName::unknown(), true));
        }
        found
    }

    fn dominators(&self, object: ObjectId) -> Neighbours {
        let mut found = Neighbours::default();
        for dominator in self.tree.dominators_of(object) {
            self.take(&mut found, dominator, |_| (ReferenceName::unknown(), false));
        }
        found
    }

    /// Describes an object if it is one of the first, and counts it otherwise.
    fn take(&self, found: &mut Neighbours, object: ObjectId, name: impl FnOnce(&Self) -> (ReferenceName, bool)) {
        if found.shown.len() == SHOWN {
            found.more += 1;
            return;
        }
        let (name, is_weak) = name(self);
        let title = title(self.heap, object, &self.heap.describe(object));
        found.shown.push(Neighbour { object, title, name, is_weak, retained: self.tree.retained_size(object) });
    }

    /// The first known name by which `referrer` holds `object`.
    fn name_of(&self, referrer: ObjectId, object: ObjectId) -> ReferenceName {
        let mut found = ReferenceName::unknown();
        self.heap.for_each_reference(referrer, |_, target, name| {
            if target == object && found.kind == ReferenceKind::Unknown {
                found = name.clone();
            }
        });
        found
    }
}

fn retained_types(heap: &Heap, tree: &Dominators, object: ObjectId) -> Vec<RetainedType> {
    let graph = &heap.graph;
    let mut amounts: FxHashMap<TypeId, Amount> = FxHashMap::default();
    for member in tree.retained_set(object) {
        let bytes = graph.shallow_size(member).saturating_add(graph.external_size(member));
        amounts.entry(graph.type_of(member)).or_default().add(1, bytes);
    }
    let mut types: Vec<RetainedType> =
        amounts.into_iter().map(|(type_id, amount)| RetainedType { type_id, amount }).collect();
    types.sort_by(|a, b| {
        let name = |retained: &RetainedType| graph.type_name(retained.type_id);
        b.amount.bytes.cmp(&a.amount.bytes).then_with(|| name(a).cmp(name(b)))
    });
    types
}

impl ObjectPage {
    /// The page as text, pictures of the chain, and data.
    pub fn report(&self, heap: &Heap) -> Report {
        let chain = self.chains.report(heap, &self.selection, Detail::default());
        let mut blocks = vec![Block::Headline(vec![
            Span::new(Tone::Target, self.title.clone()),
            Span::new(Tone::Faint, format!(" · {}", heap.graph.id_text(self.object))),
        ])];
        blocks.extend(self.facts(heap).into_iter().map(|fact| Block::Line(vec![Span::plain(format!("  {fact}"))])));
        blocks.extend(self.chain_blocks(chain.blocks));
        blocks.extend(self.dominator_blocks(heap));
        blocks.extend(neighbour_blocks(heap, "refers to", "reference", &self.references));
        blocks.extend(neighbour_blocks(heap, "is referred to by", "referrer", &self.referrers));
        blocks.extend(self.retained_blocks(heap));
        blocks.extend(notes(heap).into_iter().map(Block::Note));
        let named = |picture| Picture { name: object_picture_name(heap, self.object), ..picture };
        let pictures = chain.pictures.into_iter().map(named).collect();
        Report { blocks, pictures, data: self.data(heap, &chain.data), ..Report::default() }
    }

    /// What is known of it, a line each.
    fn facts(&self, heap: &Heap) -> Vec<String> {
        let description = &self.description;
        let mut facts = vec![format!("type {}", short_name(heap.graph.type_name_of(self.object)))];
        facts.extend(description.name.as_ref().map(|name| format!("name {name}")));
        facts.extend(description.value.as_ref().map(|value| format!("value {value}")));
        facts.extend(description.length.map(|length| format!("length {}", grouped(length))));
        facts.extend(description.site.as_ref().map(|site| format!("allocated at {site}")));
        facts.push(self.sizes());
        facts.extend(self.reference_count());
        facts
    }

    fn sizes(&self) -> String {
        let mut text = format!("{} shallow", bytes_text(self.shallow));
        if self.external > 0 {
            text.push_str(&format!(" · {} outside the heap", bytes_text(self.external)));
        }
        match self.retained {
            Some(Amount { objects, bytes }) => {
                text.push_str(&format!(" · {} retained in {}", bytes_text(bytes), counted(objects, "object")));
            }
            None => text.push_str(" · no root reaches it"),
        }
        text
    }

    fn reference_count(&self) -> Option<String> {
        let count = self.description.reference_count?;
        let found = counted(self.references_found, "reference");
        Some(match () {
            () if count >= FIRST_IMMORTAL => format!("immortal · the dump has {found} to it"),
            () if count > self.references_found => {
                format!("reference count {} · the dump has {found} to it: something outside holds it", grouped(count))
            }
            () => format!("reference count {} · the dump has {found} to it", grouped(count)),
        })
    }

    /// The chain alone, or all that is said of an object that no root reaches.
    fn chain_blocks(&self, blocks: Vec<Block>) -> Vec<Block> {
        let is_reached = self.retained.is_some();
        let is_wanted = |block: &Block| match block {
            Block::Chain(_) => true,
            Block::Note(_) => false,
            _ => !is_reached,
        };
        // the first headline counts the objects of the type that were asked for: one
        let skipped = usize::from(!is_reached);
        blocks.into_iter().filter(is_wanted).skip(skipped).collect()
    }

    fn dominator_blocks(&self, heap: &Heap) -> Vec<Block> {
        let row = |dominator: &Neighbour| {
            let id = heap.graph.id_text(dominator.object);
            vec![Cell::Text(dominator.title.clone()), Cell::Text(id), Cell::Bytes(dominator.retained)]
        };
        let headline = "goes when any of these goes, nearest first";
        blocks_of(headline, &["object", "id", "retained"], &self.dominators, row, "dominator")
    }

    fn retained_blocks(&self, heap: &Heap) -> Vec<Block> {
        if self.retains.is_empty() {
            return Vec::new();
        }
        let row = |retained: &RetainedType| {
            let name = heap.graph.type_name(retained.type_id).to_owned();
            vec![Cell::Text(name), Cell::Count(retained.amount.objects), Cell::Bytes(retained.amount.bytes)]
        };
        let mut blocks = vec![
            Block::Headline(vec![Span::plain("retains, itself included")]),
            table(&["type", "objects", "size"], self.retains.iter().map(row).collect()),
        ];
        blocks.extend((self.further_types > 0).then(|| Block::Note(more_of(self.further_types, "type"))));
        blocks
    }

    fn data(&self, heap: &Heap, chain: &Value) -> Value {
        let description = &self.description;
        let types = self.retains.iter().map(|retained| {
            json!({
                "type": heap.graph.type_name(retained.type_id),
                "count": retained.amount.objects,
                "size": retained.amount.bytes,
            })
        });
        json!({
            "schema": SCHEMA,
            "dump": dump_data(heap),
            "title": self.title,
            "address": address_data(heap, self.object),
            "type": heap.graph.type_name_of(self.object),
            "name": description.name,
            "value": description.value,
            "length": description.length,
            "site": description.site,
            "reference_count": description.reference_count,
            "references_found": self.references_found,
            "shallow_size": self.shallow,
            "external_size": self.external,
            "retained_size": self.retained.map(|retained| retained.bytes),
            "retained_count": self.retained.map(|retained| retained.objects),
            "chain": chain["signatures"].get(0),
            "unreached": chain["unreached"].get(0),
            "dominators": neighbours_data(heap, &self.dominators, false),
            "references": neighbours_data(heap, &self.references, true),
            "referrers": neighbours_data(heap, &self.referrers, true),
            "retains": types.collect::<Vec<_>>(),
            "retained_types_left_out": self.further_types,
        })
    }
}

fn neighbour_blocks(heap: &Heap, headline: &str, what: &str, neighbours: &Neighbours) -> Vec<Block> {
    let row = |neighbour: &Neighbour| {
        vec![
            Cell::Text(if neighbour.is_weak { "weak".to_owned() } else { neighbour.name.expression(false) }),
            Cell::Text(neighbour.title.clone()),
            Cell::Text(heap.graph.id_text(neighbour.object)),
            Cell::Bytes(heap.graph.shallow_size(neighbour.object)),
            Cell::Bytes(neighbour.retained),
        ]
    };
    blocks_of(headline, &["reference", "object", "id", "shallow", "retained"], neighbours, row, what)
}

fn blocks_of(
    headline: &str,
    columns: &[&str],
    neighbours: &Neighbours,
    row: impl Fn(&Neighbour) -> Vec<Cell>,
    what: &str,
) -> Vec<Block> {
    if neighbours.shown.is_empty() {
        return Vec::new();
    }
    let mut blocks =
        vec![Block::Headline(vec![Span::plain(headline)]), table(columns, neighbours.shown.iter().map(row).collect())];
    blocks.extend((neighbours.more > 0).then(|| Block::Note(more_of(neighbours.more, what))));
    blocks
}

fn table(columns: &[&str], rows: Vec<Vec<Cell>>) -> Block {
    Block::Table(Table { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows })
}

fn neighbours_data(heap: &Heap, neighbours: &Neighbours, has_names: bool) -> Value {
    let shown = neighbours.shown.iter().map(|neighbour| {
        let mut fields = json!({
            "title": neighbour.title,
            "address": address_data(heap, neighbour.object),
            "type": heap.graph.type_name_of(neighbour.object),
            "shallow_size": heap.graph.shallow_size(neighbour.object),
            "retained_size": neighbour.retained,
        });
        if has_names {
            fields["reference"] = Value::Object(reference_data(&neighbour.name));
            fields["weak"] = neighbour.is_weak.into();
        }
        fields
    });
    json!({"shown": shown.collect::<Vec<_>>(), "more": neighbours.more})
}
