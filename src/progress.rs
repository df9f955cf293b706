//! How far the work is, for whoever wants to show it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A stage of the work, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing has started.
    Idle,
    /// Bytes of a compressed dump are decompressed.
    Decompress,
    /// Records are read.
    Read,
    /// Addresses become references between rows.
    Link,
    /// Chains are searched.
    Search,
    /// Pictures are drawn.
    Draw,
}

const PHASES: [Phase; 6] = [Phase::Idle, Phase::Decompress, Phase::Read, Phase::Link, Phase::Search, Phase::Draw];

/// Counters that the work advances and that a progress bar polls. Shared between threads.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    objects: AtomicU64,
}

/// A look at a [`Progress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The running stage.
    pub phase: Phase,
    /// Units of the stage done so far (bytes while reading).
    pub done: u64,
    /// Units of the stage in all; 0 where unknown.
    pub total: u64,
    /// Objects read so far.
    pub objects: u64,
}

impl Progress {
    /// Starts a stage of `total` units (0: unknown).
    pub fn start(&self, phase: Phase, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Units of the running stage that have been done since the last call.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Objects that have been read since the last call.
    pub fn add_objects(&self, count: u64) {
        self.objects.fetch_add(count, Ordering::Relaxed);
    }

    /// Where the work is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            phase: PHASES[usize::from(self.phase.load(Ordering::Relaxed)).min(PHASES.len() - 1)],
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            objects: self.objects.load(Ordering::Relaxed),
        }
    }
}
