//! Reads records that look like earlier ones without looking at each byte.
//!
//! A program that writes a dump writes the same text between the same values: `,"size":`, `,"refs":[`. Such a text, up to
//! where its value starts, is a *step*; which steps followed a step before is remembered, and the next one is recognised by
//! one comparison. Keys may come in any order and be left out; what is not recognised is left to the reader of any JSON, from
//! which the steps are learned, and which alone decides what is an error.
//!
//! Many values are the same again and again: `,"module":"builtins","rc":1,"refs":[`. Where a value often stands between two
//! steps, both and the value become one longer step, as in byte pair encoding (P. Gage, 1994); it is tried first, and reads
//! what the two would.

use rustc_hash::FxHashMap;
use wide::u8x16;

use super::block;
use super::record::Record;
use super::scan::Scanner;

/// Longest text of a step.
const LONGEST: usize = 64;
/// Steps that are remembered; a dump that needs more is read the general way.
const MOST_STEPS: usize = 254;
/// Steps that are known to follow a step.
const FOLLOWERS: usize = 16;
/// Followers that a joined step must leave room for.
const SPARE_FOLLOWERS: usize = 4;
/// Followers that are found by two bytes of what follows.
const WAYS: usize = 32;
/// Bytes at the beginning of followers that may be the same, and one.
const MOST_SAME: usize = LONGEST / 2;
/// The place of what comes before the first step.
const START: u8 = 254;
/// The place of what no text is like.
const NONE: u8 = 255;
/// Records that may be read the general way for learning, whatever comes of it.
const LESSONS: u64 = 1 << 10;
/// Records read by what was learned, for each that may be learned from beyond that.
const YIELD: u64 = 1 << 8;
/// Of so many recognised records, one is looked at for values that come often; of the first ones, each.
const SAMPLE: u64 = 64;
const FIRST_SAMPLES: u64 = 256;
/// Longest value that becomes part of a step.
const LONGEST_CONSTANT: usize = 24;
/// How often a value must have been seen between two steps before they are joined, and after which part of the times that
/// the first one was.
const JOIN_AFTER: u32 = 8;
const JOIN_SHARE: u32 = 16;
/// How often a step must have come in a row to be expected always.
const STEADY: u8 = 8;
/// Values that are counted.
const MOST_CANDIDATES: usize = 1 << 12;

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
    text: [u8; LONGEST],
    /// Ones where there is text.
    mask: [u8; LONGEST],
    length: u8,
    value: Value,
    /// Values in the text; none in most.
    constants: Option<Constants>,
    /// The step whose followers are those of this one: the last of those that were joined.
    last: u8,
    followers: [u8; FOLLOWERS],
    /// Where the followers' texts begin to differ.
    differ_at: u8,
    /// The follower that almost always comes.
    steady: u8,
    /// How often the last follower came in a row, in records that were looked at.
    in_a_row: u8,
    last_follower: u8,
    /// Followers by the two bytes from there on, and those that came last where it was not them.
    ways: [u8; WAYS],
    other_ways: [u8; WAYS],
}

/// Values of a joined step. Strings are ranges of its text.
#[derive(Debug, Clone, Copy, Default)]
struct Constants {
    type_name: Option<(u8, u8)>,
    module: Option<(u8, u8)>,
    size: Option<u64>,
    external: Option<u64>,
}

/// A step that was recognised, and the range of its value.
#[derive(Debug, Clone, Copy)]
struct Met {
    step: u8,
    start: usize,
    end: usize,
}

/// A value between two steps.
type Candidate = (u8, Box<[u8]>, u8);

/// What the records of a piece of a dump look like.
#[derive(Debug)]
pub struct Learned {
    /// By number, which always is one.
    steps: Box<[Step; 256]>,
    count: usize,
    recognised: u64,
    lessons: u64,
    /// The steps of the record that is looked at.
    trail: Vec<Met>,
    /// How often each step was among those.
    seen: Box<[u32; 256]>,
    candidates: FxHashMap<Candidate, u32>,
}

