//! What is seen while a process is watched: one area of the terminal, drawn anew; or a line now and then.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::counts::bytes_text;
use crate::present::label::visible;
use crate::watch::series::{Sample, Series};
use crate::watch::verdict::{Verdict, duration_text};

/// Columns of the small curve.
const COLUMNS: usize = 48;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Seconds to the first line, and the share of the time that has passed to each further one.
const FIRST_LINE: f64 = 10.0;
const LINE_SHARE: f64 = 0.5;
/// Seconds between lines at most.
const LONGEST_SILENCE: f64 = 600.0;

/// The display.
pub(super) struct Live {
    bar: Option<ProgressBar>,
    quiet: bool,
    next_line: f64,
}

impl Live {
    /// `alone`: nothing else writes to the terminal, so that an area of it can be ours.
    pub(super) fn new(quiet: bool, alone: bool) -> Self {
        let bar = (!quiet && alone && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar, quiet, next_line: FIRST_LINE }
    }

    /// Shows what is known so far.
    pub(super) fn show(&mut self, series: &Series, verdict: &Verdict, activity: &str) {
        let (Some(sample), seconds) = (series.samples.last(), series.seconds()) else { return };
        if let Some(bar) = &self.bar {
            let command: String = visible(&series.command).chars().take(70).collect();
            let (curve, low, high) = curve(&series.samples);
            bar.set_message(format!(
                "{command}\n{}  {}{activity}\n{curve}  {} – {}\nso far: {}",
                duration_text(seconds),
                sizes(sample),
                bytes_text(low),
                bytes_text(high),
                verdict.words()
            ));
            bar.tick();
        } else if !self.quiet && seconds >= self.next_line {
            let line = format!("{}: {}{activity}; so far: {}", duration_text(seconds), sizes(sample), verdict.words());
            anstream::eprintln!("{line}");
            self.next_line = seconds + (seconds * LINE_SHARE).clamp(FIRST_LINE, LONGEST_SILENCE);
        }
    }

    /// A line that stays.
    pub(super) fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{}", visible(text))),
            None if !self.quiet => anstream::eprintln!("{}", visible(text)),
            None => {}
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn sizes(sample: &Sample) -> String {
    let mut text = format!("{} resident", bytes_text(sample.resident));
    if let Some(unique) = sample.unique {
        text.push_str(&format!(", {} unique", bytes_text(unique)));
    }
    if sample.swap > 0 {
        text.push_str(&format!(", {} swapped out", bytes_text(sample.swap)));
    }
    if sample.children > 0 {
        let what =
            if sample.children == 1 { "in 1 child".to_owned() } else { format!("in {} children", sample.children) };
        text.push_str(&format!(", {} {what}", bytes_text(sample.of_children)));
    }
    text
}

/// The memory over all the time as a row of bars, and its least and most bytes.
pub(super) fn curve(samples: &[Sample]) -> (String, u64, u64) {
    let per_column = samples.len().div_ceil(COLUMNS).max(1);
    let most = |run: &[Sample]| run.iter().map(Sample::total).max().unwrap_or(0);
    let columns: Vec<u64> = samples.chunks(per_column).map(most).collect();
    let (low, high) = (columns.iter().copied().min().unwrap_or(0), columns.iter().copied().max().unwrap_or(0));
    let height = |value: &u64| {
        // a curve of noise should look flat
        let span = (high - low).max(high / 50).max(1);
        let place = u128::from(value - low) * (HEIGHTS.len() as u128 - 1) / u128::from(span);
        HEIGHTS[usize::try_from(place).unwrap_or(0).min(HEIGHTS.len() - 1)]
    };
    (columns.iter().map(height).collect(), low, high)
}
