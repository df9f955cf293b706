//! What is measured, each in a process of its own: so none inherits memory that another left behind.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use ::petgraph::algo::dominators::simple_fast;
use ::petgraph::graph::{DiGraph, NodeIndex};
use memchr::memchr_iter;
use retainers::analysis::chains::{Options, chains};
use retainers::analysis::distances::{Distances, RootChoice};
use retainers::analysis::dominators::{Dominators, Holder, dominators};
use retainers::analysis::retaining::Retaining;
use retainers::analysis::select::{Query, select};
use retainers::graph::address::AddressIndex;
use retainers::graph::{Heap, HeapGraph, ObjectId};
use retainers::progress::Progress;
use retainers::source::Source;
use rustc_hash::FxHasher;
use serde::Deserialize;

use crate::Outcome;
use crate::generator::families::Shape;
use crate::generator::{Plan, Random, mixed};
use crate::measure::{Cost, cost_of, held_memory_of, peak_memory_of};

/// Bytes of each thread's stack where nothing may recurse.
const SMALL_STACK: usize = 256 << 10;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Task {
    /// Loads the dump, and answers who holds the sessions, with retained sizes of all objects
    Whole,
    /// The same without retained sizes
    Chains,
    /// Loads the dump
    Load,
    /// Loads the dump, and computes distances, dominators and retained sizes
    Analysis,
    /// The same, and digests the result
    Digest,
    /// Reads the records
    Parse,
    /// Makes a `Value` of each line, and keeps them
    Values,
    /// Reads each line into a structure, and drops it
    Typed,
    /// Indexes all addresses, and looks up all references
    Index,
    /// The same with hashbrown and Fx
    HashIndex,
    /// Distances of all objects
    Search,
    /// The same with a queue, distances and parents
    TextbookSearch,
    /// Dominators and retained sizes
    Dominators,
    /// Distances in the same heap with many more references
    DenseSearch,
    /// Dominators and retained sizes there
    DenseDominators,
    /// Dominators and retained sizes, and a digest of the dominators
    DominatorsDigest,
    /// The same by petgraph
    Petgraph,
    /// Dominators and retained sizes of a worst case
    Family,
}

/// What a process found, and what the part of it that counts took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Objects.
    pub objects: usize,
    /// References.
    pub references: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// A number that differs when the result does; 0 where that is not looked at.
    pub digest: u64,
    /// Time of the processor.
    pub cpu: Duration,
    /// Time that passed.
    pub wall: Duration,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, references, memory, digest, cpu, wall } = self;
        write!(f, "{objects} {references} {memory} {digest} {} {}", cpu.as_nanos(), wall.as_nanos())
    }
}

impl FromStr for Found {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(printed: &str) -> Result<Self, Self::Err> {
        let numbers: Vec<u64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let &[objects, references, memory, digest, cpu, wall] = numbers.as_slice() else {
            return Err(format!("no six numbers: {printed:?}").into());
        };
        Ok(Self {
            objects: usize::try_from(objects)?,
            references: usize::try_from(references)?,
            memory,
            digest,
            cpu: Duration::from_nanos(cpu),
            wall: Duration::from_nanos(wall),
        })
    }
}

impl Found {
    fn of(graph: &HeapGraph) -> Self {
        Self { objects: graph.object_count(), references: graph.reference_count(), ..Self::default() }
    }

    fn at(self, cost: Cost) -> Self {
        Self { cpu: cost.cpu, wall: cost.wall, ..self }
    }
}

/// How often a process does what is short beside loading the dump, at least, and how long it goes on with what is very short.
const REPEATS: usize = 3;
const REPEATED_FOR: Duration = Duration::from_millis(300);

/// The best of several runs, and the result of the last.
fn best_cost_of<T>(work: impl Fn() -> T) -> (T, Cost) {
    let start = Instant::now();
    let (mut result, mut best) = cost_of(&work);
    let mut count = 1;
    while count < REPEATS || start.elapsed() < REPEATED_FOR {
        drop(result);
        let (next, cost) = cost_of(&work);
        (result, best) = (next, best.least(cost));
        count += 1;
    }
    (result, best)
}

