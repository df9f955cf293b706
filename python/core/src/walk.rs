//! The walk: every object that the starting objects lead to becomes a line.

use core::ffi::CStr;

use crate::addresses::Addresses;
use crate::api::{Api, Object};
use crate::buffer::{Array, Text};
use crate::classes::{Class, Classes, Kind, Plan};
use crate::describe::{Describer, bytes, number};
use crate::layout::{containers, type_of, word};
use crate::line::Line;
use crate::template::{Sample, Templates};

/// Bytes of lines that are put together before they are handed over.
const CHUNK: usize = 1 << 20;

/// Where to part a text of UTF-8 so that the first part is not longer than two chunks: never within a character.
fn end_of_part(text: &[u8]) -> usize {
    if text.len() <= 2 * CHUNK {
        return text.len();
    }
    let is_start = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    (CHUNK..CHUNK + 4).find(is_start).unwrap_or(text.len())
}

/// An exception has been set in the interpreter.
#[derive(Debug)]
pub struct Raised;

/// What the Python side lends; each callable is called with the interpreter's lock held.
pub struct Callbacks {
    /// `write(lines: bytes)` takes finished lines.
    pub write: Object,
    /// `describe(object, count) -> (line: bytes, referents: list, references: int)`, where count is the reference count
    /// or -1 for an immortal object.
    pub describe: Object,
    /// `plan(class, object) -> (prefix: bytes, size: int, traits: int)` at the first object of a class. A size below 0
    /// leaves the class to `describe`; traits are sums of the constants below.
    pub plan: Object,
    /// `check(object, count, line: bytes)`: `True` if a native line says what `describe` says, else what that returns.
    pub check: Object,
    /// `key(object) -> bytes`: `[key]` as it stands in names of references, within a JSON string.
    pub key: Object,
    /// `sys.getsizeof`.
    pub size: Object,
    /// A set of ints: addresses of dictionaries whose keys are names of attributes. Grown only where no values are
    /// written.
    pub namespaces: Object,
    /// A dictionary by address: how many references the capture holds of its own, of what is in [`Apart::held`] and more.
    pub held: Object,
}

/// Reference counts from here on are those of immortal objects: 3.11 has some whose count begins at a milliard.
const IMMORTAL: usize = 1 << 28;

/// Trait of a plan: instances hold their class.
const REFERS_TO_CLASS: i64 = 1;
/// Trait of a plan: instances have neither references nor anything else to say.
const IS_PLAIN: i64 = 2;
/// Trait of a plan: each instance must be asked for its size.
const ASKS_SIZE: i64 = 4;
/// Trait of a plan: instances are descriptors of built-in types.
const IS_DESCRIPTOR: i64 = 8;

/// Where the walk starts.
pub struct Starts {
    /// An exact list that does not change.
    pub list: Object,
    /// Its objects.
    pub set: Addresses,
    /// Those that stand in the list again, sorted, as often as they do.
    repeats: Array<Object>,
}

/// Objects that are treated apart.
pub struct Apart {
    /// The capture's own: never written, and no reference to them is.
    pub blocked: Addresses,
    /// Objects of which the capture holds more references than the walk knows: left to Python.
    pub held: Addresses,
    /// Immortal, although their reference count does not say so.
    pub immortal: Addresses,
}

/// What has been met and is still to be described.
struct Front {
    met: Addresses,
    todo: Array<Object>,
    /// Objects that the walk itself keeps alive, a reference each.
    kept: Array<Object>,
    kept_set: Addresses,
    /// Keep everything that is met: other threads may run.
    keep_all: bool,
}

/// What was written.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Object lines.
    pub objects: u64,
    /// References in their `refs`.
    pub references: u64,
    /// Objects that the native side marked as immortal.
    pub immortal: u64,
    /// Objects that Python described.
    pub described: u64,
}

/// A walk under way.
pub struct Walk<'a> {
    describer: Describer<'a>,
    starts: &'a Starts,
    apart: &'a Apart,
    classes: Classes,
    /// What is learnt of types; nothing where no values are written: Python then notes whose attributes it meets.
    templates: Option<Templates>,
    front: Front,
    /// Dictionaries that wait until it is known whose attributes they are, where no values are written.
    waiting: Array<Object>,
    line: Line,
    out: Text,
    pub counts: Counts,
}

