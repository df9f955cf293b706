//! The system's Graphviz, for those who prefer its drawings: `dot -Tsvg` and `dot -Tpng` with a time limit.
//!
//! Everything goes through pipes, nothing through a shell. The limit is not a formality: on graphs of several hundred
//! objects `dot` can need minutes.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wait_timeout::ChildExt;

/// What Graphviz is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `-Tsvg`
    Svg,
    /// `-Tpng`
    Png,
}

/// Draws a graph in the DOT language with the system's `dot`.
///
/// # Errors
///
/// When there is no `dot`, when it does not finish within the limit, and when it reports failure or draws nothing; the
/// words say which, with what `dot` said.
pub fn render(dot: &str, format: Format, limit: Duration) -> Result<Vec<u8>, String> {
    render_with("dot", dot, format, limit)
}

/// The same with another program in the place of `dot`.
fn render_with(program: &str, dot: &str, format: Format, limit: Duration) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .arg(format.argument())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(program, &error))?;
    let writer = feed(&mut child, dot.to_owned());
    let drawing = collect(child.stdout.take());
    let complaints = collect(child.stderr.take());
    let status = wait(&mut child, limit)?;
    if let Some(writer) = writer {
        let _ = writer.join(); // a `dot` that stops reading says why on stderr
    }
    let drawing = drawing.join().unwrap_or_default();
    let complaints = complaints.join().unwrap_or_default();
    match status.success() && !drawing.is_empty() {
        true => Ok(drawing),
        false => Err(failed(status, &complaints)),
    }
}

impl Format {
    const fn argument(self) -> &'static str {
        match self {
            Self::Svg => "-Tsvg",
            Self::Png => "-Tpng",
        }
    }
}

/// Waits for the end of `dot`, or brings it about.
fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let ended = child.wait_timeout(limit);
    if !matches!(ended, Ok(Some(_))) {
        let _ = child.kill(); // it may have ended by itself in the meantime
        let _ = child.wait();
    }
    match ended {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err(format!("Graphviz did not finish within {limit:?}")),
        Err(error) => Err(format!("cannot wait for Graphviz: {error}")),
    }
}

/// Writes to the child from a thread, so that a full pipe blocks nobody.
fn feed(child: &mut Child, dot: String) -> Option<JoinHandle<()>> {
    let mut pipe = child.stdin.take()?;
    Some(thread::spawn(move || {
        let _ = pipe.write_all(dot.as_bytes()); // a broken pipe shows in the exit status
    }))
}

/// Reads a pipe to its end in a thread.
fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes); // what came before an error is still worth showing
        }
        bytes
    })
}

fn not_started(program: &str, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("`{program}` not found: install Graphviz, or use the built-in renderer"),
        _ => format!("cannot start `{program}`: {error}"),
    }
}

/// Says what `dot` said: its first lines, made visible.
fn failed(status: ExitStatus, complaints: &[u8]) -> String {
    let complaints = String::from_utf8_lossy(complaints);
    let words = super::label::lines(complaints.trim(), 4).join("; ");
    match words.is_empty() {
        true => format!("Graphviz failed ({status})"),
        false => format!("Graphviz failed ({status}): {}", super::label::head(&words, 600)),
    }
}
