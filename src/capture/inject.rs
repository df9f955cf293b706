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
use super::machine::{HOST, Machine, block};
use super::memory::{Memory, ProcessMemory};
use super::process::{Mapping, Position, Process};
use super::trace::{State, Stop, Thread, Traced, TracedMemory, Trouble, held};

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

type Outcome<T> = Result<T, Failure>;

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

/// How long a call may take that waits for nothing.
const RETURNS_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to queue the line; more means that the thread itself holds the lock of the queue.
const QUEUES_WITHIN: Duration = Duration::from_millis(500);
/// When it is looked whether the thread has fallen asleep.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Pause before the next try, where the moment was bad.
const RETRY: Duration = Duration::from_millis(2);
/// Rounds that our code waits to be stopped: a second, more or less.
const ROUNDS: u64 = 50_000_000;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// What the probe is called with, and what it makes of it.
const PROBE: ([u64; 2], u64) = ([0x5e11, 0x0dd5], 0x5e11 + 2 * 0x0dd5);
/// Offset of the text in the pages behind the one with the code.
const TEXT: u64 = 1024;
/// Offset of the words for the pending call in them.
const PENDING: u64 = 768;

/// A process that a line of Python can be run in.
pub struct Injector<'a> {
    machine: &'static Machine,
    process: Process,
    functions: Functions,
    mappings: Vec<Mapping>,
    memory: TracedMemory,
    /// Addresses of instructions: make a system call and return, end a signal handler.
    system_call: u64,
    signal_return: u64,
    /// Whether condition variables are waited for on the stack (musl).
    waits_on_stack: bool,
    /// Told of each stage.
    at: &'a mut dyn FnMut(Stage),
    /// Set when nobody waits for it any more.
    is_over: &'a AtomicBool,
    /// Rounds that our code waits to be stopped.
    rounds: u64,
    injected: Injected,
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
    fn is_lock(&self, number: u64, address: u64, stack: u64) -> bool {
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

/// The main thread, stopped, with our code in a page of its own.
struct Session<'a, 'b> {
    injector: &'a mut Injector<'b>,
    thread: Option<Thread>,
    state: State,
    /// Where it and we talk, below its stack.
    block: u64,
    /// The page with our code, and the length of that mapping: the text is in the pages behind it.
    page: Option<(u64, u64)>,
    since: Instant,
}

/// What has become of a call.
enum Called {
    /// It returned this; the thread is what it was.
    Returned(u64),
    /// The thread has gone back by itself: we were too slow.
    Left(u64),
}

impl<'a, 'b> Session<'a, 'b> {
    /// Stops the thread and gives it our code and a text. `None` where the moment is bad.
    fn open(injector: &'a mut Injector<'b>, text: &str) -> Outcome<Option<Self>> {
        let thread = Thread::seize(injector.process.0)?;
        (injector.at)(Stage::Seized);
        let since = Instant::now();
        thread.stop()?;
        injector.injected.stops += 1;
        (injector.at)(Stage::Stopped);
        let state = thread.state(injector.machine)?;
        let machine = injector.machine;
        if thread.is_in_restartable_sequence(&injector.memory, state.word(machine.instruction)) {
            return Ok(None);
        }
        let mut session = Self { injector, thread: Some(thread), state, block: 0, page: None, since };
        session.write_frame()?;
        session.map(text)?;
        if !session.is_working()? {
            return Ok(None);
        }
        Ok(Some(session))
    }

    fn machine(&self) -> &'static Machine {
        self.injector.machine
    }

    fn thread(&self) -> Outcome<&Thread> {
        self.thread.as_ref().ok_or(Failure::Ended)
    }

    /// Writes the thread's way back below its stack.
    fn write_frame(&mut self) -> Outcome<()> {
        let machine = self.machine();
        // its length does not depend on where it is
        let len = (machine.frame)(0, 0, &self.state).len() as u64;
        let stack = self.state.word(machine.stack).wrapping_sub(machine.red_zone);
        self.block = stack.wrapping_sub(block::FRAME + len) & !63;
        let mut bytes = vec![0; usize::try_from(block::FRAME).unwrap_or(0)];
        bytes.extend((machine.frame)(self.block + block::FRAME, self.injector.signal_return, &self.state));
        self.put(self.block, &bytes)?;
        (self.injector.at)(Stage::FrameWritten);
        Ok(())
    }

    fn put(&self, address: u64, bytes: &[u8]) -> Outcome<()> {
        let written = self.injector.memory.write(address, bytes);
        written.map_err(|error| Failure::Impossible(format!("its memory cannot be written at {address:#x}: {error}")))
    }

    fn put_words(&self, index: usize, words: &[u64]) -> Outcome<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(self.block + 8 * index as u64, &bytes)
    }

    /// Has it map a page that holds our code, and pages with a copy of it and the text. They cannot be written by the process,
    /// only executed.
    fn map(&mut self, text: &str) -> Outcome<()> {
        let more = if text.is_empty() { 0 } else { (TEXT + text.len() as u64 + 1).next_multiple_of(PAGE) };
        let [map, ..] = self.machine().calls;
        (self.injector.at)(Stage::Mapping);
        // readable, executable; private, anonymous
        let page = self.system(map, [0, PAGE + more, 5, 0x22, u64::MAX, 0])?;
        self.page = Some((page, PAGE + more));
        self.rest()?;
        self.thread()?.stop_anew()?;
        (self.injector.at)(Stage::Mapped);
        self.put(page, self.machine().code)?;
        if more > 0 {
            self.put(page + PAGE, self.machine().code)?;
            self.put(page + PAGE + TEXT, text.as_bytes())?;
        }
        (self.injector.at)(Stage::CodeWritten);
        Ok(())
    }

    /// Leaves the thread, which stands still, such that it would go its own way back: unmap the page, and be what it was.
    fn rest(&self) -> Outcome<()> {
        let thread = self.thread()?;
        let Some((page, len)) = self.page else { return Ok(thread.restore(&self.state)?) };
        let [_, unmap, _] = self.machine().calls;
        Ok(thread.divert(&self.before_system_call(unmap, [page, len, 0, 0, 0, 0]), held())?)
    }

    /// Registers with which it makes a system call, at an instruction of its own, and then returns by the frame.
    fn before_system_call(&self, number: u64, arguments: [u64; 6]) -> State {
        let machine = self.machine();
        let mut registers = self.state.clone();
        registers.set(machine.instruction, self.injector.system_call);
        registers.set(machine.stack, self.block + block::FRAME);
        machine.arguments.iter().zip(arguments).for_each(|(place, value)| registers.set(*place, value));
        registers.set(machine.number, number);
        self.prepare(&mut registers);
        registers
    }

    /// Has it make a system call, and stops it behind; what that returned.
    fn system(&mut self, number: u64, arguments: [u64; 6]) -> Outcome<u64> {
        let registers = self.before_system_call(number, arguments);
        let result = match self.pass(&registers) {
            Ok(Some(result)) => result,
            Err(trouble @ (Trouble::Ended | Trouble::Exec)) => return Err(trouble.into()),
            _ => {
                self.bring_back()?;
                return Err(Failure::Call("a system call did not return".to_owned()));
            }
        };
        if (-4095..0).contains(&result.cast_signed()) {
            self.bring_back()?;
            let error = Errno::from_raw(i32::try_from(-result.cast_signed()).unwrap_or(0));
            return Err(Failure::Impossible(format!("it may not map executable memory: {}", error.desc())));
        }
        Ok(result)
    }

    /// Stops the thread wherever it is, if it does not stand still already, and leaves it on its way back.
    fn bring_back(&self) -> Outcome<()> {
        if self.rest().is_ok() {
            return Ok(());
        }
        self.thread()?.stop()?;
        self.rest()
    }

    /// What holds for every diversion: no system call is started again, flags as functions expect them.
    fn prepare(&self, registers: &mut State) {
        let machine = self.machine();
        if let Some(place) = machine.entered {
            registers.set(place, u64::MAX);
        }
        if let Some((place, clear)) = machine.flags {
            registers.set(place, registers.word(place) & !clear);
        }
        if let Some(place) = machine.link {
            registers.set(place, self.injector.signal_return);
        }
    }

    /// Into a system call and out of it, with these registers; what it returns, or `None` where it did not come to its end.
    fn pass(&self, registers: &State) -> Traced<Option<u64>> {
        let thread = self.thread.as_ref().ok_or(Trouble::Ended)?;
        thread.divert(registers, held())?;
        let deadline = Instant::now() + RETURNS_WITHIN;
        let mut stops = 0;
        while stops < 2 {
            thread.go_to_system_call()?;
            match thread.wait(deadline)? {
                Some(Stop::SystemCall) => stops += 1,
                Some(Stop::Asked) => {}
                Some(Stop::Signal(_)) | None => return Ok(None),
                Some(Stop::Exec) => return Err(Trouble::Exec),
            }
        }
        thread.registers().map(|after| Some(after.word(self.machine().result)))
    }

    /// Calls our own code, whose result is known; whether that works.
    fn is_working(&mut self) -> Outcome<bool> {
        let (arguments, result) = PROBE;
        let probe = self.page.unwrap_or_default().0 + self.machine().probe;
        match self.call(probe, arguments, RETURNS_WITHIN)? {
            Called::Returned(found) if found == result => Ok(true),
            Called::Returned(_) => Err(Failure::Call("calls do not return what they should".to_owned())),
            Called::Left(_) => Ok(false),
        }
    }

    /// Whether the thread waits for something and may take the interpreter's lock; `None` where that could not be asked.
    fn may_call(&mut self) -> Outcome<Option<bool>> {
        let functions = self.injector.functions.clone();
        let ask = |session: &mut Self, function: u64| match session.call(function, [0; 2], RETURNS_WITHIN)? {
            Called::Returned(value) => Ok(Some(value as u32)),
            Called::Left(_) => Ok::<_, Failure>(None),
        };
        let Some(is_there) = ask(self, functions.is_initialized)? else { return Ok(None) };
        if is_there == 0 {
            return Err(Failure::Impossible("its interpreter is not running yet, or any more".to_owned()));
        }
        if let Some(function) = functions.is_finalizing {
            let Some(is_ending) = ask(self, function)? else { return Ok(None) };
            if is_ending != 0 {
                return Err(Failure::Impossible("its interpreter is about to end".to_owned()));
            }
        }
        let waits = self.system_call().is_some_and(|(number, address)| {
            let stack = self.state.word(self.machine().stack);
            self.machine().is_waiting(number) && !self.injector.is_lock(number, address, stack)
        });
        if !waits {
            return Ok(Some(false));
        }
        Ok(ask(self, functions.check)?.map(|holds| holds == 0))
    }

    /// Number and first argument of the system call that the thread was stopped in.
    fn system_call(&self) -> Option<(u64, u64)> {
        let machine = self.machine();
        let argument = self.state.word(machine.arguments[0]);
        if let Some(place) = machine.entered {
            let number = self.state.word(place);
            return (number.cast_signed() >= 0).then_some((number, argument));
        }
        // the kernel has set it back to the instruction already, or it is behind it with an interrupted call
        let instruction = self.state.word(machine.instruction);
        let call = &machine.system_call[..4];
        let is_call = |address: u64| {
            let mut bytes = [0; 4];
            self.injector.memory.read(address, &mut bytes).is_ok() && bytes == *call
        };
        let interrupted = (-i64::from(Errno::EINTR as i32)).cast_unsigned();
        let is_interrupted = argument == interrupted && is_call(instruction.wrapping_sub(4));
        (is_call(instruction) || is_interrupted).then_some((self.state.word(machine.number), argument))
    }

    /// Address of the text.
    fn text(&self) -> u64 {
        self.page.unwrap_or_default().0 + PAGE + TEXT
    }

    /// Calls a function, whoever holds the interpreter's lock.
    fn call(&mut self, function: u64, arguments: [u64; 2], patience: Duration) -> Outcome<Called> {
        self.put_words(block::FUNCTION, &[function, arguments[0], arguments[1], 0, 0])?;
        let called = self.enter(0, 0, Instant::now() + patience);
        if let Err(Failure::NotInTime(_)) = called {
            self.bring_back()?;
        }
        called
    }

    /// Takes the interpreter's lock, calls a function, and gives the lock back.
    fn call_locked(&mut self, function: u64, argument: u64, deadline: Instant) -> Outcome<u64> {
        let Functions { ensure, release, .. } = self.injector.functions;
        self.put_words(block::FUNCTION, &[function, argument, 0, ensure, release])?;
        match self.enter(self.machine().locked, 0, deadline) {
            Ok(Called::Returned(result) | Called::Left(result)) => Ok(result),
            Err(Failure::NotInTime(doing)) => self.let_end(doing),
            Err(failure) => {
                if self.stage() == 2
                    && let Ok(state) = self.word(block::LOCKED)
                {
                    // between the two: the lock is given back, as far as that is possible
                    let _ = self.call(release, [state, 0], RETURNS_WITHIN);
                }
                Err(failure)
            }
        }
    }

    /// Leaves a call to itself that takes too long: it waits for the lock, or the line takes its time. It ends some time,
    /// and goes back by the frame.
    fn let_end(&mut self, doing: Doing) -> Outcome<u64> {
        let thread = self.thread()?;
        thread.stop()?;
        if self.word(block::STATE)? == 0 {
            thread.let_signals_through(&self.state)?;
            self.page = None;
            self.release();
            return Err(Failure::NotInTime(doing));
        }
        // just then
        let result = self.word(block::RESULT)?;
        if self.word(block::STATE)? == block::DONE {
            self.rest()?;
        } else {
            self.page = None;
            self.release();
        }
        Ok(result)
    }

    fn word(&self, index: usize) -> Outcome<u64> {
        let read = self.injector.memory.word(self.block + 8 * index as u64);
        read.map_err(|_| Failure::Ended)
    }

    fn stage(&self) -> u64 {
        self.word(block::STAGE).unwrap_or(0)
    }

    /// Has it run our code from an entry on, and waits until it is done. Of the mapping, only `keep` bytes are ours any more
    /// when the function has returned 0; with 0, all are.
    fn enter(&mut self, entry: u64, keep: u64, deadline: Instant) -> Outcome<Called> {
        let machine = self.machine();
        let (page, len) = self.page.ok_or(Failure::Ended)?;
        let Injector { system_call, signal_return, rounds, .. } = *self.injector;
        self.put_words(block::PAGE, &[page, len, system_call, rounds, signal_return, keep])?;
        self.put_words(block::STAGE, &[0])?;
        self.put_words(block::STATE, &[0, 0])?;
        let mut registers = self.state.clone();
        registers.set(machine.instruction, page + entry);
        registers.set(machine.stack, self.block);
        registers.set(machine.arguments[0], self.block);
        self.prepare(&mut registers);
        (self.injector.at)(Stage::Calling);
        let thread = self.thread()?;
        thread.divert(&registers, held())?;
        thread.go_on(0)?;
        (self.injector.at)(Stage::Running);
        self.await_return(keep, deadline)
    }

    fn await_return(&mut self, keep: u64, deadline: Instant) -> Outcome<Called> {
        let mut pause = Duration::from_micros(20);
        while self.word(block::STATE)? == 0 {
            let thread = self.thread()?;
            match thread.look()? {
                None => {}
                // the whole process was stopped meanwhile: our call goes on first
                Some(Stop::Asked | Stop::SystemCall) => thread.go_on(0)?,
                Some(Stop::Exec) => return Err(Failure::Exec),
                Some(Stop::Signal(signal @ (32 | 33))) => thread.go_on(signal)?,
                Some(Stop::Signal(signal)) => {
                    let at = thread.registers()?.word(self.machine().instruction);
                    let stage = self.stage();
                    self.rest()?;
                    return Err(Failure::Call(format!("signal {signal} at {at:#x}, step {stage} of a call")));
                }
            }
            if Instant::now() > deadline || self.injector.is_over.load(Ordering::Relaxed) {
                return Err(Failure::NotInTime(Doing::WaitsForLock));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
        (self.injector.at)(Stage::Returned);
        self.thread()?.stop()?;
        let result = self.word(block::RESULT)?;
        if self.word(block::STATE)? == block::LEFT {
            // what it unmapped is gone, and where it is, it was going anyway
            self.page = None;
            self.release();
            return Ok(Called::Left(result));
        }
        if keep > 0
            && result as u32 == 0
            && let Some((_, len)) = &mut self.page
        {
            *len = keep;
        }
        self.rest()?;
        (self.injector.at)(Stage::Resting);
        Ok(Called::Returned(result))
    }

    /// Queues the text as a pending call; whether there was room. The pages with the text go with the call then.
    fn queue(mut self) -> Outcome<bool> {
        let Some((page, len)) = self.page else { return Ok(false) };
        let Functions { add_pending_call, run, .. } = self.injector.functions;
        let second = page + PAGE;
        let words = [second + TEXT, run, second, len - PAGE, self.injector.system_call];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(second + PENDING, &bytes)?;
        let arguments = [add_pending_call, second + self.machine().pending, second + PENDING, 0, 0];
        self.put_words(block::FUNCTION, &arguments)?;
        match self.enter(0, PAGE, Instant::now() + QUEUES_WITHIN) {
            Ok(Called::Returned(result) | Called::Left(result)) => {
                self.close()?;
                Ok(result as u32 == 0)
            }
            Err(Failure::NotInTime(_)) => {
                // the lock of the queue is held by this very thread: where it was, it will give it back
                self.bring_back()?;
                self.close()?;
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes the page away and lets the thread go.
    fn close(mut self) -> Outcome<()> {
        self.finish()
    }

    fn finish(&mut self) -> Outcome<()> {
        if self.thread.is_none() {
            return Ok(());
        }
        let unmapped = match self.page.take() {
            Some((page, len)) => {
                (self.injector.at)(Stage::Unmapping);
                let [_, unmap, _] = self.machine().calls;
                let unmapped = self.system(unmap, [page, len, 0, 0, 0, 0]).map(drop);
                unmapped.and_then(|()| Ok(self.thread()?.stop_anew()?))
            }
            None => Ok(()),
        };
        (self.injector.at)(Stage::Unmapped);
        let restored = self.rest();
        (self.injector.at)(Stage::Restored);
        self.release();
        unmapped.and(restored)
    }

    fn release(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.leave();
            self.injector.injected.stopped += self.since.elapsed();
            (self.injector.at)(Stage::Left);
        }
    }
}

impl Drop for Session<'_, '_> {
    fn drop(&mut self) {
        // a thread that has ended, or runs another program, has nothing left that could be undone
        let _ = self.finish();
    }
}
