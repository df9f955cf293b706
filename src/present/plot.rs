//! Plot: "how does it go over time: does it grow, level off, or fall back?"
//!
//! Panels stand one above the other and share the time axis. Each line has its name and its last value at its right end,
//! moved apart where lines end close together, so that no words lie on a line. Lines that lie on each other take turns in
//! dashes, each in its colour. Vertical axes start at 0, except where all
//! values are large and close together; they say so then.
//!
//! The lines are drawn by the crate `plotters`; texts are measured with the embedded font, as in the other pictures. Of many
//! points, the first, the lowest, the highest and the last in each column of pixels are drawn: what is seen is the same.

mod axis;
mod page;
mod twins;

use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::font::Ruler;
use super::label;
use super::palette;
use crate::report::{Plot, Series, Stroke, TimeAxis};
use page::{AXIS_NAME, GAP, LABEL, LEADER, MARGIN, MARK, Page, PanelPage, Room, SUBTITLE, TICK, TITLE, WIDTH};

/// Steps of a pixel: the crate draws at whole numbers.
const FINE: f64 = 10.0;
/// The crate divides sizes of text by this.
const TEXT_FACTOR: f64 = 1.24;
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Points of a line in one column of pixels.
const IN_A_COLUMN: usize = 4;
/// Bytes of a description.
const DESCRIPTION: usize = 1000;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// Draws a plot as an SVG.
///
/// # Errors
/// What the drawing crate reports, in words; none are known.
pub fn write(plot: &Plot) -> Result<String, String> {
    let page = Page::new(plot, &Ruler::default());
    let mut drawn = String::new();
    draw(plot, &page, &mut drawn).map_err(|error| error.to_string())?;
    let body = drawn.split_once('\n').map_or("", |(_, body)| body);
    Ok(head(plot, &page) + body)
}

/// The start of the file, in place of the crate's, which knows no steps of a pixel.
fn head(plot: &Plot, page: &Page) -> String {
    let (width, height) = (WIDTH, page.height.ceil());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"{}\">\n<style>polyline {{ stroke-linejoin: round; stroke-linecap: round; }}</style>\n",
        width * FINE,
        height * FINE,
        escape(&label::head(&label::visible(&plot.title), DESCRIPTION)),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn draw(plot: &Plot, page: &Page, drawn: &mut String) -> Result<(), Failure> {
    let canvas =
        SVGBackend::with_string(drawn, (fine(WIDTH) as u32, fine(page.height.ceil()) as u32)).into_drawing_area();
    let pen = Pen { canvas };
    pen.rectangle(0.0, 0.0, WIDTH, page.height.ceil(), palette::CANVAS)?;
    pen.words(&page.title, MARGIN, MARGIN + TITLE / 2.0, Type::bold(TITLE, palette::TITLE), HPos::Left)?;
    pen.words(&page.subtitle, MARGIN, MARGIN + 33.0, Type::plain(SUBTITLE, palette::NOTE), HPos::Left)?;
    for (panel, arranged) in plot.panels.iter().zip(&page.panels) {
        pen.frame(arranged)?;
        pen.lines(plot, &panel.series, page, arranged)?;
        pen.labels(&panel.series, arranged)?;
    }
    pen.marks(page)?;
    pen.foot(page)?;
    pen.canvas.present()
}

/// How a text looks.
#[derive(Clone, Copy)]
struct Type {
    size: f64,
    style: FontStyle,
    colour: &'static str,
}

impl Type {
    const fn plain(size: f64, colour: &'static str) -> Self {
        Self { size, style: FontStyle::Normal, colour }
    }

    const fn bold(size: f64, colour: &'static str) -> Self {
        Self { size, style: FontStyle::Bold, colour }
    }
}

struct Pen<'a> {
    canvas: Canvas<'a>,
}

