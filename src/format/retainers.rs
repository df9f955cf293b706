//! Our own heap dumps, version 1: JSON Lines, described in `docs/heap-dump-format.md`.
//!
//! A header line, then object lines (a superset of Meliae's), root lines and lines for what the capture could not see, in
//! any order, and an end line with counts, so that a dump which was cut off is known as such.

use std::sync::Arc;

use super::python::{Asides, RecordText, first_keys, is_whole_line, load};
use super::record::{Order, text};
use super::scan::{Number, Scanner, first_document};
use crate::error::{Error, Result};
use crate::graph::{About, Damage, Heap, Records};
use crate::progress::Progress;
use crate::source::Source;

/// The name of the format.
pub const NAME: &str = "retainers heap dump";
/// The version that this reader knows.
pub const VERSION: u64 = 1;

/// Whether the first record is our header.
pub fn sniff(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(1 << 16)];
    let first = first_keys(start, first_document(start));
    first.is_some_and(|keys| keys.first().is_some_and(|key| key == "retainers"))
}

/// Reads a dump.
///
/// # Errors
/// The header names a version that is not known, or there are more objects than ids.
pub fn read(source: Arc<Source>, progress: &Progress) -> Result<Heap> {
    let mut about = header(&source)?;
    // a line each, unless something wrote them anew
    let is_lines = is_whole_line(&source, first_document(&source));
    let mut loaded = load(&source, is_lines, progress);
    about.has_reference_names = loaded.has_names;
    about.has_marked_roots = loaded.builder.has_roots();
    about.unseen = std::mem::take(&mut loaded.asides.unseen);
    check_end(&loaded.asides, loaded.counts, &mut loaded.damage);
    let records = RecordText { source, order: Order::Unknown };
    let module_name = |place| records.describe(place, "module").name;
    let graph = loaded.builder.finish(&mut loaded.damage, &module_name, progress)?;
    Ok(Heap::new(graph, Box::new(records), about, loaded.damage))
}

/// What the header of a dump says, from the first bytes of it; `None` where they are not those of such a dump.
pub fn about(bytes: &[u8]) -> Option<About> {
    sniff(bytes).then(|| header(bytes).ok()).flatten()
}

fn header(bytes: &[u8]) -> Result<About> {
    let mut about = About { format: NAME.into(), ..About::default() };
    let mut version = None;
    let mut scanner = Scanner::new(bytes, first_document(bytes));
    let read = scanner.object(|key, scanner| {
        match key {
            b"retainers" => version = Some(scanner.number()?),
            b"runtime" => about.runtime = text(scanner)?,
            b"runtime_version" => about.runtime_version = text(scanner)?,
            b"time" => about.time = text(scanner)?,
            b"pid" => about.pid = natural(scanner)?,
            b"rss" => about.resident = natural(scanner)?,
            b"anonymous" => about.anonymous = natural(scanner)?,
            b"swap" => about.swap = natural(scanner)?,
            b"arenas" => about.arenas = natural(scanner)?,
            b"arenas_used" => about.arenas_used = natural(scanner)?,
            b"command" => about.command = command(scanner)?,
            _ => {
                scanner.skip()?;
            }
        }
        Ok(())
    });
    let malformed = |offset: usize, reason: String| Error::Malformed { format: NAME, offset: offset as u64, reason };
    match (version, read) {
        (Some(Number::Unsigned(VERSION)), _) => Ok(about),
        (Some(Number::Unsigned(other)), _) => {
            Err(malformed(0, format!("this is version {other} of the format; only version {VERSION} is known here")))
        }
        (_, Err(error)) => Err(malformed(error.offset, format!("expected {} in the header", error.expected))),
        _ => Err(malformed(0, "the header's `retainers` is no version number".to_owned())),
    }
}

fn natural(scanner: &mut Scanner<'_>) -> super::scan::Scan<Option<u64>> {
    let start = scanner.position();
    match scanner.number() {
        Ok(Number::Unsigned(value)) => Ok(Some(value)),
        Ok(_) => Ok(None),
        Err(_) => {
            scanner.seek(start);
            scanner.skip().map(|_| None)
        }
    }
}

/// The command line: a list of words, or one string.
fn command(scanner: &mut Scanner<'_>) -> super::scan::Scan<Option<String>> {
    if scanner.peek() != Some(b'[') {
        return text(scanner);
    }
    let mut words = Vec::new();
    scanner.array(|scanner| {
        words.extend(text(scanner)?);
        Ok(())
    })?;
    Ok(Some(words.join(" ")))
}

/// Compares what was read with what the end line promises.
fn check_end(asides: &Asides, (objects, references): (u64, u64), damage: &mut Damage) {
    let Some((place, line)) = &asides.end else {
        damage.cut_off.get_or_insert_with(|| "it has no end line".to_owned());
        return;
    };
    if asides.last_record > *place {
        damage.cut_off.get_or_insert_with(|| "records follow its last end line".to_owned());
        return;
    }
    let mut promised = (None, None);
    let mut scanner = Scanner::new(line, 0);
    let read = scanner.object(|key, scanner| {
        match key {
            b"objects" => promised.0 = natural(scanner)?,
            b"references" => promised.1 = natural(scanner)?,
            _ => {
                scanner.skip()?;
            }
        }
        Ok(())
    });
    if read.is_err() {
        damage.broken(*place as u64, "the end line has no counts");
        return;
    }
    for (what, promised, found) in [("objects", promised.0, objects), ("references", promised.1, references)] {
        if promised.is_some_and(|promised| promised != found) {
            let promised = promised.unwrap_or(0);
            let reason = format!("its end line promises {promised} {what}, but {found} were read");
            damage.cut_off.get_or_insert(reason);
        }
    }
}
