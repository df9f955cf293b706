//! The order of the cells in each row, so that few arrows cross.
//!
//! Medians of the neighbours, then swaps of neighbours while that helps, row by row, up and down; the best order seen is
//! kept (Gansner and others, 1993, section 3). Crossings are counted with a Fenwick tree: O(s log s) for s segments.

use super::grid::Grid;

/// Times that all rows are gone through, half of them downwards, from each of two first orders.
const SWEEPS: usize = 24;
/// Gives up when so many sweeps brought nothing.
const PATIENCE: usize = 8;
/// Rounds of swaps in each sweep.
const SWAP_ROUNDS: usize = 6;

#[derive(Clone, Copy, PartialEq)]
enum From {
    Above,
    Below,
}

/// Orders of the rows with the fewest crossings found: one, or two that are equally good.
pub(super) fn orders(grid: &mut Grid) -> Vec<Vec<Vec<usize>>> {
    let mut found: Vec<(usize, Vec<Vec<usize>>)> = Vec::new();
    for start in [first_order(grid, From::Above), first_order(grid, From::Below)] {
        grid.rows = start;
        found.push(improve(grid));
    }
    let fewest = found.iter().map(|(crossings, _)| *crossings).min();
    found.retain(|(crossings, _)| Some(*crossings) == fewest);
    found.dedup();
    found.into_iter().map(|(_, rows)| rows).collect()
}

/// Cells in the order of a depth-first walk, so that trees start without a crossing.
fn first_order(grid: &Grid, from: From) -> Vec<Vec<usize>> {
    let mut row_of = vec![0; grid.cells.len()];
    for (row, cells) in grid.rows.iter().enumerate() {
        cells.iter().for_each(|&cell| row_of[cell] = row);
    }
    let mut rows = vec![Vec::new(); grid.rows.len()];
    let mut seen = vec![false; grid.cells.len()];
    let in_order: Vec<usize> = match from {
        From::Above => grid.rows.iter().flatten().copied().collect(),
        From::Below => grid.rows.iter().rev().flatten().copied().collect(),
    };
    for first in in_order {
        let mut stack = vec![first];
        while let Some(cell) = stack.pop() {
            if std::mem::replace(&mut seen[cell], true) {
                continue;
            }
            rows[row_of[cell]].push(cell);
            let next = match from {
                From::Above => &grid.below[cell],
                From::Below => &grid.above[cell],
            };
            stack.extend(next.iter().rev().map(|&segment| grid.other(segment, cell)));
        }
    }
    rows
}

/// Sweeps over the rows; the fewest crossings seen, and the order that has them.
fn improve(grid: &mut Grid) -> (usize, Vec<Vec<usize>>) {
    let mut place = places(grid);
    let mut best = (crossings(grid, &place), grid.rows.clone());
    let mut fruitless = 0;
    for sweep in 0..SWEEPS {
        if best.0 == 0 || fruitless >= PATIENCE {
            break;
        }
        let from = if sweep % 2 == 0 { From::Above } else { From::Below };
        let total = grid.rows.len();
        for step in 0..total {
            let row = if from == From::Above { step } else { total - 1 - step };
            sort_by_median(grid, &mut place, row, from);
        }
        swap_neighbours(grid, &mut place);
        let now = crossings(grid, &place);
        fruitless += 1;
        if now < best.0 {
            best = (now, grid.rows.clone());
            fruitless = 0;
        }
    }
    best
}

/// Place of each cell in its row.
fn places(grid: &Grid) -> Vec<usize> {
    let mut place = vec![0; grid.cells.len()];
    for row in &grid.rows {
        row.iter().enumerate().for_each(|(index, &cell)| place[cell] = index);
    }
    place
}

/// Sorts a row by the medians of the neighbours on one side; cells without neighbours there stay where they are.
fn sort_by_median(grid: &mut Grid, place: &mut [usize], row: usize, from: From) {
    let cells = std::mem::take(&mut grid.rows[row]);
    let medians: Vec<Option<f64>> = cells.iter().map(|&cell| median(&grid.near(place, cell, from))).collect();
    let mut movable: Vec<(f64, usize, usize)> = (cells.iter().zip(&medians).enumerate())
        .filter_map(|(index, (&cell, median))| Some(((*median)?, index, cell)))
        .collect();
    movable.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut sorted = movable.into_iter().map(|(_, _, cell)| cell);
    let fixed = cells.iter().zip(&medians);
    let row_cells: Vec<usize> =
        fixed.filter_map(|(&cell, median)| if median.is_some() { sorted.next() } else { Some(cell) }).collect();
    row_cells.iter().enumerate().for_each(|(index, &cell)| place[cell] = index);
    grid.rows[row] = row_cells;
}

