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
use super::record;
use super::scan::Scanner;
use crate::graph::ObjectTable;
use crate::graph::builder::Coder;

/// Longest text of a step.
const LONGEST: usize = 64;
/// Steps that are remembered; a dump that needs more is read the general way.
const MOST_STEPS: usize = 254;
/// Steps that are known to follow a step.
const FOLLOWERS: usize = 32;
/// Followers that a joined step must leave room for.
const SPARE_FOLLOWERS: usize = 4;
/// Followers that are found by two bytes of what follows.
const WAYS: usize = 64;
/// Bytes at the beginning of followers that may be the same, and one.
const MOST_SAME: usize = LONGEST / 2;
/// The place of what comes before the first step.
const START: u8 = 254;
/// The place of what no text is like.
const NONE: u8 = 255;
/// Records from which nothing came that may be learned from.
const VAIN_LESSONS: u64 = 1 << 8;
/// Records read by what was learned, for each such one beyond that, and for each other one.
const YIELD: u64 = 1 << 12;
const FRUITFUL_YIELD: u64 = 1 << 8;
/// Of so many recognised records, one is looked at for values that come often; of the first ones, each, and later fewer.
const SAMPLE: u64 = 64;
const FIRST_SAMPLES: u64 = 256;
const LATE_SAMPLE: u64 = 512;
const LATE: u64 = 1 << 15;
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

/// A step as it is looked for: what is needed for each record, in as few cache lines as possible. The alignment makes its
/// place among others a shift.
#[derive(Debug, Clone, Copy)]
#[repr(align(256))]
struct Step {
    /// Sixteen bytes of the text, padded with zeros, and ones where there is text; the same of the next sixteen.
    blocks: [[[u8; 16]; 2]; LONGEST / 16],
    /// Followers by the two bytes from where their texts begin to differ.
    ways: [u8; WAYS],
    /// The size that the text has in it, and no bit of one that came before; nothing and all bits where it has none.
    size: u64,
    kept_size: u64,
    /// Types and modules of which it says what they are, in its text or after it: [`ONE_TYPE`] and [`ONE_MODULE`] for each.
    names: u32,
    length: u8,
    value: Value,
    /// In the same way its own number where the text has a type in it.
    typed: u8,
    kept_typed: u8,
    /// Whether the text has other values in it.
    has_others: bool,
    /// Where the followers' texts begin to differ.
    differ_at: u8,
    /// The follower that almost always comes.
    steady: u8,
    /// The step whose followers are those of this one: the last of those that were joined.
    last: u8,
}

/// What else is known of a step.
#[derive(Debug, Clone, Copy)]
struct Lore {
    /// The text, padded with zeros.
    text: [u8; LONGEST],
    /// Values in the text; none in most.
    constants: Option<Constants>,
    followers: [u8; FOLLOWERS],
    /// How often the last follower came in a row, in records that were looked at.
    in_a_row: u8,
    last_follower: u8,
    /// Followers that came last where it was not those of [`Step::ways`].
    other_ways: [u8; WAYS],
}

/// In [`Step::names`].
const ONE_TYPE: u32 = 1;
const ONE_MODULE: u32 = 1 << 16;

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
    lore: Box<[Lore; 256]>,
    /// Number of the type of each joined step in the table of the piece; [`UNKNOWN`] before it was met.
    types: Box<[u32; 256]>,
    room: Room,
    /// Where the record starts that is read.
    at: usize,
    found: Recognised,
    count: usize,
    recognised: u64,
    lessons: u64,
    /// Those from which nothing new came.
    vain_lessons: u64,
    /// The steps of the record that is looked at.
    trail: Vec<Met>,
    /// How often each step was among those.
    seen: Box<[u32; 256]>,
    candidates: FxHashMap<Candidate, u32>,
}

/// What a record refers to that has no code yet.
#[derive(Debug, Default)]
struct Room {
    /// Addresses, where they have no codes or their object is not yet known.
    addresses: Vec<u64>,
    weak: Vec<u64>,
}

/// What the records were that looked like earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recognised {
    /// Where the last one starts; 0 where there was none.
    pub last: usize,
    /// Whether references have names.
    pub has_names: bool,
    /// Ids that passed 2⁵³.
    pub wide_ids: u64,
}

/// A type that has no number yet.
const UNKNOWN: u32 = u32::MAX;

