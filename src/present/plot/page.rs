//! Where everything of a plot goes, and how much of each text fits. Lengths are pixels.

use super::super::font::{Ruler, Style};
use super::super::label::{self, elide, visible};
use super::axis::{self, Axis, drawable};
use crate::counts::{bytes_text, more_of};
use crate::report::{Mark, Panel, Plot, Series, Stroke, Unit};

/// Of the file.
pub(super) const WIDTH: f64 = 960.0;
/// Around everything.
pub(super) const MARGIN: f64 = 28.0;
/// Sizes of the text.
pub(super) const TITLE: f64 = 17.0;
pub(super) const SUBTITLE: f64 = 12.0;
pub(super) const AXIS_NAME: f64 = 12.0;
pub(super) const TICK: f64 = 11.0;
pub(super) const LABEL: f64 = 12.0;
pub(super) const MARK: f64 = 10.5;
/// From one line to the next.
const TITLE_LINE: f64 = 24.0;
const SUBTITLE_LINE: f64 = 18.0;
const MARK_LINE: f64 = 15.0;
pub(super) const LABEL_LINE: f64 = 17.0;
/// Above the lines of a panel, for its name; and between panels.
const PANEL_HEAD: f64 = 26.0;
const PANEL_GAP: f64 = 18.0;
/// Below the last panel, for the labels of the ticks and the name of the axis.
const FOOT: f64 = 44.0;
/// Height of a panel that is alone, one of two, and one of more.
const HEIGHTS: [f64; 3] = [280.0, 200.0, 150.0];
/// Between an axis and its labels, and between the end of a line and its label.
pub(super) const GAP: f64 = 8.0;
pub(super) const LEADER: f64 = 22.0;
/// A label at the right that is wider is cut.
const WIDEST_LABEL: f64 = 200.0;
/// Lines of a panel that have a label; the rest is counted.
const MOST_LABELS: usize = 16;
/// Lines that the labels of marks may take.
const MARK_LINES: usize = 2;

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A whole plot, arranged.
pub(super) struct Page {
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) x: Axis,
    /// Below the panels: labels of the ticks, cut to fit.
    pub(super) places: Vec<(f64, String)>,
    pub(super) x_name: &'static str,
    pub(super) panels: Vec<PanelPage>,
    pub(super) marks: Vec<MarkPage>,
}

/// A panel, arranged.
pub(super) struct PanelPage {
    /// Where lines are drawn.
    pub(super) room: Room,
    pub(super) name: String,
    pub(super) y: Axis,
    pub(super) labels: Vec<LabelPage>,
}

