//! Where everything goes in a picture: "let me follow the arrows from the roots down to what I asked for."
//!
//! A layered drawing after Sugiyama, Tagawa and Toda (1981), with the ranks of Gansner, Koutsofios, North and Vo, *A
//! Technique for Drawing Directed Graphs* (1993):
//!
//! 1. arrows that close a cycle are turned round (`ranks`);
//! 2. each box gets a rank, arrows as short as possible, roots at the top, targets at the bottom (`ranks`);
//! 3. arrows that span several ranks, and labels, become cells of their own, so they have a place of their own (`grid`);
//! 4. cells of a rank are ordered so that few arrows cross (`order`);
//! 5. cells are moved sideways until arrows are as straight as their neighbours allow (`place`);
//! 6. ranks are stacked, a strip that would be too tall is folded into columns like a newspaper (`fold`), and arrows are
//!    drawn as curves that are upright wherever they pass a rank (`route`).
//!
//! Nothing here knows about fonts, colours or objects. The same sketch gives the same drawing, to the last bit. With n
//! boxes and m arrows that span s ranks in all, about O(n·(n + m)) for the ranks and O(s log s) per sweep.

mod fold;
mod grid;
mod order;
mod parts;
mod place;
mod ranks;
mod route;

use grid::Grid;
use ranks::Ranking;

/// A width and a height, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Size {
    /// To the right.
    pub w: f64,
    /// Downwards.
    pub h: f64,
}

/// A place on the canvas, in pixels from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// A rectangle, from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left side.
    pub x: f64,
    /// Top side.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// What is to be arranged.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    /// Boxes; an arrow names them by their index.
    pub boxes: Vec<BoxSketch>,
    /// Arrows, in any direction; loops and parallel arrows are welcome.
    pub arrows: Vec<ArrowSketch>,
}

/// A box to be arranged.
#[derive(Debug, Clone, Copy)]
pub struct BoxSketch {
    /// Smallest size; it may grow where many arrows meet.
    pub size: Size,
    /// Where in the drawing it wants to be.
    pub seat: Seat,
}

/// Where in a drawing a box wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// On the first rank.
    Top,
    /// Wherever its arrows want it.
    Any,
    /// On the last rank.
    Bottom,
}

/// An arrow to be arranged.
#[derive(Debug, Clone, Copy)]
pub struct ArrowSketch {
    /// Index of the box that it leaves. Both indexes must be in range.
    pub from: usize,
    /// Index of the box that it points to.
    pub to: usize,
    /// Space for its label; nothing when zero.
    pub label: Size,
}

/// A finished arrangement; everything lies between (0, 0) and `size`.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// Of the whole.
    pub size: Size,
    /// In the order of [`Sketch::boxes`].
    pub boxes: Vec<Rect>,
    /// In the order of [`Sketch::arrows`].
    pub arrows: Vec<Route>,
}

/// The way of an arrow, tail first.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// On the side of the box that it leaves.
    pub start: Point,
    /// What follows; the last one ends on the side of the box that it points to.
    pub steps: Vec<Step>,
    /// Where its label goes; `None` when it has none.
    pub label: Option<Rect>,
}

/// A piece of the way of an arrow, starting where the last one ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A straight line to here.
    Line(Point),
    /// A cubic Bézier curve: two handles, then its end.
    Curve(Point, Point, Point),
}

/// Arranges a sketch.
///
/// Boxes never overlap, labels overlap neither boxes nor each other, and arrows pass through no box but their own.
pub fn arrange(sketch: &Sketch) -> Drawing {
    let parts = parts::split(sketch);
    let drawings: Vec<Drawing> = parts.iter().map(|part| arrange_part(&part.sketch)).collect();
    parts::join(sketch, &parts, &drawings)
}

/// Arranges a sketch that hangs together.
fn arrange_part(sketch: &Sketch) -> Drawing {
    let ranking = ranks::rank(sketch);
    let mut grid = placed(sketch, &ranking);
    if let Some(ranking) = fold::stagger(&grid, &ranking) {
        grid = placed(sketch, &ranking);
    }
    route::draw(sketch, &grid)
}

/// The cells of a sketch, ordered and placed; of equally good orders the one with the straighter arrows.
fn placed(sketch: &Sketch, ranking: &Ranking) -> Grid {
    let mut best: Option<(f64, Grid)> = None;
    for rows in order::orders(&mut Grid::new(sketch, ranking)) {
        let mut grid = Grid { rows, ..Grid::new(sketch, ranking) };
        place::place(&mut grid);
        let detour = place::detour(&grid);
        if best.as_ref().is_none_or(|(least, _)| detour < *least) {
            best = Some((detour, grid));
        }
    }
    best.map_or_else(|| Grid::new(sketch, ranking), |(_, grid)| grid)
}

impl Step {
    /// Where the step ends.
    pub const fn end(&self) -> Point {
        match *self {
            Self::Line(end) | Self::Curve(_, _, end) => end,
        }
    }

    /// The step with every point moved.
    pub(crate) fn moved(&self, by: Point) -> Self {
        match *self {
            Self::Line(end) => Self::Line(end.moved(by)),
            Self::Curve(first, second, end) => Self::Curve(first.moved(by), second.moved(by), end.moved(by)),
        }
    }
}

impl Point {
    pub(crate) const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    pub(crate) fn moved(self, by: Self) -> Self {
        Self { x: self.x + by.x, y: self.y + by.y }
    }
}

impl Rect {
    pub(crate) fn moved(self, by: Point) -> Self {
        Self { x: self.x + by.x, y: self.y + by.y, ..self }
    }
}
