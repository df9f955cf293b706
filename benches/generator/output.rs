//! Writing objects in every format that is read.

use std::io::{self, Write};

use super::Census;
use super::class::{Class, Names, Shown};
use super::objects::{Name, View};
use super::random::mixed;

/// A format of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// Our own, version 1: one object a line
    Lines,
    /// Meliae's: one object a line, references in its order and without names
    Meliae,
    /// Midden's: one object a line, keys before values, without names
    Midden,
    /// Records as people write them by hand, in one JSON array
    Records,
    /// The same, each key on a line of its own
    RecordsPretty,
    /// JSON Graph Format, version 1: an array of nodes
    JsonGraph1,
    /// JSON Graph Format, version 2: nodes by their ids
    JsonGraph,
    /// NetworkX node-link data
    NodeLink,
}

/// What is written of an object in one pass over the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// All of it.
    Records,
    /// Itself.
    Nodes,
    /// Its references.
    Edges,
}

const HEADER: &str = "{\"retainers\":1,\"runtime\":\"cpython\",\"runtime_version\":\"3.11.7\",\"time\":\
    \"2026-11-22T09:00:00Z\",\"pid\":4242,\"command\":[\"python\",\"-m\",\"app\"]}\n";

impl Format {
    /// The passes over the heap.
    pub fn passes(self) -> &'static [Pass] {
        match self {
            Self::Lines | Self::Meliae | Self::Midden | Self::Records | Self::RecordsPretty => &[Pass::Records],
            Self::JsonGraph1 | Self::JsonGraph | Self::NodeLink => &[Pass::Nodes, Pass::Edges],
        }
    }

    /// Whether an object is a line.
    pub fn is_lines(self) -> bool {
        matches!(self, Self::Lines | Self::Meliae | Self::Midden)
    }

    /// Lines that must stand at the beginning, and at the end.
    pub fn frame_lines(self) -> (usize, usize) {
        if self == Self::Lines { (1, 1) } else { (0, 0) }
    }

    /// What stands before a pass.
    fn start(self, pass: Pass) -> &'static str {
        match (self, pass) {
            (Self::Lines, _) => HEADER,
            (Self::Meliae | Self::Midden, _) => "",
            (Self::Records | Self::RecordsPretty, _) => "[\n",
            (Self::NodeLink, Pass::Edges) => "\n],\"links\":[\n",
            (Self::NodeLink, _) => "{\"directed\":true,\"multigraph\":true,\"graph\":{},\"nodes\":[\n",
            (Self::JsonGraph1, Pass::Edges) => "\n],\"edges\":[\n",
            (Self::JsonGraph1, _) => "{\"graph\":{\"directed\":true,\"nodes\":[\n",
            (Self::JsonGraph, Pass::Edges) => "\n},\"edges\":[\n",
            (Self::JsonGraph, _) => "{\"graph\":{\"directed\":true,\"nodes\":{\n",
        }
    }
}

/// Writes dumps piece by piece.
#[derive(Debug)]
pub struct Output<'a, W> {
    out: &'a mut W,
    format: Format,
    has_names: bool,
    /// Whether something in the pass precedes what is written next.
    is_continued: bool,
    roots: usize,
}

impl<'a, W: Write> Output<'a, W> {
    /// An output that has nothing written yet.
    pub fn new(out: &'a mut W, format: Format, has_names: bool) -> Self {
        Self { out, format, has_names, is_continued: false, roots: 0 }
    }

    /// Writes what stands before a pass.
    pub fn begin(&mut self, pass: Pass) -> io::Result<()> {
        self.is_continued = false;
        self.out.write_all(self.format.start(pass).as_bytes())
    }

    /// Writes what stands after the last pass.
    pub fn end(&mut self, census: &Census) -> io::Result<()> {
        let Census { objects, references, .. } = census;
        let roots = self.roots;
        match self.format {
            Format::Lines => writeln!(
                self.out,
                "{{\"end\":{{\"objects\":{objects},\"references\":{references},\"roots\":{roots}}}}}"
            ),
            Format::Meliae | Format::Midden => Ok(()),
            Format::Records | Format::RecordsPretty => self.out.write_all(b"\n]\n"),
            Format::JsonGraph1 | Format::JsonGraph => self.out.write_all(b"\n]}}\n"),
            Format::NodeLink => self.out.write_all(b"\n]}\n"),
        }
    }

