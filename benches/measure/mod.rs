//! What benchmarks measure with: time of the processor, which counts because machines are shared; memory, as anonymous pages
//! that are there; and dumps in files that go when they are done.

use std::fs;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generator::{Census, Plan};

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(5);

/// Touches so many bytes of memory, in large pages, and gives them back.
///
/// # Errors
/// The system does not give them.
pub fn warm(bytes: usize) -> io::Result<()> {
    /// Bytes of the smallest page.
    const PAGE: usize = 4096;
    if bytes == 0 {
        return Ok(());
    }
    let mut memory = memmap2::MmapMut::map_anon(bytes)?;
    #[cfg(target_os = "linux")]
    {
        // where there are none, small ones do
        let _ = memory.advise(memmap2::Advice::HugePage);
    }
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    Ok(())
}

/// A file that goes when this does.
#[derive(Debug)]
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A name of this process in `directory`.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(format!("retainers-bench-{}-{name}", std::process::id())))
    }
}

impl Deref for TemporaryFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // the directory for temporary files is cleaned by others, should this fail
        let _ = fs::remove_file(&self.0);
    }
}

/// A generated dump in a file.
#[derive(Debug)]
pub struct Dump {
    /// What is in it.
    pub census: Census,
    /// Where it is.
    pub file: TemporaryFile,
}

impl Dump {
    /// Writes a dump into `directory`.
    pub fn write(plan: &Plan, directory: &Path, name: &str) -> io::Result<Self> {
        let file = TemporaryFile::new(directory, name);
        Ok(Self { census: plan.write_file(&file)?, file })
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> io::Result<u64> {
        fs::metadata(&*self.file).map(|metadata| metadata.len())
    }
}

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Time of the processor, user and system.
    pub cpu: Duration,
    /// Time that passed.
    pub wall: Duration,
}

impl Cost {
    /// The smaller of each.
    pub fn least(self, other: Self) -> Self {
        Self { cpu: self.cpu.min(other.cpu), wall: self.wall.min(other.wall) }
    }
}

/// Runs `work` in this process.
pub fn cost_of<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    measured(Who::ThisProcess, work)
}

/// Runs a command to its end; `None` when there is no such command. Returns what it printed.
pub fn cost_of_command(command: &mut Command) -> io::Result<Option<(String, Cost)>> {
    let (output, cost) = measured(Who::FinishedChildren, || command.stderr(Stdio::inherit()).output());
    match output {
        Ok(output) if output.status.success() => Ok(Some((String::from_utf8_lossy(&output.stdout).into_owned(), cost))),
        Ok(output) => Err(io::Error::other(format!("{command:?}: {}", output.status))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Whether the command can keep an index beside a dump: other runs must then be told not to.
pub fn command_has_index() -> io::Result<bool> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
    Ok(command.args(["help", "index"]).output()?.status.success())
}

fn measured<T>(who: Who, work: impl FnOnce() -> T) -> (T, Cost) {
    let (cpu, start) = (cpu_time(who), Instant::now());
    let result = work();
    (result, Cost { wall: start.elapsed(), cpu: cpu_time(who).saturating_sub(cpu) })
}

/// Whose time.
#[derive(Debug, Clone, Copy)]
enum Who {
    /// Without what the sampling of memory took.
    ThisProcess,
    FinishedChildren,
    #[cfg(target_os = "linux")]
    ThisThread,
}

/// Microseconds of the processor that the sampling of memory took in this process.
#[cfg(unix)]
static SAMPLING: AtomicU64 = AtomicU64::new(0);

#[cfg(unix)]
fn cpu_time(who: Who) -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let (who, not_counted) = match who {
        Who::ThisProcess => (UsageWho::RUSAGE_SELF, SAMPLING.load(Ordering::Relaxed)),
        Who::FinishedChildren => (UsageWho::RUSAGE_CHILDREN, 0),
        #[cfg(target_os = "linux")]
        Who::ThisThread => (UsageWho::RUSAGE_THREAD, 0),
    };
    let used = getrusage(who).map_or(0, |usage| (usage.user_time() + usage.system_time()).num_microseconds());
    Duration::from_micros(u64::try_from(used).unwrap_or(0).saturating_sub(not_counted))
}

/// Only Unix tells the time of children.
#[cfg(not(unix))]
fn cpu_time(_: Who) -> Duration {
    Duration::ZERO
}

/// Runs `work` and returns by how many bytes the anonymous memory of this process grew at most, looked at every 5 ms.
/// Pages of mapped files do not count. 0 where `/proc` does not say.
pub fn peak_memory_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = anonymous_memory();
    let (is_done, peak) = (AtomicBool::new(false), AtomicU64::new(before));
    let look = || peak.fetch_max(anonymous_memory(), Ordering::Relaxed);
    let result = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                look();
                std::thread::park_timeout(SAMPLE);
            }
            #[cfg(target_os = "linux")]
            SAMPLING.fetch_add(u64::try_from(cpu_time(Who::ThisThread).as_micros()).unwrap_or(0), Ordering::Relaxed);
        });
        let result = work();
        look();
        is_done.store(true, Ordering::Relaxed);
        sampler.thread().unpark();
        result
    });
    (result, peak.into_inner() - before)
}

/// Runs `work` and returns by how many bytes the anonymous memory of this process has grown at its end.
pub fn held_memory_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = anonymous_memory();
    let result = work();
    (result, anonymous_memory().saturating_sub(before))
}

/// `RssAnon` of this process in bytes.
fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
