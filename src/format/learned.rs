//! Reads records that look like earlier ones without looking at each byte.
//!
//! A program that writes a dump writes the same text between the same values: `,"size":`, `,"refs":[`. Such a text, up to
//! where its value starts, is a *step*; which steps followed a step before is remembered, and the next one is recognised by
//! one comparison. Keys may come in any order and be left out; what is not recognised is left to the reader of any JSON, from
//! which the steps are learned, and which alone decides what is an error.

use super::block::{self, Beginning};
use super::record::Record;
use super::scan::Scanner;

/// Longest text of a step.
const LONGEST: usize = 32;
/// Steps that are remembered; a dump that needs more is read the general way.
const MOST_STEPS: usize = 254;
/// Steps that are known to follow a step.
const FOLLOWERS: usize = 6;
/// The place of what comes before the first step.
const START: u8 = 254;
/// The place of what no text is like.
const NONE: u8 = 255;
/// Records that may be read the general way for learning, whatever comes of it.
const LESSONS: u64 = 1 << 10;
/// Records read by what was learned, for each that may be learned from beyond that.
const YIELD: u64 = 1 << 8;

/// What the value after a step's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Address,
    TypeName,
    Module,
    Size,
    External,
    References,
    Weak,
    /// Names of references, of which only is asked whether there are any.
    Names,
    OtherStrings,
    OtherString,
    OtherNumber,
    /// Nothing: the text has the value in it.
    Word,
    /// Nothing: the line is over, or the record where it is one of an array.
    End,
    /// Nothing: this is no step.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// The text, padded with zeros.
    text: [u64; LONGEST / 8],
    /// Ones where there is text.
    mask: [u64; LONGEST / 8],
    length: u8,
    value: Value,
    followers: [u8; FOLLOWERS],
}

/// What the records of a piece of a dump look like.
#[derive(Debug)]
pub struct Learned {
    /// By number, which always is one.
    steps: Box<[Step; 256]>,
    count: usize,
    recognised: u64,
    lessons: u64,
    beginning: Beginning,
}

impl Default for Learned {
    fn default() -> Self {
        let nothing = Step {
            text: [u64::from_le_bytes([b'\n'; 8]); LONGEST / 8],
            mask: [u64::MAX; LONGEST / 8],
            length: 0,
            value: Value::Nothing,
            followers: [NONE; FOLLOWERS],
        };
        Self { steps: Box::new([nothing; 256]), count: 0, recognised: 0, lessons: 0, beginning: Beginning::default() }
    }
}

impl Learned {
    /// Reads the record at `start`, which is its `{`, and returns where its text ends, as it did where it was learned: behind
    /// its newline or its last bracket. `None` where the record does
    /// not look like any before: `record` has no meaning then.
    pub fn read<'a>(&mut self, bytes: &'a [u8], start: usize, record: &mut Record<'a>) -> Option<usize> {
        record.clear();
        let mut at = start;
        let mut previous = START;
        loop {
            let next = self.next(bytes, at, previous)?;
            let step = &self.steps[usize::from(next)];
            at += usize::from(step.length);
            match step.value {
                Value::Address => {
                    let (address, end) = block::near_number(bytes, at, &mut self.beginning)?;
                    (record.address, at) = (Some(address), end);
                }
                Value::TypeName => (record.type_name, at) = string(bytes, at)?,
                Value::Module => (record.module, at) = string(bytes, at).map(|(text, at)| (Some(text), at))?,
                Value::Size => (record.size, at) = block::number(bytes, at)?,
                Value::External => (record.external, at) = block::number(bytes, at)?,
                Value::References => at = numbers(bytes, at, &mut self.beginning, &mut record.references)?,
                Value::Weak => at = numbers(bytes, at, &mut self.beginning, &mut record.weak)?,
                Value::Names => {
                    let end = block::after_strings(bytes, at)?;
                    record.has_names |= end > at + 1;
                    at = end;
                }
                Value::OtherStrings => at = block::after_strings(bytes, at)?,
                Value::OtherString => at = string(bytes, at)?.1,
                Value::OtherNumber => at = block::after_number(bytes, at)?,
                Value::Word => {}
                Value::Nothing => return None,
                Value::End => {
                    self.recognised += 1;
                    return Some(at);
                }
            }
            previous = next;
        }
    }

    /// The step whose text is at `at`.
    #[inline]
    fn next(&mut self, bytes: &[u8], at: usize, previous: u8) -> Option<u8> {
        let window: &[u8; LONGEST] = bytes.get(at..at.checked_add(LONGEST)?)?.try_into().ok()?;
        let followers = self.steps[usize::from(previous)].followers;
        if self.steps[usize::from(followers[0])].is_at(window) {
            return Some(followers[0]);
        }
        let place = 1 + followers[1..].iter().position(|&follower| self.steps[usize::from(follower)].is_at(window))?;
        // those that come often are tried first
        self.steps[usize::from(previous)].followers.swap(place, place - 1);
        Some(followers[place])
    }

    /// Whether records are still to be learned from.
    pub fn is_curious(&self) -> bool {
        self.lessons < LESSONS + self.recognised / YIELD
    }

    /// Learns from the record at `start`, which the general reader has read, and whose text ends before `end`: with its last
    /// bracket, or with a newline.
    pub fn learn(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.lessons += 1;
        if let Some(steps) = steps_of(bytes, start, end) {
            let mut previous = START;
            for step in steps {
                let Some(next) = self.enter(step) else {
                    return;
                };
                self.follow(previous, next);
                previous = next;
            }
        }
    }

    /// The number of a step, which is entered when it is new.
    fn enter(&mut self, step: Step) -> Option<u8> {
        let is_same =
            |other: &Step| other.text == step.text && other.value == step.value && other.length == step.length;
        let known = self.steps[..self.count].iter().position(is_same);
        let place = known.or_else(|| {
            (self.count < MOST_STEPS).then(|| {
                self.steps[self.count] = step;
                self.count += 1;
                self.count - 1
            })
        });
        place.and_then(|place| u8::try_from(place).ok())
    }

    /// Notes that `next` came after `previous`; where too many did, the last one is forgotten.
    fn follow(&mut self, previous: u8, next: u8) {
        let followers = &mut self.steps[usize::from(previous)].followers;
        if !followers.contains(&next) {
            let place = followers.iter().position(|&follower| follower == NONE).unwrap_or(FOLLOWERS - 1);
            followers[place] = next;
        }
    }
}