    /// Writes what `pass` writes of an object.
    pub fn object(&mut self, object: View<'_>, pass: Pass) -> io::Result<()> {
        match (pass, self.format) {
            (Pass::Records, Format::Lines) => self.line(object),
            (Pass::Records, Format::Meliae) => self.meliae_line(object),
            (Pass::Records, Format::Midden) => self.midden_line(object),
            (Pass::Records, _) => self.record(object),
            (Pass::Nodes, _) => self.node(object),
            (Pass::Edges, _) => {
                (0..).zip(object.targets()).try_for_each(|(position, target)| self.edge(object, position, target))
            }
        }
    }

    fn line(&mut self, object: View<'_>) -> io::Result<()> {
        write!(self.out, "{{\"address\":{},\"type\":\"", object.address)?;
        self.type_name(object.class)?;
        write!(self.out, "\",\"size\":{}", object.size())?;
        self.value(object)?;
        self.reference_count(object)?;
        self.out.write_all(b",\"refs\":[")?;
        self.targets(object.targets(), ",")?;
        if self.has_names {
            self.out.write_all(b"],\"edges\":[")?;
            for position in 0..object.targets().len() {
                self.out.write_all(if position > 0 { b"," } else { b"" })?;
                self.name(object.name(position))?;
            }
        }
        self.out.write_all(b"]}\n")?;
        if object.class.is_root {
            self.roots += 1;
            let (name, address) = (object.text().unwrap_or("app"), object.address);
            writeln!(self.out, "{{\"root\":\"module\",\"name\":\"{name}\",\"object\":{address}}}")?;
        }
        Ok(())
    }

    /// The order is that of CPython's traversal: lists from last to first, dictionaries value, key, value, key.
    fn meliae_line(&mut self, object: View<'_>) -> io::Result<()> {
        let (address, name) = (object.address, object.class.name);
        write!(self.out, "{{\"address\": {address}, \"type\": \"{name}\", \"size\": {}", object.size())?;
        self.value(object)?;
        self.out.write_all(b", \"refs\": [")?;
        let targets: Vec<u64> = object.targets().collect();
        match object.class.names {
            Names::Fields(_) => self.targets(targets.into_iter(), ", ")?,
            Names::Positions => self.targets(targets.into_iter().rev(), ", ")?,
            Names::Entries => {
                let (values, keys) = targets.split_at(targets.len() / 2);
                self.targets(values.iter().zip(keys).flat_map(|(value, key)| [*value, *key]), ", ")?;
            }
        }
        self.out.write_all(b"]}\n")
    }

    /// Dictionaries are key, value, key, value; a module's name is in its value.
    fn midden_line(&mut self, object: View<'_>) -> io::Result<()> {
        let Class { module, name, .. } = object.class;
        write!(self.out, "{{\"id\": {}, \"type\": \"{module}.{name}\", \"references\": [", object.address)?;
        let targets: Vec<u64> = object.targets().collect();
        match object.class.names {
            Names::Fields(_) | Names::Positions => self.targets(targets.into_iter(), ", ")?,
            Names::Entries => {
                let (values, keys) = targets.split_at(targets.len() / 2);
                self.targets(keys.iter().zip(values).flat_map(|(key, value)| [*key, *value]), ", ")?;
            }
        }
        write!(self.out, "], \"size\": {}", object.size())?;
        match object.text() {
            Some(text) if object.class.is_root => write!(self.out, ", \"value\": \"module {text}\"")?,
            Some(text) => write!(self.out, ", \"value\": \"{text}\"")?,
            None => {}
        }
        self.out.write_all(b"}\n")
    }

    fn record(&mut self, object: View<'_>) -> io::Result<()> {
        self.separator()?;
        let is_pretty = self.format == Format::RecordsPretty;
        let (before, colon) = if is_pretty { ("\n  ", ": ") } else { ("", ":") };
        write!(self.out, " {{{before}\"id\"{colon}{},{before}\"class\"{colon}\"", object.address)?;
        self.type_name(object.class)?;
        write!(self.out, "\",{before}\"size\"{colon}{}", object.size())?;
        self.value(object)?;
        self.reference_count(object)?;
        write!(self.out, ",{before}\"referents\"{colon}[")?;
        self.targets(object.targets(), if is_pretty { ",\n   " } else { "," })?;
        self.out.write_all(b"]")?;
        if self.has_names {
            write!(self.out, ",{before}\"edges\"{colon}[")?;
            for position in 0..object.targets().len() {
                self.out.write_all(if position > 0 { b"," } else { b"" })?;
                self.name(object.name(position))?;
            }
            self.out.write_all(b"]")?;
        }
        if object.class.is_root {
            write!(self.out, ",{before}\"root\"{colon}\"module\"")?;
        }
        self.out.write_all(if is_pretty { b"\n }" } else { b"}" })
    }

