//! The dominator tree of the core: the second half of SEMI-NCA (Georgiadis, Tarjan and Werneck 2006).
//!
//! The immediate dominator of w is the nearest ancestor of its parent, in the tree that has grown so far, that is not larger
//! than its semidominator. Climbed step by step that is quadratic on a long list whose tail shares objects with a root; skew-
//! binary jump pointers (Myers 1983) climb in O(log n).

/// The dominator tree over numbers: c rows, each after the row of its immediate dominator.
#[derive(Debug)]
pub(super) struct Tree {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// The immediate dominator; a smaller number, 0 for 0.
    dominator: u32,
    /// Another dominator, further up or the same.
    jump: u32,
}

impl Tree {
    /// The dominators of numbers with these parents in the search and these semidominators. O(n log n).
    pub(super) fn new(parents: &[u32], semidominators: &[u32]) -> Self {
        let mut tree = Self { rows: Vec::with_capacity(parents.len()) };
        let mut depths = Vec::with_capacity(parents.len());
        tree.rows.push(Row::default());
        depths.push(0u32);
        for (&parent, &semidominator) in parents.iter().zip(semidominators).skip(1) {
            let dominator = tree.climb(parent, semidominator);
            tree.rows.push(Row { dominator, jump: tree.jump_below(dominator, &depths) });
            depths.push(depths[dominator as usize] + 1);
        }
        tree
    }

    /// How many numbers there are, the virtual root included: c.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The immediate dominator of `number`; 0 for 0.
    pub(super) fn dominator(&self, number: u32) -> u32 {
        self.rows[number as usize].dominator
    }

    /// Where those jump to whose immediate dominator is `dominator`: two equal jumps make one of twice their length.
    fn jump_below(&self, dominator: u32, depths: &[u32]) -> u32 {
        let first = self.rows[dominator as usize].jump;
        let second = self.rows[first as usize].jump;
        let depth = |number: u32| depths[number as usize];
        if depth(dominator) - depth(first) == depth(first) - depth(second) { second } else { dominator }
    }

    /// The nearest of `number` and its dominators that is at most `bound`.
    fn climb(&self, mut number: u32, bound: u32) -> u32 {
        while number > bound {
            let Row { dominator, jump } = self.rows[number as usize];
            number = if jump > bound { jump } else { dominator };
        }
        number
    }

    /// The nearest number that is or dominates both.
    pub(super) fn nearest_common(&self, mut one: u32, mut other: u32) -> u32 {
        while one != other {
            (one, other) = (one.min(other), self.climb(one.max(other), one.min(other)));
        }
        one
    }
}
