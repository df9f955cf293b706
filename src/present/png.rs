//! PNG: "a picture that I can drop into a chat or a bug report."
//!
//! Drawn from the SVG at twice its size, which keeps small text sharp, with the embedded fonts. The fonts of the system
//! are only looked for when a text has characters that the embedded ones lack, so a picture is the same everywhere
//! unless it cannot be.

use super::font::{self, Ruler, STYLES, Style};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{Options, Tree};
use std::sync::Arc;

/// Pixels for each pixel of the SVG.
const SCALE: f32 = 2.0;
/// Longest side, and largest area, in pixels; larger pictures are scaled down.
const LONGEST_SIDE: f32 = 16_000.0;
const LARGEST_AREA: f32 = 100e6;
/// Pixels above which the time to compress is felt.
const LARGE: usize = 6_000_000;

/// Draws an SVG.
///
/// # Errors
///
/// When the text is not an SVG, or when there is no memory for the picture.
pub fn write(svg: &str) -> Result<Vec<u8>, String> {
    let options = Options { font_family: "DejaVu Sans".to_owned(), fontdb: Arc::new(fonts(svg)), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| format!("cannot read the SVG: {error}"))?;
    let size = tree.size();
    let scale = fitting_scale(size.width(), size.height());
    let (width, height) = (pixels(size.width() * scale), pixels(size.height() * scale));
    let mut canvas = Pixmap::new(width, height).ok_or_else(|| format!("no room for {width} × {height} pixels"))?;
    canvas.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut canvas.as_mut());
    encode(&canvas).map_err(|error| format!("cannot write the PNG: {error}"))
}

/// The file: three bytes a pixel, for nothing is transparent; large ones are compressed less to be done sooner.
fn encode(canvas: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, canvas.width(), canvas.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let large = canvas.data().len() > 4 * LARGE;
    encoder.set_compression(if large { png::Compression::Fast } else { png::Compression::Balanced });
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&colours(canvas))?;
    writer.finish()?;
    Ok(file)
}

/// Red, green and blue of each pixel.
fn colours(canvas: &Pixmap) -> Vec<u8> {
    let mut colours = Vec::with_capacity(canvas.data().len() / 4 * 3);
    for pixel in canvas.data().chunks_exact(4) {
        colours.extend_from_slice(&pixel[..3]);
    }
    colours
}

/// Pixels for each pixel of a picture of this size.
fn fitting_scale(width: f32, height: f32) -> f32 {
    let by_side = LONGEST_SIDE / width.max(height);
    let by_area = (LARGEST_AREA / (width * height)).sqrt();
    SCALE.min(by_side).min(by_area)
}

/// Whole pixels; at least one.
fn pixels(length: f32) -> u32 {
    length.round().max(1.0) as u32
}

/// The embedded fonts, and those of the system when a text needs them.
fn fonts(svg: &str) -> Database {
    let mut fonts = Database::new();
    for style in STYLES {
        fonts.load_font_source(Source::Binary(Arc::new(font::bytes(style))));
    }
    let ruler = Ruler::default();
    if svg.chars().any(|character| !character.is_control() && !ruler.draws(character, Style::Plain)) {
        fonts.load_system_fonts();
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    fonts.set_monospace_family("DejaVu Sans Mono");
    fonts
}
