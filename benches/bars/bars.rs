//! The bars: for each, what must run, and the rows of the table that come of it.

use clap::ValueEnum;

use crate::contest::{Contender, Contest, Heap};
use crate::generator::families::Shape;
use crate::table::{Bar, Row};
use crate::tasks::Task;
use crate::{Arguments, Outcome};

/// A bar.
pub struct Definition {
    /// Its number.
    pub number: u8,
    /// What it compares.
    pub contenders: fn(&Arguments) -> Vec<Contender>,
    /// What comes of it.
    pub rows: fn(&mut Contest, &Arguments) -> Outcome<Vec<Row>>,
}

/// The bar that wants a quiet moment.
pub const QUIET: u8 = 15;
/// Objects from which the largest heaps are about.
const HUGE: usize = 100_000_000;
/// Threads that must not make a difference.
const THREADS: [usize; 4] = [1, 2, 3, 8];

const fn on_lines(task: Task) -> Contender {
    Contender::Task(task, Heap::Lines, 1)
}

const MD5: Contender = Contender::Md5(Heap::Lines);
const WHOLE: Contender = on_lines(Task::Whole);
const WHOLE_NAMED: Contender = Contender::Task(Task::Whole, Heap::Named, 1);
const WHOLE_BY_TWO: Contender = Contender::Task(Task::Whole, Heap::Lines, 2);
const ANALYSIS: Contender = on_lines(Task::Analysis);
const GROWTH: Contender = Contender::Growth(Heap::Lines, Heap::Later);
const CHAINS: Contender = on_lines(Task::Chains);
const PARSE: Contender = on_lines(Task::Parse);
const PARSE_BY_TWO: Contender = Contender::Task(Task::Parse, Heap::Lines, 2);
const SEARCH: Contender = on_lines(Task::Search);
const TEXTBOOK: Contender = on_lines(Task::TextbookSearch);
const DOMINATORS: Contender = on_lines(Task::Dominators);
const DENSE: Contender = on_lines(Task::DenseDominators);
const DENSE_SEARCH: Contender = on_lines(Task::DenseSearch);
const SMALL_DOMINATORS: Contender = Contender::Task(Task::DominatorsDigest, Heap::Small, 1);
const PETGRAPH: Contender = Contender::Task(Task::Petgraph, Heap::Small, 1);
const FIRST_ANSWER: Contender = Contender::Answer(Heap::Lines, 1);
const WRITE_INDEX: Contender = Contender::WriteIndex(Heap::Lines);
const SECOND_ANSWER: Contender = Contender::IndexedAnswer(Heap::Lines);

