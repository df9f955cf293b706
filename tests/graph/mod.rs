//! Tests of `src/graph`.
