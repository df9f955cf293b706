//! Writing objects in the formats that are compared.

use std::io::{self, Write};

use super::class::{Class, MODULE, Shown};
use super::objects::{Name, View};
use super::random::mixed;

/// A format of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One object a line: Meliae's keys, `module`, `rc`, `edges` and `root`
    JsonLines,
    /// JSON Graph Format, version 2
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

impl Format {
    /// The passes over the heap, and what stands before each and after the last.
    pub fn passes(self) -> (&'static [(&'static str, Pass)], &'static str) {
        match self {
            Self::JsonLines => (&[("", Pass::Records)], ""),
            Self::JsonGraph => (
                &[("{\"graph\":{\"directed\":true,\"nodes\":{\n", Pass::Nodes), ("\n},\"edges\":[\n", Pass::Edges)],
                "\n]}}\n",
            ),
            Self::NodeLink => (
                &[
                    ("{\"directed\":true,\"multigraph\":true,\"graph\":{},\"nodes\":[\n", Pass::Nodes),
                    ("\n],\"links\":[\n", Pass::Edges),
                ],
                "\n]}\n",
            ),
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
}

impl<'a, W: Write> Output<'a, W> {
    /// An output that has nothing written yet.
    pub fn new(out: &'a mut W, format: Format, has_names: bool) -> Self {
        Self { out, format, has_names, is_continued: false }
    }

    /// Writes what stands before a pass, or after the last.
    pub fn frame(&mut self, text: &str) -> io::Result<()> {
        self.is_continued = false;
        self.out.write_all(text.as_bytes())
    }

    /// Writes what `pass` writes of an object.
    pub fn object(&mut self, object: View<'_>, pass: Pass) -> io::Result<()> {
        match pass {
            Pass::Records => self.record(object),
            Pass::Nodes => self.node(object),
            Pass::Edges => {
                (0..).zip(object.targets()).try_for_each(|(position, target)| self.edge(object, position, target))
            }
        }
    }

    fn record(&mut self, object: View<'_>) -> io::Result<()> {
        let Class { module, name, .. } = object.class;
        write!(self.out, "{{\"address\":{},\"type\":\"{name}\",\"size\":{}", object.address, object.size())?;
        self.value(object)?;
        write!(self.out, ",\"module\":\"{module}\",\"rc\":{},\"refs\":[", object.count)?;
        for (position, target) in object.targets().enumerate() {
            self.comma(position)?;
            write!(self.out, "{target}")?;
        }
        self.out.write_all(b"]")?;
        if self.has_names {
            self.out.write_all(b",\"edges\":[")?;
            for position in 0..object.targets().len() {
                self.comma(position)?;
                self.name(object.name(position))?;
            }
            self.out.write_all(b"]")?;
        }
        self.root(object)?;
        self.out.write_all(b"}\n")
    }

    fn node(&mut self, object: View<'_>) -> io::Result<()> {
        self.separator()?;
        let Class { module, name, .. } = object.class;
        let (address, size) = (object.address, object.size());
        match self.format {
            Format::NodeLink => write!(self.out, "{{\"id\":{address},\"type\":\"{name}\",")?,
            _ => write!(self.out, "\"{address}\":{{\"label\":\"{name}\",\"metadata\":{{")?,
        }
        write!(self.out, "\"module\":\"{module}\",\"size\":{size},\"rc\":{}", object.count)?;
        self.value(object)?;
        self.root(object)?;
        self.out.write_all(if self.format == Format::NodeLink { b"}" } else { b"}}" })
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

    fn root(&mut self, object: View<'_>) -> io::Result<()> {
        let is_root = std::ptr::eq(object.class, &raw const MODULE);
        self.out.write_all(if is_root { b",\"root\":\"module\"" } else { b"" })
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

    fn comma(&mut self, position: usize) -> io::Result<()> {
        self.out.write_all(if position > 0 { b"," } else { b"" })
    }

    fn separator(&mut self) -> io::Result<()> {
        let is_continued = std::mem::replace(&mut self.is_continued, true);
        self.out.write_all(if is_continued { b",\n" } else { b"" })
    }
}
