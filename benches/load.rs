//! How fast is a dump loaded, in how much memory, beside tools that read the same bytes and do less?
//!
//! - `wc -l` finds the newlines: what reading the bytes costs at the least;
//! - `md5sum` looks at each byte once, at a steady few cycles;
//! - `serde_json` makes a `Value` of each line and throws it away, or keeps them all: what a script would do.
//!
//! `cargo bench --bench load -- --objects 3000000`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod generator;
mod measure;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use measure::{Cost, Dump, Row, Settings, cost_of_command, peak_memory_of, print_table};
use retainers::progress::Progress;

/// Loads a generated heap dump, beside other tools that read it
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Run one contender in this process
    #[arg(long, hide = true, requires = "file")]
    task: Option<Task>,
    /// The dump for the contender
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Task {
    Load,
    ParseValues,
    KeepValues,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if let (Some(task), Some(file)) = (arguments.task, &arguments.file) {
        return run_task(task, file, arguments.settings.threads);
    }
    match arguments.settings.dump()? {
        Some(dump) => compare(&arguments.settings, &dump),
        None => Ok(()),
    }
}

/// What a contender found, and the memory that it took.
#[derive(Debug, Clone, Copy)]
struct Found {
    objects: usize,
    references: usize,
    memory: u64,
}

fn run_task(task: Task, file: &Path, threads: usize) -> Outcome<()> {
    let (found, memory) = match task {
        Task::Load => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let (heap, memory) =
                peak_memory_of(|| pool.install(|| retainers::format::open(file, &Progress::default())));
            let graph = heap?.graph;
            ((graph.object_count(), graph.reference_count()), memory)
        }
        Task::ParseValues | Task::KeepValues => {
            let (found, memory) = peak_memory_of(|| parse_values(file, task == Task::KeepValues));
            (found?, memory)
        }
    };
    println!("{} {} {memory}", found.0, found.1);
    Ok(())
}

fn parse_values(file: &Path, keep: bool) -> Outcome<(usize, usize)> {
    let mut found = (0, 0);
    let mut kept = Vec::new();
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let value: serde_json::Value = serde_json::from_slice(&line)?;
        found.0 += 1;
        found.1 += value["refs"].as_array().map_or(0, Vec::len);
        if keep {
            kept.push(value);
        }
        line.clear();
    }
    black_box(kept);
    Ok(found)
}

/// A contender, and its best run so far.
struct Contender {
    what: String,
    command: Command,
    /// Whether it says what it found.
    is_task: bool,
    best: Option<(Cost, Option<Found>)>,
}

fn compare(settings: &Settings, dump: &Dump) -> Outcome<()> {
    let mut contenders = contenders(settings, dump)?;
    for _ in 0..settings.runs.max(1) {
        for contender in &mut contenders {
            contender.run(dump)?;
        }
    }
    let rows: Vec<Row> = contenders.iter().filter_map(Contender::row).collect();
    print_table(&rows);
    print_rates(&rows, dump)
}

fn contenders(settings: &Settings, dump: &Dump) -> Outcome<Vec<Contender>> {
    let program = std::env::current_exe()?;
    let task = |what: String, task: &str| {
        let mut command = Command::new(&program);
        command.args(["--task", task, "--threads", &settings.threads.to_string(), "--file"]).arg(&dump.path);
        Contender { what, command, is_task: true, best: None }
    };
    let other = |what: &str, program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).arg(&dump.path);
        Contender { what: what.to_owned(), command, is_task: false, best: None }
    };
    let mut contenders = vec![
        task(format!("retainers, threads: {}", settings.threads), "load"),
        other("wc -l", "wc", &["-l"]),
        other("md5sum", "md5sum", &[]),
    ];
    if settings.format == generator::Format::JsonLines {
        contenders.push(task("serde_json Value, each line".to_owned(), "parse-values"));
        contenders.push(task("serde_json Value, all kept".to_owned(), "keep-values"));
    }
    Ok(contenders)
}

impl Contender {
    fn run(&mut self, dump: &Dump) -> Outcome<()> {
        let Some((printed, cost)) = cost_of_command(&mut self.command)? else {
            return Ok(());
        };
        let found = if self.is_task { Some(Found::parse(&printed)?) } else { None };
        if let Some(found) = found {
            assert_eq!(found.objects, dump.census.objects, "objects, {}", self.what);
            assert_eq!(found.references, dump.census.references, "references, {}", self.what);
        }
        let best = self.best.map_or(cost, |(best, _)| best.least(cost));
        self.best = Some((best, found));
        Ok(())
    }

    fn row(&self) -> Option<Row> {
        let (cost, found) = self.best?;
        Some(Row { what: self.what.clone(), cost, memory: found.map(|found| found.memory) })
    }
}

impl Found {
    fn parse(printed: &str) -> Outcome<Self> {
        let numbers: Vec<u64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let &[objects, references, memory] = numbers.as_slice() else {
            return Err("no three numbers".into());
        };
        Ok(Self { objects: usize::try_from(objects)?, references: usize::try_from(references)?, memory })
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn print_rates(rows: &[Row], dump: &Dump) -> Outcome<()> {
    let Some(ours) = rows.first() else { return Ok(()) };
    let (objects, references) = (dump.census.objects as f64, dump.census.references as f64);
    let seconds = ours.cost.cpu.as_secs_f64();
    println!(
        "\na CPU second of ours: {:.0} MB, {:.2} million objects",
        dump.bytes()? as f64 / 1e6 / seconds,
        objects / 1e6 / seconds
    );
    let memory = ours.memory.unwrap_or(0) as f64;
    println!(
        "memory of ours: {:.1} bytes an object, {:.1} an object or reference",
        memory / objects,
        memory / (objects + references)
    );
    Ok(())
}
