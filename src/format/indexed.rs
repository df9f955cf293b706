//! A heap from its index, and an index of a heap.
//!
//! The dump itself is opened when text is asked for; without it, everything but text is there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::json_graph::{GraphLayout, GraphText, StoredGraph};
use super::python::{RecordText, StoredText};
use crate::graph::index::{Identity, Index, IndexWriter, Unusable, attempt};
use crate::graph::results::Results;
use crate::graph::{About, Damage, Description, Heap, HeapGraph, Records, ReferenceSlot};
use crate::progress::Progress;
use crate::source::Source;

/// The section of what is known beside the graph.
const ABOUT: &str = "about";

#[derive(Serialize)]
struct Known<'a> {
    about: &'a About,
    damage: &'a Damage,
    text: serde_json::Value,
}

#[derive(Deserialize)]
struct Restored {
    about: About,
    damage: Damage,
    text: Restorable,
}

/// What goes with text, by the kind of dump.
#[derive(Deserialize)]
#[serde(untagged)]
enum Restorable {
    Records(StoredText),
    Graph(StoredGraph),
}

/// Reads a heap from its index; what is asked of it is to be [attempted](attempt). `dump` is where the dump is, unless it is gone; `name` is what to call it.
///
/// # Errors
/// [`Unusable::Damaged`] when a part of the index is missing or makes no sense.
pub fn restore(index: Index, dump: Option<&Path>, name: &str) -> Result<Heap, Unusable> {
    let graph = attempt(|| HeapGraph::restore(&index)).unwrap_or(Err(Unusable::Damaged))?;
    let known: Restored = index.json(ABOUT)?;
    let records: Box<dyn Records> = match dump {
        Some(dump) => {
            let text = Text::restore(&index, known.text)?;
            Box::new(LaterText { dump: dump.to_owned(), text, opened: OnceLock::new() })
        }
        None => Box::new(NoText),
    };
    let about = About { file: name.to_owned(), ..known.about };
    Ok(Heap { graph, records, about, damage: known.damage, results: Results::of_index(index) })
}

/// Whether an index can be written of the heap: not where text that is in no file goes with it.
pub fn can_be_stored(heap: &Heap) -> bool {
    heap.records.stored().is_some()
}

/// Writes the index of a heap that was read from the dump `dump` to `path`. `results` appends what else is known. Returns
/// the size of the index in bytes.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::Unsupported`] where no index can be written; nothing is left then.
pub fn write(
    heap: &Heap,
    dump: Identity,
    path: &Path,
    results: impl FnOnce(&mut IndexWriter) -> io::Result<()>,
) -> io::Result<u64> {
    let text = heap.records.stored().ok_or(io::ErrorKind::Unsupported)?;
    let mut writer = IndexWriter::create(path)?;
    heap.graph.store(&mut writer)?;
    let about = About { file: String::new(), ..heap.about.clone() };
    heap.records.store(&mut writer)?;
    writer.json(ABOUT, &Known { about: &about, damage: &heap.damage, text })?;
    results(&mut writer)?;
    writer.finish(dump, heap.graph.object_count(), heap.graph.reference_count())
}

/// What it takes to read the text of a dump again.
enum Text {
    Records(StoredText),
    Graph(Arc<GraphLayout>),
}

impl Text {
    fn restore(index: &Index, text: Restorable) -> Result<Self, Unusable> {
        Ok(match text {
            Restorable::Records(text) => Self::Records(text),
            Restorable::Graph(graph) => Self::Graph(Arc::new(GraphLayout::restore(index, graph)?)),
        })
    }

    fn of(&self, source: Arc<Source>) -> Box<dyn Records> {
        match self {
            Self::Records(StoredText::Records { order }) => Box::new(RecordText { source, order: *order }),
            Self::Graph(layout) => Box::new(GraphText { source, layout: Arc::clone(layout) }),
        }
    }
}

/// Text of a dump that is opened when it is first asked for.
struct LaterText {
    dump: PathBuf,
    text: Text,
    /// `None` when the dump cannot be opened any more.
    opened: OnceLock<Option<Box<dyn Records>>>,
}

impl LaterText {
    fn records(&self) -> Option<&dyn Records> {
        let open = || Source::open(&self.dump, &Progress::default()).ok().map(|source| self.text.of(Arc::new(source)));
        self.opened.get_or_init(open).as_deref()
    }
}

impl Records for LaterText {
    fn describe(&self, place: u64, type_name: &str) -> Description {
        self.records().map(|records| records.describe(place, type_name)).unwrap_or_default()
    }

    fn references(&self, place: u64, type_name: &str, visit: &mut dyn FnMut(ReferenceSlot)) {
        if let Some(records) = self.records() {
            records.references(place, type_name, visit);
        }
    }

    fn stored(&self) -> Option<serde_json::Value> {
        match &self.text {
            Text::Records(text) => serde_json::to_value(text).ok(),
            Text::Graph(layout) => serde_json::to_value(layout.stored()).ok(),
        }
    }

    fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        match &self.text {
            Text::Records(_) => Ok(()),
            Text::Graph(layout) => layout.store(writer),
        }
    }
}

/// The text of a dump that is gone.
struct NoText;

impl Records for NoText {
    fn describe(&self, _: u64, _: &str) -> Description {
        Description::default()
    }

    fn references(&self, _: u64, _: &str, _: &mut dyn FnMut(ReferenceSlot)) {}

    fn has_text(&self) -> bool {
        false
    }
}
