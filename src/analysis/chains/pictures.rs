//! The pictures of an answer: one for each signature, and one of all signatures together.

use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use rustc_hash::FxHashMap;

use super::reading::{ReadStep, read, short_name};
use super::{Chains, Detail, Retained, Signature, TypeAnswer};
use crate::counts::{bytes_text, counted, grouped, more_of};
use crate::graph::{Heap, ObjectId, TypeId};
use crate::report::{Arrow, Picture, Role, Shape};

/// Objects drawn of one chain; longer ones lose their middle.
const LONGEST_CHAIN: usize = 120;
/// Objects drawn of all signatures together.
const LARGEST_MERGED: usize = 60;

/// Pictures of the first signatures of each type, and of them all when there are several.
pub fn pictures(heap: &Heap, chains: &Chains, detail: Detail) -> Vec<Picture> {
    let ways = |answer: &'_ TypeAnswer| answer.signatures.len().min(detail.limit);
    let numbered: Vec<(&TypeAnswer, usize)> = chains
        .types
        .iter()
        .flat_map(|answer| (0..ways(answer)).map(move |place| (answer, place)))
        .take(detail.pictures)
        .collect();
    let mut pictures: Vec<Picture> =
        numbered.iter().map(|&(answer, place)| of_signature(heap, answer, place, detail.raw)).collect();
    let shown: Vec<(&TypeAnswer, &Signature)> =
        numbered.iter().map(|&(answer, place)| (answer, &answer.signatures[place])).collect();
    if shown.len() > 1 {
        pictures.push(merged(heap, chains, &shown, detail.raw));
    }
    pictures
}

/// The picture of the way that the answer numbers `place + 1`.
fn of_signature(heap: &Heap, answer: &TypeAnswer, place: usize, raw: bool) -> Picture {
    let signature = &answer.signatures[place];
    let mut drawing = Drawing::default();
    drawing.chain(heap, answer, signature, raw, LONGEST_CHAIN);
    let type_name = short_name(heap.graph.type_name(answer.type_id));
    Picture {
        name: way_name(heap, answer, signature, Some(place + 1)),
        is_merged: false,
        title: format!("{} × {type_name}", grouped(signature.objects.len() as u64)),
        subtitle: format!(
            "{} from {} · {}",
            counted(signature.length, "reference"),
            super::report::root_title(heap, signature),
            signature.fingerprint
        ),
        graph: drawing.graph,
    }
}

/// `SessionState-1-9f2c01d5ab37`: type, number in the answer where it has one, fingerprint.
pub(super) fn way_name(heap: &Heap, answer: &TypeAnswer, signature: &Signature, number: Option<usize>) -> String {
    let number = number.map_or_else(String::new, |number| format!("-{number}"));
    // what a file's name can take is kept for what tells one from another
    format!("{}{number}-{}", file_stem(bare(heap.graph.type_name(answer.type_id))), signature.fingerprint)
}

/// `dict-0x7fc0a43da7c0`: the picture of one object has nothing but its id to be told by.
pub(crate) fn object_picture_name(heap: &Heap, object: ObjectId) -> String {
    let type_name = heap.graph.type_name_of(object);
    format!("{}-{}", file_stem(bare(type_name)), file_stem(&heap.graph.id_text(object)))
}

fn merged(heap: &Heap, chains: &Chains, shown: &[(&TypeAnswer, &Signature)], raw: bool) -> Picture {
    let mut drawing = Drawing { is_merged: true, ..Drawing::default() };
    let mut drawn = 0;
    for &(answer, signature) in shown {
        if drawing.graph.node_count() > 0 && drawing.size_with(heap, signature, raw) > LARGEST_MERGED {
            continue;
        }
        drawing.chain(heap, answer, signature, raw, LARGEST_MERGED);
        drawn += 1;
    }
    drawing.tell_whole_sets(chains);
    drawing.tell_arrivals();
    let ways: u64 = chains.types.iter().map(|answer| answer.signatures.len() as u64 + answer.further.0).sum();
    if ways > drawn {
        drawing.more(more_of(ways - drawn, "way"));
    }
    let matched: u64 = chains.types.iter().map(|answer| answer.count).sum();
    let objects = drawing.drawn.values().sum::<u64>();
    let first = short_name(heap.graph.type_name(shown[0].0.type_id));
    let number =
        if objects == matched { grouped(matched) } else { format!("{} of {}", grouped(objects), grouped(matched)) };
    let title = match chains.types.as_slice() {
        [_] => format!("{number} × {first}"),
        types => {
            let objects = if matched == 1 { "object" } else { "objects" };
            format!("{number} {objects} of {}", counted(types.len() as u64, "type"))
        }
    };
    let unreached: usize = chains.types.iter().map(|answer| answer.unreached.len()).sum();
    let mut subtitle = format!("held in {}", counted(ways, "way"));
    if ways > drawn {
        subtitle.push_str(&format!(", {} drawn", grouped(drawn)));
    }
    if unreached > 0 {
        subtitle.push_str(&format!(" · {} not reachable from any root", grouped(unreached as u64)));
    }
    let name = format!("{}-all", file_stem(bare(&first)));
    Picture { name, is_merged: true, title, subtitle, graph: drawing.graph }
}

