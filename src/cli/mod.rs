//! The command line: what was typed becomes a question, its answer becomes outputs, and the exit code says how it went.

pub mod args;
mod bar;
mod check;
mod files;
mod growth;
mod memory;
mod place;
pub mod watch;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use rayon::prelude::*;

use self::args::{
    AgentArguments, Ask, CaptureArguments, Cli, Colour, Command, Common, CutArguments, Export, IndexArguments,
    ObjectArguments, OutputFormat, RedactArguments, Renderer, SummaryArguments, SuspectsArguments, TreeArguments,
    Whole,
};
use self::bar::Bar;
use self::memory::Need;
use self::place::IndexPlace;
use crate::analysis::chains::{Detail, Options, chains};
use crate::analysis::cut::{Cut, cut_answer};
use crate::analysis::distances::RootChoice;
use crate::analysis::exclude::{ReferencePattern, matching_references};
use crate::analysis::export::{Rows, export};
use crate::analysis::expression::find_references;
use crate::analysis::heap_tree::{TreeOptions, heap_tree};
use crate::analysis::holders::KnownHolders;
use crate::analysis::kept;
use crate::analysis::object::object_page;
use crate::analysis::overview::overview;
use crate::analysis::retaining::Retaining;
use crate::analysis::select::{Query, select};
use crate::analysis::summary;
use crate::analysis::suspects::suspects;
use crate::capture;
use crate::counts::{bytes_text, counted};
use crate::error::{Error, Result};
use crate::format::indexed;
use crate::graph::Heap;
use crate::graph::index::attempt;
use crate::present::label::visible;
use crate::present::{DRAWINGS, Drawing, icicle, json, plot, png, text};
use crate::progress::{Phase, Progress};
use crate::redact::{self, Redaction};
use crate::report::{Picture, Report};
use crate::sink::Sink;
use crate::source::Source;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(Error::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// The error and its causes on standard error.
fn complain(error: &Error) {
    let mut text = text::harmless_lines(&error.to_string());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {}", visible(&error.to_string())));
        cause = error.source();
    }
    anstream::eprintln!("retainers: {text}");
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Some(Command::Export(asked)) => run_export(&asked),
        Some(Command::Cut(asked)) => run_cut(&asked),
        Some(Command::Suspects(asked)) => run_suspects(&asked),
        Some(Command::Summary(asked)) => run_summary(&asked),
        Some(Command::Tree(asked)) => run_tree(&asked),
        Some(Command::Object(asked)) => run_object(&asked),
        Some(Command::Index(asked)) => run_index(&asked),
        Some(Command::Capture(asked)) => run_capture(asked),
        Some(Command::Growth(asked)) => growth::run(&asked),
        Some(Command::Check(asked)) => check::run(&asked),
        Some(Command::Watch(asked)) => watch::run(&asked),
        Some(Command::Redact(asked)) => run_redact(&asked),
        Some(Command::Agent(asked)) => run_agent(&asked),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "retainers", &mut script);
            print_bytes(&script)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Error::Output)?;
            print_bytes(&page)
        }
        None => run_ask(&cli.ask),
    }
}

fn print_bytes(bytes: &[u8]) -> Result<ExitCode> {
    io::stdout().lock().write_all(bytes).map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn run_ask(ask: &Ask) -> Result<ExitCode> {
    let Some(dump) = &ask.dump else {
        return Err(Error::Usage("name a heap dump: retainers DUMP --type NAME".to_owned()));
    };
    let options = Options {
        roots: root_choice(&ask.question.roots)?,
        exclude: ask.question.exclude.iter().map(|text| ReferencePattern::parse(text)).collect::<Result<_>>()?,
        without: Vec::new(),
        retained: !ask.question.no_retained,
        holders: known_holders(ask.question.holders.as_deref())?,
    };
    let query = Query { types: ask.question.types.clone(), ids: ask.question.ids.clone() };
    let is_overview = query.types.is_empty() && query.ids.is_empty();
    let need = Need::new(options.retained && !is_overview, true);
    answer_from(dump, &ask.question.common, &need, |heap| {
        let limit = if ask.question.limit == 0 { usize::MAX } else { ask.question.limit };
        if is_overview {
            let report = overview(heap).report(heap, limit.max(20));
            return Ok((report, true));
        }
        let selection = select(&heap.graph, &query);
        let without = references_meant(heap, &ask.question.without)?;
        let retained = options.retained && !need.is_lean();
        let answer = chains(heap, &selection, &Options { without, retained, ..options.clone() });
        let report = answer.report(heap, &selection, detail(ask, limit));
        Ok((report, !answer.types.is_empty()))
    })
    .and_then(|(report, found, progress)| {
        present(ask, &report, &progress)?;
        Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(1) })
    })
}

