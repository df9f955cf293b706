//! One stop of the main thread, for the calls that it is made to make: from the moment in which it is traced to the one in
//! which it goes on, with its way back in place all the time. What is called, and why that is safe, is said in
//! [`super::inject`].

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::inject::{Doing, Failure, Functions, Injector, Outcome, Stage};
use super::machine::{Machine, block};
use super::memory::Memory;
use super::state::State;
use super::trace::{Stop, Thread, Traced, Trouble, held};

/// How long a call may take that waits for nothing.
const RETURNS_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to queue the line; more means that the thread itself holds the lock of the queue.
const QUEUES_WITHIN: Duration = Duration::from_millis(500);
/// Bytes of a page.
const PAGE: u64 = 4096;
/// What the probe is called with, and what it makes of it.
const PROBE: ([u64; 2], u64) = ([0x5e11, 0x0dd5], 0x5e11 + 2 * 0x0dd5);
/// Offset of the text in the pages behind the one with the code.
const TEXT: u64 = 1024;
/// Offset of the words for the pending call in them.
const PENDING: u64 = 768;

/// The main thread, stopped, with our code in a page of its own.
pub(super) struct Session<'a, 'b> {
    pub(super) injector: &'a mut Injector<'b>,
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
    pub(super) fn open(injector: &'a mut Injector<'b>, text: &str) -> Outcome<Option<Self>> {
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
    pub(super) fn may_call(&mut self) -> Outcome<Option<bool>> {
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
    pub(super) fn text(&self) -> u64 {
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
    pub(super) fn call_locked(&mut self, function: u64, argument: u64, deadline: Instant) -> Outcome<u64> {
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
    pub(super) fn queue(mut self) -> Outcome<bool> {
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
    pub(super) fn close(mut self) -> Outcome<()> {
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