impl Starts {
    /// # Safety
    /// `list` is an exact list.
    pub unsafe fn new(list: Object) -> Self {
        let mut starts = Starts { list, set: Addresses::new(), repeats: Array::new() };
        for index in 0..starts.len() {
            // SAFETY: index is below the length
            let object = unsafe { starts.at(index) };
            if !starts.set.insert(object) {
                starts.repeats.push(object);
            }
        }
        starts.repeats.as_mut_slice().sort_unstable();
        starts
    }

    fn len(&self) -> usize {
        // SAFETY: the length of a list
        unsafe { word(self.list, containers::LENGTH) }
    }

    /// # Safety
    /// The index is below the length.
    unsafe fn at(&self, index: usize) -> Object {
        // SAFETY: the caller's promise
        unsafe { word(word(self.list, containers::LIST_ITEMS), index * 8) }
    }

    /// How often an object stands in the list.
    #[inline]
    fn times(&self, object: Object) -> usize {
        if !self.set.contains(object) {
            return 0;
        }
        let repeats = self.repeats.as_slice();
        let first = repeats.partition_point(|&other| other < object);
        1 + repeats.iter().skip(first).take_while(|&&other| other == object).count()
    }
}

impl<'a> Walk<'a> {
    /// Prepares a walk.
    ///
    /// # Safety
    /// The describer's callbacks are callable and `sample` is a class written in Python.
    pub unsafe fn new(describer: Describer<'a>, starts: &'a Starts, apart: &'a Apart, sample: Object) -> Self {
        let (keep_all, learns) = (describer.shared, describer.limits.values);
        Walk {
            describer,
            starts,
            apart,
            // SAFETY: the caller's promise
            classes: unsafe { Classes::new(sample) },
            templates: learns.then(Templates::new),
            front: Front {
                met: Addresses::new(),
                todo: Array::new(),
                kept: Array::new(),
                kept_set: Addresses::new(),
                keep_all,
            },
            waiting: Array::new(),
            line: Line::new(),
            out: Text::new(),
            counts: Counts::default(),
        }
    }

    /// Describes all starting objects and all that they lead to.
    ///
    /// # Safety
    /// The objects are alive; the process stands still but for this thread, unless the describer is told otherwise.
    pub unsafe fn run(&mut self) -> Result<(), Raised> {
        for index in 0..self.starts.len() {
            // SAFETY: index is below the length; the objects that are met are alive: held by the list, kept, or held by
            // their referrer in a process that stands still
            unsafe {
                self.front.meet(self.describer.api, self.starts.at(index), false);
                self.drain()?;
            }
        }
        while !self.waiting.is_empty() {
            let waiting = core::mem::replace(&mut self.waiting, Array::new());
            for &object in waiting.as_slice() {
                // SAFETY: as above
                unsafe { self.described(object, None)? };
            }
            // SAFETY: as above
            unsafe { self.drain()? };
        }
        self.flush()
    }

    /// Describes what has been met until nothing is left.
    unsafe fn drain(&mut self) -> Result<(), Raised> {
        while let Some(object) = self.front.todo.pop() {
            // SAFETY: what has been met is alive
            unsafe { self.visit(object)? };
        }
        Ok(())
    }

