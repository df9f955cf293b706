//! Steps: what they are made of, and how they are read off a record.

use wide::u8x16;

use crate::format::scan::Scanner;

/// Longest text of a step.
pub(super) const LONGEST: usize = 64;
/// Steps that are known to follow a step.
pub(super) const FOLLOWERS: usize = 32;
/// Followers that are found by two bytes of what follows.
pub(super) const WAYS: usize = 64;
/// Bytes at the beginning of followers that may be the same, and one.
pub(super) const MOST_SAME: usize = LONGEST / 2;
/// The place of what no text is like.
pub(super) const NONE: u8 = 255;

/// What the value after a step's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
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

/// A step as it is looked for: what is needed for each record, in as few cache lines as possible. The alignment makes its
/// place among others a shift.
#[derive(Debug, Clone, Copy)]
#[repr(align(256))]
pub(super) struct Step {
    /// Sixteen bytes of the text, padded with zeros, and ones where there is text; the same of the next sixteen.
    pub(super) blocks: [[[u8; 16]; 2]; LONGEST / 16],
    /// Followers by the two bytes from where their texts begin to differ.
    pub(super) ways: [u8; WAYS],
    /// The size that the text has in it, and no bit of one that came before; nothing and all bits where it has none.
    pub(super) size: u64,
    pub(super) kept_size: u64,
    /// Types and modules of which it says what they are, in its text or after it: [`ONE_TYPE`] and [`ONE_MODULE`] for each.
    pub(super) names: u64,
    pub(super) length: u8,
    pub(super) value: Value,
    /// In the same way its own number where the text has a type in it.
    pub(super) typed: u8,
    pub(super) kept_typed: u8,
    /// Whether the text has other values in it.
    pub(super) has_others: bool,
    /// Where the followers' texts begin to differ.
    pub(super) differ_at: u8,
    /// The follower that almost always comes.
    pub(super) steady: u8,
    /// The step whose followers are those of this one: the last of those that were joined.
    pub(super) last: u8,
}

/// What else is known of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lore {
    /// The text, padded with zeros.
    pub(super) text: [u8; LONGEST],
    /// Values in the text; none in most.
    pub(super) constants: Option<Constants>,
    pub(super) followers: [u8; FOLLOWERS],
    /// How often the last follower came in a row, in records that were looked at.
    pub(super) in_a_row: u8,
    pub(super) last_follower: u8,
    /// Followers that came last where it was not those of [`Step::ways`].
    pub(super) other_ways: [u8; WAYS],
}

/// In [`Step::names`].
pub(super) const ONE_TYPE: u64 = 1;
pub(super) const ONE_MODULE: u64 = 1 << 32;

/// Values of a joined step. Strings are ranges of its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Constants {
    pub(super) type_name: Option<(u8, u8)>,
    pub(super) module: Option<(u8, u8)>,
    pub(super) size: Option<u64>,
    pub(super) external: Option<u64>,
}

/// A string in the text of a step.
pub(super) fn in_text(text: &[u8], (start, end): (u8, u8)) -> &[u8] {
    text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
}

impl Constants {
    /// Those of a step, its value, and those of the step after it. What comes last counts.
    pub(super) fn joined(first: Known<'_>, value: &[u8], second: Known<'_>) -> Option<Self> {
        let mut all = first.lore.constants.unwrap_or_default();
        let length = first.step.length;
        let range = || Some((length, length + u8::try_from(value.len().checked_sub(1)?).ok()?));
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match first.step.value {
            Value::TypeName => all.type_name = Some(range()?),
            Value::Module => all.module = Some(range()?),
            Value::Size => all.size = Some(number()?),
            Value::External => all.external = Some(number()?),
            _ => {}
        }
        let moved = |(start, end): (u8, u8)| {
            let by = length.checked_add(u8::try_from(value.len()).ok()?)?;
            Some((start.checked_add(by)?, end.checked_add(by)?))
        };
        let after = second.lore.constants.unwrap_or_default();
        Some(Self {
            type_name: after.type_name.map_or(Some(all.type_name), |range| moved(range).map(Some))?,
            module: after.module.map_or(Some(all.module), |range| moved(range).map(Some))?,
            size: after.size.or(all.size),
            external: after.external.or(all.external),
        })
    }
}

