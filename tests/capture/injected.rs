//! What stress and failures share: a program that counts while all is well, calls injected into it, and a look at whether
//! anything has become of it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use retainers::capture::inject::{Failure, Functions, Injected, Injector, Stage};
use retainers::capture::interpreter::Interpreter;
use retainers::capture::memory::ProcessMemory;
use retainers::capture::process::Process;

use crate::support::command::Workshop;

/// A running program of `states.py`; it is ended when this is dropped.
pub(super) struct Counting {
    child: Child,
    file: PathBuf,
    workshop: Workshop,
    /// Held, so that it can go on writing.
    _output: BufReader<ChildStdout>,
    state: String,
}

/// What of a process must be as before: threads, open files, signals that are held back (of each thread), and mappings of
/// code that is in no file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    threads: usize,
    files: usize,
    held: Vec<String>,
    code: usize,
    tracer: u32,
}

impl Counting {
    pub(super) fn start(python: &Path, state: &str) -> Self {
        let workshop = Workshop::new();
        let file = workshop.path().join("count");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capture/states.py");
        let mut command = Command::new(python);
        command.arg(script).arg(state).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("ANYBODY_MAY_TRACE", "1");
        if let Some(library) = REGISTERS.as_ref() {
            command.env("REGISTERS", library.1.as_path());
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{state}");
        let counting = Self { child, file, workshop, _output: output, state: state.to_owned() };
        counting.assert_counts("at first");
        counting
    }

    pub(super) fn process(&self) -> Process {
        Process(Pid::from_raw(self.child.id().cast_signed()))
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it run itself anew, in the same process.
    pub(super) fn run_anew(&mut self, state: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{state}").unwrap();
    }

    pub(super) fn command_line(&self) -> String {
        let bytes = std::fs::read(self.process().file("cmdline")).unwrap();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    fn count(&self) -> u64 {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// It goes on counting. There is a limit so that what hangs is told.
    pub(super) fn assert_counts(&self, when: &str) {
        let (before, start) = (self.count(), Instant::now());
        while self.count() == before {
            let state = self.process().status().map(|status| status.state);
            let runs = matches!(state, Ok('R' | 'S' | 'D')) || self.process().threads() > 1;
            assert!(runs, "{}, {when}: it is in state {state:?}", self.state);
            assert!(start.elapsed() < Duration::from_secs(60), "{}, {when}: it hangs", self.state);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let process = self.process();
        let status = process.status().unwrap_or_default();
        let held = std::fs::read_dir(process.file("task")).unwrap().flatten().map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            text.lines().filter(|line| line.starts_with("SigBlk")).collect()
        });
        let mut held: Vec<String> = held.collect();
        held.sort();
        let mappings = process.mappings().unwrap();
        let code = mappings.iter().filter(|mapping| mapping.is_executable && mapping.path.is_empty()).count();
        let files = std::fs::read_dir(process.file("fd")).unwrap().count();
        Facts { threads: process.threads(), files, held, code, tracer: status.tracer }
    }

    /// Nothing has become of it. What another thread of it is doing just now gets some time to be over.
    pub(super) fn assert_unharmed(&self, before: &Facts, when: &str) {
        self.assert_counts(when);
        let start = Instant::now();
        loop {
            let after = self.facts();
            if after == *before {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{}, {when}: {before:?} became {after:?}", self.state);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A line that runs once, says so in a file, and checks the interpreter by a fork and some work in it; and whether it
    /// has begun, and how often it has run.
    pub(super) fn line(&self) -> Line {
        Line { ticket: self.workshop.path().join("ticket"), ran: self.workshop.path().join("ran") }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Line {
    ticket: PathBuf,
    ran: PathBuf,
}

impl Line {
    /// Makes a new ticket; the text of the line.
    pub(super) fn issue(&self) -> String {
        std::fs::write(&self.ticket, "").unwrap();
        let (ticket, ran) = (self.ticket.display(), self.ran.display());
        let script = format!(
            "import os\ntry:\n    os.unlink('{ticket}')\nexcept OSError:\n    pass\nelse:\n    import gc\n    pid = os.fork()\n    \
             if pid == 0:\n        os._exit(0 if len(gc.get_objects()) > 10 and sum(range(100)) == 4950 else 1)\n    \
             if os.waitpid(pid, 0)[1] == 0:\n        with open('{ran}', 'a') as file: file.write('x')\n"
        );
        format!("exec({}, {{}})", serde_json::Value::from(script))
    }

    pub(super) fn is_taken_up(&self) -> bool {
        !self.ticket.exists()
    }

    pub(super) fn withdraw(&self) {
        // it may have run
        let _ = std::fs::remove_file(&self.ticket);
    }

    pub(super) fn ran(&self) -> usize {
        std::fs::read(&self.ran).map_or(0, |bytes| bytes.len())
    }
}

pub(super) fn functions(process: Process) -> Functions {
    let memory = ProcessMemory(process.0);
    let interpreter = Interpreter::find(&memory, &process.mappings().unwrap()).unwrap();
    Functions::of(process, &interpreter).unwrap()
}

/// Injects a line as often as asked for; told of each stage.
pub(super) fn inject(
    process: Process,
    functions: Functions,
    line: &str,
    is_taken_up: &dyn Fn() -> bool,
    at: &mut dyn FnMut(Stage),
) -> Result<Injected, Failure> {
    let is_over = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(60);
    Injector::new(process, functions, &is_over, at)?.waiting_rounds(ROUNDS).run(line, deadline, is_taken_up)
}

/// Rounds that a call waits for us before it goes its own way: short, since tests let it.
const ROUNDS: u64 = 3_000_000;

/// A library that looks after registers, made with the C compiler; `None` where there is none.
static REGISTERS: LazyLock<Option<(Workshop, PathBuf)>> = LazyLock::new(|| {
    let workshop = Workshop::new();
    let library = workshop.path().join("registers.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capture/registers.c");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
    command.status().is_ok_and(|status| status.success()).then_some((workshop, library))
});

pub(super) fn has_registers() -> bool {
    REGISTERS.is_some()
}
