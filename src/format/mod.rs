//! From bytes to a heap: which format is this, and its reader.
//!
//! A format is recognised by content, never by a file's name. Adding one is a file here and a line in [`FORMATS`].

mod array;
mod block;
pub mod estimate;
pub mod foreign;
pub mod indexed;
pub mod json_graph;
mod learned;
mod pairs;
pub mod python;
pub mod record;
mod repair;
pub mod retainers;
pub mod scan;
mod split;

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Damage, Heap};
use crate::progress::Progress;
use crate::source::Source;

/// A format that can be read.
pub struct Format {
    /// What to call it in messages.
    pub name: &'static str,
    /// Whether the bytes are of this format, from their beginning.
    pub sniff: fn(&[u8]) -> bool,
    /// Reads a heap.
    pub read: fn(Arc<Source>, &Progress) -> Result<Heap>,
}

/// All formats, in the order in which they are tried.
pub const FORMATS: [Format; 3] = [
    Format { name: "retainers heap dump (JSON Lines)", sniff: retainers::sniff, read: retainers::read },
    Format {
        name: "Python gc export (Meliae or Midden lines, or records as lines or a JSON array)",
        sniff: |bytes| python::dialect(bytes).is_some(),
        read: |source, progress| {
            let dialect = python::dialect(&source).ok_or_else(|| unknown(&source))?;
            python::read(source, dialect, progress)
        },
    },
    Format {
        name: "JSON graph (JSON Graph Format 1 and 2, NetworkX node-link)",
        sniff: |bytes| json_graph::sniff(bytes).is_some(),
        read: json_graph::read,
    },
];

/// Opens and reads a dump of any known format.
///
/// # Errors
/// The file cannot be read, is of no known format, or says something that cannot be used.
pub fn open(path: &Path, progress: &Progress) -> Result<Heap> {
    read(Source::open(path, progress)?, progress)
}

/// Reads a dump of any known format.
///
/// # Errors
/// As [`open`], but for opening; and the bytes are of a format that is known and not read, or no record of them can be read.
pub fn read(source: Source, progress: &Progress) -> Result<Heap> {
    let source = Arc::new(source);
    if let Some(foreign) = foreign::misleading(&source) {
        return Err(refused(&source, foreign));
    }
    let format = FORMATS.iter().find(|format| (format.sniff)(&source)).ok_or_else(|| unknown(&source))?;
    let mut heap = (format.read)(Arc::clone(&source), progress)?;
    if heap.graph.object_count() == 0 {
        return Err(nothing_read(format.name, &heap.damage));
    }
    heap.about.file = source.name().to_owned();
    heap.about.bytes = source.len() as u64;
    Ok(heap)
}

/// Of a dump of which no record could be read nothing may be said, least of all that all is well.
fn nothing_read(format: &'static str, damage: &Damage) -> Error {
    let broken = damage.first_broken.as_ref();
    let offset = broken.map_or(0, |(offset, _)| *offset);
    let facts = damage.facts();
    let reason = if facts.is_empty() { "it has none".to_owned() } else { facts.join("; ") };
    Error::Malformed { format, offset, reason: format!("no record could be read: {reason}") }
}

fn refused(source: &Source, foreign: &foreign::Foreign) -> Error {
    Error::Foreign { name: source.name().to_owned(), what: foreign.name, advice: foreign.advice }
}

fn unknown(source: &Source) -> Error {
    if let Some(foreign) = foreign::find(source) {
        return refused(source, foreign);
    }
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    Error::UnknownFormat { name: source.name().to_owned(), start: first_bytes(source), known: known.join("; ") }
}

/// The first bytes, printable: as text where they are text, in hexadecimal otherwise.
fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(32)];
    if start.is_empty() {
        return "nothing (it is empty)".to_owned();
    }
    if start.iter().all(|byte| (b' '..=b'~').contains(byte) || byte.is_ascii_whitespace()) {
        return format!("{:?}", String::from_utf8_lossy(start));
    }
    let hex: Vec<String> = start[..start.len().min(16)].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("the bytes {}", hex.join(" "))
}
