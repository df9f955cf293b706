//! From where to where an axis goes, and what is written at which places of it.

use crate::counts::grouped;
use crate::report::{Plot, Series, TimeAxis, Unit};

/// Numbers beyond this are drawn at this: more than any memory has, and still exact to the byte nearby.
const LARGEST: f64 = (1_u64 << 60) as f64;
/// Steps between the ticks of a vertical axis, at most.
const VERTICAL: f64 = 5.0;
/// The same of a horizontal axis.
const HORIZONTAL: f64 = 8.0;
/// An axis may start above 0 when what varies would be less than this share of it: a twenty-fifth of 10 GiB is a leak too.
const WITHOUT_ZERO: f64 = 0.8;
/// Of an axis that does not start at 0: so many times the spread of the values, and at least this share of the largest, so
/// that noise looks as small as it is.
const SPREADS: f64 = 4.0;
const LEAST_SHARE: f64 = 0.1;

/// Times start at 0 where what is before the first point is no more than this part of what is between first and last.
const FAR: f64 = 0.25;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Place and label, from the lowest up.
    pub(super) ticks: Vec<(f64, String)>,
}

/// A point that can be drawn, or nothing.
pub(super) fn drawable(&(x, y): &(f64, f64)) -> Option<(f64, f64)> {
    (x.is_finite() && y.is_finite()).then(|| (x.clamp(-LARGEST, LARGEST), y.clamp(-LARGEST, LARGEST)))
}

/// The vertical axis of series.
pub(super) fn vertical(series: &[Series], unit: Unit) -> Axis {
    let values = series.iter().flat_map(|series| series.points.iter().filter_map(drawable).map(|point| point.1));
    let (smallest, largest) = extent(values).unwrap_or((0.0, 0.0));
    let (low, high) = shown(smallest, largest);
    let least = match unit {
        Unit::Bytes => 1024.0,
        Unit::Count => 1.0,
    };
    let high = if high - low < least { low + least } else { high };
    let step = match unit {
        Unit::Bytes => power_of_two((high - low) / VERTICAL),
        Unit::Count => one_two_five((high - low) / VERTICAL).max(1.0),
    };
    let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    let label = |value: f64| match unit {
        Unit::Bytes => bytes(value),
        Unit::Count => count(value),
    };
    Axis { low, high, ticks: ticks(low, high, step).map(|value| (value, label(value))).collect() }
}

/// The horizontal axis of a plot.
pub(super) fn horizontal(plot: &Plot) -> Axis {
    match &plot.x {
        TimeAxis::Seconds => seconds(plot),
        TimeAxis::Steps(labels) => steps(labels),
    }
}

fn seconds(plot: &Plot) -> Axis {
    let points = plot.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let marks = plot.marks.iter().map(|mark| (mark.at, 0.0));
    let places = points.filter_map(drawable).chain(marks.filter_map(|mark| drawable(&mark))).map(|point| point.0);
    let (first, last) = extent(places).unwrap_or((0.0, 0.0));
    // from the start, unless what was measured is far from it
    let is_near = first <= FAR * (last - first);
    let low = if is_near { first.min(0.0) } else { first };
    let high = if last > low { last } else { low + 1.0 };
    const NICE: [f64; 21] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
        43_200.0, 86_400.0, 172_800.0, 432_000.0, 864_000.0,
    ];
    let wanted = (high - low) / HORIZONTAL;
    let step = match NICE.iter().find(|step| **step >= wanted) {
        Some(_) if wanted < 0.5 => one_two_five(wanted),
        Some(step) => *step,
        None => one_two_five(wanted / 86_400.0) * 86_400.0,
    };
    let first = (low / step).ceil() * step;
    Axis { low, high, ticks: ticks(first, high, step).map(|place| (place, time(place, step))).collect() }
}

/// A time in the unit of the steps, so that neighbours are compared at a glance.
fn time(seconds: f64, step: f64) -> String {
    let (value, unit) = match step {
        _ if step < 60.0 => (seconds, "s"),
        _ if step < 3600.0 => (seconds / 60.0, "min"),
        _ if step < 86_400.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", trimmed(value, 6))
}

fn steps(labels: &[String]) -> Axis {
    let count = labels.len().max(1);
    let last = (count - 1) as f64;
    let pad = if count == 1 { 0.5 } else { 0.04 * last };
    let every = count.div_ceil(MOST_STEPS);
    let ticks = labels.iter().enumerate().step_by(every).map(|(place, label)| (place as f64, label.clone()));
    Axis { low: -pad, high: last + pad, ticks: ticks.collect() }
}

/// Steps that have a label; of more, every second, third, and so on.
const MOST_STEPS: usize = 12;

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| {
        let (smallest, largest) = extent.unwrap_or((value, value));
        Some((value.min(smallest), value.max(largest)))
    })
}

/// What part of the numbers is shown: from 0, but for values that are all large and close together.
fn shown(smallest: f64, largest: f64) -> (f64, f64) {
    let span = (SPREADS * (largest - smallest)).max(LEAST_SHARE * largest);
    if smallest > 0.0 && span < WITHOUT_ZERO * largest {
        let above = (span - (largest - smallest)) / 2.0;
        return ((smallest - above).max(0.0), largest + above);
    }
    (smallest.min(0.0), largest.max(0.0))
}

fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let last = ((high - low) / step + 1e-9).floor().clamp(0.0, 100.0) as u32;
    (0..=last).map(move |number| low + f64::from(number) * step)
}

fn power_of_two(least: f64) -> f64 {
    let mut step = 1.0;
    while step < least {
        step *= 2.0;
    }
    step
}

/// The smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is not less.
fn one_two_five(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A size in the largest unit in which it has at most two decimals: `64 MiB`, `1.5 GiB`.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let size = value.abs();
    let mut shown = (size, UNITS[0]);
    let mut unit_size = 1.0;
    for unit in UNITS {
        let in_unit = size / unit_size;
        if in_unit >= 1.0 && (in_unit * 4.0).fract() == 0.0 {
            shown = (in_unit, unit);
        }
        unit_size *= 1024.0;
    }
    let (number, unit) = shown;
    let number = if number.fract() == 0.0 { count(number) } else { trimmed(number, 2) };
    format!("{}{number} {unit}", sign(value))
}

/// `12,000`.
pub(super) fn count(value: f64) -> String {
    format!("{}{}", sign(value), grouped(value.abs().round() as u64))
}

fn sign(value: f64) -> &'static str {
    if value < 0.0 { "−" } else { "" }
}

/// A number without needless zeros.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}