/// All of them.
pub const BARS: [Definition; 19] = [
    Definition {
        number: 1,
        contenders: |_| vec![MD5, WHOLE, on_lines(Task::Analysis), Contender::Md5(Heap::Named), WHOLE_NAMED],
        rows: |contest, _| {
            let named_md5 = Contender::Md5(Heap::Named);
            Ok(vec![
                ratio(contest, 1, "whole analysis ÷ md5sum, CPU", WHOLE, MD5, PROCESS_CPU, Bar::AtMost(1.5, Some(1.0))),
                ratio(contest, 1, "  without the answer", on_lines(Task::Analysis), MD5, PROCESS_CPU, Bar::Information),
                ratio(contest, 1, "  lines with names", WHOLE_NAMED, named_md5, PROCESS_CPU, Bar::Information),
            ])
        },
    },
    Definition {
        number: 2,
        contenders: |_| vec![WHOLE, on_lines(Task::Values)],
        rows: |contest, _| {
            let values = on_lines(Task::Values);
            let bar = Bar::AtMost(0.22, Some(0.15));
            let mut rows = vec![ratio(contest, 2, "whole ÷ serde_json Value, CPU", WHOLE, values, PROCESS_CPU, bar)];
            rows.push(ratio(contest, 2, "  memory", WHOLE, values, MEMORY, Bar::Information));
            Ok(rows)
        },
    },
    Definition {
        number: 3,
        contenders: |_| vec![CHAINS, WHOLE],
        rows: |contest, _| {
            let bar = Bar::AtMost(0.65, Some(0.55));
            Ok(vec![ratio(contest, 3, "chain query only ÷ whole, CPU", CHAINS, WHOLE, PROCESS_CPU, bar)])
        },
    },
    Definition {
        number: 4,
        contenders: |_| vec![PARSE, on_lines(Task::Typed)],
        rows: |contest, _| {
            let bar = Bar::AtMost(0.35, Some(0.25));
            Ok(vec![ratio(contest, 4, "parse stage ÷ serde_json typed, CPU", PARSE, on_lines(Task::Typed), CPU, bar)])
        },
    },
    Definition {
        number: 5,
        contenders: |_| vec![on_lines(Task::Index), on_lines(Task::HashIndex)],
        rows: |contest, _| {
            let (ours, theirs) = (on_lines(Task::Index), on_lines(Task::HashIndex));
            contest.agree(ours, theirs);
            let an_object = Bar::AtMost(4.0, None);
            Ok(vec![
                ratio(contest, 5, "id resolution ÷ hashbrown with Fx, CPU", ours, theirs, CPU, Bar::AtMost(0.2, None)),
                per_object(contest, 5, "  bytes an object", ours, Some(theirs), an_object),
            ])
        },
    },
    Definition {
        number: 6,
        contenders: |_| vec![SEARCH, TEXTBOOK],
        rows: |contest, _| {
            contest.agree(SEARCH, TEXTBOOK);
            let bar = Bar::AtMost(0.75, Some(0.5));
            Ok(vec![ratio(contest, 6, "breadth-first search ÷ textbook, CPU", SEARCH, TEXTBOOK, CPU, bar)])
        },
    },
    Definition {
        number: 7,
        contenders: |_| vec![SEARCH, DOMINATORS, DENSE_SEARCH, DENSE],
        rows: |contest, _| {
            let (realistic, dense) = (Bar::AtMost(7.0, Some(4.0)), Bar::AtMost(10.0, None));
            Ok(vec![
                ratio(contest, 7, "dominators + retained ÷ own search, CPU", DOMINATORS, SEARCH, CPU, realistic),
                ratio(contest, 7, "  dense heap", DENSE, DENSE_SEARCH, CPU, dense),
            ])
        },
    },
    Definition {
        number: 8,
        contenders: |_| vec![SMALL_DOMINATORS, PETGRAPH],
        rows: |contest, _| {
            contest.agree(SMALL_DOMINATORS, PETGRAPH);
            let mut row =
                ratio(contest, 8, "petgraph ÷ dominators, CPU", PETGRAPH, SMALL_DOMINATORS, CPU, Bar::AtLeast(50.0));
            std::mem::swap(&mut row.ours, &mut row.other);
            row.what = format!("petgraph simple_fast ÷ ours, {} objects", contest.census(Heap::Small)?.objects);
            Ok(vec![row])
        },
    },
    Definition {
        number: 9,
        contenders: |_| std::iter::once(DOMINATORS).chain(worst_cases().map(Contender::Family)).collect(),
        rows: |contest, _| Ok(worst_cases().map(|shape| worst(contest, shape)).collect()),
    },
    Definition {
        number: 10,
        contenders: |_| vec![WHOLE],
        rows: |contest, _| {
            let r = references_an_object(contest)?;
            let bar = Bar::AtMost(60.0 + 10.0 * r, Some(50.0 + 8.0 * r));
            Ok(vec![per_object(contest, 10, "peak memory, whole, bytes an object", WHOLE, None, bar)])
        },
    },
    Definition {
        number: 11,
        contenders: |_| vec![CHAINS],
        rows: |contest, _| {
            let r = references_an_object(contest)?;
            let bar = Bar::AtMost(36.0 + 9.0 * r, Some(30.0 + 8.0 * r));
            Ok(vec![per_object(contest, 11, "peak memory, chain query, bytes an object", CHAINS, None, bar)])
        },
    },
    Definition { number: 12, contenders: |_| vec![WHOLE, WRITE_INDEX], rows: |contest, _| index(contest) },
    Definition {
        number: 13,
        contenders: |_| vec![FIRST_ANSWER, WRITE_INDEX, SECOND_ANSWER],
        rows: |contest, _| Ok(second_run(contest)),
    },
    Definition {
        number: 14,
        contenders: |_| {
            let digests = THREADS.map(|threads| Contender::Task(Task::Digest, Heap::Lines, threads));
            let answers = THREADS.map(|threads| Contender::Answer(Heap::Small, threads));
            let shuffled = [Contender::Answer(Heap::Shuffled, 1), Contender::Task(Task::Digest, Heap::Shuffled, 2)];
            let small = [Contender::Task(Task::Digest, Heap::Small, 1)];
            digests.into_iter().chain(answers).chain(shuffled).chain(small).collect()
        },
        rows: |contest, _| Ok(identical(contest)),
    },
    Definition {
        number: QUIET,
        contenders: |_| quiet_contenders(),
        rows: |contest, _| {
            let (parsing, all) = (Bar::AtMost(0.55, Some(0.52)), Bar::AtMost(0.68, Some(0.6)));
            Ok(vec![
                ratio(contest, QUIET, "2 threads ÷ 1, wall, parsing", PARSE_BY_TWO, PARSE, WALL, parsing),
                ratio(contest, QUIET, "  whole", WHOLE_BY_TWO, WHOLE, PROCESS_WALL, all),
            ])
        },
    },
    Definition {
        number: 16,
        contenders: |_| vec![WHOLE, Contender::Task(Task::Whole, Heap::Tenth, 1)],
        rows: |contest, arguments| {
            let what = format!("CPU an object at {} ÷ at a tenth", arguments.objects);
            let smaller = (Contender::Task(Task::Whole, Heap::Tenth, 1), Heap::Tenth);
            Ok(vec![cpu_per_object(contest, 16, &what, (WHOLE, Heap::Lines), smaller, Bar::AtMost(1.5, None))?])
        },
    },
    Definition {
        number: 17,
        contenders: |_| {
            vec![WHOLE, Contender::Task(Task::Whole, Heap::Graph, 1), Contender::Task(Task::Whole, Heap::NodeLink, 1)]
        },
        rows: |contest, _| {
            let lines = (WHOLE, Heap::Lines);
            let graph = (Contender::Task(Task::Whole, Heap::Graph, 1), Heap::Graph);
            let links = (Contender::Task(Task::Whole, Heap::NodeLink, 1), Heap::NodeLink);
            let bar = Bar::AtMost(2.2, None);
            Ok(vec![
                cpu_per_object(contest, 17, "JSON Graph Format ÷ lines, CPU an object", graph, lines, bar)?,
                cpu_per_object(contest, 17, "  node-link", links, lines, Bar::Information)?,
            ])
        },
    },
    Definition {
        number: 18,
        contenders: |arguments| if arguments.objects >= HUGE { vec![MD5, WHOLE_BY_TWO] } else { Vec::new() },
        rows: |contest, arguments| {
            let is_huge = arguments.objects >= HUGE;
            let (wall, bytes) = (Bar::AtMost(1.2, Some(0.8)), Bar::AtMost(86.0, Some(72.0)));
            let mut rows = vec![
                ratio(contest, 18, "10⁸ objects, 2 threads ÷ md5sum, wall", WHOLE_BY_TWO, MD5, PROCESS_WALL, wall),
                per_object(contest, 18, "  bytes an object", WHOLE_BY_TWO, None, bytes),
            ];
            for row in rows.iter_mut().filter(|_| !is_huge) {
                *row = Row { ours: shown(None), other: shown(None), figure: None, ..row.clone() };
            }
            Ok(rows)
        },
    },
    Definition {
        number: 19,
        contenders: |_| vec![GROWTH, ANALYSIS, on_lines(Task::Load)],
        rows: |contest, _| {
            let (load, bar) = (on_lines(Task::Load), Bar::AtMost(2.5, None));
            Ok(vec![
                ratio(
                    contest,
                    19,
                    "growth of two dumps ÷ one load with dominators, CPU",
                    GROWTH,
                    ANALYSIS,
                    PROCESS_CPU,
                    bar,
                ),
                ratio(contest, 19, "  ÷ one load without", GROWTH, load, PROCESS_CPU, Bar::Information),
            ])
        },
    },
];

