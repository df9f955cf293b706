//! SVG: "show me the chain, so that I can look at it, zoom in, and point at an object for its whole story."
//!
//! Needs nothing installed. Every text is measured with the embedded font before it is placed, and its box is made for
//! it, so nothing is cut or overflows; what is too long is elided in the middle and whole in the tooltip.

mod measure;

use super::font::{Ruler, Style};
use super::label;
use super::layout::{self, ArrowSketch, BoxSketch, Point, Rect, Route, Seat, Size, Sketch, Step};
use super::palette::{self, paint};
use super::xml::escape;
use crate::report::{Picture, Role};
use measure::{BADGE, HEADING, LINE, MARGIN, NOTE, REFERENCE, RING, STRONG, SUBTITLE, TITLE, TOOLTIP};
use measure::{Card, Page, Plate, Type, Words, badge_width};
use petgraph::visit::{EdgeRef, IntoNodeReferences};

/// Longest side of a picture in pixels; a larger drawing is scaled down.
pub const LONGEST_SIDE: f64 = 12_000.0;

/// Draws a picture.
pub fn write(picture: &Picture) -> String {
    let ruler = Ruler::default();
    let cards: Vec<Card> = picture.graph.node_references().map(|(_, shape)| Card::new(shape, &ruler)).collect();
    let plates: Vec<Plate> = picture.graph.edge_references().map(|edge| Plate::new(edge.weight(), &ruler)).collect();
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
    let boxes = cards.iter().map(|card| BoxSketch { size: card.size, seat: seat(card.role) });
    let arrows = picture.graph.edge_references().zip(plates).map(|(edge, plate)| ArrowSketch {
        from: edge.source().index(),
        to: edge.target().index(),
        label: plate.size,
    });
    Sketch { boxes: boxes.collect(), arrows: arrows.collect() }
}

const fn seat(role: Role) -> Seat {
    match role {
        Role::Root => Seat::Top,
        Role::Target => Seat::Bottom,
        Role::Holder | Role::Plumbing | Role::More => Seat::Any,
    }
}

/// Collects the text of the file.
#[derive(Default)]
struct Pen {
    text: String,
}

impl Pen {
    fn open(&mut self, picture: &Picture, page: &Page) {
        let Size { w, h } = Size { w: page.size.w.ceil(), h: page.size.h.ceil() };
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
        self.text.push_str(&format!("<rect class=\"canvas\" width=\"{}\" height=\"{}\"/>\n", number(w), number(h)));
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
            self.text.push_str(&format!(".{class} {{ font-family: {family}; font-size: {size}px;{weight} }}\n"));
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
        self.text.push_str(&format!(".shaft {{ fill: none; stroke: {}; }}\n", palette::ARROW));
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
        self.outline(card, rect);
        self.card_text(card, rect);
        self.text.push_str("</g>\n");
    }

    fn outline(&mut self, card: &Card, rect: Rect) {
        let colours = paint(card.role);
        let plain = format!("fill=\"{}\" stroke=\"{}\"", colours.fill, colours.outline);
        match card.role {
            Role::Root => self.rect(rect, rect.h.min(44.0) / 2.0, &plain),
            Role::Holder if card.is_must_pass => {
                let heavy = format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"2.6\"", colours.fill, palette::MUST_PASS);
                self.rect(rect, 6.0, &heavy);
            }
            Role::Holder => self.rect(rect, 6.0, &format!("{plain} stroke-width=\"1.2\"")),
            Role::Plumbing => self.rect(rect, 0.0, &format!("{plain} stroke-width=\"1.2\" stroke-dasharray=\"5 3\"")),
            Role::More => {
                self.rect(rect, rect.h / 2.0, &format!("{plain} stroke-width=\"1.2\" stroke-dasharray=\"2 3\""))
            }
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
        self.coloured(heading, "middle", left + heading.width / 2.0, y, heading.kind.class, Some(colours.text));
        if let Some(badge) = &card.badge {
            self.badge(badge, card.role, Point { x: left + card.before_badge(), y: y + 1.0 });
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
        let rect = Rect { x: corner.x, y: corner.y, w: badge_width(badge), h: badge.kind.leading };
        self.rect(rect, rect.h / 2.0, &format!("fill=\"{fill}\""));
        self.coloured(badge, "middle", rect.x + rect.w / 2.0, rect.y, badge.kind.class, Some(text));
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
        self.text.push_str(&format!("<path class=\"shaft\" stroke-width=\"{stroke}\" d=\"{path}\"/>\n"));
        let corners = head.corners.map(|corner| corner.moved(origin));
        let points = corners.map(|corner| format!("{},{}", number(corner.x), number(corner.y))).join(" ");
        self.text.push_str(&format!("<polygon class=\"head\" points=\"{points}\"/>\n</g>\n"));
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
        let back = |by: f64, aside: f64| Point { x: tip.x - x * by - y * aside, y: tip.y - y * by + x * aside };
        Some(Self { corners: [tip, back(long, wide), back(long, -wide)], base: back(long - 1.0, 0.0) })
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
    Rect { x: rect.x + by, y: rect.y + by, w: rect.w - 2.0 * by, h: rect.h - 2.0 * by }
}

/// A number with at most one decimal place.
fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    if tenths == 0.0 { "0".to_owned() } else { tenths.to_string() }
}
