//! Into a process with a debugger, for the Pythons that take no scripts by themselves.
//!
//! gdb does no more than stop the process, call functions at addresses that we found, and let go: it needs no symbols, and
//! reads none. Where it calls is what makes it safe:
//!
//! - The main thread waits in a system call, as in sleep, a lock or a select. Then it is not in the middle of an allocation or
//!   of a change to an object, and may take the interpreter's lock and run the script at once.
//! - It is busy. Then the interpreter is asked for a pending call of `PyErr_CheckSignals`, the very function from which signal
//!   handlers written in Python are run: wherever that is entered, the lock is held and any code may run. A breakpoint there
//!   is awaited, and the script is run from it.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait_timeout::ChildExt;

use super::interpreter::Interpreter;
use super::memory::{Memory, ProcessMemory};
use super::process::Process;

/// Functions of the interpreter that are called.
#[derive(Debug, Clone, Copy)]
pub struct Functions {
    ensure: u64,
    run: u64,
    release: u64,
    add_pending_call: u64,
    check_signals: u64,
}

impl Functions {
    /// Finds them.
    ///
    /// # Errors
    /// The name of the one that is missing.
    pub fn of(process: Process, interpreter: &Interpreter) -> Result<Self, String> {
        let memory = ProcessMemory(process.0);
        let find = |name: &str| {
            interpreter.symbol(&memory, name).ok_or_else(|| format!("the interpreter does not export `{name}`"))
        };
        Ok(Self {
            ensure: find("PyGILState_Ensure")?,
            run: find("PyRun_SimpleString")?,
            release: find("PyGILState_Release")?,
            add_pending_call: find("Py_AddPendingCall")?,
            check_signals: find("PyErr_CheckSignals")?,
        })
    }
}

/// Why gdb could not run the script.
#[derive(Debug)]
pub enum Failure {
    /// There is no gdb.
    NotInstalled,
    /// gdb may not trace the process.
    NotPermitted(String),
    /// The interpreter came to no place where code may run, in time.
    NoSafePlace,
    /// gdb, or what it called, did not come back in time.
    TooLong,
    /// Something else.
    Other(String),
}

/// A failure in words of gdb's.
type Step<T> = Result<T, Failure>;

/// Bytes below the stack in which the text of the script is put; calls go below them.
const ROOM: u64 = 4096;
/// Bytes below the stack that the running function may use.
const RED_ZONE: u64 = 256;
/// How often it is looked whether anybody still waits.
const TICK: Duration = Duration::from_millis(200);
/// How long gdb may take for what never waits for the process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a script in the process: at once where its main thread waits, at the next safe place where it is busy.
///
/// # Errors
/// Why it did not run.
pub fn run(process: Process, functions: &Functions, script: &str, deadline: Instant, is_over: &AtomicBool) -> Step<()> {
    let mut gdb = Gdb::start(is_over)?;
    let result = gdb.attach(process).and_then(|()| {
        if process.system_call().is_some_and(is_waiting) {
            gdb.run_while_waiting(process, functions, script, deadline)
        } else {
            gdb.run_at_safe_place(process, functions, script, deadline)
        }
    });
    gdb.leave();
    result
}

struct Gdb<'a> {
    child: Child,
    /// Set when nobody waits for the capture any more.
    is_over: &'a AtomicBool,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Number of the last mark, by which the end of an output is known.
    mark: u32,
}

