//! What must go from a dump before it can be shown to others?
//!
//! Values: texts and numbers of objects. Keys of dictionaries, which may be e-mail addresses or tokens, in the names of
//! references. What people call threads and tasks. The command line. And every key of a record that no reader of ours uses,
//! because nobody knows what it says; and every value that is not of the kind that the format has under its key. What stays
//! is what makes the chains: addresses, types, sizes, references, roots, and names that stand in the program's code: of
//! modules, functions, attributes and local variables. What such a name is, one rule says (`names`).
//!
//! The dump is read twice: once to check that every line is a record, and to find the dictionaries whose keys are names of
//! variables or attributes; once to write. Memory: 24 bytes for each such dictionary, and about 24 for each different key.

mod names;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

use memchr::{memchr, memmem};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_128;

use crate::counts::counted;
use crate::error::{Error, Result};
use crate::format::scan::{Malformed, Scan, Scanner, address_of_text, decode};
use crate::format::{python, retainers};
use crate::graph::reference::is_identifier;
use crate::progress::{Phase, Progress};
use crate::source::Source;
use names::Place;

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

/// What a key of the documented format says, and so what of it may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// A number, or `true`, `false`, `null`.
    Number,
    /// Addresses of objects.
    Addresses,
    /// Letters and digits without spaces: a version, a time, kinds.
    Word,
    /// Words of the capture's own.
    Sentence,
    /// What something is called in the code.
    Name,
    /// A line of the code.
    Place,
    /// What a person called something.
    Thread,
    /// Names of references.
    References,
    /// Counts under names.
    Counts,
    /// The value of an object.
    Value,
    Command,
}

