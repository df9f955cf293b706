//! Which process is meant? What a person types is often the number of a wrapper (`timeout`, `tini`, a shell, a server's master
//! process), or only a name.

use std::fs;

use nix::unistd::Pid;

use super::interpreter::{Interpreter, Version};
use super::memory::ProcessMemory;
use super::process::Process;

/// A process that runs Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonProcess {
    /// Its number in our pid namespace.
    pub pid: i32,
    /// What was run, words separated by spaces; foreign text.
    pub command: String,
    /// The version of the interpreter, where that can be known.
    pub version: Option<Version>,
}

/// Processes that are looked at: more are nonsense.
const MOST: usize = 1 << 16;

/// What is found of a process.
enum Look {
    Python(PythonProcess),
    /// It is none, or has ended.
    Other,
    /// We may not look into it.
    Forbidden,
}

/// Python processes, and how many others could not be looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// In the order of their numbers.
    pub pythons: Vec<PythonProcess>,
    /// Processes that may be meant, but may not be looked into.
    pub forbidden: usize,
}

impl Family {
    /// Of what descends from a process, without itself.
    pub fn below(pid: i32) -> Self {
        Self::of(descendants(Process(Pid::from_raw(pid))).into_iter())
    }

    /// Of all processes whose command line contains a text; without this one.
    pub fn named(name: &str) -> Self {
        let own = Pid::this();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
        let has_name = |process: &Process| process.0 != own && process.command_line().contains(name);
        Self::of(numbers.map(Process).filter(has_name))
    }

    fn of(processes: impl Iterator<Item = Process>) -> Self {
        let mut family = Self::default();
        for process in processes {
            match look(process) {
                Look::Python(python) => family.pythons.push(python),
                Look::Forbidden => family.forbidden += 1,
                Look::Other => {}
            }
        }
        family.pythons.sort_by_key(|python| python.pid);
        family
    }
}

/// Whether a process runs Python.
pub fn is_python(pid: i32) -> bool {
    matches!(look(Process(Pid::from_raw(pid))), Look::Python(_))
}

fn look(process: Process) -> Look {
    let mappings = match process.mappings() {
        Ok(mappings) => mappings,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Look::Forbidden,
        Err(_) => return Look::Other,
    };
    match Interpreter::find(&ProcessMemory(process.0), &mappings) {
        Some(found) => Look::Python(PythonProcess {
            pid: process.0.as_raw(),
            command: process.command_line(),
            version: found.version,
        }),
        None => Look::Other,
    }
}

/// All that descends from a process, parents before children.
fn descendants(process: Process) -> Vec<Process> {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied().filter(|_| found.len() < MOST) {
        found.extend(parent.children());
        next += 1;
    }
    found.split_off(1)
}