impl Default for Learned {
    fn default() -> Self {
        // its text comes nowhere
        let (nothing, lore) = Step::of([b'\n'; LONGEST], LONGEST, Value::Nothing);
        Self {
            steps: Box::new([nothing; 256]),
            lore: Box::new([lore; 256]),
            types: Box::new([UNKNOWN; 256]),
            room: Room::default(),
            at: 0,
            found: Recognised::default(),
            count: 0,
            recognised: 0,
            lessons: 0,
            vain_lessons: 0,
            trail: Vec::new(),
            seen: Box::new([0; 256]),
            candidates: FxHashMap::default(),
        }
    }
}

impl Learned {
    /// Reads records from `start` on, which is the `{` of one, into the table of the piece. Returns where it stopped: where a
    /// record ended at `limit` or behind it, and `true`; or at a record that does not look like any before, and `false`.
    pub fn read(&mut self, bytes: &[u8], start: usize, limit: usize, table: &mut ObjectTable) -> (usize, bool) {
        self.at = start;
        while self.at < limit {
            let is_read = if is_sample(self.recognised) {
                self.trail.clear();
                let read = self.read_steps::<true>(bytes, limit, table);
                if read.is_some() {
                    self.look_back(bytes);
                }
                read
            } else {
                self.read_steps::<false>(bytes, limit, table)
            };
            if is_read.is_none() {
                return (self.at, false);
            }
        }
        (self.at, true)
    }

    /// What the records were.
    pub fn found(&self) -> Recognised {
        self.found
    }

    /// Reads records from [`Learned::at`] on: one where it is to be looked at, and its steps are noted; others up to the next
    /// of those. `None` where a record does not look like any before: it then starts there, and nothing of it was added.
    fn read_steps<const NOTED: bool>(&mut self, bytes: &[u8], limit: usize, table: &mut ObjectTable) -> Option<()> {
        let Self { steps, lore, types, room, trail, recognised, found, .. } = self;
        loop {
            room.addresses.clear();
            room.weak.clear();
            let start = self.at;
            let mut coder = table.coder();
            let is_coded = coder.is_some();
            let (mut address, mut code) = (None, 0);
            let (mut size, mut external) = (0, 0);
            // the joined step that says the type, or the type's name; the module where it stands elsewhere
            let (mut typed, mut type_name, mut module): (u8, &[u8], Option<&[u8]>) = (NONE, b"", None);
            let (mut names, mut has_names) = (0, false);
            let (mut at, mut previous) = (start, START);
            if !NOTED && let Some(first) = plain_address(steps, bytes, start) {
                let (read, end) = block::number(bytes, start + usize::from(first.length))?;
                if let Some(coder) = &mut coder {
                    code = coder.code(read)?;
                }
                (address, at, previous) = (Some(read), end, first.last);
            }
            loop {
                let next = next_step(steps, lore, bytes, at, previous)?;
                let step = &steps[usize::from(next)];
                names += step.names;
                typed = typed & step.kept_typed | step.typed;
                size = size & step.kept_size | step.size;
                if step.has_others
                    && let Some(constants) = &lore[usize::from(next)].constants
                {
                    external = constants.external.unwrap_or(external);
                    if constants.type_name.is_none() {
                        module = constants.module.map(|range| in_text(&bytes[at..], range)).or(module);
                    }
                }
                at += usize::from(step.length);
                let value_start = at;
                match step.value {
                    Value::Address => {
                        let (read, end) = block::number(bytes, at)?;
                        if let Some(coder) = &mut coder {
                            code = coder.code(read)?;
                        }
                        (address, at) = (Some(read), end);
                    }
                    Value::TypeName => (type_name, at) = string(bytes, at)?,
                    Value::Module => (module, at) = string(bytes, at).map(|(text, at)| (Some(text), at))?,
                    Value::Size => (size, at) = block::short_number(bytes, at)?,
                    Value::External => (external, at) = block::number(bytes, at)?,
                    Value::References => {
                        at = match &mut coder {
                            Some(coder) if address.is_some() && room.addresses.is_empty() => {
                                references(bytes, at, coder)?
                            }
                            // pages are numbered in the order in which objects, and then their references, come
                            _ => addresses(bytes, at, &mut room.addresses)?,
                        }
                    }
                    Value::Weak => at = addresses(bytes, at, &mut room.weak)?,
                    Value::Names => {
                        let end = block::after_strings(bytes, at)?;
                        has_names |= end > at + 1;
                        at = end;
                    }
                    Value::OtherStrings => at = block::after_strings(bytes, at)?,
                    Value::OtherString => at = string(bytes, at)?.1,
                    Value::OtherNumber => at = block::after_number(bytes, at)?,
                    Value::Word => {}
                    Value::Nothing => return None,
                    Value::End => {
                        // which of several types or modules counts, the general reader knows
                        let (address, false) = (address?, names & !(ONE_TYPE | ONE_MODULE) != 0) else { return None };
                        let known = if module.is_none() { types[usize::from(typed)] } else { UNKNOWN };
                        let type_number = if known == UNKNOWN {
                            let constants = &lore[usize::from(typed)];
                            new_type(constants, (type_name, module), &mut types[usize::from(typed)], table)
                        } else {
                            known
                        };
                        if is_coded {
                            table.coded_object(code, type_number, size, start as u64);
                        } else {
                            table.object(address, type_number, size, start as u64);
                        }
                        if !room.addresses.is_empty() {
                            table.references(&room.addresses);
                        }
                        room.weak.iter().for_each(|&target| table.weak_reference(target));
                        if external > 0 {
                            table.external_size(external);
                        }
                        found.last = start;
                        found.has_names |= has_names;
                        found.wide_ids += u64::from(record::has_wide_id(address));
                        *recognised += 1;
                        self.at = at;
                        if NOTED {
                            trail.push(Met { step: next, start: at, end: at });
                            return Some(());
                        }
                        if at >= limit || is_sample(*recognised) {
                            return Some(());
                        }
                        break;
                    }
                }
                if NOTED {
                    trail.push(Met { step: next, start: value_start, end: at });
                }
                previous = steps[usize::from(next)].last;
            }
        }
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
        let (from, lore) = (&mut self.steps[usize::from(previous)], &mut self.lore[usize::from(previous)]);
        lore.in_a_row = if lore.last_follower == next { lore.in_a_row.saturating_add(1) } else { 0 };
        lore.last_follower = next;
        if lore.in_a_row >= STEADY {
            self.steady(previous, next);
        } else if from.steady != next {
            from.steady = NONE;
        }
    }

