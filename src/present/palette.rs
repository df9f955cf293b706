//! The colours of every picture, so that an object looks the same in DOT and in SVG.
//!
//! Fills are told apart by lightness as well as by hue (roots dark, targets middle, the rest light), so that they
//! survive colour blindness and black-and-white print; outputs give each role a shape of its own besides.

use crate::report::Role;

/// Colours of one role, as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Inside of the shape.
    pub fill: &'static str,
    /// Its outline.
    pub outline: &'static str,
    /// Its heading.
    pub text: &'static str,
    /// Its further lines.
    pub quiet: &'static str,
}

/// Outline of an object that every chain leads through.
pub const MUST_PASS: &str = "#0f172a";

/// Behind everything.
pub const CANVAS: &str = "#f8fafc";
/// Behind the label of an arrow.
pub const PLATE: &str = "#ffffff";
/// Arrows.
pub const ARROW: &str = "#64748b";
/// How an object holds the next one.
pub const REFERENCE: &str = "#1e3a8a";
/// Remarks on a reference.
pub const NOTE: &str = "#64748b";
/// Title of the picture.
pub const TITLE: &str = "#0f172a";

/// Lines of a plot, in this order: neighbours differ in hue and in lightness.
pub const SERIES: [&str; 8] = ["#1d4ed8", "#d3212c", "#0f766e", "#b45309", "#7c3aed", "#0e94b8", "#be185d", "#4d7c0f"];
/// Lines of a plot that are less important than their neighbours.
pub const FAINT: &str = "#94a3b8";
/// Grid of a plot.
pub const GRID: &str = "#e2e8f0";

/// The colours of a role.
pub const fn paint(role: Role) -> Paint {
    match role {
        Role::Root => Paint { fill: "#0b3d2a", outline: "#0b3d2a", text: "#ffffff", quiet: "#bbe5cf" },
        Role::Holder => Paint { fill: "#ffffff", outline: "#64748b", text: "#0f172a", quiet: "#475569" },
        Role::Plumbing => Paint { fill: "#e9eef4", outline: "#94a3b8", text: "#475569", quiet: "#64748b" },
        Role::Target => Paint { fill: "#d3212c", outline: "#d3212c", text: "#ffffff", quiet: "#ffe4e4" },
        Role::More => Paint { fill: "none", outline: "#94a3b8", text: "#64748b", quiet: "#64748b" },
    }
}