impl<'a> Gdb<'a> {
    fn start(is_over: &'a AtomicBool) -> Step<Self> {
        let mut command = Command::new("gdb");
        command.args(["-nx", "-nh", "-q", "-iex", "set auto-solib-add off", "-iex", "set auto-load off"]);
        // in a group of its own, so that Ctrl-C in a terminal does not hit it in the middle of a call
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => Failure::NotInstalled,
            _ => Failure::Other(format!("gdb cannot be started: {cause}")),
        })?;
        let (sender, lines) = channel();
        let outputs: [Option<Box<dyn io::Read + Send>>; 2] =
            [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|out| Box::new(out) as _)];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        let commands = child.stdin.take();
        let mut gdb = Self { child, is_over, commands, lines, mark: 0 };
        let settings = [
            "set confirm off",
            "set pagination off",
            "set width 0",
            "set language c",
            "set unwindonsignal on",
            "set print thread-events off",
            "set debuginfod enabled off",
            "handle all nostop noprint pass",
        ];
        gdb.say(&settings.join("\n"), soon())?;
        Ok(gdb)
    }

    fn attach(&mut self, process: Process) -> Step<()> {
        let said = self.say(&format!("attach {}", process.0), soon())?;
        if let Some(refused) = said.iter().find(|line| line.contains("ptrace:") || line.contains("Could not attach")) {
            return Err(Failure::NotPermitted(refused.clone()));
        }
        // the main thread's number is that of the process
        let mark = format!("{}", process.0);
        let is_main = |line: &String| line.split(|c: char| !c.is_ascii_digit()).any(|word| word == mark);
        let threads = self.say("info threads", soon())?;
        let number = threads.iter().find(|line| is_main(line)).and_then(|line| {
            line.trim_start_matches(['(', 'g', 'd', 'b', ')', ' ', '*']).split_whitespace().next()?.parse::<u32>().ok()
        });
        let number = number.ok_or_else(|| Failure::Other(format!("gdb sees no main thread: {}", threads.join(" "))))?;
        self.say(&format!("thread {number}"), soon())?;
        Ok(())
    }

    fn run_while_waiting(
        &mut self,
        process: Process,
        functions: &Functions,
        script: &str,
        deadline: Instant,
    ) -> Step<()> {
        let (stack, text) = self.push(process, script)?;
        let Functions { ensure, run, release, .. } = functions;
        let calls = format!(
            "set $retainers_state = ((int (*)(void)) {ensure})()\n\
             print ((int (*)(const char *)) {run})((const char *) {text})\n\
             call ((void (*)(int)) {release})($retainers_state)"
        );
        let said = self.call(&calls, deadline);
        self.say(&format!("set $sp = {stack}"), soon())?;
        ran(&said?)
    }

    fn run_at_safe_place(
        &mut self,
        process: Process,
        functions: &Functions,
        script: &str,
        deadline: Instant,
    ) -> Step<()> {
        let Functions { run, add_pending_call, check_signals, .. } = functions;
        let request = format!(
            "print ((int (*)(void *, void *)) {add_pending_call})((void *) {check_signals}, (void *) 0)\n\
             tbreak *{check_signals}\ncontinue &"
        );
        let is_hit = |line: &str| line.contains("emporary breakpoint") && line.contains(", 0x");
        let said = self.call(&request, soon())?;
        if !said.iter().any(|line| is_hit(line)) && !self.hears(is_hit, deadline)? {
            self.send("interrupt\n")?;
            // stopped again, so that the breakpoint can be taken out
            while let Some(line) = self.next_line(soon())? {
                if line.contains("received signal") || line.contains("stopped") {
                    break;
                }
            }
            self.say("delete", soon())?;
            return Err(Failure::NoSafePlace);
        }
        let (stack, text) = self.push(process, script)?;
        let said = self.call(&format!("print ((int (*)(const char *)) {run})((const char *) {text})"), deadline);
        self.say(&format!("set $sp = {stack}"), soon())?;
        ran(&said?)
    }

    /// Puts what is to be run below the stack of the selected thread; the stack pointer, and where the text is.
    fn push(&mut self, process: Process, script: &str) -> Step<(u64, u64)> {
        let said = self.say("printf \"stack=%lu\\n\", (unsigned long) $sp", soon())?;
        let stack = said.iter().find_map(|line| line.split("stack=").nth(1)?.trim().parse::<u64>().ok());
        let stack = stack.ok_or_else(|| Failure::Other(format!("gdb knows no stack: {}", said.join(" "))))?;
        let text = (stack - ROOM) & !15;
        // the text itself and not its path: a file that is opened here would leave a warning behind in `__main__`
        let code = format!("exec({}, {{}})\0", serde_json::Value::from(script));
        if code.len() as u64 > ROOM - RED_ZONE {
            return Err(Failure::Other("the script is too long for the stack".to_owned()));
        }
        ProcessMemory(process.0)
            .write(text, code.as_bytes())
            .map_err(|cause| Failure::Other(format!("the stack cannot be written: {cause}")))?;
        self.say(&format!("set $sp = {}", text - ROOM), soon())?;
        Ok((stack, text))
    }

    /// Runs commands that call functions of the process. When they take too long, gdb is interrupted and unwinds the call.
    fn call(&mut self, commands: &str, deadline: Instant) -> Step<Vec<String>> {
        let mark = self.send_marked(commands)?;
        match self.until(mark, deadline) {
            Err(Failure::TooLong) => {
                let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT);
                let said = self.until(mark, soon())?;
                Err(Failure::Other(format!("the call did not return in time: {}", said.join(" "))))
            }
            said => said,
        }
    }

    /// Runs commands and returns what they print.
    fn say(&mut self, commands: &str, deadline: Instant) -> Step<Vec<String>> {
        let mark = self.send_marked(commands)?;
        self.until(mark, deadline)
    }

    fn send_marked(&mut self, commands: &str) -> Step<u32> {
        self.mark += 1;
        let mark = self.mark;
        self.send(&format!("{commands}\necho retainers-mark-{mark}\\n\n"))?;
        Ok(mark)
    }

    fn send(&mut self, commands: &str) -> Step<()> {
        let gone = || Failure::Other("gdb has ended".to_owned());
        let input = self.commands.as_mut().ok_or_else(gone)?;
        input.write_all(commands.as_bytes()).and_then(|()| input.flush()).map_err(|_| gone())
    }

    fn until(&mut self, mark: u32, deadline: Instant) -> Step<Vec<String>> {
        let mark = format!("retainers-mark-{mark}");
        let mut said = Vec::new();
        loop {
            match self.next_line(deadline)? {
                None => return Err(Failure::TooLong),
                Some(line) if line.ends_with(&mark) => return Ok(said),
                Some(line) => said.push(line),
            }
        }
    }

    /// Waits for a line of a kind; whether it came in time.
    fn hears(&mut self, is_it: impl Fn(&str) -> bool, deadline: Instant) -> Step<bool> {
        while Instant::now() < deadline && !self.is_over.load(Ordering::Relaxed) {
            if self.next_line(deadline.min(Instant::now() + TICK))?.is_some_and(|line| is_it(&line)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_line(&mut self, deadline: Instant) -> Step<Option<String>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::Other("gdb has ended".to_owned())),
        }
    }

    /// Lets the process go, and ends gdb: by word, then by signals, the last of which it cannot ignore.
    fn leave(&mut self) {
        let _ = self.send("delete\ndetach\nquit\n");
        self.commands = None;
        let pid = Pid::from_raw(self.child.id().cast_signed());
        for signal in [None, Some(Signal::SIGINT), Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
            if let Some(signal) = signal {
                let _ = kill(pid, signal);
            }
            if matches!(self.child.wait_timeout(Duration::from_secs(5)), Ok(Some(_)) | Err(_)) {
                break;
            }
        }
    }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Whether a call of `PyRun_SimpleString` returned 0.
