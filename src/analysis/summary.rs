//! Where does the memory go: which types, modules, roots or lines of code hold how much?
//!
//! Each object belongs to one *group*. What a group retains is the sum over its topmost objects: an object whose memory
//! another object of its group already retains (dominates) is not counted again. What several objects hold together, none
//! of them alone, is retained by what dominates them all, so by another group or by none.
//!
//! One pass over the dominator tree in preorder, where a retained set is a range of rows: a group is *open* until the row
//! at which the last range that was counted for it ends. O(m log n) for the dominators, O(n) for the pass.

use std::collections::BTreeMap;

use petgraph::visit::{VisitMap, Visitable};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::chains::report::notes;
use super::chains::{FIRST_IMMORTAL, SCHEMA, dump_data};
use super::cycles::on_cycles;
use super::distances::RootChoice;
use super::dominators::{Dominators, Holder};
use super::kept::dominator_tree;
use super::origin::package;
use super::retaining::Retaining;
use crate::counts::{bytes_text, counted, grouped, more_of};
use crate::graph::petgraph::Visited;
use crate::graph::{Description, Heap, HeapGraph, ObjectId, Root};
use crate::report::{Block, Cell, Icicle, Report, Span, Table, Tile, Tone, share};

/// What makes objects one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// The qualified type.
    #[default]
    Type,
    /// The module of the type: its qualified name up to the last dot, and up to the function for classes defined in one
    /// (`app.make.<locals>.Row` is of `app`); `builtins` where there is no dot. A class within a class counts as if the
    /// outer one were its module: names do not tell them apart.
    Module,
    /// The root that keeps the object alive all by itself. [`SEVERAL_ROOTS`] where it takes more than one, [`NO_ROOT`]
    /// where none reaches it. Roots without a name are grouped by kind and type.
    Root,
    /// Where it was allocated; [`NO_SITE`] where the dump does not say.
    Site,
}

/// Group of what is reached from several roots, so that none of them retains it alone.
pub const SEVERAL_ROOTS: &str = "several roots";
/// Group of what no root reaches.
pub const NO_ROOT: &str = "no root";
/// Group of objects without a recorded allocation site.
pub const NO_SITE: &str = "not recorded";

/// Which groups come first. Largest first, except for names; equal ones by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Bytes retained.
    #[default]
    Retained,
    /// Bytes of the objects themselves.
    Shallow,
    /// Number of objects.
    Count,
    /// Name of the group.
    Name,
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Amount {
    /// How many objects.
    pub objects: u64,
    /// Their sizes together, shallow and external; saturates.
    pub bytes: u64,
}

impl Amount {
    /// Adds objects that have these bytes together.
    pub fn add(&mut self, objects: u64, bytes: u64) {
        self.objects += objects;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A group of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryGroup {
    /// Type, module, root or site.
    pub name: String,
    /// How many objects it has, unreachable ones included.
    pub count: u64,
    /// Their shallow sizes together, bytes.
    pub shallow: u64,
    /// What they hold outside the heap, bytes.
    pub external: u64,
    /// What its reachable objects keep alive, each alone, counted once; bytes include external ones.
    pub retained: Amount,
}

/// What the heap has, and what of it is alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// What roots reach.
    pub reachable: Amount,
    /// What no root reaches.
    pub unreachable: Amount,
    /// Of the unreachable: objects that lead to themselves.
    pub in_cycles: Amount,
    /// Of the unreachable: objects that lead nowhere back, but only cycles lead to. Every other unreachable object has no
    /// referrer in the dump, or such an object leads to it.
    pub held_by_cycles: Amount,
    /// `None` where the dump has no reference counts.
    pub held_from_outside: Option<FromOutside>,
}

/// Objects whose recorded reference count is larger than the number of references to them that the dump has: native code
/// or a stack holds them. Immortal objects are left out: their counts say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FromOutside {
    /// How many there are.
    pub objects: u64,
    /// How many of them no root reaches.
    pub unreachable: u64,
}