/// All keys of the documented format, and those that mean the same in others.
const KEYS: [(&[u8], Says); 41] = [
    (b"retainers", Says::Number),
    (b"runtime", Says::Word),
    (b"runtime_version", Says::Word),
    (b"time", Says::Word),
    (b"pid", Says::Number),
    (b"rss", Says::Number),
    (b"anonymous", Says::Number),
    (b"swap", Says::Number),
    (b"arenas", Says::Number),
    (b"arenas_used", Says::Number),
    (b"command", Says::Command),
    (b"address", Says::Number),
    (b"id", Says::Number),
    (b"addr", Says::Number),
    (b"type", Says::Name),
    (b"class", Says::Name),
    (b"module", Says::Name),
    (b"size", Says::Number),
    (b"external", Says::Number),
    (b"refs", Says::Addresses),
    (b"referents", Says::Addresses),
    (b"references", Says::Addresses),
    (b"children", Says::Addresses),
    (b"kinds", Says::Word),
    (b"weak", Says::Addresses),
    (b"edges", Says::References),
    (b"weak_edges", Says::References),
    (b"name", Says::Name),
    (b"thread", Says::Thread),
    (b"len", Says::Number),
    (b"length", Says::Number),
    (b"rc", Says::Number),
    (b"refcount", Says::Number),
    (b"site", Says::Place),
    (b"root", Says::Word),
    (b"object", Says::Number),
    (b"unseen", Says::Sentence),
    (b"count", Says::Number),
    (b"end", Says::Counts),
    (b"value", Says::Value),
    (b"repr", Says::Value),
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
    /// Types whose objects hold data under names.
    data_holders: FxHashSet<Vec<u8>>,
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
        let mut record = Record::default();
        let mut found = Namespaces::default();
        progress.start(Phase::Read, source.len() as u64);
        for line in lines(source) {
            record.read(source, line.clone()).map_err(malformed)?;
            if !options.keep_keys {
                found.note(source, &record).map_err(malformed)?;
            }
            progress.advance(line.len() as u64 + 1);
        }
        let data_holders = found.data_holders();
        let namespaces = found.of_code(&data_holders);
        let (numbers, facts) = (FxHashMap::default(), Facts::default());
        Ok(Self { source, options, namespaces, data_holders, numbers, facts })
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

    fn redact_record(&mut self, record: &Record<'a>, text: &mut Vec<u8>) -> Scan<()> {
        let before = text.len();
        let mut written = Vec::new();
        for (key, value) in &record.fields {
            written.clear();
            let Some(says) = KEYS.iter().find(|(known, _)| known == key).map(|(_, says)| *says) else {
                self.note_unknown(key);
                continue;
            };
            if !self.redact_value(record, says, key, value, &mut written)? {
                match says {
                    Says::Command => self.facts.has_command = true,
                    _ => self.facts.values += 1,
                }
                continue;
            }
            text.push(if text.len() == before { b'{' } else { b',' });
            text.push(b'"');
            text.extend_from_slice(key);
            text.extend_from_slice(b"\":");
            text.extend_from_slice(&written);
        }
        if text.len() == before {
            text.push(b'{');
        }
        text.extend_from_slice(b"}\n");
        Ok(())
    }

    fn note_unknown(&mut self, key: &[u8]) {
        if self.facts.unknown.len() < MOST_UNKNOWN {
            self.facts.unknown.insert(decode(key).into_owned());
        }
    }

    /// Writes what may stay of a value; returns whether there is anything.
    fn redact_value(
        &mut self,
        record: &Record<'a>,
        says: Says,
        key: &[u8],
        value: &Range<usize>,
        out: &mut Vec<u8>,
    ) -> Scan<bool> {
        let raw = &self.source[value.clone()];
        let text = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).map(decode);
        let stays = match (says, text) {
            // a value of another kind than the format has for the key could say anything
            (Says::Command, _) => false,
            (Says::References, None) => {
                let is_list = raw.first() == Some(&b'[');
                if is_list {
                    self.redact_names(record, key, value, out)?;
                    return Ok(true);
                }
                raw == b"null"
            }
            (Says::Addresses, None) => raw == b"null" || are_addresses(raw),
            (Says::Counts, None) => are_counts(raw),
            (Says::Number, Some(text)) => address_of_text(&text).is_some(),
            (Says::Word, Some(text)) => is_word(&text),
            (Says::Sentence, Some(_)) => true,
            (Says::Place, Some(text)) => names::is_place(&text),
            (Says::Name | Says::Thread, Some(text)) => {
                let (stays, kind) = match says {
                    Says::Thread => (text == names::MAIN_THREAD, "thread"),
                    _ => (names::is_code(&text) && !(key == b"name" && record.is_called_by_people()), "name"),
                };
                if !stays && !names::is_placeholder(&text) && !text.is_empty() {
                    let placeholder = self.numbered(kind, &text);
                    out.extend_from_slice(serde_json::Value::from(placeholder).to_string().as_bytes());
                    return Ok(true);
                }
                true
            }
            (Says::Value, Some(text)) => record.is_code() && names::is_of_code(&text),
            (Says::Value, None) => false,
            (_, None) => is_plain(raw),
            (Says::References | Says::Addresses | Says::Counts, Some(_)) => false,
        };
        if stays {
            out.extend_from_slice(raw);
        }
        Ok(stays)
    }

    /// Writes an array of names of references with the data in them replaced.
    fn redact_names(&mut self, record: &Record<'a>, key: &[u8], names: &Range<usize>, text: &mut Vec<u8>) -> Scan<()> {
        let kinds = record.field(b"kinds").filter(|_| key == b"edges").map_or(&[][..], |kinds| &self.source[kinds]);
        let kinds = kinds.strip_prefix(b"\"").unwrap_or(b"");
        let is_sequence = [&b"list"[..], b"tuple", b"collections.deque"].contains(&record.type_name);
        let is_namespace = record.address.is_some_and(|address| self.namespaces.contains(&address));
        let is_data = self.data_holders.contains(record.type_name);
        let mut position = 0;
        text.push(b'[');
        let source = self.source;
        each_string(source, names.clone(), |name| {
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
            let place = Place { is_index, is_namespace, is_data };
            match names::data_in(&readable, place).filter(|_| !self.options.keep_keys) {
                None => {
                    text.push(b'"');
                    text.extend_from_slice(name);
                    text.push(b'"');
                }
                Some(data) => {
                    let placeholder = self.placeholder(&readable[data.clone()]);
                    let around = [&readable[..data.start], &placeholder, &readable[data.end..]];
                    text.extend_from_slice(serde_json::Value::from(around.concat()).to_string().as_bytes());
                }
            }
        })?;
        text.push(b']');
        Ok(())
    }

    /// What stands for a key: its kind, and a number that is the same wherever the same key is.
    fn placeholder(&mut self, key: &str) -> String {
        let kind = match key.as_bytes().first() {
            Some(b'\'' | b'"') => "str",
            Some(b'b') if key.len() > 1 && matches!(key.as_bytes()[1], b'\'' | b'"') => "bytes",
            Some(b'0'..=b'9' | b'-') if key.contains('.') => "float",
            Some(b'0'..=b'9' | b'-') => "int",
            Some(b'(') => "tuple",
            _ => "key",
        };
        self.numbered(kind, key)
    }

    fn numbered(&mut self, kind: &str, text: &str) -> String {
        self.facts.keys += 1;
        let next = self.numbers.len() as u64 + 1;
        let number = *self.numbers.entry(xxh3_128(text.as_bytes())).or_insert(next);
        format!("<{kind} {number}>")
    }
}

