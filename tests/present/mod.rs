//! Tests of `src/present`: pictures as pictures, text as text.

mod dot;
mod icicle;
mod json;
mod label;
mod layout;
mod pictures;
mod plot;
mod png;
mod svg;
mod text;
mod verdicts;
