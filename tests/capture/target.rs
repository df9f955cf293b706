//! Python programs that run until they are told to say what has become of them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::skipped;

/// A CPython of the machine.
#[derive(Debug, Clone)]
pub(super) struct Python {
    pub(super) path: PathBuf,
    pub(super) minor: u32,
}

/// One CPython of each version from 3.8 on: those in `RETAINERS_TEST_PYTHONS` (separated by colons), on the path, and under
/// pyenv; oldest first.
pub(super) static PYTHONS: LazyLock<Vec<Python>> = LazyLock::new(|| {
    let mut found: Vec<Python> = candidates().into_iter().filter_map(python).collect();
    found.sort_by_key(|python| python.minor);
    found.dedup_by_key(|python| python.minor);
    let minors: Vec<String> = found.iter().map(|python| format!("3.{}", python.minor)).collect();
    if minors.len() < 7 {
        skipped("captures on some versions", &format!("of CPython there is only {}", minors.join(", ")));
    }
    found
});

fn candidates() -> Vec<PathBuf> {
    let split = |name: &str| std::env::var_os(name).map(|value| std::env::split_paths(&value).collect::<Vec<_>>());
    let mut found = split("RETAINERS_TEST_PYTHONS").unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    if let Some(versions) = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) {
        found.extend(versions.flatten().map(|version| version.path().join("bin/python3")));
    }
    for directory in split("PATH").unwrap_or_default() {
        found.extend((8..20).map(|minor| directory.join(format!("python3.{minor}"))));
        found.push(directory.join("python3"));
    }
    found
}

fn python(path: PathBuf) -> Option<Python> {
    let ask = "import sys, platform; print(platform.python_implementation(), sys.version_info[1], sys.executable)";
    let output = path.exists().then(|| Command::new(&path).args(["-c", ask]).output().ok())??;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.trim().splitn(3, ' ');
    if words.next()? != "CPython" {
        return None;
    }
    let minor = words.next()?.parse().ok()?;
    // a wrapper of a version manager would be another process than the interpreter
    (minor >= 8).then_some(Python { path: PathBuf::from(words.next()?), minor })
}

/// A running program; it is ended when this is dropped.
pub(super) struct Target {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Target {
    pub(super) fn start(python: &Path, state: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capture/target.py");
        let mut child = Command::new(python).arg(script).arg(state).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, output }
    }

    pub(super) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// A line of `/proc/PID/status`.
    pub(super) fn status(&self, key: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.trim().to_owned()
    }

    /// Has the program say what has changed in it, and end.
    pub(super) fn tell(mut self) -> Value {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