    /// Expects `next` always after `previous`, unless it would hide a longer step.
    fn steady(&mut self, previous: u8, next: u8) {
        let text = self.known(next).text();
        let followers = self.lore[usize::from(previous)].followers;
        let mut others = followers.iter().filter(|&&other| other != next && other != NONE);
        let hides_any = others.any(|&other| self.known(other).text().starts_with(text));
        self.steps[usize::from(previous)].steady = if hides_any { NONE } else { next };
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
        let followers = self.lore[usize::from(previous)].followers;
        if followers[FOLLOWERS - SPARE_FOLLOWERS] != NONE || self.count >= MOST_STEPS / 2 {
            return;
        }
        let joined = self.known(first).joined(value, self.known(second));
        if let Some(joined) = joined.and_then(|joined| self.enter(joined))
            && !followers.contains(&joined)
        {
            // before those from which it was made
            let followers = &mut self.lore[usize::from(previous)].followers;
            followers.rotate_right(1);
            followers[0] = joined;
            self.order(previous);
        }
    }

    fn known(&self, step: u8) -> Known<'_> {
        Known { step: &self.steps[usize::from(step)], lore: &self.lore[usize::from(step)] }
    }

    /// Sorts the followers of a step by the bytes in which they differ.
    fn order(&mut self, previous: u8) {
        let followers = self.lore[usize::from(previous)].followers;
        let mut texts = followers.iter().filter(|&&step| step != NONE).map(|&step| self.known(step).text());
        let first = texts.next().unwrap_or_default();
        let same = texts.fold(first.len(), |same, text| {
            first[..same].iter().zip(text).take_while(|(byte, other)| byte == other).count()
        });
        let differ_at = u8::try_from(same.min(MOST_SAME - 1)).unwrap_or(0);
        let mut ways = [NONE; WAYS];
        for &follower in followers.iter().filter(|&&step| step != NONE) {
            let way = &mut ways[way_of(&self.lore[usize::from(follower)].text, differ_at)];
            if usize::from(differ_at) + 2 <= self.known(follower).text().len() && *way == NONE {
                *way = follower;
            }
        }
        let (from, lore) = (&mut self.steps[usize::from(previous)], &mut self.lore[usize::from(previous)]);
        (from.differ_at, from.ways, lore.other_ways) = (differ_at, ways, [NONE; WAYS]);
        // a shorter one would hide the new one
        (from.steady, lore.in_a_row) = (NONE, 0);
    }

    /// Whether records are still to be learned from.
    pub fn is_curious(&self) -> bool {
        self.vain_lessons < VAIN_LESSONS + self.recognised / YIELD
            && self.lessons < VAIN_LESSONS * 4 + self.recognised / FRUITFUL_YIELD
    }

    /// Learns from the record at `start`, which the general reader has read, and whose text ends before `end`: with its last
    /// bracket, or with a newline.
    pub fn learn(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.lessons += 1;
        let mut is_vain = true;
        let mut previous = START;
        for step in steps_of(bytes, start, end).unwrap_or_default() {
            let Some(next) = self.enter(step) else { break };
            is_vain &= !self.follow(previous, next);
            previous = next;
        }
        self.vain_lessons += u64::from(is_vain);
    }

    /// The number of a step, which is entered when it is new.
    fn enter(&mut self, (mut step, lore): (Step, Lore)) -> Option<u8> {
        let is_same = |(own, other): (&Step, &Lore)| {
            other.text == lore.text && own.value == step.value && own.length == step.length
        };
        let known = self.steps.iter().zip(&self.lore[..]).take(self.count).position(is_same);
        let number = u8::try_from(known.unwrap_or(self.count)).ok()?;
        if known.is_none() {
            if self.count >= MOST_STEPS {
                return None;
            }
            if step.last == NONE {
                step.last = number;
            }
            if step.kept_typed == 0 {
                step.typed = number;
            }
            (self.steps[self.count], self.lore[self.count]) = (step, lore);
            self.count += 1;
        }
        Some(number)
    }

    /// Notes that `next` came after `previous`; where too many did, the last one is forgotten. Whether it is new.
    fn follow(&mut self, previous: u8, next: u8) -> bool {
        let followers = &mut self.lore[usize::from(previous)].followers;
        let is_new = !followers.contains(&next);
        if is_new {
            let place = followers.iter().position(|&follower| follower == NONE).unwrap_or(FOLLOWERS - 1);
            followers[place] = next;
            self.order(previous);
        }
        is_new
    }
}

