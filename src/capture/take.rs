//! One capture, from the number of a process to its dump.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::inject::{Doing, Failure, Functions, Injected, Injector};
use super::interpreter::{Interpreter, Version};
use super::meeting::Meeting;
use super::memory::{Memory, ProcessMemory};
use super::process::{INSIDE, Process, Rights, Status};
use super::receive::{Entered, Signals, Stopped, receive};
use super::remote::Remote;
use super::scripts::{after_fork, before_fork};
use super::{Captured, Request, Way, native_core};
use crate::error::{Error, Result};

/// The first version whose process can be captured.
const FIRST: Version = Version { major: 3, minor: 8, micro: None };
/// How long the threads that run are given to take a script up, before the main thread is woken.
const RUNNING_THREADS: Duration = Duration::from_millis(500);
/// How long the main thread is given, before another way is tried.
const WOKEN_THREAD: Duration = Duration::from_secs(3);
/// How long it may take to get in, where nobody says otherwise: a process that keeps everybody out for so long is told about.
const PATIENCE: Duration = Duration::from_secs(20);

/// The agent's half of the native core.
const NATIVE: &[u8] = include_bytes!("../../python/retainers/_native.py");

/// Captures a process; its dump goes to `out`.
///
/// # Errors
/// [`Error::Capture`] says why not, and what to do; the process goes on either way. [`Error::Output`] when `out` fails.
pub fn capture(request: &Request, out: &mut dyn Write) -> Result<Captured> {
    let failed = |reason| Error::Capture { pid: request.pid, reason };
    let deadline = Instant::now() + request.timeout;
    let process = Process(Pid::from_raw(request.pid));
    let status = status(process).map_err(failed)?;
    let interpreter = interpreter(process).map_err(failed)?;
    let signals = Signals::hold().map_err(|error| failed(format!("signals cannot be held back: {error}")))?;
    let (before, after) = (before_fork(), after_fork());
    let texts = [
        ("before.py", before.as_bytes()),
        ("agent.py", after.as_bytes()),
        ("native.py", NATIVE),
        ("native_core.so", native_core()),
    ];
    let (meeting, pipes) =
        Meeting::with(process, &status, &texts).map_err(|error| failed(no_meeting(process, &error)))?;
    let is_over = AtomicBool::new(false);
    let entry = Entry { request, process, interpreter: &interpreter, meeting: &meeting, deadline, is_over: &is_over };
    let received = std::thread::scope(|scope| {
        let (tell, told) = channel();
        scope.spawn(move || tell.send(entry.enter()));
        let received = receive(pipes, process, out, &told, deadline, &signals);
        is_over.store(true, Ordering::Relaxed);
        meeting.take_back();
        received
    });
    match received {
        Ok((received, entered)) => Ok(Captured {
            zombie: received.writer.and_then(|writer| entry.reap(writer, entered.way)),
            counts: received.counts,
            bytes: received.bytes,
            pause: entered.pause(received.pause),
            way: entered.way,
            interpreter: version_text(&interpreter),
        }),
        Err(Stopped::For(reason)) => Err(failed(reason)),
        Err(Stopped::Writing(cause)) => Err(Error::Output(cause)),
    }
}

fn version_text(interpreter: &Interpreter) -> String {
    interpreter.version.map_or_else(|| "CPython".to_owned(), |version| format!("CPython {version}"))
}

fn status(process: Process) -> std::result::Result<Status, String> {
    let status = process.status().map_err(|_| "there is no such process".to_owned())?;
    match status.state {
        'Z' | 'X' if process.threads() > 1 => Err(NO_MAIN_THREAD.to_owned()),
        'Z' | 'X' => Err("it has ended already, and waits for its parent to notice (a zombie)".to_owned()),
        'T' => Err(format!("it is stopped (kill -CONT {} lets it go on)", process.0)),
        _ => Ok(status),
    }
}

const NO_MAIN_THREAD: &str = "its main thread has ended while others go on: no code can be run in it from outside";

