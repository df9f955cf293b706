//! The remote-execution protocol of CPython 3.14 and later (PEP 768): the interpreter says where in its memory a script's
//! path is to be written, and runs that script at its next safe point. No debugger and no Python is needed on our side.
//!
//! The script is given to all threads of the main interpreter, so that one that runs will take it while others wait; it lets
//! only the first of them go on. What nobody has taken in the end is taken back. Threads are stopped for these writes, so
//! that none of them ends meanwhile and its memory with it.

use std::io;

use super::interpreter::{Interpreter, Version};
use super::memory::{Memory, ProcessMemory};
use super::process::Process;
use super::stop::Stopped;

/// Bytes with which the table of offsets begins.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// Bytes of the table that are read: more than any version needs.
const TABLE: usize = 1024;
/// The bit of the evaluation breaker that has a thread look for a script.
const PLEASE_STOP: u64 = 1 << 5;
/// Threads and interpreters that are followed: more are nonsense.
const MOST: usize = 1 << 16;

/// Where things are, in bytes from the beginning of their structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// The version of the interpreter.
    pub version: Version,
    /// The first interpreter, in the runtime.
    pub interpreters_head: u64,
    /// Its number, in an interpreter.
    pub interpreter_id: u64,
    /// The next one, in an interpreter.
    pub interpreter_next: u64,
    /// Its first thread, in an interpreter.
    pub threads_head: u64,
    /// The next one, in a thread.
    pub thread_next: u64,
    /// What has it look around, in a thread.
    pub eval_breaker: u64,
    /// What remote execution needs, in a thread.
    pub support: u64,
    /// Whether it is on, in an interpreter.
    pub enabled: u64,
    /// Whether there is a script, in the support.
    pub pending_call: u64,
    /// Its path, in the support.
    pub script_path: u64,
    /// Bytes of the path, with the 0 at its end.
    pub script_path_size: u64,
}

impl Offsets {
    /// Reads the table that the interpreter begins with.
    ///
    /// # Errors
    /// It is none, is of a version whose table is not known here, or says something that cannot be.
    pub fn parse(table: &[u8]) -> Result<Self, String> {
        if !table.starts_with(COOKIE) {
            return Err("the interpreter has no table of offsets".to_owned());
        }
        let word = |at: usize| {
            table.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes).unwrap_or(0)
        };
        let version = Version::of_hex(u32::try_from(word(8)).unwrap_or(0));
        // the group that remote execution needs is the last of the table, which grows from version to version
        let group = match (version.major, version.minor) {
            (3, 14) => 712,
            (3, 15) => 840,
            (3, ..14) => return Err(format!("CPython {version} has no remote execution; 3.14 is the first")),
            _ => return Err(format!("the table of CPython {version} is not known here")),
        };
        let offsets = Self {
            version,
            interpreters_head: word(40),
            interpreter_id: word(56),
            interpreter_next: word(64),
            threads_head: word(72),
            thread_next: word(192),
            eval_breaker: word(group),
            support: word(group + 8),
            enabled: word(group + 16),
            pending_call: word(group + 24),
            script_path: word(group + 32),
            script_path_size: word(group + 40),
        };
        if offsets.is_plausible(word(48), word(176)) {
            Ok(offsets)
        } else {
            Err(format!("the table of offsets of CPython {version} makes no sense"))
        }
    }

    /// Whether all places lie in their structures, which have so many bytes.
    fn is_plausible(&self, interpreter: u64, thread: u64) -> bool {
        let in_interpreter = [self.interpreter_id, self.interpreter_next, self.threads_head, self.enabled];
        let after_support = self.script_path.max(self.pending_call).saturating_add(self.script_path_size);
        (64..=1 << 16).contains(&self.script_path_size)
            && thread < 1 << 20
            && interpreter < 1 << 28
            && in_interpreter.iter().all(|offset| *offset < interpreter)
            && self.thread_next < thread
            && self.eval_breaker < thread
            && self.support.saturating_add(after_support) <= thread
    }
}

