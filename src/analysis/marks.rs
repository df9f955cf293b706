//! A set of objects, one bit each.

use std::ops::Range;

use rayon::prelude::*;

use crate::graph::ObjectId;

/// A set of objects: n bits.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// The set of `objects` among `count`.
    pub(crate) fn of(count: usize, objects: impl Iterator<Item = ObjectId>) -> Self {
        let mut marks = Self { words: vec![0; count.div_ceil(64)] };
        for object in objects {
            marks.insert(object);
        }
        marks
    }

    /// Those of `count` objects for which `is_in` holds, which is asked in parallel.
    pub(crate) fn where_each(count: usize, is_in: impl Fn(ObjectId) -> bool + Sync) -> Self {
        Self::of_words(count, |rows| rows.rev().fold(0, |word, row| word << 1 | u64::from(is_in(ObjectId::at(row)))))
    }

    /// Those of `count` objects whose bits `word_of` gives for each 64 of them, the first in the lowest; it is asked in
    /// parallel.
    pub(crate) fn of_words(count: usize, word_of: impl Fn(Range<usize>) -> u64 + Sync) -> Self {
        let word_at = |place: usize| word_of(place * 64..count.min(place * 64 + 64));
        Self { words: (0..count.div_ceil(64)).into_par_iter().with_min_len(1 << 10).map(word_at).collect() }
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds an object; whether it is new.
    pub(crate) fn insert(&mut self, object: ObjectId) -> bool {
        let word = &mut self.words[object.index() / 64];
        let bit = 1 << (object.index() % 64);
        let is_new = *word & bit == 0;
        // most are not new, and those that ask again soon need not wait for a write
        if is_new {
            *word |= bit;
        }
        is_new
    }

    /// Whether the object is in the set.
    pub(crate) fn has(&self, object: ObjectId) -> bool {
        self.words[object.index() / 64] >> (object.index() % 64) & 1 == 1
    }

    /// The objects of the set in dump order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(place, &word)| {
            let nonzero = |word: u64| (word != 0).then_some(word);
            let bits = std::iter::successors(nonzero(word), move |&word| nonzero(word & (word - 1)));
            bits.map(move |word| ObjectId::at(place * 64 + word.trailing_zeros() as usize))
        })
    }
}