/// Finds the interpreter, and whether we may look into the process at all.
fn interpreter(process: Process) -> std::result::Result<Interpreter, String> {
    let denied = || format!("not permitted: {}", Rights::over(process).explain(process.0.as_raw()));
    let mappings = process.mappings().map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => denied(),
        _ => "it has ended meanwhile".to_owned(),
    })?;
    let memory = ProcessMemory(process.0);
    if let Some(first) = mappings.iter().find(|mapping| mapping.path.starts_with('/')) {
        let looked = memory.half(first.start);
        if looked.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            return Err(denied());
        }
    }
    let found = Interpreter::find(&memory, &mappings).ok_or_else(|| {
        format!("it is no Python process: its program is `{}`, and no CPython is loaded in it", process.program())
    })?;
    match found.version {
        Some(version) if version < FIRST => {
            Err(format!("it runs Python {version}; {FIRST} is the first that can be captured"))
        }
        _ if found.is_free_threaded(&memory) => Err(format!(
            "it runs a free-threaded build of {}, whose threads share no lock: such a heap cannot be captured yet",
            version_text(&found)
        )),
        _ => Ok(found),
    }
}

fn no_meeting(process: Process, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!("not permitted: {}", Rights::over(process).explain(process.0.as_raw())),
        _ => format!("it has no directory for a script (of /tmp, /dev/shm, /var/tmp and /run): {error}\n{INSIDE}"),
    }
}

/// The way into a process.
#[derive(Clone, Copy)]
struct Entry<'a> {
    request: &'a Request,
    process: Process,
    interpreter: &'a Interpreter,
    meeting: &'a Meeting,
    deadline: Instant,
    is_over: &'a AtomicBool,
}

/// Frames of Python that are ours below those of the scripts: the line that an injected call has run.
const FRAMES_OF_REMOTE: u32 = 0;
const FRAMES_OF_LINE: u32 = 1;

