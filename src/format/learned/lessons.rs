//! What is learned from records: which steps there are, what follows them, and which are better joined.

use super::step::{FOLLOWERS, Known, LONGEST, Lore, MOST_SAME, NONE, Step, Value, WAYS, steps_of, way_of};
use super::{Learned, Met, START};

/// Steps that are remembered; a dump that needs more is read the general way.
const MOST_STEPS: usize = 254;
/// Followers that a joined step must leave room for.
const SPARE_FOLLOWERS: usize = 4;
/// Records from which nothing came that may be learned from.
const VAIN_LESSONS: u64 = 1 << 8;
/// Records read by what was learned, for each such one beyond that, and for each other one.
const YIELD: u64 = 1 << 12;
const FRUITFUL_YIELD: u64 = 1 << 8;
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

impl Learned {
    /// Joins steps between which the same value often stood, by the record that was read last.
    #[cold]
    pub(super) fn look_back(&mut self, bytes: &[u8]) {
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
