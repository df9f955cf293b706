//! Which process a command means: by number, by name, or the one below a wrapper.

use std::process::ExitCode;

use super::output::print_bytes;
#[cfg(target_os = "linux")]
use crate::capture::family::{Family, PythonProcess, is_python};
use crate::counts::counted;
use crate::error::{Error, Result};
use crate::present::label::visible;

/// A process that is meant.
pub(super) struct Meant {
    /// Its number in our pid namespace.
    pub(super) pid: i32,
    /// What a person should know of the choice; lines, foreign text made visible.
    pub(super) remarks: Vec<String>,
}

/// Characters of a command line that are shown.
const COMMAND: usize = 100;

/// Finds the process. With `child`, it is below the one that was named, and never that itself.
///
/// # Errors
/// None or several are meant: they are listed.
#[cfg(target_os = "linux")]
pub(super) fn meant(pid: Option<i32>, name: Option<&str>, child: bool) -> Result<Meant> {
    let pid = match (pid, name) {
        (Some(pid), _) => pid,
        (None, name) => named(name.unwrap_or_default(), child)?,
    };
    below(pid, child)
}

/// The process that a number means.
#[cfg(target_os = "linux")]
pub(super) fn below(pid: i32, child: bool) -> Result<Meant> {
    let failed = |reason: String| Err(Error::Capture { pid, reason });
    let is_itself = !child && is_python(pid);
    let family = Family::below(pid);
    match family.pythons.as_slice() {
        [] if child => failed(format!("no Python process is below it{}", forbidden(&family))),
        // whatever it is: the capture itself says what is wrong with it
        [] => Ok(Meant { pid, remarks: Vec::new() }),
        found if is_itself => Ok(Meant {
            pid,
            remarks: vec![format!(
                "process {pid} itself is captured, not the {} below it (--child, or one of {}):\n{}",
                counted(found.len() as u64, "Python process"),
                found.iter().map(|python| python.pid.to_string()).collect::<Vec<_>>().join(", "),
                table(found)
            )],
        }),
        [only] => Ok(Meant {
            pid: only.pid,
            remarks: vec![format!("process {pid} has one Python process below it: {}", row(only).trim_start())],
        }),
        found => failed(format!(
            "{} are below it; say which, by its number:\n{}",
            counted(found.len() as u64, "Python process"),
            table(found)
        )),
    }
}

/// The one process that a name means; of several that are each other's descendants, the topmost where a child is asked for.
#[cfg(target_os = "linux")]
fn named(name: &str, child: bool) -> Result<i32> {
    let family = Family::named(name);
    match family.pythons.as_slice() {
        [] => Err(Error::Usage(format!("no Python process has `{name}` in its command line{}", forbidden(&family)))),
        [only] => Ok(only.pid),
        [first, others @ ..] => {
            let below = Family::below(first.pid);
            if child && others.iter().all(|other| below.pythons.contains(other)) {
                return Ok(first.pid);
            }
            Err(Error::Usage(format!(
                "{} have `{name}` in their command lines; say which, by its number:\n{}",
                counted(family.pythons.len() as u64, "Python process"),
                table(&family.pythons)
            )))
        }
    }
}

/// Prints the Python processes that have a name: a line each. 1 where there are none.
#[cfg(target_os = "linux")]
pub(super) fn list(name: &str) -> Result<ExitCode> {
    let family = Family::named(name);
    if family.forbidden > 0 {
        anstream::eprintln!("note: {}", forbidden(&family).trim_start_matches([' ', '(']).trim_end_matches(')'));
    }
    if family.pythons.is_empty() {
        anstream::eprintln!("no Python process has {} in its command line", visible(name));
        return Ok(ExitCode::from(1));
    }
    print_bytes(format!("{}\n", table(&family.pythons)).as_bytes())
}

#[cfg(target_os = "linux")]
fn forbidden(family: &Family) -> String {
    match family.forbidden {
        0 => String::new(),
        count => format!(" ({} could not be looked into: other users' need `sudo`)", counted(count as u64, "process")),
    }
}

#[cfg(target_os = "linux")]
fn table(pythons: &[PythonProcess]) -> String {
    pythons.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(target_os = "linux")]
fn row(python: &PythonProcess) -> String {
    let version = python.version.map_or_else(|| "CPython".to_owned(), |version| format!("CPython {version}"));
    let mut command: String = python.command.chars().take(COMMAND).collect();
    if command.len() < python.command.len() {
        command.push('…');
    }
    format!("{:>7}  {version}  {}", python.pid, visible(&command))
}

/// Without `/proc`, a number is what it is.
#[cfg(not(target_os = "linux"))]
pub(super) fn meant(pid: Option<i32>, _: Option<&str>, _: bool) -> Result<Meant> {
    let pid = pid.ok_or_else(|| Error::Usage("processes are found by name on Linux only".to_owned()))?;
    Ok(Meant { pid, remarks: Vec::new() })
}

/// Without `/proc`, nothing is found.
#[cfg(not(target_os = "linux"))]
pub(super) fn list(_: &str) -> Result<ExitCode> {
    Err(Error::Usage("processes are found by name on Linux only".to_owned()))
}