    /// Writes the line of one object and puts what it refers to in front.
    #[inline]
    unsafe fn visit(&mut self, object: Object) -> Result<(), Raised> {
        // SAFETY: the object is alive, and so is its class
        unsafe {
            let address = type_of(object);
            let position = match self.classes.find(address) {
                Some(position) => position,
                None => self.plan(address, object)?,
            };
            let Some(class) = self.classes.get(position) else { return Err(self.no_memory()) };
            if class.kind == Kind::Dict && !self.describer.limits.values && !self.is_namespace(object)? {
                self.waiting.push(object);
                return self.flush_if_full();
            }
            if class.kind == Kind::Described || self.apart.held.contains(object) {
                return self.described(object, Some(&class));
            }
            let shape = self.describe(&class, object)?.filter(|shape| class.refused & shape == 0);
            let Some(shape) = shape else { return self.described(object, Some(&class)) };
            if class.checked & shape == 0 {
                if !self.check(position, &class, shape, object)? {
                    return self.flush_if_full();
                }
                // other threads may have changed the object while Python compared
                if self.describer.shared && self.describe(&class, object)? != Some(shape) {
                    return self.described(object, Some(&class));
                }
            }
            let count = self.count(object);
            self.line.write(&mut self.out, object, self.classes.prefix(&class), class.is_leaf(), count);
            self.counts.objects += 1;
            self.counts.immortal += u64::from(count.is_none());
            self.counts.references += self.line.targets.len() as u64;
            for &target in self.line.targets.as_slice() {
                self.front.meet(self.describer.api, target, false);
            }
            if self.line.weak != 0 {
                // nothing that the walk knows of holds it
                self.front.meet(self.describer.api, self.line.weak, true);
            }
        }
        self.flush_if_full()
    }

    /// Describes an object natively, unless it refers to what must not appear.
    #[inline]
    unsafe fn describe(&mut self, class: &Class, object: Object) -> Result<Option<u8>, Raised> {
        self.line.clear();
        // SAFETY: the object is alive and of that class
        let shape = unsafe {
            match (class.kind, self.templates.as_mut()) {
                (Kind::Learnt, Some(templates)) => {
                    let text_of = |text, out: &mut Text| self.describer.text(text, out);
                    let known = templates.describe(class.template, class.address, object, &mut self.line, text_of);
                    self.line.size = class.size;
                    if known && class.asks_size {
                        self.line.size = self.describer.asked_size(object)?.unwrap_or_default();
                    }
                    known.then_some(1)
                }
                _ => self.describer.describe(&self.classes, class, object, &mut self.line)?,
            }
        };
        let blocked = |target| self.apart.blocked.contains(target);
        let blocked = self.line.targets.as_slice().iter().any(|&target| blocked(target)) || blocked(self.line.weak);
        Ok(shape.filter(|_| !blocked))
    }

    /// Asks Python about a class.
    #[cold]
    unsafe fn plan(&mut self, class: Object, object: Object) -> Result<usize, Raised> {
        let (api, callbacks) = (self.describer.api, self.describer.callbacks);
        // SAFETY: class and object are alive
        unsafe {
            // a class whose last instance dies must not give its address to another
            self.front.keep(api, class);
            let answer = (api.PyObject_CallFunctionObjArgs)(callbacks.plan, class, object, 0usize);
            let [prefix, size, traits] = self.triple(answer)?;
            let plan = (bytes(api, prefix), self.number(size), self.number(traits));
            let position = match plan {
                (Some(prefix), Some(size), Some(traits)) => Some(Plan {
                    prefix,
                    size: usize::try_from(size).ok(),
                    refers_to_class: traits & REFERS_TO_CLASS != 0,
                    asks_size: traits & ASKS_SIZE != 0,
                    is_plain: traits & IS_PLAIN != 0,
                    is_descriptor: traits & IS_DESCRIPTOR != 0,
                }),
                _ => None,
            }
            .map(|plan| self.classes.add(api, class, &plan, self.templates.as_mut()));
            (api.Py_DecRef)(answer);
            position.ok_or_else(|| self.type_error(c"plan returned something else than (bytes, int, int)"))
        }
    }

    /// Lets Python describe an object.
    unsafe fn described(&mut self, object: Object, class: Option<&Class>) -> Result<(), Raised> {
        let (api, callbacks) = (self.describer.api, self.describer.callbacks);
        // SAFETY: the object is alive; what the answer holds is used before the answer goes
        unsafe {
            let count = self.python_number(self.count(object))?;
            let learnt = class.filter(|class| class.kind == Kind::Learnt);
            if let (Some(class), Some(templates)) = (learnt, self.templates.as_mut()) {
                // beforehand, since Python may add to an object by asking it
                templates.traverse(class.address, object);
            }
            let answer = (api.PyObject_CallFunctionObjArgs)(callbacks.describe, object, count, 0usize);
            (api.Py_DecRef)(count);
            let start = self.out.len();
            self.write_description(answer)?;
            if let (Some(class), Some(templates)) = (learnt, self.templates.as_mut()) {
                let line = self.out.as_slice().get(start..).unwrap_or_default();
                let sample = Sample { class: class.address, object, line, blocked: &self.apart.blocked };
                templates.learn(class.template, &sample, |text, out| self.describer.text(text, out));
            }
        }
        self.flush_if_full()
    }

