//! "Does its memory grow?" A series of samples is judged, with what speaks for it.
//!
//! Memory that is in use and cannot be given back shows in what stays when garbage has been collected: garbage, traffic and
//! captures only ever add to it. So not the samples are tested, but their lower envelope:
//!
//! 1. The first fifth is warm-up and left out; so are the moments of captures, and what a capture left behind.
//! 2. The rest is cut into up to 24 equal blocks of time, and the least of each is kept. Where these still swing, blocks are
//!    made longer, down to 8, until a collection falls into each.
//! 3. The minima must rise: by the test of Mann and Kendall, corrected for autocorrelation ([`super::trend`]), by more than
//!    half a MiB, half a percent of the level and four times their own scatter.
//! 4. They must rise on: in the later half, and in the last third, at no less than about half of the pace, or else it is
//!    levelling off; and without the largest two jumps as well, or else it is a step.
//!
//! Time is O(n) in the samples.

use super::trend::{Slope, median, quantile, rise, slope};
use crate::counts::{bytes_text, signed};

/// What became of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It comes back to where it was.
    Plateau,
    /// It rises, and goes on rising.
    Growth,
    /// Not enough has been seen to say which.
    TooShort,
}

/// What became of the memory, and what speaks for it. Bytes and seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// In a word.
    pub outcome: Outcome,
    /// Bytes a second, of the lower envelope; also where it is not growth. `None` where there are too few samples.
    pub slope: Option<Slope>,
    /// What speaks for it, in half sentences.
    pub evidence: Vec<String>,
    /// The lower envelope: seconds, bytes. Empty where there are too few samples.
    pub envelope: Vec<(f64, f64)>,
}

impl Verdict {
    /// `growth of 12.3 MiB/h (95 % confidence 11.0–13.5)`, `plateau`, `too short to tell`.
    pub fn words(&self) -> String {
        match (self.outcome, self.slope) {
            (Outcome::Growth, Some(slope)) => rate_words(slope),
            (Outcome::TooShort, _) => "too short to tell".to_owned(),
            _ => "plateau".to_owned(),
        }
    }
}

fn rate_words(slope: Slope) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut an_hour = [slope.middle, slope.low, slope.high].map(|rate| rate * 3600.0 / 1024.0);
    let mut unit = 0;
    while an_hour[0] >= 1023.95 && unit + 1 < UNITS.len() {
        an_hour = an_hour.map(|rate| rate / 1024.0);
        unit += 1;
    }
    let [middle, low, high] = an_hour;
    format!("growth of {middle:.1} {}/h (95 % confidence {low:.1}–{high:.1})", UNITS[unit])
}

