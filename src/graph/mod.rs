//! The heap as a frozen graph: columns of objects, references forward and backward, roots.
//!
//! n objects, m references. A [`HeapGraph`] is built once by a [`GraphBuilder`] and never changes: it is `Sync`, computes
//! nothing lazily, and whatever is derived from it is returned, not stored in it. Text stays in the dump: an object knows
//! the place of its record, and a [`Records`] reads names and values from there for what is shown.

pub mod address;
pub mod builder;
pub mod column;
pub mod csr;
pub mod grouped;
pub mod heap;
pub mod id;
pub mod index;
pub mod names;
pub mod petgraph;
pub mod reference;
pub mod results;
pub mod sizes;
mod stored;
mod types;

pub use builder::{GraphBuilder, ObjectTable};
pub use heap::{About, Damage, Description, Heap, Records, ReferenceSlot};
pub use id::{ObjectId, TypeId};
pub use reference::{ReferenceKind, ReferenceName};
pub(crate) use sizes::PlainSizes;
pub use sizes::Sizes;

use std::ops::Range;

use address::Addresses;
use column::Column;
use csr::Csr;
use grouped::Grouped;
use names::Names;
use types::Types;

/// A root: an object that lives because of where it is known, not because another object holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The object that is held.
    pub object: ObjectId,
    /// What holds it.
    pub kind: RootKind,
    /// The module's name, the function of the frame; `None` where the dump does not say.
    pub name: Option<Box<str>>,
}

/// What makes an object a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// A module in `sys.modules`.
    Module,
    /// The frame of a running thread.
    Frame,
    /// Any other kind, named by the dump: `builtin`, `atexit`, `signal`, `task`, `context`, `exception`, `native`, …
    Other(Box<str>),
}

impl RootKind {
    /// The kind that a dump calls `word`.
    pub fn from_word(word: &str) -> Self {
        match word {
            "module" => Self::Module,
            "frame" | "thread" => Self::Frame,
            _ => Self::Other(word.into()),
        }
    }

    /// What a dump and the JSON answer call it.
    pub fn word(&self) -> &str {
        match self {
            Self::Module => "module",
            Self::Frame => "frame",
            Self::Other(word) => word,
        }
    }

    /// The kind in words for people: `thread frame`.
    pub fn title(&self) -> &str {
        match self {
            Self::Frame => "thread frame",
            _ => self.word(),
        }
    }
}

/// A reference that does not keep its target alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakReference {
    /// Who refers.
    pub source: ObjectId,
    /// To whom.
    pub target: ObjectId,
}

/// Where records stand in the decompressed dump.
#[derive(Debug)]
enum Places {
    /// From a base on.
    Based {
        /// First row, and the base from that row on; sorted by row.
        bases: Vec<(u32, u64)>,
        distances: Column<u32>,
    },
    /// In groups, which is smaller where records are not very long.
    Grouped(Grouped<u16>),
}

impl Places {
    /// Groups places, if they take less room then.
    fn of(bases: Vec<(u32, u64)>, distances: Column<u32>) -> Self {
        let plain = &distances[..];
        let part = |rows: Range<usize>| {
            let (base, next) = base_of(&bases, rows.start);
            (rows.end <= next).then(|| (base, &plain[rows]))
        };
        let get = |row| base_of(&bases, row).0.saturating_add(u64::from(plain[row]));
        let grouped = Grouped::of_parts(plain.len(), part, get);
        if grouped.is_small() { Self::Grouped(grouped) } else { Self::Based { bases, distances } }
    }

    fn get(&self, row: usize) -> u64 {
        match self {
            Self::Based { bases, distances } => base_of(bases, row).0.saturating_add(u64::from(distances.get(row))),
            Self::Grouped(places) => places.get(row),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Based { distances, .. } => distances.len(),
            Self::Grouped(places) => places.len(),
        }
    }
}

/// The base from which the place of a row counts, and the first row after it that has another one.
fn base_of(bases: &[(u32, u64)], row: usize) -> (u64, usize) {
    let next = bases.partition_point(|(first, _)| *first as usize <= row);
    let base = next.checked_sub(1).map_or(0, |place| bases[place].1);
    (base, bases.get(next).map_or(usize::MAX, |(first, _)| *first as usize))
}

/// A frozen heap: columns of n entries, references of m entries, roots.
#[derive(Debug)]
pub struct HeapGraph {
    /// Address of each object; n entries, distinct.
    addresses: Addresses,
    /// Type of each object; n entries.
    types: Types,
    /// Shallow size of each object in bytes; n entries.
    sizes: Sizes,
    /// Byte offset of each object's record in the decompressed dump; n entries.
    places: Places,
    /// Strong references by holder, in dump order.
    forward: Csr,
    /// Strong references by target.
    reverse: Csr,
    /// References that do not retain.
    weak: Vec<WeakReference>,
    /// Bytes held outside the heap (array buffers), for the few objects that have them; sorted by object.
    external: Vec<(ObjectId, u64)>,
    /// Qualified type names, `builtins.` left out.
    type_names: Names,
    /// In dump order.
    roots: Vec<Root>,
    /// Texts of ids that are no numbers; the address of such an object is `first_named` plus its place here.
    named_ids: Vec<Box<str>>,
    first_named: u64,
}

