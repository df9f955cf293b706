//! Semidominators (Lengauer and Tarjan 1979): the first half of SEMI-NCA.
//!
//! The semidominator of w is the smallest number from which a path leads to w on which every number between is larger than
//! w. It is the least of: each referrer with a smaller number, and, for each referrer with a larger one, the semidominators
//! of that referrer and of its ancestors in the search down to w.

use std::ops::Range;

use rayon::prelude::*;

use super::number;
use super::search::DepthFirst;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;
use crate::graph::csr::{PlainRows, Rows};

/// Numbers that one task looks at.
const PIECE: usize = 1 << 14;
/// Numbers whose referrers are fetched from memory at once.
const ROWS_AHEAD: usize = 16;
/// Referrers whose links are fetched from memory at once, and those of a row.
const AHEAD: usize = 64;

/// Puts the semidominator of each number beside its parent. `roots` are semidominated by the virtual root, 0.
///
/// The referrers are read in parallel; only those with larger numbers (cross and back references, a fifth of all) are left
/// for the sequential part, which takes O(m log n). Meanwhile 4 bytes such a
/// referrer, and 8 each number that has any.
pub(super) fn find_semidominators(retaining: &Retaining<'_>, search: &mut DepthFirst, roots: &Marks) {
    let DepthFirst { numbers, objects, parents, spare } = search;
    let sources = retaining.plain_reverse();
    let reading = Reading { retaining, sources: sources.as_ref().map(PlainRows::rows), numbers, objects, roots };
    let pieces: Vec<Later> = parents
        .par_chunks_mut(PIECE)
        .enumerate()
        .map(|(piece, parents)| reading.piece(piece * PIECE, parents))
        .collect();
    if pieces.iter().all(|later| later.degrees.is_empty()) {
        return;
    }
    let links = &mut spare[..parents.len()];
    links.copy_from_slice(parents);
    let mut forest = Forest { links, path: Vec::new() };
    let semidominators = &mut parents[..];
    for later in pieces.into_iter().rev() {
        let mut looked_at = later.referrers.len();
        for (number, row) in later.rows_from_last() {
            if row.start < looked_at {
                let next = row.start.saturating_sub(AHEAD)..row.end.min(looked_at);
                looked_at = next.start;
                forest.look_ahead(&later.referrers[next]);
            }
            let [_, least] = &mut semidominators[number as usize];
            for &referrer in &later.referrers[row] {
                *least = forest.least_above(referrer, number).min(*least);
            }
            forest.links[number as usize][1] = *least;
        }
    }
}

/// Referrers with larger numbers than what they refer to, of those numbers of a piece that have any.
#[derive(Debug, Default)]
struct Later {
    /// Number, and how many referrers it has; ascending.
    degrees: Vec<(u32, u32)>,
    /// The referrers of each, one number after the other.
    referrers: Vec<u32>,
}

impl Later {
    /// Closes the row of `number`, which has all referrers from `start` on.
    fn close_row(&mut self, number: u32, start: usize) {
        if self.referrers.len() > start {
            self.degrees.push((number, super::number(self.referrers.len() - start)));
        }
    }

    /// Each number with the range of its referrers, the largest number first.
    fn rows_from_last(&self) -> impl Iterator<Item = (u32, Range<usize>)> + '_ {
        let mut end = self.referrers.len();
        self.degrees.iter().rev().map(move |&(number, degree)| {
            let row = end - degree as usize..end;
            end = row.start;
            (number, row)
        })
    }
}

/// What the referrers of numbers are read from.
struct Reading<'a> {
    retaining: &'a Retaining<'a>,
    /// All referrers as slices, where none is left out.
    sources: Option<Rows<'a>>,
    numbers: &'a [u32],
    objects: &'a [u32],
    roots: &'a Marks,
}

