//! How much does a place look like a leak?
//!
//! The bytes that hang there, times what speaks for it: whose code the elements are (the program's own, an installed
//! package's, nobody's), and whose the owner is. What is only text and numbers is mostly a table that stands in the source,
//! unless it has names that only a running program makes up (`session 4711`): such text has digits.

use super::candidate::{Candidate, Place};
use super::facts::{Facts, Kind};
use crate::analysis::origin::Origin;
use crate::graph::{Heap, ObjectId};

/// Elements whose text is read.
const READ: usize = 64;
/// Parts of a tuple that are looked at.
const PARTS: usize = 8;
/// Tuples within tuples.
const DEPTH: usize = 3;

/// What the elements of a place are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// With objects of the program's own among them or below.
    pub(super) own: u64,
    /// With objects of installed packages.
    pub(super) third_party: u64,
    /// Objects and containers that can change, of nobody in particular.
    pub(super) changing: u64,
    /// Text and numbers with digits.
    pub(super) made_up: u64,
    /// Other text and numbers.
    pub(super) constant: u64,
}

impl Contents {
    /// Looks at the elements. Text is read of the first few constants only, and taken for all.
    pub(super) fn of(heap: &Heap, facts: &Facts, elements: &[ObjectId]) -> Self {
        let mut contents = Self::default();
        let (mut read, mut with_digits, mut constants) = (0u64, 0u64, 0u64);
        for &element in elements {
            match facts.below[element.index()] {
                Origin::Own => contents.own += 1,
                Origin::ThirdParty => contents.third_party += 1,
                Origin::StandardLibrary if !is_constant(heap, facts, element) => contents.changing += 1,
                Origin::StandardLibrary => {
                    constants += 1;
                    if read < READ as u64 {
                        read += 1;
                        with_digits += u64::from(has_digits(heap, facts, element));
                    }
                }
            }
        }
        contents.made_up = (constants * with_digits).checked_div(read).unwrap_or(0);
        contents.constant = constants - contents.made_up;
        contents
    }

    fn all(&self) -> u64 {
        self.own + self.third_party + self.changing + self.made_up + self.constant
    }

    /// Whether instances of the program or of packages are among what piles up, and not here and there only.
    pub(super) fn has_users(&self) -> bool {
        (self.own + self.third_party) * 3 >= self.all().max(1)
    }

    /// Whose code the elements are.
    pub(super) fn origin(&self) -> Origin {
        match self {
            _ if !self.has_users() => Origin::StandardLibrary,
            _ if self.own * 3 >= self.own + self.third_party => Origin::Own,
            _ => Origin::ThirdParty,
        }
    }

    /// Sixteenths by which the bytes count. Keys are mostly plain: where values are objects, these decide.
    fn weight(&self) -> u64 {
        let users = self.own + self.third_party;
        let all = self.all().max(1);
        if self.has_users() {
            return (self.own * 64 + self.third_party * 32) / users.max(1);
        }
        if (users + self.changing) * 3 >= all {
            return (self.own * 64 + self.third_party * 32 + self.changing * 8) / (users + self.changing).max(1);
        }
        (self.own * 64 + self.third_party * 32 + self.changing * 8 + self.made_up * 8 + self.constant) / all
    }

    /// Whether most keys or values are text that a running program makes up.
    pub(super) fn is_made_up(&self) -> bool {
        self.made_up > self.constant
    }
}

/// Whether nothing about an object can change: text, numbers, and tuples of them.
pub(super) fn is_constant(heap: &Heap, facts: &Facts, object: ObjectId) -> bool {
    let graph = &heap.graph;
    let mut open = vec![(object, 0)];
    while let Some((object, depth)) = open.pop() {
        match facts.kind(graph, object) {
            Kind::Constant => {}
            Kind::Frozen if depth < DEPTH => {
                open.extend(graph.referents(object).take(PARTS).map(|part| (part, depth + 1)))
            }
            _ => return false,
        }
    }
    true
}

fn has_digits(heap: &Heap, facts: &Facts, object: ObjectId) -> bool {
    let graph = &heap.graph;
    let mut open = vec![(object, 0)];
    while let Some((object, depth)) = open.pop() {
        match facts.kind(graph, object) {
            Kind::Constant if matches!(graph.type_name_of(object), "str" | "bytes") => {
                let value = heap.describe(object).value;
                if value.is_some_and(|value| value.bytes().any(|byte| byte.is_ascii_digit())) {
                    return true;
                }
            }
            Kind::Frozen if depth < DEPTH => {
                open.extend(graph.referents(object).take(PARTS).map(|part| (part, depth + 1)))
            }
            _ => {}
        }
    }
    false
}

/// How suspicious a candidate is: its bytes with all that speaks for it.
pub(super) fn score(candidate: &Candidate) -> u128 {
    let owner = match candidate.owner {
        Origin::Own => 8,
        Origin::ThirdParty => 3,
        Origin::StandardLibrary => 1,
    };
    let contents = match candidate.place {
        Place::Container { is_same_again: true } => candidate.contents.weight().max(32),
        // nothing that a program does on purpose leaves these behind
        Place::Unreached(_) => candidate.contents.weight().max(32) * 2,
        _ => candidate.contents.weight(),
    };
    u128::from(candidate.bytes) * owner * u128::from(contents)
}
