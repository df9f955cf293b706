//! What leaks is told from what does not.

use retainers::watch::verdict::{Outcome, judge};

use super::families::{Family, LEAKING, SOUND, series};

const SEEDS: u64 = 200;

/// In how many of a hundred series of a family growth is found.
fn found(family: Family) -> f64 {
    let grown = (0..SEEDS).filter(|seed| judge(&series(family, *seed)).outcome == Outcome::Growth).count();
    grown as f64 * 100.0 / SEEDS as f64
}

#[test]
fn what_does_not_leak_is_hardly_ever_growth() {
    for (name, family) in SOUND {
        let found = found(family);
        assert!(found <= 3.0, "{name}: growth in {found} %");
    }
}

#[test]
fn what_leaks_is_growth() {
    for (name, family) in LEAKING {
        let found = found(family);
        // a leak of a twentieth under garbage twenty times as high, of few samples, can be missed
        let least = if name.contains("sawtooth") { 88.0 } else { 98.0 };
        assert!(found >= least, "{name}: growth in {found} % only");
    }
}

#[test]
fn the_rate_is_right_under_a_sawtooth() {
    // 12 MiB an hour under garbage of up to 30 MiB that is collected every 97 s
    let mib = 1_048_576.0;
    let memory = |second: f64| (200.0 + 12.0 * second / 3600.0 + 30.0 * (second / 97.0).fract()) * mib;
    let samples: Vec<(f64, f64)> = (0..3_600).map(f64::from).map(|second| (second, memory(second))).collect();
    let verdict = judge(&samples);
    assert_eq!(verdict.outcome, Outcome::Growth, "{verdict:?}");
    let slope = verdict.slope.unwrap();
    let an_hour = [slope.low, slope.middle, slope.high].map(|rate| rate * 3_600.0 / mib);
    assert!(an_hour[0] <= 12.0 && an_hour[2] >= 12.0, "{an_hour:?}");
    assert!((an_hour[1] - 12.0).abs() < 1.0, "{an_hour:?}");
    assert!(verdict.words().starts_with("growth of 1"), "{}", verdict.words());
    assert!(verdict.words().contains("MiB/h (95 % confidence "), "{}", verdict.words());
}

#[test]
fn a_few_samples_are_too_few() {
    for count in [0, 1, 2, 29] {
        let samples: Vec<(f64, f64)> =
            (0..count).map(|place| (f64::from(place) * 10.0, f64::from(place) * 1e9)).collect();
        let verdict = judge(&samples);
        assert_eq!(verdict.outcome, Outcome::TooShort, "{count}");
        assert_eq!(verdict.words(), "too short to tell");
        assert!(verdict.evidence[0].contains("at least 30 over 30 s"), "{:?}", verdict.evidence);
    }
}

#[test]
fn samples_that_make_no_sense_are_judged_without_panic() {
    let large = |place: i32| f64::from(place) * 1e300;
    let values: [fn(i32) -> f64; 5] =
        [|_| 0.0, |_| 1e18, |place| f64::from(place % 2) * 1e18, |_| f64::INFINITY, |place| f64::from(-place)];
    for value in values.into_iter().chain([large as fn(i32) -> f64]) {
        for span in [0.0, 1e-9, 1.0, 1e12] {
            let samples: Vec<(f64, f64)> = (0..200).map(|place| (f64::from(place) * span, value(place))).collect();
            judge(&samples);
        }
    }
    let one_time: Vec<(f64, f64)> = (0..200).map(|place| (if place < 199 { 0.0 } else { 1e9 }, 1e6)).collect();
    judge(&one_time);
}