/// The label of a line, at the right of the panel.
pub(super) struct LabelPage {
    /// Index of the series; `None` for the count of those that have no label.
    pub(super) series: Option<usize>,
    pub(super) text: String,
    pub(super) value: String,
    pub(super) value_left: f64,
    /// Height of the end of the line, and of the middle of the label.
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A mark, arranged.
pub(super) struct MarkPage {
    pub(super) x: f64,
    pub(super) label: Option<MarkLabel>,
}

/// The label of a mark, above the panels.
pub(super) struct MarkLabel {
    pub(super) text: String,
    pub(super) middle: f64,
    pub(super) y: f64,
}

impl Page {
    pub(super) fn new(plot: &Plot, ruler: &Ruler) -> Self {
        let x = axis::horizontal(plot);
        let axes: Vec<Axis> = plot.panels.iter().map(|panel| axis::vertical(&panel.series, panel.unit)).collect();
        let labels: Vec<Vec<LabelPage>> = plot.panels.iter().map(|panel| labels(panel, ruler)).collect();
        let left = MARGIN + GAP + widest(axes.iter().flat_map(|axis| &axis.ticks).map(|tick| tick.1.as_str()), ruler);
        let label_end = |label: &LabelPage| label.value_left + ruler.width(&label.value, Style::Plain, LABEL);
        let right = labels.iter().flatten().map(label_end).fold(0.0, f64::max);
        let right = MARGIN + if right > 0.0 { LEADER + right } else { 0.0 };
        let width = WIDTH - left - right;
        let at = |place: f64| left + (place - x.low) / (x.high - x.low) * width;
        let subtitle = fitting(&plot.subtitle, WIDTH - 2.0 * MARGIN, SUBTITLE, Style::Plain, ruler);
        let top = MARGIN + TITLE_LINE + if subtitle.is_empty() { 0.0 } else { SUBTITLE_LINE };
        let (marks, mark_lines) = marks(&plot.marks, &x, &at, top, ruler);
        let mut y = top + mark_lines as f64 * MARK_LINE;
        let least = HEIGHTS[plot.panels.len().clamp(1, HEIGHTS.len()) - 1];
        let mut panels = Vec::new();
        for ((panel, axis), mut labels) in plot.panels.iter().zip(axes).zip(labels) {
            y += PANEL_HEAD;
            let height = least.max(labels.len() as f64 * LABEL_LINE);
            spread(&mut labels, &axis, y, height);
            let room = Room { left, top: y, width, height };
            panels.push(PanelPage { room, name: name(panel, &axis, width, ruler), y: axis, labels });
            y += height + PANEL_GAP;
        }
        Self {
            height: y - PANEL_GAP + FOOT + MARGIN / 2.0,
            title: fitting(&plot.title, WIDTH - 2.0 * MARGIN, TITLE, Style::Bold, ruler),
            subtitle,
            places: places(&x, &at, ruler),
            x_name: match plot.x {
                crate::report::TimeAxis::Seconds => "time since the start",
                crate::report::TimeAxis::Steps(_) => "dumps, in the order of time",
            },
            x,
            panels,
            marks,
        }
    }
}

/// A text made visible and cut in the middle until it fits.
fn fitting(text: &str, width: f64, size: f64, style: Style, ruler: &Ruler) -> String {
    let text = label::head(&visible(text), 2000);
    if ruler.width(&text, style, size) <= width {
        return text;
    }
    let (mut fits, mut too_many) = (1, text.chars().count());
    while too_many - fits > 1 {
        let most = usize::midpoint(fits, too_many);
        if ruler.width(&elide(&text, most), style, size) <= width { fits = most } else { too_many = most }
    }
    elide(&text, fits)
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>, ruler: &Ruler) -> f64 {
    texts.map(|text| ruler.width(text, Style::Plain, TICK)).fold(0.0, f64::max)
}

/// The name of an axis, and whether it starts elsewhere than at 0.
fn name(panel: &Panel, axis: &Axis, width: f64, ruler: &Ruler) -> String {
    let from = axis.ticks.first().filter(|tick| tick.0 > 0.0);
    let from = from.map_or_else(String::new, |tick| format!(" (axis starts at {})", tick.1));
    let room = width - ruler.width(&from, Style::Bold, AXIS_NAME);
    fitting(&panel.label, room, AXIS_NAME, Style::Bold, ruler) + &from
}

/// Labels of the lines that have points, the one that ends highest first.
fn labels(panel: &Panel, ruler: &Ruler) -> Vec<LabelPage> {
    let last = |series: &Series| series.points.iter().rev().find_map(drawable);
    let mut ends: Vec<(usize, f64)> =
        panel.series.iter().enumerate().filter_map(|(index, series)| Some((index, last(series)?.1))).collect();
    ends.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    let left_out = ends.len().saturating_sub(MOST_LABELS);
    let mut labels: Vec<LabelPage> = ends
        .iter()
        .take(if left_out > 0 { MOST_LABELS - 1 } else { MOST_LABELS })
        .map(|&(index, value)| {
            let series = &panel.series[index];
            let text = fitting(&series.label, WIDEST_LABEL, LABEL, Style::Plain, ruler);
            let value_left = ruler.width(&text, Style::Plain, LABEL) + GAP;
            let shown = match (series.stroke, panel.unit) {
                (Stroke::Trend, _) => String::new(),
                (_, Unit::Bytes) if value >= 0.0 => bytes_text(value as u64),
                (_, Unit::Bytes) => format!("−{}", bytes_text(-value as u64)),
                (_, Unit::Count) => axis::count(value),
            };
            LabelPage { series: Some(index), text, value: shown, value_left, from: value, to: 0.0 }
        })
        .collect();
    if left_out > 0 {
        let text = more_of((left_out + 1) as u64, "line");
        let lowest = ends.last().map_or(0.0, |end| end.1);
        labels.push(LabelPage { series: None, text, value: String::new(), value_left: 0.0, from: lowest, to: 0.0 });
    }
    labels
}

/// Moves labels apart, each as near to the end of its line as the others let it: those that touch form a group whose
/// middle is where the middle of the ends is.
fn spread(labels: &mut [LabelPage], axis: &Axis, top: f64, height: f64) {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for label in labels.iter_mut() {
        label.from = top + (axis.high - label.from) / (axis.high - axis.low) * height;
        let mut group = (label.from, 1);
        // the middle of a group, and how many labels are in it
        while let Some(&(above, count)) = groups.last() {
            let apart = (count + group.1) as f64 / 2.0 * LABEL_LINE;
            if group.0 - above >= apart {
                break;
            }
            let all = (count + group.1) as f64;
            let middle = (above * count as f64 + group.0 * group.1 as f64) / all;
            group = (clamped(middle, all, top, height), count + group.1);
            groups.pop();
        }
        groups.push((clamped(group.0, group.1 as f64, top, height), group.1));
    }
    let mut rest = labels.iter_mut();
    for (middle, count) in groups {
        let first = middle - (count as f64 - 1.0) / 2.0 * LABEL_LINE;
        for (place, label) in rest.by_ref().take(count).enumerate() {
            label.to = first + place as f64 * LABEL_LINE;
        }
    }
}

fn clamped(middle: f64, count: f64, top: f64, height: f64) -> f64 {
    let half = count / 2.0 * LABEL_LINE;
    middle.min(top + height - half).max(top + half)
}

/// Labels of the horizontal axis, cut to the room that each has.
fn places(x: &Axis, at: &dyn Fn(f64) -> f64, ruler: &Ruler) -> Vec<(f64, String)> {
    let spacing = x.ticks.windows(2).map(|pair| at(pair[1].0) - at(pair[0].0)).fold(f64::INFINITY, f64::min);
    let room = spacing.min(WIDTH / 3.0) - GAP;
    let place = |tick: &(f64, String)| (at(tick.0), fitting(&tick.1, room, TICK, Style::Plain, ruler));
    x.ticks.iter().map(place).collect()
}

/// Marks and their labels, each in the first line that has room for it; a label that no line has room for is left out.
fn marks(marks: &[Mark], x: &Axis, at: &dyn Fn(f64) -> f64, top: f64, ruler: &Ruler) -> (Vec<MarkPage>, usize) {
    let mut ends = [f64::NEG_INFINITY; MARK_LINES];
    let mut lines = 0;
    let mut arranged = Vec::new();
    let mut shown: Vec<&Mark> = marks.iter().filter(|mark| (x.low..=x.high).contains(&mark.at)).collect();
    shown.sort_by(|left, right| left.at.total_cmp(&right.at));
    for mark in shown {
        let place = at(mark.at);
        let text = fitting(&mark.label, WIDEST_LABEL, MARK, Style::Plain, ruler);
        let half = ruler.width(&text, Style::Plain, MARK) / 2.0;
        let middle = place.max(MARGIN + half).min(WIDTH - MARGIN - half);
        let line = ends.iter().position(|end| middle - half >= end + GAP).filter(|_| !text.is_empty());
        let label = line.map(|line| {
            ends[line] = middle + half;
            lines = lines.max(line + 1);
            MarkLabel { text, middle, y: top + line as f64 * MARK_LINE + MARK_LINE }
        });
        arranged.push(MarkPage { x: place, label });
    }
    (arranged, lines)
}
