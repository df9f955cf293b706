//! The sketch as rows of cells: every box is a cell, and so is every place where an arrow passes a row.
//!
//! Boxes are in even rows; labels are in the odd rows between them.

use super::Sketch;
use super::ranks::Ranking;

/// Room at the right of a box for arrows from the box to itself.
const LOOP_REACH: f64 = 30.0;
/// Between such arrows, and the least height that one needs.
const LOOP_GAP: f64 = 8.0;
const LOOP_HEIGHT: f64 = 22.0;
/// Room on the side of a box that an arrow needs.
const PORT: f64 = 9.0;

/// Something that takes room in a row.
pub(super) struct Cell {
    pub what: What,
    /// Room to the left and to the right of `x`.
    pub left: f64,
    pub right: f64,
    pub height: f64,
    /// Middle of a box; where an arrow passes a bend or a label.
    pub x: f64,
}

/// What a cell is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The box with this index.
    Square,
    /// A label.
    Label,
    /// A place that an arrow passes.
    Bend,
}

/// A piece of an arrow, from a row to the next.
pub(super) struct Segment {
    pub upper: usize,
    pub lower: usize,
    /// Where it meets its cells, from their `x`.
    pub upper_port: f64,
    pub lower_port: f64,
}

/// Rows of cells. The cell of a box has the index of the box.
pub(super) struct Grid {
    pub cells: Vec<Cell>,
    /// The cells of each row, from the left.
    pub rows: Vec<Vec<usize>>,
    pub segments: Vec<Segment>,
    /// Segments above and below each cell.
    pub above: Vec<Vec<usize>>,
    pub below: Vec<Vec<usize>>,
    /// Segments of each arrow, from the top; none for an arrow from a box to itself.
    pub paths: Vec<Vec<usize>>,
    /// Whether each arrow points up.
    pub reversed: Vec<bool>,
}

impl Grid {
    pub(super) fn new(sketch: &Sketch, ranking: &Ranking) -> Self {
        let rows = 2 * ranking.rank.iter().max().map_or(0, |last| last + 1);
        let mut grid = Self {
            cells: squares(sketch),
            rows: vec![Vec::new(); rows.saturating_sub(1)],
            segments: Vec::new(),
            above: vec![Vec::new(); sketch.boxes.len()],
            below: vec![Vec::new(); sketch.boxes.len()],
            paths: vec![Vec::new(); sketch.arrows.len()],
            reversed: ranking.reversed.clone(),
        };
        for (index, rank) in ranking.rank.iter().enumerate() {
            grid.rows[2 * rank].push(index);
        }
        let label_rows = grid.label_rows(sketch, ranking);
        for (arrow, label_row) in label_rows.into_iter().enumerate() {
            grid.add_path(sketch, ranking, arrow, label_row);
        }
        grid
    }

    /// The row for each label: of those that the arrow passes, the one with the most room left.
    fn label_rows(&self, sketch: &Sketch, ranking: &Ranking) -> Vec<Option<usize>> {
        let span = |arrow: usize| {
            let arrow = sketch.arrows[arrow];
            let (from, to) = (ranking.rank[arrow.from], ranking.rank[arrow.to]);
            (from.min(to), from.max(to))
        };
        let mut arrows: Vec<usize> =
            (0..sketch.arrows.len()).filter(|&arrow| sketch.arrows[arrow].label.w > 0.0).collect();
        arrows.sort_by_key(|&arrow| (span(arrow).1 - span(arrow).0, arrow));
        let mut load = vec![0.0; self.rows.len()];
        let mut rows = vec![None; sketch.arrows.len()];
        for arrow in arrows {
            let (first, last) = span(arrow);
            let row = (first..last).map(|rank| 2 * rank + 1).min_by(|&a, &b| f64::total_cmp(&load[a], &load[b]));
            if let Some(row) = row {
                load[row] += sketch.arrows[arrow].label.w;
                rows[arrow] = Some(row);
            }
        }
        rows
    }

