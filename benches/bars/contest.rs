//! Contenders, and what they took: each runs in a process of its own, all of them in turn, and the best of several runs
//! counts.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::generator::families::Shape;
use crate::generator::{Census, FEWEST_OBJECTS, Format, Plan, mixed};
use crate::measure::{Cost, Dump, command_has_index, cost_of_command, warm};
use crate::tasks::{Found, Task};
use crate::{Arguments, Outcome, plan};

/// Objects of the heap that petgraph can solve in a second, and whose answers are compared.
const SMALL: usize = 300_000;
/// A scaled-down heap has so many times fewer objects.
pub const SCALE: usize = 10;
/// Runs of what is looked at on a quiet moment, at least.
const QUIET_RUNS: usize = 5;

/// A generated dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heap {
    /// Lines without names of references: the lines that most bars are about.
    Lines,
    /// The same heap at a later moment: as many sessions more.
    Later,
    /// Lines with names.
    Named,
    /// A tenth of the objects.
    Tenth,
    /// JSON Graph Format.
    Graph,
    /// Node-link data.
    NodeLink,
    /// At most [`SMALL`] objects.
    Small,
    /// The same in another order.
    Shuffled,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contender {
    /// `md5sum` of the dump.
    Md5(Heap),
    /// A task on a dump, with so many threads.
    Task(Task, Heap, usize),
    /// The solver on a worst case.
    Family(Shape),
    /// The command asked who holds the sessions, without files, with so many threads.
    Answer(Heap, usize),
    /// The command asked what grew from one dump to another, without files.
    Growth(Heap, Heap),
    /// The command that writes an index beside the dump.
    WriteIndex(Heap),
    /// The command asked the same with an index there.
    IndexedAnswer(Heap),
}

/// The best runs of a contender.
#[derive(Debug, Clone, Copy)]
pub struct Best {
    /// Of the whole process.
    pub process: Cost,
    /// What it found; the least time and the most memory.
    pub found: Found,
}

/// Dumps and results.
#[derive(Debug)]
pub struct Contest<'a> {
    arguments: &'a Arguments,
    dumps: HashMap<Heap, Dump>,
    /// Where shuffled lines lie: their file has the name of the dump.
    directory: PathBuf,
    results: HashMap<Contender, Best>,
    /// What is wrong with the answers.
    pub faults: Vec<String>,
    /// Whether the command can keep an index.
    pub has_index: bool,
}

impl<'a> Contest<'a> {
    /// A contest in which nothing ran.
    ///
    /// # Errors
    /// No directory for the dumps can be made.
    pub fn new(arguments: &'a Arguments) -> Outcome<Self> {
        let directory = arguments.dir.join(format!("retainers-bars-{}", std::process::id()));
        fs::create_dir_all(directory.join("shuffled"))?;
        Ok(Self {
            arguments,
            dumps: HashMap::new(),
            directory,
            results: HashMap::new(),
            faults: Vec::new(),
            has_index: command_has_index()?,
        })
    }

    /// Runs all contenders in turn, as often as asked, each as often in a row as asked; those in `quiet` more often.
    ///
    /// # Errors
    /// A contender fails.
    pub fn run(&mut self, contenders: &[Contender], quiet: &[Contender]) -> Outcome<()> {
        for round in 0..self.arguments.runs.max(1).max(if quiet.is_empty() { 0 } else { QUIET_RUNS }) {
            let chosen = if round < self.arguments.runs.max(1) { contenders } else { quiet };
            for &contender in chosen {
                for _ in 0..self.arguments.in_a_row.max(1) {
                    self.run_once(contender)?;
                }
            }
        }
        Ok(())
    }

    /// The best runs of a contender; none where it is not there.
    pub fn best(&self, contender: Contender) -> Option<Best> {
        self.results.get(&contender).copied()
    }

    /// Whether both found the same; it is a fault when they did not.
    pub fn agree(&mut self, one: Contender, other: Contender) -> bool {
        let digest = |contender| self.best(contender).map(|best| best.found.digest);
        let is_same = digest(one) == digest(other);
        if !is_same {
            self.faults.push(format!("{one:?} and {other:?} give different answers"));
        }
        is_same
    }

    /// What is in a dump.
    pub fn census(&mut self, heap: Heap) -> Outcome<Census> {
        Ok(self.dump(heap)?.census.clone())
    }

    /// Bytes of a dump.
    pub fn bytes(&mut self, heap: Heap) -> Outcome<u64> {
        Ok(self.dump(heap)?.bytes()?)
    }

    /// Bytes of the index of a dump; none where there is no index.
    pub fn index_bytes(&mut self, heap: Heap) -> Outcome<Option<u64>> {
        Ok(fs::metadata(index_of(&self.dump(heap)?.file)).ok().map(|metadata| metadata.len()))
    }

    /// The dump, which is written when first asked for.
    fn dump(&mut self, heap: Heap) -> Outcome<&Dump> {
        if !self.dumps.contains_key(&heap) {
            let plan = heap.plan(self.arguments.objects);
            let (directory, name) = match heap {
                // answers show the name of the file
                Heap::Shuffled => (self.directory.join("shuffled"), "Small.json".to_owned()),
                _ => (self.directory.clone(), format!("{heap:?}.json")),
            };
            self.dumps.insert(heap, Dump::write(&plan, &directory, &name)?);
        }
        Ok(&self.dumps[&heap])
    }

