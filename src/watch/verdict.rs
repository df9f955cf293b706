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

use super::trend::{Slope, median, rise, slope};

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

/// The share of the time that is warm-up.
const WARM_UP: f64 = 0.2;
/// Samples and seconds below which nothing is said.
const LEAST_SAMPLES: usize = 30;
const LEAST_SECONDS: f64 = 30.0;
/// Numbers of blocks that are tried, in this order; samples that a block has at least.
const BLOCKS: [usize; 5] = [24, 20, 16, 12, 8];
const IN_A_BLOCK: usize = 2;
/// Least rise that matters: bytes, share of the level, and times the scatter.
const LEAST_BYTES: f64 = 512.0 * 1024.0;
const LEAST_SHARE: f64 = 0.005;
const SCATTERS: f64 = 4.0;
/// Standard deviations of the test: a chance of one in a thousand.
const SURE: f64 = 3.09;
/// Minima may fall back by this share of the whole rise; else blocks are too short.
const FALLS: f64 = 0.5;
/// The later half and the last third must rise at this share of the whole pace.
const RISES_ON: f64 = 0.55;
/// What must be left of the rise without its largest jump, and without its two largest.
const WITHOUT_JUMPS: [f64; 2] = [0.4, 0.25];

/// Judges samples, seconds and bytes each, in the order of time. Captures are not judged: [`without_captures`].
pub fn judge(samples: &[(f64, f64)]) -> Verdict {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return too_short(0, 0.0) };
    let span = last.0 - first.0;
    if samples.len() < LEAST_SAMPLES || span < LEAST_SECONDS {
        return too_short(samples.len(), span);
    }
    let start = first.0 + WARM_UP * span;
    let kept = &samples[samples.partition_point(|sample| sample.0 < start)..];
    let mut best = None;
    for blocks in BLOCKS.into_iter().filter(|blocks| blocks * IN_A_BLOCK <= kept.len()) {
        let found = Minima::new(envelope(kept, blocks));
        let swings = found.as_ref().is_none_or(|found| found.swings());
        best = found.or(best);
        if !swings {
            break;
        }
    }
    best.map_or_else(|| too_short(samples.len(), span), |minima| minima.judge())
}

fn too_short(samples: usize, span: f64) -> Verdict {
    let needed = format!("at least {LEAST_SAMPLES} over {LEAST_SECONDS} s are needed");
    let evidence = vec![format!("{samples} samples over {span:.0} s; {needed}")];
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

/// The lower envelope and what is known of it.
struct Minima {
    points: Vec<(f64, f64)>,
    slope: Slope,
    z: f64,
    /// By how much it rises from its first point to its last, along the slope.
    rise: f64,
    scatter: f64,
}

impl Minima {
    fn new(points: Vec<(f64, f64)>) -> Option<Self> {
        if points.len() < BLOCKS[BLOCKS.len() - 1] - 1 {
            return None;
        }
        let risen = rise(&points);
        let slope = slope(&points, risen.deviation)?;
        let rise = slope.middle * (points[points.len() - 1].0 - points[0].0);
        let rest: Vec<f64> = points.iter().map(|point| point.1 - slope.middle * point.0).collect();
        let middle = median(&rest);
        let from_middle: Vec<f64> = rest.iter().map(|value| (value - middle).abs()).collect();
        Some(Self { slope, z: risen.z, rise, scatter: median(&from_middle), points })
    }

    /// Whether it falls back too far for its rise.
    fn swings(&self) -> bool {
        let (mut highest, mut fall) = (f64::NEG_INFINITY, 0.0_f64);
        for point in &self.points {
            highest = highest.max(point.1);
            fall = fall.max(highest - point.1);
        }
        fall > FALLS * self.rise
    }

    fn judge(self) -> Verdict {
        let level = median(&self.points.iter().map(|point| point.1).collect::<Vec<_>>());
        let least = LEAST_BYTES.max(LEAST_SHARE * level).max(SCATTERS * self.scatter);
        if self.z < SURE || self.rise < least || self.slope.low <= 0.0 || self.swings() {
            return self.verdict(Outcome::Plateau, "plateau");
        }
        let pace = self.pace();
        if pace < RISES_ON {
            return self.verdict(Outcome::Plateau, "levelling off");
        }
        let left = self.without_jumps();
        if left.iter().zip(WITHOUT_JUMPS).any(|(left, wanted)| left / self.rise < wanted) {
            return self.verdict(Outcome::Plateau, "step");
        }
        self.verdict(Outcome::Growth, "growth")
    }

    fn verdict(self, outcome: Outcome, word: &str) -> Verdict {
        Verdict { outcome, slope: Some(self.slope), evidence: vec![word.to_owned()], envelope: self.points }
    }

    /// The pace of the later half and that of the last third, whichever is less, as a share of that of all.
    fn pace(&self) -> f64 {
        let count = self.points.len();
        let of = |from: usize| slope(&self.points[from..], 0.0).map_or(0.0, |slope| slope.middle);
        of(count / 2).min(of(count - count.div_ceil(3))) / self.slope.middle
    }

    /// What is left of the rise without its largest jump, and without its two largest.
    fn without_jumps(&self) -> [f64; 2] {
        let mut steps: Vec<f64> = self.points.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
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
