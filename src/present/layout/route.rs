//! Stacks the rows and draws the arrows.
//!
//! Within a row an arrow is upright, at the place of its own cell; between rows, where there are no boxes, it is a curve
//! with upright ends. So it can pass through no box but its own.

use super::fold::{self, Plan};
use super::grid::{Grid, What, loop_height};
use super::{Drawing, Point, Rect, Route, Sketch, Step};

/// Below a row: as little as that where no arrow has its head, and what a head needs.
const SHORT_GAP: f64 = 11.0;
const HEAD_GAP: f64 = 26.0;
/// Arrows that go far to the side get more height, up to a limit.
const SLOPE: f64 = 0.18;
const MOST_SLOPE: f64 = 90.0;
/// Straight piece in front of a box, for the head.
const LEAD: f64 = 12.0;
/// Corners of arrows between columns.
const RADIUS: f64 = 10.0;
/// How far an arrow from a box to itself reaches, and the height of its ends.
const LOOP_BULGE: f64 = 30.0;
const LOOP_ENDS: f64 = 7.0;

/// Draws a grid whose cells are placed.
pub(super) fn draw(sketch: &Sketch, grid: &Grid) -> Drawing {
    let plan = fold::plan(grid, &gaps(grid));
    let painter = Painter { grid, plan: &plan, row: row_of(grid), lane: lanes(grid, &plan) };
    let boxes: Vec<Rect> = (0..sketch.boxes.len()).map(|index| painter.rect(index)).collect();
    let mut used = above_loops(sketch, &boxes);
    let arrows = sketch.arrows.iter().enumerate().map(|(index, arrow)| {
        if arrow.from == arrow.to {
            return around(boxes[arrow.to], arrow.label, &mut used[arrow.to]);
        }
        painter.route(index)
    });
    let arrows = arrows.collect();
    Drawing { size: plan.size, boxes, arrows }
}

/// Room below each row.
fn gaps(grid: &Grid) -> Vec<f64> {
    let row = row_of(grid);
    let mut heads = vec![false; grid.rows.len()];
    for (path, &reversed) in grid.paths.iter().zip(&grid.reversed) {
        let end = if reversed { path.first() } else { path.last() };
        if let Some(&segment) = end {
            heads[row[grid.segments[segment].upper]] = true;
        }
    }
    let mut aside = vec![0.0_f64; grid.rows.len()];
    for segment in &grid.segments {
        let (upper, lower) = (&grid.cells[segment.upper], &grid.cells[segment.lower]);
        let by = (upper.x + segment.upper_port - lower.x - segment.lower_port).abs();
        let most = &mut aside[row[segment.upper]];
        *most = most.max(by);
    }
    let gap = |(head, aside): (bool, f64)| {
        let least = if head { HEAD_GAP } else { SHORT_GAP };
        least + (SLOPE * aside).min(MOST_SLOPE)
    };
    heads.into_iter().zip(aside).map(gap).collect()
}

/// The row of each cell.
fn row_of(grid: &Grid) -> Vec<usize> {
    let mut row_of = vec![0; grid.cells.len()];
    for (row, cells) in grid.rows.iter().enumerate() {
        cells.iter().for_each(|&cell| row_of[cell] = row);
    }
    row_of
}

/// For each segment that leads to the next column, its number from the left and how many there are.
fn lanes(grid: &Grid, plan: &Plan) -> Vec<Option<(usize, usize)>> {
    let mut lanes = vec![None; grid.segments.len()];
    for column in plan.columns.iter().skip(1) {
        let cells = grid.rows[column.rows.start].iter();
        let mut segments: Vec<usize> = cells.flat_map(|&cell| grid.above[cell].iter().copied()).collect();
        let x = |segment: usize| grid.cells[grid.segments[segment].upper].x + grid.segments[segment].upper_port;
        segments.sort_by(|&a, &b| x(a).total_cmp(&x(b)).then(a.cmp(&b)));
        for (lane, &segment) in segments.iter().enumerate() {
            lanes[segment] = Some((lane, segments.len()));
        }
    }
    lanes
}

struct Painter<'a> {
    grid: &'a Grid,
    plan: &'a Plan,
    row: Vec<usize>,
    lane: Vec<Option<(usize, usize)>>,
}

