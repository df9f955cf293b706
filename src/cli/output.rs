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
use crate::present::{DRAWINGS, Drawing, icicle, json, plot, png, text};
use crate::progress::{Phase, Progress};
use crate::report::{Picture, Plot, Report};

/// Says something on standard error, where it can be heard.
pub(super) fn tell(text: &str) {
    // whoever closed it, or filled its disk, does not want to hear it
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A remark on standard error, unless they are not wanted.
pub(super) fn remark(text: &str, is_quiet: bool) {
    if !is_quiet {
        tell(&format!("note: {}", visible(text)));
    }
}

/// Where drawings go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// All of them into a directory.
    Directory(&'a Path),
    /// One into the file that was named, drawn as its name ends.
    File(&'a Path, &'static str),
}

impl<'a> Place<'a> {
    /// What a path names: a file where it ends as drawings (or JSON) do and is no directory.
    pub(super) fn of(path: &'a Path) -> Self {
        let ending = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let known = ["dot", "svg", "png", "json"].into_iter().find(|known| ending.eq_ignore_ascii_case(known));
        match known {
            Some(ending) if !path.is_dir() => Self::File(path, ending),
            _ => Self::Directory(path),
        }
    }
}

/// Where the main question leaves pictures unless told otherwise.
const USUAL_PLACE: &str = ".";

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
    let written = match Place::of(&ask.output) {
        Place::Directory(directory) => write_files(ask, report, directory, progress),
        Place::File(path, ending) => write_one(ask, report, path, ending).map(|path| (path, None)),
    };
    drop(bar);
    let (written, failed) = written?;
    tell_written(&written, &ask.question.common);
    match failed {
        // nobody asked for pictures here: the answer stands
        Some(error) if ask.output == Path::new(USUAL_PLACE) => {
            let words = format!("not all pictures were left here: {} (-o names another directory)", words_of(&error));
            remark(&words, ask.question.common.quiet);
            Ok(())
        }
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// An error and its causes.
pub(super) fn words_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
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

/// Files that were written, and why others were not.
type Written = (Vec<PathBuf>, Option<Error>);

/// Writes the pictures, and the JSON when text took standard output.
fn write_files(ask: &Ask, report: &Report, directory: &Path, progress: &Progress) -> Result<Written> {
    let drawings: Vec<&Drawing> =
        DRAWINGS.iter().filter(|drawing| ask.question.format.contains(&format_of(drawing))).collect();
    let json_too =
        ask.question.format.contains(&OutputFormat::Json) && ask.question.format.contains(&OutputFormat::Text);
    if (report.pictures.is_empty() || drawings.is_empty()) && !json_too {
        return Ok((Vec::new(), None));
    }
    files::make_directory(directory)?;
    let mut written = Vec::new();
    if json_too {
        let path = directory.join("retainers.json");
        files::write_whole(&path, |out| json::write(report, out))?;
        written.push(path);
    }
    let (pictures, failed) =
        draw_pictures(report, &drawings, directory, progress, &|drawing, picture| draw(ask, drawing, picture));
    written.extend(pictures);
    Ok((written, failed))
}

/// Writes what the file is to have by its name: the picture of all ways together where there are several, or the JSON.
fn write_one(ask: &Ask, report: &Report, path: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if ending == "json" {
        files::write_whole(path, |out| json::write(report, out))?;
        return Ok(vec![path.to_owned()]);
    }
    let Some(picture) = together(report) else {
        remark("there is nothing to draw", ask.question.common.quiet);
        return Ok(Vec::new());
    };
    write_picture(picture, path, ending, &|drawing, picture| draw(ask, drawing, picture))
}

/// The picture that shows most: all ways together come last.
fn together(report: &Report) -> Option<&Picture> {
    let last = report.pictures.last()?;
    if last.is_merged { Some(last) } else { report.pictures.first() }
}

fn write_picture(
    picture: &Picture,
    path: &Path,
    ending: &str,
    draw: &(dyn Fn(&Drawing, &Picture) -> Result<Vec<u8>> + Sync),
) -> Result<Vec<PathBuf>> {
    let Some(drawing) = DRAWINGS.iter().find(|drawing| drawing.extension == ending) else {
        return Err(Error::Usage(format!("no picture is drawn into a file that ends in `.{ending}`")));
    };
    let bytes = draw(drawing, picture)?;
    files::write_whole(path, |out| out.write_all(&bytes))?;
    Ok(vec![path.to_owned()])
}

/// Draws every picture in every way, side by side: those that can be written.
fn draw_pictures(
    report: &Report,
    drawings: &[&Drawing],
    directory: &Path,
    progress: &Progress,
    draw: &(dyn Fn(&Drawing, &Picture) -> Result<Vec<u8>> + Sync),
) -> Written {
    let one = |drawing: &Drawing, picture: &Picture| {
        let path = directory.join(format!("{}.{}", picture.name, drawing.extension));
        let bytes = draw(drawing, picture)?;
        files::write_whole(&path, |out| out.write_all(&bytes))?;
        Ok(path)
    };
    let of_picture = |picture: &Picture| {
        let drawn: Vec<Result<PathBuf>> = drawings.iter().map(|drawing| one(drawing, picture)).collect();
        progress.advance(1);
        drawn
    };
    let drawn: Vec<Vec<Result<PathBuf>>> = report.pictures.par_iter().map(of_picture).collect();
    let (mut written, mut failed) = (Vec::new(), None);
    for result in drawn.into_iter().flatten() {
        match result {
            Ok(path) => written.push(path),
            Err(error) => _ = failed.get_or_insert(error),
        }
    }
    (written, failed)
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
                tell(&format!("retainers: {}; drawn by the embedded renderer", visible(&reason)));
            }
        }
    }
    (drawing.write)(picture).map_err(|reason| Error::Draw { name: picture.name.clone(), reason })
}