impl Reading<'_> {
    /// Lowers the bound beside each parent of the numbers from `first` on to the least referrer. Returns the referrers with
    /// larger numbers.
    fn piece(&self, first: usize, parents: &mut [[u32; 2]]) -> Later {
        let mut later = Later::default();
        for (place, parents) in parents.chunks_mut(ROWS_AHEAD).enumerate() {
            let first = first + place * ROWS_AHEAD;
            // the first number is the virtual root's, which is no object
            self.look_ahead(first.max(1)..first + parents.len());
            for (own, [_, least]) in (first..).zip(parents).skip(usize::from(first == 0)) {
                let object = ObjectId(self.objects[own]);
                let sources = self.row(object);
                if self.roots.has(object) {
                    *least = 0;
                } else if sources.first() != sources.last() {
                    // where there is only one referrer, the search came from it
                    let start = later.referrers.len();
                    *least = match self.sources {
                        Some(_) => self.least_of(sources, number(own), *least, &mut later.referrers),
                        None => self.least_referrer(object, number(own), *least, &mut later.referrers),
                    };
                    later.close_row(number(own), start);
                }
            }
        }
        later
    }

    #[inline]
    fn row(&self, object: ObjectId) -> &[u32] {
        match self.sources {
            Some(sources) => sources.row(object),
            None => self.retaining.graph.reverse().row(object),
        }
    }

    /// Reads where the numbers of the referrers of some numbers stand, so that the memory fetches all of them at once.
    #[inline]
    fn look_ahead(&self, numbers: Range<usize>) {
        let Some(sources) = self.sources else { return };
        let objects = &self.objects[numbers];
        let rows = objects.iter().map(|&object| sources.row(ObjectId(object)));
        let ends = rows.fold(0, |all, row| all ^ row.first().unwrap_or(&0) ^ row.last().unwrap_or(&0));
        std::hint::black_box(ends);
    }

    /// The least of `bound` and the referrers with smaller numbers than `own`, the object's; the others go to `later`.
    fn least_referrer(&self, object: ObjectId, own: u32, bound: u32, later: &mut Vec<u32>) -> u32 {
        let mut least = bound;
        for referrer in self.retaining.referrers(object) {
            match self.numbers[referrer.index()] {
                0 => {}
                referrer if referrer > own => later.push(referrer),
                referrer => least = referrer.min(least),
            }
        }
        least
    }

    /// The same where all of `sources` count.
    #[inline]
    fn least_of(&self, sources: &[u32], own: u32, bound: u32, later: &mut Vec<u32>) -> u32 {
        let mut least = bound;
        let mut previous = None;
        for &source in sources {
            let referrer = self.numbers[source as usize];
            if referrer > own {
                if previous.replace(source) != Some(source) {
                    later.push(referrer);
                }
            } else {
                // 0 is what no root reaches
                least = least.min(if referrer == 0 { least } else { referrer });
            }
        }
        least
    }
}

/// Ancestors in the depth-first search, with paths compressed as they are climbed (Tarjan 1979).
///
/// Each link is a number's nearest ancestor that its path does not yet include, and the least semidominator on the path up
/// to that one, which is left out. While it is compressed it falls below the number's own semidominator, which is therefore
/// kept elsewhere.
#[derive(Debug)]
struct Forest<'a> {
    links: &'a mut [[u32; 2]],
    /// Reused by each climb.
    path: Vec<u32>,
}

impl Forest<'_> {
    /// Reads the links of some numbers and of their ancestors, so that the memory fetches all of them at once and not one
    /// after the other.
    #[inline]
    fn look_ahead(&self, numbers: &[u32]) {
        let above = |&number: &u32| self.links[self.links[number as usize][0] as usize][0];
        std::hint::black_box(numbers.iter().fold(0, |all, number| all ^ above(number)));
    }

    /// The least semidominator of `number` and its ancestors that are larger than `limit`. All calls with one limit follow
    /// those with larger limits.
    #[inline]
    fn least_above(&mut self, number: u32, limit: u32) -> u32 {
        let [ancestor, least] = self.links[number as usize];
        if ancestor > limit { self.compress(number, limit) } else { least }
    }

    fn compress(&mut self, number: u32, limit: u32) -> u32 {
        let mut top = number;
        while self.links[top as usize][0] > limit {
            self.path.push(top);
            top = self.links[top as usize][0];
        }
        let [ancestor, mut least] = self.links[top as usize];
        while let Some(below) = self.path.pop() {
            let link = &mut self.links[below as usize];
            least = least.min(link[1]);
            *link = [ancestor, least];
        }
        least
    }
}
