//! The command line: what was typed becomes a question, its answer becomes outputs, and the exit code says how it went.

pub mod args;
mod bar;
mod capture;
mod check;
mod files;
mod growth;
mod memory;
pub mod numbers;
mod output;
mod place;
mod processes;
pub mod watch;

use std::any::Any;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::{CommandFactory, Parser};

use self::args::{
    Ask, Cli, Command, Common, CutArguments, Export, IndexArguments, ObjectArguments, OutputFormat, RedactArguments,
    SearchArguments, SummaryArguments, SuspectsArguments, TreeArguments, Whole,
};
use self::bar::Bar;
use self::memory::Need;
use self::output::{Place, draw_whole, present, print_bytes, print_report, remark, tell, tell_written, words_of};
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
use crate::ending;
use crate::error::{Error, Result};
use crate::format::indexed;
use crate::graph::Heap;
use crate::graph::index::{GivenUp, attempt};
use crate::present::label::visible;
use crate::present::text;
use crate::progress::{Phase, Progress};
use crate::redact::{self, Redaction};
use crate::report::Report;
use crate::sink::Sink;
use crate::source::{Change, Source};
use crate::tell;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    ending::install();
    let cli = Cli::parse();
    // whatever is wrong with a dump or with us: an exit code of ours, and words
    let ended = catch_unwind(AssertUnwindSafe(|| run(cli))).unwrap_or_else(|cause| Err(fault(&*cause)));
    match ended {
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
    tell(&format!("retainers: {}", text::harmless_lines(&words_of(error))));
}

/// What unwound to the end: a panic, which has spoken, or an index that was given up where nobody expected it.
fn fault(cause: &(dyn Any + Send)) -> Error {
    Error::Fault(if cause.is::<GivenUp>() {
        "an index turned out to be damaged (--no-index does without)"
    } else {
        "a fault of this program; what was printed before is not to be relied on"
    })
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
        Some(Command::Capture(asked)) => capture::run(asked),
        Some(Command::Growth(asked)) => growth::run(&asked),
        Some(Command::Check(asked)) => check::run(&asked),
        Some(Command::Watch(asked)) => watch::run(&asked),
        Some(Command::Redact(asked)) => run_redact(&asked),
        Some(Command::Agent(asked)) => capture::run_agent(&asked),
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

fn run_ask(ask: &Ask) -> Result<ExitCode> {
    let Some(dump) = &ask.dump else {
        return Err(Error::Usage("name a heap dump: retainers DUMP --type NAME".to_owned()));
    };
    let options = Options { retained: !ask.question.no_retained, ..answer_options(&ask.question.search)? };
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
    // a file is drawn as its name ends, whatever else is asked for
    let file = match Place::of(&ask.output) {
        Place::File(_, ending) if !ask.question.no_files => Some(ending),
        _ => None,
    };
    let draws = file.map_or_else(|| ask.question.format.iter().any(is_drawing), |ending| ending != "json");
    let pictures = match ask.question.limit {
        _ if ask.question.no_files || !draws => 0,
        0 => usize::MAX,
        _ => MOST_PICTURES,
    };
    let data = ask.question.format.contains(&OutputFormat::Json) || file == Some("json");
    Detail { limit, raw: ask.question.raw, pictures, data }
}

/// Starts the threads of this process, once.
fn start_threads(common: &Common) -> Result<()> {
    static STARTED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let start = || {
        let threads = usize::from(common.threads);
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|cause| cause.to_string())
    };
    let failed = |cause| Error::Usage(format!("cannot start threads: {cause} (--threads 1 asks for one)"));
    STARTED.get_or_init(start).clone().map_err(failed)
}