/// Draws an answer about a whole dump: chains, plots and tiles into a directory, or what fits the name into a file.
pub(super) fn draw_whole(report: &Report, place: &Path, progress: &Progress, common: &Common) -> Result<()> {
    match Place::of(place) {
        Place::Directory(directory) => {
            files::make_directory(directory)?;
            draw_all(report, directory, progress, common)
        }
        Place::File(path, ending) => draw_one(report, path, ending, common),
    }
}

fn draw_all(report: &Report, directory: &Path, progress: &Progress, common: &Common) -> Result<()> {
    let drawings = [&DRAWINGS[0], &DRAWINGS[2]];
    let (written, failed) = draw_pictures(report, &drawings, directory, progress, &embedded);
    tell_written(&written, common);
    failed.map_or(Ok(()), Err)?;
    tell_written(&draw_plots(report, directory)?, common);
    for tiles in &report.icicles {
        let path = directory.join(format!("{}.svg", tiles.name));
        files::write_whole(&path, |out| out.write_all(icicle::write(tiles).as_bytes()))?;
        tell_written(&[path], common);
    }
    Ok(())
}

/// Draws what there is most of into one file; tiles and plots are what their answers are about.
fn draw_one(report: &Report, path: &Path, ending: &str, common: &Common) -> Result<()> {
    let drawn = match (ending, report.icicles.first(), report.plots.first(), together(report)) {
        ("json", ..) => Some(json_bytes(report)?),
        ("svg", Some(tiles), ..) => Some(icicle::write(tiles).into_bytes()),
        ("svg" | "png", _, Some(plot), _) => Some(plot_bytes(plot, ending)?),
        (_, _, _, Some(picture)) => {
            return write_picture(picture, path, ending, &embedded).map(|written| tell_written(&written, common));
        }
        (_, Some(_), ..) => return Err(Error::Usage("this is drawn as SVG: -o FILE.svg, or a directory".to_owned())),
        _ => None,
    };
    let Some(bytes) = drawn else {
        remark("there is nothing to draw", common.quiet);
        return Ok(());
    };
    files::write_whole(path, |out| out.write_all(&bytes))?;
    tell_written(&[path.to_owned()], common);
    Ok(())
}

fn json_bytes(report: &Report) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    json::write(report, &mut bytes).map_err(Error::Output)?;
    Ok(bytes)
}

fn embedded(drawing: &Drawing, picture: &Picture) -> Result<Vec<u8>> {
    (drawing.write)(picture).map_err(|reason| Error::Draw { name: picture.name.clone(), reason })
}

fn plot_bytes(plot: &Plot, ending: &str) -> Result<Vec<u8>> {
    let failed = |reason| Error::Draw { name: plot.name.clone(), reason };
    let svg = plot::write(plot).map_err(failed)?;
    if ending == "png" { png::write(&svg).map_err(failed) } else { Ok(svg.into_bytes()) }
}

/// Draws the plots of an answer, each as SVG and PNG.
pub(super) fn draw_plots(report: &Report, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for plot in &report.plots {
        for ending in ["svg", "png"] {
            let path = directory.join(format!("{}.{ending}", plot.name));
            let bytes = plot_bytes(plot, ending)?;
            files::write_whole(&path, |out| out.write_all(&bytes))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Says which files were written.
pub(super) fn tell_written(written: &[PathBuf], common: &Common) {
    for path in written.iter().filter(|_| !common.quiet) {
        tell(&format!("wrote {}", visible(&path.display().to_string())));
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
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}
