//! `retainers watch`: a process is sampled, shown, judged, and dumped on the way; or a file of samples is judged.
//!
//! Exit codes as everywhere: 0 it holds (no growth, or too short to tell), 1 growth, 2 failure.

#[cfg(target_os = "linux")]
mod dumps;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::args::{SearchArguments, WatchArguments};
use super::output::{draw_plots, print_report, tell_written};
use super::{answer_options, files, growth};
use crate::analysis::growth::GrowthOptions;
use crate::counts::{bytes_text, counted, parse_bytes};
use crate::error::{Error, Result};
use crate::report::{Block, Report, Span, Tone};
use crate::watch::mprof;
use crate::watch::series::Series;
use crate::watch::verdict::{Outcome, Verdict, duration_text};

/// When a heap dump is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpWhen {
    /// When the memory grows.
    Growth,
    /// Once it is above so many bytes.
    Above(u64),
}

impl DumpWhen {
    /// Parses `growth` or `rss>2GiB`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        if text == "growth" {
            return Ok(Self::Growth);
        }
        let size = text.strip_prefix("rss>").and_then(|size| parse_bytes(size.trim()));
        size.map(Self::Above).ok_or_else(|| "expected `growth`, or a size such as `rss>2GiB`".to_owned())
    }
}

/// Parses `90s`, `10m`, `2h`, `0`; `500ms` too.
///
/// # Errors
/// It is no time, or longer than ten years.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let failed = || "expected a time such as 90s, 10m or 2h".to_owned();
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(failed()),
    };
    let seconds = number.parse::<f64>().map_err(|_| failed())? * factor;
    if seconds > LONGEST {
        return Err("this is longer than ten years".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| failed())
}

/// Seconds that may be asked for.
const LONGEST: f64 = 3650.0 * 86_400.0;

/// Parses the time between samples.
///
/// # Errors
/// It is no time, or too short to sample in.
pub fn interval(text: &str) -> std::result::Result<Duration, String> {
    let interval = duration(text)?;
    if interval < Duration::from_millis(10) {
        return Err("at least 10ms: more often, sampling is what would be measured".to_owned());
    }
    Ok(interval)
}

/// Bytes of a file of samples.
const LARGEST_FILE: u64 = 2 << 30;

/// What was watched.
struct Watched {
    series: Series,
    /// Dumps that were written.
    dumps: Vec<PathBuf>,
    /// How it ended, and what went wrong on the way.
    notes: Vec<String>,
    /// Name of the files, without extension.
    name: String,
    pid: Option<i32>,
}

