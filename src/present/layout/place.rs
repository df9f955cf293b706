//! How far to the right each cell is: as near to its neighbours above and below as the cells beside it allow.
//!
//! Each row is solved exactly, as an isotonic regression by pooling adjacent violators (Ayer and others, 1955), rows in
//! turn until they settle. Segments between two bends weigh most, so long arrows are straight; what is nearly straight in
//! the end is made straight.

use super::grid::{Grid, What};
use std::ops::Range;

/// Passes that look at one side only, which carry a change through all rows, and passes that look at both.
const ONE_SIDED: usize = 6;
const TWO_SIDED: usize = 40;
/// Between arrows on the side of a box.
const PORT_GAP: f64 = 20.0;
/// Where no arrow starts on the side of a box, at either end.
const PORT_MARGIN: f64 = 18.0;

/// How far from the end of a label an arrow may pass it.
const LABEL_MARGIN: f64 = 12.0;

/// Gives every cell its `x` and every segment its ports.
pub(super) fn place(grid: &mut Grid) {
    give_ports(grid);
    let total = grid.rows.len();
    for row in 0..total {
        settle(grid, row, true, true);
    }
    for _ in 0..ONE_SIDED {
        (0..total).for_each(|row| settle(grid, row, true, false));
        (0..total).rev().for_each(|row| settle(grid, row, false, true));
    }
    for _ in 0..TWO_SIDED {
        (0..total).for_each(|row| settle(grid, row, true, true));
        (0..total).rev().for_each(|row| settle(grid, row, true, true));
    }
    straighten(grid);
}

/// How far arrows go to the side, in all.
pub(super) fn detour(grid: &Grid) -> f64 {
    let aside = grid.segments.iter().map(|segment| {
        let (upper, lower) = (&grid.cells[segment.upper], &grid.cells[segment.lower]);
        (upper.x + segment.upper_port - lower.x - segment.lower_port).abs()
    });
    aside.sum()
}

/// Spreads the arrows of a box over its lower and its upper side, in the order of where they go.
fn give_ports(grid: &mut Grid) {
    let mut place = vec![0; grid.cells.len()];
    for row in &grid.rows {
        row.iter().enumerate().for_each(|(index, &cell)| place[cell] = index);
    }
    for cell in (0..grid.cells.len()).filter(|&cell| grid.cells[cell].what == What::Square) {
        let width = 2.0 * grid.cells[cell].left;
        let mut below = grid.below[cell].clone();
        below.sort_by_key(|&segment| (place[grid.segments[segment].lower], segment));
        let mut above = grid.above[cell].clone();
        above.sort_by_key(|&segment| (place[grid.segments[segment].upper], segment));
        for (segment, port) in below.iter().zip(ports(below.len(), width)) {
            grid.segments[*segment].upper_port = port;
        }
        for (segment, port) in above.iter().zip(ports(above.len(), width)) {
            grid.segments[*segment].lower_port = port;
        }
    }
}

/// Places on the side of a box, from its middle.
fn ports(count: usize, width: f64) -> impl Iterator<Item = f64> {
    let gaps = count.saturating_sub(1).max(1) as f64;
    let span = (gaps * PORT_GAP).min(width - 2.0 * PORT_MARGIN.min(width / 4.0));
    let first = if count > 1 { -span / 2.0 } else { 0.0 };
    (0..count).map(move |index| first + span * index as f64 / gaps)
}

/// Moves the cells of a row as near as they may get to where their neighbours want them.
fn settle(grid: &mut Grid, row: usize, look_up: bool, look_down: bool) {
    let cells = std::mem::take(&mut grid.rows[row]);
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(cells.len());
    let mut wishes = Vec::with_capacity(cells.len());
    for (index, &cell) in cells.iter().enumerate() {
        if index > 0 {
            offset += grid.distance(cells[index - 1], cell);
        }
        let (wish, weight) = wish(grid, cell, look_up, look_down);
        offsets.push(offset);
        wishes.push((wish - offset, weight));
    }
    for ((&cell, offset), x) in cells.iter().zip(&offsets).zip(isotonic(&wishes)) {
        grid.cells[cell].x = x + offset;
    }
    grid.rows[row] = cells;
}

/// Where a cell wants to be, and how much.
fn wish(grid: &Grid, cell: usize, look_up: bool, look_down: bool) -> (f64, f64) {
    let (mut sum, mut weight) = (grid.cells[cell].x * 1e-3, 1e-3);
    for segment in grid.above[cell].iter().filter(|_| look_up).map(|&index| &grid.segments[index]) {
        let pull = pull(grid, segment.upper, segment.lower);
        sum += pull * (grid.cells[segment.upper].x + segment.upper_port - segment.lower_port);
        weight += pull;
    }
    for segment in grid.below[cell].iter().filter(|_| look_down).map(|&index| &grid.segments[index]) {
        let pull = pull(grid, segment.upper, segment.lower);
        sum += pull * (grid.cells[segment.lower].x + segment.lower_port - segment.upper_port);
        weight += pull;
    }
    (sum / weight, weight)
}

