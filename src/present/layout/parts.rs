//! Boxes that hang together are arranged on their own; the drawings are then packed in rows.

use super::{ArrowSketch, Drawing, Point, Size, Sketch};

/// Width to height that a picture of several parts aims at.
const ASPECT: f64 = 1.6;
/// Between parts.
const GAP: f64 = 48.0;

/// Boxes that hang together.
pub(super) struct Part {
    /// With indexes of its own.
    pub sketch: Sketch,
    /// Index of each box in the whole sketch.
    boxes: Vec<usize>,
    /// Index of each arrow in the whole sketch.
    arrows: Vec<usize>,
}

/// The parts of a sketch, in the order of their first boxes.
pub(super) fn split(sketch: &Sketch) -> Vec<Part> {
    let owner = owners(sketch);
    let total = owner.iter().max().map_or(0, |last| last + 1);
    let mut parts: Vec<Part> = (0..total).map(|_| Part::empty()).collect();
    let mut local = vec![0; sketch.boxes.len()];
    for (index, square) in sketch.boxes.iter().enumerate() {
        let part = &mut parts[owner[index]];
        local[index] = part.boxes.len();
        part.boxes.push(index);
        part.sketch.boxes.push(*square);
    }
    for (index, arrow) in sketch.arrows.iter().enumerate() {
        let part = &mut parts[owner[arrow.from]];
        part.arrows.push(index);
        part.sketch.arrows.push(ArrowSketch { from: local[arrow.from], to: local[arrow.to], ..*arrow });
    }
    parts
}

/// Puts the drawings of the parts side by side, tall ones first, in rows.
pub(super) fn join(sketch: &Sketch, parts: &[Part], drawings: &[Drawing]) -> Drawing {
    let mut whole = Drawing {
        size: Size::default(),
        boxes: vec![Default::default(); sketch.boxes.len()],
        arrows: vec![Default::default(); sketch.arrows.len()],
    };
    for (index, by) in shelves(drawings, &mut whole.size) {
        let (part, drawing) = (&parts[index], &drawings[index]);
        for (place, rect) in part.boxes.iter().zip(&drawing.boxes) {
            whole.boxes[*place] = rect.moved(by);
        }
        for (place, route) in part.arrows.iter().zip(&drawing.arrows) {
            let target = &mut whole.arrows[*place];
            target.start = route.start.moved(by);
            target.steps = route.steps.iter().map(|step| step.moved(by)).collect();
            target.label = route.label.map(|label| label.moved(by));
        }
    }
    whole
}

/// Where each drawing goes; `size` grows around them.
fn shelves(drawings: &[Drawing], size: &mut Size) -> Vec<(usize, Point)> {
    let mut order: Vec<usize> = (0..drawings.len()).collect();
    order.sort_by(|&a, &b| drawings[b].size.h.total_cmp(&drawings[a].size.h).then(a.cmp(&b)));
    let area: f64 = drawings.iter().map(|drawing| (drawing.size.w + GAP) * (drawing.size.h + GAP)).sum();
    let widest = drawings.iter().map(|drawing| drawing.size.w).fold(0.0, f64::max);
    let limit = widest.max((area * ASPECT).sqrt());
    let (mut corner, mut below) = (Point::default(), 0.0_f64);
    let mut places = Vec::with_capacity(order.len());
    for index in order {
        let Size { w, h } = drawings[index].size;
        if corner.x > 0.0 && corner.x + w > limit {
            corner = Point::new(0.0, below + GAP);
        }
        places.push((index, corner));
        below = below.max(corner.y + h);
        *size = Size { w: size.w.max(corner.x + w), h: size.h.max(corner.y + h) };
        corner.x += w + GAP;
    }
    places
}

/// The part that each box is in, numbered by first box.
fn owners(sketch: &Sketch) -> Vec<usize> {
    let mut neighbours = vec![Vec::new(); sketch.boxes.len()];
    for arrow in &sketch.arrows {
        neighbours[arrow.from].push(arrow.to);
        neighbours[arrow.to].push(arrow.from);
    }
    let mut owner = vec![usize::MAX; sketch.boxes.len()];
    let mut parts = 0;
    for first in 0..owner.len() {
        if owner[first] != usize::MAX {
            continue;
        }
        owner[first] = parts;
        let mut waiting = vec![first];
        while let Some(index) = waiting.pop() {
            for &next in &neighbours[index] {
                if owner[next] == usize::MAX {
                    owner[next] = parts;
                    waiting.push(next);
                }
            }
        }
        parts += 1;
    }
    owner
}

impl Part {
    fn empty() -> Self {
        Self { sketch: Sketch::default(), boxes: Vec::new(), arrows: Vec::new() }
    }
}