/// Pictures drawn unless all are asked for.
const MOST_PICTURES: usize = 50;

fn detail(ask: &Ask, limit: usize) -> Detail {
    let is_drawing = |format: &OutputFormat| !matches!(format, OutputFormat::Text | OutputFormat::Json);
    let pictures = match ask.question.limit {
        _ if ask.question.no_files || !ask.question.format.iter().any(is_drawing) => 0,
        0 => usize::MAX,
        _ => MOST_PICTURES,
    };
    Detail { limit, raw: ask.question.raw, pictures, data: ask.question.format.contains(&OutputFormat::Json) }
}

/// Runs `work` on its own threads, under a progress bar.
fn in_pool<T: Send>(
    common: &Common,
    work: impl FnOnce(&Progress) -> Result<(T, bool)> + Send,
) -> Result<(T, bool, Arc<Progress>)> {
    let progress = Arc::new(Progress::default());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(common.threads))
        .build()
        .map_err(|cause| Error::Usage(format!("cannot start threads: {cause}")))?;
    let bar = Bar::watch(&progress, common.quiet);
    let done = pool.install(|| work(&progress));
    drop(bar);
    done.map(|(value, flag)| (value, flag, progress))
}

/// The table of known holders, with the user's own rows in front.
fn known_holders(file: Option<&Path>) -> Result<KnownHolders> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|cause| Error::Open { path: path.to_owned(), cause });
    KnownHolders::with(&file.map(read).transpose()?.unwrap_or_default())
}

/// Positions of the references that `--without` means: expressions first, then patterns.
fn references_meant(heap: &Heap, texts: &[String]) -> Result<Vec<usize>> {
    let mut positions = Vec::new();
    for text in texts {
        let mut found = find_references(heap, text);
        if found.is_empty() {
            let pattern = ReferencePattern::parse(text)?;
            found = matching_references(heap, std::slice::from_ref(&pattern));
        }
        if found.is_empty() {
            return Err(Error::Usage(format!("no reference in the dump is `{text}`")));
        }
        positions.extend(found);
    }
    Ok(positions)
}

fn root_choice(words: &[String]) -> Result<RootChoice> {
    if words.is_empty() { Ok(RootChoice::default()) } else { RootChoice::parse(words) }
}

/// Answers a question about a dump: from its index where there is one, and leaves one where that is worth it.
fn answer_from<T: Send>(
    dump: &Path,
    common: &Common,
    need: &Need,
    answer: impl Fn(&Heap) -> Result<(T, bool)> + Send + Sync,
) -> Result<(T, bool, Arc<Progress>)> {
    in_pool(common, |progress| {
        let mut place = IndexPlace::of(dump, common);
        if let Some(heap) = place.open() {
            refuse_damage(&heap, common)?;
            progress.start(Phase::Search, 0);
            if let Ok(answered) = attempt(|| answer(&heap)) {
                place.write_if_worth_it(&heap);
                return answered;
            }
            place.tell_damaged();
        }
        let heap = load(place.dump(), common, need, progress)?;
        progress.start(Phase::Search, 0);
        let answered = answer(&heap)?;
        place.write_if_worth_it(&heap);
        Ok(answered)
    })
}

/// A heap all of whose numbers have been checked, and where its index is.
fn checked_heap(dump: &Path, common: &Common, progress: &Progress) -> Result<(Heap, IndexPlace)> {
    let mut place = IndexPlace::of(dump, common);
    if let Some(heap) = place.open() {
        if attempt(|| kept::check(&heap)).is_ok() {
            refuse_damage(&heap, common)?;
            return Ok((heap, place));
        }
        place.tell_damaged();
    }
    Ok((load(place.dump(), common, &Need::new(true, false), progress)?, place))
}

