//! How much of a text fits, by an estimate: the reader may not have our font, and the script has to come to the same
//! end with a dozen lines.

use super::arrange::UNIT;
use std::borrow::Cow;

/// Size of the text in pixels; lengths of text are thousandths of it.
pub(super) const EM: u64 = 12;
/// Between a label and its size, in pixels.
pub(super) const GAP: u64 = 8;
/// From one letter to the next in DejaVu Sans (and nearly so in Verdana), for U+0020 to U+007E.
pub(super) const ADVANCES: [u64; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337, 637, 637, 637, 637, 637, 637, 637,
    637, 637, 637, 337, 337, 838, 838, 838, 531, 1000, 685, 687, 699, 771, 632, 576, 775, 752, 295, 295, 656, 558, 863,
    749, 788, 604, 788, 695, 635, 611, 732, 685, 989, 686, 611, 686, 391, 337, 391, 838, 500, 500, 613, 635, 550, 635,
    616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612, 635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637,
    337, 637, 838,
];
/// Of `…`.
const ELLIPSIS: u64 = 1000;
/// A cut text of no more characters than this, `…` included, says nothing.
pub(super) const FEWEST: usize = 3;

/// A length of text in thousandths of its size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Letters(u64);

impl Letters {
    /// Room of a width in pixels.
    pub(super) const fn in_pixels(pixels: u64) -> Self {
        Self(pixels * 1000 / EM)
    }

    /// Room in a tile of a width in ten-thousandths of a pixel, with `pad` pixels at each end.
    pub(super) const fn in_tile(width: u64, pad: u64) -> Self {
        Self(width.saturating_sub(2 * pad * UNIT) * 1000 / (EM * UNIT))
    }

    /// The same room for a title: 17 pixels and bold, whose letters are wider by up to a fifth.
    pub(super) const fn of_title(self) -> Self {
        Self(self.0 * EM * 5 / (17 * 6))
    }

    /// What is left beside other texts.
    pub(super) fn less(self, others: &[&str]) -> Self {
        others.iter().fold(self, |room, other| Self(room.0.saturating_sub(length(other))))
    }
}

/// The label of a tile, cut until it fits, and whether its size fits beside it; `None` if there is no room for words.
pub(super) fn words<'a>(label: &'a str, size: &str, room: Letters) -> Option<(Cow<'a, str>, bool)> {
    let shown = cut(label, room);
    let whole = shown == label;
    let with_size = whole && length(label) + GAP * 1000 / EM + length(size) <= room.0;
    let says_something = if whole { with_size || !label.is_empty() } else { shown.chars().count() > FEWEST };
    says_something.then_some((shown, with_size))
}

/// A text, or as many whole characters as leave room for `…`; nothing where there is none.
pub(super) fn cut(text: &str, room: Letters) -> Cow<'_, str> {
    let (mut width, mut end) = (0, 0);
    for (start, character) in text.char_indices() {
        if width + ELLIPSIS <= room.0 {
            end = start;
        }
        width += advance(character);
        if width > room.0 {
            let fits = room.0 >= ELLIPSIS;
            return Cow::Owned(if fits { format!("{}…", &text[..end]) } else { String::new() });
        }
    }
    Cow::Borrowed(text)
}

/// Of a text, in thousandths of its size.
pub(super) fn length(text: &str) -> u64 {
    text.chars().map(advance).sum()
}

/// Exact where names are mostly written; elsewhere rather too much than too little.
fn advance(character: char) -> u64 {
    match u32::from(character) {
        code @ 0x20..=0x7e => ADVANCES[code as usize - 0x20],
        0xa0..0x250 => 860,
        0x250..0x1f000 => 1100,
        _ => 1400,
    }
}
