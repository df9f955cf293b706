//! Plots: what is drawn where.

use resvg::usvg::roxmltree::{Document, Node};
use retainers::present::{palette, plot};
use retainers::report::{Panel, Plot, Series, Stroke, TimeAxis, Unit};

fn plot_of(lines: &[&[(f64, f64)]], x: TimeAxis) -> Plot {
    let series = lines.iter().enumerate().map(|(place, points)| Series {
        label: format!("line {place}"),
        points: points.to_vec(),
        stroke: Stroke::Main,
    });
    let panel = Panel { label: "objects".to_owned(), unit: Unit::Count, series: series.collect() };
    Plot { name: "test".to_owned(), title: "title".to_owned(), x, panels: vec![panel], ..Plot::default() }
}

/// Length of all that is drawn in a colour, in steps of a tenth of a pixel.
fn length_of(svg: &str, hue: &str) -> f64 {
    let document = Document::parse(svg).unwrap();
    let is_line = |node: &Node<'_, '_>| {
        node.has_tag_name("polyline") && node.attribute("stroke").is_some_and(|own| own.eq_ignore_ascii_case(hue))
    };
    let lines = document.descendants().filter(is_line);
    let length = |node: Node<'_, '_>| {
        let numbers: Vec<f64> =
            node.attribute("points").unwrap().split([' ', ',']).filter_map(|number| number.parse().ok()).collect();
        let points: Vec<(f64, f64)> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        points.windows(2).map(|ends| (ends[1].0 - ends[0].0).hypot(ends[1].1 - ends[0].1)).sum::<f64>()
    };
    lines.map(length).sum()
}

#[test]
fn lines_that_lie_on_each_other_are_all_to_be_seen() {
    let line: &[(f64, f64)] = &[(0.0, 0.0), (50.0, 30.0), (100.0, 100.0)];
    let alone = length_of(&plot::write(&plot_of(&[line], TimeAxis::Seconds)).unwrap(), palette::SERIES[0]);
    for count in 2..5 {
        let svg = plot::write(&plot_of(&vec![line; count], TimeAxis::Seconds)).unwrap();
        for hue in &palette::SERIES[..count] {
            let share = length_of(&svg, hue) / alone;
            assert!((share * count as f64 - 1.0).abs() < 0.15, "{count} lines: {hue} has {share}");
        }
    }
    // others are drawn whole
    let other: &[(f64, f64)] = &[(0.0, 0.0), (50.0, 60.0), (100.0, 100.0)];
    let svg = plot::write(&plot_of(&[line, other], TimeAxis::Seconds)).unwrap();
    assert!((length_of(&svg, palette::SERIES[0]) / alone - 1.0).abs() < 0.01);
}

#[test]
fn dots_of_lines_that_lie_on_each_other_are_rings() {
    let line: &[(f64, f64)] = &[(0.0, 1.0), (1.0, 5.0)];
    let steps = TimeAxis::Steps(vec!["dump 1".to_owned(), "dump 2".to_owned()]);
    let svg = plot::write(&plot_of(&[line, line, line], steps)).unwrap();
    let document = Document::parse(&svg).unwrap();
    let circles = document.descendants().filter(|node| node.has_tag_name("circle"));
    let radii: Vec<f64> = circles.map(|node| node.attribute("r").unwrap().parse().unwrap()).collect();
    assert_eq!(radii.len(), 6);
    assert!(radii[0] > radii[2] && radii[2] > radii[4], "{radii:?}");
}

#[test]
fn the_axis_of_time_starts_where_the_measurements_do() {
    let left_of = |points: &[(f64, f64)]| {
        let svg = plot::write(&plot_of(&[points], TimeAxis::Seconds)).unwrap();
        let document = Document::parse(&svg).unwrap();
        let line = document
            .descendants()
            .find(|node| node.attribute("stroke").is_some_and(|own| own.eq_ignore_ascii_case(palette::SERIES[0])))
            .unwrap();
        let first = line.attribute("points").unwrap().split(',').next().unwrap().to_owned();
        first.trim().parse::<f64>().unwrap()
    };
    let from_zero = left_of(&[(0.0, 10.0), (10.0, 20.0)]);
    assert!((left_of(&[(1000.0, 10.0), (1010.0, 20.0)]) - from_zero).abs() < 10.0);
    assert!(left_of(&[(1.0, 10.0), (10.0, 20.0)]) > from_zero + 100.0, "the first second was not measured");
}
