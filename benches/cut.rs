//! How long does the smallest cut take on a loaded heap, in searches of that heap from its roots?
//!
//! A heap of the generator, whose size is asked for, and the real heap of the fixtures.
//!
//! `cargo bench --bench cut -- --objects 3000000`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]
#![allow(dead_code, reason = "commands are measured by other benchmarks")]

mod generator;
mod measure;

use std::error::Error;
use std::path::Path;

use clap::Parser;
use measure::{Row, Settings, cost_of, peak_memory_of, print_table};
use retainers::analysis::cut::{Cut, disjoint_ways, frees, minimum_cut, uncuttable_by_rule};
use retainers::analysis::distances::{Distances, RootChoice};
use retainers::analysis::retaining::Retaining;
use retainers::analysis::select::{Query, select};
use retainers::graph::{Heap, ObjectId};
use retainers::progress::Progress;

/// A real heap.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/streamlit-0.89/dump.jsonl.zst");
/// More references than any of the cuts has.
const MOST: usize = 10_000;

/// Finds the smallest cut of all sessions
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let Arguments { settings } = Arguments::parse();
    let Some(dump) = settings.dump()? else { return Ok(()) };
    measure_cut(&dump.path, settings.runs)?;
    measure_cut(Path::new(FIXTURE), settings.runs)
}

fn measure_cut(path: &Path, runs: usize) -> Outcome<()> {
    let heap = retainers::format::open(path, &Progress::default())?;
    let sessions = sessions(&heap);
    let first = *sessions.first().ok_or("no sessions")?;
    let retaining = Retaining::all(&heap.graph);
    let roots = || heap.graph.roots().iter().map(|root| root.object);
    let all = RootChoice::parse(&["all".to_owned()])?;
    let cut = || minimum_cut(&retaining, roots(), &sessions, &uncuttable_by_rule(&heap), MOST);
    let Cut::Found(positions) = cut() else { return Err("no cut".into()) };
    let reached =
        sessions.iter().filter(|&&session| !disjoint_ways(&retaining, roots(), session, 1).is_empty()).count();
    let freed = frees(&retaining, roots(), &positions, &sessions);
    assert_eq!(freed.targets_freed, reached as u64, "sessions that the cut frees");
    print_table(&[
        best(runs, "one search from all roots".to_owned(), || Distances::search(&retaining, &all)),
        best(runs, format!("cut of {} for {} sessions", positions.len(), sessions.len()), cut),
        best(runs, "what it frees".to_owned(), || frees(&retaining, roots(), &positions, &sessions)),
        best(runs, "two disjoint ways of one".to_owned(), || disjoint_ways(&retaining, roots(), first, 2)),
    ]);
    Ok(())
}

fn sessions(heap: &Heap) -> Vec<ObjectId> {
    let query = Query { types: vec!["SessionState".to_owned()], ids: Vec::new() };
    select(&heap.graph, &query).groups.into_iter().flat_map(|group| group.objects).collect()
}

/// The best of all runs.
fn best<T>(runs: usize, what: String, work: impl Fn() -> T) -> Row {
    let measured = || cost_of(|| peak_memory_of(&work).1);
    let (mut memory, mut cost) = measured();
    for _ in 1..runs {
        let (peak, next) = measured();
        (memory, cost) = (memory.max(peak), cost.least(next));
    }
    Row { what, cost, memory: Some(memory) }
}
