//! Keeps a drawing from becoming a strip: rows that are too wide are staggered, drawings that are too tall are folded.

use super::grid::{Grid, What};
use super::ranks::Ranking;
use super::{Point, Size};
use std::ops::Range;

/// Width to height that a drawing aims at.
const ASPECT: f64 = 1.6;
/// Rows of boxes narrower than this are never staggered.
const NARROW: f64 = 1500.0;
/// Drawings with so few rows of boxes, or so low, or not this much taller than wide, are never folded.
const FEW_ROWS: usize = 16;
const LOW: f64 = 1500.0;
const TALL: f64 = 1.6;
/// How much higher than they would be if all were alike the columns may be.
const UNEVEN: f64 = 1.2;
/// Arrows that may lead from the foot of a column to the head of the next.
const MOST_LANES: usize = 4;
/// Beside a column, and between two arrows that lead from one column to the next.
const GUTTER: f64 = 26.0;
const LANE: f64 = 12.0;
/// Above a column, when arrows come in there: an arrowhead, and some shaft to see.
const HEAD: f64 = 34.0;
/// Below a column, when arrows leave it there.
const FOOT: f64 = 18.0;

/// Where the rows of a grid go.
pub(super) struct Plan {
    /// Of each row.
    pub rows: Vec<RowPlan>,
    /// Side by side; at least one.
    pub columns: Vec<Column>,
    /// Of the whole.
    pub size: Size,
}

/// Where a row goes.
#[derive(Clone, Copy)]
pub(super) struct RowPlan {
    pub top: f64,
    pub height: f64,
    /// What to add to the `x` of its cells.
    pub shift: f64,
    /// Index of its column.
    pub column: usize,
}

/// Rows that stand below each other.
#[derive(Clone)]
pub(super) struct Column {
    pub rows: Range<usize>,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Spreads rows of boxes that are too wide over several rows, like bricks; `None` when no row is.
pub(super) fn stagger(grid: &Grid, ranking: &Ranking) -> Option<Ranking> {
    let area: f64 = grid.rows.iter().map(|row| grid.width(row) * (grid.height(row) + 30.0)).sum();
    let limit = NARROW.max((area * ASPECT).sqrt() * 1.25);
    let mut rank = ranking.rank.clone();
    let mut added = 0;
    for row in grid.rows.iter().step_by(2) {
        let squares: Vec<usize> = row.iter().copied().filter(|&cell| grid.cells[cell].what == What::Square).collect();
        let pieces = ((grid.width(&squares) / limit).ceil() as usize).max(1);
        for (index, &cell) in squares.iter().enumerate() {
            rank[cell] += added + index % pieces; // neighbours in different rows keep their arrows apart
        }
        added += pieces - 1;
    }
    (added > 0).then(|| Ranking { rank, reversed: ranking.reversed.clone() })
}

/// Stacks the rows, with these gaps below them, in as many columns as bring the drawing nearest to a good shape.
pub(super) fn plan(grid: &Grid, gaps: &[f64]) -> Plan {
    let one = stack(grid, gaps, &[0]);
    let tall = one.size.h > LOW && one.size.h > TALL * one.size.w;
    let box_rows = grid.rows.len().div_ceil(2);
    if box_rows <= FEW_ROWS || !tall {
        return one;
    }
    let foldable: Vec<usize> = (2..grid.rows.len()).step_by(2).filter(|&row| lanes(grid, row) <= MOST_LANES).collect();
    let off = |plan: &Plan| (plan.size.w / plan.size.h / ASPECT).ln().abs();
    let above = heights_above(grid, gaps);
    let mut best = one;
    for columns in 2..=box_rows / 4 {
        let next = stack(grid, gaps, &starts(&above, &foldable, columns));
        let even = above.last().copied().unwrap_or(0.0) / columns as f64;
        if next.size.h < UNEVEN * even + LOW / 4.0 && off(&next) < off(&best) {
            best = next;
        }
    }
    best
}

/// Arrows that come into a row from above.
fn lanes(grid: &Grid, row: usize) -> usize {
    grid.rows[row].iter().map(|&cell| grid.above[cell].len()).sum()
}

/// Height above each row, and of all rows.
fn heights_above(grid: &Grid, gaps: &[f64]) -> Vec<f64> {
    let mut above = vec![0.0];
    for (row, gap) in grid.rows.iter().zip(gaps) {
        above.push(above.last().copied().unwrap_or(0.0) + grid.height(row) + gap);
    }
    above
}

/// First rows of so many columns of about the same height; fewer when there are not enough rows to fold at.
fn starts(above: &[f64], foldable: &[usize], columns: usize) -> Vec<usize> {
    let height = above.last().copied().unwrap_or(0.0) / columns as f64;
    let nearest = (1..columns).filter_map(|column| {
        let off = |row: usize| (above[row] - column as f64 * height).abs();
        foldable.iter().copied().min_by(|&a, &b| off(a).total_cmp(&off(b)))
    });
    let mut starts: Vec<usize> = std::iter::once(0).chain(nearest).collect();
    starts.dedup();
    starts
}

/// Puts rows in columns that start at the given rows.
fn stack(grid: &Grid, gaps: &[f64], starts: &[usize]) -> Plan {
    let most_lanes = starts.iter().skip(1).map(|&row| lanes(grid, row)).max().unwrap_or(0);
    let (above, below) = if most_lanes == 0 { (0.0, 0.0) } else { (HEAD, FOOT) };
    let (top, below) = (above + LANE * most_lanes as f64, below + LANE * most_lanes as f64);
    let mut plan = Plan { rows: Vec::new(), columns: Vec::new(), size: Size::default() };
    for (index, &first) in starts.iter().enumerate() {
        let rows = first..starts.get(index + 1).copied().unwrap_or(grid.rows.len());
        let gutter = if index == 0 { 0.0 } else { 2.0 * GUTTER + LANE * lanes(grid, first) as f64 };
        let column = plan.add_column(grid, gaps, rows, Point::new(plan.size.w + gutter, top));
        plan.size = Size { w: column.right, h: plan.size.h.max(column.bottom + below) };
        plan.columns.push(column);
    }
    plan
}

impl Plan {
    /// Stacks rows below a corner.
    fn add_column(&mut self, grid: &Grid, gaps: &[f64], rows: Range<usize>, corner: Point) -> Column {
        let (low, high) = grid.extent(grid.rows[rows.clone()].iter().flatten());
        let (shift, column) = (corner.x - low, self.columns.len());
        let mut bottom = corner.y;
        for row in rows.clone() {
            let height = grid.height(&grid.rows[row]);
            self.rows.push(RowPlan { top: bottom, height, shift, column });
            bottom += height + if row + 1 < rows.end { gaps[row] } else { 0.0 };
        }
        Column { rows, top: corner.y, right: corner.x + high - low, bottom }
    }
}

/// The way from the foot of a column to the head of the next: down, beside the column, up, and down again.
///
/// Arrows are numbered by where they start, from the left; seen from there they are nested, so none cross.
pub(super) fn corners(from: &Column, to: &Column, ends: (Point, Point), lane: usize, lanes: usize) -> [Point; 6] {
    let outer = LANE * lane as f64;
    let inner = LANE * (lanes - 1 - lane) as f64;
    let foot = from.bottom + FOOT + inner;
    let x = from.right + GUTTER + inner;
    let head = to.top - HEAD - outer;
    let (start, end) = ends;
    [start, Point::new(start.x, foot), Point::new(x, foot), Point::new(x, head), Point::new(end.x, head), end]
}