impl Default for Learned {
    fn default() -> Self {
        // its text comes nowhere
        let nothing = Step {
            text: [b'\n'; LONGEST],
            mask: [u8::MAX; LONGEST],
            length: 0,
            value: Value::Nothing,
            constants: None,
            last: NONE,
            followers: [NONE; FOLLOWERS],
            differ_at: 0,
            steady: NONE,
            in_a_row: 0,
            last_follower: NONE,
            ways: [NONE; WAYS],
            other_ways: [NONE; WAYS],
        };
        Self {
            steps: Box::new([nothing; 256]),
            count: 0,
            recognised: 0,
            lessons: 0,
            trail: Vec::new(),
            seen: Box::new([0; 256]),
            candidates: FxHashMap::default(),
        }
    }
}

impl Learned {
    /// Reads the record at `start`, which is its `{`, and returns where its text ends, as it did where it was learned: behind
    /// its newline or its last bracket. `None` where the record does
    /// not look like any before: `record` has no meaning then.
    pub fn read<'a>(&mut self, bytes: &'a [u8], start: usize, record: &mut Record<'a>) -> Option<usize> {
        if self.recognised >= FIRST_SAMPLES && !self.recognised.is_multiple_of(SAMPLE) {
            return self.read_steps::<false>(bytes, start, record);
        }
        self.trail.clear();
        let end = self.read_steps::<true>(bytes, start, record)?;
        self.look_back(bytes);
        Some(end)
    }

    /// As [`Learned::read`]; notes each step where the record is one that is looked at.
    fn read_steps<'a, const NOTED: bool>(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        record: &mut Record<'a>,
    ) -> Option<usize> {
        record.clear();
        let mut at = start;
        let mut previous = START;
        loop {
            let next = self.next(bytes, at, previous)?;
            let step = &self.steps[usize::from(next)];
            if let Some(constants) = &step.constants {
                constants.give(&bytes[at..], record);
            }
            at += usize::from(step.length);
            let value_start = at;
            match step.value {
                Value::Address => {
                    let (address, end) = block::number(bytes, at)?;
                    (record.address, at) = (Some(address), end);
                }
                Value::TypeName => (record.type_name, at) = string(bytes, at)?,
                Value::Module => (record.module, at) = string(bytes, at).map(|(text, at)| (Some(text), at))?,
                Value::Size => (record.size, at) = block::short_number(bytes, at)?,
                Value::External => (record.external, at) = block::number(bytes, at)?,
                Value::References => at = numbers(bytes, at, &mut record.references)?,
                Value::Weak => at = numbers(bytes, at, &mut record.weak)?,
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
                    if NOTED {
                        self.trail.push(Met { step: next, start: at, end: at });
                    }
                    return Some(at);
                }
            }
            if NOTED {
                self.trail.push(Met { step: next, start: value_start, end: at });
            }
            previous = self.steps[usize::from(next)].last;
        }
    }

    /// The step whose text is at `at`.
    #[inline]
    fn next(&mut self, bytes: &[u8], at: usize, previous: u8) -> Option<u8> {
        let window: &[u8; LONGEST] = bytes.get(at..)?.first_chunk()?;
        let from = &self.steps[usize::from(previous)];
        let way = way_of(window, from.differ_at);
        // nothing has to wait for the bytes where what follows can be guessed
        if from.steady != NONE && self.steps[usize::from(from.steady)].is_at(window) {
            return Some(from.steady);
        }
        let next = from.ways[way];
        if self.steps[usize::from(next)].is_at(window) {
            return Some(next);
        }
        self.search(window, previous, way)
    }

    /// The step whose text is in `window`, where it is not the one that is expected there.
    #[inline(never)]
    fn search(&mut self, window: &[u8; LONGEST], previous: u8, way: usize) -> Option<u8> {
        let from = &self.steps[usize::from(previous)];
        let is_at = |step: u8| self.steps[usize::from(step)].is_at(window);
        let other = from.other_ways[way];
        if is_at(other) {
            return Some(other);
        }
        let found = from.followers.iter().copied().find(|&follower| is_at(follower))?;
        let from = &mut self.steps[usize::from(previous)];
        let ways = if from.ways[way] == NONE { &mut from.ways } else { &mut from.other_ways };
        ways[way] = found;
        Some(found)
    }

    /// Joins steps between which the same value often stood, by the record that was read last.
    #[cold]
    fn look_back(&mut self, bytes: &[u8]) {
        let trail = std::mem::take(&mut self.trail);
        let mut previous = START;
        for (&met, next) in trail.iter().zip(&trail[1..]) {
            self.follow_up(previous, met.step);
            let seen = &mut self.seen[usize::from(met.step)];
            *seen += 1;
            let seen = *seen;
            let value = &bytes[met.start..met.end];
            if self.is_joinable(met, next.step, value) {
                if self.candidates.len() >= MOST_CANDIDATES {
                    self.candidates.clear();
                }
                let times = self.candidates.entry((met.step, value.into(), next.step)).or_default();
                *times += 1;
                if *times >= JOIN_AFTER && *times >= seen / JOIN_SHARE {
                    self.join(previous, met.step, value, next.step);
                }
            }
            previous = self.steps[usize::from(met.step)].last;
        }
        self.trail = trail;
    }

    /// Notes which step followed another, and which one almost always does.
    fn follow_up(&mut self, previous: u8, next: u8) {
        let from = &mut self.steps[usize::from(previous)];
        from.in_a_row = if from.last_follower == next { from.in_a_row.saturating_add(1) } else { 0 };
        from.last_follower = next;
        if from.in_a_row >= STEADY {
            from.steady = next;
        } else if from.steady != next {
            from.steady = NONE;
        }
    }

    /// Whether `value` between two steps can become part of a step.
    fn is_joinable(&self, met: Met, next: u8, value: &[u8]) -> bool {
        let of = |step: u8| &self.steps[usize::from(step)];
        let is_constant = match of(met.step).value {
            Value::Address | Value::End | Value::Nothing => false,
            Value::References | Value::Weak | Value::Names | Value::OtherStrings => value == b"]",
            _ => true,
        };
        let length = usize::from(of(met.step).length) + value.len() + usize::from(of(next).length);
        is_constant && value.len() <= LONGEST_CONSTANT && length <= LONGEST
    }

    /// Makes one step of two, which comes after `previous`, and the value between them.
    fn join(&mut self, previous: u8, first: u8, value: &[u8], second: u8) {
        let of = |step: u8| &self.steps[usize::from(step)];
        let followers = of(previous).followers;
        if followers[FOLLOWERS - SPARE_FOLLOWERS] != NONE || self.count >= MOST_STEPS / 2 {
            return;
        }
        let joined = of(first).joined(value, of(second));
        if let Some(joined) = joined.and_then(|joined| self.enter(joined))
            && !followers.contains(&joined)
        {
            // before those from which it was made
            let from = &mut self.steps[usize::from(previous)];
            from.followers.rotate_right(1);
            from.followers[0] = joined;
            self.order(previous);
        }
    }

    /// Sorts the followers of a step by the bytes in which they differ.
    fn order(&mut self, previous: u8) {
        let followers = self.steps[usize::from(previous)].followers;
        let mut texts =
            followers.iter().filter(|&&step| step != NONE).map(|&step| self.steps[usize::from(step)].text());
        let first = texts.next().unwrap_or_default();
        let same = texts.fold(first.len(), |same, text| {
            first[..same].iter().zip(text).take_while(|(byte, other)| byte == other).count()
        });
        let differ_at = u8::try_from(same.min(MOST_SAME - 1)).unwrap_or(0);
        let mut ways = [NONE; WAYS];
        for &follower in followers.iter().filter(|&&step| step != NONE) {
            let step = &self.steps[usize::from(follower)];
            let way = &mut ways[way_of(&step.text, differ_at)];
            if usize::from(differ_at) + 2 <= usize::from(step.length) && *way == NONE {
                *way = follower;
            }
        }
        let from = &mut self.steps[usize::from(previous)];
        (from.differ_at, from.ways, from.other_ways) = (differ_at, ways, [NONE; WAYS]);
        // a shorter one would hide the new one
        (from.steady, from.in_a_row) = (NONE, 0);
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
                if step.last == NONE {
                    self.steps[self.count].last = u8::try_from(self.count).unwrap_or(NONE);
                }
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
            self.order(previous);
        }
    }
}

