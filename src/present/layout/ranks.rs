//! Which row each box is in: every arrow points down, and arrows are as short as that allows.
//!
//! Arrows that close a cycle are turned round first. The rows are then the optimum of a linear program, found by the
//! network simplex method of Gansner, Koutsofios, North and Vo (1993, section 2). Cut values are computed afresh at each
//! pivot, as sums over subtrees: O(n + m) a pivot, and there are few of them in graphs that a person can look at.

use super::{Seat, Sketch};

/// How much stronger than "keep this arrow short" the wish of a root to be on top is, per box.
const SEAT_PULL: i64 = 3;
/// Above so many ranks, a box stays near its neighbours instead: nobody follows an arrow over fifty rows.
const DEEP: i64 = 14;
/// A safety net against cycling.
const MOST_PIVOTS: usize = 20_000;

/// Rows of the boxes.
pub(super) struct Ranking {
    /// Row of each box, from 0.
    pub rank: Vec<usize>,
    /// Whether each arrow is laid out upside down.
    pub reversed: Vec<bool>,
}

/// An arrow of the linear program: `rank[to] - rank[from] >= least`.
#[derive(Clone, Copy)]
struct Limit {
    from: usize,
    to: usize,
    least: i64,
    weight: i64,
}

/// Finds the rows.
pub(super) fn rank(sketch: &Sketch) -> Ranking {
    let reversed = turned(sketch);
    let arrows: Vec<Limit> = (sketch.arrows.iter().zip(&reversed))
        .filter(|(arrow, _)| arrow.from != arrow.to)
        .map(|(arrow, &turn)| {
            let (from, to) = if turn { (arrow.to, arrow.from) } else { (arrow.from, arrow.to) };
            Limit { from, to, least: 1, weight: 1 }
        })
        .collect();
    let mut rank = solve(sketch.boxes.len() + 2, &with_seats(sketch, &arrows, SEAT_PULL));
    if depth(&rank) > DEEP {
        rank = solve(sketch.boxes.len() + 2, &with_seats(sketch, &arrows, 0));
    }
    rank.truncate(sketch.boxes.len());
    let first = rank.iter().min().copied().unwrap_or(0);
    Ranking { rank: rank.iter().map(|rank| usize::try_from(rank - first).unwrap_or(0)).collect(), reversed }
}

