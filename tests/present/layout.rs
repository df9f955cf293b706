use super::pictures::Dice;
use retainers::present::layout::{
    ArrowSketch, BoxSketch, Drawing, Point, Rect, Route, Seat, Size, Sketch, Step, arrange,
};

const SLACK: f64 = 0.01;

fn random_sketch(seed: u64) -> Sketch {
    let mut dice = Dice::new(seed);
    let total = 1 + dice.below(60);
    let seats = [Seat::Any, Seat::Any, Seat::Any, Seat::Any, Seat::Top, Seat::Bottom];
    let boxes = (0..total).map(|_| BoxSketch {
        size: Size { w: 40.0 + dice.below(300) as f64, h: 20.0 + dice.below(90) as f64 },
        seat: *dice.pick(&seats),
    });
    let boxes = boxes.collect();
    let arrows = (0..dice.below(1 + total * 3 / 2)).map(|_| {
        let near = dice.below(3) > 0;
        let from = dice.below(total);
        let to = if near { (from + dice.below(6)) % total } else { dice.below(total) };
        let label = match dice.below(3) {
            0 => Size::default(),
            _ => Size { w: 20.0 + dice.below(200) as f64, h: 15.0 + dice.below(20) as f64 },
        };
        ArrowSketch { from, to, label }
    });
    let arrows = arrows.collect();
    Sketch { boxes, arrows }
}

fn chain(total: usize) -> Sketch {
    let square = |seat| BoxSketch { size: Size { w: 150.0, h: 40.0 }, seat };
    let boxes = (0..total).map(|index| match index {
        0 => square(Seat::Top),
        _ if index + 1 == total => square(Seat::Bottom),
        _ => square(Seat::Any),
    });
    let arrows = (1..total).map(|to| ArrowSketch { from: to - 1, to, label: Size { w: 60.0, h: 20.0 } });
    Sketch { boxes: boxes.collect(), arrows: arrows.collect() }
}

fn overlap(a: Rect, b: Rect) -> bool {
    let apart_x = a.x + a.w <= b.x + SLACK || b.x + b.w <= a.x + SLACK;
    let apart_y = a.y + a.h <= b.y + SLACK || b.y + b.h <= a.y + SLACK;
    !(apart_x || apart_y)
}

fn inside(rect: Rect, point: Point) -> bool {
    let x = rect.x + SLACK < point.x && point.x < rect.x + rect.w - SLACK;
    x && rect.y + SLACK < point.y && point.y < rect.y + rect.h - SLACK
}

fn on_border(rect: Rect, point: Point) -> bool {
    let grown = Rect { x: rect.x - SLACK, y: rect.y - SLACK, w: rect.w + 2.0 * SLACK, h: rect.h + 2.0 * SLACK };
    let within =
        point.x >= grown.x && point.x <= grown.x + grown.w && point.y >= grown.y && point.y <= grown.y + grown.h;
    within && !inside(rect, point)
}

/// Points along the way of an arrow.
fn samples(route: &Route) -> Vec<Point> {
    let mut points = vec![route.start];
    let mut from = route.start;
    for step in &route.steps {
        let (first, second, end) = match *step {
            Step::Line(end) => (from, end, end),
            Step::Curve(first, second, end) => (first, second, end),
        };
        for part in 1..=24 {
            let t = f64::from(part) / 24.0;
            let (a, b, c, d) = ((1.0 - t).powi(3), 3.0 * t * (1.0 - t).powi(2), 3.0 * t * t * (1.0 - t), t.powi(3));
            let mix = |p: f64, q: f64, r: f64, s: f64| a * p + b * q + c * r + d * s;
            points.push(Point { x: mix(from.x, first.x, second.x, end.x), y: mix(from.y, first.y, second.y, end.y) });
        }
        from = end;
    }
    points
}

/// Everything that must hold of a drawing.
fn check(sketch: &Sketch, drawing: &Drawing, what: &str) {
    for (index, square) in drawing.boxes.iter().enumerate() {
        let wanted = sketch.boxes[index].size;
        assert!(square.w + SLACK >= wanted.w && square.h + SLACK >= wanted.h, "{what}: box {index} is too small");
        check_on_canvas(*square, drawing.size, what);
        for (other, later) in drawing.boxes.iter().enumerate().skip(index + 1) {
            assert!(!overlap(*square, *later), "{what}: boxes {index} and {other} overlap");
        }
    }
    check_labels(sketch, drawing, what);
    for (index, (arrow, route)) in sketch.arrows.iter().zip(&drawing.arrows).enumerate() {
        check_route(arrow, route, drawing, &format!("{what}: arrow {index}"));
    }
}

fn check_on_canvas(rect: Rect, size: Size, what: &str) {
    let low = rect.x >= -SLACK && rect.y >= -SLACK;
    assert!(low && rect.x + rect.w <= size.w + SLACK && rect.y + rect.h <= size.h + SLACK, "{what}: {rect:?} is off");
}

fn check_labels(sketch: &Sketch, drawing: &Drawing, what: &str) {
    for (index, (arrow, route)) in sketch.arrows.iter().zip(&drawing.arrows).enumerate() {
        assert_eq!(route.label.is_some(), arrow.label.w > 0.0, "{what}: label {index} is missing or too many");
        let Some(label) = route.label else { continue };
        assert!((label.w - arrow.label.w).abs() < SLACK && label.h + SLACK >= arrow.label.h, "{what}: label {index}");
        check_on_canvas(label, drawing.size, what);
        assert!(drawing.boxes.iter().all(|square| !overlap(label, *square)), "{what}: label {index} on a box");
        let later = drawing.arrows[index + 1..].iter().filter_map(|route| route.label);
        assert!(later.into_iter().all(|other| !overlap(label, other)), "{what}: label {index} on a label");
    }
}

