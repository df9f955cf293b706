//! Has a running CPython run a line of Python, with ptrace and nothing else.
//!
//! The main thread is stopped, calls functions of the interpreter, and goes on where it was. All other threads run
//! meanwhile: one of them may have to give up the interpreter's lock first. Two ways, by what the thread does:
//!
//! - *Direct*: it waits in a system call and does not hold the lock. It takes the lock, runs the line, gives the lock back,
//!   and waits on.
//! - *Queued*: otherwise `Py_AddPendingCall`, which needs no lock and no memory; the interpreter makes the call between two
//!   instructions of its main thread. Nothing is traced meanwhile. If the thread falls asleep before it comes there, it is
//!   made to do what is pending from its sleep.
//!
//! What makes it safe, whatever happens to us or to it:
//!
//! - A thread is never made to wait for the lock from within its own wait for it: glibc's condition variables would
//!   deadlock. Such a wait is known by its address, inside `_PyRuntime`.
//! - Registers, signal mask and the extended state as the kernel gives it are saved and restored. Signals are held back
//!   during a call, so that the interrupted system call is the one that is started again.
//! - A call runs on the thread's own stack, by code in a page of its own (`stub/`), with a signal frame behind it. If we are
//!   killed, that code ends what it began (the lock is given back), unmaps itself and returns by the frame.
//! - The first call is one of our own code, whose result is known; then the interpreter is asked whether it is there.
//! - Between two calls the thread stands on the system call that unmaps the page, with the frame behind it.
//! - What was queued cannot be withdrawn, but finds its ticket gone; the pages that hold it go with it.
//!
//! Open: a stop within the few instructions in which the thread itself holds the lock of the pending calls. The call is
//! given up after half a second and tried again later.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::interpreter::Interpreter;
use super::machine::{HOST, Machine};
use super::memory::{Memory, ProcessMemory};
use super::process::{Mapping, Position, Process};
use super::session::Session;
use super::trace::{Thread, TracedMemory, Trouble};

/// How far it is; tests stop it at each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The thread is traced, and runs.
    Seized,
    /// It stands still.
    Stopped,
    /// Its way back has been written below its stack.
    FrameWritten,
    /// It is about to map a page.
    Mapping,
    /// The page is there, and empty.
    Mapped,
    /// The page holds our code.
    CodeWritten,
    /// It is about to call a function.
    Calling,
    /// The function runs.
    Running,
    /// The function has returned, and the thread waits for us.
    Returned,
    /// The thread stands still, and would go its own way back.
    Resting,
    /// It is about to unmap the page.
    Unmapping,
    /// The page is gone.
    Unmapped,
    /// The thread is what it was.
    Restored,
    /// It goes on.
    Left,
    /// The line is queued, and nothing is traced.
    Queued,
}

/// What a target does that keeps code from running in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// Waits for the interpreter's lock.
    WaitsForLock,
    /// Is in a system call, by its number.
    SystemCall(u64),
    /// Runs code of this file; empty where it has none.
    Runs(String),
}

/// Why the line did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The main thread has ended; other threads may go on.
    Ended,
    /// The process runs another program now.
    Exec,
    /// We may not trace it.
    NotPermitted,
    /// The main thread cannot be stopped: it waits for a device.
    Unstoppable,
    /// It cannot be done with this process, in words.
    Impossible(String),
    /// A call went wrong, in words; the thread goes on as before.
    Call(String),
    /// The line raised an exception, or could not be compiled.
    Raised,
    /// It has not run in time, and does no harm if it still does.
    NotInTime(Doing),
    /// Nobody waits for it any more.
    GivenUp,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Ended => Self::Ended,
            Trouble::Exec => Self::Exec,
            Trouble::Unstoppable => Self::Unstoppable,
            Trouble::System(Errno::EPERM | Errno::EACCES) => Self::NotPermitted,
            Trouble::System(error) => Self::Impossible(format!("the system refuses: {}", error.desc())),
        }
    }
}

/// Which way it went, and what that took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Injected {
    /// Whether the line waited for the interpreter to come to it.
    pub was_queued: bool,
    /// How often the main thread was stopped.
    pub stops: u32,
    /// How long it stood still or ran for us, in sum.
    pub stopped: Duration,
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// Functions of the interpreter.
#[derive(Debug, Clone)]
pub struct Functions {
    /// `PyGILState_Ensure`
    pub ensure: u64,
    /// `PyRun_SimpleString`
    pub run: u64,
    /// `PyGILState_Release`
    pub release: u64,
    /// `PyGILState_Check`
    pub check: u64,
    /// `Py_IsInitialized`
    pub is_initialized: u64,
    /// `_Py_IsFinalizing` or `Py_IsFinalizing`, where it is exported.
    pub is_finalizing: Option<u64>,
    /// `Py_AddPendingCall`
    pub add_pending_call: u64,
    /// `Py_MakePendingCalls`
    pub make_pending_calls: u64,
    /// `_PyRuntime`: the condition variables of the lock lie in it (from 3.12 on in the main interpreter, which is part of
    /// it).
    pub runtime: Range<u64>,
}