impl Pen<'_> {
    /// A line of text whose middle is at `y`.
    fn words(&self, text: &str, x: f64, y: f64, kind: Type, side: HPos) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let font = FontDesc::new(FontFamily::Name(FAMILY), kind.size * TEXT_FACTOR * FINE, kind.style);
        let hue = colour(kind.colour);
        let style = TextStyle::from(font).color(&hue).pos(Pos::new(side, VPos::Center));
        self.canvas.draw_text(text, &style, (fine(x), fine(y)))
    }

    fn rectangle(&self, left: f64, top: f64, width: f64, height: f64, fill: &str) -> Result<(), Failure> {
        let corners = [(fine(left), fine(top)), (fine(left + width), fine(top + height))];
        self.canvas.draw(&Rectangle::new(corners, colour(fill).filled()))
    }

    fn line(&self, from: (f64, f64), to: (f64, f64), style: ShapeStyle) -> Result<(), Failure> {
        let ends = [from, to].map(|(x, y)| (fine(x), fine(y)));
        self.canvas.draw(&PathElement::new(ends.to_vec(), style))
    }

    /// The name of a panel, its background, and the labels of its axis.
    fn frame(&self, panel: &PanelPage) -> Result<(), Failure> {
        let Room { left, top, width, height } = panel.room;
        self.rectangle(left, top, width, height, palette::PLATE)?;
        self.words(&panel.name, left, top - 12.0, Type::bold(AXIS_NAME, palette::TITLE), HPos::Left)?;
        let kind = Type::plain(TICK, palette::NOTE);
        panel.y.ticks.iter().try_for_each(|(value, label)| {
            let y = top + (panel.y.high - value) / (panel.y.high - panel.y.low) * height;
            self.words(label, left - GAP, y, kind, HPos::Right)
        })
    }

    /// The grid and the lines of a panel.
    fn lines(&self, plot: &Plot, series: &[Series], page: &Page, panel: &PanelPage) -> Result<(), Failure> {
        let Room { left, top, width, height } = panel.room;
        let area = self.canvas.clone().shrink((fine(left), fine(top)), (fine(width) as u32, fine(height) as u32));
        let mut chart =
            ChartBuilder::on(&area).build_cartesian_2d(page.x.low..page.x.high, panel.y.low..panel.y.high)?;
        let across = |y: f64| vec![(page.x.low, y), (page.x.high, y)];
        let upwards = |x: f64| vec![(x, panel.y.low), (x, panel.y.high)];
        let rules = panel.y.ticks.iter().map(|tick| (across(tick.0), tick.0 == 0.0));
        let rules = rules.chain(page.x.ticks.iter().map(|tick| (upwards(tick.0), false)));
        let rule =
            |(ends, is_zero)| PathElement::new(ends, stroke(if is_zero { palette::FAINT } else { palette::GRID }, 1.0));
        chart.draw_series(rules.map(rule))?;
        let drawn: Vec<Vec<(f64, f64)>> =
            series.iter().map(|series| thinned(&series.points, page.x.low, page.x.high, width as usize)).collect();
        let scale = (width / (page.x.high - page.x.low), height / (panel.y.high - panel.y.low));
        let turns = twins::turns(&drawn, scale);
        for (index, (series, points)) in series.iter().zip(drawn).enumerate() {
            let (hue, thickness) = look(series.stroke, index);
            let (turn, of) = turns[index];
            if series.stroke == Stroke::Trend && points.len() > 1 {
                let dashed = DashedLineSeries::new(points, fine(7.0), fine(5.0), stroke(hue, thickness));
                chart.draw_series(dashed)?;
                continue;
            }
            if points.len() == 1 || matches!(plot.x, TimeAxis::Steps(_)) {
                // of lines that lie on each other, the first has the largest dots
                let radius = 3.2 + 1.8 * f64::from(of - 1 - turn);
                let dot = |point: &(f64, f64)| Circle::new(*point, fine(radius), colour(hue).filled());
                chart.draw_series(points.iter().map(dot).collect::<Vec<_>>())?;
            }
            if of == 1 {
                chart.draw_series(LineSeries::new(points, stroke(hue, thickness)))?;
            } else {
                let dashes = twins::dashes(&points, scale, turn, of);
                let dash = |ends| PathElement::new(ends, stroke(hue, thickness));
                chart.draw_series(dashes.into_iter().map(dash))?;
            }
        }
        if series.iter().all(|series| series.points.iter().all(|point| axis::drawable(point).is_none())) {
            let kind = Type::plain(LABEL, palette::NOTE);
            self.words("nothing was measured", left + width / 2.0, top + height / 2.0, kind, HPos::Center)?;
        }
        Ok(())
    }

    /// What each line is, and where it has come to, with a thin line from its end where the words had to move.
    fn labels(&self, series: &[Series], panel: &PanelPage) -> Result<(), Failure> {
        let right = panel.room.left + panel.room.width;
        for label in &panel.labels {
            let x = right + LEADER;
            let hue = label.series.map_or(palette::NOTE, |index| look(series[index].stroke, index).0);
            if label.series.is_some() {
                let ends = [(right + 3.0, label.from), (right + LEADER - 4.0, label.to)];
                self.line(ends[0], ends[1], stroke(palette::FAINT, 0.8))?;
            }
            self.words(&label.text, x, label.to, Type::plain(LABEL, hue), HPos::Left)?;
            let kind = Type::plain(LABEL, palette::NOTE);
            self.words(&label.value, x + label.value_left, label.to, kind, HPos::Left)?;
        }
        Ok(())
    }

    fn marks(&self, page: &Page) -> Result<(), Failure> {
        for mark in &page.marks {
            for Room { top, height, .. } in page.panels.iter().map(|panel| panel.room) {
                self.line((mark.x, top), (mark.x, top + height), stroke(palette::ARROW, 1.0))?;
            }
            let Some(label) = &mark.label else { continue };
            let kind = Type::plain(MARK, palette::REFERENCE);
            self.words(&label.text, label.middle, label.y, kind, HPos::Center)?;
        }
        Ok(())
    }

    /// The labels and the name of the horizontal axis.
    fn foot(&self, page: &Page) -> Result<(), Failure> {
        let Some(Room { left, top, width, height }) = page.panels.last().map(|panel| panel.room) else { return Ok(()) };
        let bottom = top + height;
        for (x, label) in &page.places {
            self.words(label, *x, bottom + 14.0, Type::plain(TICK, palette::NOTE), HPos::Center)?;
        }
        let kind = Type::bold(AXIS_NAME, palette::TITLE);
        self.words(page.x_name, left + width / 2.0, bottom + 34.0, kind, HPos::Center)
    }
}

