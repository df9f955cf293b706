//! How long do dominators and retained sizes take, beside a plain search of the same heap and petgraph's `simple_fast`?
//!
//! `cargo bench --bench dominators -- --objects 3000000`, and `--worst` for ten million objects each of heaps on which other
//! algorithms are quadratic. Memory is what is taken beyond the graph; what loading has freed and keeps is not in it.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod generator;
#[allow(dead_code, reason = "other benchmarks start commands")]
mod measure;

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;

use ::petgraph::algo::dominators::simple_fast;
use ::petgraph::graph::{DiGraph, NodeIndex};
use clap::Parser;
use measure::{Cost, Row, Settings, cost_of, peak_memory_of, print_table};
use retainers::analysis::distances::{Distances, RootChoice};
use retainers::analysis::dominators::{
    Dominators, Holder, distances_and_dominators, dominators, retained_by_set, retained_together,
};
use retainers::analysis::retaining::Retaining;
use retainers::graph::builder::RootRecord;
use retainers::graph::{Damage, GraphBuilder, HeapGraph, ObjectId, ObjectTable, RootKind};
use retainers::progress::Progress;

/// Objects beyond which petgraph takes minutes.
const MOST_FOR_PETGRAPH: usize = 400_000;
/// Objects in each heap of `--worst`.
const WORST: u32 = 10_000_000;

/// Finds the dominators of a generated heap
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Heaps on which other algorithms are quadratic, of ten million objects
    #[arg(long)]
    worst: bool,
    /// A dump that is there already
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only those of them whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    family: String,
    /// Objects in each of those
    #[arg(long, value_name = "N", default_value_t = WORST)]
    worst_objects: u32,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let Arguments { settings, worst, file, family, worst_objects } = Arguments::parse();
    // what recursed would not survive
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).stack_size(1 << 18).build()?;
    if worst {
        let chosen = FAMILIES.iter().filter(|known| known.what.contains(&family));
        let rows = pool.install(|| chosen.map(|family| family.measure(worst_objects)).collect::<Outcome<_>>());
        print_family_rows(rows?);
        return Ok(());
    }
    let dump = if file.is_none() { settings.dump()? } else { None };
    let Some(path) = file.or_else(|| dump.as_ref().map(|dump| dump.path.clone())) else { return Ok(()) };
    pool.install(|| {
        let graph = retainers::format::open(&path, &Progress::default())?.graph;
        compare(&graph, settings.runs);
        Ok(())
    })
}

/// The best of all runs of one part.
#[derive(Debug)]
struct Best {
    what: &'static str,
    result: Option<(Cost, u64)>,
}

impl Best {
    fn new(what: &'static str) -> Self {
        Self { what, result: None }
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let ((result, memory), cost) = cost_of(|| peak_memory_of(work));
        let (least, most) = self.result.unwrap_or((cost, memory));
        self.result = Some((least.least(cost), most.max(memory)));
        result
    }

    fn row(&self) -> Option<Row> {
        let (cost, memory) = self.result?;
        Some(Row { what: self.what.to_owned(), cost, memory: Some(memory) })
    }
}

fn roots(graph: &HeapGraph) -> impl Iterator<Item = ObjectId> + Clone + '_ {
    graph.roots().iter().map(|root| root.object)
}

fn compare(graph: &HeapGraph, runs: usize) {
    let retaining = Retaining::all(graph);
    let (mut searching, mut solving) = (Best::new("search (distances)"), Best::new("dominators and retained sizes"));
    let (mut together, mut petgraph) = (Best::new("retained by a set"), Best::new("petgraph simple_fast"));
    let mut textbook = Best::new("textbook search, two arrays");
    let mut from_tree = Best::new("the same from distances and tree");
    let mut both = Best::new("distances and dominators at once");
    let choice = RootChoice::default();
    let set: Vec<ObjectId> = graph.objects().step_by(1_000).collect();
    let small = (graph.object_count() <= MOST_FOR_PETGRAPH).then(|| with_virtual_root(graph));
    for run in 0..runs.max(1) {
        let distances = searching.time(|| Distances::search(&retaining, &choice));
        let (theirs, _) = textbook.time(|| textbook_search(graph));
        assert!(graph.objects().all(|object| theirs[object.index()] == distances.order(object)), "distances");
        let tree = solving.time(|| dominators(&retaining, roots(graph)));
        let by_search = together.time(|| retained_by_set(&retaining, roots(graph), &set));
        let known = (&distances, &tree);
        let from_known = from_tree.time(|| retained_together(&retaining, known, roots(graph), &set));
        assert_eq!(from_known, by_search, "retained by a set");
        assert!(both.time(|| distances_and_dominators(&retaining, &choice)).1 == tree, "dominators");
        if let Some(small) = small.as_ref().filter(|_| run == 0) {
            let root = NodeIndex::new(graph.object_count());
            let theirs = petgraph.time(|| simple_fast(small, root));
            check(graph, &tree, |object| theirs.immediate_dominator(NodeIndex::new(object.index())));
        }
    }
    let rows = [searching, solving, both, together, from_tree, textbook, petgraph];
    let rows: Vec<Row> = rows.iter().filter_map(Best::row).collect();
    print_table(&rows);
    print_rates(graph, &rows);
}

