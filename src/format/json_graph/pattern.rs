//! Elements that are written like others before them: the text between their values is compared, not parsed.
//!
//! A writer repeats itself: after `{"source":` and a number comes `,"target":`. So the texts between values, once read, are
//! kept as a tree, from the first bracket of an element to its last. Reading another goes down the tree: compare the text,
//! take the value, compare the next. As a way down spells out all that was written but the values, an element is understood
//! as the one was from which the way was learned. Whatever is on no way is left to the general reader, and learned then.

use super::super::block;
use super::super::scan::{Scan, Scanner};

/// A value that a [`Pattern`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A natural number, bare or as the only text of a string.
    Number(u64),
    /// A string with its quotes, without escapes.
    Text(&'a [u8]),
    /// A word, whatever is to be known of which was known when it was learned.
    Word,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Digits, bare or between quotes.
    Digits,
    /// A string; the quotes belong to the texts around.
    Text,
    /// A number that nobody asks for.
    AnyNumber,
    /// A word, which belongs to the text before it.
    Word,
}

/// A value in an element that is learned.
#[derive(Debug, Clone, Copy)]
pub struct Step<S> {
    /// First byte of the value, without its quote.
    pub start: usize,
    /// First byte behind it, its quote included.
    pub end: usize,
    /// How it is written.
    pub written: Written,
    /// What it is; `None` when nobody asks.
    pub slot: Option<S>,
}

/// Ways of writing elements, and what their values are.
#[derive(Debug, Clone)]
pub struct Pattern<S> {
    /// The texts that may follow at each place; the first is the beginning of an element.
    places: Vec<Vec<Text<S>>>,
    /// Elements that were learned or could not be.
    lessons: usize,
}

/// Text between values, and what comes behind it.
#[derive(Debug, Clone)]
struct Text<S> {
    /// The first bytes, as far as they fit; zeros behind.
    head: u128,
    mask: u128,
    /// The bytes behind those.
    rest: Box<[u8]>,
    length: usize,
    next: Next<S>,
}

#[derive(Debug, Clone, Copy)]
enum Next<S> {
    /// A value, and the place behind it.
    Value { written: Written, slot: Option<S>, place: usize },
    /// The end of the element.
    End,
}

impl<S> Text<S> {
    /// Whether it stands at `position`, where the bytes of `head` do, before something that may come next.
    #[inline]
    fn is_at(&self, head: u128, bytes: &[u8], position: usize) -> bool {
        head & self.mask == self.head
            && (self.rest.is_empty() || bytes[position + HEAD..].starts_with(&self.rest))
            && self.next.may_begin_with(bytes.get(position + self.length))
    }
}

impl<S> Next<S> {
    /// Whether what comes next may begin with this byte: the same text may stand before a string and before a number.
    fn may_begin_with(&self, byte: Option<&u8>) -> bool {
        match self {
            Self::Value { written: Written::Digits, .. } => byte.is_some_and(u8::is_ascii_digit),
            Self::Value { written: Written::AnyNumber, .. } => {
                byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
            }
            _ => true,
        }
    }
}

/// Bytes of a text that are compared at once.
const HEAD: usize = 16;
/// Places in a tree; writers that need more are not predictable.
const MOST_PLACES: usize = 256;
/// Texts at a place.
const MOST_TEXTS: usize = 12;
/// Elements from which to learn.
const MOST_LESSONS: usize = 512;

impl<S: Copy> Pattern<S> {
    /// Nothing learned yet.
    pub fn new() -> Self {
        Self { places: vec![Vec::new()], lessons: 0 }
    }

    /// Whether there is room to learn more.
    pub fn is_curious(&self) -> bool {
        self.lessons < MOST_LESSONS
    }

    /// Reads the element at `position` and returns where it ends; `None` when it is not written as one that was learned.
    /// `value` may have been called for some values then.
    pub fn read<'a>(&mut self, bytes: &'a [u8], position: usize, mut value: impl FnMut(S, Value<'a>)) -> Option<usize> {
        let mut place = 0;
        let mut position = position;
        loop {
            let next = self.follow(place, bytes, &mut position)?;
            let Next::Value { written, slot, place: behind } = next else {
                return Some(position);
            };
            let start = position;
            match written {
                Written::Digits => {
                    let (number, end) = block::number(bytes, start)?;
                    position = end;
                    if let Some(slot) = slot {
                        value(slot, Value::Number(number));
                    }
                }
                Written::Text => {
                    position = start + block::string_end(bytes, start)?;
                    if bytes[position] != b'"' {
                        return None;
                    }
                    position += 1;
                    if let Some(slot) = slot {
                        value(slot, Value::Text(&bytes[start - 1..position]));
                    }
                }
                Written::AnyNumber => position = number_end(bytes, start)?,
                Written::Word => {
                    if let Some(slot) = slot {
                        value(slot, Value::Word);
                    }
                }
            }
            place = behind;
        }
    }

