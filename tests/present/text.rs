//! Text output.
