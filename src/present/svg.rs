//! SVG: "show me the chain, so that I can look at it, zoom in, and point at an object for its whole story."
//!
//! Needs nothing installed. Every text is measured with the embedded font before it is placed, and its box is made for
//! it, so nothing is cut or overflows; what is too long is elided in the middle and whole in the tooltip.

use super::font::{Ruler, Style};
use super::label;
use super::layout::{self, ArrowSketch, BoxSketch, Drawing, Point, Rect, Route, Seat, Size, Sketch, Step};
use super::palette::{self, paint};
use crate::report::{Arrow, Picture, Role, Shape};
use petgraph::visit::{EdgeRef, IntoNodeReferences};

/// Longest side of a picture in pixels; a larger drawing is scaled down.
pub const LONGEST_SIDE: f64 = 12_000.0;

/// Characters of a heading, of a line and of a label that are shown.
const SHOWN: usize = 50;
/// The same as a width in pixels, for scripts with wide letters.
const WIDEST: f64 = 420.0;
/// Further lines of a box that are shown.
const LINES: usize = 8;
/// Bytes and lines of a tooltip.
const TOOLTIP: usize = 4096;
const TOOLTIP_LINES: usize = 40;
/// Around the drawing.
const MARGIN: f64 = 28.0;
/// The title is broken into lines no wider than the drawing, or than this.
const TITLE_WIDTH: f64 = 620.0;
/// Between the outlines of a target.
const RING: f64 = 4.0;
/// Between a heading and its badge, and inside the badge.
const BADGE_GAP: f64 = 9.0;
const BADGE_PAD: f64 = 7.0;

/// How a kind of text looks.
#[derive(Clone, Copy)]
struct Type {
    class: &'static str,
    style: Style,
    size: f64,
    /// From one line to the next.
    leading: f64,
}

const TITLE: Type = Type {
    class: "title",
    style: Style::Bold,
    size: 17.0,
    leading: 23.0,
};
const SUBTITLE: Type = Type {
    class: "subtitle",
    style: Style::Plain,
    size: 12.0,
    leading: 17.0,
};
const HEADING: Type = Type {
    class: "heading",
    style: Style::Plain,
    size: 13.0,
    leading: 18.0,
};
const STRONG: Type = Type {
    class: "strong",
    style: Style::Bold,
    size: 13.0,
    leading: 18.0,
};
const LINE: Type = Type {
    class: "line",
    style: Style::Plain,
    size: 11.0,
    leading: 15.0,
};
const BADGE: Type = Type {
    class: "badge",
    style: Style::Bold,
    size: 11.0,
    leading: 16.0,
};
const REFERENCE: Type = Type {
    class: "reference",
    style: Style::Code,
    size: 11.5,
    leading: 15.0,
};
const NOTE: Type = Type {
    class: "note",
    style: Style::Plain,
    size: 10.0,
    leading: 13.0,
};

/// Draws a picture.
pub fn write(picture: &Picture) -> String {
    let ruler = Ruler::default();
    let cards: Vec<Card> = picture
        .graph
        .node_references()
        .map(|(_, shape)| Card::new(shape, &ruler))
        .collect();
    let plates: Vec<Plate> = picture
        .graph
        .edge_references()
        .map(|edge| Plate::new(edge.weight(), &ruler))
        .collect();
    let drawing = layout::arrange(&sketch(picture, &cards, &plates));
    let page = Page::new(picture, &drawing, &ruler);
    let mut pen = Pen::default();
    pen.open(picture, &page);
    for (route, plate) in drawing.arrows.iter().zip(&plates) {
        pen.arrow(route, plate, page.origin);
    }
    for (rect, card) in drawing.boxes.iter().zip(&cards) {
        pen.card(card, rect.moved(page.origin));
    }
    for (route, plate) in drawing.arrows.iter().zip(&plates) {
        if let Some(rect) = route.label {
            pen.plate(plate, rect.moved(page.origin));
        }
    }
    pen.text.push_str("</svg>\n");
    pen.text
}

/// What the layout has to know.
fn sketch(picture: &Picture, cards: &[Card], plates: &[Plate]) -> Sketch {
    let boxes = cards.iter().map(|card| BoxSketch {
        size: card.size,
        seat: seat(card.role),
    });
    let arrows = picture
        .graph
        .edge_references()
        .zip(plates)
        .map(|(edge, plate)| ArrowSketch {
            from: edge.source().index(),
            to: edge.target().index(),
            label: plate.size,
        });
    Sketch {
        boxes: boxes.collect(),
        arrows: arrows.collect(),
    }
}

