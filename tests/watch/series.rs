//! What a capture does to the memory is not judged.

use retainers::watch::series::{Capture, Sample, Series};
use retainers::watch::verdict::Outcome;

const MIB: u64 = 1 << 20;

fn steady(with: impl Fn(u64) -> u64) -> Series {
    let samples =
        (0..200).map(|second| Sample { at: 1e9 + second as f64, resident: with(second), ..Sample::default() });
    Series { command: "python app.py".to_owned(), samples: samples.collect(), captures: Vec::new() }
}

#[test]
fn memory_that_captures_leave_behind_is_no_growth() {
    let times = [45, 60, 75, 90, 105, 120, 135, 150, 165, 180, 195];
    let mut series = steady(|second| {
        let captured = times.iter().filter(|time| second >= **time).count() as u64;
        let during = if times.iter().any(|time| (*time..*time + 3).contains(&second)) { 200 * MIB } else { 0 };
        100 * MIB + captured * 2 * MIB + during
    });
    assert_eq!(series.verdict().outcome, Outcome::Growth, "{:?}", series.verdict());
    series.captures =
        times.iter().map(|time| Capture { from: 1e9 + *time as f64 - 0.5, to: 1e9 + *time as f64 + 3.0 }).collect();
    assert_eq!(series.verdict().outcome, Outcome::Plateau, "{:?}", series.verdict());
}

#[test]
fn growth_is_seen_through_captures() {
    let mut series = steady(|second| 100 * MIB + second * MIB / 10);
    series.captures =
        vec![Capture { from: 1e9 + 50.5, to: 1e9 + 53.0 }, Capture { from: 1e9 + 120.5, to: 1e9 + 123.0 }];
    let verdict = series.verdict();
    assert_eq!(verdict.outcome, Outcome::Growth, "{verdict:?}");
    let an_hour = verdict.slope.unwrap().middle * 3_600.0 / MIB as f64;
    assert!((an_hour - 360.0).abs() < 4.0, "what it grew during captures is its own: {an_hour}");
}

#[test]
fn what_is_swapped_out_and_what_children_have_is_judged_too() {
    let mut series = steady(|_| 100 * MIB);
    for (sample, number) in series.samples.iter_mut().zip(0..) {
        sample.swap = number * MIB / 4;
    }
    assert_eq!(series.verdict().outcome, Outcome::Growth);
    for sample in &mut series.samples {
        (sample.of_children, sample.children, sample.swap) = (sample.swap, 2, 0);
    }
    assert_eq!(series.verdict().outcome, Outcome::Growth);
}

#[test]
fn the_plot_has_the_memory_what_stays_of_it_and_the_captures() {
    let mut series = steady(|second| 100 * MIB + second * MIB);
    series.captures = vec![Capture { from: 1e9 + 50.5, to: 1e9 + 53.0 }];
    let plot = series.plot("watch-7", &series.verdict());
    assert!(plot.title.starts_with("Growth of "), "{}", plot.title);
    assert_eq!(plot.subtitle, "python app.py");
    let names: Vec<&str> = plot.panels[0].series.iter().map(|line| line.label.as_str()).collect();
    assert_eq!(names, ["resident", "what stays"]);
    assert_eq!(plot.panels[0].series[0].points[10], (10.0, (110 * MIB) as f64));
    assert_eq!((plot.marks[0].at, plot.marks[0].label.as_str()), (50.5, "dump 1"));
    let svg = retainers::present::plot::write(&plot).unwrap();
    assert!(svg.contains("what stays") && svg.contains("dump 1"), "{svg}");
}
