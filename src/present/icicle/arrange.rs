//! Where each tile goes: below the one that it is a part of, in proportion, the largest first.

use crate::report::Tile;
use std::cmp::Reverse;

/// Lengths are whole ten-thousandths of a pixel: fine enough to be magnified a thousandfold.
pub(super) const UNIT: u64 = 10_000;

/// Where a tile is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// From the left end of the rows.
    pub(super) left: u64,
    pub(super) width: u64,
    /// 0 at the top.
    pub(super) row: u64,
}

/// Where all tiles are.
#[derive(Default)]
pub(super) struct Arrangement {
    /// One for each tile; `None` where it is not drawn.
    pub(super) places: Vec<Option<Place>>,
    /// Rows that have tiles in them.
    pub(super) rows: u64,
    /// All top tiles, in bytes.
    pub(super) total: u128,
    /// Tiles that are too narrow.
    pub(super) smaller: u64,
    /// Rows that are too deep, of tiles that are wide enough.
    pub(super) deeper: u64,
}

/// Arranges tiles in rows of a width, dropping those narrower than `narrowest` and those below row `most_rows`.
///
/// Where the parts of a tile add up to more than the tile, they share its width. A tile whose parent does not come
/// before it counts as a top tile. O(n log n), with no recursion.
pub(super) fn arrange(tiles: &[Tile], width: u64, narrowest: u64, most_rows: u64) -> Arrangement {
    let parent = |tile: usize| tiles[tile].parent.filter(|parent| *parent < tile);
    let mut order: Vec<usize> = (0..tiles.len()).collect();
    order.sort_unstable_by_key(|tile| (parent(*tile), Reverse(tiles[*tile].bytes), *tile));
    let mut places = vec![None; tiles.len()];
    // Parents ascend and come before their parts, so that each is in its place before they are put below it.
    for parts in order.chunk_by(|left, right| parent(*left) == parent(*right)) {
        let below = parts.first().and_then(|part| parent(*part));
        let room = match below {
            Some(above) => places[above].map(|above: Place| Place { row: above.row + 1, ..above }),
            None => Some(Place { left: 0, width, row: 0 }),
        };
        let Some(room) = room else { continue };
        let whole = sum(parts, tiles).max(below.map_or(0, |above| u128::from(tiles[above].bytes)));
        divide(parts, tiles, room, whole, &mut places);
        // Parts of what is too narrow are at most as wide: nothing is lost by not looking at them.
        for part in parts {
            places[*part] = places[*part].filter(|place| place.width >= narrowest);
        }
    }
    let tops = order.partition_point(|tile| parent(*tile).is_none());
    cap(Arrangement { places, total: sum(&order[..tops], tiles), ..Arrangement::default() }, most_rows)
}

fn sum(parts: &[usize], tiles: &[Tile]) -> u128 {
    parts.iter().map(|part| u128::from(tiles[*part].bytes)).sum()
}

/// Puts parts side by side. Edges are rounded, not widths, so that errors do not add up.
fn divide(parts: &[usize], tiles: &[Tile], room: Place, whole: u128, places: &mut [Option<Place>]) {
    let mut before = 0;
    let mut start = 0;
    for part in parts {
        before += u128::from(tiles[*part].bytes);
        let edge = (u128::from(room.width) * before).checked_div(whole).unwrap_or(0);
        let end = u64::try_from(edge).map_or(room.width, |edge| edge.min(room.width));
        places[*part] = Some(Place { left: room.left + start, width: end - start, row: room.row });
        start = end;
    }
}

/// Drops what is too deep, and counts what is not drawn.
fn cap(mut arrangement: Arrangement, most_rows: u64) -> Arrangement {
    let drawn = arrangement.places.iter().flatten();
    let rows = drawn.map(|place| place.row + 1).max().unwrap_or(0);
    arrangement.smaller = arrangement.places.iter().filter(|place| place.is_none()).count() as u64;
    arrangement.rows = rows.min(most_rows);
    arrangement.deeper = rows - arrangement.rows;
    for place in &mut arrangement.places {
        *place = place.filter(|place| place.row < most_rows);
    }
    arrangement
}