const fn seat(role: Role) -> Seat {
    match role {
        Role::Root => Seat::Top,
        Role::Target => Seat::Bottom,
        Role::Holder | Role::Plumbing | Role::More => Seat::Any,
    }
}

/// A line of text and its width.
struct Words {
    text: String,
    width: f64,
    kind: Type,
}

impl Words {
    /// Text that is ready to be shown.
    fn ready(text: String, kind: Type, ruler: &Ruler) -> Self {
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
struct Card {
    role: Role,
    heading: Words,
    badge: Option<Words>,
    lines: Vec<Words>,
    tooltip: String,
    size: Size,
}

impl Card {
    fn new(shape: &Shape, ruler: &Ruler) -> Self {
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
        let widest = self
            .lines
            .iter()
            .map(|line| line.width)
            .fold(self.first_width(), f64::max);
        let (side, ends) = match self.role {
            Role::Root => (20.0, 18.0),
            Role::Target => (16.0 + RING, 18.0 + 2.0 * RING),
            Role::Holder | Role::Plumbing => (14.0, 16.0),
            Role::More => (16.0, 12.0),
        };
        Size {
            w: (widest + 2.0 * side).max(64.0),
            h: self.text_height() + ends,
        }
    }

    /// Width of the heading and its badge.
    fn first_width(&self) -> f64 {
        let badge = self.badge.as_ref().map_or(0.0, |badge| BADGE_GAP + badge_width(badge));
        self.heading.width + badge
    }

    fn text_height(&self) -> f64 {
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

fn badge_width(badge: &Words) -> f64 {
    badge.width + 2.0 * BADGE_PAD
}

/// A reference, measured.
struct Plate {
    lines: Vec<Words>,
    tooltip: String,
    count: u64,
    size: Size,
}

impl Plate {
    fn new(arrow: &Arrow, ruler: &Ruler) -> Self {
        let lines: Vec<Words> = [(&arrow.label, REFERENCE), (&arrow.note, NOTE)]
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, kind)| Words::fitting(&label::visible(text), kind, ruler))
            .collect();
        let widest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
        let height: f64 = lines.iter().map(|line| line.kind.leading).sum();
        let size = if lines.is_empty() {
            Size::default()
        } else {
            Size {
                w: widest + 12.0,
                h: height + 5.0,
            }
        };
        Self {
            lines,
            tooltip: tooltip(&through(arrow)),
            count: arrow.count,
            size,
        }
    }
}

/// Everything that is known about a reference.
fn through(arrow: &Arrow) -> String {
    let mut story = [arrow.label.as_str(), arrow.note.as_str()]
        .join("\n")
        .trim_matches('\n')
        .to_owned();
    if arrow.count > 1 {
        story.push_str(&format!("\n{} objects held through here", label::grouped(arrow.count)));
    }
    story
}

/// The drawing with its title.
struct Page {
    title: Vec<Words>,
    subtitle: Vec<Words>,
    size: Size,
    /// Where the drawing starts.
    origin: Point,
}

impl Page {
    fn new(picture: &Picture, drawing: &Drawing, ruler: &Ruler) -> Self {
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
        let origin = Point {
            x: MARGIN + (width - drawing.size.w) / 2.0,
            y: MARGIN + height,
        };
        let size = Size {
            w: width + 2.0 * MARGIN,
            h: drawing.size.h + height + 2.0 * MARGIN,
        };
        Self {
            title,
            subtitle,
            size,
            origin,
        }
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
    lines
        .into_iter()
        .map(|line| narrowed(line, kind, most, ruler))
        .collect()
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

/// Collects the text of the file.
#[derive(Default)]
struct Pen {
    text: String,
}

impl Pen {
    fn open(&mut self, picture: &Picture, page: &Page) {
        let Size { w, h } = Size {
            w: page.size.w.ceil(),
            h: page.size.h.ceil(),
        };
        let scale = (LONGEST_SIDE / w.max(h)).min(1.0);
        let (shown_w, shown_h) = (number((w * scale).floor()), number((h * scale).floor()));
        self.text.push_str(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{shown_w}\" height=\"{shown_h}\" viewBox=\"0 0 {} {}\" \
             xml:space=\"preserve\" role=\"img\" aria-label=\"{}\">\n",
            number(w),
            number(h),
            escape(&label::head(&label::visible(&picture.title), TOOLTIP)),
        ));
        self.style();
        self.text.push_str(&format!(
            "<rect class=\"canvas\" width=\"{}\" height=\"{}\"/>\n",
            number(w),
            number(h)
        ));
        let mut y = MARGIN;
        for line in page.title.iter().chain(&page.subtitle) {
            self.words(line, "start", MARGIN, y, line.kind.class);
            y += line.kind.leading;
        }
    }

    fn style(&mut self) {
        self.text.push_str("<style>\n");
        for kind in [TITLE, SUBTITLE, HEADING, STRONG, LINE, BADGE, REFERENCE, NOTE] {
            let (family, weight) = match kind.style {
                Style::Plain => ("\"DejaVu Sans\", Verdana, sans-serif", ""),
                Style::Bold => ("\"DejaVu Sans\", Verdana, sans-serif", " font-weight: bold;"),
                Style::Code => ("\"DejaVu Sans Mono\", Menlo, Consolas, monospace", ""),
            };
            let Type { class, size, .. } = kind;
            self.text.push_str(&format!(
                ".{class} {{ font-family: {family}; font-size: {size}px;{weight} }}\n"
            ));
        }
        for (class, colour) in [
            ("canvas", palette::CANVAS),
            ("plate", palette::PLATE),
            ("head", palette::ARROW),
            ("title", palette::TITLE),
            ("subtitle", palette::NOTE),
            ("reference", palette::REFERENCE),
            ("note", palette::NOTE),
        ] {
            self.text.push_str(&format!(".{class} {{ fill: {colour}; }}\n"));
        }
        self.text
            .push_str(&format!(".shaft {{ fill: none; stroke: {}; }}\n", palette::ARROW));
        self.text.push_str("</style>\n");
    }

    /// A line of text whose top is at `y`.
    fn words(&mut self, words: &Words, anchor: &str, x: f64, y: f64, class: &str) {
        self.coloured(words, anchor, x, y, class, None);
    }

    fn coloured(&mut self, words: &Words, anchor: &str, x: f64, y: f64, class: &str, fill: Option<&str>) {
        let baseline = y + (words.kind.leading + 0.73 * words.kind.size) / 2.0;
        let fill = fill.map(|fill| format!(" fill=\"{fill}\"")).unwrap_or_default();
        self.text.push_str(&format!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\"{fill}>{}</text>\n",
            number(x),
            number(baseline),
            escape(&words.text),
        ));
    }

    fn tooltip(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(&format!("<title>{}</title>\n", escape(text)));
        }
    }

    fn card(&mut self, card: &Card, rect: Rect) {
        let class = format!("{:?}", card.role).to_lowercase();
        self.text.push_str(&format!("<g class=\"{class}\">\n"));
        self.tooltip(&card.tooltip);
        self.outline(card.role, rect);
        self.card_text(card, rect);
        self.text.push_str("</g>\n");
    }

    fn outline(&mut self, role: Role, rect: Rect) {
        let colours = paint(role);
        let plain = format!("fill=\"{}\" stroke=\"{}\"", colours.fill, colours.outline);
        match role {
            Role::Root => self.rect(rect, rect.h.min(44.0) / 2.0, &plain),
            Role::Holder => self.rect(rect, 6.0, &format!("{plain} stroke-width=\"1.2\"")),
            Role::Plumbing => self.rect(
                rect,
                0.0,
                &format!("{plain} stroke-width=\"1.2\" stroke-dasharray=\"5 3\""),
            ),
            Role::More => self.rect(
                rect,
                rect.h / 2.0,
                &format!("{plain} stroke-width=\"1.2\" stroke-dasharray=\"2 3\""),
            ),
            Role::Target => {
                let ring = format!("fill=\"#ffffff\" stroke=\"{}\" stroke-width=\"1.6\"", colours.outline);
                self.rect(rect, 9.0, &ring);
                self.rect(shrunk(rect, RING), 6.0, &plain);
            }
        }
    }

    fn rect(&mut self, rect: Rect, radius: f64, paint: &str) {
        self.text.push_str(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" {paint}/>\n",
            number(rect.x),
            number(rect.y),
            number(rect.w),
            number(rect.h),
            number(radius),
        ));
    }