/// A value that is no text and says nothing in words.
fn is_plain(raw: &[u8]) -> bool {
    !matches!(raw.first(), None | Some(b'{' | b'[' | b'"'))
}

fn is_word(text: &str) -> bool {
    const LONGEST: usize = 64;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-' | b':' | b'?');
    text.bytes().all(is_part)
        && (text.len() <= LONGEST || text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'?'))
}

/// Whether all of an array are addresses.
fn are_addresses(raw: &[u8]) -> bool {
    Scanner::new(raw, 0).array(|scanner| scanner.address().map(|_| ())).is_ok()
}

/// Whether all of an object are numbers under names.
fn are_counts(raw: &[u8]) -> bool {
    let mut are_counts = true;
    let read = Scanner::new(raw, 0).object(|key, scanner| {
        are_counts &= is_identifier(&decode(key)) && is_plain(scanner.skip()?);
        Ok(())
    });
    are_counts && read.is_ok()
}

/// Visits the strings of an array, as they stand between their quotes; `None` for anything else.
fn each_string<'a>(source: &'a Source, array: Range<usize>, mut string: impl FnMut(Option<&'a [u8]>)) -> Scan<()> {
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

/// Dictionaries that others refer to as a namespace, and what classes derive from.
#[derive(Default)]
struct Namespaces<'a> {
    /// Addresses, and types of those that refer to them.
    found: Vec<(u64, &'a [u8])>,
    /// Address of the base of each class, by its own address and name.
    bases: Vec<(u64, Cow<'a, str>, u64)>,
}

impl<'a> Namespaces<'a> {
    /// Notes what the record refers to.
    fn note(&mut self, source: &'a Source, record: &Record<'a>) -> Scan<()> {
        let Some(edges) = record.field(b"edges") else { return Ok(()) };
        let text = &source[edges.clone()];
        let is_class = memmem::find(text, b"\"__base__\"").is_some();
        if !is_class && !NAMESPACES.iter().any(|name| memmem::find(text, name).is_some()) {
            return Ok(());
        }
        let mut names = Vec::new();
        each_string(source, edges, |name| names.push(name))?;
        let Some(references) = record.references() else { return Ok(()) };
        let mut scanner = Scanner::new(&source[..references.end], references.start);
        let mut names = names.into_iter();
        let own_name = record.field(b"name").map(|name| source[name].trim_ascii());
        let own_name = own_name.and_then(|name| name.strip_prefix(b"\"")?.strip_suffix(b"\""));
        scanner.array(|scanner| {
            let address = scanner.address()?;
            match (names.next().flatten(), record.address, own_name) {
                (Some(b"__base__"), Some(own), Some(name)) => self.bases.push((own, decode(name), address)),
                (Some(name), ..) if NAMESPACES.contains(&name) => self.found.push((address, record.type_name)),
                _ => {}
            }
            Ok(())
        })
    }

    /// Names of the types whose objects hold data under names: those that are known, and what derives from them.
    fn data_holders(&self) -> FxHashSet<Vec<u8>> {
        let mut holders: FxHashSet<Vec<u8>> = names::DATA_HOLDERS.iter().map(|name| name.to_vec()).collect();
        let mut classes: FxHashSet<u64> = FxHashSet::default();
        // each round finds what derives from what the one before found
        loop {
            let before = (holders.len(), classes.len());
            for (own, name, base) in &self.bases {
                if holders.contains(name.as_bytes()) || classes.contains(base) {
                    classes.insert(*own);
                    holders.insert(name.as_bytes().to_vec());
                }
            }
            if before == (holders.len(), classes.len()) {
                return holders;
            }
        }
    }

    /// Addresses of the dictionaries whose keys are names in the code.
    fn of_code(&self, data_holders: &FxHashSet<Vec<u8>>) -> FxHashSet<u64> {
        let (data, code): (Vec<_>, Vec<_>) = self.found.iter().partition(|(_, holder)| data_holders.contains(*holder));
        let data: FxHashSet<u64> = data.into_iter().map(|(address, _)| address).collect();
        code.into_iter().map(|(address, _)| address).filter(|address| !data.contains(address)).collect()
    }
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

    /// Whether its value says where or how the object is called in the code.
    fn is_code(&self) -> bool {
        CODE_TYPES.contains(&self.type_name)
    }

    /// Whether its name is a person's choice at run time.
    fn is_called_by_people(&self) -> bool {
        names::CALLED_BY_PEOPLE.contains(&self.type_name)
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