    /// Passes over the text at `position` if it is one of those that may follow at `place`.
    #[inline]
    fn follow(&mut self, place: usize, bytes: &[u8], position: &mut usize) -> Option<Next<S>> {
        let texts = self.places.get_mut(place)?;
        let head = u128::from_le_bytes(*bytes.get(*position..)?.first_chunk()?);
        let (first, others) = texts.split_first()?;
        if first.is_at(head, bytes, *position) {
            *position += first.length;
            return Some(first.next);
        }
        let found = 1 + others.iter().position(|text| text.is_at(head, bytes, *position))?;
        *position += texts[found].length;
        let next = texts[found].next;
        // what comes often is compared first
        texts.swap(found, found - 1);
        Some(next)
    }

    /// Learns how the element in `start..end` is written, whose values `steps` finds.
    pub fn learn(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        steps: impl FnOnce(&mut Vec<Step<S>>) -> Scan<bool>,
    ) {
        self.lessons += 1;
        let mut found = Vec::new();
        if !matches!(steps(&mut found), Ok(true)) || self.places.len() + found.len() > MOST_PLACES {
            return;
        }
        let mut place = 0;
        let mut from = start;
        for step in found {
            let Some(next) = self.add(place, &bytes[from..step.start], Some(&step)) else {
                return;
            };
            place = next;
            from = step.end;
        }
        let _ = self.add(place, &bytes[from..end], None);
    }

    /// Enters a text at `place`, and returns the place behind the value that follows it.
    fn add(&mut self, place: usize, text: &[u8], step: Option<&Step<S>>) -> Option<usize> {
        let behind = self.places.len();
        let head = text.iter().take(HEAD).rev().fold(0, |head, &byte| head << 8 | u128::from(byte));
        let texts = self.places.get_mut(place)?;
        let known = texts.iter().find(|known| {
            known.length == text.len() && known.head == head && *known.rest == text[text.len().min(HEAD)..]
        });
        if let Some(known) = known {
            return match known.next {
                Next::Value { written, place, .. } if step.is_some_and(|step| step.written == written) => Some(place),
                _ => None,
            };
        }
        if texts.len() >= MOST_TEXTS || text.is_empty() {
            return None;
        }
        let mask = if text.len() < HEAD { (1 << (8 * text.len())) - 1 } else { u128::MAX };
        let next = match step {
            Some(step) => Next::Value { written: step.written, slot: step.slot, place: behind },
            None => Next::End,
        };
        texts.push(Text { head, mask, rest: text[text.len().min(HEAD)..].into(), length: text.len(), next });
        if step.is_some() {
            self.places.push(Vec::new());
        }
        Some(behind)
    }
}

/// What a value under the cursor teaches.
#[derive(Debug, Clone, Copy)]
pub enum Lesson<'a, S> {
    /// It varies.
    Value(Step<S>),
    /// It is best taken as a part of the text around it: a word, something short in brackets.
    Text(&'a [u8]),
    /// Nothing that could be used again.
    None,
}

/// Bytes of a value that may be a part of the text around it.
const LONGEST_WORD: usize = 16;

/// How the value under the cursor is written, and where it is. The cursor is moved behind it.
///
/// # Errors
/// It is no value.
pub fn lesson<'a, S>(scanner: &mut Scanner<'a>, slot: Option<S>, wants_number: bool) -> Scan<Lesson<'a, S>> {
    scanner.peek();
    let start = scanner.position();
    let text = scanner.skip()?;
    let end = scanner.position();
    let is_digits = |text: &[u8]| (1..=MOST_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let is_number = text.first().is_some_and(|&byte| byte == b'-' || byte.is_ascii_digit());
    let step = |written, start, end, slot| Lesson::Value(Step { start, end, written, slot });
    Ok(match text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")) {
        Some(inside) if wants_number && is_digits(inside) => step(Written::Digits, start + 1, end - 1, slot),
        Some(inside) if !inside.contains(&b'\\') => step(Written::Text, start + 1, end, slot),
        None if is_number && slot.is_none() => step(Written::AnyNumber, start, end, slot),
        None if is_digits(text) && wants_number => step(Written::Digits, start, end, slot),
        None if !is_number && text.len() <= LONGEST_WORD => Lesson::Text(text),
        _ => Lesson::None,
    })
}

/// Digits that are read at once.
const MOST_DIGITS: usize = 16;

/// Where a number of any kind ends.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E');
    let length = bytes.get(start..)?.iter().take_while(|byte| is_part(byte)).count();
    (length > 0).then_some(start + length)
}