/// The heap by groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What makes a group.
    pub by: By,
    /// All groups that have objects, sorted as asked.
    pub groups: Vec<SummaryGroup>,
    /// Of the whole heap.
    pub totals: Totals,
}

/// Sums the heap up: O(m log n), and one look at each record for sites and reference counts where the dump has them.
pub fn summary(heap: &Heap, choice: &RootChoice, by: By, sort: Sort) -> Summary {
    let retaining = Retaining::all(&heap.graph);
    let tree = dominator_tree(heap, &retaining, choice);
    let mut groups = sum_up(&heap.graph, &tree, grouping(heap, choice, &tree, by));
    groups.retain(|group| group.count > 0);
    groups.sort_by(|a, b| order(a, b, sort).then_with(|| a.name.cmp(&b.name)));
    Summary { by, groups, totals: totals(heap, &retaining, &tree) }
}

/// The groups alone, in no particular order: O(m log n) for the dominators, which are kept, and for sites a look at each
/// record.
pub(crate) fn group_sums(heap: &Heap, choice: &RootChoice, by: By) -> Vec<SummaryGroup> {
    let tree = dominator_tree(heap, &Retaining::all(&heap.graph), choice);
    let mut groups = sum_up(&heap.graph, &tree, grouping(heap, choice, &tree, by));
    groups.retain(|group| group.count > 0);
    groups
}

fn grouping(heap: &Heap, choice: &RootChoice, tree: &Dominators, by: By) -> Grouping {
    match by {
        By::Type => by_type(&heap.graph),
        By::Module => by_module(&heap.graph),
        By::Root => by_root(&heap.graph, choice, tree),
        By::Site => by_site(heap),
    }
}

fn order(a: &SummaryGroup, b: &SummaryGroup, sort: Sort) -> std::cmp::Ordering {
    match sort {
        Sort::Retained => b.retained.bytes.cmp(&a.retained.bytes),
        Sort::Shallow => b.shallow.cmp(&a.shallow),
        Sort::Count => b.count.cmp(&a.count),
        Sort::Name => std::cmp::Ordering::Equal,
    }
}

/// The group of each object.
struct Grouping {
    names: GroupNames,
    /// Number of the group of each object, n entries.
    of: Vec<u32>,
}

/// Names of groups, numbered in order of first appearance.
#[derive(Default)]
struct GroupNames {
    names: Vec<String>,
    numbers: FxHashMap<String, u32>,
}

