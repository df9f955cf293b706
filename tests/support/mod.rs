//! What tests share: a heap mini-language, the command as a fixture, oracles.

pub(crate) mod answers;
pub(crate) mod command;
pub(crate) mod heap;
pub(crate) mod reseal;
