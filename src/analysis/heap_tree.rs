//! What does the memory hang on, from the largest holder down?
//!
//! The dominator tree from the virtual root: below each object stands what it keeps alive all by itself, so that sizes of
//! siblings never overlap. Many siblings of one type are one *node*, and what they hold is grouped again below it: thirty
//! sessions with a cache each read as thirty sessions with thirty caches. Small siblings are counted, not shown.
//!
//! O(m log n) for the dominators; then the objects below each shown node, and the records of those that hold them for
//! the names of references. Breadth first, with a queue.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use super::chains::report::notes;
use super::chains::{SCHEMA, address_data, dump_data, reference_data, short_name, title};
use super::distances::RootChoice;
use super::dominators::{Dominators, Holder};
use super::kept::dominator_tree;
use super::origin::package;
use super::retaining::Retaining;
use super::summary::Amount;
use crate::counts::{bytes_text, counted, grouped};
use crate::graph::{Heap, ObjectId, ReferenceKind, ReferenceName, TypeId};
use crate::report::{Block, Cell, Icicle, Report, Span, Tile, Tone, TreeBlock, TreeRow, share};

/// How much of the tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeOptions {
    /// Levels that are shown; at most [`DEEPEST`].
    pub depth: usize,
    /// Share of the reachable bytes, 0 to 1, that a node must retain to be shown.
    pub threshold: f64,
    /// Siblings of one type that make a group, at least 2. One that holds more than half of what they hold together still
    /// stands for itself, and so do roots.
    pub group_from: usize,
}

impl Default for TreeOptions {
    /// Six levels, half a percent, five siblings.
    fn default() -> Self {
        Self { depth: 6, threshold: 0.005, group_from: 5 }
    }
}

/// Levels shown at most: the data nests two deep a level, and JSON readers stop at 128.
pub const DEEPEST: usize = 60;
/// Distinct holders that are read for the name by which they hold the members of a group.
const HOLDERS_READ: usize = 1_000;

/// The largest holders and what they hold.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapTree {
    /// What roots reach.
    pub reachable: Amount,
    /// What was asked.
    pub options: TreeOptions,
    /// Nodes in preorder, siblings by retained bytes, largest first, then by type, then in dump order.
    pub nodes: Vec<TreeNode>,
    /// What stands at the top and is not shown.
    pub left_out: LeftOut,
}

/// An object, or siblings of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeNode {
    /// How deep it stands; 0 below the virtual root.
    pub level: usize,
    /// Type of the object, or of all members of the group.
    pub type_id: TypeId,
    /// The object, or the first member in dump order.
    pub object: ObjectId,
    /// How many objects it stands for.
    pub count: u64,
    /// What they retain together, themselves included.
    pub retained: Amount,
    /// Their shallow sizes together, bytes.
    pub shallow: u64,
    /// The reference by which the node above holds it directly; `None` when it does not, or when members of a group are
    /// held by different names.
    pub reference: Option<ReferenceName>,
    /// What stands directly below and is not shown.
    pub left_out: LeftOut,
}

/// Objects that would stand below a node, and what they retain together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Those that are below the threshold. Objects are counted without what they retain, bytes with it.
    pub smaller: Amount,
    /// Those that are large enough, but too deep.
    pub deeper: Amount,
}

/// The dominator tree of what the chosen roots reach, from the largest down.
pub fn heap_tree(heap: &Heap, choice: &RootChoice, options: TreeOptions) -> HeapTree {
    let tree = dominator_tree(heap, &Retaining::all(&heap.graph), choice);
    let options = TreeOptions { depth: options.depth.min(DEEPEST), group_from: options.group_from.max(2), ..options };
    let roots = choice.roots(&heap.graph).collect();
    Growing { heap, tree, options, roots, found: Vec::new() }.grow()
}

/// Objects of one type that stand below the same node.
struct Members(Vec<ObjectId>);

/// A node whose place in preorder is not known yet.
struct Found {
    node: TreeNode,
    /// Indices of the nodes below, in order.
    below: Vec<usize>,
}

struct Growing<'a> {
    heap: &'a Heap,
    tree: Arc<Dominators>,
    options: TreeOptions,
    roots: FxHashSet<ObjectId>,
    /// Breadth first.
    found: Vec<Found>,
}