    fn card_text(&mut self, card: &Card, rect: Rect) {
        let colours = paint(card.role);
        let middle = rect.x + rect.w / 2.0;
        let mut y = rect.y + (rect.h - card.text_height()) / 2.0;
        let left = middle - card.first_width() / 2.0;
        let heading = &card.heading;
        self.coloured(
            heading,
            "middle",
            left + heading.width / 2.0,
            y,
            heading.kind.class,
            Some(colours.text),
        );
        if let Some(badge) = &card.badge {
            self.badge(
                badge,
                card.role,
                Point {
                    x: left + heading.width + BADGE_GAP,
                    y: y + 1.0,
                },
            );
        }
        y += heading.kind.leading;
        for line in &card.lines {
            self.coloured(line, "middle", middle, y, line.kind.class, Some(colours.quiet));
            y += line.kind.leading;
        }
    }

    fn badge(&mut self, badge: &Words, role: Role, corner: Point) {
        let (fill, text) = match role {
            Role::Root | Role::Target => ("#ffffff", paint(role).fill),
            Role::Holder | Role::Plumbing | Role::More => ("#dbe3ee", "#1e293b"),
        };
        let rect = Rect {
            x: corner.x,
            y: corner.y,
            w: badge_width(badge),
            h: badge.kind.leading,
        };
        self.rect(rect, rect.h / 2.0, &format!("fill=\"{fill}\""));
        self.coloured(
            badge,
            "middle",
            rect.x + rect.w / 2.0,
            rect.y,
            badge.kind.class,
            Some(text),
        );
    }

