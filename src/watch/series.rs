//! Memory of a process over time.

use super::verdict::{Verdict, judge};
use crate::report::{Mark, Panel, Plot, Series as Line, Stroke, TimeAxis, Unit};

/// One look at a process and its children.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the epoch.
    pub at: f64,
    /// Bytes of the process that are in memory.
    pub resident: u64,
    /// Bytes of it that no other process shares, of the last time when this was asked.
    pub unique: Option<u64>,
    /// Bytes of it and of its children that are swapped out.
    pub swap: u64,
    /// Bytes of its children and of theirs that are in memory; pages that several share count for each.
    pub of_children: u64,
    /// How many these are.
    pub children: u32,
}

impl Sample {
    /// Bytes of all, in memory and swapped out: what is judged.
    pub fn total(&self) -> u64 {
        self.resident.saturating_add(self.of_children).saturating_add(self.swap)
    }
}

/// A heap dump that was taken meanwhile: from when to when, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capture {
    /// Its start.
    pub from: f64,
    /// Its end.
    pub to: f64,
}

/// Memory of a process over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What was run, foreign text.
    pub command: String,
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// Heap dumps taken meanwhile, in the order of time.
    pub captures: Vec<Capture>,
}

/// What the interpreter keeps after a capture, at most; a larger step is the program's own.
const LEFT_BY_CAPTURE: f64 = 64.0 * 1024.0 * 1024.0;
/// Samples before and after a capture that are compared.
const AROUND: usize = 5;

impl Series {
    /// When it starts, seconds since the epoch.
    pub fn start(&self) -> f64 {
        self.samples.first().map_or(0.0, |sample| sample.at)
    }

    /// Seconds from the first sample to the last.
    pub fn seconds(&self) -> f64 {
        self.samples.last().map_or(0.0, |sample| sample.at - self.start())
    }

    /// Judges the memory without what captures did to it.
    pub fn verdict(&self) -> Verdict {
        let first = judge(&self.without_captures(0.0));
        if self.captures.is_empty() {
            return first;
        }
        // what it grew during a capture is its own
        let rate = first.slope.map_or(0.0, |slope| slope.middle.max(0.0));
        judge(&self.without_captures(rate))
    }

    /// Seconds since the start and bytes, without the moments of captures and the step that each left behind: what it grew
    /// then beyond so many bytes a second.
    pub fn without_captures(&self, rate: f64) -> Vec<(f64, f64)> {
        let start = self.start();
        let mut points: Vec<(f64, f64)> =
            self.samples.iter().map(|sample| (sample.at - start, number(sample.total()))).collect();
        for capture in &self.captures {
            let (from, to) = (capture.from - start, capture.to - start);
            points.retain(|point| point.0 < from || point.0 > to);
            let border = points.partition_point(|point| point.0 < from);
            let (before, after) = points.split_at_mut(border);
            let (Some(last), Some(next)) = (before.last(), after.first()) else { continue };
            let own = rate * (next.0 - last.0);
            let highest = before.iter().rev().take(AROUND).map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
            let lowest = after.iter().take(AROUND).map(|point| point.1).fold(f64::INFINITY, f64::min);
            // only a step that no noise around it explains is the capture's
            let step = (lowest - highest - own).clamp(0.0, LEFT_BY_CAPTURE);
            after.iter_mut().for_each(|point| point.1 -= step);
        }
        points
    }

    /// The memory over time, what stays of it, and the captures.
    pub fn plot(&self, name: &str, verdict: &Verdict) -> Plot {
        let start = self.start();
        let has = |value: fn(&Sample) -> u64| self.samples.iter().any(|sample| value(sample) > 0);
        let line = |label: &str, stroke, value: &dyn Fn(&Sample) -> Option<u64>| Line {
            label: label.to_owned(),
            points: self
                .samples
                .iter()
                .filter_map(|sample| Some((sample.at - start, number(value(sample)?))))
                .collect(),
            stroke,
        };
        let mut lines = Vec::new();
        let with_children = has(|sample| sample.of_children);
        if with_children || has(|sample| sample.swap) {
            let label = if with_children { "all, with children" } else { "with swap" };
            lines.push(line(label, Stroke::Main, &|sample| Some(sample.total())));
        }
        lines.push(line("resident", Stroke::Main, &|sample| Some(sample.resident)));
        if self.samples.iter().any(|sample| sample.unique.is_some()) {
            lines.push(line("unique", Stroke::Other, &|sample| sample.unique));
        }
        if has(|sample| sample.swap) {
            lines.push(line("swapped out", Stroke::Other, &|sample| Some(sample.swap)));
        }
        if !verdict.envelope.is_empty() {
            let points = verdict.envelope.clone();
            let label = if self.captures.is_empty() { "what stays" } else { "what stays, but of dumps" };
            lines.push(Line { label: label.to_owned(), points, stroke: Stroke::Trend });
        }
        let mut panels = vec![Panel { label: "memory".to_owned(), unit: Unit::Bytes, series: lines }];
        if with_children {
            let series = vec![line("children", Stroke::Main, &|sample| Some(u64::from(sample.children)))];
            panels.push(Panel { label: "children".to_owned(), unit: Unit::Count, series });
        }
        let mark =
            |(number, capture): (u32, &Capture)| Mark { at: capture.from - start, label: format!("dump {number}") };
        Plot {
            name: name.to_owned(),
            title: title(&verdict.words()),
            subtitle: self.command.clone(),
            x: TimeAxis::Seconds,
            panels,
            marks: (1..).zip(&self.captures).map(mark).collect(),
        }
    }
}

fn title(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[expect(clippy::cast_precision_loss, reason = "exact to the byte below 8 PiB")]
fn number(bytes: u64) -> f64 {
    bytes as f64
}