impl Growing<'_> {
    fn grow(mut self) -> HeapTree {
        let mut open = VecDeque::new();
        let at_top: Vec<ObjectId> = self.tree.children(Holder::Root).collect();
        let (top, left_out) = self.level(at_top, None, 0, &mut open);
        while let Some((place, members)) = open.pop_front() {
            let level = self.found[place].node.level + 1;
            let children = members.0.iter().flat_map(|&member| self.tree.children(Holder::Object(member))).collect();
            let (below, left_out) = self.level(children, Some(&members), level, &mut open);
            self.found[place].below = below;
            self.found[place].node.left_out = left_out;
        }
        let reachable = Amount { objects: self.tree.reachable_count(), bytes: self.tree.reachable_size() };
        HeapTree { reachable, options: self.options, nodes: in_preorder(self.found, top), left_out }
    }

    /// Makes nodes of what stands below a node. Returns their places, and what was left out.
    fn level(
        &mut self,
        children: Vec<ObjectId>,
        above: Option<&Members>,
        level: usize,
        open: &mut VecDeque<(usize, Members)>,
    ) -> (Vec<usize>, LeftOut) {
        let mut left_out = LeftOut::default();
        let mut shown = Vec::new();
        for members in self.grouped(children) {
            let retained = self.retained(&members);
            let count = members.0.len() as u64;
            if share(retained.bytes, self.tree.reachable_size()) < self.options.threshold {
                left_out.smaller.add(count, retained.bytes);
            } else if level >= self.options.depth {
                left_out.deeper.add(count, retained.bytes);
            } else {
                shown.push((retained, members));
            }
        }
        let graph = &self.heap.graph;
        shown.sort_by(|(a, of_a), (b, of_b)| {
            let key = |members: &Members| (graph.type_name_of(members.0[0]), graph.address(members.0[0]));
            b.bytes.cmp(&a.bytes).then_with(|| key(of_a).cmp(&key(of_b)))
        });
        let names = self.names(above, &shown);
        let mut places = Vec::with_capacity(shown.len());
        for (retained, members) in shown {
            places.push(self.found.len());
            let node = self.node(&members, retained, level, common_name(&members, &names));
            open.push_back((self.found.len(), members));
            self.found.push(Found { node, below: Vec::new() });
        }
        (places, left_out)
    }

    fn node(&self, members: &Members, retained: Amount, level: usize, reference: Option<ReferenceName>) -> TreeNode {
        let graph = &self.heap.graph;
        let shallow = members.0.iter().fold(0u64, |sum, &member| sum.saturating_add(graph.shallow_size(member)));
        TreeNode {
            level,
            type_id: graph.type_of(members.0[0]),
            object: members.0[0],
            count: members.0.len() as u64,
            retained,
            shallow,
            reference,
            left_out: LeftOut::default(),
        }
    }

    /// Siblings, each for itself or with those of its type; none of the groups is empty.
    fn grouped(&self, children: Vec<ObjectId>) -> Vec<Members> {
        let (alone, mut others): (Vec<ObjectId>, Vec<ObjectId>) =
            children.into_iter().partition(|child| self.roots.contains(child));
        let mut groups: Vec<Members> = alone.into_iter().map(|root| Members(vec![root])).collect();
        let graph = &self.heap.graph;
        others.sort_by_cached_key(|&child| (graph.type_of(child), graph.address(child)));
        let of_one_type = |a: &ObjectId, b: &ObjectId| self.heap.graph.type_of(*a) == self.heap.graph.type_of(*b);
        others.chunk_by(of_one_type).for_each(|siblings| self.group(siblings, &mut groups));
        groups
    }

    fn group(&self, siblings: &[ObjectId], groups: &mut Vec<Members>) {
        let mut rest = siblings.to_vec();
        if rest.len() >= self.options.group_from {
            let giant = self.giant(&rest);
            rest.retain(|&sibling| Some(sibling) != giant);
            groups.extend(giant.map(|giant| Members(vec![giant])));
        }
        if rest.len() >= self.options.group_from {
            groups.push(Members(rest));
        } else {
            groups.extend(rest.into_iter().map(|sibling| Members(vec![sibling])));
        }
    }

    /// The sibling that retains more than all others together.
    fn giant(&self, siblings: &[ObjectId]) -> Option<ObjectId> {
        let all = siblings.iter().map(|&sibling| u128::from(self.tree.retained_size(sibling))).sum::<u128>();
        let is_giant = |sibling: &ObjectId| u128::from(self.tree.retained_size(*sibling)) * 2 > all;
        siblings.iter().copied().find(is_giant)
    }

    fn retained(&self, members: &Members) -> Amount {
        let mut retained = Amount::default();
        for &member in &members.0 {
            retained.add(self.tree.retained_count(member), self.tree.retained_size(member));
        }
        retained
    }

    /// The name by which each shown object is held by its immediate dominator, where that refers to it. Each holder is
    /// read once, and none when there are too many.
    fn names(&self, above: Option<&Members>, shown: &[(Amount, Members)]) -> FxHashMap<ObjectId, ReferenceName> {
        let mut names = FxHashMap::default();
        let wanted: FxHashSet<ObjectId> =
            shown.iter().filter(|_| above.is_some()).flat_map(|(_, members)| &members.0).copied().collect();
        let mut holders: Vec<ObjectId> = wanted.iter().filter_map(|&object| self.holder(object)).collect();
        holders.sort_unstable();
        holders.dedup();
        if holders.len() > HOLDERS_READ {
            return names;
        }
        for holder in holders {
            self.heap.for_each_reference(holder, |_, target, name| {
                if wanted.contains(&target) && self.holder(target) == Some(holder) {
                    let known = names.entry(target).or_insert_with(|| name.clone());
                    if known.kind == ReferenceKind::Unknown {
                        *known = name.clone();
                    }
                }
            });
        }
        names
    }

    fn holder(&self, object: ObjectId) -> Option<ObjectId> {
        match self.tree.immediate_dominator(object)? {
            Holder::Object(holder) => Some(holder),
            Holder::Root => None,
        }
    }
}

