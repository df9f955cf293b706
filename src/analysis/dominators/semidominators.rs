//! Semidominators (Lengauer and Tarjan 1979): the first half of SEMI-NCA.
//!
//! The semidominator of w is the smallest number from which a path leads to w on which every number between is larger than
//! w. It is the least of: each referrer with a smaller number, and, for each referrer with a larger one, the semidominators
//! of that referrer and of its ancestors in the search down to w.

use rayon::prelude::*;

use super::number;
use super::search::DepthFirst;
use crate::analysis::marks::Marks;
use crate::analysis::retaining::Retaining;
use crate::graph::ObjectId;

/// Numbers that one task looks at.
const PIECE: usize = 1 << 14;

/// Puts the semidominator of each number beside its parent. `roots` are semidominated by the virtual root, 0.
///
/// The referrers are read in parallel; only those with larger numbers (cross and back references, a fifth of all) are left
/// for the sequential part, which takes O(m log n). Meanwhile 4 bytes such a
/// referrer, and 8 each number that has any.
pub(super) fn find_semidominators(retaining: &Retaining<'_>, search: &mut DepthFirst, roots: &Marks) {
    let DepthFirst { numbers, objects, parents, spare } = search;
    let reading = Reading { retaining, numbers, objects, roots };
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
        for (number, referrers) in later.rows_from_last() {
            let [_, least] = &mut semidominators[number as usize];
            for &referrer in referrers {
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

    /// Each number with its referrers, the largest number first.
    fn rows_from_last(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let mut end = self.referrers.len();
        self.degrees.iter().rev().map(move |&(number, degree)| {
            let row = end - degree as usize..end;
            end = row.start;
            (number, &self.referrers[row])
        })
    }
}

/// What the referrers of numbers are read from.
struct Reading<'a> {
    retaining: &'a Retaining<'a>,
    numbers: &'a [u32],
    objects: &'a [u32],
    roots: &'a Marks,
}

impl Reading<'_> {
    /// Lowers the bound beside each parent of the numbers from `first` on to the least referrer. Returns the referrers with
    /// larger numbers.
    fn piece(&self, first: usize, parents: &mut [[u32; 2]]) -> Later {
        let mut later = Later::default();
        for (own, [_, least]) in (first..).zip(parents).skip(usize::from(first == 0)) {
            let object = ObjectId(self.objects[own]);
            let sources = self.retaining.graph.reverse().row(object);
            if self.roots.has(object) {
                *least = 0;
            } else if sources.first() != sources.last() {
                // where there is only one referrer, the search came from it
                let start = later.referrers.len();
                *least = self.least_referrer(object, number(own), *least, &mut later.referrers);
                later.close_row(number(own), start);
            }
        }
        later
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
