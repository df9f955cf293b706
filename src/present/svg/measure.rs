//! What is written where: the words of a picture, made visible, cut to fit, and measured.

use super::super::font::{Ruler, Style};
use super::super::label;
use super::super::layout::{Drawing, Point, Size};
use crate::report::{Arrow, Picture, Role, Shape};

/// Characters of a heading, of a line and of a label that are shown.
const SHOWN: usize = 50;
/// The same as a width in pixels, for scripts with wide letters.
const WIDEST: f64 = 420.0;
/// Further lines of a box that are shown.
const LINES: usize = 8;
/// Bytes and lines of a tooltip.
pub(super) const TOOLTIP: usize = 4096;
const TOOLTIP_LINES: usize = 40;
/// Around the drawing.
pub(super) const MARGIN: f64 = 28.0;
/// The title is broken into lines no wider than the drawing, or than this.
const TITLE_WIDTH: f64 = 620.0;
/// Between the outlines of a target.
pub(super) const RING: f64 = 4.0;
/// Between a heading and its badge, and inside the badge.
const BADGE_GAP: f64 = 9.0;
const BADGE_PAD: f64 = 7.0;

/// How a kind of text looks.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) class: &'static str,
    pub(super) style: Style,
    pub(super) size: f64,
    /// From one line to the next.
    pub(super) leading: f64,
}

pub(super) const TITLE: Type = Type::new("title", Style::Bold, 17.0, 23.0);
pub(super) const SUBTITLE: Type = Type::new("subtitle", Style::Plain, 12.0, 17.0);
pub(super) const HEADING: Type = Type::new("heading", Style::Plain, 13.0, 18.0);
pub(super) const STRONG: Type = Type::new("strong", Style::Bold, 13.0, 18.0);
pub(super) const LINE: Type = Type::new("line", Style::Plain, 11.0, 15.0);
pub(super) const BADGE: Type = Type::new("badge", Style::Bold, 11.0, 16.0);
pub(super) const REFERENCE: Type = Type::new("reference", Style::Code, 11.5, 15.0);
pub(super) const NOTE: Type = Type::new("note", Style::Plain, 10.0, 13.0);

impl Type {
    const fn new(class: &'static str, style: Style, size: f64, leading: f64) -> Self {
        Self { class, style, size, leading }
    }
}

/// A line of text and its width.
pub(super) struct Words {
    pub(super) text: String,
    pub(super) width: f64,
    pub(super) kind: Type,
}

impl Words {
    /// Text that is ready to be shown.
    pub(super) fn ready(text: String, kind: Type, ruler: &Ruler) -> Self {
        let width = ruler.width(&text, kind.style, kind.size);
        Self { text, width, kind }
    }

    /// Text that is elided until it fits.
    fn fitting(text: &str, kind: Type, ruler: &Ruler) -> Self {
        let (mut fits, mut too_many) = (1, SHOWN + 1);
        while too_many - fits > 1 {
            let most = usize::midpoint(fits, too_many);
            let width = ruler.width(&label::elide(text, most), kind.style, kind.size);
            if width <= WIDEST { fits = most } else { too_many = most }
        }
        Self::ready(label::elide(text, fits), kind, ruler)
    }
}

/// An object, measured.
pub(super) struct Card {
    pub(super) role: Role,
    pub(super) is_must_pass: bool,
    pub(super) heading: Words,
    pub(super) badge: Option<Words>,
    pub(super) lines: Vec<Words>,
    pub(super) tooltip: String,
    pub(super) size: Size,
}

impl Card {
    pub(super) fn new(shape: &Shape, ruler: &Ruler) -> Self {
        let mut headings = label::lines(&shape.heading, 3).into_iter();
        let first = headings.next().unwrap_or_default();
        let further = headings.chain(shape.lines.iter().flat_map(|line| label::lines(line, LINES)));
        let mut further: Vec<String> = further.collect();
        if further.len() > LINES {
            let left_out = further.len() - (LINES - 1);
            further.truncate(LINES - 1);
            further.push(format!("… {left_out} more lines"));
        }
        let mut card = Self {
            role: shape.role,
            is_must_pass: shape.is_must_pass,
            heading: Words::fitting(&first, heading_type(shape.role), ruler),
            badge: (shape.count > 1).then(|| Words::ready(label::times(shape.count), BADGE, ruler)),
            lines: further.iter().map(|line| Words::fitting(line, LINE, ruler)).collect(),
            tooltip: tooltip(&story(shape)),
            size: Size::default(),
        };
        card.size = card.measure();
        card
    }

    fn measure(&self) -> Size {
        let widest = self.lines.iter().map(|line| line.width).fold(self.first_width(), f64::max);
        let (side, ends) = match self.role {
            Role::Root => (20.0, 18.0),
            Role::Target => (16.0 + RING, 18.0 + 2.0 * RING),
            Role::Holder | Role::Plumbing => (14.0, 16.0),
            Role::More => (16.0, 12.0),
        };
        Size { w: (widest + 2.0 * side).max(64.0), h: self.text_height() + ends }
    }

