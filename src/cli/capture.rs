//! `retainers capture` and `retainers agent`: dumps of running processes.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::{AgentArguments, Ask, CaptureArguments, Way};
use super::output::print_bytes;
use super::{files, processes, run_ask};
use crate::capture;
use crate::counts::{bytes_text, counted};
use crate::ending;
use crate::error::{Error, Result};
use crate::present::label::visible;
use crate::sink::Sink;

/// Seconds that a capture may take.
const TIMEOUT: u64 = 300;

/// Captures a process, and asks what was asked of it.
pub(super) fn run(asked: CaptureArguments) -> Result<ExitCode> {
    let asks = !(asked.question.types.is_empty() && asked.question.ids.is_empty());
    if asked.output.is_none() && !asks {
        if let Some(name) = &asked.name {
            return processes::list(name);
        }
        let wanted = "say where the dump goes (-o heap.jsonl.zst), or what to ask of it (--type NAME)";
        return Err(Error::Usage(wanted.to_owned()));
    }
    if asks && asked.output.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage("the dump and the answer cannot both go to standard output".to_owned()));
    }
    let meant = processes::meant(asked.pid, asked.name.as_deref(), asked.child)?;
    if !asked.question.common.quiet {
        meant.remarks.iter().for_each(|remark| anstream::eprintln!("note: {remark}"));
    }
    let request = capture::Request {
        pid: meant.pid,
        values: !asked.no_values,
        fork: !asked.no_fork,
        way: match asked.via {
            Way::Auto => None,
            Way::RemoteExec => Some(capture::Way::RemoteExecution),
            Way::Inject => Some(capture::Way::Injection),
        },
        timeout: Duration::from_secs(asked.timeout.unwrap_or(TIMEOUT)),
        patience: asked.timeout.map(Duration::from_secs),
    };
    let started = Instant::now();
    let directory = asked
        .output
        .is_none()
        .then(tempfile::tempdir)
        .transpose()
        .map_err(|cause| Error::Write { path: std::env::temp_dir(), cause })?;
    let dump = match (&directory, &asked.output) {
        (Some(directory), _) => directory.path().join("heap.jsonl.zst"),
        (None, path) => path.clone().unwrap_or_default(),
    };
    // both go when a signal ends us while the question is answered
    let paths = directory.as_ref().map(|directory| [dump.as_path(), directory.path()]);
    let noted = paths.into_iter().flatten().map(|path| ending::temporary(path, || Ok(())));
    let _noted = noted.collect::<io::Result<Vec<_>>>().map_err(|cause| Error::Write { path: dump.clone(), cause })?;
    let captured = capture_into(&dump, &request)?;
    if !asked.question.common.quiet {
        let place = asked.output.as_deref().map(Path::display);
        anstream::eprintln!("{}", visible(&captured_words(&captured, place, started.elapsed())));
        if let Some(zombie) = captured.zombie {
            anstream::eprintln!(
                "note: process {zombie}, which wrote the dump, has ended, but its parent has not noticed"
            );
        }
    }
    if !asks {
        return Ok(ExitCode::SUCCESS);
    }
    let mut question = asked.question;
    question.common.no_index |= directory.is_some();
    run_ask(&Ask { dump: Some(dump), output: asked.pictures, question })
}

/// Captures a process into a file, compressed as its name says.
pub(super) fn capture_into(path: &Path, request: &capture::Request) -> Result<capture::Captured> {
    let fill = |out: &mut dyn Write| {
        let mut sink = Sink::named(path, out).map_err(Error::Output)?;
        let captured = capture::capture(request, &mut sink)?;
        sink.finish().and_then(|out| out.flush()).map_err(Error::Output)?;
        Ok(captured)
    };
    if path.as_os_str() == "-" {
        return fill(&mut BufWriter::new(io::stdout().lock()));
    }
    files::write_private_as(path, |out| {
        fill(out).map_err(|error| match error {
            Error::Output(cause) => Error::Write { path: path.to_owned(), cause },
            other => other,
        })
    })
}

fn captured_words(captured: &capture::Captured, place: Option<std::path::Display<'_>>, took: Duration) -> String {
    let [objects, references, _] = captured.counts;
    let way = match captured.way {
        capture::Way::RemoteExecution => "remote execution",
        capture::Way::Injection => "injected calls",
    };
    let pause = captured.pause.map_or_else(String::new, |pause| format!("; it stood still for {pause:.0?}"));
    let place = place.map_or_else(String::new, |place| format!(" into {place}"));
    format!(
        "captured {}, {} ({}) of {} by {way} in {:.1} s{place}{pause}",
        counted(objects, "object"),
        counted(references, "reference"),
        bytes_text(captured.bytes),
        captured.interpreter,
        took.as_secs_f64()
    )
}

/// Prints the capture agent, or its native core.
pub(super) fn run_agent(asked: &AgentArguments) -> Result<ExitCode> {
    let bytes = if asked.native { capture::native_core() } else { capture::AGENT.as_bytes() };
    if bytes.is_empty() {
        return Err(Error::Usage("this build of retainers carries no native core; the agent does without".to_owned()));
    }
    match &asked.output {
        Some(path) => files::write_whole(path, |out| out.write_all(bytes)).map(|()| ExitCode::SUCCESS),
        None => print_bytes(bytes),
    }
}
