//! What is known of each class that has been met: how its instances are described, and what their lines have in common.

use core::ffi::CStr;

use crate::api::{Api, Object};
use crate::buffer::{Array, Text};
use crate::json;
use crate::layout::{byte, types, word};
use crate::template::Templates;

/// Bytes of the largest objects whose fields are learnt.
const LEARNT: usize = 512;

/// How the instances of a class are described.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By Python.
    Described,
    String,
    Bytes,
    Integer,
    Tuple,
    List,
    Dict,
    Set,
    Cell,
    Float,
    /// A weak reference of the built-in type itself.
    Weak,
    /// A function, member or attribute of a built-in type, as its class shows it.
    Descriptor,
    /// Of a type whose fields are learnt.
    Learnt,
    /// Without references and without anything to say but a size.
    Plain,
    /// Of a class written in Python, over nothing but `object`: slots, attributes, class.
    Instance,
}

/// What Python says of a class.
pub struct Plan<'a> {
    /// What the lines of its instances have between address and size.
    pub prefix: &'a [u8],
    /// Bytes of an instance, or of an empty one where sizes vary; nothing leaves the class to Python.
    pub size: Option<usize>,
    /// Instances name their class among their references.
    pub refers_to_class: bool,
    /// Each instance must be asked for its size, which is safe.
    pub asks_size: bool,
    /// Instances have neither references nor anything else to say.
    pub is_plain: bool,
    /// Instances are laid out as the descriptors of built-in types are.
    pub is_descriptor: bool,
}

/// A class.
#[derive(Clone, Copy)]
pub struct Class {
    pub address: Object,
    pub kind: Kind,
    /// Shapes of instances whose native description has been compared with that of Python: one bit for each.
    pub checked: u8,
    /// Those whose descriptions differed, and which are left to Python.
    pub refused: u8,
    /// Bytes of an instance, or of an empty one where sizes vary.
    pub size: usize,
    /// Instances name their class among their references.
    pub refers_to_class: bool,
    /// Each instance must be asked for its size.
    pub asks_size: bool,
    /// Number of what is learnt of it, for [`Kind::Learnt`].
    pub template: usize,
    prefix: (usize, usize),
    slots: (usize, usize),
}

impl Class {
    /// Whether instances never refer to other objects, as far as the collector is concerned.
    pub fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::String | Kind::Bytes | Kind::Integer | Kind::Float | Kind::Plain)
    }
}

/// A member that `__slots__` made.
#[derive(Clone, Copy)]
pub struct Slot {
    pub offset: usize,
    name: (usize, usize),
}

/// All classes that were met.
pub struct Classes {
    /// Open addressing with linear probing over the addresses; position in `classes` plus one, 0 where empty.
    table: Array<u32>,
    classes: Array<Class>,
    slots: Array<Slot>,
    names: Text,
    /// `tp_traverse` and `tp_dealloc` of every class written in Python.
    python: (usize, usize),
}

impl Classes {
    /// Knows nothing yet but a class written in Python, by which it recognises others.
    ///
    /// # Safety
    /// `sample` is such a class.
    pub unsafe fn new(sample: Object) -> Self {
        // SAFETY: a class is a type object
        let python = unsafe { (word(sample, types::TRAVERSE), word(sample, types::DEALLOC)) };
        Classes { table: zeros(1024), classes: Array::new(), slots: Array::new(), names: Text::new(), python }
    }

    /// Memory ran out.
    pub fn failed(&self) -> bool {
        self.table.failed || self.classes.failed || self.slots.failed || self.names.failed
    }

    /// Position of a class, if it has been met.
    #[inline]
    pub fn find(&self, class: Object) -> Option<usize> {
        let position = *self.table.as_slice().get(self.place(class))? as usize;
        position.checked_sub(1)
    }

    /// The class at a position.
    #[inline]
    pub fn get(&self, position: usize) -> Option<Class> {
        self.classes.as_slice().get(position).copied()
    }

