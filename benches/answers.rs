//! How long do the parts of an answer take on a loaded heap: which objects, which chains hold them, what they retain, what to
//! cut? Times the parts in this process, and whole commands from the start of the process to its end. The answers are
//! checked against what the generator made.
//!
//! `cargo bench --bench answers -- --objects 3000000`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod generator;
#[allow(dead_code, reason = "other benchmarks look at what stays in memory")]
mod measure;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use generator::Plan;
use measure::{Cost, Dump, command_has_index, cost_of, cost_of_command, peak_memory_of};
use retainers::analysis::chains::{Chains, Detail, Options, Signature, chains};
use retainers::analysis::cut::{Cut, disjoint_ways, frees, minimum_cut, uncuttable_by_rule};
use retainers::analysis::distances::{Distances, RootChoice};
use retainers::analysis::dominators::{dominators, retained_by_set};
use retainers::analysis::retaining::Retaining;
use retainers::analysis::select::{Query, Selection, select};
use retainers::graph::{Heap, ObjectId};
use retainers::progress::Progress;

/// A real heap.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/streamlit-0.89/dump.jsonl.zst");
/// The type of the sessions.
const SESSION_TYPE: &str = "app.sessions.SessionState";
/// References from the module `app.signals` to a session: namespace, signal, its attributes, receivers, function, closure,
/// cell, method, the session's owner, its attributes, the session.
const SESSION_CHAIN: u64 = 11;
/// More references than any of the cuts has.
const MOST: usize = 10_000;

/// Asks for the sessions that leak, on a generated heap and on a real one
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Runs of each part, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Threads; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Where files are written, for as long as they are needed
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let dump = Dump::write(&arguments.plan, &arguments.dir, "answers.jsonl")?;
    println!("{}", dump.census);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let mut parts = Parts { runs: arguments.runs.max(1), rows: Vec::new() };
    pool.install(|| {
        let heap = retainers::format::open(&dump.file, &Progress::default())?;
        parts.chains(&heap, arguments.plan.sessions());
        parts.cut(&heap)
    })?;
    parts.commands(&arguments, &dump)?;
    parts.print();
    let mut real = Parts { runs: parts.runs, rows: Vec::new() };
    pool.install(|| real.cut(&retainers::format::open(Path::new(FIXTURE), &Progress::default())?))?;
    println!("\n{FIXTURE}");
    real.print();
    Ok(())
}

/// What was measured.
struct Parts {
    runs: usize,
    rows: Vec<Row>,
}

/// The best of all runs of one part.
struct Row {
    what: String,
    cost: Cost,
    /// Peak memory in bytes, where that was looked at.
    memory: Option<u64>,
}

impl Parts {
    /// Runs `work` as often as asked, and returns what it returned last.
    fn time<T>(&mut self, what: impl Into<String>, work: impl Fn() -> T) -> T {
        let measured = || cost_of(|| peak_memory_of(&work));
        let ((mut result, mut memory), mut cost) = measured();
        for _ in 1..self.runs {
            let ((next, peak), again) = measured();
            (result, memory, cost) = (next, memory.max(peak), cost.least(again));
        }
        self.rows.push(Row { what: what.into(), cost, memory: Some(memory) });
        result
    }

    fn chains(&mut self, heap: &Heap, sessions: usize) {
        let query = Query { types: vec!["SessionState".to_owned()], ids: Vec::new() };
        let selection = self.time("select", || select(&heap.graph, &query));
        let answer = self.time("chains", || chains(heap, &selection, &Options::default()));
        check(heap, &selection, &answer, sessions);
        let retained = Options { retained: true, ..Options::default() };
        self.time("chains and retained sizes", || chains(heap, &selection, &retained));
        let report = self.time("report", || answer.report(heap, &selection, Detail::default()));
        assert_eq!(report.pictures.len(), 1, "pictures");
    }

    fn cut(&mut self, heap: &Heap) -> Outcome<()> {
        let sessions = sessions(heap);
        let first = *sessions.first().ok_or("no sessions")?;
        let retaining = Retaining::all(&heap.graph);
        let roots = || heap.graph.roots().iter().map(|root| root.object);
        let all = RootChoice::parse(&["all".to_owned()])?;
        self.time("one search from all roots", || Distances::search(&retaining, &all));
        self.time("dominators and retained sizes", || dominators(&retaining, roots()));
        let some: Vec<ObjectId> = heap.graph.objects().step_by(1_000).collect();
        self.time(format!("retained by {} objects", some.len()), || retained_by_set(&retaining, roots(), &some));
        let cut = self.time(format!("cut for {} sessions", sessions.len()), || {
            minimum_cut(&retaining, roots(), &sessions, &uncuttable_by_rule(heap), MOST)
        });
        let Cut::Found(positions) = cut else { return Err("no cut".into()) };
        let freed = self.time(format!("what {} references free", positions.len()), || {
            frees(&retaining, roots(), &positions, &sessions)
        });
        let reached =
            sessions.iter().filter(|&&session| !disjoint_ways(&retaining, roots(), session, 1).is_empty()).count();
        assert_eq!(freed.targets_freed, reached as u64, "sessions that the cut frees");
        self.time("two disjoint ways of one session", || disjoint_ways(&retaining, roots(), first, 2));
        Ok(())
    }

    /// Whole commands: text only, and with the picture.
    fn commands(&mut self, arguments: &Arguments, dump: &Dump) -> Outcome<()> {
        let pictures = dump.file.with_extension("pictures");
        let no_index: &[&str] = if command_has_index()? { &["--no-index"] } else { &[] };
        self.command("whole command, text", command(arguments, dump).arg("--no-files").args(no_index))?;
        let mut drawing = command(arguments, dump);
        drawing.arg("--output").arg(&pictures).args(no_index);
        let result = self.command("whole command, text and picture", &mut drawing);
        // it is in the directory for temporary files, which others clean, should this fail
        let _ = std::fs::remove_dir_all(&pictures);
        result
    }

    fn command(&mut self, what: &str, command: &mut Command) -> Outcome<()> {
        let mut best: Option<Cost> = None;
        for _ in 0..self.runs {
            let (printed, cost) = cost_of_command(command)?.ok_or("the command is not there")?;
            assert!(printed.contains("app.signals"), "the answer names the module:\n{printed}");
            best = Some(best.map_or(cost, |best| best.least(cost)));
        }
        let cost = best.ok_or("no run")?;
        self.rows.push(Row { what: what.to_owned(), cost, memory: None });
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    fn print(&self) {
        println!("\n{:<34} {:>9} {:>9} {:>11}", "what", "CPU s", "wall s", "memory MB");
        for Row { what, cost, memory } in &self.rows {
            let (cpu, wall) = (cost.cpu.as_secs_f64(), cost.wall.as_secs_f64());
            let memory = memory.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
            println!("{what:<34} {cpu:>9.3} {wall:>9.3} {memory:>11}");
        }
    }
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

fn sessions(heap: &Heap) -> Vec<ObjectId> {
    let query = Query { types: vec!["SessionState".to_owned()], ids: Vec::new() };
    select(&heap.graph, &query).groups.into_iter().flat_map(|group| group.objects).collect()
}

fn command(arguments: &Arguments, dump: &Dump) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
    command.arg(&*dump.file).args(["--type", "SessionState", "--quiet", "--threads", &arguments.threads.to_string()]);
    command
}
