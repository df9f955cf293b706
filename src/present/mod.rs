//! Outputs: one report in, one format out, a file each.

pub mod dot;
pub mod font;
pub mod github;
pub mod graphviz;
pub mod icicle;
pub mod json;
pub mod junit;
pub mod label;
pub mod layout;
pub mod palette;
pub mod place;
pub mod plot;
pub mod png;
pub mod sarif;
pub mod svg;
pub mod text;
pub mod xml;

use std::time::Duration;

use crate::report::Picture;

/// An output that makes a file of each picture.
pub struct Drawing {
    /// Ending of the file's name.
    pub extension: &'static str,
    /// Draws a picture with nothing but this program.
    pub write: fn(&Picture) -> Result<Vec<u8>, String>,
    /// Draws a picture with the system's Graphviz within a time limit, where that makes a difference.
    pub by_graphviz: Option<ByGraphviz>,
}

/// Draws a picture with the system's `dot` within a time limit.
pub type ByGraphviz = fn(&Picture, Duration) -> Result<Vec<u8>, String>;

/// All outputs that draw.
pub const DRAWINGS: [Drawing; 3] = [
    Drawing { extension: "dot", write: |picture| Ok(dot::write(picture).into_bytes()), by_graphviz: None },
    Drawing {
        extension: "svg",
        write: |picture| Ok(svg::write(picture).into_bytes()),
        by_graphviz: Some(|picture, limit| graphviz::render(&dot::write(picture), graphviz::Format::Svg, limit)),
    },
    Drawing {
        extension: "png",
        write: |picture| png::write(&svg::write(picture)),
        by_graphviz: Some(|picture, limit| graphviz::render(&dot::write(picture), graphviz::Format::Png, limit)),
    },
];