/// A breadth-first search as it is taught: distances and parents in arrays, objects in a queue.
fn textbook_search(graph: &HeapGraph) -> (Vec<u32>, Vec<u32>) {
    let mut distances = vec![u32::MAX; graph.object_count()];
    let mut parents = vec![u32::MAX; graph.object_count()];
    let mut queue: VecDeque<ObjectId> = roots(graph).collect();
    queue.iter().for_each(|root| distances[root.index()] = 0);
    while let Some(object) = queue.pop_front() {
        for target in graph.referents(object) {
            if distances[target.index()] == u32::MAX {
                distances[target.index()] = distances[object.index()] + 1;
                parents[target.index()] = object.0;
                queue.push_back(target);
            }
        }
    }
    (distances, parents)
}

/// The same graph as petgraph keeps it; the last node is the virtual root.
fn with_virtual_root(graph: &HeapGraph) -> DiGraph<(), ()> {
    let mut small = DiGraph::with_capacity(graph.object_count() + 1, graph.reference_count());
    let node = |object: ObjectId| NodeIndex::new(object.index());
    graph.objects().for_each(|_| _ = small.add_node(()));
    let root = small.add_node(());
    for object in graph.objects() {
        small.extend_with_edges(graph.referents(object).map(|target| (node(object), node(target))));
    }
    small.extend_with_edges(roots(graph).map(|object| (root, node(object))));
    small
}