/// The name that all members have; `[…]` when they only differ in what says nothing about the shape of the heap.
fn common_name(members: &Members, names: &FxHashMap<ObjectId, ReferenceName>) -> Option<ReferenceName> {
    let first = names.get(members.0.first()?)?;
    let others = || members.0.iter().map(|member| names.get(member));
    if others().all(|name| name == Some(first)) {
        return Some(first.clone());
    }
    let is_alike = |name: Option<&ReferenceName>| name.is_some_and(|name| name.kind == first.kind);
    let is_alike = first.is_wild(false) && others().all(is_alike);
    is_alike.then(|| ReferenceName::new(first.kind, first.wildcard()))
}

fn in_preorder(found: Vec<Found>, top: Vec<usize>) -> Vec<TreeNode> {
    let mut nodes = Vec::with_capacity(found.len());
    let mut open = top;
    open.reverse();
    while let Some(place) = open.pop() {
        nodes.push(found[place].node.clone());
        open.extend(found[place].below.iter().rev());
    }
    nodes
}

impl HeapTree {
    /// The tree as tiles: what hangs on an object lies below it.
    fn icicle(&self, heap: &Heap) -> Icicle {
        let mut tiles = vec![Tile { label: "reachable".to_owned(), bytes: self.reachable.bytes, ..Tile::default() }];
        // the last tile of each level so far
        let mut above = vec![0usize];
        for node in &self.nodes {
            above.truncate(node.level + 1);
            let type_name = heap.graph.type_name(node.type_id);
            let label = match node.count {
                1 => node.title(heap),
                count => format!("{} × {}", grouped(count), node.title(heap)),
            };
            let held = node.reference.as_ref().map_or_else(String::new, |name| name.expression(false));
            let detail = [held, counted(node.retained.objects, "object"), heap.graph.id_text(node.object)];
            let detail: Vec<String> = detail.into_iter().filter(|line| !line.is_empty()).collect();
            tiles.push(Tile {
                parent: above.last().copied(),
                label,
                detail: detail.join("\n"),
                bytes: node.retained.bytes,
                kind: if type_name.contains('.') { package(type_name).to_owned() } else { String::new() },
            });
            above.push(tiles.len() - 1);
        }
        Icicle {
            name: "heap-tree".to_owned(),
            title: "What hangs on what".to_owned(),
            subtitle: format!("{} in {}", bytes_text(self.reachable.bytes), counted(self.reachable.objects, "object")),
            tiles,
        }
    }

    /// The tree as text and data.
    pub fn report(&self, heap: &Heap) -> Report {
        let mut blocks = vec![
            Block::Headline(vec![
                Span::new(Tone::Number, bytes_text(self.reachable.bytes)),
                Span::plain(format!(" in {} that roots reach", counted(self.reachable.objects, "object"))),
            ]),
            Block::Tree(self.block(heap)),
            Block::Note("a row retains all that is below it; no two siblings retain the same object".to_owned()),
        ];
        if self.options.threshold > 0.0 {
            let percent = format!("{:.3}", self.options.threshold * 100.0);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            blocks.push(Block::Note(format!("smaller rows retain less than {percent}% of all bytes that roots reach")));
        }
        blocks.extend(notes(heap).into_iter().map(Block::Note));
        Report { blocks, icicles: vec![self.icicle(heap)], data: self.data(heap), ..Report::default() }
    }

