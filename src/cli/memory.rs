//! How much memory may the work take?

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::remark;
use crate::counts::{bytes_text, parse_bytes};
use crate::error::{Error, Result};
use crate::format::estimate::estimate;
use crate::source::{Bounds, Source};

/// What a question needs of the memory.
#[derive(Debug)]
pub struct Need {
    retained: bool,
    /// Whether retained sizes can be left out.
    is_flexible: bool,
    is_lean: AtomicBool,
}

impl Need {
    /// Whether retained sizes of all objects are wanted, and whether the question can be answered without.
    pub fn new(retained: bool, is_flexible: bool) -> Self {
        Self { retained, is_flexible, is_lean: AtomicBool::new(false) }
    }

    /// Whether retained sizes must be left out.
    pub fn is_lean(&self) -> bool {
        self.is_lean.load(Ordering::Relaxed)
    }

    /// Compares what a dump will take with what may be taken.
    ///
    /// # Errors
    /// [`Error::Memory`] when it is too much in any way in which the question can be answered.
    pub fn check(&self, source: &Source, limit: u64, is_quiet: bool) -> Result<()> {
        let estimate = estimate(source);
        let needed = estimate.bytes(self.retained);
        let lean = Some(estimate.bytes(false)).filter(|_| self.is_flexible && self.retained);
        if needed <= limit {
            return Ok(());
        }
        if lean.is_none_or(|lean| lean > limit) {
            return Err(Error::Memory { needed, lean, limit });
        }
        self.is_lean.store(true, Ordering::Relaxed);
        let words = format!(
            "retained sizes are left out: they need about {}, and {} may be taken (--memory)",
            bytes_text(needed),
            bytes_text(limit)
        );
        remark(&words, is_quiet);
        Ok(())
    }
}

/// Bytes of memory that may be taken: as many as were said, or what is free.
pub fn limit(asked: Option<Limit>) -> u64 {
    asked.map(|limit| limit.0).or_else(available).unwrap_or(u64::MAX)
}

/// How much a dump may unpack to where so much memory may be taken.
pub fn bounds(memory: u64) -> Bounds<'static> {
    Bounds { memory, needed: &needed }
}

/// Bytes of memory that a dump takes, at least.
fn needed(bytes: &[u8]) -> u64 {
    estimate(bytes).bytes(false)
}

/// A limit of memory, as typed: `8GiB`, `500MB`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub u64);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "none" {
            return Ok(Self(u64::MAX));
        }
        parse_bytes(text).map(Self).ok_or_else(|| "a size such as 8GiB or 500MB, or `none`".to_owned())
    }
}

/// Bytes that can be had without swapping, where the system tells: what is free, or what the control group or the resource
/// limit of this process leaves if that is less.
fn available() -> Option<u64> {
    [free(), address_space()].into_iter().flatten().min()
}

/// The limit that `ulimit -v` sets.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
    getrlimit(Resource::RLIMIT_AS).ok().map(|(soft, _)| soft).filter(|&limit| limit != RLIM_INFINITY)
}

#[cfg(not(unix))]
fn address_space() -> Option<u64> {
    None
}

fn free() -> Option<u64> {
    let free = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?.saturating_mul(1024);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = groups.lines().filter_map(left_in_group).min();
    Some(left.map_or(free, |left| left.min(free)))
}

/// What the memory limit of a control group leaves, from its line in `/proc/self/cgroup`; version 2, or the memory controller of
/// version 1. In a container the group's own folder is the root of what is mounted.
fn left_in_group(line: &str) -> Option<u64> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (root, limit, used) = match (number, controllers) {
        ("0", "") => ("/sys/fs/cgroup", "memory.max", "memory.current"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        }
        _ => return None,
    };
    let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let folders = [Path::new(root).join(path.trim_start_matches('/')), Path::new(root).to_owned()];
    let (limit, used, folder) =
        folders.iter().find_map(|folder| Some((read(folder, limit)?, read(folder, used)?, folder)))?;
    // cached pages of files count as used and can be had all the same
    let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cached = field(&statistics, "inactive_file").unwrap_or(0) + field(&statistics, "active_file").unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

/// The first number after a word at the beginning of a line.
fn field(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(word))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
