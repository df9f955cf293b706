//! A heap as loaded: the graph, the text that stays in the dump, and what is known of the dump itself.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;

use crate::counts::counted;

use super::index::IndexWriter;
use super::results::Results;
use super::{HeapGraph, ObjectId, ReferenceKind, ReferenceName};

/// A loaded dump.
pub struct Heap {
    /// Objects, references and roots.
    pub graph: HeapGraph,
    /// Names and values, read from the dump when asked for.
    pub records: Box<dyn Records>,
    /// Where the dump comes from.
    pub about: About,
    /// What was wrong with the dump and was worked around.
    pub damage: Damage,
    /// What was found out about it so far, or comes from its index.
    pub results: Results,
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("about", &self.about).field("damage", &self.damage).finish_non_exhaustive()
    }
}

impl Heap {
    /// A heap of which nothing is known yet but what the dump says.
    pub fn new(graph: HeapGraph, records: Box<dyn Records>, about: About, damage: Damage) -> Self {
        Self { graph, records, about, damage, results: Results::default() }
    }

    /// What the dump's record of `object` says.
    pub fn describe(&self, object: ObjectId) -> Description {
        self.records.describe(self.graph.place(object), self.graph.type_name_of(object))
    }

    /// Calls `visit` for each strong reference of `object` that the graph kept, with its position in
    /// [`HeapGraph::forward`] and its name, in order.
    pub fn for_each_reference(&self, object: ObjectId, mut visit: impl FnMut(usize, ObjectId, &ReferenceName)) {
        let range = self.graph.forward().range(object);
        if !self.records.has_text() {
            let unnamed = range.zip(self.graph.referents(object));
            return unnamed.for_each(|(position, target)| visit(position, target, &ReferenceName::unknown()));
        }
        let mut position = range.start;
        self.records.references(self.graph.place(object), self.graph.type_name_of(object), &mut |slot| {
            if slot.is_weak || position >= range.end {
                return;
            }
            // a reference that the graph left out has an address that is not the next one's
            let target = self.graph.forward().target(position);
            if self.graph.address(target) == slot.target {
                visit(position, target, &self.complete(slot, position, range.clone()));
                position += 1;
            }
        });
    }
}

impl Heap {
    /// The name of a reference, its key looked up where the record only has the key's address: the key is the reference
    /// itself or one of its neighbours.
    fn complete(&self, slot: ReferenceSlot, position: usize, all: Range<usize>) -> ReferenceName {
        let near = [position, position.wrapping_sub(1), position + 1];
        let near = near.into_iter().filter(|position| all.contains(position));
        let targets = near.map(|position| self.graph.forward().target(position));
        let key = slot.key.and_then(|address| targets.into_iter().find(|&key| self.graph.address(key) == address));
        let Some(key) = key else {
            return slot.name;
        };
        let type_name = self.graph.type_name_of(key);
        let text = match (type_name, self.describe(key).value) {
            ("str", Some(value)) => format!("['{}']", value.replace('\\', "\\\\").replace('\'', "\\'")),
            ("int" | "bool" | "float" | "bytes" | "NoneType", Some(value)) => format!("[{value}]"),
            _ => format!("[<{type_name}>]"),
        };
        match slot.name.kind {
            ReferenceKind::Key => ReferenceName::new(ReferenceKind::Key, format!("key {text}")),
            kind => ReferenceName::new(kind, text),
        }
    }
}

/// Reads the text of a record again, at its place in the dump.
pub trait Records: Send + Sync {
    /// Names and values of the record at `place`, which belongs to an object of type `type_name`.
    fn describe(&self, place: u64, type_name: &str) -> Description;

    /// Calls `visit` for each reference of the record at `place`, strong and weak, dangling ones too, in order.
    fn references(&self, place: u64, type_name: &str, visit: &mut dyn FnMut(ReferenceSlot));

    /// Whether there is any text: not when a heap comes from an index and its dump is gone.
    fn has_text(&self) -> bool {
        true
    }

    /// How an index writes down what it takes to read the text again, as a value in JSON; `None` where a heap with such
    /// records cannot be kept in an index.
    fn stored(&self) -> Option<serde_json::Value> {
        None
    }

    /// Appends to an index what [`stored`](Records::stored) has no room for.
    ///
    /// # Errors
    /// What the system says.
    fn store(&self, _: &mut IndexWriter) -> io::Result<()> {
        Ok(())
    }
}

/// What a record says of an object beyond its numbers. Absent where the dump does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// Name of a module, function, type, thread or frame.
    pub name: Option<String>,
    /// Bounded text of the value.
    pub value: Option<String>,
    /// Number of items or characters.
    pub length: Option<u64>,
    /// CPython's reference count.
    pub reference_count: Option<u64>,
    /// Where it was allocated, `file:line`.
    pub site: Option<String>,
}