impl GroupNames {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn by_type(graph: &HeapGraph) -> Grouping {
    by_name_of_type(graph, |name| name)
}

fn by_module(graph: &HeapGraph) -> Grouping {
    by_name_of_type(graph, module_of)
}

fn by_name_of_type(graph: &HeapGraph, name_of: impl Fn(&str) -> &str) -> Grouping {
    let mut names = GroupNames::default();
    let of_type: Vec<u32> = graph.types().map(|(_, name)| names.number(name_of(name))).collect();
    let of = graph.objects().map(|object| of_type[graph.type_of(object).index()]).collect();
    Grouping { names, of }
}

/// The module part of a type's qualified name.
fn module_of(name: &str) -> &str {
    let outermost = name.split(".<locals>").next().unwrap_or(name);
    outermost.rsplit_once('.').map_or("builtins", |(module, _)| module)
}

/// In preorder, all objects below the virtual root follow the topmost one that dominates them.
fn by_root(graph: &HeapGraph, choice: &RootChoice, tree: &Dominators) -> Grouping {
    let mut names = GroupNames::default();
    let roots = naming_roots(graph, choice);
    let mut of = vec![names.number(NO_ROOT); graph.object_count()];
    let mut current = 0;
    for object in tree.top_down() {
        if tree.immediate_dominator(object) == Some(Holder::Root) {
            let name = roots.get(&object).map(|root| root_name(graph, root));
            current = names.number(name.as_deref().unwrap_or(SEVERAL_ROOTS));
        }
        of[object.index()] = current;
    }
    Grouping { names, of }
}

/// The root by which each root object is called: modules first, then frames, then other kinds; then by name.
fn naming_roots<'g>(graph: &'g HeapGraph, choice: &'g RootChoice) -> FxHashMap<ObjectId, &'g Root> {
    let mut roots: FxHashMap<ObjectId, &Root> = FxHashMap::default();
    for root in choice.asked_roots(graph) {
        let known = roots.entry(root.object).or_insert(root);
        if (&root.kind, &root.name) < (&known.kind, &known.name) {
            *known = root;
        }
    }
    roots
}

fn root_name(graph: &HeapGraph, root: &Root) -> String {
    let name = root.name.as_deref().unwrap_or_else(|| graph.type_name_of(root.object));
    format!("{} {name}", root.kind.title())
}

fn by_site(heap: &Heap) -> Grouping {
    let mut names = GroupNames::default();
    let mut of = Vec::with_capacity(heap.graph.object_count());
    let mut take = |site: Option<String>| of.push(names.number(site.as_deref().unwrap_or(NO_SITE)));
    if has_sites(heap) {
        for_each_description(heap, |description| description.site, |_, site| take(site));
    } else {
        heap.graph.objects().for_each(|_| take(None));
    }
    Grouping { names, of }
}

/// Objects whose records are read to see whether a dump records something at all, evenly over the dump: what was allocated
/// before allocations were traced has no site.
const PROBED: usize = 1_000;
/// Objects whose records are read in parallel before what they say is taken in.
const READ_AT_ONCE: usize = 1 << 16;

/// Whether any of the records that are probed has what `has` looks for.
fn is_recorded(heap: &Heap, has: impl Fn(&Description) -> bool + Sync) -> bool {
    let (count, step) = (heap.graph.object_count(), heap.graph.object_count().div_ceil(PROBED).max(1));
    let probed = (0..count.div_ceil(step)).into_par_iter().map(|place| ObjectId::at(place * step));
    probed.any(|object| has(&heap.describe(object)))
}

/// Whether the dump says where objects were allocated.
pub(crate) fn has_sites(heap: &Heap) -> bool {
    is_recorded(heap, |description| description.site.is_some())
}

/// Reads all records in parallel, and takes what `pick` finds in them in dump order.
fn for_each_description<T: Send>(
    heap: &Heap,
    pick: impl Fn(Description) -> T + Sync,
    mut take: impl FnMut(ObjectId, T),
) {
    let count = heap.graph.object_count();
    for start in (0..count).step_by(READ_AT_ONCE) {
        let rows = start..count.min(start + READ_AT_ONCE);
        let read = |row| pick(heap.describe(ObjectId::at(row)));
        let found: Vec<T> = rows.clone().into_par_iter().map(read).collect();
        rows.zip(found).for_each(|(row, found)| take(ObjectId::at(row), found));
    }
}

fn sum_up(graph: &HeapGraph, tree: &Dominators, grouping: Grouping) -> Vec<SummaryGroup> {
    let empty = |name| SummaryGroup { name, count: 0, shallow: 0, external: 0, retained: Amount::default() };
    let mut groups: Vec<SummaryGroup> = grouping.names.names.into_iter().map(empty).collect();
    for object in graph.objects() {
        let group = &mut groups[grouping.of[object.index()] as usize];
        group.count += 1;
        group.shallow = group.shallow.saturating_add(graph.shallow_size(object));
        group.external = group.external.saturating_add(graph.external_size(object));
    }
    // the row at which the last retained set that was counted for a group ends
    let mut open_until = vec![0; groups.len()];
    for (row, object) in (0u64..).zip(tree.top_down()) {
        let group = grouping.of[object.index()] as usize;
        if row >= open_until[group] {
            let count = tree.retained_count(object);
            groups[group].retained.add(count, tree.retained_size(object));
            open_until[group] = row + count;
        }
    }
    groups
}

fn totals(heap: &Heap, retaining: &Retaining<'_>, tree: &Dominators) -> Totals {
    let graph = &heap.graph;
    let is_unreachable = |object: ObjectId| !tree.is_reachable(object);
    let mut totals = Totals {
        reachable: Amount { objects: tree.reachable_count(), bytes: tree.reachable_size() },
        held_from_outside: held_from_outside(heap, tree),
        ..Totals::default()
    };
    if totals.reachable.objects == graph.object_count() as u64 {
        return totals;
    }
    let cyclic = on_cycles(retaining, is_unreachable);
    let loose = led_to_by_loose(retaining, is_unreachable);
    for object in graph.objects().filter(|&object| is_unreachable(object)) {
        let bytes = graph.shallow_size(object).saturating_add(graph.external_size(object));
        totals.unreachable.add(1, bytes);
        if cyclic.is_visited(&object) {
            totals.in_cycles.add(1, bytes);
        } else if !loose.is_visited(&object) {
            totals.held_by_cycles.add(1, bytes);
        }
    }
    totals
}

/// The objects of `within` without a referrer, and what they lead to. `within` has no referrers outside.
fn led_to_by_loose(retaining: &Retaining<'_>, within: impl Fn(ObjectId) -> bool) -> Visited {
    let mut seen = retaining.graph.visit_map();
    let is_loose = |object: &ObjectId| within(*object) && retaining.referrers(*object).next().is_none();
    let mut open: Vec<ObjectId> = retaining.graph.objects().filter(is_loose).collect();
    open.iter().for_each(|&object| _ = seen.visit(object));
    while let Some(object) = open.pop() {
        open.extend(retaining.referents(object).filter(|&target| seen.visit(target)));
    }
    seen
}

fn held_from_outside(heap: &Heap, tree: &Dominators) -> Option<FromOutside> {
    if !is_recorded(heap, |description| description.reference_count.is_some()) {
        return None;
    }
    let mut outside = FromOutside::default();
    for_each_description(
        heap,
        |description| description.reference_count,
        |object, count| {
            let found = heap.graph.referrers(object).len() as u64;
            if count.is_some_and(|count| count < FIRST_IMMORTAL && count > found) {
                outside.objects += 1;
                outside.unreachable += u64::from(!tree.is_reachable(object));
            }
        },
    );
    Some(outside)
}

impl By {
    /// What a group is called: `type`, `module`, `root`, `site`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Module => "module",
            Self::Root => "root",
            Self::Site => "site",
        }
    }
}

