//! Layouts that are learnt: which field of a built-in or extension type is the reference of which name.
//!
//! Functions, code objects, properties and their like have fields that move with the versions. Python describes the first
//! objects of such a type, and each name is looked for among the words of the object until only one place is left for it.
//! From then on the words are read natively, and compared with what the type itself hands to the garbage collector, so that
//! an object which holds anything else than was learnt goes back to Python.

use core::ffi::c_void;

use crate::addresses::Addresses;
use crate::api::Object;
use crate::buffer::{Array, Text};
use crate::layout::{types, word};
use crate::line::Line;

/// Most names of a type, and most words of an object, that are learnt.
const NAMES: usize = 16;
const WORDS: usize = 64;
/// Objects that Python describes before its names are relied upon, and after which it is left to do so for good.
const ENOUGH: u32 = 12;
const TOO_MANY: u32 = 3000;

/// What is known of one name.
#[derive(Clone, Copy)]
struct Name {
    /// The name as JSON, from where to where in the texts.
    text: (usize, usize),
    /// Words that may be its place, a bit for each.
    places: u64,
    /// The collector is told of the reference.
    is_traversed: bool,
}

/// What is known of a type.
#[derive(Clone, Copy)]
pub struct Template {
    names: [Name; NAMES],
    count: usize,
    /// Words that may be the string which the `name` of a line is.
    title: u64,
    has_title: bool,
    samples: u32,
    is_hopeless: bool,
}

/// The types that are learnt.
pub struct Templates {
    all: Array<Template>,
    texts: Text,
    /// What the collector is told of the object at hand.
    traversed: Array<Object>,
}

/// An object that Python has described.
pub struct Sample<'a> {
    pub class: Object,
    pub object: Object,
    /// Its line.
    pub line: &'a [u8],
    /// What no line refers to.
    pub blocked: &'a Addresses,
}

/// A line that Python wrote, taken apart.
struct Parts<'a> {
    refs: &'a [u8],
    edges: &'a [u8],
    title: Option<&'a [u8]>,
}

type Visit = unsafe extern "C" fn(Object, *mut c_void) -> i32;
type Traverse = unsafe extern "C" fn(Object, Visit, *mut c_void) -> i32;

impl Templates {
    /// Nothing is known.
    pub const fn new() -> Self {
        Templates { all: Array::new(), texts: Text::new(), traversed: Array::new() }
    }

    /// Begins a type; its number.
    pub fn add(&mut self) -> usize {
        let name = Name { text: (0, 0), places: 0, is_traversed: false };
        let template =
            Template { names: [name; NAMES], count: 0, title: !0, has_title: false, samples: 0, is_hopeless: false };
        self.all.push(template);
        self.all.len() - 1
    }

    /// Memory ran out.
    pub fn failed(&self) -> bool {
        self.all.failed || self.texts.failed || self.traversed.failed
    }

    /// Learns from the line that Python wrote of an object, once [`Self::traverse`] has been called for it before.
    ///
    /// # Safety
    /// The object is alive and of the class.
    pub unsafe fn learn(&mut self, number: usize, sample: &Sample<'_>, text_of: impl Fn(Object, &mut Text) -> bool) {
        let Some(mut template) = self.all.as_slice().get(number).copied() else { return };
        if template.is_hopeless {
            return;
        }
        template.samples += 1;
        // SAFETY: the caller's promise
        let learnt = unsafe { self.learn_from(&mut template, sample, text_of) };
        template.is_hopeless = learnt.is_none() || template.samples > TOO_MANY;
        if let Some(place) = self.all.as_mut_slice().get_mut(number) {
            *place = template;
        }
    }