    /// Writes what Python says of an object, and lets the answer go.
    unsafe fn write_description(&mut self, answer: Object) -> Result<(), Raised> {
        let api = self.describer.api;
        // SAFETY: what the answer holds is used before the answer goes
        unsafe {
            let [line, referents, references] = self.triple(answer)?;
            let described = (bytes(api, line), type_of(referents) == api.PyList_Type, self.number(references));
            let right = if let (Some(line), true, Some(references)) = described {
                self.out.extend(line);
                self.counts.objects += 1;
                self.counts.described += 1;
                self.counts.references += u64::try_from(references).unwrap_or_default();
                let (items, length) = (word(referents, containers::LIST_ITEMS), word(referents, containers::LENGTH));
                for index in 0..length {
                    // what Python handed out may have been made for the answer, and would go with it
                    self.front.meet(api, word(items, index * 8), true);
                }
                true
            } else {
                false
            };
            (api.Py_DecRef)(answer);
            if !right {
                return Err(self.type_error(c"describe returned something else than (bytes, list, int)"));
            }
        }
        Ok(())
    }

    /// Asks whether Python agrees with the line of an object as it has been described, and remembers the answer. Where it
    /// does not, its own description is written, and the class's objects of this shape are left to it from now on: false.
    #[cold]
    unsafe fn check(&mut self, position: usize, class: &Class, shape: u8, object: Object) -> Result<bool, Raised> {
        let (api, callbacks) = (self.describer.api, self.describer.callbacks);
        // SAFETY: the object is alive
        unsafe {
            let count = self.count(object);
            let mut text = Text::new();
            self.line.write(&mut text, object, self.classes.prefix(class), class.is_leaf(), count);
            let line = self.python_bytes(text.as_slice())?;
            let answer = match self.python_number(count) {
                Ok(count) => {
                    let answer = (api.PyObject_CallFunctionObjArgs)(callbacks.check, object, count, line, 0usize);
                    (api.Py_DecRef)(count);
                    answer
                }
                Err(Raised) => 0,
            };
            (api.Py_DecRef)(line);
            if answer == 0 {
                return Err(Raised);
            }
            let agreed = self.number(answer) == Some(1);
            if let Some(known) = self.classes.get_mut(position) {
                known.checked |= shape;
                if !agreed {
                    known.refused |= shape;
                }
            }
            if agreed {
                (api.Py_DecRef)(answer);
            } else {
                self.write_description(answer)?;
            }
            Ok(agreed)
        }
    }

    /// Reference count of an object without those that the walk holds; nothing for an immortal one.
    #[inline]
    unsafe fn count(&self, object: Object) -> Option<usize> {
        // SAFETY: the object is alive
        let count = unsafe { self.describer.layout.reference_count(object)? };
        let kept = usize::from(self.front.kept_set.contains(object));
        let count = count.saturating_sub(kept + self.starts.times(object));
        (count < IMMORTAL && !self.apart.immortal.contains(object)).then_some(count)
    }

    /// Whether the keys of a dictionary are names of attributes.
    unsafe fn is_namespace(&self, dictionary: Object) -> Result<bool, Raised> {
        let api = self.describer.api;
        let address = self.python_number(Some(dictionary))?;
        // SAFETY: looks an int up in a set
        unsafe {
            let found = (api.PySet_Contains)(self.describer.callbacks.namespaces, address);
            (api.Py_DecRef)(address);
            if found < 0 { Err(Raised) } else { Ok(found == 1) }
        }
    }

    fn flush_if_full(&mut self) -> Result<(), Raised> {
        if self.out.len() < CHUNK {
            return Ok(());
        }
        self.flush()
    }