/// `45 s`, `2 min 30 s`, `12 min`, `3.5 h`.
pub fn duration_text(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..595.0 if seconds.round() % 60.0 >= 1.0 => {
            format!("{:.0} min {:.0} s", (seconds.round() / 60.0).floor(), seconds.round() % 60.0)
        }
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// The share of the time that is warm-up.
const WARM_UP: f64 = 0.2;
/// Samples and seconds below which nothing is said.
const LEAST_SAMPLES: usize = 30;
const LEAST_SECONDS: f64 = 30.0;
/// Numbers of blocks that are tried, in this order; samples that a block has at least.
const BLOCKS: [usize; 5] = [24, 20, 16, 12, 8];
const IN_A_BLOCK: usize = 2;
const COARSEST: usize = BLOCKS[BLOCKS.len() - 1];
/// Cycles of garbage that a block must hold, so that a collection falls into each.
const IN_A_BLOCK_CYCLES: f64 = 1.25;
const LEAST_CYCLES: usize = 4;
/// Of the range of the samples around their trend: how far above and below its middle a cycle goes.
const HALF_CYCLE: f64 = 0.3;
/// Least rise that matters: bytes, share of the level, and times the scatter.
const LEAST_BYTES: f64 = 512.0 * 1024.0;
const LEAST_SHARE: f64 = 0.005;
const SCATTERS: f64 = 4.0;
/// Standard deviations of the test: a chance of one in a thousand.
const SURE: f64 = 3.09;
/// Minima may fall back by this share of the whole rise; blocks are made longer while they fall by more than is calm.
const FALLS: f64 = 0.5;
const CALM: f64 = 0.1;
/// The later half and the last third must rise at this share of the whole pace.
const RISES_ON: f64 = 0.5;
/// The later half must rise at this share of the pace of the earlier half, even at best and at worst.
const CURVED: f64 = 0.75;
/// Blocks from which on the last third says something by itself.
const FINE: usize = 16;
/// What must be left of the rise without its largest jump, and without its two largest.
const WITHOUT_JUMPS: [f64; 2] = [0.4, 0.25];

/// Judges samples, seconds and bytes each, in the order of time. What captures did must be taken out before:
/// [`super::series::Series::without_captures`].
pub fn judge(samples: &[(f64, f64)]) -> Verdict {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return too_short(0, 0.0) };
    let span = last.0 - first.0;
    if samples.len() < LEAST_SAMPLES || span < LEAST_SECONDS {
        return too_short(samples.len(), span);
    }
    let start = first.0 + WARM_UP * span;
    let kept = &samples[samples.partition_point(|sample| sample.0 < start)..];
    let mut best: Option<Minima> = None;
    let cycles = cycles(kept);
    // two or three falls are no garbage that comes and goes, but a bend or a step
    let most = if cycles < LEAST_CYCLES { f64::INFINITY } else { cycles as f64 / IN_A_BLOCK_CYCLES };
    let fits = |blocks: &usize| blocks * IN_A_BLOCK <= kept.len() && (*blocks as f64 <= most || *blocks == COARSEST);
    for blocks in BLOCKS.into_iter().filter(fits) {
        let Some(found) = Minima::new(envelope(kept, blocks)) else { continue };
        if best.as_ref().is_none_or(|best| found.falls() < best.falls()) {
            best = Some(found);
        }
        if best.as_ref().is_some_and(|best| best.falls() <= CALM) {
            break;
        }
    }
    best.map_or_else(|| too_short(samples.len(), span), |minima| minima.judge())
}

fn too_short(samples: usize, span: f64) -> Verdict {
    let evidence = vec![format!(
        "{samples} samples over {}; at least {LEAST_SAMPLES} over {LEAST_SECONDS} s are needed",
        duration_text(span)
    )];
    Verdict { outcome: Outcome::TooShort, slope: None, evidence, envelope: Vec::new() }
}

/// The least of each of so many equal blocks of time, at the time when it was measured.
fn envelope(samples: &[(f64, f64)], blocks: usize) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let length = (last.0 - first.0) / blocks as f64;
    let block = |sample: &(f64, f64)| (((sample.0 - first.0) / length) as usize).min(blocks - 1);
    let least = |run: &[(f64, f64)]| run.iter().copied().min_by(|left, right| left.1.total_cmp(&right.1));
    samples.chunk_by(|left, right| block(left) == block(right)).filter_map(least).collect()
}

/// How often samples fall from high to low around the line through their ends: collections of garbage, where there are any.
fn cycles(samples: &[(f64, f64)]) -> usize {
    let ends = envelope(samples, COARSEST);
    let pace = slope(&ends, 0.0).map_or(0.0, |slope| slope.middle);
    let around: Vec<f64> = samples.iter().map(|sample| sample.1 - pace * sample.0).collect();
    let (low, high) = (quantile(&around, 0.05), quantile(&around, 0.95));
    let (lower, upper) = (f64::midpoint(low, high), HALF_CYCLE * (high - low));
    let (lower, upper) = (lower - upper, lower + upper);
    let (mut is_high, mut falls) = (false, 0);
    for value in around {
        if is_high && value < lower {
            falls += 1;
        }
        is_high = value > upper || is_high && value >= lower;
    }
    falls
}

/// The lower envelope and what is known of it.
struct Minima {
    points: Vec<(f64, f64)>,
    slope: Slope,
    z: f64,
    tau: f64,
    /// By how much it rises from its first point to its last, along the slope.
    rise: f64,
    scatter: f64,
}

impl Minima {
    fn new(points: Vec<(f64, f64)>) -> Option<Self> {
        if points.len() < COARSEST - 1 {
            return None;
        }
        let risen = rise(&points);
        let slope = slope(&points, risen.deviation)?;
        let rise = slope.middle * (points[points.len() - 1].0 - points[0].0);
        let rest: Vec<f64> = points.iter().map(|point| point.1 - slope.middle * point.0).collect();
        let middle = median(&rest);
        let from_middle: Vec<f64> = rest.iter().map(|value| (value - middle).abs()).collect();
        Some(Self { slope, z: risen.z, tau: risen.tau, rise, scatter: median(&from_middle), points })
    }

