//! One thread of another process, stopped and let go by ptrace: the only module that talks to it.
//!
//! It is seized and not attached to, so that no signal is sent and nobody in the process, nor its parent, notices. When we
//! end, however that comes about, the kernel lets it go on from where it is: whoever changes its registers sees to it that
//! this is harmless at any moment.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::machine::Machine;
use super::memory::Memory;
use super::process::Process;
use super::state::State;

/// Why a thread stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// We asked for it, or the whole process is stopped.
    Asked,
    /// Before it gets this signal.
    Signal(i32),
    /// It goes into a system call, or comes out of it.
    SystemCall,
    /// It runs another program now.
    Exec,
}

/// Why a thread could not be worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It has ended.
    Ended,
    /// The process runs another program now.
    Exec,
    /// It did not stop in time.
    Unstoppable,
    /// The system says no.
    System(Errno),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ESRCH | Errno::ECHILD => Self::Ended,
            error => Self::System(error),
        }
    }
}

/// Result of working with a thread.
pub type Traced<T> = Result<T, Trouble>;

/// How long a thread may take to stop: one that waits for a disk cannot be interrupted.
const STOPS_WITHIN: Duration = Duration::from_secs(5);
/// The longest and the shortest time between two looks at it.
const LOOKS: [Duration; 2] = [Duration::from_micros(20), Duration::from_millis(1)];
/// Room for a register set: AMX makes one of 11 KiB, and the kernel says how much it has filled.
const ROOM: usize = 64 << 10;
/// How a stop at a system call is told from the signal SIGTRAP.
const SYSTEM_CALL: i32 = libc::SIGTRAP | 0x80;
/// The general registers.
const GENERAL: usize = 1;
/// Requests, by the kernel's numbers: C libraries do not agree on their type, and have no names for the last three.
const CONTINUE: u32 = 7;
const CONTINUE_TO_CALL: u32 = 24;
const GET_SET: u32 = 0x4204;
const SET_SET: u32 = 0x4205;
const GET_MASK: u32 = 0x420a;
const SET_MASK: u32 = 0x420b;
const GET_RESTARTABLE: u32 = 0x420f;

/// A thread that we trace until this is dropped; it may be running.
#[derive(Debug)]
pub struct Thread {
    tid: Pid,
    /// Set when it runs another program: what we know of it is void, and nothing of it may be written.
    is_other: Cell<bool>,
}

