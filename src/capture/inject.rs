//! One capture, from the number of a process to its dump.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::gdb::{self, Failure, Functions};
use super::interpreter::{Interpreter, Version};
use super::meeting::Meeting;
use super::memory::{Memory, ProcessMemory};
use super::process::{INSIDE, Process, Rights, Status};
use super::receive::{Signals, Stopped, receive};
use super::remote::Remote;
use super::{AGENT, Captured, Request, Way, native_core};
use crate::error::{Error, Result};

/// The first version whose process can be captured.
const FIRST: Version = Version { major: 3, minor: 8, micro: None };
/// How long the threads that run are given to take a script up, before the main thread is woken.
const RUNNING_THREADS: Duration = Duration::from_millis(500);
/// How long the main thread is given, before another way is tried.
const WOKEN_THREAD: Duration = Duration::from_secs(3);

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
    let agent = format!("{AGENT}\n\n{}", include_str!("../../python/from_outside.py"));
    let texts = [("agent.py", agent.as_bytes()), ("native.py", NATIVE), ("native_core.so", native_core())];
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
        Ok((received, way)) => Ok(Captured {
            zombie: received.writer.and_then(|writer| entry.reap(writer, way)),
            counts: received.counts,
            bytes: received.bytes,
            pause: received.pause,
            way,
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
        'Z' | 'X' => Err("it has ended already, and waits for its parent to notice (a zombie)".to_owned()),
        'T' => Err(format!("it is stopped (kill -CONT {} lets it go on)", process.0)),
        _ => Ok(status),
    }
}

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

/// Frames of Python that are ours below those of the scripts: the line that gdb has run.
const FRAMES_OF_REMOTE: u32 = 0;
const FRAMES_OF_GDB: u32 = 1;

impl Entry<'_> {
    /// Has the process take the request up; the way that worked.
    fn enter(&self) -> std::result::Result<Way, String> {
        let wanted = self.request.way;
        if wanted == Some(Way::Debugger) {
            return self.by_debugger();
        }
        let remote = Remote::of(self.process, self.interpreter);
        let by_remote = remote.as_ref().map_err(String::clone).and_then(|remote| self.by_remote(remote));
        match by_remote {
            Ok(true) => Ok(Way::RemoteExecution),
            Ok(false) | Err(_) if self.is_over.load(Ordering::Relaxed) => Err("the capture was given up".to_owned()),
            Err(reason) if wanted.is_some() => Err(format!("not by remote execution: {reason}")),
            Ok(false) if wanted.is_some() => Err(NOT_TAKEN_UP.to_owned()),
            Ok(false) => self.by_debugger().map_err(|reason| format!("{NOT_TAKEN_UP}; and {reason}")),
            Err(_) => self.by_debugger(),
        }
    }

    /// Gives the script to the threads until one takes it up, and takes it back from the others; whether one did.
    fn by_remote(&self, remote: &Remote) -> std::result::Result<bool, String> {
        let text = |error: io::Error| error.to_string();
        let script = self.meeting.put(&self.script(FRAMES_OF_REMOTE));
        let script = script.map_err(|error| format!("the script cannot be written: {error}"))?;
        remote.give(&script, false).map_err(text)?;
        let mut is_taken_up = self.wait(Instant::now() + RUNNING_THREADS);
        let patience = if self.request.way.is_some() { self.deadline } else { Instant::now() + WOKEN_THREAD };
        while !is_taken_up && Instant::now() < patience && !self.is_over.load(Ordering::Relaxed) {
            // a thread that waits in C looks for scripts only when its call is interrupted
            remote.give(&script, true).map_err(text)?;
            is_taken_up = self.wait(Instant::now() + RUNNING_THREADS);
        }
        // a process that has ended has nothing left to take back
        let _ = remote.take_back();
        Ok(is_taken_up)
    }

    fn by_debugger(&self) -> std::result::Result<Way, String> {
        let functions = Functions::of(self.process, self.interpreter)?;
        let script = self.script(FRAMES_OF_GDB);
        match gdb::run(self.process, &functions, &script, self.deadline, self.is_over) {
            Ok(()) => Ok(Way::Debugger),
            Err(failure) => Err(self.words(failure)),
        }
    }

    /// Has the process wait for the child that wrote, where it is one that adopts orphans: the first of a container, or a
    /// supervisor. The number of a child that stays a zombie.
    fn reap(&self, writer: u32, way: Way) -> Option<i32> {
        let child = self.process.child(writer)?;
        let script = format!("import os\ntry:\n    os.waitpid({writer}, 0)\nexcept OSError:\n    pass\n");
        let until = Instant::now() + WOKEN_THREAD;
        let is_gone = || child.status().is_err();
        if way == Way::Debugger {
            if let Ok(functions) = Functions::of(self.process, self.interpreter) {
                // what stays is told
                let _ = gdb::run(self.process, &functions, &script, until, &AtomicBool::new(false));
            }
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
            Failure::NotInstalled => format!(
                "{} takes no scripts by itself (3.14 is the first), and gdb, which would do it, is not installed: `apt-get \
                 install gdb`, `dnf install gdb`, or `apk add gdb`, here and not where the process runs\n{INSIDE}",
                version_text(self.interpreter)
            ),
            Failure::NotPermitted(said) => {
                format!("gdb is not permitted: {}\n{said}", Rights::over(self.process).explain(self.request.pid))
            }
            Failure::NoSafePlace => format!(
                "it came to no place where code may run, in {} s: it seems to be busy in native code; try again\n{INSIDE}",
                self.request.timeout.as_secs()
            ),
            Failure::TooLong => "gdb did not answer in time".to_owned(),
            Failure::Other(reason) => reason,
        }
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

const NOT_TAKEN_UP: &str = "its threads did not take the request up: they wait in native code";
