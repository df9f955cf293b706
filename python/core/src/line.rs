//! One object's line while it is put together.

use crate::api::Object;
use crate::buffer::{Array, Text};
use crate::json;

/// What an object refers to and what else its line says; cleared and used again for each object.
pub struct Line {
    /// Shallow size in bytes.
    pub size: usize,
    /// Further keys, each with a comma in front.
    pub tail: Text,
    /// Targets of the references, as often as the object holds each.
    pub targets: Array<Object>,
    /// Their names as JSON, a comma behind each.
    pub edges: Text,
    /// What the object refers to without holding it, 0 for nothing.
    pub weak: Object,
    /// Keys of a dictionary, and from where to where in `edges` each is named.
    pub keys: Array<(Object, usize, usize)>,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Line { size: 0, tail: Text::new(), targets: Array::new(), weak: 0, edges: Text::new(), keys: Array::new() }
    }

    /// Begins the next object.
    pub fn clear(&mut self) {
        self.tail.clear();
        self.targets.clear();
        self.weak = 0;
        self.edges.clear();
        self.keys.clear();
    }

    /// Adds a reference whose name has been written to the edges.
    #[inline]
    pub fn refer(&mut self, target: Object) {
        self.edges.push(b',');
        self.targets.push(target);
    }

    /// Adds a reference with a name that needs no escapes.
    #[inline]
    pub fn refer_as(&mut self, target: Object, name: &[u8]) {
        self.edges.push(b'"');
        self.edges.extend(name);
        self.edges.push(b'"');
        self.refer(target);
    }

    /// Adds a reference to an item at an index.
    #[inline]
    pub fn refer_item(&mut self, target: Object, index: usize) {
        self.edges.extend(b"\"[");
        json::number(&mut self.edges, index as u64);
        self.edges.extend(b"]\"");
        self.refer(target);
    }

    /// Adds the number of items, characters or bytes.
    pub fn length(&mut self, length: usize) {
        self.tail.extend(b",\"len\":");
        json::number(&mut self.tail, length as u64);
    }

    /// Writes the whole line.
    ///
    /// `prefix` is what its type has in common, from the comma after the address to the size; `is_leaf` that objects of
    /// this type never refer to others; `count` the reference count, nothing for an immortal object.
    pub fn write(&self, out: &mut Text, object: Object, prefix: &[u8], is_leaf: bool, count: Option<usize>) {
        out.extend(b"{\"address\":");
        json::number(out, object as u64);
        out.extend(prefix);
        json::number(out, self.size as u64);
        out.extend(b",\"refs\":[");
        for &target in self.targets.as_slice() {
            json::number(out, target as u64);
            out.push(b',');
        }
        if !self.targets.is_empty() {
            out.truncate(out.len() - 1);
        }
        out.push(b']');
        if !is_leaf {
            let edges = self.edges.as_slice();
            out.extend(b",\"edges\":[");
            out.extend(edges.get(..edges.len().saturating_sub(1)).unwrap_or_default());
            out.push(b']');
        }
        out.extend(self.tail.as_slice());
        if self.weak != 0 {
            out.extend(b",\"weak\":[");
            json::number(out, self.weak as u64);
            out.push(b']');
        }
        match count {
            Some(count) => {
                out.extend(b",\"rc\":");
                json::number(out, count as u64);
            }
            None => out.extend(b",\"root\":\"immortal\""),
        }
        out.extend(b"}\n");
    }

    /// Whether memory ran out in any part.
    pub fn failed(&self) -> bool {
        self.tail.failed || self.targets.failed || self.edges.failed || self.keys.failed
    }
}