/// A reference as a record states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceSlot {
    /// Address of the target, which may be in no record.
    pub target: u64,
    /// What it is called.
    pub name: ReferenceName,
    /// Address of the key that completes the name, where the dump names no references but lists keys and values.
    pub key: Option<u64>,
    /// Whether it keeps its target alive.
    pub is_weak: bool,
}

/// Where a dump comes from. Absent where the dump does not say.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct About {
    /// The format as which the dump was read.
    pub format: Cow<'static, str>,
    /// The file.
    pub file: String,
    /// Bytes of the dump, decompressed.
    pub bytes: u64,
    /// `cpython`, …
    pub runtime: Option<String>,
    /// Version of the runtime.
    pub runtime_version: Option<String>,
    /// When it was taken, as the dump writes it.
    pub time: Option<String>,
    /// The dumped process.
    pub pid: Option<u64>,
    /// Its command line.
    pub command: Option<String>,
    /// Its resident memory in bytes.
    pub resident: Option<u64>,
    /// Bytes of that which are its own, not of a file or shared.
    pub anonymous: Option<u64>,
    /// Bytes of the process that were swapped out.
    pub swap: Option<u64>,
    /// Bytes of the arenas that the interpreter had for small objects.
    pub arenas: Option<u64>,
    /// Bytes of the blocks in them that were in use.
    pub arenas_used: Option<u64>,
    /// What the capture could not see, and how often.
    pub unseen: Vec<(String, u64)>,
    /// Whether references have names in this dump.
    pub has_reference_names: bool,
    /// Whether roots were marked in the dump; otherwise they were recognised by their type.
    pub has_marked_roots: bool,
}

/// Damage that was worked around while reading, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Damage {
    /// Records that could not be read, and were left out.
    pub broken_records: u64,
    /// Byte offset and reason of the first of them.
    pub first_broken: Option<(u64, String)>,
    /// References to addresses that no record describes; left out.
    pub dangling_references: u64,
    /// Roots whose object no record describes; left out.
    pub dangling_roots: u64,
    /// Records whose id another record repeats; the last one counts.
    pub duplicate_ids: u64,
    /// Ids of 2⁵³ and more: read exactly, but a writer that goes through floating point has rounded them.
    pub wide_ids: u64,
    /// Sizes that are texts and no numbers; counted as 0.
    #[serde(default)]
    pub unread_sizes: u64,
    /// Surrogates without partner in strings; shown as `\ud800`.
    pub lone_surrogates: u64,
    /// Why the dump ends early, if it does.
    pub cut_off: Option<String>,
}

impl Damage {
    /// Adds what another part of the dump has; parts in dump order.
    pub fn merge(&mut self, later: Self) {
        self.broken_records += later.broken_records;
        self.first_broken = self.first_broken.take().or(later.first_broken);
        self.dangling_references += later.dangling_references;
        self.dangling_roots += later.dangling_roots;
        self.duplicate_ids += later.duplicate_ids;
        self.wide_ids += later.wide_ids;
        self.unread_sizes += later.unread_sizes;
        self.lone_surrogates += later.lone_surrogates;
        self.cut_off = self.cut_off.take().or(later.cut_off);
    }

    /// Counts a record that could not be read.
    pub fn broken(&mut self, offset: u64, reason: impl Into<String>) {
        self.broken_records += 1;
        if self.first_broken.is_none() {
            self.first_broken = Some((offset, reason.into()));
        }
    }

    /// Each kind of damage that occurred, in words.
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(reason) = &self.cut_off {
            facts.push(format!("the dump is cut off: {reason}"));
        }
        if let Some((offset, reason)) = &self.first_broken {
            let records = counted(self.broken_records, "broken record");
            facts.push(format!("{records} left out, the first at byte {offset}: {reason}"));
        }
        let mut count = |count: u64, what: &str, consequence: &str| {
            if count > 0 {
                facts.push(format!("{}{consequence}", counted(count, what)));
            }
        };
        count(self.dangling_references, "dangling reference", " left out (no record has their address)");
        count(self.dangling_roots, "dangling root", " left out (no record has their address)");
        count(self.duplicate_ids, "duplicate id", ": the last record counts");
        count(self.wide_ids, "id", " of 2⁵³ or more: read exactly, but a writer that used floating point rounded them");
        count(self.unread_sizes, "size", " in words, which is no number of bytes: taken for 0");
        count(self.lone_surrogates, "lone surrogate", " in strings, shown escaped");
        facts
    }
}