    unsafe fn learn_from(
        &mut self,
        template: &mut Template,
        sample: &Sample<'_>,
        text_of: impl Fn(Object, &mut Text) -> bool,
    ) -> Option<()> {
        let &Sample { class, object, line, blocked } = sample;
        // SAFETY: the caller's promise
        let words = unsafe { words(class) };
        // Python leaves those out, which says nothing of the type
        if self.traversed.as_slice().iter().any(|&target| blocked.contains(target)) {
            return Some(());
        }
        let parts = parts(line)?;
        let mut seen = 0u32;
        let mut edges = parts.edges;
        let mut left = self.traversed.len();
        for target in parts.refs.split(|&byte| byte == b',').filter(|digits| !digits.is_empty()) {
            let target = target.iter().fold(0usize, |number, digit| number * 10 + usize::from(digit - b'0'));
            let name = take_item(&mut edges)?;
            let reported = self.take_traversed(target, &mut left);
            // SAFETY: within the object
            let places = unsafe { places(object, words, target) };
            let index = match self.find(template, name) {
                Some(index) => index,
                None => {
                    let place = template.names.get_mut(template.count)?;
                    // what is not told to the collector must be there always: nothing would show that it is missing
                    if !reported && template.samples > 1 {
                        return None;
                    }
                    let start = self.texts.len();
                    self.texts.extend(name);
                    *place = Name { text: (start, self.texts.len()), places: !0, is_traversed: reported };
                    template.count += 1;
                    template.count - 1
                }
            };
            let known = template.names.get_mut(index)?;
            known.places &= places;
            if known.places == 0 || known.is_traversed != reported || seen >> index & 1 == 1 {
                return None;
            }
            seen |= 1 << index;
        }
        // what the collector is told of and Python does not write
        if left != 0 || !edges.is_empty() {
            return None;
        }
        for (index, known) in template.names.iter_mut().take(template.count).enumerate() {
            if seen >> index & 1 == 0 {
                if !known.is_traversed {
                    return None;
                }
                // an absent reference is an empty word, unless Python filled it by asking
                // SAFETY: within the object
                let empty = known.places & unsafe { places(object, words, 0) };
                known.places = if empty == 0 { known.places } else { empty };
            }
        }
        match parts.title {
            None if template.has_title => return None,
            None => {}
            Some(_) if !template.has_title && template.samples > 1 => return None,
            Some(title) => {
                template.has_title = true;
                let mut found = 0;
                for known in template.names.iter().take(template.count) {
                    // only references are looked into; all places that are left for one hold the same
                    // SAFETY: within the object
                    let target = unsafe { word(object, known.places.trailing_zeros() as usize * 8) };
                    let mut text = Text::new();
                    if target != 0 && text_of(target, &mut text) && text.as_slice() == title {
                        found |= known.places;
                    }
                }
                template.title &= found;
                if template.title == 0 {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Describes an object by what has been learnt; false where Python must.
    ///
    /// # Safety
    /// As for [`Self::learn`]; the line has been cleared.
    pub unsafe fn describe(
        &mut self,
        number: usize,
        class: Object,
        object: Object,
        line: &mut Line,
        text_of: impl Fn(Object, &mut Text) -> bool,
    ) -> bool {
        let Some(template) = self.all.as_slice().get(number).copied() else { return false };
        let names = template.names.get(..template.count).unwrap_or_default();
        let is_known = template.samples >= ENOUGH
            && !template.is_hopeless
            && (!template.has_title || template.title.count_ones() == 1)
            && names.iter().all(|name| name.places.count_ones() == 1);
        if !is_known {
            return false;
        }
        // SAFETY: the caller's promise
        unsafe { self.traverse(class, object) };
        let mut left = self.traversed.len();
        for name in names {
            // SAFETY: places are within the object
            let target = unsafe { word(object, name.places.trailing_zeros() as usize * 8) };
            if target == 0 {
                if !name.is_traversed {
                    return false;
                }
                continue;
            }
            if name.is_traversed && !self.take_traversed(target, &mut left) {
                return false;
            }
            line.edges.extend(self.texts.as_slice().get(name.text.0..name.text.1).unwrap_or_default());
            line.refer(target);
        }
        if template.has_title {
            // SAFETY: a place is within the object, and what is there a reference
            let title = unsafe { word(object, template.title.trailing_zeros() as usize * 8) };
            line.tail.extend(b",\"name\":\"");
            if title == 0 || !text_of(title, &mut line.tail) {
                return false;
            }
            line.tail.push(b'"');
        }
        left == 0
    }

    /// Number of a name of a type.
    fn find(&self, template: &Template, name: &[u8]) -> Option<usize> {
        let texts = self.texts.as_slice();
        template.names.iter().take(template.count).position(|known| texts.get(known.text.0..known.text.1) == Some(name))
    }

    /// Asks the type what it hands to the collector.
    ///
    /// # Safety
    /// The object is alive and of the class.
    pub unsafe fn traverse(&mut self, class: Object, object: Object) {
        self.traversed.clear();
        // SAFETY: a type object's function for this, which the interpreter calls in the same way
        unsafe {
            let traverse = word(class, types::TRAVERSE);
            if traverse == 0 || word(class, types::FLAGS) & types::COLLECTED == 0 {
                return;
            }
            let traverse: Traverse = core::mem::transmute(traverse);
            traverse(object, collect, (&raw mut self.traversed).cast());
        }
    }

    /// Takes one mention of a target out of what the collector is told; `left` are those that have not been taken.
    fn take_traversed(&mut self, target: Object, left: &mut usize) -> bool {
        let found = self.traversed.as_slice().iter().take(*left).position(|&other| other == target);
        if let Some(place) = found {
            *left -= 1;
            self.traversed.as_mut_slice().swap(place, *left);
        }
        found.is_some()
    }
}

unsafe extern "C" fn collect(object: Object, found: *mut c_void) -> i32 {
    // SAFETY: the array that traverse has passed
    if let Some(found) = unsafe { found.cast::<Array<Object>>().as_mut() } {
        found.push(object);
    }
    0
}

/// Number of words of an object that are looked at.
unsafe fn words(class: Object) -> usize {
    // SAFETY: a type object
    (unsafe { word(class, types::BASIC_SIZE) } / 8).min(WORDS)
}

/// Words of an object behind its reference count that are equal to a value, a bit for each.
unsafe fn places(object: Object, words: usize, value: usize) -> u64 {
    // SAFETY: within the object
    (1..words).filter(|&place| unsafe { word(object, place * 8) } == value).fold(0, |places, place| places | 1 << place)
}

/// Takes a line of Python apart; nothing where it says more than references and a name.
fn parts(line: &[u8]) -> Option<Parts<'_>> {
    let refs = after(line, b",\"refs\":[")?;
    let (refs, rest) = refs.split_at_checked(refs.iter().position(|&byte| byte == b']')?)?;
    let mut edges = rest.strip_prefix(b"],\"edges\":[")?;
    let start = edges;
    while edges.first() != Some(&b']') {
        take_item(&mut edges)?;
    }
    let (edges, rest) = start.split_at_checked(start.len() - edges.len())?;
    let mut rest = rest.get(1..)?;
    let mut title = None;
    if let Some(mut name) = rest.strip_prefix(b",\"name\":") {
        let text = take_item(&mut name)?;
        title = Some(text.get(1..text.len().checked_sub(1)?)?);
        // what was taken includes the comma behind it
        rest = rest.get(rest.len() - name.len() - 1..)?;
    }
    (rest.starts_with(b",\"rc\":") || rest.starts_with(b",\"root\":\"immortal\"}")).then_some(Parts {
        refs,
        edges,
        title,
    })
}

/// What stands behind the first occurrence of a text.
fn after<'a>(line: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    line.get(line.windows(text.len()).position(|window| window == text)? + text.len()..)
}

/// Takes a JSON string or `null` off the front, and the comma behind it.
fn take_item<'a>(list: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = *list;
    let end = if whole.first() == Some(&b'"') {
        let mut at = 1;
        while *whole.get(at)? != b'"' {
            at += if *whole.get(at)? == b'\\' { 2 } else { 1 };
        }
        at + 1
    } else {
        whole.strip_prefix(b"null").map(|_| 4)?
    };
    let (item, rest) = whole.split_at_checked(end)?;
    *list = rest.strip_prefix(b",").unwrap_or(rest);
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(refs: &str, edges: &str, tail: &str) -> Vec<u8> {
        format!("{{\"address\":1,\"type\":\"t\",\"size\":8,\"refs\":[{refs}],\"edges\":[{edges}]{tail},\"rc\":1}}\n")
            .into()
    }

    #[test]
    fn lines_are_taken_apart() {
        let whole = line("10,20", r#""a\"]","b""#, r#","name":"f""#);
        let parts = parts(&whole).unwrap_or(Parts { refs: b"", edges: b"", title: None });
        assert_eq!(parts.refs, b"10,20");
        assert_eq!(parts.edges, br#""a\"]","b""#);
        assert_eq!(parts.title, Some(&b"f"[..]));
        assert!(super::parts(&line("", "", r#","len":1"#)).is_none());
        assert!(super::parts(b"{}").is_none());
    }

    #[test]
    fn places_are_learnt_from_objects_that_differ() {
        let mut class = [0usize; 64];
        class[types::BASIC_SIZE / 8] = 5 * 8;
        let class = class.as_ptr() as Object;
        let mut templates = Templates::new();
        let number = templates.add();
        let none = |_: Object, _: &mut Text| false;
        let mut described = Line::new();
        for round in 0..ENOUGH as usize {
            // the first objects hold one target twice
            let (one, two) = (1000 + round, if round < 3 { 1000 + round } else { 2000 + round });
            let object = [1, class, two, 7, one];
            let written = line(&format!("{one},{two}"), "\"one\",\"two\"", "");
            let address = object.as_ptr() as Object;
            assert!(!unsafe { templates.describe(number, class, address, &mut described, none) });
            let sample = Sample { class, object: address, line: &written, blocked: &Addresses::new() };
            unsafe {
                templates.traverse(class, address);
                templates.learn(number, &sample, none);
            }
        }
        let object = [1, class, 55, 7, 66];
        described.clear();
        assert!(unsafe { templates.describe(number, class, object.as_ptr() as Object, &mut described, none) });
        assert_eq!(described.targets.as_slice(), [66, 55]);
        assert_eq!(described.edges.as_slice(), b"\"one\",\"two\",");
    }
}
