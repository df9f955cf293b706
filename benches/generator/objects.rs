//! Objects under construction: the base, to which everything may refer, and the region that is written next.

use std::collections::HashMap;

use super::address::Allocator;
use super::class::{Class, Names, Shown};

/// An object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Where it lies: what others refer to.
    pub address: u64,
    row: u32,
    is_base: bool,
}

/// Columns of objects. References are collected in any order, and come out by holder.
#[derive(Debug, Default)]
pub struct Part {
    classes: Vec<&'static Class>,
    /// Characters of strings; 0 for others.
    lengths: Vec<u32>,
    addresses: Vec<u64>,
    /// References to each object that were made so far.
    counts: Vec<u32>,
    /// Row of the holder, and address of the target, in the order in which they were made.
    references: Vec<(u32, u64)>,
}

impl Part {
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    fn push(&mut self, class: &'static Class, length: usize, address: u64, is_base: bool) -> Object {
        self.classes.push(class);
        self.lengths.push(if class.shown == Shown::Text { u32::try_from(length).unwrap_or(0) } else { 0 });
        self.addresses.push(address);
        self.counts.push(0);
        Object { address, row: u32::try_from(self.len() - 1).unwrap_or(u32::MAX), is_base }
    }

    /// All objects, each with the addresses that it refers to.
    pub fn views<'a>(&'a mut self, texts: &'a Texts) -> impl Iterator<Item = View<'a>> {
        // stable: references of one holder stay in the order in which they were made
        self.references.sort_by_key(|(holder, _)| *holder);
        let part = &*self;
        let mut rest = part.references.as_slice();
        (0u32..).zip(&part.classes).enumerate().map(move |(place, (row, class))| {
            let count = rest.iter().take_while(|(holder, _)| *holder == row).count();
            let (references, others) = rest.split_at(count);
            rest = others;
            let (address, characters) = (part.addresses[place], part.lengths[place]);
            View { class, address, count: part.counts[place], characters, references, texts }
        })
    }
}

/// Texts of the objects that have one of their own, by address.
pub type Texts = HashMap<u64, Box<str>>;

/// An object as it is to be written.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Its type.
    pub class: &'static Class,
    /// Where it lies.
    pub address: u64,
    /// References to it.
    pub count: u32,
    /// Characters of a string; 0 for others.
    characters: u32,
    references: &'a [(u32, u64)],
    texts: &'a Texts,
}

impl<'a> View<'a> {
    /// An object without texts, of whose referrers nothing is known.
    pub fn bare(class: &'static Class, address: u64, references: &'a [(u32, u64)], texts: &'a Texts) -> Self {
        Self { class, address, count: 0, characters: 0, references, texts }
    }

    /// The addresses that it refers to, in order.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = u64> + 'a {
        self.references.iter().map(|(_, target)| *target)
    }

    /// Its own text, if it has one.
    pub fn text(&self) -> Option<&'a str> {
        self.texts.get(&self.address).map(AsRef::as_ref)
    }

    /// Items of a container, characters of a string, otherwise 0.
    pub fn length(&self) -> usize {
        match (self.class.shown, self.class.names) {
            (Shown::Length, Names::Entries) => self.references.len() / 2,
            (Shown::Length, _) => self.references.len(),
            _ => self.characters as usize,
        }
    }

    /// Shallow size in bytes.
    pub fn size(&self) -> u64 {
        size(self.class, self.length())
    }

    /// How the reference at `position` is called.
    pub fn name(&self, position: usize) -> Name<'a> {
        match self.class.names {
            Names::Positions => Name::Position(position),
            Names::Fields(fields) => Name::Field(fields[position]),
            Names::Entries => {
                let values = self.references.len() / 2;
                let is_key = position >= values;
                let key = self.references[if is_key { position } else { position + values }].1;
                self.texts.get(&key).map_or(Name::Unknown, |text| Name::Entry { text, is_key })
            }
        }
    }
}

/// The name of a reference.
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    /// `[3]`.
    Position(usize),
    /// `__dict__`, `.status`.
    Field(&'static str),
    /// `['status']`, and `key ['status']` for the key itself; numbers without quotes.
    Entry {
        /// What is between the brackets, without quotes.
        text: &'a str,
        /// Whether the reference is to the key.
        is_key: bool,
    },
    /// The key has no short text.
    Unknown,
}

/// The heap while it is made. Only the base and one region are in memory, so that a heap of any size can be written.
#[derive(Debug)]
pub struct World {
    /// Written last: it holds all regions.
    pub base: Part,
    /// Under construction.
    pub region: Part,
    /// Texts of the base.
    pub texts: Texts,
    allocator: Allocator,
}

impl World {
    /// An empty heap.
    pub fn new(seed: u64) -> Self {
        Self { base: Part::default(), region: Part::default(), texts: Texts::new(), allocator: Allocator::new(seed) }
    }

    /// A new object of the region, with room for `length` items or characters.
    pub fn object(&mut self, class: &'static Class, length: usize) -> Object {
        let address = self.allocate(class, length);
        self.region.push(class, length, address, false)
    }

    /// A new object of the base, with room for `length` items or characters.
    pub fn base_object(&mut self, class: &'static Class, length: usize) -> Object {
        let address = self.allocate(class, length);
        self.base.push(class, length, address, true)
    }

    /// A new object of the base with a text of its own: a name, the value of a string, or a number.
    pub fn base_text(&mut self, class: &'static Class, text: &str) -> Object {
        let object = self.base_object(class, text.len());
        self.texts.insert(object.address, text.into());
        object
    }

    /// A new object of the base that lies in the interpreter's data segment.
    pub fn static_object(&mut self, class: &'static Class) -> Object {
        let address = self.allocator.allocate_static(size(class, 0));
        self.base.push(class, 0, address, true)
    }

    /// Lets `holder` refer to `target`. Both are in memory: of the base, or of the same region.
    pub fn refer(&mut self, holder: Object, target: Object) {
        let part = if target.is_base { &mut self.base } else { &mut self.region };
        part.counts[target.row as usize] += 1;
        let part = if holder.is_base { &mut self.base } else { &mut self.region };
        part.references.push((holder.row, target.address));
    }

    /// Lets `holder` refer to all `targets`, in order.
    pub fn refer_all(&mut self, holder: Object, targets: &[Object]) {
        for &target in targets {
            self.refer(holder, target);
        }
    }

    /// Lets `holder` map keys to values.
    pub fn map_all(&mut self, holder: Object, entries: &[(Object, Object)]) {
        for &(_, value) in entries {
            self.refer(holder, value);
        }
        for &(key, _) in entries {
            self.refer(holder, key);
        }
    }

    fn allocate(&mut self, class: &Class, length: usize) -> u64 {
        let is_leaf = matches!(class.shown, Shown::Text | Shown::Integer | Shown::Float);
        // items of lists and tables of dictionaries lie elsewhere
        let body = if class.shown == Shown::Length { class.size.into() } else { size(class, length) };
        self.allocator.allocate(body, !is_leaf)
    }
}

/// Shallow size in bytes.
fn size(class: &Class, length: usize) -> u64 {
    u64::from(class.size) + u64::from(class.item_size) * length as u64
}