fn check(graph: &HeapGraph, tree: &Dominators, theirs: impl Fn(ObjectId) -> Option<NodeIndex>) {
    let node = |holder| match holder {
        Holder::Root => NodeIndex::new(graph.object_count()),
        Holder::Object(object) => NodeIndex::new(object.index()),
    };
    for object in graph.objects() {
        assert_eq!(tree.immediate_dominator(object).map(node), theirs(object), "immediate dominators");
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn print_rates(graph: &HeapGraph, rows: &[Row]) {
    let [_, ours, _, _, _, _, others @ ..] = rows else { return };
    let (objects, references) = (graph.object_count() as f64, graph.reference_count() as f64);
    let seconds = ours.cost.cpu.as_secs_f64();
    println!("\nours: {:.1} ns an object and reference", seconds * 1e9 / (objects + references));
    for other in others {
        println!("{}: {:.0} times ours, the same dominators", other.what, other.cost.cpu.as_secs_f64() / seconds);
    }
}

/// A heap on which other algorithms are quadratic, or out of stack.
struct Family {
    what: &'static str,
    /// Adds what row `row` of `count` refers to.
    references: fn(row: u32, count: u32, targets: &mut Vec<u32>),
    /// Rows of the roots.
    roots: fn(count: u32) -> Vec<u32>,
}

const FAMILIES: [Family; 10] = [
    Family {
        what: "table: rows of one leaf and a shared one",
        references: |row, count, targets| match row {
            0 => targets.extend((2..count).step_by(2)),
            _ if row % 2 == 0 => targets.extend([1, (row + 1).min(count - 1)]),
            _ => {}
        },
        roots: |_| vec![0],
    },
    Family {
        what: "list",
        references: |row, count, targets| targets.extend((row + 1 < count).then_some(row + 1)),
        roots: |_| vec![0],
    },
    Family {
        what: "doubly linked list, held at both ends",
        references: |row, count, targets| match row {
            0 => targets.extend([1, count - 1]),
            _ => targets.extend([(row - 1).max(1), (row + 1).min(count - 1)]),
        },
        roots: |_| vec![0],
    },
    Family {
        what: "two lists that share leaves",
        references: |row, count, targets| {
            if row % 3 != 2 {
                targets.extend([(row + 3).min(count - 1), row / 3 * 3 + 2].map(|target| target.min(count - 1)));
            }
        },
        roots: |_| vec![0, 1],
    },
    Family {
        what: "two lists that share objects",
        references: |row, count, targets| match row % 3 {
            2 => targets.push(row),
            _ => targets.extend([(row + 3).min(count - 1), row / 3 * 3 + 2].map(|target| target.min(count - 1))),
        },
        roots: |_| vec![0, 1],
    },
    Family {
        what: "list, tail shared with a root",
        references: |row, count, targets| {
            let (length, last) = (count / 2, count - 1);
            match row {
                _ if row == last => targets.extend(length..last),
                _ if row >= length => targets.push(row),
                _ if row < length / 2 => targets.push(row + 1),
                _ => targets.extend([2 * row, (2 * row + 1).min(last - 1), (row + 1).min(length - 1)]),
            }
        },
        roots: |count| vec![0, count - 1],
    },
    Family {
        what: "list that refers back",
        references: |row, count, targets| targets.extend([row / 2, (row + 1).min(count - 1), row.saturating_sub(1)]),
        roots: |_| vec![0],
    },
    Family {
        what: "star",
        references: |row, count, targets| match row {
            0 => targets.extend(1..count),
            _ => targets.extend([0, count - 1]),
        },
        roots: |_| vec![0],
    },
    Family {
        what: "layers of random references",
        references: |row, count, targets| {
            let layer = row / 64 * 64;
            let mixed =
                |place: u32| (row * 4 + place).wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b);
            let below = (0..4).map(|place| layer + 64 + (mixed(place) >> 26));
            targets.extend(below.map(|target| target.min(count - 1)));
        },
        roots: |_| (0..64).collect(),
    },
    Family {
        what: "random references",
        references: |row, count, targets| {
            let mixed = |place: u32| (row ^ place.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b).rotate_left(15);
            targets.extend([1, 2].map(|place| mixed(place).wrapping_mul(0xc2b2_ae35) % count));
        },
        roots: |_| vec![0, 1, 2, 3],
    },
];

impl Family {
    fn graph(&self, count: u32) -> Outcome<HeapGraph> {
        let mut table = ObjectTable::default();
        let number = table.type_number(b"", b"T", || "T".to_owned());
        let address = |row: u32| u64::from(row) * 16 + 16;
        let mut targets = Vec::new();
        for row in 0..count {
            table.object(address(row), number, 64, 0);
            targets.clear();
            (self.references)(row, count, &mut targets);
            targets.iter().for_each(|&target| table.reference(address(target)));
        }
        for root in (self.roots)(count) {
            table.root(RootRecord { address: address(root), kind: RootKind::Module, name: None });
        }
        let mut builder = GraphBuilder::default();
        builder.add(table);
        Ok(builder.finish(&mut Damage::default(), &|_| None, &Progress::default())?)
    }

    fn measure(&self, count: u32) -> Outcome<FamilyRow> {
        let graph = self.graph(count)?;
        let (mut searching, mut best) = (Best::new("search"), Best::new(self.what));
        searching.time(|| Distances::search(&Retaining::all(&graph), &RootChoice::default()));
        let tree = best.time(|| dominators(&Retaining::all(&graph), roots(&graph)));
        let (search, row) = searching.row().zip(best.row()).ok_or("not run")?;
        let parts = graph.object_count() + graph.reference_count();
        Ok(FamilyRow {
            row,
            search: search.cost,
            parts,
            objects: graph.object_count(),
            reached: tree.reachable_count(),
        })
    }
}

/// What a family took.
struct FamilyRow {
    row: Row,
    /// What a plain search took.
    search: Cost,
    /// Objects and references.
    parts: usize,
    objects: usize,
    reached: u64,
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn print_family_rows(rows: Vec<FamilyRow>) {
    println!("{:<42} {:>9} {:>9} {:>12} {:>9}", "heap", "ns a part", "searches", "bytes/object", "reached");
    for FamilyRow { row, search, parts, objects, reached } in &rows {
        let nanoseconds = row.cost.cpu.as_secs_f64() * 1e9 / *parts as f64;
        let searches = row.cost.cpu.as_secs_f64() / search.cpu.as_secs_f64();
        let bytes = row.memory.unwrap_or(0) as f64 / *objects as f64;
        println!("{:<42} {nanoseconds:>9.1} {searches:>9.1} {bytes:>12.1} {reached:>9}", row.what);
    }
    print_table(&rows.into_iter().map(|row| row.row).collect::<Vec<_>>());
}
