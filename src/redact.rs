//! What must go from a dump before it can be shown to others?
//!
//! Values: texts and numbers of objects. Keys of dictionaries, which may be e-mail addresses or tokens, in the names of
//! references. The command line. And every key of a record that no reader of ours uses, because nobody knows what it says.
//! What stays is what makes the chains: addresses, types, sizes, references, roots, and names that stand in the program's
//! code: of modules, functions, attributes and local variables.
//!
//! The dump is read twice: once to check that every line is a record, and to find the dictionaries whose keys are names of
//! variables or attributes; once to write. Memory: 8 bytes for each such dictionary, and about 24 for each different key.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

use memchr::{memchr, memmem};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_128;

use crate::counts::counted;
use crate::error::{Error, Result};
use crate::format::scan::{Malformed, Scan, Scanner, decode};
use crate::format::{python, retainers};
use crate::progress::{Phase, Progress};
use crate::source::Source;

/// What may stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keys of dictionaries stay readable in the names of references.
    pub keep_keys: bool,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Values that were taken out.
    pub values: u64,
    /// Keys in names of references that were replaced.
    pub keys: u64,
    /// How many different keys those were.
    pub different_keys: u64,
    /// Whether a command line was taken out.
    pub has_command: bool,
    /// Keys of records that are not known, and were left out; at most [`MOST_UNKNOWN`] of them.
    pub unknown: BTreeSet<String>,
}

/// Unknown keys that are remembered.
pub const MOST_UNKNOWN: usize = 10;

impl Facts {
    /// What went, in words.
    pub fn words(&self) -> String {
        let mut parts = vec![format!("{} taken out", counted(self.values, "value"))];
        if self.keys > 0 {
            let different = counted(self.different_keys, "different one");
            parts.push(format!("{} replaced ({different})", counted(self.keys, "dictionary key")));
        }
        if self.has_command {
            parts.push("the command line taken out".to_owned());
        }
        if !self.unknown.is_empty() {
            let names: Vec<String> = self.unknown.iter().map(|name| format!("`{name}`")).collect();
            parts.push(format!("unknown keys left out: {}", names.join(", ")));
        }
        parts.join("; ")
    }
}

/// Keys of records that stay as they are.
const PLAIN_KEYS: [&[u8]; 37] = [
    b"retainers",
    b"runtime",
    b"runtime_version",
    b"time",
    b"pid",
    b"rss",
    b"address",
    b"id",
    b"addr",
    b"type",
    b"class",
    b"module",
    b"size",
    b"external",
    b"refs",
    b"referents",
    b"references",
    b"children",
    b"kinds",
    b"weak",
    b"name",
    b"len",
    b"length",
    b"rc",
    b"refcount",
    b"site",
    b"root",
    b"object",
    b"thread",
    b"unseen",
    b"count",
    b"end",
    b"edges",
    b"weak_edges",
    b"value",
    b"repr",
    b"command",
];

/// Types whose value says where or how they are called in the code.
const CODE_TYPES: [&[u8]; 5] = [b"module", b"function", b"type", b"frame", b"code"];

/// References to dictionaries whose keys are names in code.
const NAMESPACES: [&[u8]; 6] = [b"__dict__", b"__globals__", b"f_globals", b"f_locals", b"f_builtins", b"__builtins__"];

/// A dump of records a line, checked.
pub struct Redaction<'a> {
    source: &'a Source,
    options: Options,
    /// Addresses of dictionaries whose keys stay.
    namespaces: FxHashSet<u64>,
    /// The number of each different key, by the hash of its text.
    numbers: FxHashMap<u128, u64>,
    facts: Facts,
}

impl<'a> Redaction<'a> {
    /// Checks that each line of the dump is a record.
    ///
    /// # Errors
    /// The dump is no lines of records, or a line is damaged: what it says cannot be known then, nor whether it may stay.
    pub fn check(source: &'a Source, options: Options, progress: &Progress) -> Result<Self> {
        let is_lines = python::dialect(source).is_some_and(|dialect| dialect.is_lines);
        let mut start = Scanner::new(source, first_line(source));
        if !(retainers::sniff(source) || is_lines) || start.peek() == Some(b'[') {
            return Err(malformed(Malformed { offset: 0, expected: "a dump with a record a line" }));
        }
        if let Some(cut_off) = source.cut_off() {
            let (format, offset, reason) = (retainers::NAME, source.len() as u64, cut_off.to_owned());
            return Err(Error::Malformed { format, offset, reason });
        }
        let (namespaces, numbers) = (FxHashSet::default(), FxHashMap::default());
        let mut checked = Self { source, options, namespaces, numbers, facts: Facts::default() };
        let mut record = Record::default();
        progress.start(Phase::Read, source.len() as u64);
        for line in lines(source) {
            record.read(source, line.clone()).map_err(malformed)?;
            checked.note_namespaces(&record).map_err(malformed)?;
            progress.advance(line.len() as u64 + 1);
        }
        Ok(checked)
    }

