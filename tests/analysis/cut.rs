//! Cuts and disjoint ways against enumeration, the table of uncuttable references, long lists, a real leak.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use retainers::analysis::cut::{Cut, Freed, disjoint_ways, frees, minimum_cut, uncuttable_by_rule};
use retainers::analysis::retaining::Retaining;
use retainers::analysis::select::{Query, select};
use retainers::graph::{Heap, ObjectId, ReferenceKind, ReferenceName};
use retainers::progress::Progress;
use serde_json::json;

use crate::support::heap::{heap, load};

/// Random numbers: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

/// A small random graph. Sets of objects and of references are bits of a number.
#[derive(Debug)]
struct Random {
    count: usize,
    /// By holder, so that the place of a reference is its position in the heap. Loops and parallel ones occur.
    references: Vec<(usize, usize)>,
    roots: u32,
    targets: u32,
    uncuttable: u32,
    excluded: u32,
}

impl Random {
    fn new(seed: u64) -> Self {
        let dice = &mut Dice(seed);
        if seed % 2 == 1 {
            return Self::layered(dice);
        }
        let count = 1 + dice.below(8);
        let mut references: Vec<(usize, usize)> =
            (0..dice.below(15)).map(|_| (dice.below(count), dice.below(count))).collect();
        references.sort_by_key(|(holder, _)| *holder);
        let mut bits = |end: usize, most: usize| (0..dice.below(most + 1)).fold(0, |set, _| set | 1 << dice.below(end));
        let length = references.len().max(1);
        let (roots, targets) = (bits(count, 3), bits(count, 2) | 1 << (count - 1));
        let (uncuttable, excluded) = (bits(length, 5), bits(length, 2) & bits(length, 14));
        Self { count, references, roots, targets, uncuttable, excluded }
    }

    /// Two roots far from one target, and references that all lead its way: units get in each other's way.
    fn layered(dice: &mut Dice) -> Self {
        let count = 8;
        let length = 10 + dice.below(5);
        let mut reference = || {
            let holder = dice.below(count - 1);
            (holder, (holder + 1 + dice.below(3)).min(count - 1))
        };
        let mut references: Vec<(usize, usize)> = (0..length).map(|_| reference()).collect();
        references.sort_by_key(|(holder, _)| *holder);
        let uncuttable = (0..dice.below(3)).fold(0, |set, _| set | 1 << dice.below(references.len()));
        Self { count, references, roots: 3, targets: 1 << (count - 1), uncuttable, excluded: 0 }
    }

    fn heap(&self) -> Heap {
        let mut lines = vec![json!({"retainers": 1}).to_string()];
        for object in 0..self.count {
            let held = self.references.iter().filter(|(holder, _)| *holder == object);
            let refs: Vec<usize> = held.map(|(_, target)| target * 16 + 16).collect();
            lines
                .push(json!({"address": object * 16 + 16, "type": "T", "size": 1 << object, "refs": refs}).to_string());
        }
        lines.extend(objects(self.roots).map(|root| json!({"root": "module", "object": root.0 * 16 + 16}).to_string()));
        lines.push(json!({"end": {"objects": self.count}}).to_string());
        load((lines.join("\n") + "\n").as_bytes())
    }

    fn retaining<'h>(&self, heap: &'h Heap) -> Retaining<'h> {
        let excluded: Vec<usize> = (0..self.references.len()).filter(|place| self.excluded >> place & 1 == 1).collect();
        Retaining::without(&heap.graph, &excluded)
    }

    fn cut(&self, heap: &Heap, most: usize) -> Cut {
        let targets: Vec<ObjectId> = objects(self.targets).collect();
        let is_uncuttable = |position: usize| self.uncuttable >> position & 1 == 1;
        minimum_cut(&self.retaining(heap), objects(self.roots), &targets, &is_uncuttable, most)
    }

    /// Grows a set of objects by the references that are left: forwards, or backwards.
    fn closure(&self, mut set: u32, removed: u32, is_backward: bool) -> u32 {
        loop {
            let before = set;
            for (place, &(holder, target)) in self.references.iter().enumerate() {
                let (from, to) = if is_backward { (target, holder) } else { (holder, target) };
                if (removed | self.excluded) >> place & 1 == 0 && set >> from & 1 == 1 {
                    set |= 1 << to;
                }
            }
            if set == before {
                return set;
            }
        }
    }

    fn is_cut(&self, removed: u32) -> bool {
        self.closure(self.roots, removed, false) & self.targets == 0
    }

    /// All cuts of the smallest size; none where there is no cut.
    fn smallest_cuts(&self) -> Vec<u32> {
        let mut smallest: Vec<u32> = Vec::new();
        for removed in
            (0u32..1 << self.references.len()).filter(|removed| removed & (self.uncuttable | self.excluded) == 0)
        {
            let size = smallest.first().map_or(u32::MAX, |cut| cut.count_ones());
            if removed.count_ones() <= size && self.is_cut(removed) {
                if removed.count_ones() < size {
                    smallest.clear();
                }
                smallest.push(removed);
            }
        }
        smallest
    }

    /// The sets of objects on simple chains from a root to `target`, without the target.
    fn chains_to(&self, target: usize) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut open: Vec<(usize, u32)> =
            (0..self.count).filter(|root| self.roots >> root & 1 == 1).map(|root| (root, 1 << root)).collect();
        while let Some((object, passed)) = open.pop() {
            if object == target {
                found.insert(passed & !(1 << target));
                continue;
            }
            for (place, &(holder, next)) in self.references.iter().enumerate() {
                if holder == object && passed >> next & 1 == 0 && self.excluded >> place & 1 == 0 {
                    open.push((next, passed | 1 << next));
                }
            }
        }
        found
    }
}