/// A graph that is being drawn; equal objects of several chains become one shape.
#[derive(Default)]
struct Drawing {
    graph: DiGraph<Shape, Arrow>,
    shapes: FxHashMap<Key, NodeIndex>,
    /// Objects of each type that are drawn as targets.
    drawn: FxHashMap<TypeId, u64>,
    /// Whether several signatures are drawn together.
    is_merged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Object(ObjectId),
    Target(TypeId),
}

impl Drawing {
    fn chain(&mut self, heap: &Heap, answer: &TypeAnswer, signature: &Signature, raw: bool, most: usize) {
        *self.drawn.entry(answer.type_id).or_default() += signature.objects.len() as u64;
        let steps = read(heap, signature, raw);
        let (head, tail) = if steps.len() > most { (most / 2, most - most / 2 - 1) } else { (steps.len(), 0) };
        let mut above: Option<(NodeIndex, Arrow)> = None;
        let shown = steps.iter().enumerate().filter(|(at, _)| *at < head || *at + tail >= steps.len());
        for (at, step) in shown {
            if tail > 0 && at + tail == steps.len() {
                above = self.gap(above, steps.len() - head - tail, signature);
            }
            let shape = self.shape(heap, answer, signature, step, at, raw);
            self.connect(above.take(), shape);
            above = self.arrow_of(shape, step, signature);
        }
    }

    /// The shape under a step, and the arrow that leaves it.
    fn arrow_of(&mut self, shape: NodeIndex, step: &ReadStep, signature: &Signature) -> Option<(NodeIndex, Arrow)> {
        let arrow = Arrow {
            label: step.expression.clone()?,
            note: step.through.join(", "),
            count: signature.objects.len() as u64,
        };
        if step.repeated == 0 {
            return Some((shape, arrow));
        }
        let more = self.graph.add_node(more(format!("… {} more {}", grouped(step.repeated), step.title)));
        self.connect(Some((shape, arrow.clone())), more);
        Some((more, arrow))
    }

    fn gap(
        &mut self,
        above: Option<(NodeIndex, Arrow)>,
        count: usize,
        signature: &Signature,
    ) -> Option<(NodeIndex, Arrow)> {
        let gap = self.graph.add_node(more(more_of(count as u64, "object")));
        self.connect(above, gap);
        Some((gap, Arrow { count: signature.objects.len() as u64, ..Arrow::default() }))
    }

    fn shape(
        &mut self,
        heap: &Heap,
        answer: &TypeAnswer,
        signature: &Signature,
        step: &ReadStep,
        at: usize,
        raw: bool,
    ) -> NodeIndex {
        let is_target = step.expression.is_none();
        let object = signature.steps[step.step].object;
        let key = if is_target { Key::Target(answer.type_id) } else { Key::Object(object) };
        if let Some(&known) = self.shapes.get(&key) {
            let shape = &mut self.graph[known];
            if is_target {
                shape.count += signature.objects.len() as u64;
            } else {
                // in how many places of each way it is an example of, one way says; both together are no fewer
                shape.count = shape.count.max(signature.steps[step.step].count);
            }
            return known;
        }
        let role = match () {
            () if is_target => Role::Target,
            () if at == 0 => Role::Root,
            () if raw && signature.steps[step.step].is_namespace => Role::Plumbing,
            () => Role::Holder,
        };
        // of several ways together it is known at the end how many objects are drawn
        let together = signature.retained.filter(|_| !self.is_merged);
        let shape = self.graph.add_node(shape(heap, signature, step, role, together));
        self.shapes.insert(key, shape);
        shape
    }

