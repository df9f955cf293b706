//! What is to be shown, before anyone decides how: words, numbers that keep their unit, and small graphs to draw.
//!
//! Analyses make a [`Report`]; every output in `present` is a function of one. Nothing here knows a heap id, a colour or
//! the width of a terminal.

use petgraph::graph::DiGraph;

/// One answer, ready to be written in any output format.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Shown in order by the text output.
    pub blocks: Vec<Block>,
    /// Small graphs for DOT, SVG and PNG, one file each.
    pub pictures: Vec<Picture>,
    /// Sizes within sizes, one SVG file each.
    pub icicles: Vec<Icicle>,
    /// Values over time, one SVG or PNG file each.
    pub plots: Vec<Plot>,
    /// What was asked to hold, for whoever runs tests.
    pub verdicts: Vec<Verdict>,
    /// The same answer for machines: what the JSON output writes, exact numbers included.
    pub data: serde_json::Value,
}

/// A piece of text output.
#[derive(Debug, Clone)]
pub enum Block {
    /// A line that stands out: the answer in one sentence.
    Headline(Vec<Span>),
    /// A plain line.
    Line(Vec<Span>),
    /// Something that the reader should know about the dump or the search.
    Note(String),
    /// One way from a root to the objects that were asked for.
    Chain(ChainBlock),
    /// Columns of cells, the first row of each column being its title.
    Table(Table),
    /// An indented tree.
    Tree(TreeBlock),
}

/// A run of text with one meaning. Outputs decide on colour by the meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What the words are.
    pub tone: Tone,
    /// The words. Foreign text: outputs escape it.
    pub text: String,
}

/// What a run of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// Less important than its neighbours.
    Faint,
    /// A root, or its name.
    Root,
    /// A type's name.
    Type,
    /// How one object holds the next: `.receivers[…]`.
    Reference,
    /// The objects that were asked for.
    Target,
    /// A count or a size.
    Number,
}

/// A chain, root first, as the text output shows it.
#[derive(Debug, Clone, Default)]
pub struct ChainBlock {
    /// The line above the chain.
    pub heading: Vec<Span>,
    /// Root first, target last; never empty.
    pub steps: Vec<ChainStep>,
    /// Lines below the chain.
    pub notes: Vec<String>,
}

/// One object of a chain, and how it holds the next.
#[derive(Debug, Clone, Default)]
pub struct ChainStep {
    /// The object: type, name, value.
    pub object: Vec<Span>,
    /// Remarks on the object, set apart at the right: size, count.
    pub object_notes: Vec<Span>,
    /// How it holds the next step as a Python expression; `None` on the last step.
    pub reference: Option<String>,
    /// Remarks on the reference: the containers passed through, `2 containers: dict of 34, list of 3`.
    pub reference_note: String,
    /// Whether every chain to the target leads through this object.
    pub is_must_pass: bool,
}

/// A table whose cells keep their unit.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Title of each column.
    pub columns: Vec<String>,
    /// Rows; each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words, set to the left.
    Text(String),
    /// A number of things, set to the right.
    Count(u64),
    /// A size in bytes, set to the right.
    Bytes(u64),
    /// A share of 0 to 1, shown in percent and set to the right.
    Share(f64),
    /// By how much a number of things changed, with its sign, set to the right.
    Change(i64),
    /// By how much a size in bytes changed, with its sign, set to the right.
    BytesChange(i64),
}

/// An indented tree, numbers in columns before it.
#[derive(Debug, Clone, Default)]
pub struct TreeBlock {
    /// Title of each column of numbers, and last of the tree itself.
    pub columns: Vec<String>,
    /// Each above the rows that it holds.
    pub rows: Vec<TreeRow>,
}

/// A row of a [`TreeBlock`].
#[derive(Debug, Clone, Default)]
pub struct TreeRow {
    /// How deep it stands; 0 at the top.
    pub level: usize,
    /// One fewer than the columns of the block.
    pub cells: Vec<Cell>,
    /// What stands there.
    pub what: Vec<Span>,
}

/// The share that `part` has of `whole`; 0 of nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

/// A small graph to be drawn, arrows pointing from holder to held.
#[derive(Debug, Clone)]
pub struct Picture {
    /// File name without extension, safe on every file system: `SessionState-1-9f2c01d5ab37`.
    pub name: String,
    /// Whether several ways of being held are drawn together; such a picture comes last.
    pub is_merged: bool,
    /// One line above the drawing.
    pub title: String,
    /// A second, quieter line above the drawing; may be empty.
    pub subtitle: String,
    /// Objects and references, roots first. Small: a few hundred objects at most.
    pub graph: DiGraph<Shape, Arrow>,
}

