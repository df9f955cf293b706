//! Which colour is what: the kinds that take the most room, as many as one line holds.

use super::arrange::{Arrangement, UNIT};
use super::fit::{self, EM, Letters};
use super::label;
use crate::counts::more_of;
use crate::report::Tile;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Side of a patch of colour, in pixels.
pub(super) const PATCH: u64 = 11;
/// From a patch to its words, and from there to the next patch.
const NEAR: u64 = 5;
const FAR: u64 = 20;
/// A name that is wider is cut.
const WIDEST: u64 = 220;

/// A kind of tiles, or the words about those that found no room.
pub(super) struct Entry<'a> {
    /// The kind as the tiles have it; `None` for those that found no room.
    pub(super) kind: Option<&'a str>,
    /// What is shown.
    pub(super) name: String,
    /// Of the patch and of the words, in pixels from the left end of the line.
    pub(super) left: u64,
    pub(super) text_left: u64,
}

/// The kinds that are drawn, those with the most room first, in a line of a width in pixels. O(n log k) for k kinds.
pub(super) fn entries<'a>(tiles: &'a [Tile], arrangement: &Arrangement, width: u64) -> Vec<Entry<'a>> {
    let kinds = kinds(tiles, arrangement);
    let room = width - pixels(&more_of(kinds.len() as u64, "kind"));
    let mut entries = Vec::new();
    let mut left = 0;
    for (index, kind) in kinds.iter().enumerate() {
        let name = fit::cut(&label::visible(kind), Letters::in_pixels(WIDEST)).into_owned();
        let end = left + PATCH + NEAR + pixels(&name);
        if end + FAR > room {
            let name = more_of((kinds.len() - index) as u64, "kind");
            entries.push(Entry { kind: None, name, left, text_left: left });
            break;
        }
        entries.push(Entry { kind: Some(kind), name, left, text_left: left + PATCH + NEAR });
        left = end + FAR;
    }
    entries
}

/// Kinds by the room that their tiles take, then by name.
fn kinds<'a>(tiles: &'a [Tile], arrangement: &Arrangement) -> Vec<&'a str> {
    let mut room: BTreeMap<&str, u64> = BTreeMap::new();
    for (tile, place) in tiles.iter().zip(&arrangement.places) {
        if let (Some(place), false) = (place, tile.kind.is_empty()) {
            *room.entry(&tile.kind).or_default() += place.width / UNIT + 1;
        }
    }
    let mut kinds: Vec<(&str, u64)> = room.into_iter().collect();
    kinds.sort_by_key(|(_, room)| Reverse(*room));
    kinds.into_iter().map(|(kind, _)| kind).collect()
}

fn pixels(text: &str) -> u64 {
    (fit::length(text) * EM).div_ceil(1000)
}