    /// By how much it falls back at most, as a share of its rise; infinite where it does not rise.
    fn falls(&self) -> f64 {
        let (mut highest, mut fall) = (f64::NEG_INFINITY, 0.0_f64);
        for point in &self.points {
            highest = highest.max(point.1);
            fall = fall.max(highest - point.1);
        }
        if self.rise > 0.0 { fall / self.rise } else { f64::INFINITY }
    }

    fn judge(self) -> Verdict {
        let level = median(&self.points.iter().map(|point| point.1).collect::<Vec<_>>());
        let least = LEAST_BYTES.max(LEAST_SHARE * level).max(SCATTERS * self.scatter);
        let moved = self.moved();
        if self.rise < least {
            let reason = format!("a rise that matters would be {} here", bytes_text(least as u64));
            return self.verdict(Outcome::Plateau, vec![moved, reason]);
        }
        if self.z < SURE || self.slope.low <= 0.0 || self.falls() > FALLS {
            let z = self.z;
            let reason =
                format!("it goes up and down: {z:.1} standard deviations from no trend, of {SURE} that are asked");
            return self.verdict(Outcome::Plateau, vec![moved, reason]);
        }
        if self.levels_off() {
            let reason =
                "it is levelling off: it rises much more slowly in the end; a longer watch tells where it stays";
            return self.verdict(Outcome::Plateau, vec![moved, reason.to_owned()]);
        }
        let left = self.without_jumps();
        if left.iter().zip(WITHOUT_JUMPS).any(|(left, wanted)| left / self.rise < wanted) {
            let reason = "it rose in one or two steps, and not between them; a longer watch tells whether more come";
            return self.verdict(Outcome::Plateau, vec![moved, reason.to_owned()]);
        }
        let sure = format!(
            "it rises on in the later half, and not by steps alone; {:.1} standard deviations from no trend (Mann–Kendall, \
             corrected for autocorrelation), Kendall's tau {:.2}",
            self.z, self.tau
        );
        self.verdict(Outcome::Growth, vec![moved, sure])
    }

    /// What the envelope did, in words.
    fn moved(&self) -> String {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        format!(
            "what stays when garbage is collected went from {} to {} ({}) over {}",
            bytes_text(first.1.max(0.0) as u64),
            bytes_text(last.1.max(0.0) as u64),
            signed((last.1 - first.1) as i64, bytes_text),
            duration_text(last.0 - first.0),
        )
    }

    fn verdict(self, outcome: Outcome, evidence: Vec<String>) -> Verdict {
        Verdict { outcome, slope: Some(self.slope), evidence, envelope: self.points }
    }

    /// Whether it rises much more slowly in the end than at first.
    fn levels_off(&self) -> bool {
        let count = self.points.len();
        let of = |points: &[(f64, f64)]| slope(points, rise(points).deviation).unwrap_or_default();
        let (early, late) = (of(&self.points[..count.div_ceil(2)]), of(&self.points[count / 2..]));
        let last = if count < FINE { late } else { of(&self.points[count - count / 3..]) };
        let is_slow = |end: Slope| end.middle < RISES_ON * self.slope.middle && end.high < self.slope.middle;
        is_slow(late) || is_slow(last) || late.high < CURVED * early.low
    }

    /// What is left of the rise without its largest jump, and without its two largest.
    fn without_jumps(&self) -> [f64; 2] {
        // what it never falls below again
        let mut stays: Vec<f64> = self.points.iter().map(|point| point.1).collect();
        for place in (1..stays.len()).rev() {
            stays[place - 1] = stays[place - 1].min(stays[place]);
        }
        let mut steps: Vec<f64> = stays.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let usual = median(&steps).max(0.0);
        [(); 2].map(|()| {
            let largest = (0..steps.len()).max_by(|&left, &right| steps[left].total_cmp(&steps[right])).unwrap_or(0);
            if let Some(step) = steps.get_mut(largest) {
                *step = step.min(usual);
            }
            let mut height = 0.0;
            let mut points = vec![(self.points[0].0, 0.0)];
            for (point, step) in self.points[1..].iter().zip(&steps) {
                height += step;
                points.push((point.0, height));
            }
            let span = points[points.len() - 1].0 - points[0].0;
            slope(&points, 0.0).map_or(0.0, |slope| slope.middle * span)
        })
    }
}