/// Which way two bytes of what follows lead.
#[inline]
fn way_of(window: &[u8; LONGEST], place: u8) -> usize {
    let place = usize::from(place) % MOST_SAME;
    let bytes = u16::from_le_bytes([window[place], window[place + 1]]);
    usize::from(bytes.wrapping_mul(0x9e37) >> 11) % WAYS
}

impl Constants {
    /// Notes the values in `record`, with the step's text at the beginning of `bytes`.
    #[inline]
    fn give<'a>(&self, bytes: &'a [u8], record: &mut Record<'a>) {
        let string = |(start, end): (u8, u8)| &bytes[usize::from(start)..usize::from(end)];
        if let Some(range) = self.type_name {
            record.type_name = string(range);
        }
        if let Some(range) = self.module {
            record.module = Some(string(range));
        }
        if let Some(size) = self.size {
            record.size = size;
        }
        if let Some(external) = self.external {
            record.external = external;
        }
    }

    /// Those of a step, its value, and those of the step after it. What comes last counts.
    fn joined(first: &Step, value: &[u8], second: &Step) -> Option<Self> {
        let mut all = first.constants.unwrap_or_default();
        let range = || Some((first.length, first.length + u8::try_from(value.len().checked_sub(1)?).ok()?));
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match first.value {
            Value::TypeName => all.type_name = Some(range()?),
            Value::Module => all.module = Some(range()?),
            Value::Size => all.size = Some(number()?),
            Value::External => all.external = Some(number()?),
            _ => {}
        }
        let moved = |(start, end): (u8, u8)| {
            let by = first.length.checked_add(u8::try_from(value.len()).ok()?)?;
            Some((start.checked_add(by)?, end.checked_add(by)?))
        };
        let after = second.constants.unwrap_or_default();
        Some(Self {
            type_name: after.type_name.map_or(Some(all.type_name), |range| moved(range).map(Some))?,
            module: after.module.map_or(Some(all.module), |range| moved(range).map(Some))?,
            size: after.size.or(all.size),
            external: after.external.or(all.external),
        })
    }
}