/// Runs a task in this process.
pub fn run(task: Task, file: &Path, threads: usize, plan: &Plan) -> Outcome<Found> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| match task {
        Task::Whole => whole(file, true),
        Task::Chains => whole(file, false),
        Task::Analysis | Task::Digest => analysis(file, task == Task::Digest),
        Task::Load => load_only(file),
        Task::Parse => parse(file),
        Task::Values => values(file),
        Task::Typed => typed(file),
        Task::Index | Task::HashIndex => resolution(file, task == Task::Index),
        Task::Search => Ok(search(&load(file)?.graph)),
        Task::TextbookSearch => Ok(textbook_search(&load(file)?.graph)),
        Task::Dominators => Ok(solve(&load(file)?.graph)),
        Task::DenseSearch => Ok(search(&dense(&load(file)?.graph)?)),
        Task::DenseDominators => Ok(solve(&dense(&load(file)?.graph)?)),
        Task::DominatorsDigest => Ok(digest_of_dominators(&load(file)?.graph)),
        Task::Petgraph => Ok(petgraph(&load(file)?.graph)),
        Task::Family => family(plan, threads),
    })
}

fn load(file: &Path) -> Outcome<Heap> {
    Ok(retainers::format::open(file, &Progress::default())?)
}

fn roots(graph: &HeapGraph) -> impl Iterator<Item = ObjectId> + '_ {
    graph.roots().iter().map(|root| root.object)
}

fn whole(file: &Path, retained: bool) -> Outcome<Found> {
    let answer = || -> Outcome<Found> {
        let heap = load(file)?;
        let selection = select(&heap.graph, &Query { types: vec!["SessionState".to_owned()], ids: Vec::new() });
        let answer = chains(&heap, &selection, &Options { retained, ..Options::default() });
        let ways = answer.types.iter().map(|of_type| of_type.signatures.len()).sum::<usize>();
        if ways != 1 {
            return Err(format!("the sessions are held in {ways} ways, not in one").into());
        }
        Ok(Found::of(&heap.graph))
    };
    let ((found, memory), cost) = cost_of(|| peak_memory_of(answer));
    Ok(Found { memory, ..found? }.at(cost))
}

fn analysis(file: &Path, is_digested: bool) -> Outcome<Found> {
    let answer = || -> Outcome<Found> {
        let graph = load(file)?.graph;
        let retaining = Retaining::all(&graph);
        let distances = Distances::search(&retaining, &RootChoice::default());
        let tree = dominators(&retaining, roots(&graph));
        let digest = if is_digested { digest(&graph, &distances, &tree) } else { 0 };
        Ok(Found { digest, ..Found::of(&graph) })
    };
    let ((found, memory), cost) = cost_of(|| peak_memory_of(answer));
    Ok(Found { memory, ..found? }.at(cost))
}

fn load_only(file: &Path) -> Outcome<Found> {
    let ((found, memory), cost) =
        cost_of(|| peak_memory_of(|| -> Outcome<Found> { Ok(Found::of(&load(file)?.graph)) }));
    Ok(Found { memory, ..found? }.at(cost))
}

/// A number that depends on distance, dominator and retained size of each address, but not on the order of the dump.
fn digest(graph: &HeapGraph, distances: &Distances, tree: &Dominators) -> u64 {
    let of_object = |object: ObjectId| {
        let holder = match tree.immediate_dominator(object) {
            Some(Holder::Object(holder)) => graph.address(holder),
            Some(Holder::Root) => 1,
            None => 0,
        };
        let distance = distances.distance(object).map_or(0, |distance| u64::from(distance) + 1);
        let parts = [graph.address(object), holder, distance, tree.retained_size(object), tree.retained_count(object)];
        parts.into_iter().fold(0, |sum, part| mixed(sum ^ part))
    };
    graph.objects().map(of_object).fold(0, u64::wrapping_add)
}

fn parse(file: &Path) -> Outcome<Found> {
    let progress = Progress::default();
    let read = || -> Outcome<_> {
        let source = Source::open(file, &progress)?;
        Ok(retainers::format::python::load(&source, true, &progress))
    };
    let ((loaded, memory), cost) = cost_of(|| peak_memory_of(read));
    let (objects, references) = loaded?.counts;
    let found = Found {
        objects: usize::try_from(objects)?,
        references: usize::try_from(references)?,
        memory,
        ..Found::default()
    };
    Ok(found.at(cost))
}

fn for_each_line(file: &Path, mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
    let source = Source::open(file, &Progress::default())?;
    let mut start = 0;
    for end in memchr_iter(b'\n', &source) {
        visit(&source[start..end])?;
        start = end + 1;
    }
    Ok(())
}