impl Functions {
    /// Finds them.
    ///
    /// # Errors
    /// The name of the one that is missing, or why no code can be run in this interpreter.
    pub fn of(process: Process, interpreter: &Interpreter) -> Result<Self, String> {
        let memory = ProcessMemory(process.0);
        let find = |name: &str| {
            interpreter.symbol(&memory, name).ok_or_else(|| format!("the interpreter does not export `{name}`"))
        };
        let runtime = interpreter.extent(&memory, "_PyRuntime").ok_or("the interpreter does not show its state")?;
        Ok(Self {
            ensure: find("PyGILState_Ensure")?,
            run: find("PyRun_SimpleString")?,
            release: find("PyGILState_Release")?,
            check: find("PyGILState_Check")?,
            is_initialized: find("Py_IsInitialized")?,
            is_finalizing: find("Py_IsFinalizing").or_else(|_| find("_Py_IsFinalizing")).ok(),
            add_pending_call: find("Py_AddPendingCall")?,
            make_pending_calls: find("Py_MakePendingCalls")?,
            runtime,
        })
    }
}

/// When it is looked whether the thread has fallen asleep.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Pause before the next try, where the moment was bad.
const RETRY: Duration = Duration::from_millis(2);
/// Rounds that our code waits to be stopped: a second, more or less.
const ROUNDS: u64 = 50_000_000;

/// A process that a line of Python can be run in.
pub struct Injector<'a> {
    pub(super) machine: &'static Machine,
    pub(super) process: Process,
    pub(super) functions: Functions,
    pub(super) mappings: Vec<Mapping>,
    pub(super) memory: TracedMemory,
    /// Addresses of instructions: make a system call and return, end a signal handler.
    pub(super) system_call: u64,
    pub(super) signal_return: u64,
    /// Whether condition variables are waited for on the stack (musl).
    waits_on_stack: bool,
    /// Told of each stage.
    pub(super) at: &'a mut dyn FnMut(Stage),
    /// Set when nobody waits for it any more.
    pub(super) is_over: &'a AtomicBool,
    /// Rounds that our code waits to be stopped.
    pub(super) rounds: u64,
    pub(super) injected: Injected,
}

impl fmt::Debug for Injector<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Injector").field("process", &self.process).finish_non_exhaustive()
    }
}