    fn run_once(&mut self, contender: Contender) -> Outcome<()> {
        warm(self.arguments.warm << 20)?;
        let Some((found, process)) = self.measure(contender)? else { return Ok(()) };
        let best = self.results.entry(contender).or_insert(Best { process, found });
        best.process = best.process.least(process);
        let (cpu, wall) = (best.found.cpu.min(found.cpu), best.found.wall.min(found.wall));
        let memory = best.found.memory.max(found.memory);
        if best.found.digest != found.digest {
            self.faults.push(format!("{contender:?}: another answer in another run"));
        }
        best.found = Found { cpu, wall, memory, ..best.found };
        Ok(())
    }

    fn measure(&mut self, contender: Contender) -> Outcome<Option<(Found, Cost)>> {
        match contender {
            Contender::Md5(heap) => {
                let mut command = Command::new("md5sum");
                command.arg(&*self.dump(heap)?.file);
                Ok(cost_of_command(&mut command)?.map(|(_, cost)| (Found::default(), cost)))
            }
            Contender::Task(task, heap, threads) => {
                let mut command = self.task(task, threads)?;
                command.arg("--file").arg(&*self.dump(heap)?.file);
                let (found, cost) = run_task(&mut command)?;
                let census = &self.dump(heap)?.census;
                let is_dense = matches!(task, Task::DenseSearch | Task::DenseDominators);
                if found.objects != census.objects || !is_dense && found.references != census.references {
                    let (objects, references) = (found.objects, found.references);
                    self.faults.push(format!("{contender:?}: {objects} objects and {references} references found"));
                }
                Ok(Some((found, cost)))
            }
            Contender::Family(shape) => {
                let mut command = self.task(Task::Family, 1)?;
                command.args(["--shape", &name_of(shape), "--file", "-"]);
                Ok(Some(run_task(&mut command)?))
            }
            Contender::Answer(heap, threads) => {
                let flags: &[&str] = if self.has_index { &["--no-index"] } else { &[] };
                self.answer(heap, threads, flags).map(Some)
            }
            Contender::Growth(first, last) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
                command.args(["growth", "--quiet", "--json", "--no-index", "--threads", "1"]);
                command.arg(&*self.dump(first)?.file).arg(&*self.dump(last)?.file);
                let (printed, cost) = cost_of_command(&mut command)?.ok_or("the command is not there")?;
                let answer: serde_json::Value = serde_json::from_str(&printed)?;
                if answer["ways"][0]["type"] != "app.sessions.SessionState" {
                    self.faults.push(format!("growth does not name the sessions first: {}", answer["ways"][0]["type"]));
                }
                Ok(Some((Found::default(), cost)))
            }
            Contender::IndexedAnswer(heap) if self.has_index => self.answer(heap, 1, &[]).map(Some),
            Contender::WriteIndex(heap) if self.has_index => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
                command.args(["index", "--quiet", "--threads", "1"]).arg(&*self.dump(heap)?.file);
                Ok(cost_of_command(&mut command)?.map(|(_, cost)| (Found::default(), cost)))
            }
            Contender::IndexedAnswer(_) | Contender::WriteIndex(_) => Ok(None),
        }
    }

    fn task(&self, task: Task, threads: usize) -> Outcome<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let objects = self.arguments.worst_objects.unwrap_or(self.arguments.objects);
        command.args(["--task", &name_of(task), "--threads", &threads.to_string()]);
        command.args(["--objects", &objects.to_string()]);
        Ok(command)
    }

    fn answer(&mut self, heap: Heap, threads: usize, flags: &[&str]) -> Outcome<(Found, Cost)> {
        let file = &self.dump(heap)?.file;
        let directory = file.parent().ok_or("a dump in no directory")?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_retainers"));
        // answers show the name of the file as it was given
        command.current_dir(directory).arg(file.file_name().ok_or("a dump without name")?);
        command.args(["--type", "SessionState", "--no-files", "--quiet", "--format", "json"]);
        command.args(["--threads", &threads.to_string()]).args(flags);
        let (printed, cost) = cost_of_command(&mut command)?.ok_or("the command is not there")?;
        if !printed.contains("app.signals") {
            self.faults.push(format!("the answer does not name the module:\n{printed}"));
        }
        let digest = printed.bytes().fold(0, |sum, byte| mixed(sum ^ u64::from(byte)));
        Ok((Found { digest, ..Found::default() }, cost))
    }
}

impl Drop for Contest<'_> {
    fn drop(&mut self) {
        // the directory for temporary files is cleaned by others, should this fail
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn index_of(dump: &Path) -> PathBuf {
    let mut name = dump.as_os_str().to_owned();
    name.push(".rtx");
    name.into()
}

/// What the value is called on the command line.
fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn run_task(command: &mut Command) -> Outcome<(Found, Cost)> {
    let (printed, cost) = cost_of_command(command)?.ok_or("this program is not there")?;
    Ok((printed.parse()?, cost))
}

impl Heap {
    fn plan(self, objects: usize) -> Plan {
        let bare = plan(objects);
        let small = Plan { no_names: false, ..plan(objects.min(SMALL)) };
        match self {
            Self::Lines => bare,
            Self::Later => Plan { later_sessions: bare.sessions(), ..bare },
            Self::Named => Plan { no_names: false, ..bare },
            Self::Tenth => plan((objects / SCALE).max(FEWEST_OBJECTS)),
            Self::Graph => Plan { format: Format::JsonGraph, ..bare },
            Self::NodeLink => Plan { format: Format::NodeLink, ..bare },
            Self::Small => small,
            Self::Shuffled => Plan { shuffle: true, ..small },
        }
    }
}
