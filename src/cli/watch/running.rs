//! Watching a process until it ends, the time is over, or somebody has seen enough.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::Watched;
use super::dumps::{Dumps, Plan, Reason};
use super::live::Live;
use crate::cli::args::WatchArguments;
use crate::cli::processes;
use crate::counts::bytes_text;
use crate::error::{Error, Result};
use crate::watch::sample::{End, Sampler};
use crate::watch::series::Series;
use crate::watch::verdict::duration_text;

/// The longest time between two looks at whether a command has ended.
const COMMAND_LOOK: Duration = Duration::from_millis(200);
/// How long a command that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds between judgements on the way, and the share of the time that has passed.
const JUDGE_EVERY: f64 = 2.0;
const JUDGE_SHARE: f64 = 0.02;

/// Watches as asked.
pub(super) fn watch(asked: &WatchArguments, directory: &Path) -> Result<Watched> {
    let mut command = match asked.command.split_first() {
        Some((program, arguments)) => {
            let failed = |cause| Error::Open { path: program.into(), cause };
            Some(Command::new(program).args(arguments).spawn().map_err(failed)?)
        }
        None => None,
    };
    // after the command, which would inherit that they are blocked; before any thread, so that all leave them to us
    let signals = Signals::new()?;
    let pid = command.as_ref().map_or_else(
        || asked.target.as_deref().and_then(|pid| pid.parse().ok()),
        |child| i32::try_from(child.id()).ok(),
    );
    let pid =
        pid.filter(|pid| *pid > 0).ok_or_else(|| Error::Usage("a process has a number of 1 or more".to_owned()))?;
    let (pid, notes) = match command {
        Some(_) => (pid, Vec::new()),
        None => meant(pid, asked.child)?,
    };
    let sampler = Sampler::new(pid).map_err(|end| cannot_watch(pid, &end))?;
    let alone = command.is_none() || !(io::stdout().is_terminal() || io::stderr().is_terminal());
    let clock = Clock { epoch: SystemTime::now(), start: Instant::now() };
    let mut watch = Watch {
        pid,
        sampler,
        clock,
        plan: Plan::new(asked),
        dumps: Dumps::new(pid, !asked.no_values, directory),
        live: Live::new(asked.common.quiet, alone),
        series: Series { command: command_line(pid, asked), ..Series::default() },
        notes,
    };
    let end = watch.sample_until_the_end(asked, command.as_mut(), &signals);
    watch.finish(&end, command.as_mut())?;
    let name = format!("watch-{pid}");
    Ok(Watched { series: watch.series, dumps: watch.dumps.done, notes: watch.notes, name, pid: Some(pid) })
}

/// The process that is watched, and what to say of the choice: of a wrapper, the one Python process below it. Any other
/// process is watched as it is.
fn meant(pid: i32, child: bool) -> Result<(i32, Vec<String>)> {
    match processes::below(pid, child) {
        Ok(meant) if meant.pid == pid => Ok((pid, Vec::new())),
        Ok(meant) => Ok((meant.pid, meant.remarks)),
        Err(error) if child => Err(error),
        Err(_) => Ok((pid, Vec::new())),
    }
}

/// Why it is over.
enum Over {
    /// The process has ended, or cannot be seen any more.
    Process(End),
    /// The time is over.
    Time,
    /// A signal came.
    Signal(Signal),
}

struct Clock {
    epoch: SystemTime,
    start: Instant,
}

impl Clock {
    /// Seconds since the epoch, by a clock that nobody sets meanwhile.
    fn now(&self) -> f64 {
        let start = self.epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (start + self.start.elapsed()).as_secs_f64()
    }
}

struct Watch {
    pid: i32,
    sampler: Sampler,
    clock: Clock,
    plan: Plan,
    dumps: Dumps,
    live: Live,
    series: Series,
    notes: Vec<String>,
}

