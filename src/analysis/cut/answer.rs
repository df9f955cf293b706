//! The smallest cut as an answer for people: expressions, what each reference frees, and the proof.

use serde_json::{Value, json};

use super::{Cut, Freed, frees, minimum_cut, uncuttable_by_rule};
use crate::analysis::chains::{dump_data, object_title, reference_expressions};
use crate::analysis::distances::RootChoice;
use crate::analysis::exclude::{ReferencePattern, matching_references};
use crate::analysis::retaining::Retaining;
use crate::analysis::select::Selection;
use crate::counts::{bytes_text, counted, grouped, more_of};
use crate::graph::{Heap, ObjectId};
use crate::report::{Block, Report, Span, Tone};

/// What to cut.
#[derive(Debug, Clone)]
pub struct CutAnswer {
    /// How many objects were asked for.
    pub matched: u64,
    /// The smallest cut, or why there is none.
    pub cut: Cut,
    /// Each reference of the cut, in the order of the dump.
    pub references: Vec<CutReference>,
    /// What becomes unreachable without all of them.
    pub together: Freed,
}

/// A reference of a cut.
#[derive(Debug, Clone)]
pub struct CutReference {
    /// Its position in [`HeapGraph::forward`](crate::graph::HeapGraph::forward).
    pub position: usize,
    /// The reference as a Python expression, from a root on.
    pub expression: String,
    /// Who holds.
    pub holder: ObjectId,
    /// Who is held.
    pub target: ObjectId,
    /// What becomes unreachable without it alone.
    pub alone: Freed,
}

/// References for which it is computed what each frees alone: a search each.
const WEIGHED_ALONE: usize = 50;

/// Finds the smallest set of at most `most` references whose loss makes all selected objects collectable.
pub fn cut_answer(
    heap: &Heap,
    selection: &Selection,
    choice: &RootChoice,
    exclude: &[ReferencePattern],
    most: usize,
) -> CutAnswer {
    let retaining = Retaining::without(&heap.graph, &matching_references(heap, exclude));
    let targets: Vec<ObjectId> = selection.groups.iter().flat_map(|group| &group.objects).copied().collect();
    let roots = || choice.roots(&heap.graph);
    let cut = minimum_cut(&retaining, roots(), &targets, &uncuttable_by_rule(heap), most);
    let positions: &[usize] = if let Cut::Found(positions) = &cut { positions } else { &[] };
    let expressions = reference_expressions(heap, &retaining, choice, positions);
    let references = positions.iter().zip(expressions).enumerate().map(|(place, (&position, (holder, expression)))| {
        let alone = if positions.len() > 1 && place < WEIGHED_ALONE {
            frees(&retaining, roots(), &[position], &targets)
        } else {
            Freed::default()
        };
        CutReference { position, expression, holder, target: heap.graph.forward().target(position), alone }
    });
    let mut references: Vec<CutReference> = references.collect();
    let together = frees(&retaining, roots(), positions, &targets);
    if let [only] = references.as_mut_slice() {
        only.alone = together;
    }
    CutAnswer { matched: targets.len() as u64, references, together, cut }
}

/// References that are listed.
const LISTED: usize = 50;

impl CutAnswer {
    /// The answer as text and data.
    pub fn report(&self, heap: &Heap) -> Report {
        Report { blocks: self.blocks(heap), data: self.data(heap), ..Report::default() }
    }

    fn blocks(&self, heap: &Heap) -> Vec<Block> {
        let objects = counted(self.matched, "object");
        match &self.cut {
            Cut::AlreadyUnreachable => {
                vec![headline(format!("no root reaches any of the {objects}: there is nothing to cut"))]
            }
            Cut::TooMany { at_least } => vec![
                headline(format!("more than the references allowed must go: at least {}", grouped(*at_least as u64))),
                Block::Note("--max allows more".to_owned()),
            ],
            Cut::Impossible(chain) => self.impossible(heap, chain),
            Cut::Found(_) => self.found(&objects),
        }
    }

    fn found(&self, objects: &str) -> Vec<Block> {
        let references = counted(self.references.len() as u64, "reference");
        let is_one = self.references.len() == 1;
        let (makes, frees) = if is_one { ("makes", "frees") } else { ("make", "free") };
        let mut blocks = vec![headline(format!(
            "{references}, cut, {makes} all {objects} collectable and {frees} {} in {}",
            bytes_text(self.together.bytes),
            counted(self.together.objects, "object")
        ))];
        for reference in self.references.iter().take(LISTED) {
            blocks.push(Block::Line(vec![
                Span::plain("  "),
                Span::new(Tone::Reference, reference.expression.clone()),
                Span::new(Tone::Faint, format!("  {}", alone_text(&reference.alone))),
            ]));
        }
        if self.references.len() > LISTED {
            blocks.push(Block::Note(more_of((self.references.len() - LISTED) as u64, "reference")));
        }
        blocks.push(Block::Note(format!(
            "proof: without {}, the roots reach none of the {} that they reach now",
            if is_one { "it" } else { "them" },
            grouped(self.together.targets_freed)
        )));
        blocks
    }

    fn impossible(&self, heap: &Heap, chain: &[ObjectId]) -> Vec<Block> {
        let titles: Vec<String> = chain.iter().map(|&object| object_title(heap, object)).collect();
        let text = match titles.as_slice() {
            [only] => format!("{only} is a root itself: no reference can be cut to free it"),
            _ => "no cut: a chain has only references that nobody can cut".to_owned(),
        };
        vec![headline(text), Block::Line(vec![Span::plain(format!("  {}", titles.join(" → ")))])]
    }

    fn data(&self, heap: &Heap) -> Value {
        let (outcome, at_least) = match &self.cut {
            Cut::AlreadyUnreachable => ("already_unreachable", None),
            Cut::TooMany { at_least } => ("too_many", Some(*at_least)),
            Cut::Impossible(_) => ("impossible", None),
            Cut::Found(_) => ("found", None),
        };
        let references = self.references.iter().map(|reference| {
            json!({
                "expression": reference.expression,
                "holder": heap.graph.address(reference.holder),
                "target": heap.graph.address(reference.target),
                "frees_alone": freed_data(&reference.alone),
            })
        });
        json!({
            "schema": 1,
            "dump": dump_data(heap),
            "matched": self.matched,
            "outcome": outcome,
            "at_least": at_least,
            "references": references.collect::<Vec<_>>(),
            "frees_together": freed_data(&self.together),
        })
    }
}

fn headline(text: String) -> Block {
    Block::Headline(vec![Span::plain(text)])
}

fn alone_text(alone: &Freed) -> String {
    match alone.objects {
        0 => "alone it frees nothing".to_owned(),
        objects => format!(
            "alone it frees {} in {}, {} of those asked for",
            bytes_text(alone.bytes),
            counted(objects, "object"),
            grouped(alone.targets_freed)
        ),
    }
}

fn freed_data(freed: &Freed) -> Value {
    json!({"objects": freed.objects, "bytes": freed.bytes, "matched": freed.targets_freed})
}