    /// Width of the heading and the gap after it.
    pub(super) fn before_badge(&self) -> f64 {
        if self.heading.width > 0.0 { self.heading.width + BADGE_GAP } else { 0.0 }
    }

    /// Width of the heading and its badge.
    pub(super) fn first_width(&self) -> f64 {
        self.badge.as_ref().map_or(self.heading.width, |badge| self.before_badge() + badge_width(badge))
    }

    pub(super) fn text_height(&self) -> f64 {
        self.heading.kind.leading + self.lines.iter().map(|line| line.kind.leading).sum::<f64>()
    }
}

/// Everything that is known about an object.
fn story(shape: &Shape) -> String {
    if !shape.tooltip.is_empty() {
        return shape.tooltip.clone();
    }
    let mut story = shape.heading.clone();
    for line in &shape.lines {
        story.push('\n');
        story.push_str(line);
    }
    story
}

fn tooltip(text: &str) -> String {
    label::head(&label::lines(text, TOOLTIP_LINES).join("\n"), TOOLTIP)
}

const fn heading_type(role: Role) -> Type {
    match role {
        Role::Root | Role::Target => STRONG,
        Role::Holder | Role::Plumbing | Role::More => HEADING,
    }
}

pub(super) fn badge_width(badge: &Words) -> f64 {
    badge.width + 2.0 * BADGE_PAD
}

/// A reference, measured.
pub(super) struct Plate {
    pub(super) lines: Vec<Words>,
    pub(super) tooltip: String,
    pub(super) count: u64,
    pub(super) size: Size,
}

impl Plate {
    pub(super) fn new(arrow: &Arrow, ruler: &Ruler) -> Self {
        let lines: Vec<Words> = [(&arrow.label, REFERENCE), (&arrow.note, NOTE)]
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, kind)| Words::fitting(&label::visible(text), kind, ruler))
            .collect();
        let widest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
        let height: f64 = lines.iter().map(|line| line.kind.leading).sum();
        let size = if lines.is_empty() { Size::default() } else { Size { w: widest + 12.0, h: height + 5.0 } };
        Self { lines, tooltip: tooltip(&through(arrow)), count: arrow.count, size }
    }
}

/// Everything that is known about a reference.
fn through(arrow: &Arrow) -> String {
    let mut story = [arrow.label.as_str(), arrow.note.as_str()].join("\n").trim_matches('\n').to_owned();
    if arrow.count > 1 {
        story.push_str(&format!("\n{} held through here", crate::counts::counted(arrow.count, "object")));
    }
    story
}

/// The drawing with its title.
pub(super) struct Page {
    pub(super) title: Vec<Words>,
    pub(super) subtitle: Vec<Words>,
    pub(super) size: Size,
    /// Where the drawing starts.
    pub(super) origin: Point,
}

impl Page {
    pub(super) fn new(picture: &Picture, drawing: &Drawing, ruler: &Ruler) -> Self {
        let most = drawing.size.w.max(TITLE_WIDTH);
        let title = wrap(&picture.title, TITLE, most, ruler);
        let subtitle = wrap(&picture.subtitle, SUBTITLE, most, ruler);
        let words = title.iter().chain(&subtitle);
        let (mut width, mut height) = (drawing.size.w, 0.0);
        for line in words {
            width = width.max(line.width);
            height += line.kind.leading;
        }
        if height > 0.0 {
            height += 18.0;
        }
        let origin = Point { x: MARGIN + (width - drawing.size.w) / 2.0, y: MARGIN + height };
        let size = Size { w: width + 2.0 * MARGIN, h: drawing.size.h + height + 2.0 * MARGIN };
        Self { title, subtitle, size, origin }
    }
}

/// At most three lines, broken at blanks.
fn wrap(text: &str, kind: Type, most: f64, ruler: &Ruler) -> Vec<Words> {
    let text = label::elide(&label::visible(text), 300);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer {
            Some(longer) if lines.len() == 3 || ruler.width(&longer, kind.style, kind.size) <= most => {
                lines.pop();
                lines.push(longer);
            }
            _ if word.is_empty() && lines.is_empty() => {}
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| narrowed(line, kind, most, ruler)).collect()
}

/// A line, elided when it is too wide.
fn narrowed(line: String, kind: Type, most: f64, ruler: &Ruler) -> Words {
    let mut words = Words::ready(line, kind, ruler);
    while words.width > most && words.text.chars().count() > 8 {
        let fewer = words.text.chars().count() * 9 / 10;
        words = Words::ready(label::elide(&words.text, fewer), kind, ruler);
    }
    words
}