fn load(dump: &Path, common: &Common, need: &Need, progress: &Progress) -> Result<Heap> {
    let source = Source::open(dump, progress)?;
    need.check(&source, common)?;
    let heap = crate::format::read(source, progress)?;
    refuse_damage(&heap, common)?;
    Ok(heap)
}

fn refuse_damage(heap: &Heap, common: &Common) -> Result<()> {
    let facts = heap.damage.facts();
    if common.strict && !facts.is_empty() { Err(Error::Damaged { facts }) } else { Ok(()) }
}

fn run_index(asked: &IndexArguments) -> Result<ExitCode> {
    if asked.common.no_index {
        return Err(Error::Usage("there is nothing to do: --no-index was given".to_owned()));
    }
    let (path, _, _) = in_pool(&asked.common, |progress| {
        let (heap, place) = checked_heap(&asked.dump, &asked.common, progress)?;
        if !indexed::can_be_stored(&heap) {
            return Err(Error::Usage("the dump is not there any more: its index cannot be made anew".to_owned()));
        }
        progress.start(Phase::Search, 0);
        let (retaining, choice) = (Retaining::all(&heap.graph), RootChoice::default());
        kept::distances(&heap, &retaining, &choice);
        kept::dominator_tree(&heap, &retaining, &choice);
        if !kept::has_news(&heap) {
            return Ok((None, true));
        }
        match place.write(&heap)? {
            Some(path) => Ok((Some(path), true)),
            None => Err(Error::Usage("only a dump in a file that does not change can have an index".to_owned())),
        }
    })?;
    tell_written(path.as_slice(), &asked.common);
    Ok(ExitCode::SUCCESS)
}