impl Painter<'_> {
    /// Where a box or a label is.
    fn rect(&self, cell: usize) -> Rect {
        let row = self.plan.rows[self.row[cell]];
        let cell = &self.grid.cells[cell];
        let y = row.top + (row.height - cell.height) / 2.0;
        let w = if cell.what == What::Label { cell.left + cell.right } else { 2.0 * cell.left };
        Rect { x: cell.x + row.shift - cell.left, y, w, h: cell.height }
    }

    fn route(&self, arrow: usize) -> Route {
        let path = &self.grid.paths[arrow];
        let mut pen = Pen::default();
        for &segment in path {
            self.segment(&mut pen, segment);
        }
        let labels = path.iter().map(|&segment| self.grid.segments[segment].lower);
        let label = labels.filter(|&cell| self.grid.cells[cell].what == What::Label).map(|cell| self.rect(cell)).next();
        let (start, steps) = if self.grid.reversed[arrow] { pen.backwards() } else { (pen.start, pen.steps) };
        Route { start, steps, label }
    }

    /// Draws a segment and the part of its rows that it passes.
    fn segment(&self, pen: &mut Pen, index: usize) {
        let segment = &self.grid.segments[index];
        let (upper, lower) = (self.plan.rows[self.row[segment.upper]], self.plan.rows[self.row[segment.lower]]);
        let from =
            Point::new(self.grid.cells[segment.upper].x + segment.upper_port + upper.shift, upper.top + upper.height);
        let to = Point::new(self.grid.cells[segment.lower].x + segment.lower_port + lower.shift, lower.top);
        if self.grid.cells[segment.upper].what == What::Square {
            let square = self.rect(segment.upper);
            pen.put(Point::new(from.x, square.y + square.h));
        }
        pen.line(from);
        match self.lane[index] {
            Some((lane, lanes)) => {
                let columns = (&self.plan.columns[upper.column], &self.plan.columns[lower.column]);
                pen.around(&fold::corners(columns.0, columns.1, (from, to), lane, lanes));
            }
            None => self.curve(pen, segment.upper, segment.lower, to),
        }
        if self.grid.cells[segment.lower].what == What::Square {
            pen.line(Point::new(to.x, self.rect(segment.lower).y));
        }
    }

    /// Draws a curve to the next row, with a straight piece where a box and so a head may be.
    fn curve(&self, pen: &mut Pen, upper: usize, lower: usize, to: Point) {
        let lead = |cell: usize| {
            if self.grid.cells[cell].what == What::Square { LEAD } else { 0.0 }
        };
        let gap = to.y - pen.end().y;
        let (above, below) = (lead(upper).min(gap / 6.0), lead(lower).min(gap / 2.0));
        pen.line(Point::new(pen.end().x, pen.end().y + above));
        pen.curve(Point::new(to.x, to.y - below));
        pen.line(to);
    }
}

/// Room left above the arrows from each box to itself, so that they are in the middle of its side.
fn above_loops(sketch: &Sketch, boxes: &[Rect]) -> Vec<f64> {
    let mut room: Vec<f64> = boxes.iter().map(|square| square.h / 2.0).collect();
    for arrow in sketch.arrows.iter().filter(|arrow| arrow.from == arrow.to) {
        room[arrow.to] -= loop_height(arrow.label.h) / 2.0;
    }
    room
}

/// An arrow from a box to itself, on its right side, below those that are there already.
fn around(square: Rect, label: super::Size, used: &mut f64) -> Route {
    let height = loop_height(label.h);
    let x = square.x + square.w;
    let y = square.y + *used + height / 2.0;
    *used += height;
    let handle = |by: f64| Point::new(x + LOOP_BULGE, y + by);
    let steps = vec![Step::Curve(handle(-2.0 * LOOP_ENDS), handle(2.0 * LOOP_ENDS), Point::new(x, y + LOOP_ENDS))];
    let label = (label.w > 0.0).then(|| Rect { x: x + LOOP_BULGE - 3.0, y: y - label.h / 2.0, w: label.w, h: label.h });
    Route { start: Point::new(x, y - LOOP_ENDS), steps, label }
}

/// Collects the steps of an arrow.
#[derive(Default)]
struct Pen {
    start: Point,
    steps: Vec<Step>,
}

impl Pen {
    fn put(&mut self, start: Point) {
        self.start = start;
    }

    fn end(&self) -> Point {
        self.steps.last().map_or(self.start, Step::end)
    }

    /// A line to here; one that goes straight on makes the last one longer.
    fn line(&mut self, to: Point) {
        if self.end() == to {
            return;
        }
        let before = match self.steps[..] {
            [.., last, Step::Line(_)] => Some(last.end()),
            [Step::Line(_)] => Some(self.start),
            _ => None,
        };
        if before.is_some_and(|before| before.x == to.x && self.end().x == to.x) {
            self.steps.pop();
        }
        self.steps.push(Step::Line(to));
    }

    /// A curve to here with upright ends.
    fn curve(&mut self, to: Point) {
        let from = self.end();
        if (from.x - to.x).abs() < 0.01 {
            return self.line(Point::new(from.x, to.y));
        }
        let middle = f64::midpoint(from.y, to.y);
        self.steps.push(Step::Curve(Point::new(from.x, middle), Point::new(to.x, middle), to));
    }

    /// Lines along these corners, rounded.
    fn around(&mut self, corners: &[Point]) {
        for three in corners.windows(3) {
            let [before, corner, after] = three else { continue };
            let (enter, leave) = (near(*corner, *before), near(*corner, *after));
            self.line(enter);
            self.steps.push(Step::Curve(*corner, *corner, leave));
        }
        if let Some(&last) = corners.last() {
            self.line(last);
        }
    }

    /// The same way, walked from its end.
    fn backwards(&self) -> (Point, Vec<Step>) {
        let mut starts = vec![self.start];
        starts.extend(self.steps.iter().map(Step::end));
        let turned = self.steps.iter().zip(&starts).rev().map(|(step, &start)| match *step {
            Step::Line(_) => Step::Line(start),
            Step::Curve(first, second, _) => Step::Curve(second, first, start),
        });
        (self.end(), turned.collect())
    }
}

/// A place on the way from a corner to another point, where its rounding ends.
fn near(corner: Point, other: Point) -> Point {
    let (x, y) = (other.x - corner.x, other.y - corner.y);
    let length = x.hypot(y);
    if length == 0.0 {
        return corner;
    }
    let by = RADIUS.min(length / 2.0) / length;
    Point::new(corner.x + x * by, corner.y + y * by)
}
