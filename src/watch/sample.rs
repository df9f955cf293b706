//! One look at the memory of a process and of its children: `/proc`.
//!
//! `status` is cheap, whatever the size of the process. What no other process shares needs a walk over its page tables
//! (milliseconds for each GiB), so it is asked only so often that it costs next to nothing.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::series::Sample;

/// The unique size is asked at most once in this time, and at most in one part of so many.
const UNIQUE_EVERY: Duration = Duration::from_secs(10);
const UNIQUE_SHARE: u32 = 500;
/// Processes of a family that are looked at.
const MOST_PROCESSES: usize = 4_096;

/// Why a process can be watched no further.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It has exited.
    Exited,
    /// Its number belongs to another process now, so it has exited.
    Reused,
    /// The system forbids to look at it, in its words.
    Forbidden(String),
}

/// Looks at one process again and again.
#[derive(Debug)]
pub struct Sampler {
    pid: i32,
    started: u64,
    unique: Option<u64>,
    unique_again: Option<Instant>,
}

/// Memory of one process, as `status` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in memory.
    pub resident: u64,
    /// Bytes swapped out.
    pub swap: u64,
    /// Whether it has exited and only its parent has not been told.
    pub is_over: bool,
}

impl Sampler {
    /// Of a process that is there.
    ///
    /// # Errors
    /// It is not.
    pub fn new(pid: i32) -> Result<Self, End> {
        let started = started(pid).map_err(|cause| end(&cause))?;
        Ok(Self { pid, started, unique: None, unique_again: Some(Instant::now()) })
    }

    /// Looks at it now.
    ///
    /// # Errors
    /// It is there no more, or may not be looked at any more.
    pub fn sample(&mut self, at: f64) -> Result<Sample, End> {
        let own = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(|cause| end(&cause))?;
        let own = Memory::parse(&own);
        if started(self.pid).map_err(|cause| end(&cause))? != self.started {
            return Err(End::Reused);
        }
        if own.is_over {
            return Err(End::Exited);
        }
        let mut sample = Sample { at, resident: own.resident, swap: own.swap, ..Sample::default() };
        for child in descendants(self.pid) {
            // one that has exited meanwhile has no memory
            let Ok(text) = fs::read_to_string(format!("/proc/{child}/status")) else { continue };
            let memory = Memory::parse(&text);
            if !memory.is_over {
                sample.of_children = sample.of_children.saturating_add(memory.resident);
                sample.swap = sample.swap.saturating_add(memory.swap);
                sample.children += 1;
            }
        }
        self.ask_unique();
        sample.unique = self.unique;
        Ok(sample)
    }

    /// What no other process shares, when it is time. Where it may not be known, it is not asked again.
    fn ask_unique(&mut self) {
        if self.unique_again.is_none_or(|again| Instant::now() < again) {
            return;
        }
        let asked = Instant::now();
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid));
        self.unique = text.ok().map(|text| unique(&text)).or(self.unique);
        let wait = UNIQUE_EVERY.max(asked.elapsed() * UNIQUE_SHARE);
        self.unique_again = self.unique.map(|_| Instant::now() + wait);
    }
}

impl Memory {
    /// Parses `/proc/PID/status`; what is not there is 0.
    pub fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            match key {
                "State" => memory.is_over = matches!(value.trim_start().chars().next(), Some('Z' | 'X')),
                "VmRSS" => memory.resident = kibibytes(value),
                "VmSwap" => memory.swap = kibibytes(value),
                _ => {}
            }
        }
        memory
    }
}

/// Bytes that no other process shares, of `/proc/PID/smaps_rollup`.
pub fn unique(text: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.starts_with("Private_")).map(|(_, value)| kibibytes(value)).fold(0, u64::saturating_add)
}

/// When a process was started, in clock ticks since boot, of `/proc/PID/stat`; its program's name may hold anything.
pub fn start_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// `   1234 kB` in bytes.
fn kibibytes(value: &str) -> u64 {
    let number = value.split_ascii_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

fn started(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    start_of(&stat).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Children, their children, and so on. None where the kernel does not tell.
fn descendants(pid: i32) -> Vec<i32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&process) = family.get(next).filter(|_| family.len() < MOST_PROCESSES) {
        next += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
                if !family.contains(&child) {
                    family.push(child);
                }
            }
        }
    }
    family.split_off(1)
}

fn end(cause: &io::Error) -> End {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => End::Forbidden(cause.to_string()),
        _ => End::Exited,
    }
}