    /// Adds the cells and segments of an arrow.
    fn add_path(&mut self, sketch: &Sketch, ranking: &Ranking, arrow: usize, label_row: Option<usize>) {
        let ends = sketch.arrows[arrow];
        if ends.from == ends.to {
            return;
        }
        let (top, bottom) = if self.reversed[arrow] { (ends.to, ends.from) } else { (ends.from, ends.to) };
        let mut last = top;
        for row in 2 * ranking.rank[top] + 1..2 * ranking.rank[bottom] {
            let cell = if label_row == Some(row) { Cell::label(ends.label) } else { Cell::bend() };
            self.cells.push(cell);
            self.above.push(Vec::new());
            self.below.push(Vec::new());
            let next = self.cells.len() - 1;
            self.rows[row].push(next);
            self.join(arrow, last, next);
            last = next;
        }
        self.join(arrow, last, bottom);
    }

    fn join(&mut self, arrow: usize, upper: usize, lower: usize) {
        let segment = self.segments.len();
        self.segments.push(Segment { upper, lower, upper_port: 0.0, lower_port: 0.0 });
        self.below[upper].push(segment);
        self.above[lower].push(segment);
        self.paths[arrow].push(segment);
    }

    /// Room between two neighbours in a row.
    pub(super) fn gap(&self, left: usize, right: usize) -> f64 {
        match (self.cells[left].what, self.cells[right].what) {
            (What::Square, What::Square) => 36.0,
            (What::Bend, What::Bend) => 16.0,
            (What::Bend, What::Square) | (What::Square, What::Bend) => 22.0,
            _ => 14.0,
        }
    }

    /// How far apart the `x` of two neighbours in a row must be.
    pub(super) fn distance(&self, left: usize, right: usize) -> f64 {
        self.cells[left].right + self.gap(left, right) + self.cells[right].left
    }

    /// Left and right end of some cells.
    pub(super) fn extent<'a>(&self, cells: impl Iterator<Item = &'a usize>) -> (f64, f64) {
        cells.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &cell| {
            let cell = &self.cells[cell];
            (low.min(cell.x - cell.left), high.max(cell.x + cell.right))
        })
    }

    /// Width of a row when nothing but neighbours keeps its cells apart.
    pub(super) fn width(&self, row: &[usize]) -> f64 {
        let ends = row.first().map_or(0.0, |&cell| self.cells[cell].left)
            + row.last().map_or(0.0, |&cell| self.cells[cell].right);
        ends + row.windows(2).map(|pair| self.distance(pair[0], pair[1])).sum::<f64>()
    }

    /// Height of a row.
    pub(super) fn height(&self, row: &[usize]) -> f64 {
        row.iter().map(|&cell| self.cells[cell].height).fold(0.0, f64::max)
    }
}

/// Cells for the boxes, grown to have room for their arrows.
fn squares(sketch: &Sketch) -> Vec<Cell> {
    let (mut entering, mut leaving) = (vec![0.0; sketch.boxes.len()], vec![0.0; sketch.boxes.len()]);
    let (mut beside, mut tall) = (vec![0.0_f64; sketch.boxes.len()], vec![0.0_f64; sketch.boxes.len()]);
    for arrow in &sketch.arrows {
        if arrow.from == arrow.to {
            beside[arrow.to] = beside[arrow.to].max(LOOP_REACH + arrow.label.w);
            tall[arrow.to] += loop_height(arrow.label.h);
        } else {
            leaving[arrow.from] += 1.0;
            entering[arrow.to] += 1.0;
        }
    }
    let grown = sketch.boxes.iter().enumerate().map(|(index, square)| {
        let ports = (f64::max(entering[index], leaving[index]) + 1.0) * PORT;
        let half = square.size.w.max(ports) / 2.0;
        let height = square.size.h.max(tall[index]);
        Cell { what: What::Square, left: half, right: half + beside[index], height, x: 0.0 }
    });
    grown.collect()
}

/// Room that an arrow from a box to itself takes on the side of the box.
pub(super) fn loop_height(label: f64) -> f64 {
    label.max(LOOP_HEIGHT) + LOOP_GAP
}

impl Cell {
    fn label(size: super::Size) -> Self {
        Self { what: What::Label, left: size.w / 2.0, right: size.w / 2.0, height: size.h, x: 0.0 }
    }

    fn bend() -> Self {
        Self { what: What::Bend, left: 0.0, right: 0.0, height: 0.0, x: 0.0 }
    }
}