fn objects(set: u32) -> impl Iterator<Item = ObjectId> {
    (0..32).filter(move |object| set >> object & 1 == 1).map(ObjectId)
}

/// How many of the chains share no object, at most.
fn most_disjoint(chains: &[u32], used: u32) -> usize {
    let Some((&chain, rest)) = chains.split_first() else { return 0 };
    let without = most_disjoint(rest, used);
    if chain & used != 0 { without } else { without.max(1 + most_disjoint(rest, used | chain)) }
}

/// Cases seen, so that a test cannot pass by never meeting one.
type Seen = BTreeMap<String, usize>;

fn check_cut(random: &Random, seen: &mut Seen) {
    let heap = random.heap();
    let smallest = random.smallest_cuts();
    let cut = random.cut(&heap, 99);
    let case = match &cut {
        Cut::Impossible(chain) => {
            assert!(smallest.is_empty(), "{random:?} {cut:?}");
            assert!(random.roots >> chain[0].0 & 1 == 1 && random.targets >> chain[chain.len() - 1].0 & 1 == 1);
            for hop in chain.windows(2) {
                let is_hop = |place: &usize| random.references[*place] == (hop[0].index(), hop[1].index());
                let kept = random.uncuttable & !random.excluded;
                assert!((0..random.references.len()).filter(is_hop).any(|place| kept >> place & 1 == 1), "{random:?}");
            }
            format!("impossible {}", chain.len().min(3))
        }
        Cut::AlreadyUnreachable => {
            assert_eq!(smallest, [0], "{random:?}");
            "unreachable".to_owned()
        }
        Cut::Found(positions) => {
            let found = positions.iter().fold(0u32, |set, position| set | 1 << position);
            assert!(
                positions.is_sorted() && smallest.contains(&found) && found != 0,
                "{random:?} {cut:?} {smallest:?}"
            );
            let side = |cut: u32| random.closure(random.targets, cut, true);
            let is_nearest = smallest.iter().all(|&other| side(found) & !side(other) == 0);
            assert!(is_nearest, "{random:?} {cut:?} {smallest:?}");
            check_freed(random, &heap, found);
            let size = positions.len();
            assert_eq!(random.cut(&heap, size), cut);
            assert_eq!(random.cut(&heap, size - 1), Cut::TooMany { at_least: size });
            let choices = if smallest.len() > 1 { "one of several" } else { "the only one" };
            format!("found {size}, {choices}")
        }
        Cut::TooMany { .. } => panic!("{random:?}"),
    };
    *seen.entry(case).or_default() += 1;
}

fn check_freed(random: &Random, heap: &Heap, removed: u32) {
    let positions: Vec<usize> = (0..random.references.len()).filter(|place| removed >> place & 1 == 1).collect();
    let targets: Vec<ObjectId> = objects(random.targets).collect();
    let lost = random.closure(random.roots, 0, false) & !random.closure(random.roots, removed, false);
    let expected = Freed {
        objects: u64::from(lost.count_ones()),
        bytes: u64::from(lost),
        targets_freed: u64::from((lost & random.targets).count_ones()),
    };
    assert_eq!(frees(&random.retaining(heap), objects(random.roots), &positions, &targets), expected, "{random:?}");
}

