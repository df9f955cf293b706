//! What the system knows about a process: `/proc/PID`.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::Pid;

/// A process, by its number in our pid namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub Pid);

/// A part of the address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Address of the first byte.
    pub start: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file, as the process sees it; empty where there is none.
    pub path: String,
}

impl Process {
    /// A file in its directory.
    pub fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// Whether it is there, and no zombie.
    pub fn is_alive(self) -> bool {
        self.status().is_ok_and(|status| !matches!(status.state, 'Z' | 'X'))
    }

    /// `/proc/PID/status`, as far as it is needed.
    ///
    /// # Errors
    /// The process is not there.
    pub fn status(self) -> io::Result<Status> {
        fs::read_to_string(self.file("status")).map(|text| Status::parse(&text))
    }

    /// The parts of the address space, in the order of their addresses.
    ///
    /// # Errors
    /// The process is gone, or may not be looked at.
    pub fn mappings(self) -> io::Result<Vec<Mapping>> {
        fs::read_to_string(self.file("maps")).map(|text| mappings(&text))
    }

    /// The name of its program, for messages.
    pub fn program(self) -> String {
        fs::read_link(self.file("exe")).map_or_else(
            |_| fs::read_to_string(self.file("comm")).unwrap_or_default().trim().to_owned(),
            |path| path.display().to_string(),
        )
    }

    /// The number of the system call that the main thread waits in, while it is stopped; `None` where it is in none, or
    /// where that cannot be known.
    pub fn system_call(self) -> Option<u64> {
        let text = fs::read_to_string(self.file(&format!("task/{}/syscall", self.0))).ok()?;
        text.split_whitespace().next()?.parse().ok()
    }
}

/// Parses `/proc/PID/maps`.
pub fn mappings(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (range, _permissions, offset) = (words.next()?, words.next()?, words.next()?);
    let (start, _) = range.split_once('-')?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        path: words.nth(2).unwrap_or("").trim_start().to_owned(),
    })
}

/// What `/proc/PID/status` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// A letter, such as `Z` for a zombie.
    pub state: char,
    /// User for access to files.
    pub user: u32,
    /// Group for access to files.
    pub group: u32,
    /// The process that traces it; 0 for none.
    pub tracer: u32,
    /// Its number in the innermost pid namespace.
    pub inner_pid: u32,
    /// Capabilities in effect, a bit each.
    pub capabilities: u64,
}

impl Status {
    /// Parses the file; what is not there is 0.
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let mut words = value.split_whitespace();
            let mut last = || words.next_back().and_then(|word| word.parse().ok()).unwrap_or(0);
            match key {
                "State" => status.state = value.trim_start().chars().next().unwrap_or(' '),
                "Uid" => status.user = last(),
                "Gid" => status.group = last(),
                "TracerPid" => status.tracer = last(),
                "NSpid" => status.inner_pid = last(),
                "CapEff" => status.capabilities = u64::from_str_radix(value.trim(), 16).unwrap_or(0),
                _ => {}
            }
        }
        status
    }
}

/// What decides whether we may trace a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rights {
    /// The user that we are.
    pub own_user: u32,
    /// Our capabilities in effect, a bit each.
    pub own_capabilities: u64,
    /// The user that the process is.
    pub user: u32,
    /// The process that traces it already; 0 for none.
    pub tracer: u32,
    /// `kernel.yama.ptrace_scope`; `None` on a kernel without it.
    pub scope: Option<u8>,
}

/// The capability to trace processes of others.
const TRACE_OTHERS: u64 = 1 << 19;

impl Rights {
    /// Ours over a process.
    pub fn over(process: Process) -> Self {
        let own = fs::read_to_string("/proc/self/status").map(|text| Status::parse(&text)).unwrap_or_default();
        let other = process.status().unwrap_or_default();
        let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
        Self {
            own_user: own.user,
            own_capabilities: own.capabilities,
            user: other.user,
            tracer: other.tracer,
            scope: scope.and_then(|text| text.trim().parse().ok()),
        }
    }

    /// Why tracing process `pid` is not permitted, and what to do then.
    pub fn explain(&self, pid: i32) -> String {
        let may_trace_others = self.own_capabilities & TRACE_OTHERS != 0;
        if self.tracer != 0 {
            return format!(
                "process {} is tracing it already (a debugger, strace, or another capture): end that first",
                self.tracer
            );
        }
        if self.scope == Some(3) {
            return format!(
                "kernel.yama.ptrace_scope is 3: no process may look into another until the next boot\n{INSIDE}"
            );
        }
        if may_trace_others {
            return format!(
                "the system forbids it although this user may trace (a security module, or a process of another user \
                 namespace): run it where the process runs, such as `nsenter -t {pid} -U`\n{INSIDE}"
            );
        }
        if self.own_user == 0 {
            return format!(
                "this is root without the capability SYS_PTRACE, as in a container: start the container with `--cap-add \
                 SYS_PTRACE` (Kubernetes: securityContext.capabilities.add: [SYS_PTRACE]), or run it on the host with the \
                 process's number there\n{INSIDE}"
            );
        }
        if self.own_user != self.user {
            return format!(
                "it belongs to user {}, and this is user {}: run `sudo retainers capture {pid} …`, or as that user\n{INSIDE}",
                self.user, self.own_user
            );
        }
        match self.scope {
            Some(2) => format!(
                "kernel.yama.ptrace_scope is 2: only root may look into other processes; run `sudo retainers capture {pid} \
                 …`\n{INSIDE}"
            ),
            Some(1) => format!(
                "kernel.yama.ptrace_scope is 1: a process may only look into those it has started; run `sudo retainers \
                 capture {pid} …`, or `sudo sysctl kernel.yama.ptrace_scope=0` until the next boot\n{INSIDE}"
            ),
            _ => format!(
                "it is marked as not to be looked into (it has changed its user, or holds capabilities): run `sudo retainers \
                 capture {pid} …`\n{INSIDE}"
            ),
        }
    }
}

/// What needs no rights at all.
pub const INSIDE: &str = "without any rights, from within the program: `import retainers; retainers.install(signal=\"SIGUSR2\")`, or copy the \
     file that `retainers agent` prints beside it and call `agent.dump(\"heap.jsonl.gz\")`";
