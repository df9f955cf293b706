//! How much memory will a dump take? Asked before it is loaded.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::record::Record;
use super::scan::Scanner;
use crate::graph::ObjectTable;

/// Places at which a dump is looked at, and bytes that are looked at there.
const SAMPLES: usize = 64;
const SAMPLE: usize = 32 << 10;

/// What a dump holds, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Objects.
    pub objects: u64,
    /// References.
    pub references: u64,
    /// Bytes of memory, beyond what they are kept in, while the dump is read.
    pub reading: u64,
}

impl Estimate {
    /// Bytes of memory at most, from loading to the answer; retained sizes of all objects need more.
    pub fn bytes(&self, retained: bool) -> u64 {
        let of = |object: u64, reference: u64| {
            self.objects.saturating_mul(object).saturating_add(self.references.saturating_mul(reference))
        };
        // measured on heaps of one to a hundred million objects, and rounded up
        let kept = if retained { of(52, 9) } else { of(34, 9) };
        // with many references to an object, most is taken while they are put by target
        kept.max(of(24, 11)).saturating_add(self.reading)
    }
}

/// Looks at a dump here and there.
pub fn estimate(bytes: &[u8]) -> Estimate {
    let step = bytes.len() / SAMPLES;
    let samples: Vec<Range<usize>> = if step <= SAMPLE {
        std::iter::once(0..bytes.len()).collect()
    } else {
        (0..SAMPLES).map(|sample| sample * step..sample * step + SAMPLE).collect()
    };
    let (mut seen, mut objects, mut references) = (0, 0, 0);
    let mut is_lines = false;
    for sample in samples {
        let (found, lines) = counted(bytes, sample.clone());
        is_lines |= lines;
        seen += sample.len();
        objects += found.0;
        references += found.1;
    }
    let in_all = |count: u64| {
        let all = u128::from(count) * bytes.len() as u128 / (seen as u128).max(1);
        u64::try_from(all).unwrap_or(u64::MAX)
    };
    let (objects, references) = (in_all(objects), in_all(references));
    // nodes and edges of a document are kept beside the graph until they are linked
    let beside = objects.saturating_mul(28).saturating_add(references.saturating_mul(24));
    Estimate { objects, references, reading: if is_lines { 0 } else { beside } }
}

/// Objects and references in a part of a dump, and whether it has records on lines of their own.
fn counted(bytes: &[u8], sample: Range<usize>) -> ((u64, u64), bool) {
    let mut table = ObjectTable::default();
    let mut record = Record::default();
    let mut references = 0;
    let mut at = sample.start;
    while let Some(length) = memchr(b'\n', &bytes[at..sample.end]) {
        let line = at..at + length;
        at = line.end + 1;
        if record.read(&mut Scanner::new(&bytes[..line.end], line.start), &mut table).is_ok() {
            references += record.reference_count() as u64;
        }
    }
    if !table.is_empty() {
        return ((table.len() as u64, references), true);
    }
    // one document: an edge has a target, and what else has a brace is a node or belongs to one
    let text = &bytes[sample];
    let braces = memchr_iter(b'{', text).count() as u64;
    let edges = memchr::memmem::find_iter(text, b"\"target\"").count() as u64;
    let commas = memchr_iter(b',', text).count() as u64;
    let references = if edges > 0 { edges } else { commas.saturating_sub(braces.saturating_mul(4)) };
    ((braces.saturating_sub(edges), references), false)
}