/// Watches, or reads; judges, prints and draws.
pub fn run(asked: &WatchArguments) -> Result<ExitCode> {
    let file = asked.target.as_deref().filter(|target| target.parse::<i32>().is_err());
    let (watched, directory) = match file {
        Some(file) => (read(Path::new(file))?, asked.output.as_deref()),
        None => {
            let directory = asked.output.as_deref().unwrap_or(Path::new("."));
            files::make_directory(directory)?; // before hours of watching
            (watch(asked, directory)?, Some(directory))
        }
    };
    let verdict = watched.series.verdict();
    let mut report = report(&watched, &verdict);
    if let Some(directory) = directory {
        files::make_directory(directory)?;
        if file.is_none() {
            let path = directory.join(format!("{}.dat", watched.name));
            files::write_whole(&path, |out| out.write_all(mprof::write(&watched.series).as_bytes()))?;
            tell_written(&[path], &asked.common);
        }
        tell_written(&draw_plots(&report, directory)?, &asked.common);
    }
    let compared = compare(&watched, asked)?;
    if let (Some((grown, _)), true) = (&compared, asked.json) {
        report.data["growth"] = grown.data.clone();
    }
    print_report(&report, asked.json, &asked.common)?;
    if let Some((grown, progress)) = &compared {
        if !asked.json {
            print_report(grown, false, &asked.common)?;
        }
        if let Some(directory) = directory {
            growth::draw(grown, directory, progress, &asked.common)?;
        }
    }
    Ok(if verdict.outcome == Outcome::Growth { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

type Compared = Option<(Report, std::sync::Arc<crate::progress::Progress>)>;

/// What grew from dump to dump, where there are two.
fn compare(watched: &Watched, asked: &WatchArguments) -> Result<Compared> {
    if watched.dumps.len() < 2 {
        return Ok(None);
    }
    let options = GrowthOptions { chains: answer_options(&SearchArguments::default())?, ..GrowthOptions::default() };
    let limit = if asked.limit == 0 { usize::MAX } else { asked.limit };
    let (report, _, progress) = growth::compare(&watched.dumps, &options, limit, &asked.common)?;
    Ok(Some((report, progress)))
}

fn read(path: &Path) -> Result<Watched> {
    let failed = |cause| Error::Open { path: path.to_owned(), cause };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > LARGEST_FILE {
        return Err(Error::TooLarge { what: "bytes of samples", count: size, limit: LARGEST_FILE });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let series = mprof::read(&bytes)?;
    let name = path.file_stem().map_or_else(|| "watch".to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(Watched { series, dumps: Vec::new(), notes: Vec::new(), name, pid: None })
}

#[cfg(target_os = "linux")]
fn watch(asked: &WatchArguments, directory: &Path) -> Result<Watched> {
    running::watch(asked, directory)
}

#[cfg(not(target_os = "linux"))]
fn watch(_: &WatchArguments, _: &Path) -> Result<Watched> {
    let reason = "watching a process needs Linux (/proc); samples that `mprof` wrote are judged everywhere: retainers watch \
                  FILE.dat";
    Err(Error::Usage(reason.to_owned()))
}

fn report(watched: &Watched, verdict: &Verdict) -> Report {
    let series = &watched.series;
    let mut report = Report::default();
    let of = watched.pid.map_or_else(|| watched.name.clone(), |pid| format!("process {pid}"));
    let tone = if verdict.outcome == Outcome::Growth { Tone::Target } else { Tone::Number };
    report.blocks.push(Block::Headline(vec![Span::plain(format!("{of}: ")), Span::new(tone, verdict.words())]));
    let line = |text: String| Block::Line(vec![Span::plain(format!("  {text}"))]);
    report.blocks.extend(verdict.evidence.iter().cloned().map(line));
    report.blocks.push(line(facts(series)));
    if !series.captures.is_empty() {
        let seconds: f64 = series.captures.iter().map(|capture| capture.to - capture.from).sum();
        report.blocks.push(line(format!(
            "{} taken meanwhile: these {seconds:.1} s, and memory that a capture left behind, are not judged",
            counted(series.captures.len() as u64, "heap dump"),
        )));
    }
    report.blocks.extend(watched.notes.iter().cloned().map(Block::Note));
    report.plots.push(series.plot(&watched.name, verdict));
    report.data = data(watched, verdict);
    report
}

/// How much memory there was, in words.
fn facts(series: &Series) -> String {
    let totals = || series.samples.iter().map(crate::watch::series::Sample::total);
    let bytes = |bytes: Option<u64>| bytes_text(bytes.unwrap_or(0));
    let children = series.samples.iter().map(|sample| sample.children).max().unwrap_or(0);
    let mut text = format!(
        "{} over {}: at first {}, at most {}, at last {}",
        counted(series.samples.len() as u64, "sample"),
        duration_text(series.seconds()),
        bytes(totals().next()),
        bytes(totals().max()),
        bytes(totals().next_back()),
    );
    if let Some(unique) = series.samples.iter().rev().find_map(|sample| sample.unique) {
        text.push_str(&format!(" ({} of the process alone)", bytes_text(unique)));
    }
    if children > 0 {
        text.push_str(&format!("; up to {children} child processes are counted in, pages that several share for each"));
    }
    text
}

fn data(watched: &Watched, verdict: &Verdict) -> serde_json::Value {
    let series = &watched.series;
    let start = series.start();
    let an_hour = verdict.slope.map(|slope| [slope.middle, slope.low, slope.high].map(|rate| (rate * 3_600.0).round()));
    serde_json::json!({
        "schema": 1,
        "pid": watched.pid,
        "command": series.command,
        "outcome": verdict.outcome,
        "bytes_per_hour": an_hour.map(|[middle, low, high]| serde_json::json!({
            "middle": middle, "low": low, "high": high, "confidence": 0.95,
        })),
        "evidence": verdict.evidence,
        "started": start,
        "seconds": series.seconds(),
        "samples": series.samples.iter().map(|sample| serde_json::json!({
            "at": sample.at - start,
            "resident": sample.resident,
            "unique": sample.unique,
            "swap": sample.swap,
            "of_children": sample.of_children,
            "children": sample.children,
        })).collect::<Vec<_>>(),
        "captures": series.captures.iter().map(|capture| serde_json::json!({
            "from": capture.from - start, "to": capture.to - start,
        })).collect::<Vec<_>>(),
        "dumps": watched.dumps.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "notes": watched.notes,
    })
}
