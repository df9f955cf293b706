//! The pictures of an answer: one for each signature, and one of all signatures together.

use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

use super::reading::{ReadStep, read};
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
    let shown: Vec<(&TypeAnswer, &Signature)> = chains
        .types
        .iter()
        .flat_map(|answer| answer.signatures.iter().take(detail.limit).map(move |signature| (answer, signature)))
        .take(detail.pictures)
        .collect();
    let mut pictures: Vec<Picture> =
        shown.iter().map(|(answer, signature)| of_signature(heap, answer, signature, detail.raw)).collect();
    if shown.len() > 1 {
        pictures.push(merged(heap, chains, &shown, detail.raw));
    }
    pictures
}

fn of_signature(heap: &Heap, answer: &TypeAnswer, signature: &Signature, raw: bool) -> Picture {
    let mut drawing = Drawing::default();
    drawing.chain(heap, answer, signature, raw, LONGEST_CHAIN);
    let type_name = heap.graph.type_name(answer.type_id);
    let representative = heap.graph.id_text(signature.objects[0]);
    Picture {
        name: file_stem(&format!("{}-{representative}", bare(type_name))),
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

fn merged(heap: &Heap, chains: &Chains, shown: &[(&TypeAnswer, &Signature)], raw: bool) -> Picture {
    let mut drawing = Drawing { is_merged: true, ..Drawing::default() };
    let mut left_out = (0, 0);
    for &(answer, signature) in shown {
        if drawing.graph.node_count() > 0 && drawing.size_with(heap, signature, raw) > LARGEST_MERGED {
            left_out = (left_out.0 + 1, left_out.1 + signature.objects.len() as u64);
            continue;
        }
        drawing.chain(heap, answer, signature, raw, LARGEST_MERGED);
    }
    for answer in &chains.types {
        let hidden = answer.signatures.len() - shown.iter().filter(|(of, _)| of.type_id == answer.type_id).count();
        left_out.0 += hidden as u64 + answer.further.0;
    }
    if left_out.0 > 0 {
        drawing.more(more_of(left_out.0, "way"));
    }
    let matched: u64 = chains.types.iter().map(|answer| answer.count).sum();
    let first = heap.graph.type_name(shown[0].0.type_id);
    let title = match chains.types.as_slice() {
        [_] => format!("{} × {first}", grouped(matched)),
        types => format!("{} of {}", counted(matched, "object"), counted(types.len() as u64, "type")),
    };
    let ways: u64 = chains.types.iter().map(|answer| answer.signatures.len() as u64 + answer.further.0).sum();
    let unreached: usize = chains.types.iter().map(|answer| answer.unreached.len()).sum();
    let mut subtitle = format!("held in {}", counted(ways, "way"));
    if unreached > 0 {
        subtitle.push_str(&format!(" · {} not reachable from any root", grouped(unreached as u64)));
    }
    Picture { name: file_stem(&format!("{}-all", bare(first))), title, subtitle, graph: drawing.graph }
}

/// A graph that is being drawn; equal objects of several chains become one shape.
#[derive(Default)]
struct Drawing {
    graph: DiGraph<Shape, Arrow>,
    shapes: FxHashMap<Key, NodeIndex>,
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
            if is_target {
                self.graph[known].count += signature.objects.len() as u64;
            }
            return known;
        }
        let role = match () {
            () if is_target => Role::Target,
            () if at == 0 => Role::Root,
            () if raw && signature.steps[step.step].is_namespace => Role::Plumbing,
            () => Role::Holder,
        };
        let together = if self.is_merged { answer.retained } else { signature.retained };
        let shape = self.graph.add_node(shape(heap, signature, step, role, together));
        self.shapes.insert(key, shape);
        shape
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
    if let Some(retained) = together.filter(|_| role == Role::Target) {
        lines.push(format!("{} retained", bytes_text(retained.bytes)));
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
    let stem = stem.trim_matches('.');
    if stem.is_empty() { "picture".to_owned() } else { stem.to_owned() }
}
