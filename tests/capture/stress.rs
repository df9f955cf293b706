//! Calls are injected into programs in every state, again and again, and nothing becomes of these.
//!
//! `RETAINERS_TEST_STRESS=50 cargo test --release --test tests capture::stress -- --nocapture` is the long run: all states on
//! all versions, 50 times each, with a table of the times.

use std::time::{Duration, Instant};

use super::injected::{Counting, functions, has_registers, inject};
use super::target::{PYTHONS, Python};
use crate::support::skipped;

const STATES: [&str; 16] = [
    "asleep",
    "long_sleep",
    "busy",
    "asyncio_busy",
    "asyncio_idle",
    "joins_threads",
    "all_busy",
    "compresses",
    "pipes",
    "signals",
    "allocates",
    "floats",
    "registers",
    "epoll",
    "filtered",
    "denies_writable_code",
];

/// Milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = durations.map(|duration| duration.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn median_and_worst(&self) -> String {
        format!("{:.1}, at most {:.1}", self.0[self.0.len() / 2], self.0[self.0.len() - 1])
    }
}

/// Injects so often; a row of the table.
fn stressed(python: &Python, state: &str, times: usize) -> String {
    let target = Counting::start(&python.path, state);
    let (process, line) = (target.process(), target.line());
    let before = target.facts();
    let functions = functions(process);
    let mut done = Vec::new();
    for round in 0..times {
        let started = Instant::now();
        let text = line.issue();
        let injected = inject(process, functions.clone(), &text, &|| line.is_taken_up(), &mut |_| {});
        let took = started.elapsed();
        let injected = injected.unwrap_or_else(|failure| panic!("3.{} {state}, {round}: {failure:?}", python.minor));
        done.push((injected, took));
        // a queued line has begun, and ends before the next one
        let start = Instant::now();
        while line.ran() <= round {
            assert!(start.elapsed() < Duration::from_secs(60), "3.{} {state}, {round}: it did not end", python.minor);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    target.assert_unharmed(&before, "at the end");
    assert_eq!(line.ran(), times, "3.{} {state}", python.minor);
    let queued = done.iter().filter(|(injected, _)| injected.was_queued).count();
    let stopped = Times::of(done.iter().map(|(injected, _)| injected.stopped));
    let whole = Times::of(done.iter().map(|(_, took)| *took));
    format!(
        "3.{:<3}{state:<14} {times} ran, {queued} queued; stopped ms median {}; whole ms median {}",
        python.minor,
        stopped.median_and_worst(),
        whole.median_and_worst()
    )
}

#[test]
fn no_state_of_a_program_is_harmed() {
    let long: Option<usize> = std::env::var("RETAINERS_TEST_STRESS").ok().and_then(|times| times.parse().ok());
    let states: Vec<&str> = STATES.into_iter().filter(|state| *state != "registers" || has_registers()).collect();
    if !has_registers() {
        skipped("capture::stress, state `registers`", "no C compiler");
    }
    let pythons: Vec<&Python> = PYTHONS.iter().filter(|python| python.minor < 14 || long.is_some()).collect();
    let mut rows = Vec::new();
    for (index, python) in pythons.iter().enumerate() {
        let is_newest = index + 1 == pythons.len();
        for (number, state) in states.iter().enumerate() {
            // every state on the newest version, and each version in some
            if long.is_some() || is_newest || number % pythons.len() == index {
                rows.push(stressed(python, state, long.unwrap_or(3)));
                if long.is_some() {
                    eprintln!("{}", rows[rows.len() - 1]);
                }
            }
        }
    }
    if pythons.is_empty() {
        skipped("capture::stress", "no CPython of a version that calls are injected into");
    }
}
