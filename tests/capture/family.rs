//! The process that is meant: below a wrapper, below a master process, by a name; and interpreters inside other programs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::target::PYTHONS;
use crate::support::command::{Ran, Workshop};
use crate::support::skipped;

/// Tenths of a second that programs may take to be ready.
const PATIENCE: u32 = 900;

/// Programs in a process group of their own; all of them are ended when this is dropped.
struct Group(Child);

impl Group {
    /// Starts a command and waits until it has said so many lines `ready`.
    fn start(command: &mut Command, lines: usize) -> Self {
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (group, is_ready) = (-child.id().cast_signed(), Arc::new(AtomicBool::new(false)));
        let is_done = Arc::clone(&is_ready);
        std::thread::spawn(move || {
            // a program that never says so must not hang the tests
            for _ in 0..PATIENCE {
                std::thread::sleep(Duration::from_millis(100));
                if is_done.load(Ordering::Relaxed) {
                    return;
                }
            }
            let _ = kill(Pid::from_raw(group), Signal::SIGKILL);
        });
        let ready = output.lines().map_while(Result::ok).filter(|line| line.trim() == "ready").take(lines).count();
        is_ready.store(true, Ordering::Relaxed);
        let group = Self(child);
        assert_eq!(ready, lines);
        group
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // they may have ended by themselves
        let _ = kill(Pid::from_raw(-self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// A program that holds 50 sessions, and starts so many others of its kind.
const PROGRAM: &str = "
import os, subprocess, sys, time
class Session: pass
KEPT = [Session() for _ in range(50)]
below = int(sys.argv[1])
children = [subprocess.Popen([sys.executable, __file__, '0'] + sys.argv[2:]) for _ in range(below)]
os.write(1, b'ready\\n')
time.sleep(600)
";

fn captured(arguments: &[&str]) -> Ran {
    let workshop = Workshop::new();
    workshop.run(&[&["capture"], arguments, &["--type", "Session", "--no-files", "--no-retained"]].concat())
}

fn assert_has_sessions(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("50 __main__.Session are alive"), "{}", ran.stdout);
}

fn python(test: &str) -> Option<PathBuf> {
    let found = PYTHONS.last().map(|python| python.path.clone());
    if found.is_none() {
        skipped(test, "no CPython from 3.8 on");
    }
    found
}

#[test]
fn of_a_wrapper_the_one_python_below_is_captured() {
    let Some(python) = python("capture::family::of_a_wrapper_the_one_python_below_is_captured") else { return };
    let workshop = Workshop::new();
    let program = workshop.write("program.py", PROGRAM);
    let script = "\"$@\"; exit 0";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "wrapper", "timeout", "--foreground", "600"]).arg(&python).arg(&program).arg("0");
    let group = Group::start(&mut shell, 1);
    let ran = captured(&[&group.pid()]);
    assert_has_sessions(&ran);
    let said = format!("note: process {} has one Python process below it: ", group.pid());
    assert!(ran.stderr.contains(&said) && ran.stderr.contains("program.py 0"), "{}", ran.stderr);
    assert_has_sessions(&captured(&[&group.pid(), "--child"]));
}

#[test]
fn of_a_master_process_the_children_are_named() {
    let Some(python) = python("capture::family::of_a_master_process_the_children_are_named") else { return };
    let workshop = Workshop::new();
    let program = workshop.write("program.py", PROGRAM);
    let group = Group::start(Command::new(&python).arg(&program).arg("2"), 3);
    let itself = captured(&[&group.pid()]);
    assert_has_sessions(&itself);
    let said = format!("process {} itself is captured, not the 2 Python processes below it", group.pid());
    assert!(itself.stderr.contains(&said), "{}", itself.stderr);
    let child = captured(&[&group.pid(), "--child"]);
    assert_eq!(child.code, 2);
    assert!(child.stderr.contains("2 Python processes are below it; say which"), "{}", child.stderr);
    assert_eq!(child.stderr.matches("program.py 0").count(), 2, "{}", child.stderr);
    // and with one of them, that one is meant
    let one = Group::start(Command::new(&python).arg(&program).arg("1"), 2);
    assert_has_sessions(&captured(&[&one.pid(), "--child"]));
}

#[test]
fn a_process_is_found_by_a_text_in_its_command_line() {
    let Some(python) = python("capture::family::a_process_is_found_by_a_text_in_its_command_line") else { return };
    let workshop = Workshop::new();
    let program = workshop.write("program.py", PROGRAM);
    let name = format!("retainers-test-{}", std::process::id());
    let first = Group::start(Command::new(&python).arg(&program).args(["0", &name]), 1);
    let listed = workshop.run(&["capture", "--name", &name]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 1), "{}", listed.stderr);
    assert!(listed.stdout.trim_start().starts_with(&first.pid()), "{}", listed.stdout);
    assert!(listed.stdout.contains("  CPython 3.") && listed.stdout.contains(&name), "{}", listed.stdout);
    assert_has_sessions(&captured(&["--name", &name]));
    let second = Group::start(Command::new(&python).arg(&program).args(["0", &name]), 1);
    let ran = captured(&["--name", &name]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("2 Python processes have `") && ran.stderr.contains(&second.pid()), "{}", ran.stderr);
    drop((first, second));
    let none = workshop.run(&["capture", "--name", &name]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
    assert!(none.stderr.contains("no Python process has"), "{}", none.stderr);
}

#[test]
fn what_is_no_number_is_told_to_be_a_name() {
    let ran = Workshop::new().run(&["capture", "python", "-o", "heap.jsonl"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--name python"), "{}", ran.stderr);
}

/// A C program with an interpreter inside.
const EMBEDDING: &str = r#"
#include <Python.h>
int main(void)
{
    Py_Initialize();
    PyRun_SimpleString("class Session: pass\nKEPT = [Session() for _ in range(50)]\nimport time\nprint('ready', flush=True)\n"
                       "time.sleep(600)\n");
    return 0;
}
"#;

/// What `python3-config` says for programs that embed this interpreter.
fn configuration(python: &Path, what: &str) -> Option<Vec<String>> {
    let tool = python.with_file_name("python3-config");
    let output = Command::new(tool).args([what, "--embed"]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

#[test]
fn an_interpreter_inside_another_program_is_captured() {
    let name = "capture::family::an_interpreter_inside_another_program_is_captured";
    let workshop = Workshop::new();
    let (source, program) = (workshop.write("program.c", EMBEDDING), workshop.path().join("program"));
    for python in PYTHONS.iter().filter(|python| python.minor < 14) {
        let (Some(compiling), Some(linking)) =
            (configuration(&python.path, "--includes"), configuration(&python.path, "--ldflags"))
        else {
            skipped(name, &format!("3.{} has no `python3-config`", python.minor));
            continue;
        };
        let mut compiler = Command::new("cc");
        compiler.arg("-rdynamic").args(compiling).arg("-o").arg(&program).arg(&source).args(linking);
        if !compiler.output().is_ok_and(|output| output.status.success()) {
            skipped(name, &format!("nothing can be linked with the library of 3.{}", python.minor));
            continue;
        }
        let mut command = Command::new(&program);
        if let Some(home) = python.path.parent().and_then(Path::parent) {
            command.env("PYTHONHOME", home).env("LD_LIBRARY_PATH", home.join("lib"));
        }
        let group = Group::start(&mut command, 1);
        assert_has_sessions(&captured(&[&group.pid()]));
        return;
    }
}

/// A program that others bring: on the path, or in `RETAINERS_TEST_TOOLS`.
fn tool(name: &str) -> Option<PathBuf> {
    let more = std::env::var_os("RETAINERS_TEST_TOOLS").unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&more).chain(std::env::split_paths(&path));
    directories.find_map(|directory| Some(directory.join(name)).filter(|path| path.is_file()))
}

#[test]
fn a_program_that_pyinstaller_made_is_captured() {
    let name = "capture::family::a_program_that_pyinstaller_made_is_captured";
    let Some(tool) = tool("pyinstaller") else { return skipped(name, "no pyinstaller") };
    let workshop = Workshop::new();
    workshop.write("program.py", PROGRAM);
    let mut command = Command::new(tool);
    command.args(["--onefile", "--log-level", "ERROR", "program.py"]).current_dir(workshop.path());
    assert!(command.status().unwrap().success());
    let group = Group::start(Command::new(workshop.path().join("dist/program")).arg("0"), 1);
    assert_has_sessions(&captured(&[&group.pid()]));
}

#[test]
fn a_worker_of_uwsgi_is_captured() {
    let name = "capture::family::a_worker_of_uwsgi_is_captured";
    let Some(tool) = tool("uwsgi") else { return skipped(name, "no uwsgi") };
    let workshop = Workshop::new();
    let program = "class Session: pass\nKEPT = [Session() for _ in range(50)]\nimport uwsgidecorators\n\
                   @uwsgidecorators.postfork\ndef ready(): print('ready', flush=True)\n\
                   def application(environ, start): return [b'']\n";
    let program = workshop.write("program.py", program);
    for threads in [None, Some("--enable-threads")] {
        // it writes to standard error whatever is written in it
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(&tool);
        command.args(["--master", "--processes", "1", "--need-app", "--disable-logging", "--wsgi-file"]).arg(&program);
        command.arg("--socket").arg(workshop.path().join("socket")).args(threads);
        let group = Group::start(&mut command, 1);
        let worker = captured(&[&group.pid(), "--child"]);
        assert_eq!(worker.code, 0, "{threads:?}: {}", worker.stderr);
        assert!(worker.stdout.contains("50 ") && worker.stdout.contains("Session are alive"), "{}", worker.stdout);
    }
}
