//! Numbers that name rows: an object, a type.

/// An object: its row in the columns of a [`HeapGraph`](super::HeapGraph), in dump order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// A type: its row in the table of type names, in order of first appearance in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// At most this many objects fit: two values of `u32` are kept for sentinels.
pub const MAX_OBJECTS: u64 = u32::MAX as u64 - 1;

impl ObjectId {
    /// The row as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The object at `index`, which must be below [`MAX_OBJECTS`].
    pub fn at(index: usize) -> Self {
        debug_assert!((index as u64) < MAX_OBJECTS);
        #[expect(clippy::cast_possible_truncation, reason = "the builder refuses more than MAX_OBJECTS rows")]
        Self(index as u32)
    }
}

impl TypeId {
    /// The row as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<ObjectId> for u32 {
    fn from(object: ObjectId) -> Self {
        object.0
    }
}