impl Summary {
    /// The groups as tiles, types below their packages.
    fn icicle(&self) -> Icicle {
        let whole = self.totals.reachable;
        let mut tiles = vec![Tile { label: "reachable".to_owned(), bytes: whole.bytes, ..Tile::default() }];
        let mut packages: BTreeMap<&str, Vec<&SummaryGroup>> = BTreeMap::new();
        for group in &self.groups {
            let name = group.name.as_str();
            let package = if name.contains('.') && self.by != By::Site { package(name) } else { "builtins" };
            packages.entry(package).or_default().push(group);
        }
        for (package, groups) in packages {
            let bytes = groups.iter().fold(0u64, |sum, group| sum.saturating_add(group.retained.bytes));
            let kind = if package == "builtins" { String::new() } else { package.to_owned() };
            let above = tiles.len();
            tiles.push(Tile {
                parent: Some(0),
                label: package.to_owned(),
                bytes,
                kind: kind.clone(),
                ..Tile::default()
            });
            tiles.extend(groups.into_iter().map(|group| Tile {
                parent: Some(above),
                label: group.name.clone(),
                detail: format!("{}, {} shallow", counted(group.count, "object"), bytes_text(group.shallow)),
                bytes: group.retained.bytes,
                kind: kind.clone(),
            }));
        }
        Icicle {
            name: format!("summary-by-{}", self.by.word()),
            title: format!("Retained by {}", self.by.word()),
            subtitle: format!(
                "{} reachable; groups retain each other, so that their sizes overlap: shares are relative",
                bytes_text(whole.bytes)
            ),
            tiles,
        }
    }

