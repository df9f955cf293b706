//! "Does the memory of this process grow?" Samples over time, a file of them, and a verdict.
//!
//! [`sample`] looks at a process (on Linux), [`series`] keeps what was seen, [`mprof`] reads and writes it, [`trend`] has the
//! statistics, and [`verdict`] judges.

pub mod mprof;
#[cfg(target_os = "linux")]
pub mod sample;
pub mod series;
pub mod trend;
pub mod verdict;
