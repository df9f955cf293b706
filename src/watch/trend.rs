//! Does a row of numbers rise, and how fast? Without assuming anything about how they scatter.
//!
//! - The slope is the median of the slopes of all pairs (H. Theil, "A rank-invariant method of linear and polynomial
//!   regression analysis", 1950; P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968, who gives
//!   the interval): up to 29 % of the numbers may be anything at all without moving it far.
//! - Whether it is one at all is the test of H. B. Mann ("Nonparametric tests against trend", 1945) with M. G. Kendall's
//!   statistic: how many pairs rise, less how many fall.
//! - Numbers that resemble their neighbours count for less than as many independent ones: the variance is widened as
//!   K. H. Hamed and A. R. Rao do ("A modified Mann–Kendall trend test for autocorrelated data", 1998).
//!
//! All is O(n²) in the n numbers, which are few here: see [`super::verdict`].

/// A slope, and between which it is with a confidence of 95 %.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Slope {
    /// The middle one of the slopes of all pairs; per unit of the places.
    pub middle: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

/// How far from chance a rise is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rise {
    /// Kendall's tau: 1 where every pair rises, −1 where every pair falls.
    pub tau: f64,
    /// Standard deviations from no trend, corrected for autocorrelation; 0 where nothing differs.
    pub z: f64,
    /// Standard deviation of Kendall's statistic, corrected for autocorrelation.
    pub deviation: f64,
}

/// Standard deviations that hold 95 % of a normal distribution between them.
const NORMAL_95: f64 = 1.959_964;

/// The test of Mann and Kendall with the correction of Hamed and Rao, on points in the order of their places.
pub fn rise(points: &[(f64, f64)]) -> Rise {
    let count = points.len();
    if count < 3 {
        return Rise::default();
    }
    let statistic: i64 = pairs(points).map(|(left, right)| sign(right.1 - left.1)).sum();
    let n = number(count);
    let all = n * (n - 1.0) / 2.0;
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties(points)) / 18.0 * correction(points);
    let deviation = variance.max(0.0).sqrt();
    // the continuity correction: the statistic goes in steps of two
    let towards_zero = statistic - statistic.signum();
    let z = if deviation > 0.0 { signed(towards_zero) / deviation } else { 0.0 };
    Rise { tau: signed(statistic) / all, z, deviation }
}

/// The slope of Theil and Sen; `deviation` is that of Kendall's statistic on the same points, from [`rise`]. `None` for
/// fewer than two places.
pub fn slope(points: &[(f64, f64)], deviation: f64) -> Option<Slope> {
    let mut slopes: Vec<f64> = pairs(points)
        .filter(|(left, right)| right.0 > left.0)
        .map(|(left, right)| (right.1 - left.1) / (right.0 - left.0))
        .collect();
    slopes.sort_unstable_by(f64::total_cmp);
    let last = slopes.len().checked_sub(1)?;
    let half_width = NORMAL_95 * deviation;
    let middle = number(last) / 2.0;
    let at = |place: f64| slopes[rank(place, last)];
    Some(Slope {
        middle: f64::midpoint(slopes[last / 2], slopes[last.div_ceil(2)]),
        low: at((middle - half_width / 2.0).floor()),
        high: at((middle + half_width / 2.0).ceil()),
    })
}

/// The middle one of the numbers, which need be in no order; 0 of none.
pub fn median(numbers: &[f64]) -> f64 {
    quantile(numbers, 0.5)
}

/// The number below which this share of the numbers is; 0 of none.
pub fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * number(last);
    let (below, above) = (sorted[rank(place.floor(), last)], sorted[rank(place.ceil(), last)]);
    below + (above - below) * place.fract()
}

/// By how much the variance of independent numbers must be widened: Hamed and Rao's n/n*, at least 1.
fn correction(points: &[(f64, f64)]) -> f64 {
    let count = points.len();
    let n = number(count);
    let middle = slope(points, 0.0).map_or(0.0, |slope| slope.middle);
    let rest: Vec<f64> = points.iter().map(|point| point.1 - middle * point.0).collect();
    let ranks = ranks(&rest);
    let mean = (n + 1.0) / 2.0;
    let from_mean: Vec<f64> = ranks.iter().map(|rank| rank - mean).collect();
    let whole: f64 = from_mean.iter().map(|value| value * value).sum();
    if whole <= 0.0 {
        return 1.0;
    }
    let significant = NORMAL_95 / n.sqrt();
    let mut sum = 0.0;
    for lag in 1..count.saturating_sub(2) {
        let shared: f64 = from_mean.iter().zip(&from_mean[lag..]).map(|(left, right)| left * right).sum();
        let correlation = shared / whole;
        if correlation.abs() > significant {
            let left = n - number(lag);
            sum += left * (left - 1.0) * (left - 2.0) * correlation;
        }
    }
    (1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum).max(1.0)
}

/// The place of each number among all, from 1; equal numbers share the middle of their places.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&left, &right| numbers[left].total_cmp(&numbers[right]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&left, &right| numbers[left] == numbers[right]) {
        let shared = number(before) + f64::midpoint(1.0, number(equal.len()));
        equal.iter().for_each(|&place| ranks[place] = shared);
        before += equal.len();
    }
    ranks
}

/// What equal numbers take from the variance.
fn ties(points: &[(f64, f64)]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_unstable_by(f64::total_cmp);
    let of = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    values.chunk_by(|left, right| left == right).map(|equal| of(number(equal.len()))).sum()
}

type Point = (f64, f64);

fn pairs(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    points.iter().enumerate().flat_map(|(place, left)| points[place + 1..].iter().map(move |right| (left, right)))
}

fn sign(difference: f64) -> i64 {
    i64::from(difference > 0.0) - i64::from(difference < 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of points are small")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs are small")]
fn signed(count: i64) -> f64 {
    count as f64
}

/// A place among slopes as an index.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=last")]
fn rank(place: f64, last: usize) -> usize {
    place.clamp(0.0, number(last)) as usize
}