    /// The summary as text and data, with the first `limit` groups; the data has all.
    pub fn report(&self, heap: &Heap, limit: usize) -> Report {
        let mut blocks = vec![self.headline()];
        blocks.extend(self.unreachable_line());
        blocks.push(Block::Table(self.table(limit)));
        if self.groups.len() > limit {
            blocks.push(Block::Note(more_of((self.groups.len() - limit) as u64, self.by.word())));
        }
        blocks.extend(self.notes().into_iter().chain(notes(heap)).map(Block::Note));
        Report { blocks, icicles: vec![self.icicle()], data: self.data(heap), ..Report::default() }
    }

    fn headline(&self) -> Block {
        let Amount { objects, bytes } = self.totals.reachable;
        Block::Headline(vec![
            Span::new(Tone::Number, bytes_text(bytes)),
            Span::plain(format!(" in {} that roots reach", counted(objects, "object"))),
        ])
    }

    fn unreachable_line(&self) -> Option<Block> {
        let Totals { unreachable, in_cycles, held_by_cycles, .. } = self.totals;
        let text = format!(
            "no root reaches {}, {}: {} in cycles, {} held only by cycles",
            counted(unreachable.objects, "object"),
            bytes_text(unreachable.bytes),
            grouped(in_cycles.objects),
            grouped(held_by_cycles.objects),
        );
        (unreachable.objects > 0).then(|| Block::Line(vec![Span::plain(text)]))
    }

    fn table(&self, limit: usize) -> Table {
        let has_external = self.groups.iter().any(|group| group.external > 0);
        let mut columns = vec![self.by.word(), "objects", "shallow", "external", "retained", "of reachable"];
        columns.retain(|&column| has_external || column != "external");
        Table {
            columns: columns.into_iter().map(ToOwned::to_owned).collect(),
            rows: self.groups.iter().take(limit).map(|group| self.row(group, has_external)).collect(),
        }
    }

    fn row(&self, group: &SummaryGroup, has_external: bool) -> Vec<Cell> {
        let mut row = vec![Cell::Text(group.name.clone()), Cell::Count(group.count), Cell::Bytes(group.shallow)];
        row.extend(has_external.then_some(Cell::Bytes(group.external)));
        row.push(Cell::Bytes(group.retained.bytes));
        row.push(Cell::Share(share(group.retained.bytes, self.totals.reachable.bytes)));
        row
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![match self.by {
            By::Root => "retained is what a root keeps alive all by itself".to_owned(),
            by => format!(
                "retained is what objects keep alive each by itself, counted once a {what}; one {what} may retain another",
                what = by.word()
            ),
        }];
        if let Some(outside) = self.totals.held_from_outside.filter(|outside| outside.objects > 0) {
            notes.push(format!(
                "{} with more references counted than the dump has, {} of them not reachable: something outside holds them",
                counted(outside.objects, "object"),
                grouped(outside.unreachable),
            ));
        }
        notes
    }

    fn data(&self, heap: &Heap) -> Value {
        let totals = &self.totals;
        json!({
            "schema": SCHEMA,
            "dump": dump_data(heap),
            "by": self.by.word(),
            "totals": {
                "reachable": totals.reachable,
                "unreachable": totals.unreachable,
                "unreachable_in_cycles": totals.in_cycles,
                "unreachable_held_by_cycles": totals.held_by_cycles,
                "held_from_outside": totals.held_from_outside,
                "unseen": heap.about.unseen,
            },
            "groups": self.groups.iter().map(|group| self.group_data(group)).collect::<Vec<_>>(),
        })
    }

    fn group_data(&self, group: &SummaryGroup) -> Value {
        json!({
            "name": group.name,
            "count": group.count,
            "shallow_size": group.shallow,
            "external_size": group.external,
            "retained_size": group.retained.bytes,
            "retained_count": group.retained.objects,
            "share": share(group.retained.bytes, self.totals.reachable.bytes),
        })
    }
}