impl Watch {
    fn sample_until_the_end(
        &mut self,
        asked: &WatchArguments,
        mut command: Option<&mut Child>,
        signals: &Signals,
    ) -> Over {
        let mut judged = (f64::NEG_INFINITY, self.series.verdict());
        for number in 0_u32.. {
            let sample = match self.sampler.sample(self.clock.now()) {
                Ok(sample) => sample,
                Err(end) => return Over::Process(end),
            };
            self.series.samples.push(sample);
            self.collect(false);
            let elapsed = self.clock.start.elapsed();
            let seconds = elapsed.as_secs_f64();
            let is_end = asked.time.is_some_and(|time| elapsed + asked.interval > time);
            if is_end || seconds - judged.0 >= JUDGE_EVERY.max(JUDGE_SHARE * seconds) {
                judged = (seconds, self.series.verdict());
            }
            if self.dumps.is_ready()
                && let Some(reason) = self.plan.due(seconds, sample.total(), &judged.1, is_end)
            {
                self.start_dump(reason);
            }
            let activity = if self.dumps.is_running() { ", taking a dump" } else { "" };
            self.live.show(&self.series, &judged.1, activity);
            let next = asked.interval.saturating_mul(number.saturating_add(1)).max(elapsed);
            if asked.time.is_some_and(|time| next > time) {
                return Over::Time;
            }
            while let Some(wait) = next.checked_sub(self.clock.start.elapsed()).filter(|wait| !wait.is_zero()) {
                let wait = if command.is_some() { wait.min(COMMAND_LOOK) } else { wait };
                if let Some(signal) = signals.wait(wait) {
                    return Over::Signal(signal);
                }
                if command.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
                    return Over::Process(End::Exited);
                }
            }
        }
        Over::Time
    }

    fn start_dump(&mut self, reason: Reason) {
        let why = match reason {
            Reason::Time => "it is time".to_owned(),
            Reason::Size(size) => format!("memory is above {}", bytes_text(size)),
            Reason::Growth if self.dumps.done.is_empty() => "one to compare with".to_owned(),
            Reason::Growth => "memory grows".to_owned(),
        };
        self.live.tell(&format!("taking a heap dump: {why}"));
        self.dumps.start(self.clock.now());
    }

    /// Takes note of a dump that is done.
    fn collect(&mut self, wait: bool) {
        let Self { dumps, clock, .. } = self;
        let Some((capture, words)) = dumps.finished(|| clock.now(), wait) else { return };
        let words = words.replace('\n', "; ");
        self.live.tell(&words);
        match capture {
            Some(capture) => self.series.captures.push(capture),
            None => self.notes.push(words),
        }
    }

    /// Waits for what is under way, and says how it ended.
    fn finish(&mut self, over: &Over, command: Option<&mut Child>) -> Result<()> {
        self.collect(true);
        let after = duration_text(self.series.seconds());
        let words = match over {
            Over::Process(End::Forbidden(words)) if self.series.samples.is_empty() => {
                return Err(cannot_watch(self.pid, &End::Forbidden(words.clone())));
            }
            Over::Process(_) if self.series.samples.is_empty() && command.is_none() => {
                return Err(cannot_watch(self.pid, &End::Exited));
            }
            Over::Process(End::Forbidden(words)) => {
                format!("it could not be looked at any more after {after}: {words}")
            }
            Over::Process(_) => format!("the process ended after {after}"),
            Over::Time if command.is_none() => format!("watched for {after}, as asked; the process goes on"),
            Over::Time => format!("watched for {after}, as asked, and ended"),
            Over::Signal(signal) => format!("ended by {signal} after {after}"),
        };
        let ended = match command.map(|child| end_command(child, over)).transpose()? {
            None => String::new(),
            Some(Some(status)) => format!("; the command: {status}"),
            Some(None) => "; the command goes on".to_owned(),
        };
        self.notes.push(words + &ended);
        Ok(())
    }
}

/// Ends the command where a signal or the time ends the watch, and waits for it.
fn end_command(child: &mut Child, over: &Over) -> Result<Option<ExitStatus>> {
    let pid = child.id().cast_signed();
    let failed = |cause| Error::Watch { pid, reason: format!("waiting for it: {cause}") };
    match over {
        Over::Process(_) => return child.wait().map(Some).map_err(failed),
        // Ctrl-C has reached it as well, but it may be alone in hearing SIGTERM; the time is over for it too
        Over::Time | Over::Signal(_) => {
            let signal = if let Over::Signal(Signal::SIGINT) = over { None } else { Some(Signal::SIGTERM) };
            // it may have ended by itself meanwhile
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

fn cannot_watch(pid: i32, end: &End) -> Error {
    let reason = match end {
        End::Forbidden(words) => format!("{words}; run it as the user of the process, or with sudo"),
        End::Exited | End::Reused => {
            "there is none with this number in this pid namespace (or /proc hides it)".to_owned()
        }
    };
    Error::Watch { pid, reason }
}

/// What was run, control characters replaced.
fn command_line(pid: i32, asked: &WatchArguments) -> String {
    let bytes = if asked.command.is_empty() {
        std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    } else {
        let words: Vec<_> = asked.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ").into_bytes()
    };
    let text: String =
        String::from_utf8_lossy(&bytes).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.trim().to_owned()
}

/// SIGINT and SIGTERM, waited for instead of ending us at once.
struct Signals {
    set: SigSet,
    file: SignalFd,
}

impl Signals {
    fn new() -> Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        let failed = |cause: nix::Error| Error::Usage(format!("cannot wait for signals: {cause}"));
        set.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let file = SignalFd::with_flags(&set, flags).map_err(failed)?;
        Ok(Self { set, file })
    }

    /// Waits so long, or until one comes.
    fn wait(&self, time: Duration) -> Option<Signal> {
        let timeout = PollTimeout::try_from(time.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        let mut files = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        // interrupted or not: what came is read below
        let _ = poll(&mut files, timeout);
        let came = self.file.read_signal().ok().flatten()?;
        Signal::try_from(came.ssi_signo.cast_signed()).ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // from here on, they end us as usual
        let _ = self.set.thread_unblock();
    }
}