    /// The class at a position, to be changed.
    pub fn get_mut(&mut self, position: usize) -> Option<&mut Class> {
        self.classes.as_mut_slice().get_mut(position)
    }

    /// What the lines of a class's instances have between address and size.
    pub fn prefix(&self, class: &Class) -> &[u8] {
        self.names.as_slice().get(class.prefix.0..class.prefix.1).unwrap_or_default()
    }

    /// Slots of a class, those of its bases included.
    pub fn slots(&self, class: &Class) -> &[Slot] {
        self.slots.as_slice().get(class.slots.0..class.slots.1).unwrap_or_default()
    }

    /// Name of a slot with a dot in front, without quotes.
    pub fn slot_name(&self, slot: &Slot) -> &[u8] {
        self.names.as_slice().get(slot.name.0..slot.name.1).unwrap_or_default()
    }

    /// Adds a class that has not been met, and gives its position.
    ///
    /// # Safety
    /// `address` is a living type object.
    pub unsafe fn add(
        &mut self,
        api: &Api,
        address: Object,
        plan: &Plan<'_>,
        templates: Option<&mut Templates>,
    ) -> usize {
        // SAFETY: the caller's promise
        let (kind, slots) = match plan.size {
            None => (Kind::Described, (0, 0)),
            Some(_) if plan.is_plain => (Kind::Plain, (0, 0)),
            Some(_) if plan.is_descriptor => (Kind::Descriptor, (0, 0)),
            Some(_) => unsafe { self.kind(api, address) },
        };
        let (kind, template) = match (kind, plan.size, templates) {
            // SAFETY: the caller's promise
            (Kind::Described, Some(_), Some(templates)) if unsafe { can_be_learnt(address) } => {
                (Kind::Learnt, templates.add())
            }
            (Kind::Instance, Some(_), _) if plan.asks_size => (Kind::Described, 0),
            _ => (kind, 0),
        };
        let prefix = self.name(plan.prefix);
        let size = plan.size.unwrap_or_default();
        self.classes.push(Class {
            address,
            kind,
            checked: 0,
            refused: 0,
            size,
            refers_to_class: plan.refers_to_class,
            asks_size: plan.asks_size,
            template,
            prefix,
            slots,
        });
        if self.classes.len() * 2 > self.table.len() {
            self.rehash();
        }
        let place = self.place(address);
        if let Some(position) = self.table.as_mut_slice().get_mut(place) {
            *position = self.classes.len() as u32;
        }
        self.classes.len() - 1
    }

    /// How a class's instances are laid out, and their slots.
    ///
    /// # Safety
    /// As for [`Self::add`].
    unsafe fn kind(&mut self, api: &Api, class: Object) -> (Kind, (usize, usize)) {
        let exact = [
            (api.PyUnicode_Type, Kind::String),
            (api.PyBytes_Type, Kind::Bytes),
            (api.PyLong_Type, Kind::Integer),
            (api.PyTuple_Type, Kind::Tuple),
            (api.PyList_Type, Kind::List),
            (api.PyDict_Type, Kind::Dict),
            (api.PySet_Type, Kind::Set),
            (api.PyFrozenSet_Type, Kind::Set),
            (api.PyCell_Type, Kind::Cell),
            (api.PyFloat_Type, Kind::Float),
            (api._PyWeakref_RefType, Kind::Weak),
        ];
        if let Some(&(_, kind)) = exact.iter().find(|(builtin, _)| *builtin == class) {
            return (kind, (0, 0));
        }
        let first = self.slots.len();
        // SAFETY: the caller's promise, and bases of types are types
        if unsafe { self.is_plain(api, class) } {
            (Kind::Instance, (first, self.slots.len()))
        } else {
            (Kind::Described, (0, 0))
        }
    }