    fn block(&self, heap: &Heap) -> TreeBlock {
        let mut rows = Vec::new();
        // what was left out of the nodes above, to be told after what is below them
        let mut above: Vec<(usize, LeftOut)> = vec![(0, self.left_out)];
        for node in &self.nodes {
            while let Some((level, left_out)) = above.pop_if(|(level, _)| *level > node.level) {
                rows.extend(self.left_out_rows(level, left_out));
            }
            rows.push(self.row(heap, node));
            above.push((node.level + 1, node.left_out));
        }
        while let Some((level, left_out)) = above.pop() {
            rows.extend(self.left_out_rows(level, left_out));
        }
        TreeBlock { columns: ["retained", "share", "shallow", "holder"].map(ToOwned::to_owned).to_vec(), rows }
    }

    fn row(&self, heap: &Heap, node: &TreeNode) -> TreeRow {
        let mut what = Vec::new();
        if node.count > 1 {
            what.push(Span::new(Tone::Number, format!("{} × ", grouped(node.count))));
        }
        what.push(Span::new(if node.level == 0 { Tone::Root } else { Tone::Type }, node.title(heap)));
        if let Some(name) = &node.reference {
            what.push(Span::new(Tone::Reference, format!("  {}", name.expression(false))));
        }
        let cells = vec![
            Cell::Bytes(node.retained.bytes),
            Cell::Share(share(node.retained.bytes, self.reachable.bytes)),
            Cell::Bytes(node.shallow),
        ];
        TreeRow { level: node.level, cells, what }
    }

    fn left_out_rows(&self, level: usize, left_out: LeftOut) -> impl Iterator<Item = TreeRow> + '_ {
        let parts = [(left_out.deeper, "deeper"), (left_out.smaller, "smaller")];
        parts.into_iter().filter(|(amount, _)| amount.objects > 0).map(move |(amount, word)| TreeRow {
            level,
            cells: vec![
                Cell::Bytes(amount.bytes),
                Cell::Share(share(amount.bytes, self.reachable.bytes)),
                Cell::Text(String::new()),
            ],
            what: vec![Span::new(Tone::Faint, format!("… {} {word}", grouped(amount.objects)))],
        })
    }

    /// Nodes nested as deep as the tree is shown.
    fn data(&self, heap: &Heap) -> Value {
        // nodes of each level whose holder is not complete: filled from the last node to the first
        let mut levels: Vec<Vec<Value>> = vec![Vec::new()];
        for node in self.nodes.iter().rev() {
            levels.resize(levels.len().max(node.level + 2), Vec::new());
            let mut below = std::mem::take(&mut levels[node.level + 1]);
            below.reverse();
            levels[node.level].push(node.data(heap, below));
        }
        let mut top = std::mem::take(&mut levels[0]);
        top.reverse();
        json!({
            "schema": SCHEMA,
            "dump": dump_data(heap),
            "reachable": self.reachable,
            "depth": self.options.depth,
            "threshold": self.options.threshold,
            "group_from": self.options.group_from,
            "left_out": self.left_out.data(),
            "nodes": top,
        })
    }
}

impl TreeNode {
    /// What it is: a type, with the name or value when it is a single object.
    pub fn title(&self, heap: &Heap) -> String {
        if self.count > 1 {
            return short_name(heap.graph.type_name(self.type_id)).into_owned();
        }
        title(heap, self.object, &heap.describe(self.object))
    }

    fn data(&self, heap: &Heap, below: Vec<Value>) -> Value {
        let mut fields = Map::new();
        fields.insert("title".into(), self.title(heap).into());
        fields.insert("type".into(), heap.graph.type_name(self.type_id).into());
        fields.insert("count".into(), self.count.into());
        fields.insert("address".into(), address_data(heap, self.object));
        fields.insert("retained_size".into(), self.retained.bytes.into());
        fields.insert("retained_count".into(), self.retained.objects.into());
        fields.insert("shallow_size".into(), self.shallow.into());
        let reference = self.reference.as_ref().map(|name| Value::Object(reference_data(name)));
        fields.insert("reference".into(), reference.unwrap_or_default());
        fields.insert("left_out".into(), self.left_out.data());
        fields.insert("below".into(), below.into());
        Value::Object(fields)
    }
}

impl LeftOut {
    fn data(&self) -> Value {
        let part = |amount: Amount| json!({"count": amount.objects, "retained_size": amount.bytes});
        json!({"smaller": part(self.smaller), "deeper": part(self.deeper)})
    }
}
