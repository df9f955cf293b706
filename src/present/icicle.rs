//! Icicle: "where does the memory go, what is inside of what, and what is inside of that?"
//!
//! The whole is at the top, and each row below divides the one above: a tile is as wide as what it retains, and the
//! blank below a tile is its own share. One file, nothing to fetch: it is complete in an `<img>` or as a PNG, and where
//! scripts run, a click on a tile makes it as wide as the whole.
//!
//! Cost: O(n log n) for n tiles, to have the largest first; the depth of the tree is no matter. Places are whole
//! ten-thousandths of a pixel, so no two tiles overlap, no tile leaves the one above, and every machine writes the same
//! bytes.

mod arrange;
mod fit;
mod legend;

use super::label;
use super::xml::escape;
use crate::counts::{bytes_text, counted, grouped};
use crate::report::{Icicle, Tile};
use arrange::{Arrangement, Place, UNIT, arrange};
use fit::{ADVANCES, Letters};
use legend::{Entry, PATCH};

/// Width of the file in pixels.
pub const WIDTH: u64 = 1200;
/// From one row to the next, in pixels.
pub const ROW: u64 = 20;
/// Rows that are drawn; what is below them is counted in the subtitle.
pub const ROWS: u64 = 60;
/// Narrower tiles are counted in the subtitle, not drawn: 0.4 pixels, in ten-thousandths.
pub const NARROWEST: u64 = 2 * UNIT / 5;
/// Dark enough for small text on every fill, also as [`QUIET`].
pub const TEXT: &str = "#0f172a";
/// Sizes on tiles.
pub const QUIET: &str = "#334155";
/// For tiles of no kind.
pub const NEUTRAL: &str = "#e2e8f0";
/// For the other kinds: twelve hues, each light and less light, all of one strength.
pub const FILLS: [&str; 24] = [
    "#ffd0d2", "#f3adc2", "#fed3c0", "#f6b0a4", "#f4dab6", "#eeb88c", "#e3e1b7", "#d9c284", "#cfe7c2", "#bdcd8e",
    "#bdead5", "#9dd4a7", "#b4eae9", "#83d7c6", "#b8e7fa", "#7fd4e3", "#c6e1ff", "#91ccf6", "#d9daff", "#aec2fc",
    "#ecd4f8", "#ccb8f4", "#fad0e6", "#e4b1df",
];

/// Left and right of the rows, in pixels.
const MARGIN: u64 = 16;
/// Above the first row.
const HEADER: u64 = 64;
/// Below the last row, without and with a legend.
const FOOTER: u64 = 16;
const LEGEND: u64 = 44;
/// Between the left end of a tile and its text.
const PAD: u64 = 5;
/// Tiles narrower than this have a thinner outline, or nothing would be left of them.
const THIN: u64 = 4;
/// Room for the words about zooming, at the right of the title.
const HINT: u64 = 170;
/// Bytes of a label, and of a hover text, that are kept.
const LABEL: usize = 400;
const TOOLTIP: usize = 4096;
/// Lines of a hover text.
const TOOLTIP_LINES: usize = 40;
/// Where the hash of a kind starts: at FNV's own offset, but for a number that tells apart the packages most met with.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325 ^ 1431;
/// What a click does: a function of the measures that this file and the script have to agree on.
const ZOOM: &str = include_str!("icicle/zoom.js");

/// Draws the tiles.
pub fn write(icicle: &Icicle) -> String {
    let arrangement = arrange(&icicle.tiles, (WIDTH - 2 * MARGIN) * UNIT, NARROWEST, ROWS);
    let mut pen = Pen { text: String::new(), total: arrangement.total };
    let legend = legend::entries(&icicle.tiles, &arrangement, WIDTH - 2 * MARGIN);
    let bottom = HEADER + arrangement.rows * ROW;
    pen.open(icicle, bottom + if legend.is_empty() { FOOTER } else { LEGEND });
    pen.head(icicle, &arrangement);
    for (tile, place) in icicle.tiles.iter().zip(&arrangement.places) {
        if let Some(place) = place {
            pen.tile(tile, place);
        }
    }
    pen.legend(&legend, bottom + 16);
    pen.script();
    pen.text.push_str("</svg>\n");
    pen.text
}

