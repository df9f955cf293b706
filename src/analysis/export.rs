//! One row an object, for pandas and its kind.
//!
//! Columns: `address`, `type`, `shallow_size`, `distance` from the nearest module root (empty where no module leads to
//! the object), `idom`, the address of the immediate dominator (0 for the virtual root above all roots, empty where no root
//! leads to the object), and `retained`, bytes (empty where no root leads to the object). In a graph whose ids are its own,
//! and one of them is 0, `idom` is empty for the virtual root too: no row says 0 but of that object. Later columns are added
//! at the end.

use std::io::{self, Write};

use super::distances::RootChoice;
use super::dominators::Holder;
use super::kept::distances_and_dominators;
use super::retaining::Retaining;
use crate::graph::{Heap, ObjectId};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Comma-separated values with a header line (RFC 4180, lines ending in a newline).
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// Writes a row for each object, in dump order.
///
/// # Errors
/// What the writer reports.
pub fn export(heap: &Heap, choice: &RootChoice, rows: Rows, out: &mut dyn Write) -> io::Result<()> {
    let retaining = Retaining::all(&heap.graph);
    let (distances, dominators) = distances_and_dominators(heap, &retaining, choice);
    if rows == Rows::Csv {
        writeln!(out, "address,type,shallow_size,distance,idom,retained")?;
    }
    let above_roots = heap.graph.object_at(VIRTUAL_ROOT).is_none().then_some(VIRTUAL_ROOT);
    for object in heap.graph.objects() {
        let row = Row {
            object,
            above_roots,
            distance: distances.distance(object).filter(|_| distances.pass(object) == Some(0)),
            dominator: dominators.immediate_dominator(object),
            retained: dominators.is_reachable(object).then(|| dominators.retained_size(object)),
        };
        match rows {
            Rows::Csv => csv_row(heap, &row, out)?,
            Rows::JsonLines => json_row(heap, &row, out)?,
        }
    }
    Ok(())
}

/// The address of the virtual root above all roots: that of no object in the heap of a process.
const VIRTUAL_ROOT: u64 = 0;

/// What is written of an object beside its address, type and size.
struct Row {
    object: ObjectId,
    /// What to write for the virtual root, if anything.
    above_roots: Option<u64>,
    distance: Option<u32>,
    dominator: Option<Holder>,
    retained: Option<u64>,
}

fn csv_row(heap: &Heap, row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let graph = &heap.graph;
    let address = |object: ObjectId| match graph.named_id(object) {
        Some(text) => csv_text(text).into_owned(),
        None => graph.address(object).to_string(),
    };
    let dominator = match row.dominator {
        Some(Holder::Object(dominator)) => address(dominator),
        Some(Holder::Root) => row.above_roots.map(|root| root.to_string()).unwrap_or_default(),
        None => String::new(),
    };
    let distance = row.distance.map(|distance| distance.to_string()).unwrap_or_default();
    let retained = row.retained.map(|retained| retained.to_string()).unwrap_or_default();
    writeln!(
        out,
        "{},{},{},{distance},{dominator},{retained}",
        address(row.object),
        csv_text(graph.type_name_of(row.object)),
        graph.shallow_size(row.object)
    )
}

/// Quoted where commas, quotes or line ends ask for it.
fn csv_text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

fn json_row(heap: &Heap, row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let graph = &heap.graph;
    let address = |object: ObjectId| -> serde_json::Value {
        graph.named_id(object).map_or_else(|| graph.address(object).into(), Into::into)
    };
    let dominator = row.dominator.and_then(|dominator| match dominator {
        Holder::Object(dominator) => Some(address(dominator)),
        Holder::Root => row.above_roots.map(Into::into),
    });
    let row = serde_json::json!({
        "address": address(row.object),
        "type": graph.type_name_of(row.object),
        "shallow_size": graph.shallow_size(row.object),
        "distance": row.distance,
        "idom": dominator,
        "retained": row.retained,
    });
    writeln!(out, "{row}")
}
