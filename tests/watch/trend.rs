//! The statistics against numbers worked out elsewhere.

use retainers::watch::trend::{median, quantile, rise, slope};

fn points(values: &[f64]) -> Vec<(f64, f64)> {
    (0_u32..).map(f64::from).zip(values.iter().copied()).collect()
}

#[test]
fn the_slope_is_that_of_sens_paper() {
    // the example of Sen (1968), section 6: times and readings, slope 4, with 15 pairs of different times
    let example = [(1.0, 9.0), (2.0, 15.0), (3.0, 19.0), (4.0, 20.0), (10.0, 45.0), (12.0, 55.0), (18.0, 78.0)];
    let found = slope(&example, rise(&example).deviation).unwrap();
    assert!((found.middle - 4.0).abs() < 0.05, "{found:?}");
    assert!(found.low > 3.0 && found.high < 5.5, "{found:?}");
}

#[test]
fn a_straight_line_is_as_sure_as_can_be() {
    let line = points(&(0..20).map(|place| f64::from(place) * 3.0).collect::<Vec<_>>());
    let found = rise(&line);
    assert!((found.tau - 1.0).abs() < 1e-12, "{found:?}");
    // 189 / sqrt(20 · 19 · 45 / 18), the residuals of a straight line do not resemble each other
    assert!((found.z - 189.0 / 950.0_f64.sqrt()).abs() < 1e-9, "{found:?}");
    let falling: Vec<(f64, f64)> = line.iter().map(|point| (point.0, -point.1)).collect();
    assert!((rise(&falling).z + found.z).abs() < 1e-9);
}

#[test]
fn what_resembles_its_neighbours_counts_for_less() {
    let slow =
        points(&(0..40).map(|place| (f64::from(place) / 6.0).sin() * 5.0 + f64::from(place) * 0.1).collect::<Vec<_>>());
    let independent = (40.0 * 39.0 * 85.0 / 18.0_f64).sqrt();
    assert!(rise(&slow).deviation > 1.3 * independent, "{:?} and {independent}", rise(&slow));
}

#[test]
fn equal_numbers_have_no_trend() {
    let found = rise(&points(&[5.0; 30]));
    assert_eq!((found.tau, found.z), (0.0, 0.0));
    assert_eq!(slope(&points(&[5.0; 30]), 10.0).unwrap().middle, 0.0);
    assert!(slope(&[(1.0, 2.0)], 0.0).is_none());
    assert!(slope(&[(1.0, 2.0), (1.0, 3.0)], 0.0).is_none());
}

#[test]
fn quantiles_lie_between_numbers() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    assert_eq!(quantile(&[0.0, 10.0], 0.25), 2.5);
    assert_eq!(median(&[]), 0.0);
}