#[test]
fn cuts_are_the_smallest_and_nearest_that_enumeration_finds() {
    let mut seen = Seen::new();
    for seed in 0..10_000 {
        check_cut(&Random::new(seed), &mut seen);
    }
    for case in ["impossible 1", "impossible 2", "impossible 3", "unreachable"] {
        assert!(seen.get(case).is_some_and(|&count| count >= 20), "{case}: {seen:?}");
    }
    for case in
        ["found 1, one of several", "found 2, one of several", "found 3, one of several", "found 3, the only one"]
    {
        assert!(seen.get(case).is_some_and(|&count| count >= 10), "{case}: {seen:?}");
    }
}

#[test]
fn disjoint_ways_are_as_many_as_enumeration_finds() {
    let mut seen = Seen::new();
    for seed in 0..10_000 {
        let random = Random::new(seed);
        let heap = random.heap();
        let target = random.count - 1;
        let chains: Vec<u32> = random.chains_to(target).into_iter().collect();
        let expected = most_disjoint(&chains, 0);
        let ask = |most| disjoint_ways(&random.retaining(&heap), objects(random.roots), ObjectId::at(target), most);
        for most in 0..=expected + 1 {
            let ways = ask(most);
            assert_eq!(ways.len(), expected.min(most), "{random:?} {ways:?}");
            assert!(ways.is_sorted_by_key(|way| (way.len(), way.clone())));
            let mut used = BTreeSet::new();
            for way in &ways {
                assert!(random.roots >> way[0].0 & 1 == 1 && way[way.len() - 1] == ObjectId::at(target), "{random:?}");
                let passed = way[..way.len() - 1].iter().fold(0, |set, object| set | 1 << object.0);
                assert!(way[..way.len() - 1].iter().all(|object| used.insert(*object)), "{random:?} {ways:?}");
                let hops = |hop: &[ObjectId]| random.retaining(&heap).referents(hop[0]).any(|next| next == hop[1]);
                assert!(passed >> target & 1 == 0 && way.windows(2).all(hops), "{random:?} {ways:?}");
            }
        }
        *seen.entry(expected.to_string()).or_default() += 1;
    }
    assert!(["0", "1", "2", "3"].iter().all(|count| seen.get(*count).is_some_and(|&times| times >= 20)), "{seen:?}");
}

/// Three ways of which the shortest blocks the two others: a search that never leads a way elsewhere finds one.
#[test]
fn ways_that_the_shortest_one_blocks_are_found() {
    let heap = heap(
        "root module r -> a\nroot module s -> b\na: T .x -> c, .y -> d\nb: T .x -> c2\nc2: T .x -> c\n\
         d: T .x -> e\ne: T .x -> f\nc: T .x -> t\nf: T .x -> t\nt: T",
    );
    let roots = || heap.graph.roots().iter().map(|root| root.object);
    let target = heap.graph.objects().last().unwrap();
    let ways = disjoint_ways(&Retaining::all(&heap.graph), roots(), target, 2);
    assert_eq!(ways.iter().map(Vec::len).collect::<Vec<_>>(), [4, 5]);
}

/// The shortest chain `a x y t` takes what `b` needs: its unit has to be led over `u`.
#[test]
fn units_in_the_way_of_others_are_led_elsewhere() {
    let heap = heap(
        "root module a -> a\nroot module b -> b\na: T .x -> x\nx: T .y -> y, .u -> u\ny: T .t -> t\nu: T .t -> t\n\
         b: T .p -> p\np: T .y -> y\nt: app.Session",
    );
    let Cut::Found(positions) = cut_of(&heap, "app.Session", 9) else { panic!() };
    let targets: Vec<&str> =
        positions.iter().map(|&at| heap.graph.type_name_of(heap.graph.forward().target(at))).collect();
    assert_eq!(targets, ["app.Session", "app.Session"]);
}

#[test]
fn parallel_references_all_have_to_be_cut() {
    let text = cut_text("module app .cache -> c\nc: dict ['a'] -> s, ['b'] -> s, ['c'] -> s\ns: app.Session");
    assert_eq!(text, ["app.cache"]);
    let text = cut_text("root frame f -> c\nc: dict ['a'] -> s, ['b'] -> s\ns: app.Session");
    assert_eq!(text, ["dict['a']", "dict['b']"]);
}

/// The names of the references in the cut for all of `app.Session`, by the rule.
fn cut_text(sketch: &str) -> Vec<String> {
    let heap = heap(sketch);
    match cut_of(&heap, "app.Session", 100) {
        Cut::Found(positions) => positions.iter().map(|&position| reference_text(&heap, position)).collect(),
        other => panic!("{other:?}"),
    }
}

fn cut_of(heap: &Heap, type_name: &str, most: usize) -> Cut {
    let targets = objects_of(heap, type_name);
    let roots = heap.graph.roots().iter().map(|root| root.object);
    minimum_cut(&Retaining::all(&heap.graph), roots, &targets, &uncuttable_by_rule(heap), most)
}