    /// Writes the dump without what must go.
    ///
    /// # Errors
    /// The writer fails.
    pub fn write(mut self, out: &mut dyn Write, progress: &Progress) -> io::Result<Facts> {
        progress.start(Phase::Read, self.source.len() as u64);
        let mut record = Record::default();
        let mut text = Vec::new();
        for line in lines(self.source) {
            text.clear();
            let redacted = record.read(self.source, line.clone()).and_then(|()| self.redact_record(&record, &mut text));
            redacted.map_err(|error| io::Error::other(malformed(error)))?;
            out.write_all(&text)?;
            progress.advance(line.len() as u64 + 1);
        }
        self.facts.different_keys = self.numbers.len() as u64;
        Ok(self.facts)
    }

    /// Remembers which dictionaries the record refers to as a namespace.
    fn note_namespaces(&mut self, record: &Record<'a>) -> Scan<()> {
        let Some(edges) = record.field(b"edges").filter(|_| !self.options.keep_keys) else { return Ok(()) };
        let text = &self.source[edges.clone()];
        if !NAMESPACES.iter().any(|name| memmem::find(text, name).is_some()) {
            return Ok(());
        }
        let mut is_namespace = Vec::new();
        self.each_string(edges, |name| is_namespace.push(name.is_some_and(|name| NAMESPACES.contains(&name))))?;
        let Some(references) = record.references() else { return Ok(()) };
        let mut scanner = Scanner::new(&self.source[..references.end], references.start);
        let mut flags = is_namespace.into_iter();
        scanner.array(|scanner| {
            let address = scanner.address()?;
            if flags.next() == Some(true) {
                self.namespaces.insert(address);
            }
            Ok(())
        })
    }

    fn redact_record(&mut self, record: &Record<'a>, text: &mut Vec<u8>) -> Scan<()> {
        let before = text.len();
        for (key, value) in &record.fields {
            let stays = match *key {
                b"value" | b"repr" if !record.is_code(&self.source[value.clone()]) => {
                    self.facts.values += 1;
                    false
                }
                b"command" => {
                    self.facts.has_command = true;
                    false
                }
                _ => self.is_known(key),
            };
            if !stays {
                continue;
            }
            text.push(if text.len() == before { b'{' } else { b',' });
            text.push(b'"');
            text.extend_from_slice(key);
            text.extend_from_slice(b"\":");
            if matches!(*key, b"edges" | b"weak_edges") && !self.options.keep_keys {
                self.redact_names(record, key, value, text)?;
            } else {
                text.extend_from_slice(&self.source[value.clone()]);
            }
        }
        if text.len() == before {
            text.push(b'{');
        }
        text.extend_from_slice(b"}\n");
        Ok(())
    }

    fn is_known(&mut self, key: &[u8]) -> bool {
        let is_known = PLAIN_KEYS.contains(&key);
        if !is_known && self.facts.unknown.len() < MOST_UNKNOWN {
            self.facts.unknown.insert(decode(key).into_owned());
        }
        is_known
    }

    /// Writes an array of names of references with the keys in them replaced.
    fn redact_names(&mut self, record: &Record<'a>, key: &[u8], names: &Range<usize>, text: &mut Vec<u8>) -> Scan<()> {
        if record.address.is_some_and(|address| self.namespaces.contains(&address)) {
            text.extend_from_slice(&self.source[names.clone()]);
            return Ok(());
        }
        let kinds = record.field(b"kinds").filter(|_| key == b"edges").map_or(&[][..], |kinds| &self.source[kinds]);
        let kinds = kinds.strip_prefix(b"\"").unwrap_or(b"");
        let is_sequence = [&b"list"[..], b"tuple", b"collections.deque"].contains(&record.type_name);
        let mut position = 0;
        text.push(b'[');
        let source = self.source;
        Self::each_string_of(source, names.clone(), |name| {
            if position > 0 {
                text.push(b',');
            }
            let is_index = kinds.get(position).map_or(is_sequence, |kind| *kind == b'i');
            position += 1;
            let Some(name) = name else {
                text.extend_from_slice(b"null");
                return;
            };
            let readable = decode(name);
            match bracketed(readable.as_bytes(), is_index) {
                None => {
                    text.push(b'"');
                    text.extend_from_slice(name);
                    text.push(b'"');
                }
                Some(inside) => {
                    let placeholder = self.placeholder(&readable[inside.clone()]);
                    let around = [&readable[..inside.start], &placeholder, &readable[inside.end..]];
                    text.extend_from_slice(serde_json::Value::from(around.concat()).to_string().as_bytes());
                }
            }
        })?;
        text.push(b']');
        Ok(())
    }