fn run_capture(asked: CaptureArguments) -> Result<ExitCode> {
    let asks = !(asked.question.types.is_empty() && asked.question.ids.is_empty());
    if asked.output.is_none() && !asks {
        let wanted = "say where the dump goes (-o heap.jsonl.zst), or what to ask of it (--type NAME)";
        return Err(Error::Usage(wanted.to_owned()));
    }
    if asks && asked.output.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage("the dump and the answer cannot both go to standard output".to_owned()));
    }
    let request = capture::Request {
        pid: asked.pid,
        values: !asked.no_values,
        fork: !asked.no_fork,
        way: match asked.via {
            args::Way::Auto => None,
            args::Way::RemoteExec => Some(capture::Way::RemoteExecution),
            args::Way::Gdb => Some(capture::Way::Debugger),
        },
        timeout: Duration::from_secs(asked.timeout),
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
fn capture_into(path: &Path, request: &capture::Request) -> Result<capture::Captured> {
    let fill = |out: &mut dyn Write| {
        let mut sink = Sink::named(path, out).map_err(Error::Output)?;
        let captured = capture::capture(request, &mut sink)?;
        sink.finish().and_then(|out| out.flush()).map_err(Error::Output)?;
        Ok(captured)
    };
    if path.as_os_str() == "-" {
        return fill(&mut BufWriter::new(io::stdout().lock()));
    }
    files::write_whole_as(path, |out| {
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
        capture::Way::Debugger => "gdb",
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

fn run_redact(asked: &RedactArguments) -> Result<ExitCode> {
    let progress = Arc::new(Progress::default());
    let bar = Bar::watch(&progress, asked.quiet);
    let source = Source::open(&asked.dump, &progress)?;
    let redaction = Redaction::check(&source, redact::Options { keep_keys: asked.keep_keys }, &progress)?;
    let fill = |out: &mut dyn Write| {
        let mut sink = Sink::named(&asked.output, out)?;
        let facts = redaction.write(&mut sink, &progress)?;
        sink.finish()?.flush()?;
        Ok(facts)
    };
    let facts = if asked.output.as_os_str() == "-" {
        fill(&mut BufWriter::new(io::stdout().lock())).map_err(Error::Output)?
    } else {
        let failed = |cause| Error::Write { path: asked.output.clone(), cause };
        files::write_whole_as(&asked.output, |out| fill(out).map_err(failed))?
    };
    drop(bar);
    if !asked.quiet {
        anstream::eprintln!("{}", visible(&facts.words()));
    }
    Ok(ExitCode::SUCCESS)
}

fn run_agent(asked: &AgentArguments) -> Result<ExitCode> {
    let bytes = if asked.native { capture::native_core() } else { capture::AGENT.as_bytes() };
    if bytes.is_empty() {
        return Err(Error::Usage("this build of retainers carries no native core; the agent does without".to_owned()));
    }
    match &asked.output {
        Some(path) => files::write_whole(path, |out| out.write_all(bytes)).map(|()| ExitCode::SUCCESS),
        None => print_bytes(bytes),
    }
}

/// Writes the answer in the formats that were asked for.
fn present(ask: &Ask, report: &Report, progress: &Arc<Progress>) -> Result<()> {
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

fn run_cut(asked: &CutArguments) -> Result<ExitCode> {
    let which = &asked.which;
    let choice = root_choice(&which.roots)?;
    let exclude: Vec<ReferencePattern> =
        which.exclude.iter().map(|text| ReferencePattern::parse(text)).collect::<Result<_>>()?;
    let query = Query { types: which.types.clone(), ids: which.ids.clone() };
    if query.types.is_empty() && query.ids.is_empty() {
        return Err(Error::Usage("say which objects: --type NAME or --id ADDRESS".to_owned()));
    }
    let (report, found, _) = answer_from(&which.dump, &asked.common, &Need::new(false, false), |heap| {
        let selection = select(&heap.graph, &query);
        if selection.groups.is_empty() {
            let nothing = chains(heap, &selection, &Options::default());
            return Ok((nothing.report(heap, &selection, Detail::default()), false));
        }
        let answer = cut_answer(heap, &selection, &choice, &exclude, asked.max);
        let is_answer = !matches!(answer.cut, Cut::TooMany { .. } | Cut::Impossible(_));
        Ok((answer.report(heap), is_answer))
    })?;
    print_report(&report, which.json, &asked.common)?;
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What questions about chains have in common.
fn answer_options(roots: &[String], exclude: &[String], holders: Option<&Path>) -> Result<Options> {
    Ok(Options {
        roots: root_choice(roots)?,
        exclude: exclude.iter().map(|text| ReferencePattern::parse(text)).collect::<Result<_>>()?,
        without: Vec::new(),
        retained: true,
        holders: known_holders(holders)?,
    })
}

fn summary_by(by: args::By) -> summary::By {
    match by {
        args::By::Type => summary::By::Type,
        args::By::Module => summary::By::Module,
        args::By::Root => summary::By::Root,
        args::By::Site => summary::By::Site,
    }
}

fn run_suspects(asked: &SuspectsArguments) -> Result<ExitCode> {
    let options = Options {
        roots: root_choice(&asked.whole.roots)?,
        holders: known_holders(asked.holders.as_deref())?,
        ..Options::default()
    };
    run_whole(&asked.whole, &asked.common, |heap| {
        let found = suspects(heap, &options);
        let limit = if asked.limit == 0 { usize::MAX } else { asked.limit };
        Ok((found.report(heap, limit), !found.suspects.is_empty()))
    })
}

fn run_summary(asked: &SummaryArguments) -> Result<ExitCode> {
    let choice = root_choice(&asked.whole.roots)?;
    let by = summary_by(asked.by);
    let sort = match asked.sort {
        args::Sort::Retained => summary::Sort::Retained,
        args::Sort::Shallow => summary::Sort::Shallow,
        args::Sort::Count => summary::Sort::Count,
        args::Sort::Name => summary::Sort::Name,
    };
    let limit = if asked.limit == 0 { usize::MAX } else { asked.limit };
    run_whole(&asked.whole, &asked.common, |heap| {
        Ok((summary::summary(heap, &choice, by, sort).report(heap, limit), true))
    })
}

fn run_tree(asked: &TreeArguments) -> Result<ExitCode> {
    let choice = root_choice(&asked.whole.roots)?;
    let threshold = asked.threshold / 100.0;
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Error::Usage("--threshold is a percentage from 0 to 100".to_owned()));
    }
    let options = TreeOptions { depth: asked.depth, threshold, group_from: asked.group };
    run_whole(&asked.whole, &asked.common, |heap| {
        let mut report = heap_tree(heap, &choice, options).report(heap);
        if asked.whole.output.is_some() {
            // a drawing has room for more than a page of text
            let finer =
                TreeOptions { depth: options.depth.saturating_mul(4), threshold: options.threshold / 20.0, ..options };
            report.icicles = heap_tree(heap, &choice, finer).report(heap).icicles;
        }
        Ok((report, true))
    })
}

fn run_object(asked: &ObjectArguments) -> Result<ExitCode> {
    let choice = root_choice(&asked.whole.roots)?;
    let query = Query { types: Vec::new(), ids: vec![asked.address.clone()] };
    run_whole(&asked.whole, &asked.common, |heap| {
        let selection = select(&heap.graph, &query);
        match selection.groups.first() {
            Some(group) => Ok((object_page(heap, &choice, group.objects[0]).report(heap), true)),
            None => {
                Ok((chains(heap, &selection, &Options::default()).report(heap, &selection, Detail::default()), false))
            }
        }
    })
}

/// Answers a question about a whole dump, prints the answer, and draws where a directory was given. Nothing found is 1.
fn run_whole(
    whole: &Whole,
    common: &Common,
    answer: impl Fn(&Heap) -> Result<(Report, bool)> + Send + Sync,
) -> Result<ExitCode> {
    let (report, found, progress) = answer_from(&whole.dump, common, &Need::new(true, false), answer)?;
    print_report(&report, whole.json, common)?;
    if let Some(directory) = &whole.output {
        files::make_directory(directory)?;
        tell_written(&draw_whole_pictures(&report, directory, &progress)?, common);
        for icicle in &report.icicles {
            let path = directory.join(format!("{}.svg", icicle.name));
            files::write_whole(&path, |out| out.write_all(icicle::write(icicle).as_bytes()))?;
            tell_written(&[path], common);
        }
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Draws the chains of an answer about a whole dump.
fn draw_whole_pictures(report: &Report, directory: &Path, progress: &Progress) -> Result<Vec<PathBuf>> {
    let drawings = [&DRAWINGS[0], &DRAWINGS[2]];
    draw_pictures(report, &drawings, directory, progress, &|drawing, picture| {
        (drawing.write)(picture).map_err(|reason| Error::Draw { name: picture.name.clone(), reason })
    })
}

/// Draws the plots of an answer, each as SVG and PNG.
fn draw_plots(report: &Report, directory: &Path) -> Result<Vec<PathBuf>> {
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

fn tell_written(written: &[PathBuf], common: &Common) {
    for path in written.iter().filter(|_| !common.quiet) {
        anstream::eprintln!("wrote {}", visible(&path.display().to_string()));
    }
}

/// Prints a report that has no pictures.
fn print_report(report: &Report, as_json: bool, common: &Common) -> Result<()> {
    let printed = if as_json {
        let mut out = BufWriter::new(io::stdout().lock());
        json::write(report, &mut out).and_then(|()| out.flush())
    } else {
        print_text(report, common.color)
    };
    printed.map_err(Error::Output)
}

fn run_export(asked: &Export) -> Result<ExitCode> {
    let rows = match asked.output.extension().and_then(|extension| extension.to_str()) {
        _ if asked.output.as_os_str() == "-" => Rows::Csv,
        Some("csv") => Rows::Csv,
        Some("jsonl" | "ndjson") => Rows::JsonLines,
        _ => {
            return Err(Error::Usage("the file to export to ends in `.csv` or `.jsonl`, or is `-`".to_owned()));
        }
    };
    let choice = root_choice(&asked.roots)?;
    let ((heap, place), _, _) =
        in_pool(&asked.common, |progress| Ok((checked_heap(&asked.dump, &asked.common, progress)?, true)))?;
    if asked.output.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout().lock());
        export(&heap, &choice, rows, &mut out).and_then(|()| out.flush()).map_err(Error::Output)?;
    } else {
        files::write_whole(&asked.output, |out| export(&heap, &choice, rows, out))?;
    }
    place.write_if_worth_it(&heap);
    if !asked.common.quiet {
        for fact in heap.damage.facts() {
            anstream::eprintln!("note: {}", visible(&fact));
        }
    }
    Ok(ExitCode::SUCCESS)
}
