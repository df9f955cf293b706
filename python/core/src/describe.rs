//! What an object of a common type refers to, by the same names as the Python description gives.

use core::ffi::{CStr, c_char};

use crate::api::{Api, Object};
use crate::buffer::Text;
use crate::classes::{Class, Classes, Kind};
use crate::json;
use crate::layout::{Characters, InlineValues, Layout, containers, type_of, types, word};
use crate::line::Line;
use crate::secrets::Secrets;
use crate::walk::{Callbacks, Raised};

/// A whole float's text ends with `.0`.
const ADD_DOT_0: i32 = 2;

/// What is written of values, and how much.
pub struct Limits<'a> {
    /// Whether values are written at all.
    pub values: bool,
    /// Longest text of a value, in characters or bytes.
    pub value: usize,
    /// Longest key in the name of a reference, in characters.
    pub key: usize,
    /// Which texts are never written.
    pub secrets: &'a Secrets,
    /// The collector is told of the dictionary that an instance has; not so in early 3.13.
    pub reports_dicts: bool,
}

/// Describes objects of common types.
pub struct Describer<'a> {
    pub api: &'a Api,
    pub layout: Layout,
    pub callbacks: &'a Callbacks,
    pub limits: Limits<'a>,
    /// Other threads may run while Python is called, and change what is being described.
    pub shared: bool,
}

/// Shapes that objects of one class come in, each a bit: the native description of each is checked once.
mod shape {
    pub const ONLY: u8 = 1;
    /// An empty container.
    pub const EMPTY: u8 = 2;
    /// A set whose members are outside the object, or a split dictionary.
    pub const APART: u8 = 4;
    /// A dictionary that says its size itself.
    pub const ASKED: u8 = 8;
    /// An instance whose attributes are inline.
    pub const INLINE: u8 = 2;
    /// An instance that has a dictionary.
    pub const DICTIONARY: u8 = 4;
    /// An instance whose values are reported beside its dictionary.
    pub const BOTH: u8 = 8;
    /// A string by its width: ASCII, then 1, 2 and 4 bytes a character.
    pub const STRINGS: [u8; 5] = [1, 2, 4, 0, 8];
    /// An int of no, one, two or more digits.
    pub const DIGITS: [u8; 4] = [1, 2, 4, 8];
}