/// Runs `work` on its own threads, under a progress bar.
fn in_pool<T: Send>(
    common: &Common,
    work: impl FnOnce(&Progress) -> Result<(T, bool)> + Send,
) -> Result<(T, bool, Arc<Progress>)> {
    let progress = Arc::new(Progress::default());
    start_threads(common)?;
    let bar = Bar::watch(&progress, common.quiet);
    // on one of the threads, as all of it
    let done = rayon::scope(|_| work(&progress));
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
        [dump, place.dump()].into_iter().for_each(files::be_as_private_as);
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

/// Answers from indexes; and without them, where one turns out to be damaged on the way. `answer` is told whether to use them.
fn attempt_from_indexes<T>(common: &Common, answer: impl Fn(bool) -> Result<T>) -> Result<T> {
    attempt(|| answer(true)).unwrap_or_else(|_| {
        remark("an index turned out to be damaged: the dumps are read again", common.quiet);
        answer(false)
    })
}

/// A heap all of whose numbers have been checked, and where its index is; that the numbers of an index fit each other shows
/// when they are used: to be [attempted](attempt_from_indexes).
fn checked_heap(dump: &Path, common: &Common, use_index: bool, progress: &Progress) -> Result<(Heap, IndexPlace)> {
    let mut place = IndexPlace::of(dump, common);
    [dump, place.dump()].into_iter().for_each(files::be_as_private_as);
    if use_index && let Some(heap) = place.open() {
        if attempt(|| kept::check(&heap)).is_ok() {
            refuse_damage(&heap, common)?;
            return Ok((heap, place));
        }
        place.tell_damaged();
    }
    Ok((load(place.dump(), common, &Need::new(true, false), progress)?, place))
}

fn load(dump: &Path, common: &Common, need: &Need, progress: &Progress) -> Result<Heap> {
    files::be_as_private_as(dump);
    let limit = memory::limit(common.memory);
    let source = Source::open_within(dump, &memory::bounds(limit), progress)?;
    need.check(&source, limit, common.quiet)?;
    let original = source.original();
    let heap = crate::format::read(source, progress)?;
    refuse_change(dump, original.and_then(|original| original.change()), common)?;
    refuse_damage(&heap, common)?;
    Ok(heap)
}

/// A dump that another program cut meanwhile has no answer; one that it wrote to has one, of which that is said.
fn refuse_change(dump: &Path, change: Option<Change>, common: &Common) -> Result<()> {
    match change {
        Some(Change::Shorter) => {
            let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read");
            return Err(Error::Open { path: dump.to_owned(), cause });
        }
        Some(Change::Other) => {
            let dump = dump.display();
            remark(
                &format!("`{dump}` was written to while it was read: what is said may fit no state of it"),
                common.quiet,
            );
        }
        None => {}
    }
    Ok(())
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
        attempt_from_indexes(&asked.common, |use_index| {
            let (heap, place) = checked_heap(&asked.dump, &asked.common, use_index, progress)?;
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
        })
    })?;
    tell_written(path.as_slice(), &asked.common);
    Ok(ExitCode::SUCCESS)
}

fn run_redact(asked: &RedactArguments) -> Result<ExitCode> {
    let progress = Arc::new(Progress::default());
    let bar = Bar::watch(&progress, asked.quiet);
    files::be_as_private_as(&asked.dump);
    let source = Source::open_within(&asked.dump, &memory::bounds(memory::limit(None)), &progress)?;
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
        tell(&visible(&facts.words()));
    }
    Ok(ExitCode::SUCCESS)
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

/// What is asked of all chains.
fn answer_options(search: &SearchArguments) -> Result<Options> {
    Ok(Options {
        roots: root_choice(&search.roots)?,
        exclude: search.exclude.iter().map(|text| ReferencePattern::parse(text)).collect::<Result<_>>()?,
        without: Vec::new(),
        retained: true,
        holders: known_holders(search.holders.as_deref())?,
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
        Ok((tell::suspects::suspects(heap, &found, limit), !found.suspects.is_empty()))
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
    let options = TreeOptions { depth: asked.depth, threshold: asked.threshold / 100.0, group_from: asked.group };
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
        draw_whole(&report, directory, &progress, common)?;
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(1) })
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
    // rows that others reckon with are never read from an index
    let (heap, ..) = in_pool(&asked.common, |progress| {
        Ok((load(&asked.dump, &asked.common, &Need::new(true, false), progress)?, true))
    })?;
    if asked.output.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout());
        export(&heap, &choice, rows, &mut out).and_then(|()| out.flush()).map_err(Error::Output)?;
    } else {
        files::write_whole(&asked.output, |out| export(&heap, &choice, rows, out))?;
    }
    heap.damage.facts().iter().for_each(|fact| remark(fact, asked.common.quiet));
    Ok(ExitCode::SUCCESS)
}
