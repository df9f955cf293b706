//! Answers as a person reads them: one file a question, words and numbers with their units.

pub mod suspects;
