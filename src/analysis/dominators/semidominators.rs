//! Semidominators (Lengauer and Tarjan 1979): the first half of SEMI-NCA.
//!
//! The semidominator of w is the smallest number from which a path leads to w on which every number between is larger than
//! w. It is the least of: each referrer with a smaller number, and, for each referrer with a larger one, the semidominators
//! of that referrer and of its ancestors in the search down to w.

use petgraph::visit::VisitMap;
use rayon::prelude::*;

use super::number;
use super::search::DepthFirst;
use crate::analysis::retaining::Retaining;
use crate::graph::petgraph::Visited;

/// Numbers that one task looks at.
const PIECE: usize = 1 << 16;

/// The semidominator of each number: c entries. `roots` are semidominated by the virtual root, 0.
///
/// The referrers are read in parallel; only those with larger numbers (cross and back references, a fifth of all) are left
/// for the sequential part, which takes O(m log n).
pub(super) fn semidominators(retaining: &Retaining<'_>, search: &DepthFirst, roots: &Visited) -> Vec<u32> {
    let mut semidominators = search.parents.clone();
    let pieces: Vec<Later> = semidominators
        .par_chunks_mut(PIECE)
        .enumerate()
        .map(|(piece, least)| read_referrers(retaining, search, roots, piece * PIECE, least))
        .collect();
    let mut forest = Forest::new(&search.parents, &semidominators);
    for later in pieces.into_iter().rev() {
        for (number, referrers) in later.rows_from_last() {
            let least = &mut semidominators[number as usize];
            for &referrer in referrers {
                *least = forest.least_above(referrer, number).min(*least);
            }
            forest.links[number as usize].least = *least;
        }
    }
    semidominators
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

/// Lowers each entry of `least`, which belongs to the numbers from `first` on, to the least referrer; returns the referrers
/// with larger numbers.
fn read_referrers(
    retaining: &Retaining<'_>,
    search: &DepthFirst,
    roots: &Visited,
    first: usize,
    least: &mut [u32],
) -> Later {
    let mut later = Later::default();
    for (own, least) in (first..).zip(least).skip(usize::from(first == 0)) {
        let object = search.objects[own];
        let sources = retaining.graph.reverse().row(object);
        if roots.is_visited(&object) {
            *least = 0;
        } else if sources.first() != sources.last() {
            // where there is only one referrer, the search came from it
            let start = later.referrers.len();
            let own = number(own);
            for referrer in retaining.referrers(object) {
                match search.numbers[referrer.index()] {
                    0 => {}
                    referrer if referrer > own => later.referrers.push(referrer),
                    referrer => *least = referrer.min(*least),
                }
            }
            later.close_row(own, start);
        }
    }
    later
}

/// Ancestors in the depth-first search, with paths compressed as they are climbed (Tarjan 1979).
#[derive(Debug)]
struct Forest {
    links: Vec<Link>,
    /// Reused by each climb.
    path: Vec<u32>,
}

/// A number, seen from the bottom of a path.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// The nearest ancestor that the path does not yet include.
    ancestor: u32,
    /// The least semidominator on the path from the number up to `ancestor`, that one left out. While it is compressed it
    /// falls below the number's own semidominator, which therefore has a column of its own.
    least: u32,
}

impl Forest {
    fn new(parents: &[u32], semidominators: &[u32]) -> Self {
        let links = parents.iter().zip(semidominators);
        Self { links: links.map(|(&ancestor, &least)| Link { ancestor, least }).collect(), path: Vec::new() }
    }

    /// The least semidominator of `number` and its ancestors that are larger than `limit`. All calls with one limit follow
    /// those with larger limits.
    fn least_above(&mut self, number: u32, limit: u32) -> u32 {
        let mut top = number;
        while self.links[top as usize].ancestor > limit {
            self.path.push(top);
            top = self.links[top as usize].ancestor;
        }
        let Link { ancestor, mut least } = self.links[top as usize];
        while let Some(below) = self.path.pop() {
            let link = &mut self.links[below as usize];
            least = least.min(link.least);
            *link = Link { ancestor, least };
        }
        least
    }
}