fn objects_of(heap: &Heap, type_name: &str) -> Vec<ObjectId> {
    let query = Query { types: vec![type_name.to_owned()], ids: Vec::new() };
    select(&heap.graph, &query).groups.into_iter().flat_map(|group| group.objects).collect()
}

/// `list[0]`; `blinker.base.Signal.receivers` for what is in the dictionary of attributes of an object or module.
fn reference_text(heap: &Heap, position: usize) -> String {
    let holder = heap.graph.objects().find(|&object| heap.graph.forward().range(object).contains(&position)).unwrap();
    let name = name_where(heap, holder, |at, _| at == position).unwrap();
    let is_namespace = |owner: &ObjectId| {
        name_where(heap, *owner, |_, target| target == holder).is_some_and(|name| name.kind == ReferenceKind::Namespace)
    };
    let owner = heap.graph.referrers(holder).find(is_namespace);
    let title = owner.and_then(|owner| heap.describe(owner).name);
    let title = title.unwrap_or_else(|| heap.graph.type_name_of(owner.unwrap_or(holder)).to_owned());
    title + &name.expression(owner.is_some())
}

fn name_where(heap: &Heap, holder: ObjectId, is_meant: impl Fn(usize, ObjectId) -> bool) -> Option<ReferenceName> {
    let mut found = None;
    heap.for_each_reference(holder, |position, target, name| {
        if is_meant(position, target) {
            found = Some(name.clone());
        }
    });
    found
}

#[test]
fn the_cut_is_near_the_objects_but_not_in_what_nobody_can_cut() {
    // the method, the closure and the tuple stay whole: what can be cut is the entry, the cell's content
    let sketch = "
        module app .signal -> d, .hook -> f
        d: dict [1] -> m
        m: method __self__ -> s, __func__ -> g
        f: function __globals__ -> app.__dict__, __closure__ -> c
        g: function __globals__ -> app.__dict__
        c: tuple [0] -> cell
        cell: cell cell_contents -> s
        s: app.Session __dict__ -> sd
        sd: dict
    ";
    assert_eq!(cut_text(sketch), ["dict[1]", "cell.cell_contents"]);
}

#[test]
fn frames_let_go_of_locals_but_not_of_each_other() {
    let sketch = "
        root frame main -> f1
        f1: frame f_back -> f2, f_locals['s'] -> s
        f2: frame local t -> x
        x: traceback tb_frame -> f3, tb_next -> y
        y: traceback tb_frame -> f3
        f3: frame f_locals['s'] -> s, .f_trace -> s
        s: app.Session
    ";
    assert_eq!(cut_text(sketch), ["frame.f_locals['s']", "frame.local t"]);
}

#[test]
fn what_nobody_can_cut_is_told_by_type_and_name() {
    let is_cut = |reference: &str| {
        let heap = heap(&format!("root native x -> h\nh: {reference} -> s\ns: app.Session"));
        matches!(cut_of(&heap, "app.Session", 9), Cut::Found(_))
    };
    let fixed = [
        "app.Holder __dict__",
        "type __mro__",
        "app.Holder .__class__",
        "function __closure__",
        "method __self__",
        "classmethod .__func__",
        "weakref .__callback__",
        "functools.partial .func",
        "property .fget",
        "frame f_back",
        "traceback tb_frame",
        "coroutine cr_frame",
        "code co_consts",
        "tuple [0]",
        "frozenset {}",
    ];
    let free = [
        "app.Holder .func",
        "app.Holder .f_back",
        "function __defaults__",
        "cell cell_contents",
        "frame f_locals['x']",
        "frame f_trace",
        "traceback tb_next",
        "ValueError __traceback__",
        "list [0]",
        "set {}",
        "dict ['__class__']",
        "dict key ['x']",
        "tuple ",
        "app.Holder .tb_frame",
    ];
    assert_eq!(fixed.map(is_cut), [false; 15]);
    assert_eq!(free.map(is_cut), [true; 14]);
}

#[test]
fn references_without_name_can_be_cut() {
    assert_eq!(cut_text("root native x -> o\no: ext.Holder -> s\ns: app.Session"), ["ext.Holder.<unnamed>"]);
}