/// How much it matters that a segment is straight.
fn pull(grid: &Grid, upper: usize, lower: usize) -> f64 {
    let boxes = [upper, lower].iter().filter(|&&cell| grid.cells[cell].what == What::Square).count();
    let alone = grid.below[upper].len() == 1 && grid.above[lower].len() == 1;
    match (boxes, alone) {
        (0, _) => 40.0,
        (_, true) => 8.0,
        _ => 2.0,
    }
}

/// The ascending numbers nearest to the wished ones, by weighted squares.
fn isotonic(wishes: &[(f64, f64)]) -> impl Iterator<Item = f64> {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(wishes.len());
    for &(wish, weight) in wishes {
        let mut block = (wish, weight, 1);
        while let Some(&(mean, mass, count)) = blocks.last() {
            if mean < block.0 {
                break;
            }
            block.0 = (mean * mass + block.0 * block.1) / (mass + block.1);
            block.1 += mass;
            block.2 += count;
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count))
}

/// Lines up cells that follow each other with nothing joining or leaving between them, longest runs first.
fn straighten(grid: &mut Grid) {
    let mut beside = vec![(None, None); grid.cells.len()];
    for row in &grid.rows {
        for pair in row.windows(2) {
            beside[pair[0]].1 = Some(pair[1]);
            beside[pair[1]].0 = Some(pair[0]);
        }
    }
    let mut runs = runs(grid);
    runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    for run in runs.iter().chain(&runs) {
        line_up(grid, &beside, run);
    }
}

/// Cells that follow each other with nothing joining or leaving between them.
fn runs(grid: &Grid) -> Vec<Vec<usize>> {
    let next = |cell: usize| match grid.below[cell][..] {
        [segment] => Some(grid.segments[segment].lower).filter(|&lower| grid.above[lower].len() == 1),
        _ => None,
    };
    let mut continues = vec![false; grid.cells.len()];
    (0..grid.cells.len()).filter_map(next).for_each(|cell| continues[cell] = true);
    (0..grid.cells.len())
        .filter(|&cell| !continues[cell] && next(cell).is_some())
        .map(|first| std::iter::successors(Some(first), |&cell| next(cell)).collect())
        .collect()
}

/// Gives the cells of a run the same `x`, in as few pieces as the cells beside them allow.
fn line_up(grid: &mut Grid, beside: &[(Option<usize>, Option<usize>)], run: &[usize]) {
    let mut piece: Vec<(usize, Range<f64>)> = Vec::new();
    let mut common = f64::NEG_INFINITY..f64::INFINITY;
    for &cell in run {
        let free = free(grid, beside[cell], cell);
        let margins = margins(grid, cell);
        let next = common.start.max(free.start + margins.0)..common.end.min(free.end - margins.1);
        if next.start > next.end {
            align(grid, &piece, &common);
            piece.clear();
            common = free.start + margins.0..free.end - margins.1;
        } else {
            common = next;
        }
        piece.push((cell, free));
    }
    align(grid, &piece, &common);
}

/// The room between the neighbours of a cell.
fn free(grid: &Grid, (left, right): (Option<usize>, Option<usize>), cell: usize) -> Range<f64> {
    let start = left.map(|left| grid.cells[left].x + grid.cells[left].right + grid.gap(left, cell));
    let end = right.map(|right| grid.cells[right].x - grid.cells[right].left - grid.gap(cell, right));
    start.unwrap_or(f64::NEG_INFINITY)..end.unwrap_or(f64::INFINITY)
}

/// What a cell needs on either side of its `x`; a label needs not be in the middle of its arrow.
fn margins(grid: &Grid, cell: usize) -> (f64, f64) {
    let cell = &grid.cells[cell];
    match cell.what {
        What::Label => {
            let margin = LABEL_MARGIN.min((cell.left + cell.right) / 2.0);
            (margin, margin)
        }
        What::Square | What::Bend => (cell.left, cell.right),
    }
}

/// Gives cells the same `x`, the one nearest to where they are.
fn align(grid: &mut Grid, piece: &[(usize, Range<f64>)], common: &Range<f64>) {
    if piece.len() < 2 || common.start > common.end {
        return;
    }
    let mean = piece.iter().map(|&(cell, _)| grid.cells[cell].x).sum::<f64>() / piece.len() as f64;
    let x = mean.max(common.start).min(common.end);
    for (cell, free) in piece {
        let cell = &mut grid.cells[*cell];
        if cell.what == What::Label {
            let half = (cell.left + cell.right) / 2.0;
            let middle = x.max(free.start + half).min(free.end - half);
            (cell.left, cell.right) = (half + x - middle, half - x + middle);
        }
        cell.x = x;
    }
}
