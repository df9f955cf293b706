//! Shapes of heaps on which other algorithms are quadratic, or out of stack.

use std::io;

use super::Census;
use super::class::CELLS;
use super::objects::{Texts, View};
use super::random::mixed;

/// What a heap looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Shape {
    /// A realistic Python heap
    Heap,
    /// A linked list
    List,
    /// A doubly linked list, held at both ends
    DoublyLinked,
    /// One object that refers to all others, which refer to it and to the last one
    Star,
    /// Two linked lists whose nodes share leaves
    Ladder,
    /// Two linked lists whose nodes share objects that refer to themselves
    HeavyLadder,
    /// A long list in whose second half each node refers to two objects that a root refers to as well
    SharedTail,
    /// A list, and beside it a doubly linked one that every fiftieth node of the first refers to
    BackChain,
    /// A list whose nodes refer to the node before and to the one half-way to the root
    BackReferences,
    /// A table: one object that refers to rows, each of a leaf of its own and a shared one
    Table,
    /// Layers of 64 objects, each of which refers to four random ones of the next layer
    Layers,
    /// Two random references to an object: bound by cache misses, for information
    Random,
}

/// A heap of any size by one rule. Its objects are rows, all of one type.
#[derive(Clone, Copy)]
pub struct Family {
    /// Adds what row `row` of `count` refers to.
    references: fn(row: u32, count: u32, targets: &mut Vec<u32>),
    /// The last root among the first rows, and whether the last row is a root as well.
    roots: (u32, bool),
    /// References in its longest chain, for one object of the heap.
    depth: fn(count: usize) -> usize,
}

impl Shape {
    /// Its rule; none for a realistic heap.
    pub fn family(self) -> Option<Family> {
        let rule = |references, roots, depth| Some(Family { references, roots, depth });
        match self {
            Self::Heap => None,
            Self::List => rule(list, (0, false), |count| count - 1),
            Self::DoublyLinked => rule(doubly_linked, (0, false), |count| count / 2),
            Self::Star => rule(star, (0, false), |_| 1),
            Self::Ladder => rule(ladder, (1, false), |count| count / 3),
            Self::HeavyLadder => rule(heavy_ladder, (1, false), |count| count / 3),
            Self::SharedTail => rule(shared_tail, (0, true), |count| count / 2),
            Self::BackChain => rule(back_chain, (0, false), |count| count / 2),
            Self::BackReferences => rule(back_references, (0, false), |count| count - 1),
            Self::Table => rule(table, (0, false), |_| 2),
            Self::Layers => rule(layers, (0, false), |count| count / WIDTH as usize),
            Self::Random => rule(random, (3, false), |_| 1),
        }
    }
}

impl Family {
    /// Makes the heap and shows each object once.
    pub fn pass(&self, count: usize, mut show: impl FnMut(View<'_>) -> io::Result<()>) -> io::Result<Census> {
        let count = u32::try_from(count).map_err(io::Error::other)?;
        let address = |row: u32| 0x7f3a_1000_0000 + u64::from(row) * 48;
        let mut census = Census { depth: (self.depth)(count as usize), ..Census::default() };
        let (mut targets, mut references, texts) = (Vec::new(), Vec::new(), Texts::default());
        for row in 0..count {
            targets.clear();
            (self.references)(row, count, &mut targets);
            references.clear();
            references.extend(targets.iter().map(|&target| (row, address(target))));
            let is_root = row <= self.roots.0 || self.roots.1 && row + 1 == count;
            let object = View::bare(&CELLS[usize::from(is_root)], address(row), &references, &texts);
            census.count(object);
            show(object)?;
        }
        Ok(census)
    }
}

fn list(row: u32, count: u32, targets: &mut Vec<u32>) {
    targets.extend((row + 1 < count).then_some(row + 1));
}

fn doubly_linked(row: u32, count: u32, targets: &mut Vec<u32>) {
    match row {
        0 => targets.extend([1, count - 1]),
        _ => targets.extend([(row - 1).max(1), (row + 1).min(count - 1)]),
    }
}

fn star(row: u32, count: u32, targets: &mut Vec<u32>) {
    match row {
        0 => targets.extend(1..count),
        _ => targets.extend([0, count - 1]),
    }
}

fn ladder(row: u32, count: u32, targets: &mut Vec<u32>) {
    if row % 3 != 2 {
        targets.extend([row + 3, row / 3 * 3 + 2].map(|target| target.min(count - 1)));
    }
}

fn heavy_ladder(row: u32, count: u32, targets: &mut Vec<u32>) {
    match row % 3 {
        2 => targets.push(row),
        _ => ladder(row, count, targets),
    }
}

fn shared_tail(row: u32, count: u32, targets: &mut Vec<u32>) {
    let (length, last) = (count / 2, count - 1);
    match row {
        _ if row == last => targets.extend(length..last),
        _ if row >= length => targets.push(row),
        _ if row < length / 2 => targets.push(row + 1),
        _ => targets.extend([2 * row, (2 * row + 1).min(last - 1), (row + 1).min(length - 1)]),
    }
}

/// The first half is a list, the second a doubly linked list.
fn back_chain(row: u32, count: u32, targets: &mut Vec<u32>) {
    let half = count / 2;
    if row < half {
        targets.extend((row + 1 < half).then_some(row + 1));
        targets.extend(row.is_multiple_of(50).then_some(row + half));
    } else {
        targets.extend([(row - 1).max(half), (row + 1).min(count - 1)]);
    }
}

fn back_references(row: u32, count: u32, targets: &mut Vec<u32>) {
    targets.extend([row / 2, (row + 1).min(count - 1), row.saturating_sub(1)]);
}

fn table(row: u32, count: u32, targets: &mut Vec<u32>) {
    match row {
        0 => targets.extend((2..count).step_by(2)),
        _ if row.is_multiple_of(2) => targets.extend([1, (row + 1).min(count - 1)]),
        _ => {}
    }
}

/// Objects of a layer.
const WIDTH: u32 = 64;

fn layers(row: u32, count: u32, targets: &mut Vec<u32>) {
    if row == 0 {
        targets.extend(1..=WIDTH.min(count - 1));
        return;
    }
    let next = 1 + ((row - 1) / WIDTH + 1) * WIDTH;
    let places = (0..4).map(|place| next + draw(row, place) % WIDTH);
    targets.extend(places.filter(|&target| target < count));
}

fn random(row: u32, count: u32, targets: &mut Vec<u32>) {
    targets.extend([0, 1].map(|place| draw(row, place) % count));
}

/// A random number of its own for each row and place.
fn draw(row: u32, place: u32) -> u32 {
    let wide = mixed(u64::from(row) << 2 | u64::from(place));
    u32::try_from(wide >> 32).unwrap_or(0)
}