impl Describer<'_> {
    /// Describes an object of a class whose kind is not [`Kind::Described`] and gives its shape, a single bit; nothing
    /// where Python must describe it.
    ///
    /// # Safety
    /// The object is alive and of that class; the line has been cleared.
    #[inline]
    pub unsafe fn describe(
        &self,
        classes: &Classes,
        class: &Class,
        object: Object,
        line: &mut Line,
    ) -> Result<Option<u8>, Raised> {
        line.size = class.size;
        // SAFETY: the caller's promise
        unsafe {
            match class.kind {
                Kind::Described | Kind::Learnt => Ok(None),
                Kind::String => self.string(object, line),
                Kind::Bytes => self.bytes(object, line),
                Kind::Integer => Ok(Some(self.integer(object, line)).filter(|&shape| shape != 0)),
                Kind::Tuple => Ok(Some(self.tuple(object, line))),
                Kind::List => Ok(Some(self.list(object, line))),
                Kind::Dict => self.dict(object, line),
                Kind::Set => Ok(self.set(object, line)),
                Kind::Cell => Ok(Some(self.cell(object, line))),
                Kind::Float => self.float(object, line),
                Kind::Weak => Ok(Some(self.weak(object, line))),
                Kind::Descriptor => self.descriptor(object, line),
                Kind::Plain => Ok(Some(shape::ONLY)),
                Kind::Instance => self.instance(classes, class, object, line),
            }
        }
    }

    unsafe fn string(&self, object: Object, line: &mut Line) -> Result<Option<u8>, Raised> {
        // SAFETY: an exact string, which stays as it is
        unsafe {
            let Some(text) = self.layout.string(object) else { return Ok(None) };
            line.size = text.size;
            line.length(text.length);
            if self.limits.values && !self.limits.secrets.hide(self.api, object, &text)? {
                line.tail.extend(b",\"value\":\"");
                match text.ascii(self.limits.value) {
                    Some(bytes) => json::ascii(&mut line.tail, bytes),
                    None => (0..text.length.min(self.limits.value))
                        .for_each(|index| json::character(&mut line.tail, text.at(index))),
                }
                line.tail.push(b'"');
            }
            let shape = if text.ascii { shape::STRINGS.first() } else { shape::STRINGS.get(text.width) };
            Ok(shape.copied())
        }
    }

    unsafe fn bytes(&self, object: Object, line: &mut Line) -> Result<Option<u8>, Raised> {
        // SAFETY: an exact bytes object
        let Some(bytes) = (unsafe { bytes(self.api, object) }) else { return Ok(None) };
        line.size += bytes.len();
        line.length(bytes.len());
        // SAFETY: the object is alive
        if self.limits.values && !unsafe { self.limits.secrets.hide(self.api, object, &Characters::of_bytes(bytes))? } {
            line.tail.extend(b",\"value\":\"");
            for &byte in bytes.iter().take(self.limits.value) {
                json::character(&mut line.tail, byte.into());
            }
            line.tail.push(b'"');
        }
        Ok(Some(shape::ONLY))
    }

    unsafe fn integer(&self, object: Object, line: &mut Line) -> u8 {
        // SAFETY: an exact int
        let (value, size, digits) = unsafe {
            let (value, size) = self.layout.integer(object);
            (value, size, self.layout.digits(object))
        };
        line.size = size;
        match value {
            _ if !self.limits.values => {}
            Some(value) if digits < 2 || value.unsigned_abs() <= 1 << 53 => {
                line.tail.extend(b",\"value\":");
                json::signed(&mut line.tail, value);
            }
            // SAFETY: an exact int of that many digits
            _ => unsafe { self.large_integer(object, digits, line) },
        }
        shape::DIGITS.get(digits.min(3)).copied().unwrap_or_default()
    }

    /// Adds the value of an int of more than two digits: hexadecimal up to 256 bits, else how many bits it has.
    unsafe fn large_integer(&self, object: Object, digits: usize, line: &mut Line) {
        // SAFETY: the digits follow the head, each of 30 bits in four bytes, and the topmost is not zero
        let digit = |index: usize| unsafe { *((object + 24 + index * 4) as *const u32) };
        let bits = (digits - 1) * 30 + (32 - digit(digits - 1).leading_zeros() as usize);
        line.tail.extend(b",\"value\":\"");
        if bits > 256 {
            json::number(&mut line.tail, bits as u64);
            line.tail.extend(b" bits\"");
            return;
        }
        // SAFETY: as above
        if unsafe { self.layout.is_negative(object) } {
            line.tail.push(b'-');
        }
        line.tail.extend(b"0x");
        for nibble in (0..bits.div_ceil(4)).rev() {
            let value = (0..4).rev().fold(0, |value, bit| {
                let place = nibble * 4 + bit;
                let one = if place < bits { digit(place / 30) >> (place % 30) & 1 } else { 0 };
                value << 1 | one
            });
            line.tail.push(json::hexadecimal_digit(value as u8));
        }
        line.tail.push(b'"');
    }

    unsafe fn tuple(&self, object: Object, line: &mut Line) -> u8 {
        // SAFETY: an exact tuple; its items follow its head
        unsafe {
            let (items, length) = (self.layout.tuple_items(), word(object, containers::LENGTH));
            line.size += length * 8;
            line.length(length);
            for index in 0..length {
                // a tuple that is still being made may have gaps
                let item = word(object, items + index * 8);
                if item != 0 {
                    line.refer_item(item, index);
                }
            }
            if length == 0 { shape::EMPTY } else { shape::ONLY }
        }
    }

    unsafe fn list(&self, object: Object, line: &mut Line) -> u8 {
        // SAFETY: an exact list
        unsafe {
            let (items, length) = (word(object, containers::LIST_ITEMS), word(object, containers::LENGTH));
            line.size += word(object, containers::LIST_ALLOCATED) * 8;
            line.length(length);
            for index in 0..length {
                let item = word(items, index * 8);
                if item != 0 {
                    line.refer_item(item, index);
                }
            }
            if length == 0 { shape::EMPTY } else { shape::ONLY }
        }
    }

    unsafe fn set(&self, object: Object, line: &mut Line) -> Option<u8> {
        // SAFETY: an exact set or frozenset; its table has one place more than the mask says
        unsafe {
            let (used, mask) = (word(object, containers::SET_USED), word(object, containers::SET_MASK));
            let table = word(object, containers::SET_TABLE);
            let apart = table != object + containers::SET_SMALL_TABLE;
            if apart {
                line.size += (mask + 1) * 16;
            }
            line.length(used);
            for place in 0..=mask {
                let (key, hash) = (word(table, place * 16), word(table, place * 16 + 8));
                if key != 0 && hash != containers::SET_REMOVED {
                    line.refer_as(key, b"{}");
                }
            }
            if line.targets.len() != used {
                return None;
            }
            Some(if apart { shape::APART } else { shape::ONLY })
        }
    }

    unsafe fn cell(&self, object: Object, line: &mut Line) -> u8 {
        // SAFETY: a cell has one member
        let content = unsafe { word(object, containers::CELL_CONTENTS) };
        if content == 0 {
            return shape::EMPTY;
        }
        line.refer_as(content, b"cell_contents");
        shape::ONLY
    }

    unsafe fn float(&self, object: Object, line: &mut Line) -> Result<Option<u8>, Raised> {
        if !self.limits.values {
            return Ok(Some(shape::ONLY));
        }
        // SAFETY: an exact float; the text ends with a zero byte and is let go
        unsafe {
            let value = f64::from_bits(word(object, containers::FLOAT) as u64);
            let text = (self.api.PyOS_double_to_string)(value, b'r' as c_char, 0, ADD_DOT_0, core::ptr::null_mut());
            if text.is_null() {
                return Err(Raised);
            }
            line.tail.extend(b",\"value\":\"");
            line.tail.extend(CStr::from_ptr(text).to_bytes());
            line.tail.push(b'"');
            (self.api.PyMem_Free)(text);
        }
        Ok(Some(shape::ONLY))
    }

    unsafe fn weak(&self, object: Object, line: &mut Line) -> u8 {
        // SAFETY: an exact weak reference; its target is alive unless it has no references or is None
        unsafe {
            let (target, callback) = (word(object, containers::WEAK_TARGET), word(object, containers::WEAK_CALLBACK));
            if callback != 0 {
                line.refer_as(callback, b"__callback__");
            }
            let alive = target != 0
                && target != self.api._Py_NoneStruct
                && self.layout.reference_count(target).is_none_or(|count| count > 0);
            if alive {
                line.weak = target;
            }
            if alive { shape::ONLY } else { shape::EMPTY }
        }
    }

    unsafe fn descriptor(&self, object: Object, line: &mut Line) -> Result<Option<u8>, Raised> {
        // SAFETY: a descriptor of a built-in type
        unsafe {
            // the capture itself holds some of them, which Python makes good
            let address = (self.api.PyLong_FromSsize_t)(object as isize);
            if address == 0 {
                return Err(Raised);
            }
            let held = (self.api.PyDict_GetItem)(self.callbacks.held, address) != 0;
            (self.api.Py_DecRef)(address);
            let (class, name) = (word(object, containers::DESCRIPTOR_CLASS), word(object, containers::DESCRIPTOR_NAME));
            if held || class == 0 || name == 0 {
                return Ok(None);
            }
            line.refer_as(class, b"__objclass__");
            line.tail.extend(b",\"name\":\"");
            if !self.text(name, &mut line.tail) {
                return Ok(None);
            }
            line.tail.push(b'"');
            Ok(Some(shape::ONLY))
        }
    }

    /// Writes an exact string whole, within a JSON string; false for anything else.
    ///
    /// # Safety
    /// The object is alive.
    pub unsafe fn text(&self, object: Object, out: &mut Text) -> bool {
        // SAFETY: the caller's promise
        unsafe {
            if type_of(object) != self.api.PyUnicode_Type {
                return false;
            }
            let Some(text) = self.layout.string(object) else { return false };
            if self.limits.secrets.are_within(object, &text, text.length) {
                return false;
            }
            match text.ascii(usize::MAX) {
                Some(bytes) => json::ascii(out, bytes),
                None => (0..text.length).for_each(|index| json::character(out, text.at(index))),
            }
        }
        true
    }

    /// The values first, then the keys.
    unsafe fn dict(&self, object: Object, line: &mut Line) -> Result<Option<u8>, Raised> {
        // SAFETY: an exact dictionary; nothing changes it, since Python is only called while no other thread can run
        unsafe {
            let (used, split) = (word(object, containers::DICT_USED), word(object, containers::DICT_VALUES) != 0);
            // without values, the keys of other dictionaries than those of attributes are not named
            if !self.limits.values && used != 0 {
                return Ok(None);
            }
            let table = self.layout.dict_table(object);
            match table {
                Some(table) => line.size += table,
                None => match self.asked_size(object)? {
                    Some(size) => line.size = size,
                    None => return Ok(None),
                },
            }
            line.length(used);
            let (mut position, mut key, mut value) = (0, 0, 0);
            while (self.api.PyDict_Next)(object, &raw mut position, &raw mut key, &raw mut value) != 0 {
                line.edges.push(b'"');
                let start = line.edges.len();
                if !self.key(key, line)? {
                    return Ok(None);
                }
                line.keys.push((key, start, line.edges.len()));
                line.edges.push(b'"');
                line.refer(value);
            }
            for index in 0..line.keys.len() {
                let Some(&(key, start, end)) = line.keys.as_slice().get(index) else { break };
                line.edges.extend(b"\"key ");
                line.edges.extend_from_within(start, end);
                line.edges.push(b'"');
                line.refer(key);
            }
            let asked = if table.is_none() { shape::ASKED } else { 0 };
            Ok(Some(match (used, split) {
                _ if asked != 0 => asked,
                (0, _) => shape::EMPTY,
                (_, true) => shape::APART,
                _ => shape::ONLY,
            }))
        }
    }

    /// Size of an object of a built-in type as the interpreter computes it.
    ///
    /// # Safety
    /// The object is alive.
    pub unsafe fn asked_size(&self, object: Object) -> Result<Option<usize>, Raised> {
        // SAFETY: the object is alive; sizes of built-in types are computed without running Python code
        unsafe {
            let answer = (self.api.PyObject_CallFunctionObjArgs)(self.callbacks.size, object, 0usize);
            if answer == 0 {
                return Err(Raised);
            }
            let size = number(self.api, answer).and_then(|size| usize::try_from(size).ok());
            (self.api.Py_DecRef)(answer);
            Ok(size)
        }
    }

    /// Writes `[key]`; false where Python would have to be asked and must not be.
    unsafe fn key(&self, key: Object, line: &mut Line) -> Result<bool, Raised> {
        // SAFETY: the key is alive
        unsafe {
            let class = type_of(key);
            if class == self.api.PyUnicode_Type
                && let Some(text) = self.layout.string(key)
                && let Some(bytes) = text.ascii(usize::MAX)
                && bytes.len() <= self.limits.key
                && !self.limits.secrets.hide(self.api, key, &text)?
            {
                line.edges.push(b'[');
                json::python_repr(&mut line.edges, bytes);
                line.edges.push(b']');
                return Ok(true);
            }
            if class == self.api.PyLong_Type
                && let (Some(value), _) = self.layout.integer(key)
            {
                line.edges.push(b'[');
                json::signed(&mut line.edges, value);
                line.edges.push(b']');
                return Ok(true);
            }
            if self.shared {
                return Ok(false);
            }
            let answer = (self.api.PyObject_CallFunctionObjArgs)(self.callbacks.key, key, 0usize);
            if answer == 0 {
                return Err(Raised);
            }
            let name = bytes(self.api, answer);
            line.edges.extend(name.unwrap_or_default());
            (self.api.Py_DecRef)(answer);
            Ok(name.is_some())
        }
    }

    unsafe fn instance(
        &self,
        classes: &Classes,
        class: &Class,
        object: Object,
        line: &mut Line,
    ) -> Result<Option<u8>, Raised> {
        // SAFETY: an instance of a class written in Python; its slots are within its size
        unsafe {
            for slot in classes.slots(class) {
                let value = word(object, slot.offset);
                if value != 0 {
                    line.refer_as(value, classes.slot_name(slot));
                }
            }
            let Some(dictionary) = self.dictionary(class, object) else { return Ok(None) };
            let values = self.inline_values(class, object);
            let in_dictionary = dictionary != 0 && (self.limits.reports_dicts || values.is_none());
            let mut shape = shape::ONLY;
            if !in_dictionary && let Some(values) = values {
                shape = shape::INLINE;
                for position in 0..values.count {
                    let Some((name, value)) = values.at(position) else { continue };
                    if !self.attribute(name, line) {
                        return Ok(None);
                    }
                    line.refer(value);
                }
            }
            if in_dictionary {
                shape = shape::DICTIONARY;
                self.refer_to_dictionary(dictionary, line)?;
            }
            if class.refers_to_class {
                line.refer_as(class.address, b"__class__");
            }
            if dictionary != 0 && !in_dictionary {
                shape = shape::BOTH;
                self.refer_to_dictionary(dictionary, line)?;
            }
            Ok(Some(shape))
        }
    }

    /// The dictionary of an instance, 0 where it has none; nothing where that is not known.
    unsafe fn dictionary(&self, class: &Class, object: Object) -> Option<Object> {
        // SAFETY: an instance of a class written in Python
        unsafe {
            if word(class.address, types::FLAGS) & types::MANAGED_DICT != 0 {
                return self.layout.managed_dict(object);
            }
            match word(class.address, types::DICT_OFFSET) as isize {
                0 => Some(0),
                offset if offset >= 16 && offset as usize + 8 <= word(class.address, types::BASIC_SIZE) => {
                    Some(word(object, offset as usize))
                }
                _ => None,
            }
        }
    }

    unsafe fn inline_values(&self, class: &Class, object: Object) -> Option<InlineValues> {
        // SAFETY: as in dictionary
        unsafe {
            let managed = word(class.address, types::FLAGS) & types::MANAGED_DICT != 0;
            if managed { self.layout.inline_values(object, class.address) } else { None }
        }
    }

    /// Adds the reference of an instance to its dictionary.
    fn refer_to_dictionary(&self, dictionary: Object, line: &mut Line) -> Result<(), Raised> {
        line.refer_as(dictionary, b"__dict__");
        if self.limits.values {
            return Ok(());
        }
        // its keys are names, which may be written where data may not
        // SAFETY: the set is alive; an int is added to it
        unsafe {
            let address = (self.api.PyLong_FromSsize_t)(dictionary as isize);
            let failed = address == 0 || (self.api.PySet_Add)(self.callbacks.namespaces, address) != 0;
            if address != 0 {
                (self.api.Py_DecRef)(address);
            }
            if failed { Err(Raised) } else { Ok(()) }
        }
    }

    /// Writes `.name` of an attribute; false where Python must.
    unsafe fn attribute(&self, name: Object, line: &mut Line) -> bool {
        // SAFETY: names of shared keys are living strings
        unsafe {
            if type_of(name) != self.api.PyUnicode_Type {
                return false;
            }
            let Some(text) = self.layout.string(name) else { return false };
            if self.limits.secrets.are_within(name, &text, self.limits.value) {
                return false;
            }
            line.edges.extend(b"\".");
            match text.ascii(self.limits.key) {
                Some(bytes) => json::ascii(&mut line.edges, bytes),
                None => (0..text.length.min(self.limits.key))
                    .for_each(|index| json::character(&mut line.edges, text.at(index))),
            }
            line.edges.push(b'"');
        }
        true
    }
}

/// The content of an exact bytes object.
///
/// # Safety
/// The object is alive, and stays so while the content is used.
pub unsafe fn bytes<'a>(api: &Api, object: Object) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise; the content follows head, length and hash
    unsafe {
        if type_of(object) != api.PyBytes_Type {
            return None;
        }
        Some(core::slice::from_raw_parts((object + 32) as *const u8, word(object, containers::LENGTH)))
    }
}

/// The value of an exact int or bool; -1 where it does not fit, with an exception set.
///
/// # Safety
/// The object is alive.
pub unsafe fn number(api: &Api, object: Object) -> Option<i64> {
    // SAFETY: the caller's promise
    unsafe {
        let class = type_of(object);
        let is_number = class == api.PyLong_Type || class == api.PyBool_Type;
        is_number.then(|| (api.PyLong_AsLongLong)(object))
    }
}
