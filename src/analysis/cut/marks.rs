//! A set of objects, one bit each.

use crate::graph::ObjectId;

/// A set of objects: n bits.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// The set of `objects` among `count`.
    pub(super) fn of(count: usize, objects: impl Iterator<Item = ObjectId>) -> Self {
        let mut marks = Self { words: vec![0; count.div_ceil(64)] };
        for object in objects {
            marks.insert(object);
        }
        marks
    }

    /// Adds an object; whether it is new.
    pub(super) fn insert(&mut self, object: ObjectId) -> bool {
        let word = &mut self.words[object.index() / 64];
        let bit = 1 << (object.index() % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether the object is in the set.
    pub(super) fn has(&self, object: ObjectId) -> bool {
        self.words[object.index() / 64] >> (object.index() % 64) & 1 == 1
    }

    /// The objects of the set in dump order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(place, &word)| {
            let nonzero = |word: u64| (word != 0).then_some(word);
            let bits = std::iter::successors(nonzero(word), move |&word| nonzero(word & (word - 1)));
            bits.map(move |word| ObjectId::at(place * 64 + word.trailing_zeros() as usize))
        })
    }
}
