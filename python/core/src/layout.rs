//! Where CPython keeps what: offsets in bytes, for 64-bit builds with a global interpreter lock.
//!
//! Each function reads from an object whose type has been checked, and so must only be called on such.

use crate::api::Object;

/// Reads the word at an offset of an object.
///
/// # Safety
/// The object is alive and at least `offset + 8` bytes large.
#[inline]
pub unsafe fn word(object: Object, offset: usize) -> usize {
    // SAFETY: the caller's promise; objects are aligned to eight bytes
    unsafe { *((object + offset) as *const usize) }
}

/// Reads the byte at an offset of an object.
///
/// # Safety
/// As for [`word`].
#[inline]
pub unsafe fn byte(object: Object, offset: usize) -> u8 {
    // SAFETY: the caller's promise
    unsafe { *((object + offset) as *const u8) }
}

/// Type of an object.
///
/// # Safety
/// The object is alive.
#[inline]
pub unsafe fn type_of(object: Object) -> Object {
    // SAFETY: every object begins with its reference count and its type
    unsafe { word(object, 8) }
}

/// Fields of a type object, the same from 3.8 to 3.15.
pub mod types {
    /// `ob_size`: number of slots that the class itself adds.
    pub const SLOTS: usize = 16;
    pub const BASIC_SIZE: usize = 32;
    pub const ITEM_SIZE: usize = 40;
    pub const DEALLOC: usize = 48;
    pub const FLAGS: usize = 168;
    pub const TRAVERSE: usize = 184;
    pub const MEMBERS: usize = 240;
    pub const BASE: usize = 256;
    pub const DICT_OFFSET: usize = 288;
    /// `tp_is_gc`: only some instances are subject to garbage collection.
    pub const IS_COLLECTED: usize = 328;

    /// Instances keep their dictionary in front of the object (3.11 and later).
    pub const MANAGED_DICT: usize = 1 << 4;
    /// Instances begin with room for attributes (3.13 and later).
    pub const INLINE_VALUES: usize = 1 << 2;
    /// The class was made at run time.
    pub const HEAP_TYPE: usize = 1 << 9;

    /// Instances are subject to garbage collection.
    pub const COLLECTED: usize = 1 << 14;

    /// One entry of `tp_members`: name, type and offset within.
    pub const MEMBER_BYTES: usize = 40;
    pub const MEMBER_TYPE: usize = 8;
    pub const MEMBER_OFFSET: usize = 16;
    /// An object that may be missing, as `__slots__` make it.
    pub const SLOT: i32 = 16;
}

/// Fields of lists, sets, dictionaries and other built-in types, the same from 3.8 to 3.15.
pub mod containers {
    /// `ob_size` of what has a variable size.
    pub const LENGTH: usize = 16;
    pub const LIST_ITEMS: usize = 24;
    pub const LIST_ALLOCATED: usize = 32;
    pub const SET_USED: usize = 24;
    pub const SET_MASK: usize = 32;
    pub const SET_TABLE: usize = 40;
    pub const SET_SMALL_TABLE: usize = 64;
    /// Hash of a place in a set from which the member was removed; an empty place has no key.
    pub const SET_REMOVED: usize = usize::MAX;
    pub const CELL_CONTENTS: usize = 16;
    /// The number in a float.
    pub const FLOAT: usize = 16;
    /// Target and callback of a weak reference.
    pub const WEAK_TARGET: usize = 16;
    pub const WEAK_CALLBACK: usize = 24;
    /// Class and name of a descriptor of a built-in type.
    pub const DESCRIPTOR_CLASS: usize = 16;
    pub const DESCRIPTOR_NAME: usize = 24;
    pub const DICT_USED: usize = 16;
    pub const DICT_KEYS: usize = 32;
    pub const DICT_VALUES: usize = 40;
}

/// Where a version keeps the attributes of an instance that has no dictionary yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Inline {
    /// Always in a dictionary (up to 3.10), or not known for this version.
    Never,
    /// 3.11: a pointer to the values 32 bytes in front of the object, the dictionary's 24 bytes in front.
    TwoPointers,
    /// 3.12: one word 24 bytes in front; odd when it points to values, one below them.
    Tagged,
    /// 3.13 and later: behind the object, while their header says that they are valid; the dictionary 24 in front.
    Embedded,
}

/// What differs between versions.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Major and minor version: 0x30b for 3.11.
    version: u32,
    /// How far to shift the state of a string to come to its kind.
    string_shift: u32,
    pub inline: Inline,
}

impl Layout {
    /// The layout of a version; nothing for one that has not been looked at.
    pub fn of(hexadecimal_version: u32) -> Option<Self> {
        let version = hexadecimal_version >> 16;
        let inline = match version {
            0x308..=0x30a => Inline::Never,
            0x30b => Inline::TwoPointers,
            0x30c => Inline::Tagged,
            0x30d..=0x30f => Inline::Embedded,
            _ => return None,
        };
        Some(Layout { version, string_shift: 2, inline })
    }