    /// Hands over the lines that are ready.
    fn flush(&mut self) -> Result<(), Raised> {
        let starts = self.starts.set.failed || self.starts.repeats.failed;
        let parts = [self.out.failed, self.line.failed(), self.classes.failed(), self.waiting.failed, starts];
        let learning = self.templates.as_ref().is_some_and(Templates::failed);
        if parts.contains(&true) || learning || self.front.failed() {
            return Err(self.no_memory());
        }
        // a line of a container with millions of items is not copied whole
        let mut start = 0;
        while start < self.out.len() {
            let rest = self.out.as_slice().get(start..).unwrap_or_default();
            let part = rest.get(..end_of_part(rest)).unwrap_or(rest);
            start += part.len();
            let lines = self.python_bytes(part)?;
            // SAFETY: write is callable and lines alive
            unsafe {
                let answer =
                    (self.describer.api.PyObject_CallFunctionObjArgs)(self.describer.callbacks.write, lines, 0usize);
                (self.describer.api.Py_DecRef)(lines);
                if answer == 0 {
                    return Err(Raised);
                }
                (self.describer.api.Py_DecRef)(answer);
            }
        }
        self.out.clear();
        Ok(())
    }

    /// The three items of an answer; it stays alive, and so do they.
    unsafe fn triple(&self, answer: Object) -> Result<[Object; 3], Raised> {
        let api = self.describer.api;
        if answer == 0 {
            return Err(Raised);
        }
        // SAFETY: the answer is alive; the interpreter checks the indices
        unsafe {
            if type_of(answer) != api.PyTuple_Type || (api.PyTuple_Size)(answer) != 3 {
                (api.Py_DecRef)(answer);
                return Err(
                    self.type_error(c"a callback of the native core returned something else than a tuple of three")
                );
            }
            Ok([0, 1, 2].map(|index| (api.PyTuple_GetItem)(answer, index)))
        }
    }

    /// An exact int or bool.
    unsafe fn number(&self, object: Object) -> Option<i64> {
        // SAFETY: the object is alive
        unsafe { number(self.describer.api, object) }
    }

    fn python_bytes(&self, bytes: &[u8]) -> Result<Object, Raised> {
        // SAFETY: pointer and length are those of a slice
        match unsafe { (self.describer.api.PyBytes_FromStringAndSize)(bytes.as_ptr(), bytes.len() as isize) } {
            0 => Err(Raised),
            object => Ok(object),
        }
    }

    /// A count as a Python int, -1 for none.
    fn python_number(&self, count: Option<usize>) -> Result<Object, Raised> {
        // SAFETY: makes an int
        match unsafe { (self.describer.api.PyLong_FromSsize_t)(count.map_or(-1, |count| count as isize)) } {
            0 => Err(Raised),
            object => Ok(object),
        }
    }

    fn no_memory(&self) -> Raised {
        // SAFETY: sets the exception
        unsafe { (self.describer.api.PyErr_NoMemory)() };
        Raised
    }

    fn type_error(&self, message: &CStr) -> Raised {
        // SAFETY: the variable holds the exception's class
        unsafe { (self.describer.api.PyErr_SetString)(word(self.describer.api.PyExc_TypeError, 0), message.as_ptr()) };
        Raised
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        while let Some(object) = self.front.kept.pop() {
            // SAFETY: the walk holds one reference for each time that the object is in the list
            unsafe { (self.describer.api.Py_DecRef)(object) };
        }
    }
}

impl Front {
    /// Puts an object in front unless it has been met.
    #[inline]
    fn meet(&mut self, api: &Api, object: Object, keep: bool) {
        if self.met.insert(object) {
            if keep || self.keep_all {
                self.keep(api, object);
            }
            self.todo.push(object);
        }
    }

    /// Keeps an object alive for as long as the walk lasts.
    fn keep(&mut self, api: &Api, object: Object) {
        if self.kept_set.insert(object) {
            // SAFETY: the object is alive
            unsafe { (api.Py_IncRef)(object) };
            self.kept.push(object);
        }
    }

    fn failed(&self) -> bool {
        self.met.failed || self.kept_set.failed || self.todo.failed || self.kept.failed
    }
}
