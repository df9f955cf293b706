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

mod lessons;
mod step;

use rustc_hash::FxHashMap;

use self::step::{LONGEST, Lore, NONE, ONE_MODULE, ONE_TYPE, Step, Value, in_text, way_of};
use super::block;
use super::record;
use crate::graph::ObjectTable;
use crate::graph::builder::Coder;

/// The place of what comes before the first step.
const START: u8 = 254;
/// Of so many recognised records, one is looked at for values that come often; of the first ones, each, and later fewer.
const SAMPLE: u64 = 64;
const FIRST_SAMPLES: u64 = 256;
const LATE_SAMPLE: u64 = 512;
const LATE: u64 = 1 << 15;

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