/// Colour and thickness of a line.
fn look(stroke: Stroke, index: usize) -> (&'static str, f64) {
    let hue = palette::SERIES[index % palette::SERIES.len()];
    match stroke {
        Stroke::Main => (hue, 2.0),
        Stroke::Other => (hue, 1.4),
        Stroke::Faint => (palette::FAINT, 1.2),
        Stroke::Trend => (palette::MUST_PASS, 1.6),
    }
}

/// Points as they can be drawn: of many, the first, lowest, highest and last in each of so many columns.
fn thinned(points: &[(f64, f64)], low: f64, high: f64, columns: usize) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = points.iter().filter_map(axis::drawable).collect();
    if points.len() <= IN_A_COLUMN * columns {
        return points;
    }
    let column = |point: &(f64, f64)| ((point.0 - low) / (high - low) * columns as f64) as i64;
    let mut kept = Vec::new();
    for run in points.chunk_by(|left, right| column(left) == column(right)) {
        let by_height = |left: &usize, right: &usize| run[*left].1.total_cmp(&run[*right].1);
        let lowest = (0..run.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..run.len()).max_by(by_height).unwrap_or(0);
        let mut places = [0, lowest, highest, run.len() - 1];
        places.sort_unstable();
        let mut previous = None;
        for place in places {
            if previous != Some(place) {
                kept.push(run[place]);
            }
            previous = Some(place);
        }
    }
    kept
}

fn stroke(hue: &str, thickness: f64) -> ShapeStyle {
    colour(hue).stroke_width(fine(thickness) as u32)
}

/// `#rrggbb`, as the palette has it.
fn colour(hue: &str) -> RGBColor {
    let part = |start: usize| hue.get(start..start + 2).and_then(|part| u8::from_str_radix(part, 16).ok()).unwrap_or(0);
    RGBColor(part(1), part(3), part(5))
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}