/// Whether the record that comes after so many is looked at.
#[inline]
fn is_sample(recognised: u64) -> bool {
    let sample = if recognised < LATE { SAMPLE } else { LATE_SAMPLE };
    recognised.is_multiple_of(sample) || recognised < FIRST_SAMPLES
}

/// The step at the beginning of a record, where all begin with it and an address follows.
#[inline]
fn plain_address<'a>(steps: &'a [Step; 256], bytes: &[u8], start: usize) -> Option<&'a Step> {
    let first = &steps[usize::from(steps[usize::from(START)].steady)];
    let window = bytes.get(start..)?.first_chunk()?;
    (first.value == Value::Address && first.is_plain() && first.is_at(window)).then_some(first)
}

/// The step whose text is at `at`, after another.
#[inline]
fn next_step(steps: &mut [Step; 256], lore: &mut [Lore; 256], bytes: &[u8], at: usize, previous: u8) -> Option<u8> {
    let window: &[u8; LONGEST] = bytes.get(at..)?.first_chunk()?;
    let from = &steps[usize::from(previous)];
    // nothing has to wait for the bytes where what follows can be guessed
    if from.steady != NONE && steps[usize::from(from.steady)].is_at(window) {
        return Some(from.steady);
    }
    let way = way_of(window, from.differ_at);
    let next = from.ways[way];
    if steps[usize::from(next)].is_at(window) {
        return Some(next);
    }
    search(steps, &mut lore[usize::from(previous)], window, previous, way)
}

/// The step whose text is in `window`, where it is not the one that is expected there.
#[inline(never)]
fn search(steps: &mut [Step; 256], lore: &mut Lore, window: &[u8; LONGEST], previous: u8, way: usize) -> Option<u8> {
    let is_at = |step: u8| steps[usize::from(step)].is_at(window);
    let other = lore.other_ways[way];
    if is_at(other) {
        return Some(other);
    }
    let found = lore.followers.iter().copied().find(|&follower| is_at(follower))?;
    let ways = &mut steps[usize::from(previous)].ways;
    let ways = if ways[way] == NONE { ways } else { &mut lore.other_ways };
    ways[way] = found;
    Some(found)
}

