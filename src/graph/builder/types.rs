//! Numbers of types, by how a dump writes their names.

use rustc_hash::FxHashMap;

use crate::graph::names::Names;

/// Types of a piece of a dump. What is written alike is decoded once.
#[derive(Debug, Default)]
pub struct TypeTable {
    names: Names,
    /// Numbers by the raw bytes of module and name.
    raw: FxHashMap<Box<[u8]>, u32>,
    /// Room for putting such bytes together.
    room: Vec<u8>,
    /// Types that were met last, by a few bits of their names.
    recent: Vec<Recent>,
}

/// A type by how it is written.
#[derive(Debug, Clone, Default)]
struct Recent {
    module: Box<[u8]>,
    name: Box<[u8]>,
    number: u32,
}

/// Types that are found again without hashing.
const RECENT: usize = 256;

impl TypeTable {
    /// The number of a type in this table. `module` and `name` are how the dump writes it, neither with a newline at its end;
    /// `decode` makes its qualified name.
    pub fn number(&mut self, module: &[u8], name: &[u8], decode: impl FnOnce() -> String) -> u32 {
        // the last byte may be a quote
        let late = usize::from(name.get(name.len().saturating_sub(2)).copied().unwrap_or(0));
        let middle = usize::from(name.get(name.len() / 2).copied().unwrap_or(0));
        let mixed = name.len().wrapping_mul(31) ^ late.wrapping_mul(7) ^ module.len() ^ middle.wrapping_mul(13);
        let place = mixed % RECENT;
        if let Some(recent) = self.recent.get(place)
            && *recent.name == *name
            && recent.module.len() == module.len()
            // comparing nothing reads from a place that is not mapped, which costs some processors hundreds of cycles
            && (module.is_empty() || *recent.module == *module)
        {
            return recent.number;
        }
        let number = self.hashed_number(module, name, decode);
        if self.recent.is_empty() {
            // no type has an empty name and this module
            let none = Recent { module: b"\n".as_slice().into(), ..Recent::default() };
            self.recent = vec![none; RECENT];
        }
        self.recent[place] = Recent { module: module.into(), name: name.into(), number };
        number
    }

    #[cold]
    fn hashed_number(&mut self, module: &[u8], name: &[u8], decode: impl FnOnce() -> String) -> u32 {
        self.room.clear();
        self.room.extend_from_slice(module);
        self.room.push(b'\n');
        self.room.extend_from_slice(name);
        if let Some(&number) = self.raw.get(self.room.as_slice()) {
            return number;
        }
        let number = self.names.intern(&decode());
        self.raw.insert(self.room.as_slice().into(), number);
        number
    }

    /// The qualified names, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }
}