/// All of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) step: &'a Step,
    pub(super) lore: &'a Lore,
}

impl<'a> Known<'a> {
    pub(super) fn text(self) -> &'a [u8] {
        &self.lore.text[..usize::from(self.step.length)]
    }

    /// A step that reads what `self` does, then `value`, then what `second` does.
    pub(super) fn joined(self, value: &[u8], second: Self) -> Option<(Step, Lore)> {
        let (step, lore) = Step::new(&[self.text(), value, second.text()].concat(), second.step.value)?;
        let constants = Constants::joined(self, value, second)?;
        let step = Step {
            // a type that is said twice is left to the general reader
            names: self.step.names + second.step.names,
            kept_typed: if constants.type_name.is_some() { 0 } else { u8::MAX },
            kept_size: if constants.size.is_some() { 0 } else { u64::MAX },
            has_others: constants.external.is_some() || (constants.module.is_some() && constants.type_name.is_none()),
            size: constants.size.unwrap_or(0),
            last: second.step.last,
            ..step
        };
        Some((step, Lore { constants: Some(constants), ..lore }))
    }
}

impl Step {
    pub(super) fn new(text: &[u8], value: Value) -> Option<(Self, Lore)> {
        let mut padded = [0; LONGEST];
        padded.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self::of(padded, text.len(), value))
    }

    /// A step whose text is the first `length` bytes of `text`.
    pub(super) fn of(text: [u8; LONGEST], length: usize, value: Value) -> (Self, Lore) {
        let block = |place: usize| {
            let own = std::array::from_fn(|byte| text[place * 16 + byte]);
            let mask = std::array::from_fn(|byte| if place * 16 + byte < length { u8::MAX } else { 0 });
            [own, mask]
        };
        let step = Self {
            blocks: std::array::from_fn(block),
            ways: [NONE; WAYS],
            size: 0,
            names: match value {
                Value::TypeName => ONE_TYPE,
                Value::Module => ONE_MODULE,
                _ => 0,
            },
            length: u8::try_from(length).unwrap_or(0),
            value,
            kept_size: u64::MAX,
            typed: 0,
            kept_typed: u8::MAX,
            has_others: false,
            differ_at: 0,
            steady: NONE,
            last: NONE,
        };
        let lore = Lore {
            text,
            constants: None,
            followers: [NONE; FOLLOWERS],
            in_a_row: 0,
            last_follower: NONE,
            other_ways: [NONE; WAYS],
        };
        (step, lore)
    }

    /// Whether there are no values in its text.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.names == 0 && self.kept_typed != 0 && self.kept_size != 0 && !self.has_others
    }

    #[inline]
    pub(super) fn is_at(&self, window: &[u8; LONGEST]) -> bool {
        let block = |place: usize| u8x16::new(window.as_chunks().0[place]);
        let differs = |place: usize| {
            let [text, mask] = self.blocks[place];
            (block(place) ^ u8x16::new(text)) & u8x16::new(mask)
        };
        let all = if self.length <= 16 {
            // nearly all that are not joined
            differs(0)
        } else {
            (differs(0) | differs(1)) | (differs(2) | differs(3))
        };
        all == u8x16::splat(0)
    }
}

/// Which way two bytes of what follows lead.
#[inline]
pub(super) fn way_of(window: &[u8; LONGEST], place: u8) -> usize {
    let place = usize::from(place) % MOST_SAME;
    let bytes = u16::from_le_bytes([window[place], window[place + 1]]);
    usize::from(bytes.wrapping_mul(0x9e37) >> (u16::BITS - WAYS.ilog2())) % WAYS
}

/// The steps of a record and what follows it before `end`, if all of it can be read in steps: a record without roots or other rare keys.
pub(super) fn steps_of(bytes: &[u8], start: usize, end: usize) -> Option<Vec<(Step, Lore)>> {
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
pub(super) fn value_after(key: &[u8], first: Option<u8>, bytes: &[u8], start: usize) -> Option<Value> {
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