/// The number of a type by the step that says it, or else by its name; by its module where that stands elsewhere. Notes what
/// the step alone says.
#[inline(never)]
fn new_type(
    typed: &Lore,
    (type_name, module): (&[u8], Option<&[u8]>),
    known: &mut u32,
    table: &mut ObjectTable,
) -> u32 {
    let constants = typed.constants.unwrap_or_default();
    let own = |range: Option<(u8, u8)>| range.map(|range| in_text(&typed.text, range));
    let (own_name, own_module) = (own(constants.type_name), own(constants.module));
    let number = record::type_number(table, module.or(own_module).unwrap_or(b""), own_name.unwrap_or(type_name));
    if own_name.is_some() && module.is_none() {
        *known = number;
    }
    number
}

/// Which way two bytes of what follows lead.
#[inline]
fn way_of(window: &[u8; LONGEST], place: u8) -> usize {
    let place = usize::from(place) % MOST_SAME;
    let bytes = u16::from_le_bytes([window[place], window[place + 1]]);
    usize::from(bytes.wrapping_mul(0x9e37) >> (u16::BITS - WAYS.ilog2())) % WAYS
}

/// A string in the text of a step.
fn in_text(text: &[u8], (start, end): (u8, u8)) -> &[u8] {
    text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
}

impl Constants {
    /// Those of a step, its value, and those of the step after it. What comes last counts.
    fn joined(first: Known<'_>, value: &[u8], second: Known<'_>) -> Option<Self> {
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
struct Known<'a> {
    step: &'a Step,
    lore: &'a Lore,
}

impl<'a> Known<'a> {
    fn text(self) -> &'a [u8] {
        &self.lore.text[..usize::from(self.step.length)]
    }

    /// A step that reads what `self` does, then `value`, then what `second` does.
    fn joined(self, value: &[u8], second: Self) -> Option<(Step, Lore)> {
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
    fn new(text: &[u8], value: Value) -> Option<(Self, Lore)> {
        let mut padded = [0; LONGEST];
        padded.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self::of(padded, text.len(), value))
    }

    /// A step whose text is the first `length` bytes of `text`.
    fn of(text: [u8; LONGEST], length: usize, value: Value) -> (Self, Lore) {
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
    fn is_plain(&self) -> bool {
        self.names == 0 && self.kept_typed != 0 && self.kept_size != 0 && !self.has_others
    }

    #[inline]
    fn is_at(&self, window: &[u8; LONGEST]) -> bool {
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

/// The string without escapes whose first byte is at `at`, and the position after its closing quote.
fn string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + block::string_end(bytes, at)?;
    (bytes[end] == b'"').then(|| (&bytes[at..end], end + 1))
}

/// Gives the numbers up to `]`, from the first byte after its `[`, and returns the position after it.
#[inline(always)]
fn numbers(bytes: &[u8], mut at: usize, mut give: impl FnMut(u64) -> Option<()>) -> Option<usize> {
    if *bytes.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        let (number, end, after) = block::number_before(bytes, at)?;
        give(number)?;
        match after {
            [b',', b' '] => at = after_space(end),
            [b',', _] => at = end + 1,
            [b']', _] => return Some(end + 1),
            _ => return None,
        }
    }
}

/// As [`numbers`], the references of an object. Apart, so that what it needs stays in registers.
#[inline(never)]
fn references(bytes: &[u8], at: usize, coder: &mut Coder<'_>) -> Option<usize> {
    numbers(bytes, at, |target| coder.reference(target))
}

/// As [`numbers`], kept as they are.
#[inline(never)]
fn addresses(bytes: &[u8], at: usize, addresses: &mut Vec<u64>) -> Option<usize> {
    numbers(bytes, at, |address| {
        addresses.push(address);
        Some(())
    })
}

/// The position after a comma and a space. Apart, so that the next number does not wait for the question whether there is one.
#[cold]
#[inline(never)]
fn after_space(comma: usize) -> usize {
    comma + 2
}

/// The steps of a record and what follows it before `end`, if all of it can be read in steps: a record without roots or other rare keys.
fn steps_of(bytes: &[u8], start: usize, end: usize) -> Option<Vec<(Step, Lore)>> {
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