impl Entry<'_> {
    /// Has the process take the request up; the way that worked.
    fn enter(&self) -> std::result::Result<Entered, String> {
        let wanted = self.request.way;
        if wanted == Some(Way::Injection) {
            return self.by_injection();
        }
        let remote = Remote::of(self.process, self.interpreter);
        let by_remote = remote.as_ref().map_err(String::clone).and_then(|remote| self.by_remote(remote));
        match by_remote {
            Ok(true) => Ok(Entered { way: Way::RemoteExecution, injected: None }),
            Ok(false) | Err(_) if self.is_over.load(Ordering::Relaxed) => Err(GIVEN_UP.to_owned()),
            Err(reason) if wanted.is_some() => Err(format!("not by remote execution: {reason}")),
            Ok(false) if wanted.is_some() => Err(NOT_TAKEN_UP.to_owned()),
            Ok(false) => self.by_injection().map_err(|reason| format!("{NOT_TAKEN_UP}; and {reason}")),
            Err(_) => self.by_injection(),
        }
    }

    /// Gives the script to the threads until one takes it up, and takes it back from the others; whether one did.
    fn by_remote(&self, remote: &Remote) -> std::result::Result<bool, String> {
        let text = |error: io::Error| error.to_string();
        let script = self.meeting.put(&self.script(FRAMES_OF_REMOTE));
        let script = script.map_err(|error| format!("the script cannot be written: {error}"))?;
        remote.give(&script, false).map_err(text)?;
        let mut is_taken_up = self.wait(Instant::now() + RUNNING_THREADS);
        let patience = if self.request.way.is_some() { self.patience() } else { Instant::now() + WOKEN_THREAD };
        while !is_taken_up && Instant::now() < patience && !self.is_over.load(Ordering::Relaxed) {
            // a thread that waits in C looks for scripts only when its call is interrupted
            remote.give(&script, true).map_err(text)?;
            is_taken_up = self.wait(Instant::now() + RUNNING_THREADS);
        }
        // a process that has ended has nothing left to take back
        let _ = remote.take_back();
        Ok(is_taken_up)
    }

    fn by_injection(&self) -> std::result::Result<Entered, String> {
        let script = self.script(FRAMES_OF_LINE);
        match self.inject(&script, self.patience(), self.is_over, &|| self.meeting.is_taken_up()) {
            Ok(injected) => Ok(Entered { way: Way::Injection, injected: Some(injected) }),
            Err(failure) => Err(self.words(failure)),
        }
    }

    /// Has the process run a script by an injected call.
    fn inject(
        &self,
        script: &str,
        deadline: Instant,
        is_over: &AtomicBool,
        is_taken_up: &dyn Fn() -> bool,
    ) -> std::result::Result<Injected, Failure> {
        let functions = Functions::of(self.process, self.interpreter).map_err(Failure::Impossible)?;
        // the text itself and not its path: a file that is opened here would leave a warning behind in `__main__`
        let line = format!("exec({}, {{}})", serde_json::Value::from(script));
        let mut at = |_| {};
        Injector::new(self.process, functions, is_over, &mut at)?.run(&line, deadline, is_taken_up)
    }

    /// Has the process wait for the child that wrote, where it is one that adopts orphans: the first of a container, or a
    /// supervisor. The number of a child that stays a zombie.
    fn reap(&self, writer: u32, way: Way) -> Option<i32> {
        let child = self.process.child(writer)?;
        let script = format!("import os\ntry:\n    os.waitpid({writer}, 0)\nexcept OSError:\n    pass\n");
        let until = Instant::now() + WOKEN_THREAD;
        let is_gone = || child.status().is_err();
        if way == Way::Injection {
            // what stays is told
            let _ = self.inject(&script, until, &AtomicBool::new(false), &is_gone);
        } else if let Ok(remote) = Remote::of(self.process, self.interpreter)
            && let Ok(path) = self.meeting.put(&script)
        {
            let mut is_given = remote.give(&path, false).is_ok();
            while is_given && !is_gone() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
                if !is_gone() {
                    is_given = remote.give(&path, true).is_ok();
                }
            }
            let _ = remote.take_back();
        }
        (!is_gone()).then_some(child.0.as_raw())
    }

    fn words(&self, failure: Failure) -> String {
        match failure {
            Failure::NotPermitted => {
                format!("not permitted: {}", Rights::over(self.process).explain(self.request.pid))
            }
            Failure::Ended if self.process.threads() > 1 => NO_MAIN_THREAD.to_owned(),
            Failure::Ended => "it ended meanwhile".to_owned(),
            Failure::Exec => "it has become another program meanwhile: try again".to_owned(),
            Failure::Unstoppable => {
                "its main thread waits for a device and cannot be interrupted (state D): try again later".to_owned()
            }
            Failure::Impossible(reason) => format!("no code can be run in it from outside: {reason}\n{INSIDE}"),
            Failure::Call(reason) => {
                format!("a call of the interpreter failed ({reason}); it goes on as before\n{INSIDE}")
            }
            Failure::Raised => "the script that starts the capture raised an exception in it".to_owned(),
            Failure::NotInTime(doing) => format!(
                "it came to no point where Python code may run, in {} s: its main thread {}. It goes on, and a request that \
                 comes late does nothing. Until then nothing can be run in it, from outside or from within; `--timeout \
                 SECONDS` waits longer",
                self.request.patience.unwrap_or(PATIENCE).as_secs(),
                doing_words(&doing)
            ),
            Failure::GivenUp => GIVEN_UP.to_owned(),
        }
    }

    /// Until when it may take to get in.
    fn patience(&self) -> Instant {
        self.deadline.min(Instant::now() + self.request.patience.unwrap_or(PATIENCE))
    }

    fn script(&self, frames: u32) -> String {
        let Request { values, fork, .. } = *self.request;
        self.meeting.script(values, fork, frames)
    }

    /// Waits until the request is taken up; whether it was.
    fn wait(&self, until: Instant) -> bool {
        while Instant::now() < until {
            if self.meeting.is_taken_up() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.meeting.is_taken_up()
    }
}

fn doing_words(doing: &Doing) -> String {
    match doing {
        Doing::WaitsForLock => "waits for the interpreter's lock, which another thread keeps in native code".to_owned(),
        Doing::SystemCall(number) => format!("is in system call {number}, with the interpreter's lock in hand"),
        Doing::Runs(file) if file.is_empty() => "runs native code and keeps the interpreter's lock".to_owned(),
        Doing::Runs(file) => format!("runs native code ({file}) and keeps the interpreter's lock"),
    }
}

const NOT_TAKEN_UP: &str = "its threads did not take the request up: they wait in native code";
const GIVEN_UP: &str = "the capture was given up";