#[test]
fn chains_that_nobody_can_cut_are_named() {
    let heap = heap("root frame main -> f1\nf1: frame f_back -> f2\nf2: frame f_locals['s'] -> s\ns: app.Session");
    let (f1, f2) = (heap.graph.object_at(16).unwrap(), heap.graph.object_at(32).unwrap());
    assert_eq!(cut_of(&heap, "frame", 9), Cut::Impossible(vec![f1]));
    let roots = || heap.graph.roots().iter().map(|root| root.object);
    let retaining = Retaining::all(&heap.graph);
    let cut = minimum_cut(&retaining, roots(), &[f2], &uncuttable_by_rule(&heap), 0);
    assert_eq!(cut, Cut::Impossible(vec![f1, f2]));
    assert_eq!(minimum_cut(&retaining, roots(), &[], &uncuttable_by_rule(&heap), 9), Cut::AlreadyUnreachable);
    assert_eq!(disjoint_ways(&retaining, roots(), f1, 2), [[f1]]);
}

#[test]
fn the_answer_is_the_same_for_any_number_of_threads() {
    for seed in 0..200 {
        let random = Random::new(seed);
        let answer = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let heap = random.heap();
                let target = ObjectId::at(random.count - 1);
                let ways = disjoint_ways(&random.retaining(&heap), objects(random.roots), target, 3);
                (random.cut(&heap, 99), ways)
            })
        };
        let one = answer(1);
        assert_eq!(answer(2), one, "{random:?}");
        assert_eq!(answer(8), one, "{random:?}");
    }
}

#[test]
fn a_long_list_held_at_both_ends_needs_no_stack() {
    const LENGTH: usize = 200_000;
    let mut lines = vec![json!({"retainers": 1}).to_string()];
    for place in 1..=LENGTH {
        let refs: Vec<usize> = [place - 1, place + 1].into_iter().filter(|next| (1..=LENGTH).contains(next)).collect();
        lines.push(json!({"address": place, "type": "Link", "size": 1, "refs": refs}).to_string());
    }
    lines.extend([1, LENGTH].map(|end| json!({"root": "module", "object": end}).to_string()));
    lines.push(json!({"end": {"objects": LENGTH}}).to_string());
    let heap = load((lines.join("\n") + "\n").as_bytes());
    let search = move || {
        let retaining = Retaining::all(&heap.graph);
        let roots = || heap.graph.roots().iter().map(|root| root.object);
        let middle = ObjectId::at(LENGTH / 2);
        let cut = minimum_cut(&retaining, roots(), &[middle], &|_| false, 10);
        let Cut::Found(positions) = &cut else { panic!("{cut:?}") };
        assert!(positions.len() == 2 && positions.iter().all(|&at| heap.graph.forward().target(at) == middle));
        assert_eq!(frees(&retaining, roots(), positions, &[middle]), Freed { objects: 1, bytes: 1, targets_freed: 1 });
        assert!(matches!(minimum_cut(&retaining, roots(), &[middle], &|_| true, 10), Cut::Impossible(_)));
        let ways = disjoint_ways(&retaining, roots(), middle, 3);
        assert_eq!(ways.iter().map(Vec::len).collect::<Vec<_>>(), [LENGTH / 2, LENGTH / 2 + 1]);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(search).unwrap().join().unwrap();
}

#[test]
fn the_sessions_of_streamlit_are_held_by_few_references() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streamlit-0.89/dump.jsonl.zst");
    let heap = retainers::format::open(&path, &Progress::default()).unwrap();
    let Cut::Found(positions) = cut_of(&heap, "SessionState", 1_000) else { panic!() };
    let sessions = objects_of(&heap, "SessionState");
    let retaining = Retaining::all(&heap.graph);
    let roots = || heap.graph.roots().iter().map(|root| root.object);
    let frees = |positions: &[usize]| frees(&retaining, roots(), positions, &sessions);
    let alone = |&position: &usize| (reference_text(&heap, position), frees(&[position]).targets_freed);
    let found: Vec<(String, u64)> = positions.iter().map(alone).collect();
    let found: Vec<(&str, u64)> = found.iter().map(|(text, freed)| (text.as_str(), *freed)).collect();
    let expected = [
        ("blinker.base.Signal.receivers", 30),
        ("streamlit.script_runner.ScriptRunner._session_state", 0),
        ("streamlit.report_thread.ReportContext.session_state", 0),
        ("streamlit.report_session.ReportSession._session_state", 0),
    ];
    assert_eq!(found, expected);
    assert_eq!(frees(&positions), Freed { objects: 4471, bytes: 414_646, targets_freed: 31 });
    // the one of the session that is running is held in two ways, each of the others through the signal
    let ways = |&session: &ObjectId| disjoint_ways(&retaining, roots(), session, 2).len();
    let counts: Vec<usize> = sessions.iter().map(ways).collect();
    assert_eq!((counts.iter().filter(|&&count| count == 1).count(), counts.len()), (30, 31));
}
