//! Tests of `src/watch`: what is growth and what is not, and the files of samples.

mod families;
mod mprof;
#[cfg(target_os = "linux")]
mod sample;
mod series;
mod trend;
mod verdict;
