//! How long does the answer take on a loaded heap: which objects, and which chains hold them?
//!
//! Times the parts in this process, and whole commands from the start of the process to its end.
//!
//! `cargo bench --bench chains -- --objects 3000000`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod generator;
mod measure;

use std::error::Error;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use measure::{Cost, Dump, Row, Settings, cost_of, cost_of_command, peak_memory_of, print_table};
use retainers::analysis::chains::{Chains, Detail, Options, Signature, chains};
use retainers::analysis::select::{Query, Selection, select};
use retainers::graph::Heap;
use retainers::progress::Progress;

/// The type of the sessions.
const SESSION_TYPE: &str = "app.sessions.SessionState";
/// References from the module `app.signals` to a session: namespace, signal, its attributes, receivers, function, closure,
/// cell, method, the session's owner, its attributes, the session.
const SESSION_CHAIN: u64 = 11;

/// Finds the chains that hold leaked sessions
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let Arguments { settings } = Arguments::parse();
    let Some(dump) = settings.dump()? else { return Ok(()) };
    let sessions = settings.plan().sessions;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build()?;
    let mut rows = pool.install(|| parts(&settings, &dump, sessions))?;
    let chains = rows[0].cost.cpu;
    rows.extend(commands(&settings, &dump)?);
    print_table(&rows);
    println!("\neach of {sessions} chains: {:.6} CPU s", chains.as_secs_f64() / f64::from(u32::try_from(sessions)?));
    Ok(())
}

/// The best of all runs of one part.
#[derive(Debug, Default)]
struct Best(Option<(Cost, u64)>);

impl Best {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let ((result, memory), cost) = cost_of(|| peak_memory_of(work));
        let (least, most) = self.0.unwrap_or((cost, memory));
        self.0 = Some((least.least(cost), most.max(memory)));
        result
    }

    fn row(&self, what: &str) -> Option<Row> {
        let (cost, memory) = self.0?;
        Some(Row { what: what.to_owned(), cost, memory: Some(memory) })
    }
}

fn parts(settings: &Settings, dump: &Dump, sessions: usize) -> Outcome<Vec<Row>> {
    let heap = retainers::format::open(&dump.path, &Progress::default())?;
    let query = Query { types: vec!["SessionState".to_owned()], ids: Vec::new() };
    let (mut selecting, mut searching, mut reporting) = (Best::default(), Best::default(), Best::default());
    for _ in 0..settings.runs.max(1) {
        let selection = selecting.time(|| select(&heap.graph, &query));
        let answer = searching.time(|| chains(&heap, &selection, &Options::default()));
        check(&heap, &selection, &answer, sessions);
        let report = reporting.time(|| answer.report(&heap, &selection, Detail::default()));
        assert_eq!(report.pictures.len(), 1, "pictures");
    }
    let rows = [searching.row("chains"), selecting.row("select"), reporting.row("report")];
    Ok(rows.into_iter().flatten().collect())
}

fn check(heap: &Heap, selection: &Selection, answer: &Chains, sessions: usize) {
    let types: Vec<&str> = selection.groups.iter().map(|group| heap.graph.type_name(group.type_id)).collect();
    assert_eq!(types, [SESSION_TYPE], "matched types");
    assert_eq!(selection.groups[0].objects.len(), sessions, "matched sessions");
    let ways: Vec<&Signature> = answer.types.iter().flat_map(|of_type| &of_type.signatures).collect();
    assert_eq!(ways.len(), 1, "signatures");
    assert_eq!((ways[0].length, ways[0].longest), (SESSION_CHAIN, SESSION_CHAIN), "length of the chain");
    assert_eq!(ways[0].objects.len(), sessions, "sessions of the signature");
    assert_eq!(ways[0].root.name.as_deref(), Some("app.signals"), "root");
}

/// Whole commands: text only, and with the picture.
fn commands(settings: &Settings, dump: &Dump) -> Outcome<Vec<Row>> {
    let pictures = dump.path.with_extension("pictures");
    let text = command(settings, dump, &["--no-files"]);
    let drawing = command(settings, dump, &["--output", &pictures.to_string_lossy()]);
    let rows = [("whole command, text", text), ("whole command, text and picture", drawing)]
        .into_iter()
        .map(|(what, command)| best_run(settings, what, command))
        .collect();
    remove(&pictures);
    rows
}

fn command(settings: &Settings, dump: &Dump, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
    command.arg(&dump.path).args(["--type", "SessionState", "--quiet", "--threads", &settings.threads.to_string()]);
    command.args(arguments);
    command
}

fn best_run(settings: &Settings, what: &str, mut command: Command) -> Outcome<Row> {
    let mut best: Option<Cost> = None;
    for _ in 0..settings.runs.max(1) {
        let (printed, cost) = cost_of_command(&mut command)?.ok_or("the command is not there")?;
        assert!(printed.contains("app.signals"), "the answer names the module:\n{printed}");
        best = Some(best.map_or(cost, |best| best.least(cost)));
    }
    let cost = best.ok_or("no run")?;
    Ok(Row { what: what.to_owned(), cost, memory: None })
}

fn remove(directory: &Path) {
    // it is in the directory for temporary files, which others clean, should this fail
    let _ = std::fs::remove_dir_all(directory);
}
