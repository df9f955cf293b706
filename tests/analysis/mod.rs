//! Tests of `src/analysis`.