    fn plate(&mut self, plate: &Plate, rect: Rect) {
        self.text.push_str("<g class=\"label\">\n");
        self.tooltip(&plate.tooltip);
        self.rect(rect, 4.0, "class=\"plate\"");
        let mut y = rect.y + 2.5;
        for line in &plate.lines {
            self.words(line, "middle", rect.x + rect.w / 2.0, y, line.kind.class);
            y += line.kind.leading;
        }
        self.text.push_str("</g>\n");
    }

    fn arrow(&mut self, route: &Route, plate: &Plate, origin: Point) {
        let width = shaft_width(plate.count);
        let Some(head) = Head::new(route, width) else { return };
        self.text.push_str("<g class=\"arrow\">\n");
        self.tooltip(&plate.tooltip);
        let start = route.start.moved(origin);
        let mut path = format!("M{} {}", number(start.x), number(start.y));
        let last = route.steps.len() - 1;
        for (index, step) in route.steps.iter().enumerate() {
            let step = if index == last { ending(*step, head.base) } else { *step };
            path.push_str(&step_text(&step.moved(origin)));
        }
        let stroke = number(width);
        self.text.push_str(&format!(
            "<path class=\"shaft\" stroke-width=\"{stroke}\" d=\"{path}\"/>\n"
        ));
        let corners = head.corners.map(|corner| corner.moved(origin));
        let points = corners
            .map(|corner| format!("{},{}", number(corner.x), number(corner.y)))
            .join(" ");
        self.text
            .push_str(&format!("<polygon class=\"head\" points=\"{points}\"/>\n</g>\n"));
    }
}

/// Wide arrows stand for many objects: a tenfold count adds about a pixel and a half.
fn shaft_width(count: u64) -> f64 {
    (1.4 + 0.62 * (count.max(1) as f64).ln()).min(6.0)
}

/// The head of an arrow.
struct Head {
    /// Its tip and the ends of its wings.
    corners: [Point; 3],
    /// Where the shaft ends.
    base: Point,
}

impl Head {
    fn new(route: &Route, width: f64) -> Option<Self> {
        let last = *route.steps.last()?;
        let tip = last.end();
        let before = match last {
            Step::Curve(_, handle, _) => handle,
            Step::Line(_) => route.steps.iter().rev().nth(1).map_or(route.start, Step::end),
        };
        let length = (tip.x - before.x).hypot(tip.y - before.y).max(1e-6);
        let (x, y) = ((tip.x - before.x) / length, (tip.y - before.y) / length);
        let (long, wide) = (7.0 + 0.9 * width, 3.2 + 0.65 * width);
        let back = |by: f64, aside: f64| Point {
            x: tip.x - x * by - y * aside,
            y: tip.y - y * by + x * aside,
        };
        Some(Self {
            corners: [tip, back(long, wide), back(long, -wide)],
            base: back(long - 1.0, 0.0),
        })
    }
}

/// The last step of an arrow, ending at the head instead of in it.
fn ending(step: Step, base: Point) -> Step {
    match step {
        Step::Line(_) => Step::Line(base),
        Step::Curve(first, second, _) => Step::Curve(first, second, base),
    }
}

fn step_text(step: &Step) -> String {
    let pair = |point: &Point| format!("{} {}", number(point.x), number(point.y));
    match step {
        Step::Line(end) => format!("L{}", pair(end)),
        Step::Curve(first, second, end) => format!("C{} {} {}", pair(first), pair(second), pair(end)),
    }
}

fn shrunk(rect: Rect, by: f64) -> Rect {
    Rect {
        x: rect.x + by,
        y: rect.y + by,
        w: rect.w - 2.0 * by,
        h: rect.h - 2.0 * by,
    }
}

/// A number with at most one decimal place.
fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    if tenths == 0.0 {
        "0".to_owned()
    } else {
        tenths.to_string()
    }
}

/// Text as XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(character),
        }
    }
    escaped
}