fn values(file: &Path) -> Outcome<Found> {
    let read = || -> Outcome<Found> {
        let mut found = Found::default();
        let mut kept = Vec::new();
        for_each_line(file, |line| {
            let value: serde_json::Value = serde_json::from_slice(line)?;
            found.objects += usize::from(value.get("address").is_some());
            found.references += value.get("refs").and_then(|refs| refs.as_array()).map_or(0, Vec::len);
            kept.push(value);
            Ok(())
        })?;
        black_box(kept);
        Ok(found)
    };
    let ((found, memory), cost) = cost_of(|| peak_memory_of(read));
    Ok(Found { memory, ..found? }.at(cost))
}

/// What a script that knows the format would read of a line.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    address: Option<u64>,
    #[serde(borrow, rename = "type", default)]
    type_name: Cow<'a, str>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    refs: Vec<u64>,
}

fn for_each_object(file: &Path, mut visit: impl FnMut(u64, Line<'_>)) -> Outcome<()> {
    for_each_line(file, |line| {
        let line: Line<'_> = serde_json::from_slice(line)?;
        if let Some(address) = line.address {
            visit(address, line);
        }
        Ok(())
    })
}

fn typed(file: &Path) -> Outcome<Found> {
    let read = || -> Outcome<Found> {
        let mut found = Found::default();
        for_each_object(file, |_, line| {
            black_box((&line.type_name, line.size));
            found.objects += 1;
            found.references += line.refs.len();
        })?;
        Ok(found)
    };
    let (found, cost) = cost_of(read);
    Ok(found?.at(cost))
}

fn resolution(file: &Path, is_ours: bool) -> Outcome<Found> {
    let (mut addresses, mut targets) = (Vec::new(), Vec::new());
    for_each_object(file, |address, line| {
        addresses.push(address);
        targets.extend_from_slice(&line.refs);
    })?;
    let found = Found { objects: addresses.len(), references: targets.len(), ..Found::default() };
    // of all rows in order, and soon computed: it counts for both
    let sum = |rows: &mut dyn Iterator<Item = u32>| {
        rows.fold(0u64, |sum, row| sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(row)))
    };
    let ((digest, memory), cost) = if is_ours {
        cost_of(|| {
            let (index, memory) = held_memory_of(|| AddressIndex::new(&addresses));
            let mut finder = index.finder();
            (sum(&mut targets.iter().filter_map(|&target| finder.row(target))), memory)
        })
    } else {
        cost_of(|| {
            let (index, memory) = held_memory_of(|| {
                let mut index: HashMap<u64, u32, BuildHasherDefault<FxHasher>> = HashMap::default();
                index.reserve(addresses.len());
                index.extend(addresses.iter().copied().zip(0u32..));
                index
            });
            (sum(&mut targets.iter().filter_map(|target| index.get(target).copied())), memory)
        })
    };
    Ok(Found { digest, memory, ..found }.at(cost))
}

fn search(graph: &HeapGraph) -> Found {
    let (distances, cost) = best_cost_of(|| Distances::search(&Retaining::all(graph), &RootChoice::default()));
    let digest = digest_of_distances(graph, |object| distances.distance(object));
    Found { digest, ..Found::of(graph) }.at(cost)
}

/// As it stands in textbooks: a queue, and two arrays.
fn textbook_search(graph: &HeapGraph) -> Found {
    const UNREACHED: u32 = u32::MAX;
    let search = || {
        let mut distances = vec![UNREACHED; graph.object_count()];
        let mut parents = vec![UNREACHED; graph.object_count()];
        let mut queue: VecDeque<ObjectId> = roots(graph).collect();
        queue.iter().for_each(|root| distances[root.index()] = 0);
        while let Some(object) = queue.pop_front() {
            for target in graph.referents(object) {
                if distances[target.index()] == UNREACHED {
                    distances[target.index()] = distances[object.index()] + 1;
                    parents[target.index()] = object.0;
                    queue.push_back(target);
                }
            }
        }
        (distances, parents)
    };
    let ((distances, parents), cost) = best_cost_of(search);
    black_box(parents);
    let distance = |object: ObjectId| Some(distances[object.index()]).filter(|&distance| distance != UNREACHED);
    Found { digest: digest_of_distances(graph, distance), ..Found::of(graph) }.at(cost)
}

