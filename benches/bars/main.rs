//! Does the analysis hold its bars? Each is a ratio of what is measured side by side in one run, so that it means the same on
//! every machine; `docs/performance.md` says how to read the table.
//!
//! `cargo bench --bench bars -- --objects 10000000 --runs 3 --markdown`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]
#![allow(clippy::print_stderr, reason = "faults are told apart from figures")]

mod bars;
mod contest;
#[path = "../generator/mod.rs"]
mod generator;
#[path = "../measure/mod.rs"]
mod measure;
mod table;
mod tasks;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use contest::{Contender, Contest, Heap};
use generator::families::Shape;
use generator::{Format, Plan};
use table::{Verdict, table};
use tasks::{Task, family_plan};

/// Measures every bar side by side in one run
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// Objects of the heap
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    pub objects: usize,
    /// Objects of the worst cases; by default as many
    #[arg(long, value_name = "N")]
    pub worst_objects: Option<usize>,
    /// Only these bars
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub only: Vec<u8>,
    /// Runs of each contender, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub runs: usize,
    /// How often each contender runs in a row when it is its turn: where the host takes free memory back, the first of them
    /// pays for getting it again
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub in_a_row: usize,
    /// Mebibytes of memory that are touched and given back before each run: where the host takes free memory back, it has
    /// given that much again then
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub warm: usize,
    /// Where dumps are written, for as long as they are needed
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    /// Print the table in Markdown
    #[arg(long)]
    pub markdown: bool,
    /// Run one contender in this process
    #[arg(long, hide = true, requires = "file")]
    task: Option<Task>,
    /// The dump for the contender
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
    /// The worst case for the contender
    #[arg(long, hide = true, value_enum, default_value_t = Shape::List)]
    shape: Shape,
    /// Threads of the contender
    #[arg(long, hide = true, default_value_t = 1)]
    threads: usize,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a benchmark returns.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<ExitCode> {
    let arguments = Arguments::parse();
    if let (Some(task), Some(file)) = (arguments.task, &arguments.file) {
        let plan = family_plan(arguments.shape, arguments.objects);
        println!("{}", tasks::run(task, file, arguments.threads, &plan)?);
        return Ok(ExitCode::SUCCESS);
    }
    measure_all(&arguments)
}

fn measure_all(arguments: &Arguments) -> Outcome<ExitCode> {
    let is_asked = |number: u8| arguments.only.is_empty() || arguments.only.contains(&number);
    let chosen: Vec<_> = bars::BARS.iter().filter(|bar| is_asked(bar.number)).collect();
    let mut contest = Contest::new(arguments)?;
    let mut contenders: Vec<Contender> = Vec::new();
    for contender in chosen.iter().flat_map(|bar| (bar.contenders)(arguments)) {
        if !contenders.contains(&contender) {
            contenders.push(contender);
        }
    }
    let quiet: Vec<Contender> = if is_asked(bars::QUIET) { bars::quiet_contenders() } else { Vec::new() };
    contest.run(&contenders, &quiet)?;
    let mut rows = Vec::new();
    for bar in chosen {
        rows.extend((bar.rows)(&mut contest, arguments)?);
    }
    println!("{}\n{}\n", machine(), contest.census(Heap::Lines)?);
    println!("{}", table(&rows, arguments.markdown));
    let missed = rows.iter().filter(|row| row.verdict() == Verdict::Missed).count();
    println!("\n{missed} of {} missed", rows.iter().filter(|row| row.verdict() != Verdict::Information).count());
    contest.faults.iter().for_each(|fault| eprintln!("wrong: {fault}"));
    Ok(if contest.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The plan of the lines that most bars are about.
fn plan(objects: usize) -> Plan {
    Plan {
        objects,
        sessions: None,
        later_sessions: 0,
        seed: 42,
        shape: Shape::Heap,
        format: Format::Lines,
        no_names: true,
        shuffle: false,
    }
}

/// Processor, cores and memory, where `/proc` tells.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let kibibytes = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    format!("{cpu}, {cores} cores, {} GB", kibibytes.saturating_mul(1024) / 1_000_000_000)
}