    fn node(&mut self, object: View<'_>) -> io::Result<()> {
        self.separator()?;
        let address = object.address;
        match self.format {
            Format::NodeLink => write!(self.out, "{{\"id\":{address},\"type\":\"")?,
            Format::JsonGraph1 => write!(self.out, "{{\"id\":\"{address}\",\"label\":\"")?,
            _ => write!(self.out, "\"{address}\":{{\"label\":\"")?,
        }
        self.type_name(object.class)?;
        let has_metadata = self.format != Format::NodeLink;
        write!(self.out, "\",{}\"size\":{}", if has_metadata { "\"metadata\":{" } else { "" }, object.size())?;
        self.value(object)?;
        self.reference_count(object)?;
        if object.class.is_root {
            self.out.write_all(b",\"root\":\"module\"")?;
        }
        self.out.write_all(if has_metadata { b"}}" } else { b"}" })
    }

    fn edge(&mut self, object: View<'_>, position: usize, target: u64) -> io::Result<()> {
        self.separator()?;
        match self.format {
            Format::NodeLink => write!(self.out, "{{\"source\":{},\"target\":{target}", object.address)?,
            _ => write!(self.out, "{{\"source\":\"{}\",\"target\":\"{target}\"", object.address)?,
        }
        if self.has_names {
            self.out.write_all(if self.format == Format::NodeLink { b",\"name\":" } else { b",\"relation\":" })?;
            self.name(object.name(position))?;
        }
        self.out.write_all(b"}")
    }

    fn type_name(&mut self, class: &Class) -> io::Result<()> {
        match class.module {
            "builtins" => self.out.write_all(class.name.as_bytes()),
            module => write!(self.out, "{module}.{}", class.name),
        }
    }

    fn reference_count(&mut self, object: View<'_>) -> io::Result<()> {
        if self.has_names && object.count > 0 { write!(self.out, ",\"rc\":{}", object.count) } else { Ok(()) }
    }

    fn targets(&mut self, targets: impl Iterator<Item = u64>, separator: &str) -> io::Result<()> {
        for (position, target) in targets.enumerate() {
            self.out.write_all(if position > 0 { separator.as_bytes() } else { b"" })?;
            write!(self.out, "{target}")?;
        }
        Ok(())
    }

    /// The keys that say what an object is: `len`, `value`, `name`.
    fn value(&mut self, object: View<'_>) -> io::Result<()> {
        let random = mixed(object.address);
        match (object.class.shown, object.text()) {
            (Shown::Nothing, _) => Ok(()),
            (Shown::Length, _) => write!(self.out, ",\"len\":{}", object.length()),
            (Shown::Name, text) => write!(self.out, ",\"name\":\"{}\"", text.unwrap_or("<lambda>")),
            (Shown::Integer, Some(text)) => write!(self.out, ",\"value\":{text}"),
            (Shown::Integer, None) => write!(self.out, ",\"value\":{}", random >> 40),
            (Shown::Float, _) => write!(self.out, ",\"value\":{}.{:02}", random >> 50, random % 100),
            (Shown::Text, Some(text)) => write!(self.out, ",\"len\":{},\"value\":\"{text}\"", text.len()),
            (Shown::Text, None) => self.text(object.length(), random),
        }
    }

    /// A made-up text; one in sixty-four has escapes.
    fn text(&mut self, length: usize, random: u64) -> io::Result<()> {
        const LETTERS: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz 0123_";
        write!(self.out, ",\"len\":{length},\"value\":\"")?;
        let mut bits = random;
        for _ in 0..length {
            self.out.write_all(&[LETTERS[(bits >> 59) as usize]])?;
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        }
        self.out.write_all(if random.is_multiple_of(64) { b"\\n\\\"\\u00e9\"" } else { b"\"" })
    }

    fn name(&mut self, name: Name<'_>) -> io::Result<()> {
        match name {
            Name::Unknown => self.out.write_all(b"null"),
            Name::Field(field) => write!(self.out, "\"{field}\""),
            Name::Position(position) => write!(self.out, "\"[{position}]\""),
            Name::Entry { text, is_key } => {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                let (before, quote) = (if is_key { "key " } else { "" }, if is_number { "" } else { "'" });
                write!(self.out, "\"{before}[{quote}{text}{quote}]\"")
            }
        }
    }

    fn separator(&mut self) -> io::Result<()> {
        let is_continued = std::mem::replace(&mut self.is_continued, true);
        self.out.write_all(if is_continued { b",\n" } else { b"" })
    }
}
