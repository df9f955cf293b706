//! The embedded fonts: how wide is this text, and can it be drawn without asking the system for a font?
//!
//! Pictures are measured and drawn with the same bytes, so text fits its box on every machine.

use ttf_parser::{Face, GlyphId};
use unicode_width::UnicodeWidthChar;

/// One of the embedded fonts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// DejaVu Sans.
    Plain,
    /// DejaVu Sans Bold.
    Bold,
    /// DejaVu Sans Mono.
    Code,
}

/// Every embedded font.
pub const STYLES: [Style; 3] = [Style::Plain, Style::Bold, Style::Code];

/// The font file of a style.
pub fn bytes(style: Style) -> &'static [u8] {
    match style {
        Style::Plain => dejavu::sans::regular(),
        Style::Bold => dejavu::sans::bold(),
        Style::Code => dejavu::sans_mono::regular(),
    }
}

/// Measures text in the embedded fonts.
pub struct Ruler {
    /// In the order of [`STYLES`].
    faces: [Option<Face<'static>>; 3],
}

impl Default for Ruler {
    fn default() -> Self {
        Self { faces: STYLES.map(|style| Face::parse(bytes(style), 0).ok()) }
    }
}

impl Ruler {
    /// Width of a text in pixels at a font size in pixels; letters are not kerned, so it may end a little earlier.
    pub fn width(&self, text: &str, style: Style, size: f64) -> f64 {
        text.chars().map(|character| self.advance(character, style)).sum::<f64>() * size
    }

    /// Whether a character can be drawn with the embedded font.
    pub fn draws(&self, character: char, style: Style) -> bool {
        self.glyph(character, style).is_some()
    }

    /// Width of a character in units of the font size. Of characters that need another font, a generous guess.
    fn advance(&self, character: char, style: Style) -> f64 {
        let known = self.glyph(character, style).and_then(|(face, glyph)| {
            let advance = face.glyph_hor_advance(glyph)?;
            Some(f64::from(advance) / f64::from(face.units_per_em()))
        });
        known.unwrap_or_else(|| guessed(character))
    }

    fn glyph(&self, character: char, style: Style) -> Option<(&Face<'static>, GlyphId)> {
        let face = self.faces[style as usize].as_ref()?;
        Some((face, face.glyph_index(character)?))
    }
}

/// Ideographs fill a square, emoji a little more than that.
fn guessed(character: char) -> f64 {
    match (character.width().unwrap_or(0), character) {
        (0, _) => 0.0,
        (_, '\u{1f000}'..) => 1.3,
        (1, _) => 0.8,
        _ => 1.05,
    }
}
