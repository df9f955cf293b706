//! What is in this dump? Counts, reach, and the types with the most objects and bytes, for whoever has no name yet.

use serde_json::json;

use super::allocator::ProcessMemory;
use super::chains::report::notes;
use super::distances::RootChoice;
use super::kept::distances;
use super::retaining::Retaining;
use crate::counts::{bytes_text, counted, more_of};
use crate::graph::{Heap, TypeId};
use crate::report::{Block, Cell, Report, Span, Table, Tone};

/// A type with its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeCount {
    /// The type.
    pub type_id: TypeId,
    /// How many objects it has.
    pub count: u64,
    /// Their shallow sizes together, bytes.
    pub shallow_size: u64,
}

/// The contents of a dump.
#[derive(Debug, Clone)]
pub struct Overview {
    /// By shallow size, largest first; then by name.
    pub types: Vec<TypeCount>,
    /// Objects that a module leads to, that only another root leads to, and that no root leads to.
    pub reached: (u64, u64, u64),
    /// The memory of the process, where the dump says something of it.
    pub process: Option<ProcessMemory>,
}

/// Counts objects by type and by reach. O(n + m).
pub fn overview(heap: &Heap) -> Overview {
    let graph = &heap.graph;
    let mut types: Vec<TypeCount> =
        graph.types().map(|(type_id, _)| TypeCount { type_id, count: 0, shallow_size: 0 }).collect();
    for object in graph.objects() {
        let counted = &mut types[graph.type_of(object).index()];
        counted.count += 1;
        counted.shallow_size = counted.shallow_size.saturating_add(graph.shallow_size(object));
    }
    types.retain(|counted| counted.count > 0);
    types.sort_by(|a, b| {
        let name = |counted: &TypeCount| graph.type_name(counted.type_id);
        b.shallow_size.cmp(&a.shallow_size).then_with(|| name(a).cmp(name(b)))
    });
    let distances = distances(heap, &Retaining::all(graph), &RootChoice::default());
    let by_module = distances.reached().first().copied().unwrap_or(0);
    let by_others = distances.reached().iter().skip(1).sum();
    let unreached = graph.object_count() as u64 - by_module - by_others;
    Overview { types, reached: (by_module, by_others, unreached), process: ProcessMemory::new(heap) }
}

impl Overview {
    /// The overview as text and data, with the first `limit` types.
    pub fn report(&self, heap: &Heap, limit: usize) -> Report {
        let total = self.types.iter().fold(0u64, |sum, counted| sum.saturating_add(counted.shallow_size));
        let graph = &heap.graph;
        let facts = [
            counted(graph.object_count() as u64, "object"),
            counted(graph.reference_count() as u64, "reference"),
            bytes_text(total),
            counted(graph.roots().len() as u64, "root"),
        ];
        let mut blocks = vec![Block::Headline(vec![Span::plain(facts.join(" · "))])];
        let (modules, others, unreached) = self.reached;
        blocks.push(Block::Line(vec![Span::new(
            Tone::Faint,
            format!(
                "a module leads to {}; only another root to {}; no root to {}",
                counted(modules, "object"),
                crate::counts::grouped(others),
                crate::counts::grouped(unreached)
            ),
        )]));
        blocks.extend(self.process_lines());
        blocks.push(Block::Table(self.table(heap, limit)));
        if self.types.len() > limit {
            blocks.push(Block::Note(more_of((self.types.len() - limit) as u64, "type")));
        }
        blocks.push(Block::Note(
            "--type NAME shows who keeps a type's objects alive; `retainers suspects` shows where things pile up"
                .to_owned(),
        ));
        blocks.extend(notes(heap).into_iter().map(Block::Note));
        Report { blocks, data: self.data(heap), ..Report::default() }
    }

    /// What the process had beside its objects, and what that means.
    fn process_lines(&self) -> Vec<Block> {
        let Some(process) = &self.process else { return Vec::new() };
        let mut text =
            format!("process: {}, of which live objects {}", bytes_text(process.process), bytes_text(process.live));
        if let Some((all, used)) = process.arenas {
            text.push_str(&format!("; the interpreter's arenas: {}, in use {}", bytes_text(all), bytes_text(used)));
        }
        let mut blocks = vec![Block::Line(vec![Span::new(Tone::Faint, text)])];
        blocks.extend(process.verdict().map(|verdict| Block::Headline(vec![Span::plain(verdict)])));
        blocks
    }

    fn table(&self, heap: &Heap, limit: usize) -> Table {
        let row = |counted: &TypeCount| {
            let name = heap.graph.type_name(counted.type_id).to_owned();
            vec![Cell::Text(name), Cell::Count(counted.count), Cell::Bytes(counted.shallow_size)]
        };
        Table {
            columns: ["type", "objects", "shallow size"].map(ToOwned::to_owned).to_vec(),
            rows: self.types.iter().take(limit).map(row).collect(),
        }
    }

    fn data(&self, heap: &Heap) -> serde_json::Value {
        let types = self.types.iter().map(|counted| {
            json!({
                "type": heap.graph.type_name(counted.type_id),
                "count": counted.count,
                "shallow_size": counted.shallow_size,
            })
        });
        let (modules, others, unreached) = self.reached;
        json!({
            "schema": super::chains::SCHEMA,
            "dump": super::chains::dump_data(heap),
            "memory": self.process.map(|process| process.data()),
            "reached": {"modules": modules, "other_roots": others, "no_root": unreached},
            "types": types.collect::<Vec<_>>(),
        })
    }
}