impl Step {
    fn new(text: &[u8], value: Value) -> Option<Self> {
        let mut padded = [0; LONGEST];
        let mut mask = [0; LONGEST];
        padded.get_mut(..text.len())?.copy_from_slice(text);
        mask[..text.len()].fill(u8::MAX);
        Some(Self {
            text: words(&padded),
            mask: words(&mask),
            length: u8::try_from(text.len()).ok()?,
            value,
            followers: [NONE; FOLLOWERS],
        })
    }

    #[inline]
    fn is_at(&self, window: &[u8; LONGEST]) -> bool {
        let found = words(window);
        let differs = |word: usize| (found[word] ^ self.text[word]) & self.mask[word];
        // most texts are short
        differs(0) | differs(1) == 0 && (self.length <= 16 || differs(2) | differs(3) == 0)
    }
}

fn words(bytes: &[u8; LONGEST]) -> [u64; LONGEST / 8] {
    let (words, _) = bytes.as_chunks::<8>();
    let mut numbers = [0; LONGEST / 8];
    numbers.iter_mut().zip(words).for_each(|(number, word)| *number = u64::from_le_bytes(*word));
    numbers
}

/// The string without escapes whose first byte is at `at`, and the position after its closing quote.
fn string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + block::string_end(bytes, at)?;
    (bytes[end] == b'"').then(|| (&bytes[at..end], end + 1))
}

/// Appends the numbers up to `]`, from the first byte after its `[`, and returns the position after it.
fn numbers(bytes: &[u8], mut at: usize, beginning: &mut Beginning, numbers: &mut Vec<u64>) -> Option<usize> {
    if *bytes.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        let (number, end) = block::near_number(bytes, at, beginning)?;
        numbers.push(number);
        match *bytes.get(end)? {
            b',' => at = end + 1 + usize::from(*bytes.get(end + 1)? == b' '),
            b']' => return Some(end + 1),
            _ => return None,
        }
    }
}

/// The steps of a record and what follows it before `end`, if all of it can be read in steps: a record without roots or other rare keys.
fn steps_of(bytes: &[u8], start: usize, end: usize) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut last = start;
    let mut is_plain = bytes.get(start) == Some(&b'{');
    let mut scanner = Scanner::new(&bytes[..end], start);
    let read = scanner.object(|key, scanner| {
        let first = scanner.peek();
        let value_start = scanner.position();
        let value = value_after(key, first, &bytes[..end], value_start);
        scanner.skip()?;
        let text_end = match value {
            Some(Value::Word) => scanner.position(),
            Some(Value::Address | Value::Size | Value::External | Value::OtherNumber) => value_start,
            _ => value_start + 1,
        };
        match value.and_then(|value| Step::new(&bytes[last..text_end], value)) {
            Some(step) => steps.push(step),
            None => is_plain = false,
        }
        last = scanner.position();
        Ok(())
    });
    // an empty object has no steps; what may follow a record on its line is what an array has there
    let _ = scanner.take(b',');
    let _ = scanner.take(b']');
    let rest = bytes.get(last..end).filter(|_| is_plain && read.is_ok() && scanner.peek().is_none())?;
    steps.push(Step::new(rest, Value::End)?);
    Some(steps)
}

/// How the value of `key` can be read that starts at `start` with the byte `first`; `None` where it is left to the general
/// reader.
fn value_after(key: &[u8], first: Option<u8>, bytes: &[u8], start: usize) -> Option<Value> {
    let is_word = || [&b"null"[..], b"true", b"false"].iter().any(|word| bytes[start..].starts_with(word));
    match (key, first?) {
        (b"root" | b"thread" | b"object" | b"retainers" | b"end" | b"unseen" | b"count", _) => None,
        (b"address" | b"id" | b"addr", b'0'..=b'9') => Some(Value::Address),
        (b"address" | b"id" | b"addr", _) => None,
        (b"type" | b"class", b'"') => Some(Value::TypeName),
        (b"type" | b"class", _) => None,
        (b"module", b'"') => Some(Value::Module),
        (b"module", _) => None,
        (b"size", b'0'..=b'9') => Some(Value::Size),
        (b"external", b'0'..=b'9') => Some(Value::External),
        (b"size" | b"external", _) => None,
        (b"refs" | b"referents" | b"references" | b"children", b'[') => Some(Value::References),
        (b"weak", b'[') => Some(Value::Weak),
        (b"refs" | b"referents" | b"references" | b"children" | b"weak", _) => None,
        (b"edges", b'[') => Some(Value::Names),
        (b"weak_edges", b'[') => Some(Value::OtherStrings),
        (b"edges" | b"weak_edges", _) => None,
        (_, b'"') => Some(Value::OtherString),
        (_, b'0'..=b'9' | b'-') => Some(Value::OtherNumber),
        _ if is_word() => Some(Value::Word),
        _ => None,
    }
}