impl HeapGraph {
    /// How many objects there are: n.
    pub fn object_count(&self) -> usize {
        self.addresses.len()
    }

    /// How many strong references there are, parallel ones counted each: m.
    pub fn reference_count(&self) -> usize {
        self.forward.reference_count()
    }

    /// All objects in dump order.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = ObjectId> + use<> {
        (0..self.object_count()).map(ObjectId::at)
    }

    /// The address of an object; made up where the dump's ids are no numbers (see [`HeapGraph::id_text`]).
    pub fn address(&self, object: ObjectId) -> u64 {
        self.addresses.get(object.index())
    }

    /// The object's id as a person would paste it: hexadecimal address, or the dump's own text.
    pub fn id_text(&self, object: ObjectId) -> String {
        let address = self.address(object);
        self.named_id(object).map_or_else(|| format!("{address:#x}"), ToOwned::to_owned)
    }

    /// The dump's own text for an object whose id is no number.
    pub fn named_id(&self, object: ObjectId) -> Option<&str> {
        let place = self.address(object).checked_sub(self.first_named)?;
        self.named_ids.get(usize::try_from(place).ok()?).map(AsRef::as_ref)
    }

    /// The object at `address`. O(n): for what a person asks for.
    pub fn object_at(&self, address: u64) -> Option<ObjectId> {
        self.addresses.find(address).map(ObjectId::at)
    }

    /// The object whose id is `text`, where ids are no numbers.
    pub fn object_named(&self, text: &str) -> Option<ObjectId> {
        let place = self.named_ids.iter().position(|id| &**id == text)?;
        self.object_at(self.first_named + place as u64)
    }

    /// The type of an object.
    #[inline]
    pub fn type_of(&self, object: ObjectId) -> TypeId {
        self.types.get(object.index())
    }

    /// The objects of the wanted types, in dump order. `is_wanted` is by type. O(n), but for types of few objects in a heap
    /// that comes from an index.
    pub fn objects_of(&self, is_wanted: &[bool]) -> Vec<ObjectId> {
        self.types.objects_of(is_wanted)
    }

    /// The qualified name of an object's type; built-in types without `builtins.`.
    pub fn type_name_of(&self, object: ObjectId) -> &str {
        self.type_name(self.type_of(object))
    }

    /// The qualified name of a type.
    pub fn type_name(&self, type_id: TypeId) -> &str {
        self.type_names.get(type_id.0)
    }

    /// All types that occurred, in order of first appearance.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &str)> {
        (0..).map(TypeId).zip(self.type_names.iter())
    }

    /// The object's own size in bytes, without what it holds.
    #[inline]
    pub fn shallow_size(&self, object: ObjectId) -> u64 {
        self.sizes.get(object.index())
    }

    /// All that the objects hold, by row, where none holds anything outside the heap.
    pub(crate) fn plain_sizes(&self) -> Option<PlainSizes<'_>> {
        self.external.is_empty().then(|| self.sizes.plain())
    }

    /// Whether some object holds memory outside the heap.
    pub fn has_external_sizes(&self) -> bool {
        !self.external.is_empty()
    }

    /// Bytes that the object holds outside the heap.
    pub fn external_size(&self, object: ObjectId) -> u64 {
        self.external.binary_search_by_key(&object, |(object, _)| *object).map_or(0, |place| self.external[place].1)
    }

    /// Byte offset of the object's record in the decompressed dump.
    pub fn place(&self, object: ObjectId) -> u64 {
        self.places.get(object.index())
    }

    /// Strong references by holder.
    pub fn forward(&self) -> &Csr {
        &self.forward
    }

    /// Strong references by target.
    pub fn reverse(&self) -> &Csr {
        &self.reverse
    }

    /// The objects that `object` refers to, in dump order, parallel references each.
    pub fn referents(
        &self,
        object: ObjectId,
    ) -> impl ExactSizeIterator<Item = ObjectId> + DoubleEndedIterator + Clone + '_ {
        self.forward.row(object).iter().map(|&target| ObjectId(target))
    }

    /// The objects that refer to `object`, in dump order, parallel references each.
    pub fn referrers(
        &self,
        object: ObjectId,
    ) -> impl ExactSizeIterator<Item = ObjectId> + DoubleEndedIterator + Clone + '_ {
        self.reverse.row(object).iter().map(|&source| ObjectId(source))
    }

    /// How many strong references lead to an object; none of them is looked at.
    pub fn referrer_count(&self, object: ObjectId) -> usize {
        self.reverse.range(object).len()
    }

    /// References that do not retain.
    pub fn weak_references(&self) -> &[WeakReference] {
        &self.weak
    }

    /// The roots in dump order; one object may be a root several times.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }
}
