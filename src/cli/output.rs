//! Answers become text, JSON and files.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::args::{Ask, Colour, Common, OutputFormat, Renderer};
use super::bar::Bar;
use super::files;
use crate::error::{Error, Result};
use crate::present::label::visible;
use crate::present::{DRAWINGS, Drawing, json, plot, png, text};
use crate::progress::{Phase, Progress};
use crate::report::{Picture, Report};

/// Writes the answer in the formats that were asked for.
pub(super) fn present(ask: &Ask, report: &Report, progress: &Arc<Progress>) -> Result<()> {
    let wants = |format| ask.question.format.contains(&format);
    let printed = if wants(OutputFormat::Text) {
        print_text(report, ask.question.common.color)
    } else if wants(OutputFormat::Json) {
        let mut out = BufWriter::new(io::stdout().lock());
        json::write(report, &mut out).and_then(|()| out.flush())
    } else {
        Ok(())
    };
    // whoever reads the answer may have had enough of it; the files are wanted all the same
    printed
        .or_else(|cause| if cause.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(Error::Output(cause)) })?;
    if ask.question.no_files {
        return Ok(());
    }
    let bar = Bar::watch(progress, ask.question.common.quiet);
    progress.start(Phase::Draw, report.pictures.len() as u64);
    let written = write_files(ask, report, progress);
    drop(bar);
    tell_written(&written?, &ask.question.common);
    Ok(())
}

fn print_text(report: &Report, colour: Colour) -> io::Result<()> {
    let stdout = io::stdout().lock();
    let choice = match colour {
        Colour::Auto => anstream::AutoStream::choice(&stdout),
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    let layout = text::Layout {
        width: stdout.is_terminal().then(terminal_width).flatten(),
        colour: choice != anstream::ColorChoice::Never,
    };
    let mut out = BufWriter::new(stdout);
    text::write(report, layout, &mut out).and_then(|()| out.flush())
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Writes the pictures, and the JSON when text took standard output. Returns what was written.
fn write_files(ask: &Ask, report: &Report, progress: &Progress) -> Result<Vec<PathBuf>> {
    let drawings: Vec<&Drawing> =
        DRAWINGS.iter().filter(|drawing| ask.question.format.contains(&format_of(drawing))).collect();
    let json_too =
        ask.question.format.contains(&OutputFormat::Json) && ask.question.format.contains(&OutputFormat::Text);
    if (report.pictures.is_empty() || drawings.is_empty()) && !json_too {
        return Ok(Vec::new());
    }
    files::make_directory(&ask.output)?;
    let mut written = Vec::new();
    if json_too {
        let path = ask.output.join("retainers.json");
        files::write_whole(&path, |out| json::write(report, out))?;
        written.push(path);
    }
    written.extend(draw_pictures(report, &drawings, &ask.output, progress, &|drawing, picture| {
        draw(ask, drawing, picture)
    })?);
    Ok(written)
}

/// Draws every picture in every way, side by side. Returns the files.
fn draw_pictures(
    report: &Report,
    drawings: &[&Drawing],
    directory: &Path,
    progress: &Progress,
    draw: &(dyn Fn(&Drawing, &Picture) -> Result<Vec<u8>> + Sync),
) -> Result<Vec<PathBuf>> {
    let drawn: Vec<Vec<PathBuf>> = report
        .pictures
        .par_iter()
        .map(|picture| {
            let write = |drawing: &&Drawing| {
                let path = directory.join(format!("{}.{}", picture.name, drawing.extension));
                let bytes = draw(drawing, picture)?;
                files::write_whole(&path, |out| out.write_all(&bytes))?;
                Ok(path)
            };
            let paths: Result<Vec<PathBuf>> = drawings.iter().map(write).collect();
            progress.advance(1);
            paths
        })
        .collect::<Result<_>>()?;
    Ok(drawn.into_iter().flatten().collect())
}

fn format_of(drawing: &Drawing) -> OutputFormat {
    match drawing.extension {
        "dot" => OutputFormat::Dot,
        "svg" => OutputFormat::Svg,
        _ => OutputFormat::Png,
    }
}

/// Seconds that the system's `dot` may take for a picture.
const GRAPHVIZ_LIMIT: Duration = Duration::from_secs(20);

fn draw(ask: &Ask, drawing: &Drawing, picture: &Picture) -> Result<Vec<u8>> {
    if ask.question.renderer == Renderer::Graphviz
        && let Some(by_graphviz) = drawing.by_graphviz
    {
        match by_graphviz(picture, GRAPHVIZ_LIMIT) {
            Ok(bytes) => return Ok(bytes),
            Err(reason) => {
                anstream::eprintln!("retainers: {}; drawn by the embedded renderer", visible(&reason));
            }
        }
    }
    (drawing.write)(picture).map_err(|reason| Error::Draw { name: picture.name.clone(), reason })
}

/// Draws the chains of an answer about a whole dump.
pub(super) fn draw_whole_pictures(report: &Report, directory: &Path, progress: &Progress) -> Result<Vec<PathBuf>> {
    let drawings = [&DRAWINGS[0], &DRAWINGS[2]];
    draw_pictures(report, &drawings, directory, progress, &|drawing, picture| {
        (drawing.write)(picture).map_err(|reason| Error::Draw { name: picture.name.clone(), reason })
    })
}

/// Draws the plots of an answer, each as SVG and PNG.
pub(super) fn draw_plots(report: &Report, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for plot in &report.plots {
        let failed = |reason| Error::Draw { name: plot.name.clone(), reason };
        let svg = plot::write(plot).map_err(failed)?;
        let png = png::write(&svg).map_err(failed)?;
        for (extension, bytes) in [("svg", svg.into_bytes()), ("png", png)] {
            let path = directory.join(format!("{}.{extension}", plot.name));
            files::write_whole(&path, |out| out.write_all(&bytes))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Says which files were written.
pub(super) fn tell_written(written: &[PathBuf], common: &Common) {
    for path in written.iter().filter(|_| !common.quiet) {
        anstream::eprintln!("wrote {}", visible(&path.display().to_string()));
    }
}

/// Prints a report that has no pictures.
pub(super) fn print_report(report: &Report, as_json: bool, common: &Common) -> Result<()> {
    let printed = if as_json {
        let mut out = BufWriter::new(io::stdout().lock());
        json::write(report, &mut out).and_then(|()| out.flush())
    } else {
        print_text(report, common.color)
    };
    printed.map_err(Error::Output)
}

/// Prints bytes as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<ExitCode> {
    io::stdout().lock().write_all(bytes).map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}
