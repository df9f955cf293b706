//! All tests in one binary: one link, shared support. Modules mirror `src/`; `evidence` compares with ground truth from
//! independent tools where that folder is present.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests fail by panicking, and may talk")]

mod support;

mod analysis;
#[cfg(target_os = "linux")]
mod capture;
mod cli;
mod evidence;
mod fixtures;
mod format;
mod graph;
mod layers;
mod present;
mod redact;
mod watch;