/// The median of sorted places, weighted towards the side where they are packed more densely.
fn median(places: &[usize]) -> Option<f64> {
    let at = |index: usize| places[index] as f64;
    let (count, middle) = (places.len(), places.len() / 2);
    match count {
        0 => None,
        _ if count % 2 == 1 => Some(at(middle)),
        2 => Some(f64::midpoint(at(0), at(1))),
        _ => {
            let (left, right) = (at(middle - 1) - at(0), at(count - 1) - at(middle));
            if left + right == 0.0 {
                return Some(f64::midpoint(at(middle - 1), at(middle)));
            }
            Some((at(middle - 1) * right + at(middle) * left) / (left + right))
        }
    }
}

/// Swaps neighbours in a row while that saves crossings.
fn swap_neighbours(grid: &mut Grid, place: &mut [usize]) {
    for _ in 0..SWAP_ROUNDS {
        let mut swapped = false;
        for row in 0..grid.rows.len() {
            for index in 1..grid.rows[row].len() {
                let (left, right) = (grid.rows[row][index - 1], grid.rows[row][index]);
                if saves(grid, place, left, right) {
                    grid.rows[row].swap(index - 1, index);
                    place.swap(left, right);
                    swapped = true;
                }
            }
        }
        if !swapped {
            return;
        }
    }
}

/// Whether fewer arrows cross when two neighbours are swapped.
fn saves(grid: &Grid, place: &[usize], left: usize, right: usize) -> bool {
    let (mut before, mut after) = (0, 0);
    for from in [From::Above, From::Below] {
        let (lefts, rights) = (grid.near(place, left, from), grid.near(place, right, from));
        before += pairs_in_wrong_order(&lefts, &rights);
        after += pairs_in_wrong_order(&rights, &lefts);
    }
    after < before
}

/// Pairs of a left and a right place with the left one larger; both sorted.
fn pairs_in_wrong_order(lefts: &[usize], rights: &[usize]) -> usize {
    let mut smaller = 0;
    let mut pairs = 0;
    for left in lefts {
        while smaller < rights.len() && rights[smaller] < *left {
            smaller += 1;
        }
        pairs += smaller;
    }
    pairs
}

/// How many pairs of arrows cross.
fn crossings(grid: &Grid, place: &[usize]) -> usize {
    grid.rows.windows(2).map(|pair| crossings_between(grid, place, &pair[0], pair[1].len())).sum()
}

fn crossings_between(grid: &Grid, place: &[usize], upper: &[usize], lower: usize) -> usize {
    let mut seen = vec![0; lower + 1];
    let mut total = 0;
    let mut crossings = 0;
    for &cell in upper {
        let ends = grid.near(place, cell, From::Below);
        for &end in &ends {
            let (mut index, mut not_right) = (end + 1, 0);
            while index > 0 {
                not_right += seen[index];
                index &= index - 1;
            }
            crossings += total - not_right;
        }
        for &end in &ends {
            let mut index = end + 1;
            while index <= lower {
                seen[index] += 1;
                index += index & index.wrapping_neg();
            }
            total += 1;
        }
    }
    crossings
}

impl Grid {
    /// The cell at the other end of a segment.
    fn other(&self, segment: usize, cell: usize) -> usize {
        let segment = &self.segments[segment];
        if segment.upper == cell { segment.lower } else { segment.upper }
    }

    /// Sorted places of the neighbours of a cell in the row above or below.
    fn near(&self, place: &[usize], cell: usize, from: From) -> Vec<usize> {
        let segments = match from {
            From::Above => &self.above[cell],
            From::Below => &self.below[cell],
        };
        let mut near: Vec<usize> = segments.iter().map(|&segment| place[self.other(segment, cell)]).collect();
        near.sort_unstable();
        near
    }
}