impl<'a> Injector<'a> {
    /// Finds what is needed in the process, which is not stopped for it. It is given up when `is_over` is set; `at` is told
    /// of each stage.
    ///
    /// # Errors
    /// Why nothing can be run in it.
    pub fn new(
        process: Process,
        functions: Functions,
        is_over: &'a AtomicBool,
        at: &'a mut dyn FnMut(Stage),
    ) -> Outcome<Self> {
        let machine =
            HOST.ok_or_else(|| Failure::Impossible("this processor's registers are not known here".to_owned()))?;
        let from = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::Ended,
            std::io::ErrorKind::PermissionDenied => Failure::NotPermitted,
            _ => Failure::Impossible(format!("its memory cannot be opened: {error}")),
        };
        let memory = TracedMemory::open(process).map_err(from)?;
        let mappings = process.mappings().map_err(from)?;
        if process.has_shadow_stack() {
            return Err(Failure::Impossible("its processor guards return addresses (a shadow stack)".to_owned()));
        }
        let find = |patterns: &[&[u8]], what: &str| {
            find_code(&memory, &mappings, patterns)
                .ok_or_else(|| Failure::Impossible(format!("no instruction in it {what}")))
        };
        let system_call = find(&[machine.system_call], "makes a system call and returns")?;
        let signal_return = find(machine.signal_return, "ends a signal handler")?;
        let waits_on_stack = !mappings.iter().any(|mapping| mapping.file_name().starts_with("libc.so.6"));
        let injected = Injected::default();
        Ok(Self {
            machine,
            process,
            functions,
            mappings,
            memory,
            system_call,
            signal_return,
            waits_on_stack,
            at,
            is_over,
            rounds: ROUNDS,
            injected,
        })
    }

    /// Has our code in the process wait so many rounds for us before it goes its own way: a second, more or less, without
    /// this.
    #[must_use]
    pub fn waiting_rounds(self, rounds: u64) -> Self {
        Self { rounds, ..self }
    }

    /// Runs a line of Python in the process. `is_taken_up` says whether it has begun to run.
    ///
    /// # Errors
    /// Why it did not run, or not whole. The process goes on in any case.
    pub fn run(mut self, line: &str, deadline: Instant, is_taken_up: &dyn Fn() -> bool) -> Outcome<Injected> {
        if line.len() as u64 > 1 << 20 || line.contains('\0') {
            return Err(Failure::Impossible("the line is too long, or no text".to_owned()));
        }
        loop {
            match self.try_run(line, deadline, is_taken_up)? {
                Try::Done => return Ok(self.injected),
                Try::Again => std::thread::sleep(RETRY),
            }
            if self.is_over.load(Ordering::Relaxed) {
                return Err(Failure::GivenUp);
            }
            if Instant::now() > deadline {
                return Err(Failure::NotInTime(self.doing()));
            }
        }
    }

    fn try_run(&mut self, line: &str, deadline: Instant, is_taken_up: &dyn Fn() -> bool) -> Outcome<Try> {
        let Some(mut session) = Session::open(self, line)? else { return Ok(Try::Again) };
        let Some(may_call) = session.may_call()? else { return Ok(Try::Again) };
        if may_call {
            let function = session.injector.functions.run;
            let ran = session.call_locked(function, session.text(), deadline)?;
            session.close()?;
            return if ran as u32 == 0 { Ok(Try::Done) } else { Err(Failure::Raised) };
        }
        if !session.queue()? {
            return Ok(Try::Again);
        }
        self.injected.was_queued = true;
        (self.at)(Stage::Queued);
        self.await_queued(deadline, is_taken_up)
    }

    /// Waits until the interpreter has come to the line; where the thread sleeps instead, has it done from there.
    fn await_queued(&mut self, deadline: Instant, is_taken_up: &dyn Fn() -> bool) -> Outcome<Try> {
        let mut look = Instant::now() + LOOK_AGAIN;
        while !is_taken_up() {
            if self.is_over.load(Ordering::Relaxed) {
                return Err(Failure::GivenUp);
            }
            if Instant::now() > deadline {
                return Err(Failure::NotInTime(self.doing()));
            }
            std::thread::sleep(Duration::from_millis(1));
            if Instant::now() < look || is_taken_up() {
                continue;
            }
            look = Instant::now() + LOOK_AGAIN;
            if !self.may_sleep() {
                continue;
            }
            let Some(mut session) = Session::open(self, "")? else { continue };
            if session.may_call()? == Some(true) {
                let function = session.injector.functions.make_pending_calls;
                session.call_locked(function, 0, deadline)?;
                session.close()?;
            }
        }
        Ok(Try::Done)
    }

    /// Whether it is worth stopping the main thread: it may wait for something. Where that cannot be seen, it may.
    fn may_sleep(&self) -> bool {
        match self.process.position() {
            Position::Calling { number, arguments, stack } => {
                self.machine.is_waiting(number) && !self.is_lock(number, arguments[0], stack)
            }
            Position::Running | Position::Stopped { .. } => false,
            Position::Unknown => true,
        }
    }

    /// What the main thread does.
    fn doing(&self) -> Doing {
        let instruction = match self.process.position() {
            Position::Calling { number, arguments, stack } if self.is_lock(number, arguments[0], stack) => {
                return Doing::WaitsForLock;
            }
            Position::Calling { number, .. } => return Doing::SystemCall(number),
            Position::Stopped { instruction } => Some(instruction),
            Position::Running | Position::Unknown => self.instruction(),
        };
        let mapping = instruction.and_then(|at| self.mappings.iter().find(|mapping| mapping.contains(at)));
        Doing::Runs(mapping.map(|mapping| mapping.file_name().to_owned()).unwrap_or_default())
    }

    /// Where the main thread is, by a short stop.
    fn instruction(&self) -> Option<u64> {
        let thread = Thread::seize(self.process.0).ok()?;
        thread.stop().ok()?;
        Some(thread.registers().ok()?.word(self.machine.instruction))
    }

    /// Whether a wait is one for the interpreter's lock.
    pub(super) fn is_lock(&self, number: u64, address: u64, stack: u64) -> bool {
        let on_stack = self.waits_on_stack && (stack..stack.saturating_add(1 << 20)).contains(&address);
        number == self.machine.calls[2] && (self.functions.runtime.contains(&address) || on_stack)
    }
}

/// Whether it is over.
enum Try {
    Done,
    Again,
}

/// The address of instructions that are one of these, in anything that the process may execute: the C library first.
fn find_code(memory: &dyn Memory, mappings: &[Mapping], patterns: &[&[u8]]) -> Option<u64> {
    let is_library = |mapping: &&Mapping| mapping.file_name().contains("libc") || mapping.file_name().contains("ld-");
    let executable = mappings.iter().filter(|mapping| mapping.is_executable && mapping.path != "[vsyscall]");
    let (first, others): (Vec<_>, Vec<_>) = executable.partition(is_library);
    for mapping in first.into_iter().chain(others) {
        let mut bytes = vec![0; usize::try_from(mapping.end - mapping.start).unwrap_or(0).min(MOST_CODE)];
        if memory.read(mapping.start, &mut bytes).is_err() {
            continue;
        }
        let found = patterns.iter().find_map(|pattern| memchr::memmem::find(&bytes, pattern));
        if let Some(found) = found {
            return Some(mapping.start + found as u64);
        }
    }
    None
}

/// Bytes of a mapping that are searched.
const MOST_CODE: usize = 32 << 20;
