//! When heap dumps are taken while a process is watched, and what became of them.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use super::DumpWhen;
use crate::capture::{self, Captured};
use crate::cli::args::WatchArguments;
use crate::cli::capture::capture_into;
use crate::cli::processes;
use crate::counts::{bytes_text, counted};
use crate::error::Result;
use crate::watch::series::Capture;
use crate::watch::verdict::{Outcome, Verdict};

/// Seconds between dumps by growth at least, and the share of the time that has passed.
const APART: f64 = 30.0;
const APART_SHARE: f64 = 0.1;
/// Dumps by growth at most: one to compare with, one when growth is sure, one when it has grown as much again.
const BY_GROWTH: usize = 3;
/// When the first of them is taken: seconds, or this share of the time that is watched.
const FIRST: f64 = 30.0;
const FIRST_SHARE: f64 = 0.2;
/// Failed captures after which none is tried any more.
const MOST_FAILURES: usize = 2;
/// Seconds that a capture may take.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Dumps of one watch, by whatever reason.
const MOST_DUMPS: usize = 100;

/// Why a dump is taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its time has come.
    Time,
    /// The memory is above a size.
    Size(u64),
    /// The memory grows, or this is to be compared with.
    Growth,
}

/// What decides when dumps are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    times: Vec<f64>,
    sizes: Vec<u64>,
    growth: bool,
    first: f64,
    last: Option<f64>,
    by_growth: Vec<u64>,
}

impl Plan {
    pub(super) fn new(asked: &WatchArguments) -> Self {
        let mut times: Vec<f64> = asked.dump_at.iter().map(Duration::as_secs_f64).collect();
        times.sort_unstable_by(f64::total_cmp);
        let above = |when: &DumpWhen| if let DumpWhen::Above(size) = when { Some(*size) } else { None };
        let first = asked.time.map_or(FIRST, |time| FIRST.min(FIRST_SHARE * time.as_secs_f64()));
        Self {
            times,
            sizes: asked.dump_when.iter().filter_map(above).collect(),
            growth: asked.dump_when.contains(&DumpWhen::Growth),
            first,
            last: None,
            by_growth: Vec::new(),
        }
    }

    /// Whether a dump is due so many seconds after the start, at so many bytes. `is_end`: this is the last chance.
    pub(super) fn due(&mut self, seconds: f64, bytes: u64, verdict: &Verdict, is_end: bool) -> Option<Reason> {
        let reason = self.reason(seconds, bytes, verdict, is_end)?;
        self.last = Some(seconds);
        Some(reason)
    }

    fn reason(&mut self, seconds: f64, bytes: u64, verdict: &Verdict, is_end: bool) -> Option<Reason> {
        let passed = self.times.iter().take_while(|time| **time <= seconds).count();
        if passed > 0 {
            self.times.drain(..passed);
            return Some(Reason::Time);
        }
        if let Some(place) = self.sizes.iter().position(|size| bytes > *size) {
            return Some(Reason::Size(self.sizes.swap_remove(place)));
        }
        let is_apart = self.last.is_none_or(|last| seconds - last >= APART.max(APART_SHARE * seconds));
        if !self.growth || self.by_growth.len() >= BY_GROWTH || !is_apart {
            return None;
        }
        let grows = verdict.outcome == Outcome::Growth;
        let is_due = match self.by_growth[..] {
            [] => seconds >= self.first,
            [_] => grows,
            [first, second, ..] => {
                let as_much_again = second.saturating_add(second.saturating_sub(first));
                grows && second > first && (is_end || bytes >= as_much_again)
            }
        };
        is_due.then(|| self.by_growth.push(bytes))?;
        Some(Reason::Growth)
    }
}

/// Takes dumps, one at a time, while sampling goes on.
pub(super) struct Dumps {
    pid: i32,
    values: bool,
    directory: PathBuf,
    running: Option<(f64, PathBuf, JoinHandle<Result<Captured>>)>,
    /// Files that are whole.
    pub(super) done: Vec<PathBuf>,
    started: usize,
    failures: usize,
}

impl Dumps {
    pub(super) fn new(pid: i32, values: bool, directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { pid, values, directory, running: None, done: Vec::new(), started: 0, failures: 0 }
    }

    /// Whether another can be started now.
    pub(super) fn is_ready(&self) -> bool {
        self.running.is_none() && self.failures < MOST_FAILURES && self.started < MOST_DUMPS
    }

    /// Whether one is being taken.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts one; `now` is seconds since the epoch.
    pub(super) fn start(&mut self, now: f64) {
        self.started += 1;
        let path = self.directory.join(format!("watch-{}-dump-{}.jsonl.zst", self.pid, self.started));
        let (pid, values, target) = (self.pid, self.values, path.clone());
        let thread = std::thread::spawn(move || {
            // of a wrapper, the Python process that it has started meanwhile
            let pid = processes::below(pid, false)?.pid;
            let request = capture::Request { pid, values, fork: true, way: None, timeout: TIMEOUT, patience: None };
            capture_into(&target, &request)
        });
        self.running = Some((now, path, thread));
    }

    /// The one that is done by now, or that is waited for: when it was taken, and what there is to tell.
    pub(super) fn finished(&mut self, now: impl Fn() -> f64, wait: bool) -> Option<(Option<Capture>, String)> {
        if !self.running.as_ref().is_some_and(|(_, _, thread)| wait || thread.is_finished()) {
            return None;
        }
        let (from, path, thread) = self.running.take()?;
        let capture = Capture { from, to: 0.0 };
        let result = thread.join();
        let capture = Capture { to: now(), ..capture };
        let failed = match result {
            Ok(Ok(captured)) => {
                let [objects, ..] = captured.counts;
                let number = self.done.len() + 1;
                let words = format!(
                    "dump {number}: {} ({}) in {:.1} s into {}",
                    counted(objects, "object"),
                    bytes_text(captured.bytes),
                    capture.to - capture.from,
                    path.display()
                );
                self.done.push(path);
                return Some((Some(capture), words));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the capture broke off".to_owned(),
        };
        self.failures += 1;
        let more = if self.failures < MOST_FAILURES { "" } else { "; no more are tried" };
        Some((None, format!("no dump: {failed}{more}")))
    }
}