fn ran(said: &[String]) -> Step<()> {
    if said.iter().any(|line| line.trim_end().ends_with("= 0")) {
        Ok(())
    } else {
        Err(Failure::Other(format!("gdb could not run the script: {}", said.join(" ").trim())))
    }
}

/// Whether a thread in this system call waits for something, and is in the middle of nothing else.
pub fn is_waiting(system_call: u64) -> bool {
    WAITING.contains(&system_call)
}

/// Numbers of read, poll, select, pause, nanosleep, connect, accept, recvfrom, recvmsg, wait4, msgrcv, flock,
/// `rt_sigtimedwait`, `rt_sigsuspend`, futex, `io_getevents`, `restart_syscall`, semtimedop, `clock_nanosleep`, `epoll_wait`,
/// `mq_timedreceive`, waitid, pselect6, ppoll, `epoll_pwait`, accept4, recvmmsg, `epoll_pwait2`, `futex_waitv`, `futex_wait`.
#[cfg(target_arch = "x86_64")]
const WAITING: [u64; 30] = [
    0, 7, 23, 34, 35, 42, 43, 45, 47, 61, 70, 73, 128, 130, 202, 208, 219, 220, 230, 232, 243, 247, 270, 271, 281, 288,
    299, 441, 449, 455,
];

/// Numbers of the same calls in the table that newer architectures share, as far as it has them.
#[cfg(not(target_arch = "x86_64"))]
const WAITING: [u64; 25] = [
    4, 22, 32, 63, 72, 73, 95, 98, 101, 115, 128, 133, 137, 183, 188, 192, 202, 203, 207, 212, 242, 243, 260, 441, 449,
];
