//! One row an object, for pandas and its kind.
//!
//! Columns: `address`, `type`, `shallow_size`, `distance` from the nearest module root (empty where no module leads to
//! the object). Later columns are added at the end.

use std::io::{self, Write};

use super::distances::{Distances, RootChoice};
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
    let distances = Distances::search(&Retaining::all(&heap.graph), choice);
    if rows == Rows::Csv {
        writeln!(out, "address,type,shallow_size,distance")?;
    }
    for object in heap.graph.objects() {
        let distance = distances.distance(object).filter(|_| distances.pass(object) == Some(0));
        match rows {
            Rows::Csv => csv_row(heap, object, distance, out)?,
            Rows::JsonLines => json_row(heap, object, distance, out)?,
        }
    }
    Ok(())
}

fn csv_row(heap: &Heap, object: ObjectId, distance: Option<u32>, out: &mut dyn Write) -> io::Result<()> {
    let graph = &heap.graph;
    match graph.named_id(object) {
        Some(text) => write!(out, "{}", csv_text(text))?,
        None => write!(out, "{}", graph.address(object))?,
    }
    write!(out, ",{},{},", csv_text(graph.type_name_of(object)), graph.shallow_size(object))?;
    match distance {
        Some(distance) => writeln!(out, "{distance}"),
        None => writeln!(out),
    }
}

/// Quoted where commas, quotes or line ends ask for it.
fn csv_text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

fn json_row(heap: &Heap, object: ObjectId, distance: Option<u32>, out: &mut dyn Write) -> io::Result<()> {
    let graph = &heap.graph;
    let address: serde_json::Value = graph.named_id(object).map_or_else(|| graph.address(object).into(), Into::into);
    let row = serde_json::json!({
        "address": address,
        "type": graph.type_name_of(object),
        "shallow_size": graph.shallow_size(object),
        "distance": distance,
    });
    writeln!(out, "{row}")
}
