//! The dump and the words about it, as they come through the pipes.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::Way;
use super::inject::Injected;
use super::meeting::Pipes;
use super::process::Process;

/// What came.
#[derive(Debug, Default)]
pub struct Received {
    /// Objects, references, roots.
    pub counts: [u64; 3],
    /// Bytes of the dump.
    pub bytes: u64,
    /// How long the process stood still.
    pub pause: Option<Duration>,
    /// Who wrote, by its number in the pid namespace of the process; `None` where that was the process itself.
    pub writer: Option<u32>,
}

/// How the process was entered.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    /// The way that worked.
    pub way: Way,
    /// What an injected call took.
    pub injected: Option<Injected>,
}

impl Entered {
    /// How long the process stood still in all, from what its script says of itself.
    pub fn pause(&self, script: Option<Duration>) -> Option<Duration> {
        match self.injected {
            None => script,
            Some(injected) if injected.was_queued => script.map(|script| script + injected.stopped),
            // the script ran while it was stopped
            Some(injected) => Some(injected.stopped),
        }
    }
}

/// Why the dump did not come whole.
#[derive(Debug)]
pub enum Stopped {
    /// In words.
    For(String),
    /// The dump could not be written on our side.
    Writing(io::Error),
}

/// How long the way in may take to say why it did not succeed in time. Nobody waits longer for it: it is to be waited for in
/// any case, so that it leaves nothing behind.
const GRACE: Duration = Duration::from_secs(120);
/// How long one look at the pipes waits.
const TICK: u16 = 100;
/// Bytes that are taken at once.
const PIECE: usize = 1 << 18;

/// Passes the dump on to `out` until it is whole. `entered` tells how getting into the process ended.
///
/// # Errors
/// What the process said, that it is gone, that time is up, or that we were told to stop.
pub fn receive(
    mut pipes: Pipes,
    process: Process,
    out: &mut dyn Write,
    entered: &Receiver<Result<Entered, String>>,
    deadline: Instant,
    signals: &Signals,
) -> Result<(Received, Entered), Stopped> {
    let mut received = Received::default();
    let mut words = Words::default();
    let mut way = None;
    let mut piece = vec![0; PIECE];
    loop {
        let ready = wait_for(&pipes, signals).map_err(|error| Stopped::For(format!("the pipes broke: {error}")))?;
        if ready.signal {
            return Err(Stopped::For("interrupted".to_owned()));
        }
        if ready.words {
            words.read(&mut pipes.words, &mut piece);
        }
        let mut is_over = ready.dump_is_over;
        if ready.dump {
            is_over = false;
            match pipes.dump.read(&mut piece) {
                Ok(0) => is_over = true,
                Ok(count) => {
                    out.write_all(&piece[..count]).map_err(Stopped::Writing)?;
                    received.bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Stopped::For(format!("the pipe broke: {error}"))),
            }
        }
        if let Some(error) = words.error.take() {
            return Err(Stopped::For(format!("the agent in it says: {error}")));
        }
        match entered.try_recv() {
            Ok(Ok(found)) => way = Some(found),
            Ok(Err(reason)) => return Err(Stopped::For(reason)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        if let (Some(counts), Some(way), true) = (words.counts, way, is_over) {
            (received.counts, received.pause, received.writer) = (counts, words.pause, words.writer);
            return Ok((received, way));
        }
        if is_over && words.is_over && words.counts.is_none() {
            return Err(Stopped::For(
                "what wrote the dump in it ended before the dump did (killed, or out of memory?)".to_owned(),
            ));
        }
        if way.is_none() && !process.is_alive() {
            return Err(Stopped::For("it ended meanwhile".to_owned()));
        }
        // whoever is on the way in says by itself why time was too short
        if Instant::now() > if way.is_none() { deadline + GRACE } else { deadline } {
            return Err(Stopped::For("the time that --timeout gives is over".to_owned()));
        }
    }
}

/// What there is to read.
struct Ready {
    dump: bool,
    dump_is_over: bool,
    words: bool,
    signal: bool,
}

fn wait_for(pipes: &Pipes, signals: &Signals) -> io::Result<Ready> {
    let wanted = PollFlags::POLLIN;
    let mut descriptors = [
        PollFd::new(pipes.dump.as_fd(), wanted),
        PollFd::new(pipes.words.as_fd(), wanted),
        PollFd::new(signals.descriptor.as_fd(), wanted),
    ];
    poll(&mut descriptors, PollTimeout::from(TICK))?;
    let [dump, words, signal] = descriptors.map(|descriptor| descriptor.revents().unwrap_or(PollFlags::empty()));
    let has_more = |flags: PollFlags| flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP);
    if dump == PollFlags::POLLHUP && !words.contains(PollFlags::POLLIN) {
        // nobody writes any more: poll does not wait then
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Ready {
        dump: has_more(dump),
        dump_is_over: dump == PollFlags::POLLHUP,
        words: has_more(words),
        signal: signal.contains(PollFlags::POLLIN),
    })
}

/// The lines that the agent says.
#[derive(Debug, Default)]
struct Words {
    text: Vec<u8>,
    is_over: bool,
    counts: Option<[u64; 3]>,
    pause: Option<Duration>,
    writer: Option<u32>,
    error: Option<String>,
}

impl Words {
    fn read(&mut self, from: &mut impl Read, piece: &mut [u8]) {
        match from.read(piece) {
            Ok(0) => self.is_over = true,
            Ok(count) => self.text.extend_from_slice(&piece[..count]),
            // nothing there yet
            Err(_) => {}
        }
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim());
        }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "done" => {
                let mut numbers = rest.split(' ').map(|number| number.parse().unwrap_or(0));
                self.counts = Some([0; 3].map(|_: u64| numbers.next().unwrap_or(0)));
            }
            "paused" => {
                self.pause = rest.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            }
            "writer" => self.writer = rest.parse().ok(),
            "error" => self.error = Some(rest.to_owned()),
            _ => {}
        }
    }
}

/// Signals that ask this program to stop, held back so that nothing is left behind in the process.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Holds them back until this is dropped.
    ///
    /// # Errors
    /// The system has no descriptor for them.
    pub fn hold() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { descriptor: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?, before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // what was sent meanwhile has been answered: it must not end the program now
        while let Ok(Some(_)) = self.descriptor.read_signal() {}
        let _ = self.before.thread_set_mask();
    }
}
