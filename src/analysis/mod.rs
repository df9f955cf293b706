//! Questions to a heap, one a file: options in, an answer of plain data out, and at its foot how the answer is reported.

pub mod allocator;
pub mod chains;
pub mod check;
pub mod cut;
pub mod cycles;
pub mod distances;
pub mod dominators;
pub mod exclude;
pub mod export;
pub mod expression;
pub mod growth;
pub mod heap_tree;
pub mod holders;
pub mod kept;
mod marks;
pub mod object;
pub mod origin;
pub mod overview;
pub mod pattern;
pub mod retaining;
pub mod select;
pub mod summary;
pub mod suspects;