impl Step {
    fn new(text: &[u8], value: Value) -> Option<Self> {
        let mut padded = [0; LONGEST];
        let mut mask = [0; LONGEST];
        padded.get_mut(..text.len())?.copy_from_slice(text);
        mask[..text.len()].fill(u8::MAX);
        Some(Self {
            text: padded,
            mask,
            length: u8::try_from(text.len()).ok()?,
            value,
            constants: None,
            last: NONE,
            followers: [NONE; FOLLOWERS],
            differ_at: 0,
            steady: NONE,
            in_a_row: 0,
            last_follower: NONE,
            ways: [NONE; WAYS],
            other_ways: [NONE; WAYS],
        })
    }

    /// A step that reads what `self` does, then `value`, then what `second` does.
    fn joined(&self, value: &[u8], second: &Self) -> Option<Self> {
        let step = Self::new(&[self.text(), value, second.text()].concat(), second.value)?;
        let constants = Some(Constants::joined(self, value, second)?);
        Some(Self { constants, last: second.last, ..step })
    }

    fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    #[inline]
    fn is_at(&self, window: &[u8; LONGEST]) -> bool {
        let block = |bytes: &[u8; LONGEST], place: usize| u8x16::new(bytes.as_chunks().0[place]);
        let differs = |place| (block(window, place) ^ block(&self.text, place)) & block(&self.mask, place);
        let all = if self.length <= 16 {
            // nearly all that are not joined
            differs(0)
        } else {
            (differs(0) | differs(1)) | (differs(2) | differs(3))
        };
        all == u8x16::splat(0)
    }
}

/// The string without escapes whose first byte is at `at`, and the position after its closing quote.
fn string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + block::string_end(bytes, at)?;
    (bytes[end] == b'"').then(|| (&bytes[at..end], end + 1))
}

/// Appends the numbers up to `]`, from the first byte after its `[`, and returns the position after it.
#[inline]
fn numbers(bytes: &[u8], mut at: usize, numbers: &mut Vec<u64>) -> Option<usize> {
    if *bytes.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        let (number, end) = block::number(bytes, at)?;
        numbers.push(number);
        match *bytes.get(end)? {
            b',' if *bytes.get(end + 1)? == b' ' => at = after_space(end),
            b',' => at = end + 1,
            b']' => return Some(end + 1),
            _ => return None,
        }
    }
}

/// The position after a comma and a space. Apart, so that the next number does not wait for the question whether there is one.
#[cold]
#[inline(never)]
fn after_space(comma: usize) -> usize {
    comma + 2
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