impl Thread {
    /// Begins to trace a thread, which runs on.
    ///
    /// # Errors
    /// It is gone, or may not be traced.
    pub fn seize(tid: Pid) -> Traced<Self> {
        // without the option, a thread that runs another program could not be told from one that goes on
        ptrace::seize(tid, ptrace::Options::PTRACE_O_TRACEEXEC | ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        Ok(Self { tid, is_other: Cell::new(false) })
    }

    /// Stops it, wherever it is. Signals that come in between reach it first.
    ///
    /// # Errors
    /// It has ended, runs another program, or waits for a device.
    pub fn stop(&self) -> Traced<()> {
        ptrace::interrupt(self.tid)?;
        self.await_stop()
    }

    /// Stops it anew, where it stands still in or behind a system call, before it runs another instruction. Only from such a
    /// stop does the kernel start again a system call that was interrupted.
    ///
    /// # Errors
    /// As [`Thread::stop`].
    pub fn stop_anew(&self) -> Traced<()> {
        ptrace::interrupt(self.tid)?;
        self.go_on(0)?;
        self.await_stop()
    }

    fn await_stop(&self) -> Traced<()> {
        let deadline = Instant::now() + STOPS_WITHIN;
        loop {
            match self.wait(deadline)?.ok_or(Trouble::Unstoppable)? {
                Stop::Asked => return Ok(()),
                Stop::Signal(signal) => self.go_on(signal)?,
                Stop::SystemCall => self.go_on(0)?,
                Stop::Exec => return Err(Trouble::Exec),
            }
        }
    }

    /// Waits for its next stop; `None` when there is none in time.
    ///
    /// # Errors
    /// It has ended.
    pub fn wait(&self, deadline: Instant) -> Traced<Option<Stop>> {
        let mut pause = LOOKS[0];
        loop {
            if let Some(stop) = self.look()? {
                return Ok(Some(stop));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOOKS[1]);
        }
    }

    /// Its stop, if it stands still.
    ///
    /// # Errors
    /// It has ended.
    pub fn look(&self) -> Traced<Option<Stop>> {
        let Some(status) = wait_status(self.tid)? else { return Ok(None) };
        if !libc::WIFSTOPPED(status) {
            return Err(Trouble::Ended);
        }
        Ok(Some(match status >> 16 {
            libc::PTRACE_EVENT_STOP => Stop::Asked,
            libc::PTRACE_EVENT_EXEC => {
                self.is_other.set(true);
                Stop::Exec
            }
            _ if libc::WSTOPSIG(status) == SYSTEM_CALL => Stop::SystemCall,
            _ => Stop::Signal(libc::WSTOPSIG(status)),
        }))
    }

    /// Lets it run on, with a signal or 0.
    ///
    /// # Errors
    /// It is gone.
    pub fn go_on(&self, signal: i32) -> Traced<()> {
        request(CONTINUE, self.tid, 0, signal as usize).map(drop)
    }

    /// Lets it run into a system call, or out of it. (Not by single steps: one that is left over when we are killed would end
    /// the process.)
    ///
    /// # Errors
    /// It is gone.
    pub fn go_to_system_call(&self) -> Traced<()> {
        request(CONTINUE_TO_CALL, self.tid, 0, 0).map(drop)
    }

    /// What it is, while it stands still.
    ///
    /// # Errors
    /// It is gone, or of another architecture.
    pub fn state(&self, machine: &Machine) -> Traced<State> {
        let general = register_set(self.tid, GENERAL)?;
        if general.len() != machine.registers {
            return Err(Trouble::System(Errno::ENOEXEC));
        }
        let mut extended = Vec::new();
        for (index, kind) in machine.extended.iter().enumerate() {
            match register_set(self.tid, *kind) {
                Ok(bytes) => extended.push((*kind, bytes)),
                // this processor has none
                Err(Trouble::System(_)) if index > 0 => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(State { general, extended, mask: signal_mask(self.tid)? })
    }

    /// Its general registers alone, while it stands still.
    ///
    /// # Errors
    /// It is gone.
    pub fn registers(&self) -> Traced<State> {
        Ok(State { general: register_set(self.tid, GENERAL)?, ..State::default() })
    }

    /// Makes it what it was. General registers last: until then it has code to run that leads back by itself.
    ///
    /// # Errors
    /// It is gone.
    pub fn restore(&self, state: &State) -> Traced<()> {
        self.is_still_it()?;
        for (kind, bytes) in &state.extended {
            set_register_set(self.tid, *kind, bytes)?;
        }
        set_signal_mask(self.tid, state.mask)?;
        set_register_set(self.tid, GENERAL, &state.general)
    }

    /// Gives it other general registers, and holds back signals. Registers first: with them it has a way back on which
    /// signals are let through again.
    ///
    /// # Errors
    /// It is gone.
    pub fn divert(&self, general: &State, mask: u64) -> Traced<()> {
        self.is_still_it()?;
        set_register_set(self.tid, GENERAL, &general.general)?;
        set_signal_mask(self.tid, mask)
    }

    /// Holds back only the signals that it held back itself.
    ///
    /// # Errors
    /// It is gone.
    pub fn let_signals_through(&self, state: &State) -> Traced<()> {
        self.is_still_it()?;
        set_signal_mask(self.tid, state.mask)
    }

    /// Whether it stands in a sequence of instructions that the kernel would have it start again after an interruption, and
    /// that must not be resumed in its middle (rseq, as in the allocator TCMalloc).
    pub fn is_in_restartable_sequence(&self, memory: &dyn Memory, instruction: u64) -> bool {
        let mut configuration = [0_u64; 3];
        let size = size_of_val(&configuration);
        if request(GET_RESTARTABLE, self.tid, size, configuration.as_mut_ptr() as usize).is_err() {
            return false;
        }
        // the address of the current sequence, and its bounds
        let sequence = configuration[0].checked_add(8).and_then(|place| memory.word(place).ok()).filter(|at| *at != 0);
        let Some(sequence) = sequence else { return false };
        let word = |offset| memory.word(sequence.wrapping_add(offset)).unwrap_or(0);
        instruction.wrapping_sub(word(8)) < word(16)
    }

    fn is_still_it(&self) -> Traced<()> {
        if self.is_other.get() { Err(Trouble::Exec) } else { Ok(()) }
    }

    /// Lets it go.
    pub fn leave(self) {
        drop(self);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // one that has ended needs no release; one that would not stop is released by the kernel when we end
        let _ = ptrace::detach(self.tid, None);
    }
}

/// Signals that a fault of the code itself raises; and 32 and 33, which glibc keeps to itself and Python takes for no number.
const NEVER_HELD: [i32; 8] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, 32, 33];

/// All signals that can wait, a bit each.
pub fn held() -> u64 {
    !NEVER_HELD.iter().fold(0, |mask, signal| mask | 1 << (signal - 1))
}

fn register_set(tid: Pid, kind: usize) -> Traced<Vec<u8>> {
    let mut buffer = vec![0_u8; ROOM];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    request(GET_SET, tid, kind, &raw mut part as usize)?;
    buffer.truncate(part.iov_len);
    Ok(buffer)
}

fn set_register_set(tid: Pid, kind: usize, bytes: &[u8]) -> Traced<()> {
    let mut copy = bytes.to_vec();
    let mut part = libc::iovec { iov_base: copy.as_mut_ptr().cast(), iov_len: copy.len() };
    request(SET_SET, tid, kind, &raw mut part as usize).map(drop)
}

fn signal_mask(tid: Pid) -> Traced<u64> {
    let mut mask = 0_u64;
    request(GET_MASK, tid, size_of::<u64>(), &raw mut mask as usize)?;
    Ok(mask)
}

fn set_signal_mask(tid: Pid, mask: u64) -> Traced<()> {
    request(SET_MASK, tid, size_of::<u64>(), &raw const mask as usize).map(drop)
}

#[expect(unsafe_code, reason = "register sets by number and signal masks, which nix has no functions for")]
fn request(request: u32, tid: Pid, address: usize, data: usize) -> Traced<i64> {
    // SAFETY: the callers above give numbers, or addresses of live buffers together with their lengths
    let result = unsafe { libc::ptrace(request as _, tid.as_raw(), address, data) };
    Ok(Errno::result(result)?)
}

#[expect(unsafe_code, reason = "nix refuses real-time signals, and what they came with would be lost")]
fn wait_status(tid: Pid) -> Traced<Option<i32>> {
    let mut status = 0;
    // SAFETY: the status lives until the call returns
    let waited = unsafe { libc::waitpid(tid.as_raw(), &raw mut status, libc::__WALL | libc::WNOHANG) };
    Ok((Errno::result(waited)? == tid.as_raw()).then_some(status))
}

/// The memory of a process as it was when this was opened: when the process runs another program, nothing of that is read
/// or written. Pages that the process may not write can be written, by who traces it.
#[derive(Debug)]
pub struct TracedMemory(File);

impl TracedMemory {
    /// Opens it.
    ///
    /// # Errors
    /// The process is gone, or may not be traced.
    pub fn open(process: Process) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).open(process.file("mem")).map(Self)
    }
}

impl Memory for TracedMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, address)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, address)
    }
}