    /// Whether a class and all its bases down to `object` are written in Python; their slots are added on the way.
    ///
    /// # Safety
    /// As for [`Self::add`].
    unsafe fn is_plain(&mut self, api: &Api, class: Object) -> bool {
        let mut base = class;
        // SAFETY: fields of type objects; each base is one
        unsafe {
            let size = word(class, types::BASIC_SIZE);
            if word(class, types::ITEM_SIZE) != 0 || size > 1 << 20 {
                return false;
            }
            for _ in 0..1000 {
                if base == api.PyBaseObject_Type {
                    return true;
                }
                let heap_type = word(base, types::FLAGS) & types::HEAP_TYPE != 0;
                let (traverse, dealloc) = (word(base, types::TRAVERSE), word(base, types::DEALLOC));
                // nothing to traverse: `__slots__ = ()` throughout
                let python = heap_type && dealloc == self.python.1 && (traverse == 0 || traverse == self.python.0);
                if !python || !self.add_slots(base, size) {
                    return false;
                }
                base = word(base, types::BASE);
            }
        }
        false
    }

    /// Adds the slots that one class adds to its instances; false where they are not understood.
    ///
    /// # Safety
    /// `class` is a class written in Python.
    unsafe fn add_slots(&mut self, class: Object, size: usize) -> bool {
        // SAFETY: members of a class are as many as its size says, or fewer and ended by one without a name
        unsafe {
            let (members, count) = (word(class, types::MEMBERS), word(class, types::SLOTS));
            if members == 0 || count > 1 << 16 {
                return count == 0;
            }
            for index in 0..count {
                let member = members + index * types::MEMBER_BYTES;
                let name = word(member, 0);
                if name == 0 {
                    break;
                }
                let offset = word(member, types::MEMBER_OFFSET);
                if word(member, types::MEMBER_TYPE) as i32 != types::SLOT {
                    return false;
                }
                if !offset.is_multiple_of(8) || offset < 16 || offset + 8 > size || byte(name, 0) == 0 {
                    return false;
                }
                let name = CStr::from_ptr(name as *const _).to_bytes();
                if !name.iter().all(|&byte| json::is_plain(byte)) {
                    return false;
                }
                let start = self.names.len();
                self.names.push(b'.');
                self.names.extend(name);
                self.slots.push(Slot { offset, name: (start, self.names.len()) });
            }
        }
        true
    }

    fn name(&mut self, name: &[u8]) -> (usize, usize) {
        let start = self.names.len();
        self.names.extend(name);
        (start, self.names.len())
    }

    /// Where a class is in the table, or the empty place where it belongs.
    #[inline]
    fn place(&self, class: Object) -> usize {
        let table = self.table.as_slice();
        let mask = table.len().wrapping_sub(1);
        let mut place = class.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24 & mask;
        while let Some(&position) = table.get(place) {
            let other = (position as usize).checked_sub(1).and_then(|at| self.classes.as_slice().get(at));
            if other.is_none_or(|other| other.address == class) {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }

    fn rehash(&mut self) {
        self.table = zeros(self.table.len().max(512) * 2);
        // the newest is put in by who adds it
        for position in 0..self.classes.len() - 1 {
            let address = self.classes.as_slice().get(position).map_or(0, |class| class.address);
            let place = self.place(address);
            if let Some(entry) = self.table.as_mut_slice().get_mut(place) {
                *entry = position as u32 + 1;
            }
        }
    }
}

/// Whether the fields of a class's instances can be looked at one by one.
///
/// # Safety
/// `class` is a living type object.
unsafe fn can_be_learnt(class: Object) -> bool {
    // SAFETY: the caller's promise
    unsafe { word(class, types::BASIC_SIZE) <= LEARNT && word(class, types::IS_COLLECTED) == 0 }
}

fn zeros(count: usize) -> Array<u32> {
    let mut table = Array::new();
    for _ in 0..count {
        table.push(0);
    }
    table
}