    /// Learns where strings keep their kind from four samples: ASCII, Latin-1, two bytes a character, four bytes.
    ///
    /// # Safety
    /// The samples are exact strings of at least one character.
    pub unsafe fn learn_strings(&mut self, samples: [Object; 4]) -> bool {
        let expected = [(1, true), (1, false), (2, false), (4, false)];
        for shift in [2, 8, 16] {
            self.string_shift = shift;
            // SAFETY: the caller's promise
            let right = samples.iter().zip(expected).all(|(&sample, (width, ascii))| unsafe {
                self.string(sample).is_some_and(|string| string.width == width && string.ascii == ascii)
            });
            if right {
                return true;
            }
        }
        false
    }

    /// Reference count; nothing for an immortal object.
    ///
    /// # Safety
    /// The object is alive.
    #[inline]
    pub unsafe fn reference_count(&self, object: Object) -> Option<usize> {
        // SAFETY: every object begins with its reference count
        let count = unsafe { word(object, 0) };
        if self.version < 0x30c {
            return Some(count);
        }
        // from 3.12 on the low half says it all, and is negative for immortals
        let low = count as u32;
        (low as i32 >= 0).then_some(low as usize)
    }

    /// The characters of an exact string; nothing for one in the form that was old in 3.8.
    ///
    /// # Safety
    /// The object is a living exact string.
    #[inline]
    pub unsafe fn string(&self, object: Object) -> Option<Characters> {
        let (ascii_header, header) = if self.version < 0x30c { (48, 72) } else { (40, 56) };
        // SAFETY: strings of every form have a length and a state here
        let (length, state) = unsafe { (word(object, 16), word(object, 32) as u32 >> self.string_shift) };
        let (width, compact, ascii, ready) = (state & 7, state & 8 != 0, state & 16 != 0, state & 32 != 0);
        let known = compact && matches!(width, 1 | 2 | 4) && (!ascii || width == 1);
        if !known || (self.version < 0x30c && !ready) || length > isize::MAX as usize / 4 {
            return None;
        }
        let start = object + if ascii { ascii_header } else { header };
        // SAFETY: compact strings that are not ASCII have these fields
        let encoded = if ascii { 0 } else { unsafe { self.encoded(object, ascii_header, start) } };
        let size = start - object + (length + 1) * width as usize + encoded;
        Some(Characters { start, length, width: width as usize, ascii, size })
    }

    /// Bytes of the UTF-8 form that a string keeps beside its characters, and of its wide form up to 3.11.
    ///
    /// # Safety
    /// The object is a living compact string that is not ASCII.
    unsafe fn encoded(&self, object: Object, at: usize, characters: usize) -> usize {
        // SAFETY: the caller's promise
        let (length, bytes) = unsafe { (word(object, at), word(object, at + 8)) };
        let utf8 = if bytes != 0 && bytes != characters { length + 1 } else { 0 };
        if self.version >= 0x30c {
            return utf8;
        }
        // SAFETY: up to 3.11 there are these as well
        let (wide, wide_length) = unsafe { (word(object, 40), word(object, 64)) };
        utf8 + if wide != 0 && wide != characters { (wide_length + 1) * 4 } else { 0 }
    }

    /// Number of 30-bit digits of an exact int.
    ///
    /// # Safety
    /// The object is a living exact int.
    #[inline]
    pub unsafe fn digits(&self, object: Object) -> usize {
        // SAFETY: the caller's promise
        let word = unsafe { word(object, 16) };
        if self.version < 0x30c { (word as isize).unsigned_abs() } else { word >> 3 }
    }

    /// Whether an exact int is below zero.
    ///
    /// # Safety
    /// As for [`Self::digits`].
    #[inline]
    pub unsafe fn is_negative(&self, object: Object) -> bool {
        // SAFETY: the caller's promise
        let word = unsafe { word(object, 16) };
        if self.version < 0x30c { (word as isize) < 0 } else { word & 3 == 2 }
    }

    /// Value and size in bytes of an exact int; no value for one of more than two digits.
    ///
    /// # Safety
    /// The object is a living exact int.
    #[inline]
    pub unsafe fn integer(&self, object: Object) -> (Option<i64>, usize) {
        // SAFETY: the caller's promise
        let (negative, digits) = unsafe { (self.is_negative(object), self.digits(object)) };
        // an int of no digits has room for one from 3.11 on
        let size = 24 + 4 * digits.max(usize::from(self.version >= 0x30b));
        let magnitude = match digits {
            0 => 0,
            // SAFETY: the digits follow, each in four bytes
            1 => unsafe { *((object + 24) as *const u32) as i64 },
            // SAFETY: as above
            2 => unsafe { *((object + 24) as *const u32) as i64 | (*((object + 28) as *const u32) as i64) << 30 },
            _ => return (None, size),
        };
        (Some(if negative { -magnitude } else { magnitude }), size)
    }

    /// Where the items of an exact tuple begin.
    #[inline]
    pub fn tuple_items(&self) -> usize {
        // 3.14 keeps the hash in front of them
        if self.version < 0x30e { 24 } else { 32 }
    }