/// The colour of a kind: a hash, so that a kind looks the same in every file.
pub fn fill(kind: &str) -> &'static str {
    shade(kind).map_or(NEUTRAL, |shade| FILLS[shade])
}

/// Index in [`FILLS`]: FNV-1a, whose definition will not change under us as that of the standard library may.
fn shade(kind: &str) -> Option<usize> {
    let hash = kind.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let folded = (hash >> 32) as usize;
    (!kind.is_empty()).then_some(folded % FILLS.len())
}

/// The colour of a kind as a class.
fn paint(kind: &str) -> String {
    shade(kind).map_or_else(|| "none".to_owned(), |shade| format!("k{shade}"))
}

/// Collects the text of the file.
struct Pen {
    text: String,
    /// All top tiles, in bytes.
    total: u128,
}

impl Pen {
    fn open(&mut self, icicle: &Icicle, height: u64) {
        self.text.push_str(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"icicle\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" xml:space=\"preserve\" role=\"img\" aria-label=\"{}\">\n",
            escape(&label::head(&label::visible(&icicle.title), TOOLTIP)),
        ));
        self.style();
        self.text.push_str(&format!("<rect class=\"canvas\" width=\"{WIDTH}\" height=\"{height}\"/>\n"));
    }

    fn style(&mut self) {
        self.text.push_str(&format!(
            "<style>\n\
             .icicle text {{ font-family: \"DejaVu Sans\", Verdana, sans-serif; font-size: 12px; fill: {TEXT}; \
             pointer-events: none; }}\n\
             .icicle .heading {{ font-size: 17px; font-weight: bold; }}\n\
             .icicle .subtitle, .icicle .hint, .icicle .size, .icicle .kind {{ fill: {QUIET}; }}\n\
             .icicle .canvas {{ fill: #ffffff; }}\n\
             .icicle .tile rect {{ stroke: #ffffff; stroke-width: 1px; }}\n\
             .icicle .thin rect {{ stroke-width: 0.1px; }}\n\
             .icicle .above {{ opacity: 0.6; }}\n\
             .icicle .tile:hover rect {{ filter: brightness(0.88) saturate(1.6); }}\n\
             .icicle.zooms .tile {{ cursor: pointer; }}\n\
             .icicle .none {{ fill: {NEUTRAL}; }}\n"
        ));
        for (shade, colour) in FILLS.iter().enumerate() {
            self.text.push_str(&format!(".icicle .k{shade} {{ fill: {colour}; }}\n"));
        }
        self.text.push_str("</style>\n");
    }

    fn head(&mut self, icicle: &Icicle, arrangement: &Arrangement) {
        let room = Letters::in_pixels(WIDTH - 2 * MARGIN);
        let left_out = left_out(arrangement);
        let subtitle = label::visible(&icicle.subtitle);
        let between = if subtitle.is_empty() || left_out.is_empty() { "" } else { " · " };
        let subtitle = fit::cut(&subtitle, room.less(&[between, &left_out]));
        let title = label::visible(&icicle.title);
        let title = fit::cut(&title, Letters::in_pixels(WIDTH - 2 * MARGIN - HINT).of_title());
        self.line("heading", MARGIN, 30, &title);
        self.line("subtitle", MARGIN, 50, &format!("{subtitle}{between}{left_out}"));
        let right = WIDTH - MARGIN;
        self.text.push_str(&format!("<text class=\"hint\" x=\"{right}\" y=\"30\" text-anchor=\"end\"></text>\n"));
    }

    fn line(&mut self, class: &str, x: u64, y: u64, text: &str) {
        let text = escape(text);
        self.text.push_str(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>\n"));
    }

    fn tile(&mut self, tile: &Tile, place: &Place) {
        let words = label::head(&label::visible(&tile.label), LABEL);
        let size = bytes_text(tile.bytes);
        let thin = if place.width < THIN * UNIT { " thin" } else { "" };
        let y = HEADER + place.row * ROW;
        let x = pixels(MARGIN * UNIT + place.left);
        self.text.push_str(&format!(
            "<g class=\"tile{thin}\"><title>{}</title><rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{}\" \
             height=\"{ROW}\" rx=\"1.5\"/>",
            escape(&self.tooltip(tile, &words, &size)),
            paint(&tile.kind),
            pixels(place.width),
        ));
        self.words(&words, &size, place, y);
        self.text.push_str("</g>\n");
    }

    /// The label, and the size where both fit.
    fn words(&mut self, label: &str, size: &str, place: &Place, y: u64) {
        let Some((label, with_size)) = fit::words(label, size, Letters::in_tile(place.width, PAD)) else { return };
        let x = pixels((MARGIN + PAD) * UNIT + place.left);
        self.text.push_str(&format!("<text x=\"{x}\" y=\"{}\">{}", y + 14, escape(&label)));
        if with_size {
            self.text.push_str(&format!("<tspan class=\"size\" dx=\"{}\">{size}</tspan>", fit::GAP));
        }
        self.text.push_str("</text>");
    }

    /// The script reads label and size from here, hence a line each.
    fn tooltip(&self, tile: &Tile, label: &str, size: &str) -> String {
        let mut text = format!("{label}\n{size}, {}", share(tile.bytes, self.total));
        for line in label::lines(&tile.detail, TOOLTIP_LINES) {
            text.push('\n');
            text.push_str(&line);
        }
        label::head(&text, TOOLTIP)
    }

    fn legend(&mut self, entries: &[Entry], y: u64) {
        for entry in entries {
            if let Some(kind) = entry.kind {
                self.text.push_str(&format!(
                    "<rect class=\"patch {}\" x=\"{}\" y=\"{y}\" width=\"{PATCH}\" height=\"{PATCH}\" rx=\"2\"/>",
                    paint(kind),
                    MARGIN + entry.left,
                ));
            }
            self.line("kind", MARGIN + entry.text_left, y + 10, &entry.name);
        }
    }

    fn script(&mut self) {
        let width = WIDTH - 2 * MARGIN;
        let advances = ADVANCES.map(|advance| advance.to_string()).join(",");
        self.text.push_str(&format!(
            "<script><![CDATA[\n{}({{ left: {MARGIN}, width: {width}, pad: {PAD}, thin: {THIN}, gap: {}, em: {}, \
             fewest: {}, advances: [{advances}] }});\n]]></script>\n",
            ZOOM.trim_end(),
            fit::GAP,
            fit::EM,
            fit::FEWEST,
        ));
    }
}

/// What the drawing does not show: `… 1,204 smaller not drawn · … 3 deeper levels not drawn`.
fn left_out(arrangement: &Arrangement) -> String {
    let smaller = format!("… {} smaller not drawn", grouped(arrangement.smaller));
    let deeper = format!("… {} not drawn", counted(arrangement.deeper, "deeper level"));
    match (arrangement.smaller, arrangement.deeper) {
        (0, 0) => String::new(),
        (_, 0) => smaller,
        (0, _) => deeper,
        _ => format!("{smaller} · {deeper}"),
    }
}

/// `12.3 %`; of nothing, everything is 0 %.
fn share(bytes: u64, total: u128) -> String {
    let tenths = (u128::from(bytes) * 1000 + total / 2).checked_div(total).unwrap_or(0).min(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A length in pixels, exactly, without needless zeros.
fn pixels(length: u64) -> String {
    let mut text = format!("{}.{:04}", length / UNIT, length % UNIT);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}