/// Arrows that a depth-first walk from the top finds to lead back to where it came from.
fn turned(sketch: &Sketch) -> Vec<bool> {
    let total = sketch.boxes.len();
    let mut leaving = vec![Vec::new(); total];
    let mut entered = vec![false; total];
    for (index, arrow) in sketch.arrows.iter().enumerate().filter(|(_, arrow)| arrow.from != arrow.to) {
        leaving[arrow.from].push(index);
        entered[arrow.to] = true;
    }
    let seated = (0..total).filter(|&index| sketch.boxes[index].seat == Seat::Top);
    let sources = (0..total).filter(|&index| !entered[index]);
    let not_bottom = (0..total).filter(|&index| sketch.boxes[index].seat != Seat::Bottom);
    let mut walk = Walk { reversed: vec![false; sketch.arrows.len()], state: vec![State::New; total] };
    for first in seated.chain(sources).chain(not_bottom).chain(0..total) {
        walk.from(first, sketch, &leaving);
    }
    walk.reversed
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

struct Walk {
    reversed: Vec<bool>,
    state: Vec<State>,
}

impl Walk {
    fn from(&mut self, first: usize, sketch: &Sketch, leaving: &[Vec<usize>]) {
        if self.state[first] != State::New {
            return;
        }
        self.state[first] = State::Open;
        let mut stack = vec![(first, 0)];
        while let Some((index, next)) = stack.last_mut() {
            let Some(&arrow) = leaving[*index].get(*next) else {
                self.state[*index] = State::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            let to = sketch.arrows[arrow].to;
            match self.state[to] {
                State::New => {
                    self.state[to] = State::Open;
                    stack.push((to, 0));
                }
                State::Open => self.reversed[arrow] = true,
                State::Done => {}
            }
        }
    }
}

/// Adds a ceiling (index n) and a floor (n + 1) that hold everything together and draw boxes to their seats.
fn with_seats(sketch: &Sketch, arrows: &[Limit], pull: i64) -> Vec<Limit> {
    let (ceiling, floor) = (sketch.boxes.len(), sketch.boxes.len() + 1);
    let mut limits = arrows.to_vec();
    let mut degree = vec![0; sketch.boxes.len()];
    for arrow in arrows {
        degree[arrow.from] += 1;
        degree[arrow.to] += 1;
    }
    for (index, square) in sketch.boxes.iter().enumerate() {
        let pull = pull * degree[index];
        let (up, down) = match square.seat {
            Seat::Top => (pull, 0),
            Seat::Any => (0, 0),
            Seat::Bottom => (0, pull),
        };
        limits.push(Limit { from: ceiling, to: index, least: 0, weight: up });
        limits.push(Limit { from: index, to: floor, least: 0, weight: down });
    }
    limits.push(Limit { from: ceiling, to: floor, least: 0, weight: 1 });
    limits
}

fn depth(rank: &[i64]) -> i64 {
    let least = rank.iter().min().copied().unwrap_or(0);
    rank.iter().max().copied().unwrap_or(0) - least
}

/// Ranks that keep every limit at the least total of weight times length. The limits hang together and have no cycle.
fn solve(nodes: usize, limits: &[Limit]) -> Vec<i64> {
    let mut simplex = Simplex { limits, rank: longest_paths(nodes, limits), in_tree: vec![false; limits.len()] };
    simplex.grow_tight_tree();
    for _ in 0..MOST_PIVOTS {
        if !simplex.pivot() {
            break;
        }
    }
    simplex.rank
}

/// The smallest ranks that keep every limit.
fn longest_paths(nodes: usize, limits: &[Limit]) -> Vec<i64> {
    let mut leaving = vec![Vec::new(); nodes];
    let mut waiting_for = vec![0; nodes];
    for limit in limits {
        leaving[limit.from].push(limit);
        waiting_for[limit.to] += 1;
    }
    let mut rank = vec![0; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|&node| waiting_for[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for limit in &leaving[node] {
            rank[limit.to] = rank[limit.to].max(rank[node] + limit.least);
            waiting_for[limit.to] -= 1;
            if waiting_for[limit.to] == 0 {
                ready.push(limit.to);
            }
        }
    }
    rank
}

struct Simplex<'a> {
    limits: &'a [Limit],
    rank: Vec<i64>,
    in_tree: Vec<bool>,
}

/// The spanning tree seen from node 0.
struct Tree {
    /// Nodes, each after its parent.
    order: Vec<usize>,
    /// Place of each node in `order`.
    place: Vec<usize>,
    /// Nodes below each node, itself included; they are neighbours in `order`.
    size: Vec<usize>,
    /// The limit that joins each node to its parent.
    to_parent: Vec<Option<usize>>,
}

impl Simplex<'_> {
    fn slack(&self, limit: &Limit) -> i64 {
        self.rank[limit.to] - self.rank[limit.from] - limit.least
    }

    /// Makes a spanning tree of limits without slack, moving what is not yet in it.
    fn grow_tight_tree(&mut self) {
        let mut reached = vec![false; self.rank.len()];
        reached[0] = true;
        loop {
            self.take_tight(&mut reached);
            let leading_out = self.limits.iter().filter(|limit| reached[limit.from] != reached[limit.to]);
            let Some(nearest) = leading_out.min_by_key(|limit| self.slack(limit)) else {
                return;
            };
            let slack = self.slack(nearest);
            let by = if reached[nearest.from] { slack } else { -slack };
            for node in (0..reached.len()).filter(|&node| reached[node]) {
                self.rank[node] += by;
            }
        }
    }

    /// Adds to the tree whatever can be added without moving anything.
    fn take_tight(&mut self, reached: &mut [bool]) {
        let mut grew = true;
        while grew {
            grew = false;
            for index in 0..self.limits.len() {
                let limit = self.limits[index];
                if reached[limit.from] != reached[limit.to] && self.slack(&limit) == 0 {
                    reached[limit.from] = true;
                    reached[limit.to] = true;
                    self.in_tree[index] = true;
                    grew = true;
                }
            }
        }
    }

    /// Swaps one limit of the tree for a better one; false at the optimum.
    fn pivot(&mut self) -> bool {
        let tree = self.tree();
        let Some((leaving, below, sign)) = self.leaving(&tree) else {
            return false;
        };
        let start = tree.place[below];
        let inside = |node: usize| (start..start + tree.size[below]).contains(&tree.place[node]);
        let comes_in = |limit: &Limit| match sign {
            1 => inside(limit.from) && !inside(limit.to),
            _ => !inside(limit.from) && inside(limit.to),
        };
        let candidates = (0..self.limits.len()).filter(|&index| comes_in(&self.limits[index]));
        let Some(entering) = candidates.min_by_key(|&index| (self.slack(&self.limits[index]), index)) else {
            return false;
        };
        let by = sign * self.slack(&self.limits[entering]);
        for &node in &tree.order[start..start + tree.size[below]] {
            self.rank[node] += by;
        }
        self.in_tree[leaving] = false;
        self.in_tree[entering] = true;
        true
    }

    /// A limit of the tree with a negative cut value, the node at its lower end in the tree, and whether that side is
    /// the head of the limit (1) or its tail (-1).
    fn leaving(&self, tree: &Tree) -> Option<(usize, usize, i64)> {
        let mut excess = vec![0; self.rank.len()];
        for limit in self.limits {
            excess[limit.from] += limit.weight;
            excess[limit.to] -= limit.weight;
        }
        let mut worst: Option<(i64, usize, usize, i64)> = None;
        for &node in tree.order.iter().rev() {
            let Some(index) = tree.to_parent[node] else { continue };
            let limit = self.limits[index];
            let (parent, sign) = if limit.to == node { (limit.from, 1) } else { (limit.to, -1) };
            excess[parent] += excess[node];
            let cut = -sign * excess[node];
            if cut < 0 && worst.is_none_or(|(least, ..)| cut < least) {
                worst = Some((cut, index, node, sign));
            }
        }
        worst.map(|(_, index, node, sign)| (index, node, sign))
    }

    fn tree(&self) -> Tree {
        let total = self.rank.len();
        let mut near = vec![Vec::new(); total];
        for (index, limit) in self.limits.iter().enumerate().filter(|(index, _)| self.in_tree[*index]) {
            near[limit.from].push((limit.to, index));
            near[limit.to].push((limit.from, index));
        }
        let mut tree = Tree {
            order: Vec::with_capacity(total),
            place: vec![usize::MAX; total],
            size: vec![1; total],
            to_parent: vec![None; total],
        };
        let mut stack = vec![(0, None)];
        while let Some((node, by)) = stack.pop() {
            tree.place[node] = tree.order.len();
            tree.order.push(node);
            tree.to_parent[node] = by;
            stack.extend(
                near[node].iter().filter(|(_, index)| Some(*index) != by).map(|&(to, index)| (to, Some(index))),
            );
        }
        for &node in tree.order.iter().rev() {
            if let Some(limit) = tree.to_parent[node].map(|index| self.limits[index]) {
                let parent = if limit.to == node { limit.from } else { limit.to };
                tree.size[parent] += tree.size[node];
            }
        }
        tree
    }
}