fn check_route(arrow: &ArrowSketch, route: &Route, drawing: &Drawing, what: &str) {
    let points = samples(route);
    let end = points[points.len() - 1];
    assert!(on_border(drawing.boxes[arrow.from], route.start), "{what} does not start at its box");
    assert!(on_border(drawing.boxes[arrow.to], end), "{what} does not end at its box: {end:?}");
    for point in points {
        let on_canvas = point.x >= -SLACK && point.y >= -SLACK;
        assert!(on_canvas && point.x <= drawing.size.w + SLACK && point.y <= drawing.size.h + SLACK, "{what} is off");
        let through = drawing.boxes.iter().position(|square| inside(*square, point));
        assert_eq!(through, None, "{what} passes through a box at {point:?}");
    }
}

#[test]
fn random_graphs_have_no_overlaps_and_no_arrow_through_a_box() {
    for seed in 0..600 {
        let sketch = random_sketch(seed);
        check(&sketch, &arrange(&sketch), &format!("seed {seed}"));
    }
}

#[test]
fn the_same_sketch_gives_the_same_drawing() {
    for seed in 0..40 {
        let sketch = random_sketch(seed);
        assert_eq!(format!("{:?}", arrange(&sketch)), format!("{:?}", arrange(&sketch)), "seed {seed}");
    }
}

#[test]
fn no_boxes_at_all_are_an_empty_drawing() {
    assert_eq!(arrange(&Sketch::default()).size, Size::default());
}

#[test]
fn a_short_chain_is_one_straight_column() {
    let drawing = arrange(&chain(9));
    let middles: Vec<f64> = drawing.boxes.iter().map(|square| square.x + square.w / 2.0).collect();
    assert!(middles.iter().all(|middle| (middle - middles[0]).abs() < SLACK), "{middles:?}");
    assert!(drawing.boxes.windows(2).all(|pair| pair[0].y + pair[0].h < pair[1].y));
}

#[test]
fn long_chains_are_folded_into_columns() {
    for total in [24, 60, 150, 500] {
        let sketch = chain(total);
        let drawing = arrange(&sketch);
        check(&sketch, &drawing, &format!("chain of {total}"));
        let aspect = drawing.size.w / drawing.size.h;
        assert!((1.0..2.3).contains(&aspect), "chain of {total}: {:?}", drawing.size);
        assert!(drawing.size.w.max(drawing.size.h) < 12_000.0, "chain of {total}: {:?}", drawing.size);
        let ys: Vec<f64> = drawing.boxes.iter().map(|square| square.y).collect();
        let columns = 1 + ys.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(columns > 1, "chain of {total} is not folded");
    }
}

#[test]
fn two_long_chains_to_one_target_are_folded_together() {
    let mut sketch = chain(100);
    let first = sketch.boxes.len();
    for index in 0..90 {
        let seat = if index == 0 { Seat::Top } else { Seat::Any };
        sketch.boxes.push(BoxSketch { size: Size { w: 120.0, h: 40.0 }, seat });
        let to = if index == 89 { 99 } else { first + index + 1 };
        sketch.arrows.push(ArrowSketch { from: first + index, to, label: Size { w: 50.0, h: 20.0 } });
    }
    let drawing = arrange(&sketch);
    check(&sketch, &drawing, "two chains");
    assert!(drawing.size.h < 4_000.0, "{:?}", drawing.size);
}

#[test]
fn roots_are_on_top_and_targets_at_the_bottom() {
    let square = |seat| BoxSketch { size: Size { w: 100.0, h: 30.0 }, seat };
    let seats = [Seat::Top, Seat::Any, Seat::Any, Seat::Bottom, Seat::Top];
    let ends = [(0, 1), (1, 2), (2, 3), (4, 3)];
    let sketch = Sketch {
        boxes: seats.map(square).to_vec(),
        arrows: ends.map(|(from, to)| ArrowSketch { from, to, label: Size::default() }).to_vec(),
    };
    let drawing = arrange(&sketch);
    assert_eq!(drawing.boxes[0].y, drawing.boxes[4].y);
    assert!(drawing.boxes[..3].iter().all(|square| square.y < drawing.boxes[3].y));
}

#[test]
fn many_holders_of_one_object_are_spread_over_several_rows() {
    let square = |seat| BoxSketch { size: Size { w: 200.0, h: 36.0 }, seat };
    let mut boxes = vec![square(Seat::Bottom)];
    boxes.extend((0..80).map(|_| square(Seat::Top)));
    let arrows = (1..=80).map(|from| ArrowSketch { from, to: 0, label: Size { w: 60.0, h: 20.0 } });
    let sketch = Sketch { boxes, arrows: arrows.collect() };
    let drawing = arrange(&sketch);
    check(&sketch, &drawing, "star");
    assert!(drawing.size.w < 5.0 * drawing.size.h, "{:?}", drawing.size);
}

#[test]
fn a_deep_graph_does_not_overflow_the_stack() {
    let sketch = chain(3_000);
    let drawing = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || arrange(&sketch));
    assert_eq!(drawing.unwrap().join().unwrap().boxes.len(), 3_000);
}