/// An interpreter that scripts can be given to.
#[derive(Debug, Clone, Copy)]
pub struct Remote {
    process: Process,
    runtime: u64,
    offsets: Offsets,
}

impl Remote {
    /// Finds the interpreter's state, and whether it takes scripts.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub fn of(process: Process, interpreter: &Interpreter) -> Result<Self, String> {
        let memory = ProcessMemory(process.0);
        let runtime = interpreter.symbol(&memory, "_PyRuntime").ok_or("the interpreter does not show its state")?;
        let mut table = vec![0; TABLE];
        memory.read(runtime, &mut table).map_err(|error| format!("its state cannot be read: {error}"))?;
        let remote = Self { process, runtime, offsets: Offsets::parse(&table)? };
        let main = remote.main_interpreter(&memory).map_err(|error| format!("its state cannot be read: {error}"))?;
        match memory.half(main.wrapping_add(remote.offsets.enabled)) {
            Ok(1) => Ok(remote),
            _ => Err("remote debugging is switched off in it (`-X disable-remote-debug`, \
                      `PYTHON_DISABLE_REMOTE_DEBUG`, or a build without it)"
                .to_owned()),
        }
    }

    /// Gives the script to all threads; with `wake`, has the main thread's system call interrupted.
    ///
    /// # Errors
    /// The process may not be traced, or is gone.
    pub fn give(&self, script: &str, wake: bool) -> io::Result<()> {
        let mut path = script.as_bytes().to_vec();
        path.push(0);
        if path.len() as u64 > self.offsets.script_path_size {
            return Err(io::Error::other("the path of the script is too long"));
        }
        let memory = ProcessMemory(self.process.0);
        let stopped = Stopped::all(self.process)?;
        for thread in self.threads(&memory)? {
            let support = thread.wrapping_add(self.offsets.support);
            memory.write(support.wrapping_add(self.offsets.script_path), &path)?;
            memory.write(support.wrapping_add(self.offsets.pending_call), &1_u32.to_le_bytes())?;
            let breaker = thread.wrapping_add(self.offsets.eval_breaker);
            memory.write(breaker, &(memory.word(breaker)? | PLEASE_STOP).to_le_bytes())?;
        }
        if wake {
            stopped.wake(self.process.0);
        }
        Ok(())
    }

    /// Takes the script back from the threads that have not run it.
    ///
    /// # Errors
    /// As [`Remote::give`].
    pub fn take_back(&self) -> io::Result<()> {
        let memory = ProcessMemory(self.process.0);
        let _stopped = Stopped::all(self.process)?;
        for thread in self.threads(&memory)? {
            let support = thread.wrapping_add(self.offsets.support);
            memory.write(support.wrapping_add(self.offsets.pending_call), &0_u32.to_le_bytes())?;
            memory.write(support.wrapping_add(self.offsets.script_path), &[0])?;
        }
        Ok(())
    }

    /// The state of the main interpreter: the one with number 0.
    fn main_interpreter(&self, memory: &dyn Memory) -> io::Result<u64> {
        let mut interpreter = memory.word(self.runtime.wrapping_add(self.offsets.interpreters_head))?;
        for _ in 0..MOST {
            if interpreter == 0 {
                break;
            }
            if memory.word(interpreter.wrapping_add(self.offsets.interpreter_id))? == 0 {
                return Ok(interpreter);
            }
            interpreter = memory.word(interpreter.wrapping_add(self.offsets.interpreter_next))?;
        }
        Err(io::Error::other("it has no main interpreter"))
    }

    /// The states of the threads of the main interpreter.
    fn threads(&self, memory: &dyn Memory) -> io::Result<Vec<u64>> {
        let interpreter = self.main_interpreter(memory)?;
        let mut threads = Vec::new();
        let mut thread = memory.word(interpreter.wrapping_add(self.offsets.threads_head))?;
        while thread != 0 && threads.len() < MOST && !threads.contains(&thread) {
            threads.push(thread);
            thread = memory.word(thread.wrapping_add(self.offsets.thread_next))?;
        }
        Ok(threads)
    }
}
