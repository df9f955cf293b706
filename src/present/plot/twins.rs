//! Lines that lie on each other: each is to be seen.
//!
//! They take turns: each is drawn as dashes in the gaps of the others. Rejected: drawing them side by side, which shows values
//! that were not measured.

/// Pixels by which lines may differ and still hide each other.
const NEAR: f64 = 1.5;
/// Pixels of a dash.
const DASH: f64 = 9.0;

/// For each line, its turn among those that lie where it lies, and how many these are.
pub(super) fn turns(lines: &[Vec<(f64, f64)>], scale: (f64, f64)) -> Vec<(u32, u32)> {
    let mut leaders: Vec<usize> = Vec::new();
    let mut turns = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let leader = leaders.iter().copied().find(|&leader| is_twin(&lines[leader], line, scale)).unwrap_or(place);
        let before = turns.iter().filter(|&&(own, _)| own == leader).count();
        if before == 0 {
            leaders.push(place);
        }
        turns.push((leader, u32::try_from(before).unwrap_or(u32::MAX)));
    }
    let all = |leader: usize| turns.iter().filter(|&&(own, _)| own == leader).count();
    turns.iter().map(|&(leader, turn)| (turn, u32::try_from(all(leader)).unwrap_or(u32::MAX))).collect()
}

fn is_twin(one: &[(f64, f64)], other: &[(f64, f64)], scale: (f64, f64)) -> bool {
    let is_near = |(a, b): (&(f64, f64), &(f64, f64))| {
        ((a.0 - b.0) * scale.0).abs() <= NEAR && ((a.1 - b.1) * scale.1).abs() <= NEAR
    };
    !one.is_empty() && one.len() == other.len() && one.iter().zip(other).all(is_near)
}

/// The dashes of a line whose turn is `turn` of `of`.
pub(super) fn dashes(points: &[(f64, f64)], scale: (f64, f64), turn: u32, of: u32) -> Vec<Vec<(f64, f64)>> {
    let mut dashes: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut walked = 0.0;
    let mut last_turn = None;
    for ends in points.windows(2) {
        let (from, to) = (ends[0], ends[1]);
        let length = ((to.0 - from.0) * scale.0).hypot((to.1 - from.1) * scale.1);
        let at = |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        let mut done = 0.0;
        while done < length {
            let number = ((walked + done) / DASH + 1e-9).floor();
            let end = ((number + 1.0) * DASH - walked).min(length);
            if end <= done {
                break;
            }
            if number.rem_euclid(f64::from(of)) == f64::from(turn) {
                let piece = [at(done / length), at(end / length)];
                match dashes.last_mut().filter(|_| last_turn == Some(number)) {
                    Some(dash) => dash.push(piece[1]),
                    None => dashes.push(piece.to_vec()),
                }
                last_turn = Some(number);
            }
            done = end;
        }
        walked += length;
    }
    dashes
}