fn digest_of_distances(graph: &HeapGraph, distance: impl Fn(ObjectId) -> Option<u32>) -> u64 {
    let of_object = |sum, object| mixed(sum ^ distance(object).map_or(0, |distance| u64::from(distance) + 1));
    graph.objects().fold(0, of_object)
}

fn solve(graph: &HeapGraph) -> Found {
    let ((tree, memory), cost) = best_cost_of(|| peak_memory_of(|| dominators(&Retaining::all(graph), roots(graph))));
    black_box(tree);
    Found { memory, ..Found::of(graph) }.at(cost)
}

fn digest_of_dominators(graph: &HeapGraph) -> Found {
    let (tree, cost) = best_cost_of(|| dominators(&Retaining::all(graph), roots(graph)));
    let digest = graph.objects().fold(0, |sum, object| {
        let holder = tree.immediate_dominator(object).map(|holder| match holder {
            Holder::Root => graph.object_count(),
            Holder::Object(holder) => holder.index(),
        });
        mixed(sum ^ holder.map_or(u64::MAX, |row| row as u64))
    });
    Found { digest, ..Found::of(graph) }.at(cost)
}

/// The last node is the virtual root.
fn petgraph(graph: &HeapGraph) -> Found {
    let mut theirs = DiGraph::<(), ()>::with_capacity(graph.object_count() + 1, graph.reference_count());
    let node = |object: ObjectId| NodeIndex::new(object.index());
    graph.objects().for_each(|_| _ = theirs.add_node(()));
    let root = theirs.add_node(());
    for object in graph.objects() {
        theirs.extend_with_edges(graph.referents(object).map(|target| (node(object), node(target))));
    }
    theirs.extend_with_edges(roots(graph).map(|object| (root, node(object))));
    let (tree, cost) = best_cost_of(|| simple_fast(&theirs, root));
    let digest = graph.objects().fold(0, |sum, object| {
        let holder = tree.immediate_dominator(node(object));
        mixed(sum ^ holder.map_or(u64::MAX, |holder| holder.index() as u64))
    });
    Found { digest, ..Found::of(graph) }.at(cost)
}

/// How far the additional references of a dense heap lead, in objects that refer to something.
const REACH: usize = 10_000;

/// The same heap, in which each object that refers to something also refers to three others nearby, and one in ten of them
/// to a popular one.
fn dense(graph: &HeapGraph) -> Outcome<HeapGraph> {
    let core: Vec<ObjectId> = graph.objects().filter(|&object| graph.referents(object).len() > 0).collect();
    let mut random = Random::new(7);
    let mut text = Vec::new();
    let mut place = 0;
    let mut targets: Vec<ObjectId> = Vec::new();
    for object in graph.objects() {
        targets.clear();
        targets.extend(graph.referents(object));
        if core.get(place) == Some(&object) {
            let first = place.saturating_sub(REACH);
            let near = &core[first..(place + REACH).min(core.len())];
            targets.extend((0..3).map(|_| near[random.below(near.len())]));
            targets.extend(random.chance(10).then(|| core[random.small_below(core.len())]));
            place += 1;
        }
        write!(text, "{{\"address\":{},\"type\":\"T\",\"size\":16,\"refs\":[", graph.address(object))?;
        for (position, &target) in targets.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            write!(text, "{comma}{}", graph.address(target))?;
        }
        text.extend_from_slice(b"]}\n");
    }
    for root in roots(graph) {
        writeln!(text, "{{\"root\":\"module\",\"object\":{}}}", graph.address(root))?;
    }
    let progress = Progress::default();
    Ok(retainers::format::read(Source::from_bytes("a dense heap", text, &progress), &progress)?.graph)
}

/// What recursed over the heap would not survive this.
fn family(plan: &Plan, threads: usize) -> Outcome<Found> {
    let graph = {
        let mut text = Vec::new();
        plan.write(&mut text)?;
        let progress = Progress::default();
        retainers::format::read(Source::from_bytes("a worst case", text, &progress), &progress)?.graph
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(SMALL_STACK).build()?;
    Ok(pool.install(|| solve(&graph)))
}

/// The plan of a worst case.
pub fn family_plan(shape: Shape, objects: usize) -> Plan {
    Plan { shape, ..crate::plan(objects) }
}