    /// What the objects of a type retain together stands where all of them are drawn, and nowhere else.
    fn tell_whole_sets(&mut self, chains: &Chains) {
        for answer in &chains.types {
            // what no root reaches retains nothing
            let reached = answer.count - answer.unreached.len() as u64;
            let is_whole = self.drawn.get(&answer.type_id) == Some(&reached);
            let shape = self.shapes.get(&Key::Target(answer.type_id)).copied();
            if let (Some(shape), Some(retained), true) = (shape, &answer.retained, is_whole) {
                let shape = &mut self.graph[shape];
                let line = format!("{} retained", bytes_text(retained.bytes));
                shape.tooltip.push_str(&format!("\n{line}"));
                shape.lines.push(line);
            }
        }
    }

    /// Arrows into what was asked for say how many of it they hold.
    fn tell_arrivals(&mut self) {
        let is_arrival = |&edge: &EdgeIndex| {
            let end = self.graph.edge_endpoints(edge).map(|(_, below)| self.graph[below].role);
            end == Some(Role::Target)
        };
        let arrivals: Vec<EdgeIndex> = self.graph.edge_indices().filter(is_arrival).collect();
        for edge in arrivals {
            let arrow = &mut self.graph[edge];
            let separator = if arrow.note.is_empty() { "" } else { " · " };
            arrow.note = format!("{}{separator}{}", counted(arrow.count, "object"), arrow.note);
        }
    }

    fn connect(&mut self, above: Option<(NodeIndex, Arrow)>, below: NodeIndex) {
        let Some((above, arrow)) = above else { return };
        let same = self.graph.edges_connecting(above, below).find(|edge| edge.weight().label == arrow.label);
        match same.map(|edge| petgraph::visit::EdgeRef::id(&edge)) {
            Some(known) => self.graph[known].count += arrow.count,
            None => {
                self.graph.add_edge(above, below, arrow);
            }
        }
    }

    fn more(&mut self, text: String) {
        self.graph.add_node(more(text));
    }

    /// How many shapes there would be with another chain.
    fn size_with(&self, heap: &Heap, signature: &Signature, raw: bool) -> usize {
        let steps = read(heap, signature, raw);
        let is_new = |step: &&ReadStep| !self.shapes.contains_key(&Key::Object(signature.steps[step.step].object));
        self.graph.node_count() + steps.iter().filter(is_new).count()
    }
}

fn shape(heap: &Heap, signature: &Signature, step: &ReadStep, role: Role, together: Option<Retained>) -> Shape {
    let hop = &signature.steps[step.step];
    let size = bytes_text(heap.graph.shallow_size(hop.object));
    let id = heap.graph.id_text(hop.object);
    let mut lines = vec![if hop.count > 1 { format!("{size}, e.g. {id}") } else { format!("{size} at {id}") }];
    if let Some(length) = hop.description.length {
        lines[0] = format!("{}, {}", counted(length, "item"), lines[0]);
    }
    if role == Role::Target {
        lines.extend(together.map(|retained| format!("{} retained", bytes_text(retained.bytes))));
    } else if let Some(retained) = &hop.retained {
        let which = if hop.count > 1 { " (that one)" } else { "" };
        lines.push(format!("retains {}{which}", bytes_text(retained.bytes)));
    }
    if let Some(site) = &hop.description.site {
        lines.push(format!("allocated at {site}"));
    }
    let value = hop.description.value.as_deref().unwrap_or("");
    Shape {
        role,
        heading: step.title.clone(),
        tooltip: format!("{}\n{}\n{value}", step.title, lines.join("\n")).trim_end().to_owned(),
        lines,
        is_must_pass: hop.is_must_pass && role != Role::Target,
        count: if role == Role::Target { signature.objects.len() as u64 } else { hop.count },
    }
}

fn more(heading: String) -> Shape {
    Shape { role: Role::More, heading, lines: Vec::new(), count: 1, is_must_pass: false, tooltip: String::new() }
}

fn bare(type_name: &str) -> &str {
    type_name.rsplit('.').next().unwrap_or(type_name)
}

/// A name that every file system takes.
fn file_stem(text: &str) -> String {
    let safe = |letter: char| {
        if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' }
    };
    let stem: String = text.chars().map(safe).take(120).collect();
    // letters may take four bytes each, names of files 255 in all
    let stem = stem[..stem.floor_char_boundary(180)].trim_matches('.');
    if stem.is_empty() { "picture".to_owned() } else { stem.to_owned() }
}
