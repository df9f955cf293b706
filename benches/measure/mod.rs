//! What the benchmarks share: their arguments, the dump, costs of processes, and the table.
//!
//! Each contender runs in a process of its own, all of them in turn, and the smallest of several runs counts: time of the
//! processor because machines are shared, memory because no contender then inherits what another left behind.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generator::{Census, Format, Plan};

/// Arguments of all benchmarks.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Objects of the heap
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    objects: usize,
    /// Sessions that leak; by default one to 3000 objects
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Another number makes another heap
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Format of the dump
    #[arg(long, value_enum, default_value_t = Format::JsonLines)]
    pub format: Format,
    /// Leave the names of references out
    #[arg(long)]
    no_names: bool,
    /// Runs of each contender, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub runs: usize,
    /// Threads of ours; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Where the dump is written, for as long as it is needed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Do not remove the dump
    #[arg(long)]
    keep: bool,
    /// Only write the dump, to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    /// The heap.
    pub fn plan(&self) -> Plan {
        Plan {
            objects: self.objects,
            sessions: self.sessions.unwrap_or((self.objects / 3_000).max(10)),
            seed: self.seed,
            format: self.format,
            has_names: !self.no_names,
        }
    }

    /// Writes the dump; `None` when that was all that was asked for.
    pub fn dump(&self) -> io::Result<Option<Dump>> {
        let directory = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let name = format!("retainers-bench-{}.json", std::process::id());
        let path = self.write.clone().unwrap_or_else(|| directory.join(name));
        let (census, cost) = cost_of(|| write(&self.plan(), &path));
        let dump = Dump { census: census?, path, is_kept: self.keep || self.write.is_some() };
        println!("{}\nwritten in {:.2} CPU s", dump.summary()?, cost.cpu.as_secs_f64());
        Ok(self.write.is_none().then_some(dump))
    }
}

fn write(plan: &Plan, path: &Path) -> io::Result<Census> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let census = plan.write(&mut out)?;
    out.flush()?;
    Ok(census)
}

/// A dump in a file, which goes when this does.
#[derive(Debug)]
pub struct Dump {
    /// What is in it.
    pub census: Census,
    /// Where it is.
    pub path: PathBuf,
    is_kept: bool,
}

impl Dump {
    /// How many bytes it has.
    pub fn bytes(&self) -> io::Result<u64> {
        fs::metadata(&self.path).map(|metadata| metadata.len())
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    fn summary(&self) -> io::Result<String> {
        let Census { objects, references, leaves, single, most } = self.census;
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
        Ok(format!(
            "{}: {objects} objects, {references} references ({:.2} an object), {:.1} MB\n\
             {:.0} % refer to nothing, {:.0} % have one referrer, {:.0} % of the references lead to `None`",
            self.path.display(),
            references as f64 / objects as f64,
            self.bytes()? as f64 / 1e6,
            share(leaves, objects),
            share(single, objects),
            share(most, references),
        ))
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        if !self.is_kept {
            // the directory for temporary files is cleaned by others, should this fail
            let _ = fs::remove_file(&self.path);
        }
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

fn measured<T>(who: Who, work: impl FnOnce() -> T) -> (T, Cost) {
    let (cpu, start) = (cpu_time(who), Instant::now());
    let result = work();
    (result, Cost { wall: start.elapsed(), cpu: cpu_time(who).saturating_sub(cpu) })
}

/// Whose time.
#[derive(Debug, Clone, Copy)]
enum Who {
    ThisProcess,
    FinishedChildren,
}

#[cfg(unix)]
fn cpu_time(who: Who) -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let who = match who {
        Who::ThisProcess => UsageWho::RUSAGE_SELF,
        Who::FinishedChildren => UsageWho::RUSAGE_CHILDREN,
    };
    let used = getrusage(who).map_or(0, |usage| (usage.user_time() + usage.system_time()).num_microseconds());
    Duration::from_micros(u64::try_from(used).unwrap_or(0))
}

/// Only Unix tells the time of children.
#[cfg(not(unix))]
fn cpu_time(_: Who) -> Duration {
    Duration::ZERO
}

/// Runs `work` and returns by how many bytes the anonymous memory of this process grew at most, looked at every 10 ms.
/// Pages of mapped files do not count. 0 where `/proc` does not say.
pub fn peak_memory_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = anonymous_memory();
    let (is_done, peak) = (AtomicBool::new(false), AtomicU64::new(before));
    let look = || peak.fetch_max(anonymous_memory(), Ordering::Relaxed);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                look();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let result = work();
        look();
        is_done.store(true, Ordering::Relaxed);
        result
    });
    (result, peak.into_inner() - before)
}

/// `RssAnon` of this process in bytes.
fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// What was run.
    pub what: String,
    /// Its best run.
    pub cost: Cost,
    /// Its peak memory in bytes, where that was looked at.
    pub memory: Option<u64>,
}

/// Prints costs, and the processor time of each as a multiple of the first row's.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn print_table(rows: &[Row]) {
    println!("\n{:<34} {:>9} {:>9} {:>9} {:>11}", "what", "CPU s", "wall s", "to first", "memory MB");
    let first = rows.first().map_or(0.0, |row| row.cost.cpu.as_secs_f64());
    for Row { what, cost, memory } in rows {
        let (cpu, wall) = (cost.cpu.as_secs_f64(), cost.wall.as_secs_f64());
        let memory = memory.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        println!("{what:<34} {cpu:>9.3} {wall:>9.3} {:>9.2} {memory:>11}", cpu / first);
    }
}