/// An object (or a run of objects) in a [`Picture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Why it is in the picture; decides colour and outline.
    pub role: Role,
    /// First line: what it is, a type or `module streamlit.config`.
    pub heading: String,
    /// Further lines: name, value, size.
    pub lines: Vec<String>,
    /// How many objects this stands for: drawn as `×30` when more than one.
    pub count: u64,
    /// Whether every chain to the target leads through it: drawn with a heavy outline.
    pub is_must_pass: bool,
    /// The whole story, for a tooltip; may be empty.
    pub tooltip: String,
}

/// Why an object is in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A root: module, thread frame.
    Root,
    /// An object that holds the target, directly or not.
    Holder,
    /// A container or other plumbing, shown on request.
    Plumbing,
    /// What was asked for.
    Target,
    /// A place where something was left out: `… 37 more`.
    More,
}

/// A reference in a [`Picture`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrow {
    /// How the object holds the next one: `.receivers[…]`; may be empty.
    pub label: String,
    /// A quieter second line: `dict of 34`; may be empty.
    pub note: String,
    /// How many of the asked objects are held through here; wide arrows stand for many.
    pub count: u64,
}

impl Span {
    /// A run of text with the given meaning.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    /// A run of text with no special meaning.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Sizes within sizes, to be drawn as rows of tiles: each tile below the one that it is a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Icicle {
    /// File name without extension, safe on every file system: `retained`.
    pub name: String,
    /// One line above the drawing.
    pub title: String,
    /// A second, quieter line above the drawing; may be empty.
    pub subtitle: String,
    /// Every tile after the one that it is a part of. May be many and deep: outputs leave out what is too small to see.
    pub tiles: Vec<Tile>,
}

/// An object (or a run of objects) in an [`Icicle`], as large as what it retains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tile {
    /// Index in [`Icicle::tiles`] of the tile that this is a part of, less than this tile's own; `None` in the top row.
    pub parent: Option<usize>,
    /// What it is, in a few words: `module streamlit.config`, `30 × function <lambda>`.
    pub label: String,
    /// Further lines of the hover text; may be empty. Outputs put the label, the size and its share above them.
    pub detail: String,
    /// Retained size. The parts of a tile need not add up to it: the rest is its own share.
    pub bytes: u64,
    /// What decides the colour: the type's package, `streamlit`. Empty for what should stay in the background.
    pub kind: String,
}

/// Values over time: panels one above the other that share a time axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plot {
    /// File name without extension, safe on every file system: `watch-4242`.
    pub name: String,
    /// One line above the drawing.
    pub title: String,
    /// A second, quieter line above the drawing; may be empty.
    pub subtitle: String,
    /// What the horizontal axis counts.
    pub x: TimeAxis,
    /// From the top down.
    pub panels: Vec<Panel>,
    /// Moments that stand out, through all panels.
    pub marks: Vec<Mark>,
}

/// The horizontal axis of a [`Plot`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TimeAxis {
    /// Seconds since the start.
    #[default]
    Seconds,
    /// Steps 0, 1, 2, …, each with its label: the name of a dump.
    Steps(Vec<String>),
}

/// Series of one unit, with a vertical axis of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panel {
    /// Names the axis: `memory`, `objects`.
    pub label: String,
    /// What the axis counts.
    pub unit: Unit,
    /// Drawn in this order, the later ones above.
    pub series: Vec<Series>,
}

/// What a number of a [`Plot`] counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown in KiB, MiB, and so on.
    #[default]
    Bytes,
    /// Things.
    Count,
}

/// Whether a rule holds.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The rule as it can be typed: `max SessionState=1`.
    pub rule: String,
    /// Its kind: `max`.
    pub kind: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, in half a sentence: `31 alive`.
    pub summary: String,
    /// What violates it; may be empty although it is violated.
    pub findings: Vec<Finding>,
}

/// Something that violates a rule.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// The same for the same thing in another run; may be empty.
    pub fingerprint: String,
    /// In one line.
    pub summary: String,
    /// Where it is in the program's data, as a Python expression.
    pub expression: Option<String>,
    /// Where it was allocated, `file:line`.
    pub site: Option<String>,
    /// The whole story, as the text output shows it.
    pub blocks: Vec<Block>,
}

/// One line of a [`Panel`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What it is. Foreign text: outputs escape it.
    pub label: String,
    /// Place on the horizontal axis, and value; in the order of places. Outputs pass over what is not finite.
    pub points: Vec<(f64, f64)>,
    /// What it means.
    pub stroke: Stroke,
}

/// What a line of a [`Plot`] means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stroke {
    /// What the plot is about. Several of them have different colours.
    #[default]
    Main,
    /// Context, of another colour each.
    Other,
    /// Less important than its neighbours.
    Faint,
    /// A trend that was worked out, not measured: dashed.
    Trend,
}

/// A moment that stands out in a [`Plot`]: a heap dump was taken here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// Place on the horizontal axis.
    pub at: f64,
    /// In a word or two: `dump 1`. May be empty.
    pub label: String,
}