fn worst_cases() -> impl Iterator<Item = Shape> {
    Shape::value_variants().iter().copied().filter(|shape| shape.family().is_some())
}

/// What is run more often, for a quiet moment.
pub fn quiet_contenders() -> Vec<Contender> {
    vec![PARSE, PARSE_BY_TWO, WHOLE, WHOLE_BY_TWO]
}

/// A number taken from the best runs of a contender: its value, and how to show it.
type Measure = fn(&crate::contest::Best) -> (f64, &'static str);

const PROCESS_CPU: Measure = |best| (best.process.cpu.as_secs_f64(), "s");
const PROCESS_WALL: Measure = |best| (best.process.wall.as_secs_f64(), "s");
const CPU: Measure = |best| (best.found.cpu.as_secs_f64(), "s");
const WALL: Measure = |best| (best.found.wall.as_secs_f64(), "s");
const MEMORY: Measure = |best| (megabytes(best.found.memory), "MB");

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn count(number: usize) -> f64 {
    number as f64
}

fn megabytes(bytes: u64) -> f64 {
    real(bytes) / 1e6
}

/// One contender's measure over another's.
fn ratio(
    contest: &Contest,
    number: u8,
    what: &str,
    ours: Contender,
    other: Contender,
    measure: Measure,
    bar: Bar,
) -> Row {
    let value = |contender| contest.best(contender).map(|best| measure(&best));
    let (ours, other) = (value(ours), value(other));
    let figure = ours.zip(other).map(|((ours, _), (other, _))| ours / other);
    Row { number, what: what.to_owned(), ours: shown(ours), other: shown(other), figure, bar }
}

fn shown(value: Option<(f64, &str)>) -> String {
    match value {
        None => "–".to_owned(),
        Some((number, unit)) if number < 10.0 => format!("{number:.3} {unit}"),
        Some((number, unit)) => format!("{number:.1} {unit}"),
    }
}

/// Bytes of memory to an object.
fn per_object(contest: &Contest, number: u8, what: &str, ours: Contender, other: Option<Contender>, bar: Bar) -> Row {
    let bytes = |contender| contest.best(contender).map(|best| real(best.found.memory) / count(best.found.objects));
    let (figure, other) = (bytes(ours), other.and_then(bytes));
    let total = contest.best(ours).map(|best| MEMORY(&best));
    // of two, both are shown to an object
    let ours = if other.is_some() { figure.map(|bytes| (bytes, "B")) } else { total };
    Row { number, what: what.to_owned(), ours: shown(ours), other: shown(other.map(|bytes| (bytes, "B"))), figure, bar }
}

fn references_an_object(contest: &mut Contest) -> Outcome<f64> {
    let census = contest.census(Heap::Lines)?;
    Ok(count(census.references) / count(census.objects))
}

/// Time of the processor to an object, in one heap over another.
fn cpu_per_object(
    contest: &mut Contest,
    number: u8,
    what: &str,
    ours: (Contender, Heap),
    other: (Contender, Heap),
    bar: Bar,
) -> Outcome<Row> {
    let mut nanoseconds = |(contender, heap): (Contender, Heap)| -> Outcome<Option<f64>> {
        let objects = count(contest.census(heap)?.objects);
        Ok(contest.best(contender).map(|best| best.process.cpu.as_secs_f64() * 1e9 / objects))
    };
    let (ours, other) = (nanoseconds(ours)?, nanoseconds(other)?);
    let figure = ours.zip(other).map(|(ours, other)| ours / other);
    let shown = |value: Option<f64>| shown(value.map(|value| (value, "ns")));
    Ok(Row { number, what: what.to_owned(), ours: shown(ours), other: shown(other), figure, bar })
}

/// Time of the solver to an object or reference of a worst case, over that of the realistic heap.
fn worst(contest: &Contest, shape: Shape) -> Row {
    let nanoseconds = |contender| {
        let found = contest.best(contender)?.found;
        Some(found.cpu.as_secs_f64() * 1e9 / count(found.objects + found.references))
    };
    let (ours, other) = (nanoseconds(Contender::Family(shape)), nanoseconds(DOMINATORS));
    let is_information = shape == Shape::Random;
    Row {
        number: 9,
        what: format!("worst case ÷ realistic, ns a part: {shape:?}"),
        ours: shown(ours.map(|value| (value, "ns"))),
        other: shown(other.map(|value| (value, "ns"))),
        figure: ours.zip(other).map(|(ours, other)| ours / other),
        bar: if is_information { Bar::Information } else { Bar::AtMost(3.0, None) },
    }
}

/// Bytes of the index, and what writing it costs beyond the analysis.
fn index(contest: &mut Contest) -> Outcome<Vec<Row>> {
    let dump = contest.bytes(Heap::Lines)?;
    let bytes = contest.index_bytes(Heap::Lines)?;
    let size = Row {
        number: 12,
        what: "index ÷ dump, bytes".to_owned(),
        ours: shown(bytes.map(|bytes| (megabytes(bytes), "MB"))),
        other: shown(Some((megabytes(dump), "MB"))),
        figure: bytes.map(|bytes| real(bytes) / real(dump)),
        bar: Bar::AtMost(0.5, None),
    };
    let mut writing =
        ratio(contest, 12, "  writing it ÷ whole, CPU", WRITE_INDEX, WHOLE, PROCESS_CPU, Bar::AtMost(0.15, None));
    // the command that writes it does the whole analysis first
    writing.figure = writing.figure.map(|figure| (figure - 1.0).max(0.0));
    Ok(vec![size, writing])
}

fn second_run(contest: &mut Contest) -> Vec<Row> {
    if contest.has_index {
        contest.agree(FIRST_ANSWER, SECOND_ANSWER);
    }
    let share = ratio(
        contest,
        13,
        "second run ÷ first, wall",
        SECOND_ANSWER,
        FIRST_ANSWER,
        PROCESS_WALL,
        Bar::AtMost(0.02, None),
    );
    let wall = contest.best(SECOND_ANSWER).map(|best| best.process.wall.as_secs_f64() * 1e3);
    let time = Row {
        number: 13,
        what: "  in milliseconds".to_owned(),
        ours: shown(wall.map(|wall| (wall, "ms"))),
        other: "–".to_owned(),
        figure: wall,
        bar: Bar::AtMost(100.0, Some(30.0)),
    };
    vec![share, time]
}

/// Distances, dominators and retained sizes of all objects, and what the command prints.
fn identical(contest: &mut Contest) -> Vec<Row> {
    let digest = |contest: &Contest, contender| contest.best(contender).map(|best| best.found.digest);
    let row = |what: &str, ours: String, is_same: bool| Row {
        number: 14,
        what: what.to_owned(),
        ours,
        other: "–".to_owned(),
        figure: Some(f64::from(u8::from(is_same))),
        bar: Bar::Holds,
    };
    let analyses = THREADS.map(|threads| Contender::Task(Task::Digest, Heap::Lines, threads));
    let answers = THREADS.map(|threads| Contender::Answer(Heap::Small, threads));
    let small = Contender::Task(Task::Digest, Heap::Small, 1);
    let shuffled = Contender::Task(Task::Digest, Heap::Shuffled, 2);
    let same_analysis = analyses.map(|contender| contest.agree(analyses[0], contender)).iter().all(|same| *same);
    let same_answer = answers.map(|contender| contest.agree(answers[0], contender)).iter().all(|same| *same);
    let same_shuffled = contest.agree(small, shuffled);
    // which of several equally good chains is shown may be decided by the order in the dump
    let same_text = digest(contest, answers[0]) == digest(contest, Contender::Answer(Heap::Shuffled, 1));
    let threads = format!("{THREADS:?}");
    vec![
        row("every figure of the analysis, threads", threads.clone(), same_analysis),
        row("  for shuffled lines", "shuffled".to_owned(), same_shuffled),
        row("what the command prints, threads", threads, same_answer),
        row("  for shuffled lines", "shuffled".to_owned(), same_text),
    ]
}