    /// What stands for a key: its kind, and a number that is the same wherever the same key is.
    fn placeholder(&mut self, key: &str) -> String {
        self.facts.keys += 1;
        let next = self.numbers.len() as u64 + 1;
        let number = *self.numbers.entry(xxh3_128(key.as_bytes())).or_insert(next);
        let kind = match key.as_bytes().first() {
            Some(b'\'' | b'"') => "str",
            Some(b'b') if key.len() > 1 => "bytes",
            Some(b'0'..=b'9' | b'-') if key.contains('.') => "float",
            Some(b'0'..=b'9' | b'-') => "int",
            Some(b'(') => "tuple",
            _ => "key",
        };
        format!("<{kind} {number}>")
    }

    fn each_string(&self, array: Range<usize>, string: impl FnMut(Option<&'a [u8]>)) -> Scan<()> {
        Self::each_string_of(self.source, array, string)
    }

    /// Visits the strings of an array, as they stand between their quotes; `None` for anything else.
    fn each_string_of(source: &'a Source, array: Range<usize>, mut string: impl FnMut(Option<&'a [u8]>)) -> Scan<()> {
        let mut scanner = Scanner::new(&source[..array.end], array.start);
        if scanner.peek() != Some(b'[') {
            return Ok(());
        }
        scanner.array(|scanner| {
            if scanner.peek() == Some(b'"') {
                string(Some(scanner.string()?));
            } else {
                scanner.skip()?;
                string(None);
            }
            Ok(())
        })
    }
}

/// Where in a name the text of a key stands; `None` where there is none, or it is an index, a local variable or a type.
fn bracketed(name: &[u8], is_index: bool) -> Option<Range<usize>> {
    if memmem::find(name, b"f_locals[").is_some() {
        return None;
    }
    let open = memchr(b'[', name)? + 1;
    let close = name.iter().rposition(|byte| *byte == b']').filter(|close| *close >= open).unwrap_or(name.len());
    let inside = &name[open..close];
    let is_number = inside.iter().all(u8::is_ascii_digit);
    let is_member = open > 1 && !name.starts_with(b"key [");
    let is_type = inside.first() == Some(&b'<') && inside.last() == Some(&b'>') && !inside.contains(&b' ');
    let stays = inside.is_empty() || is_type || (is_number && (is_index || is_member));
    (!stays).then_some(open..close)
}

/// One line, as the places of its keys and values.
#[derive(Default)]
struct Record<'a> {
    fields: Vec<(&'a [u8], Range<usize>)>,
    type_name: &'a [u8],
    address: Option<u64>,
}

impl<'a> Record<'a> {
    fn read(&mut self, source: &'a [u8], line: Range<usize>) -> Scan<()> {
        self.fields.clear();
        (self.type_name, self.address) = (b"", None);
        let mut scanner = Scanner::new(&source[..line.end], line.start);
        scanner.object(|key, scanner| {
            scanner.peek();
            let start = scanner.position();
            match key {
                b"type" | b"class" if scanner.peek() == Some(b'"') => {
                    let name = scanner.string()?;
                    self.type_name = name.strip_prefix(b"builtins.").unwrap_or(name);
                }
                b"address" | b"id" | b"addr" => self.address = Some(scanner.address()?),
                _ => {
                    scanner.skip()?;
                }
            }
            self.fields.push((key, start..scanner.position()));
            Ok(())
        })?;
        if scanner.peek().is_some() { Err(scanner.malformed("the end of the line")) } else { Ok(()) }
    }

    fn field(&self, name: &[u8]) -> Option<Range<usize>> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    fn references(&self) -> Option<Range<usize>> {
        [&b"refs"[..], b"referents", b"references", b"children"].iter().find_map(|name| self.field(name))
    }

    /// Whether the value is a string that says where the object is in the code.
    fn is_code(&self, value: &[u8]) -> bool {
        CODE_TYPES.contains(&self.type_name) && value.first() == Some(&b'"')
    }
}

/// Ranges of the lines that are not empty.
fn lines(source: &Source) -> impl Iterator<Item = Range<usize>> {
    let mut start = first_line(source);
    std::iter::from_fn(move || {
        while start < source.len() {
            let end = memchr(b'\n', &source[start..]).map_or(source.len(), |length| start + length);
            let line = start..end;
            start = end + 1;
            if !source[line.clone()].trim_ascii().is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// Where the first line begins: after a byte order mark.
fn first_line(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

fn malformed(error: Malformed) -> Error {
    let reason = format!("expected {}; a line that cannot be read cannot be redacted", error.expected);
    Error::Malformed { format: retainers::NAME, offset: error.offset as u64, reason }
}