    /// The dictionary's object of an instance of a class with a managed dictionary, or 0; nothing where unknown.
    ///
    /// # Safety
    /// The object is alive and its type has the flag of managed dictionaries.
    #[inline]
    pub unsafe fn managed_dict(&self, object: Object) -> Option<Object> {
        if self.inline == Inline::Never {
            return None;
        }
        // SAFETY: such objects have four words in front, the last two for the collector
        let word = unsafe { word(object - 24, 0) };
        Some(if self.inline == Inline::Tagged && word & 1 == 1 { 0 } else { word })
    }

    /// The attributes that an instance keeps without a dictionary, if it does.
    ///
    /// # Safety
    /// The object is alive, its type has the flag of managed dictionaries, and it is `class`.
    pub unsafe fn inline_values(&self, object: Object, class: Object) -> Option<InlineValues> {
        // SAFETY: the caller's promise, and the versions' layouts as the table in `Inline` has them
        unsafe {
            let values = match self.inline {
                Inline::Never => 0,
                Inline::TwoPointers => word(object - 32, 0),
                Inline::Tagged => Some(word(object - 24, 0)).filter(|word| word & 1 == 1).map_or(0, |word| word + 1),
                Inline::Embedded if word(class, types::FLAGS) & types::INLINE_VALUES == 0 => 0,
                Inline::Embedded => {
                    let header = object + word(class, types::BASIC_SIZE);
                    if byte(header, 3) == 1 { header + 8 } else { 0 }
                }
            };
            let keys = word(class, self.cached_keys());
            if values == 0 || keys == 0 || byte(keys, 10) != 2 {
                return None;
            }
            let capacity = if self.inline == Inline::Embedded { byte(values - 8, 0).into() } else { 30 };
            let names = keys + 32 + 1_usize.checked_shl(byte(keys, 9).into())?;
            // at most thirty names are shared by the instances of a class
            Some(InlineValues { names, values, count: word(keys, 24).min(capacity).min(30) })
        }
    }

    /// Offset in a class of the names that its instances' attributes have in common.
    fn cached_keys(&self) -> usize {
        match self.version {
            0x30b => 872,
            0x30f => 888,
            _ => 880,
        }
    }

    /// Size of the table of a dictionary that has one of its own; nothing where the interpreter must say.
    ///
    /// # Safety
    /// The object is a living dictionary.
    #[inline]
    pub unsafe fn dict_table(&self, object: Object) -> Option<usize> {
        // SAFETY: the caller's promise; the keys are never null
        unsafe {
            let keys = word(object, containers::DICT_KEYS);
            if self.version < 0x30b
                || word(object, containers::DICT_VALUES) != 0
                || word(object, containers::DICT_USED) == 0
            {
                return None;
            }
            if word(keys, 0) != 1 {
                return None;
            }
            let (places, index, kind) = (byte(keys, 8), byte(keys, 9), byte(keys, 10));
            if places > 40 || index > 44 {
                return None;
            }
            let entry = if kind == 0 { 24 } else { 16 };
            Some(32 + (1 << index) + (2 << places) / 3 * entry)
        }
    }
}

/// The characters of a string.
#[derive(Clone, Copy)]
pub struct Characters {
    start: usize,
    /// In characters.
    pub length: usize,
    /// Bytes a character: 1, 2 or 4.
    pub width: usize,
    /// All below 128.
    pub ascii: bool,
    /// Bytes of the whole object.
    pub size: usize,
}

impl Characters {
    /// Bytes, as characters below 256.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Characters { start: bytes.as_ptr() as usize, length: bytes.len(), width: 1, ascii: false, size: 0 }
    }

    /// The first characters, at most `limit`, as bytes; only of an ASCII string.
    ///
    /// # Safety
    /// The string is alive and stays so while the slice is used.
    #[inline]
    pub unsafe fn ascii(&self, limit: usize) -> Option<&[u8]> {
        // SAFETY: the characters of an ASCII string are its bytes
        self.ascii.then(|| unsafe { core::slice::from_raw_parts(self.start as *const u8, self.length.min(limit)) })
    }

    /// One character.
    ///
    /// # Safety
    /// The string is alive, and the index is below its length.
    pub unsafe fn at(&self, index: usize) -> u32 {
        // SAFETY: the caller's promise
        unsafe {
            match self.width {
                1 => (*(self.start as *const u8).add(index)).into(),
                2 => (*(self.start as *const u16).add(index)).into(),
                _ => *(self.start as *const u32).add(index),
            }
        }
    }
}

/// Attributes that an instance keeps without a dictionary.
pub struct InlineValues {
    /// Pairs of name and an unused word.
    names: usize,
    values: usize,
    /// How many of both there are.
    pub count: usize,
}

impl InlineValues {
    /// Name and value at a position; nothing where the attribute is not set.
    ///
    /// # Safety
    /// The instance is alive, and the position is below the count.
    #[inline]
    pub unsafe fn at(&self, position: usize) -> Option<(Object, Object)> {
        // SAFETY: the caller's promise
        let (name, value) = unsafe { (word(self.names, position * 16), word(self.values, position * 8)) };
        (name != 0 && value != 0).then_some((name, value))
    }
}
