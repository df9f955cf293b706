//! Dominators against petgraph, against the removal of each object on random heaps, and on heaps that break naive code.

use std::fmt::Write;

use ::petgraph::algo::dominators::simple_fast;
use ::petgraph::graph::{DiGraph, NodeIndex};
use retainers::analysis::distances::{DistanceColumns, Distances, RootChoice};
use retainers::analysis::dominators::{
    DominatorColumns, Dominators, Holder, SetSize, distances_and_dominators, dominators, retained_by_set,
    retained_together,
};
use retainers::analysis::retaining::Retaining;
use retainers::graph::column::Column;
use retainers::graph::grouped::Numbers;
use retainers::graph::{Damage, GraphBuilder, HeapGraph, ObjectId, Sizes};
use retainers::progress::Progress;

use crate::support::heap::{heap, load};

/// A seeded sequence (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// A heap by rows: object i has the address 16 i + 16 and a size of i mod 7.
#[derive(Debug, Default)]
struct Rows {
    references: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl Rows {
    fn of(count: usize, references: impl Fn(usize) -> Vec<usize>, roots: &[usize]) -> Self {
        Self { references: (0..count).map(references).collect(), roots: roots.to_vec() }
    }

    /// Some are random, some are mostly lists, some have a hub.
    fn random(random: &mut Random, most: usize) -> Self {
        let count = 2 + random.below(most - 1);
        let shape = random.below(3);
        let mut references = vec![Vec::new(); count];
        for _ in 0..random.below(3 * count + 1) {
            let source = random.below(count);
            let target = match (shape, random.below(4)) {
                (0, _) | (_, 0) => random.below(count),
                (1, near) => (source + 2 * near).saturating_sub(3).min(count - 1),
                (_, near) => near - 1,
            };
            references[source].push(target.min(count - 1));
        }
        let roots = (0..random.below(4)).map(|_| random.below(count)).collect();
        Self { references, roots }
    }

    fn external(row: usize) -> u64 {
        if row % 5 == 2 { 100 } else { 0 }
    }

    fn size(row: usize) -> u64 {
        row as u64 % 7
    }

    fn graph(&self) -> HeapGraph {
        if self.references.is_empty() {
            // no reader gives such a heap
            let progress = Progress::default();
            return GraphBuilder::default().finish(&mut Damage::default(), &|_| None, &progress).unwrap();
        }
        let mut dump = String::from("{\"retainers\":1}\n");
        let address = |row: usize| row * 16 + 16;
        for (row, targets) in self.references.iter().enumerate() {
            let targets: Vec<usize> = targets.iter().map(|&target| address(target)).collect();
            let (address, size, external) = (address(row), Self::size(row), Self::external(row));
            writeln!(
                dump,
                r#"{{"address":{address},"type":"T","size":{size},"external":{external},"refs":{targets:?}}}"#
            )
            .unwrap();
        }
        for (place, &root) in self.roots.iter().enumerate() {
            writeln!(dump, r#"{{"root":"frame","name":"f{place}","object":{}}}"#, address(root)).unwrap();
        }
        writeln!(dump, r#"{{"end":{{"objects":{}}}}}"#, self.references.len()).unwrap();
        let graph = load(dump.as_bytes()).graph;
        assert_eq!(graph.roots().len(), self.roots.len());
        graph
    }
}

fn roots(graph: &HeapGraph) -> impl Iterator<Item = ObjectId> + Clone + '_ {
    graph.roots().iter().map(|root| root.object)
}

fn solve(graph: &HeapGraph) -> Dominators {
    let tree = dominators(&Retaining::all(graph), roots(graph));
    check_whole(graph, &tree);
    tree
}

/// What holds in every dominator tree.
fn check_whole(graph: &HeapGraph, tree: &Dominators) {
    let together: u64 = tree.children(Holder::Root).map(|child| tree.retained_size(child)).sum();
    assert_eq!(together, tree.reachable_size());
    assert_eq!(graph.objects().filter(|&object| tree.is_reachable(object)).count() as u64, tree.reachable_count());
    let mut seen = vec![false; graph.object_count()];
    let mut last_child = vec![None; graph.object_count() + 1];
    for object in tree.top_down() {
        let holder = tree.immediate_dominator(object).unwrap();
        let (place, is_seen) = match holder {
            Holder::Root => (graph.object_count(), true),
            Holder::Object(holder) => (holder.index(), seen[holder.index()]),
        };
        assert!(is_seen && !seen[object.index()]);
        assert!(last_child[place].replace(object) < Some(object), "siblings are in dump order");
        seen[object.index()] = true;
    }
    assert_eq!(seen.iter().filter(|&&seen| seen).count() as u64, tree.reachable_count());
    assert_eq!(tree.top_down().len() as u64, tree.reachable_count());
}

/// Immediate dominators as petgraph finds them; `None` for what is not reached.
fn by_petgraph(retaining: &Retaining<'_>) -> Vec<Option<Holder>> {
    let graph = retaining.graph;
    let mut small: DiGraph<(), ()> = DiGraph::new();
    graph.objects().for_each(|_| _ = small.add_node(()));
    let virtual_root = small.add_node(());
    let node = |object: ObjectId| NodeIndex::new(object.index());
    for object in graph.objects() {
        small.extend_with_edges(retaining.referents(object).map(|target| (node(object), node(target))));
    }
    small.extend_with_edges(roots(graph).map(|root| (virtual_root, node(root))));
    let found = simple_fast(&small, virtual_root);
    let holder = |holder: NodeIndex| {
        if holder == virtual_root { Holder::Root } else { Holder::Object(ObjectId::at(holder.index())) }
    };
    graph.objects().map(|object| found.immediate_dominator(node(object)).map(holder)).collect()
}

/// Reachability in a heap of at most 64 objects, by brute force.
struct Naive {
    referents: Vec<u64>,
    roots: u64,
}

impl Naive {
    fn new(retaining: &Retaining<'_>) -> Self {
        let bits = |objects: &mut dyn Iterator<Item = ObjectId>| objects.fold(0, |bits, object| bits | 1 << object.0);
        let graph = retaining.graph;
        let referents = graph.objects().map(|object| bits(&mut retaining.referents(object))).collect();
        Self { referents, roots: bits(&mut roots(graph)) }
    }

    fn reached_without(&self, gone: u64) -> u64 {
        let mut reached = self.roots & !gone;
        loop {
            let inside = (0..self.referents.len()).filter(|row| reached >> row & 1 == 1);
            let next = inside.fold(reached, |next, row| next | self.referents[row] & !gone);
            if next == reached {
                return reached;
            }
            reached = next;
        }
    }

    /// What goes when `gone` goes.
    fn retained(&self, gone: u64) -> u64 {
        self.reached_without(0) & !self.reached_without(gone)
    }
}

fn set_size(rows: u64) -> SetSize {
    let each = || (0..64).filter(|row| rows >> row & 1 == 1);
    SetSize {
        objects: each().count() as u64,
        shallow: each().map(Rows::size).sum(),
        external: each().map(Rows::external).sum(),
    }
}

fn check_by_removal(retaining: &Retaining<'_>, tree: &Dominators) {
    let naive = Naive::new(retaining);
    let retained: Vec<u64> = (0..retaining.graph.object_count()).map(|row| naive.retained(1 << row)).collect();
    for object in retaining.graph.objects() {
        let size = set_size(retained[object.index()]);
        assert_eq!(tree.retained_count(object), size.objects);
        assert_eq!(tree.retained_size(object), size.shallow + size.external);
        let mut above: Vec<ObjectId> =
            retaining.graph.objects().filter(|above| retained[above.index()] >> object.0 & 1 == 1).collect();
        for other in retaining.graph.objects() {
            assert_eq!(tree.dominates(other, object), above.contains(&other));
        }
        above.retain(|&above| above != object);
        above.sort_by_key(|above| retained[above.index()].count_ones());
        assert_eq!(tree.dominators_of(object).collect::<Vec<_>>(), above);
    }
    assert_eq!(tree.reachable_count(), u64::from(naive.reached_without(0).count_ones()));
}

/// Members may be roots, unreached, named twice, and dominate each other.
fn check_sets(retaining: &Retaining<'_>, tree: &Dominators, random: &mut Random) {
    let graph = retaining.graph;
    let distances = Distances::search(retaining, &RootChoice::default());
    for _ in 0..4 {
        let set: Vec<ObjectId> =
            (0..random.below(8)).map(|_| ObjectId::at(random.below(graph.object_count()))).collect();
        let bits = set.iter().fold(0, |bits, object| bits | 1 << object.0);
        let expected = set_size(Naive::new(retaining).retained(bits));
        assert_eq!(retained_by_set(retaining, roots(graph), &set), expected);
        assert_eq!(retained_together(retaining, (&distances, tree), roots(graph), &set), expected);
    }
}

fn check(retaining: &Retaining<'_>, random: &mut Random) {
    let tree = dominators(retaining, roots(retaining.graph));
    check_whole(retaining.graph, &tree);
    check_by_removal(retaining, &tree);
    let found: Vec<_> = retaining.graph.objects().map(|object| tree.immediate_dominator(object)).collect();
    assert_eq!(found, by_petgraph(retaining));
    check_sets(retaining, &tree, random);
}

#[test]
fn random_heaps_have_the_dominators_that_petgraph_and_removal_find() {
    let mut random = Random(7);
    for _ in 0..5_000 {
        let rows = Rows::random(&mut random, 40);
        let graph = rows.graph();
        check(&Retaining::all(&graph), &mut random);
        let references = graph.reference_count();
        let excluded: Vec<usize> = (0..references).filter(|_| random.below(4) == 0).collect();
        check(&Retaining::without(&graph, &excluded), &mut random);
    }
}

#[test]
fn larger_random_heaps_have_the_dominators_that_petgraph_finds() {
    let mut random = Random(11);
    for _ in 0..40 {
        let graph = Rows::random(&mut random, 3_000).graph();
        let tree = solve(&graph);
        let found: Vec<_> = graph.objects().map(|object| tree.immediate_dominator(object)).collect();
        assert_eq!(found, by_petgraph(&Retaining::all(&graph)));
    }
}

#[test]
fn sets_in_larger_random_heaps_retain_what_two_searches_find() {
    let mut random = Random(19);
    for _ in 0..60 {
        let graph = Rows::random(&mut random, 20_000).graph();
        let retaining = Retaining::all(&graph);
        let (distances, tree) = distances_and_dominators(&retaining, &RootChoice::default());
        for most in [3, 100, graph.object_count()] {
            let members = 0..random.below(most);
            let set: Vec<ObjectId> = members.map(|_| ObjectId::at(random.below(graph.object_count()))).collect();
            let expected = retained_by_set(&retaining, roots(&graph), &set);
            assert_eq!(retained_together(&retaining, (&distances, &tree), roots(&graph), &set), expected);
        }
    }
}

#[test]
fn what_only_members_share_goes_with_them_and_what_others_hold_stays() {
    let heap = heap(
        "
        root module app -> app
        app: module .one -> one, .two -> two, .three -> three
        one: Session .shared -> shared, .cycle -> a
        two: Session .shared -> shared, .b -> b
        three: T .b -> b
        shared: dict ['x'] -> x
        x: T .back -> a
        a: T .next -> c
        c: T .next -> a
        b: T .y -> y
        y: T .b -> b
        ",
    );
    let graph = &heap.graph;
    let retaining = Retaining::all(graph);
    let (distances, tree) = distances_and_dominators(&retaining, &RootChoice::default());
    let sessions: Vec<ObjectId> = graph.objects().filter(|&object| graph.type_name_of(object) == "Session").collect();
    let together = retained_together(&retaining, (&distances, &tree), roots(graph), &sessions);
    // both sessions, `shared`, `x`, and the cycle of `a` and `c`
    assert_eq!((sessions.len(), together.objects), (2, 6));
}

#[test]
fn a_walk_that_is_too_long_gives_way_to_a_search_from_the_roots() {
    let rows = Rows::of(
        MANY,
        |row| match row {
            _ if row == MANY - 1 => vec![MANY - 2],
            _ => vec![(row + 1).min(MANY - 2)],
        },
        &[0, MANY - 1],
    );
    let graph = rows.graph();
    let retaining = Retaining::all(&graph);
    let (distances, tree) = distances_and_dominators(&retaining, &RootChoice::default());
    let retained = |row: usize| retained_together(&retaining, (&distances, &tree), roots(&graph), &[ObjectId::at(row)]);
    assert_eq!(retained(MANY - 1).objects, 1);
    assert_eq!(retained(MANY / 2).objects, MANY as u64 / 2 - 2);
}

#[test]
fn a_tree_and_distances_are_made_again_from_their_columns() {
    let graph = Rows::random(&mut Random(23), 3_000).graph();
    let (distances, tree) = distances_and_dominators(&Retaining::all(&graph), &RootChoice::default());
    let DominatorColumns { positions, objects, dominators, counts, retained } = tree.columns();
    let copy = |column: &Column<u32>| column.iter().copied().collect::<Column<u32>>();
    let sizes = |sizes: &Sizes| Sizes::of((0..sizes.len()).map(|row| sizes.get(row)));
    let again = Dominators::from_columns(DominatorColumns {
        positions: copy(positions),
        objects: copy(objects),
        dominators: copy(dominators),
        counts: sizes(counts),
        retained: sizes(retained),
    });
    assert_eq!(again, tree);
    check_whole(&graph, &again);
    let DistanceColumns { values, bases, reached } = distances.columns();
    let columns = DistanceColumns {
        values: Numbers::Plain(values.iter().collect()),
        bases: bases.clone(),
        reached: reached.clone(),
    };
    assert_eq!(Distances::from_columns(columns), distances);
    let alone = Distances::search(&Retaining::all(&graph), &RootChoice::default());
    assert_eq!(alone, distances);
    assert_eq!(solve(&graph), tree);
}

/// Two roots hold lists that meet in an object of more than 4 GiB; what dominates it is as wide.
#[test]
fn sizes_of_four_gibibytes_and_more_are_kept_whole() {
    let large = u64::from(u32::MAX);
    let mut dump = String::from("{\"retainers\":1}\n");
    for (row, (size, targets)) in
        [(1, "[32,64]"), (large, "[48]"), (large - 1, "[80]"), (7, "[80]"), (5 * large, "[]"), (1, "[96]")]
            .into_iter()
            .enumerate()
    {
        let address = row * 16 + 16;
        writeln!(dump, r#"{{"address":{address},"type":"T","size":{size},"refs":{targets}}}"#).unwrap();
    }
    dump.push_str("{\"root\":\"module\",\"name\":\"m\",\"object\":16}\n{\"end\":{\"objects\":6}}\n");
    let heap = load(dump.as_bytes());
    let tree = solve(&heap.graph);
    let sizes: Vec<u64> = heap.graph.objects().map(|object| tree.retained_size(object)).collect();
    assert_eq!(sizes, [7 * large + 7, 2 * large - 1, large - 1, 7, 5 * large, 0]);
}

#[test]
fn referrers_are_those_objects_whose_references_count() {
    let mut random = Random(13);
    for _ in 0..500 {
        let graph = Rows::random(&mut random, 12).graph();
        let excluded: Vec<usize> = (0..graph.reference_count()).filter(|_| random.below(2) == 0).collect();
        let retaining = Retaining::without(&graph, &excluded);
        for object in graph.objects() {
            let holds = |other: &ObjectId| retaining.referents(*other).any(|target| target == object);
            let expected: Vec<ObjectId> = graph.objects().filter(holds).collect();
            assert_eq!(retaining.referrers(object).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn the_tree_does_not_depend_on_the_number_of_threads() {
    let mut random = Random(17);
    let mut heaps: Vec<HeapGraph> = (0..5).map(|_| Rows::random(&mut random, 200_000).graph()).collect();
    heaps.push(doubly_linked(200_000).graph());
    for graph in heaps {
        let solve = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| solve(&graph))
        };
        let one = solve(1);
        for threads in [2, 3, 8] {
            assert!(solve(threads) == one, "{threads} threads");
        }
    }
}

#[test]
fn a_small_tree_is_answered_in_full() {
    let heap = heap(
        "
        root module app -> app
        root frame main -> s
        app: module .a -> d, .b -> l
        d: dict ['x'] -> x
        l: list [0] -> x, [1] -> s
        x: T .y -> y, .y2 -> y
        y: str
        s: T .app -> app, .self -> s
        lost: T .x -> x
        ",
    );
    let tree = solve(&heap.graph);
    let named = |word: &str| {
        heap.graph
            .objects()
            .nth(["app", "d", "l", "x", "y", "s", "lost"].iter().position(|name| *name == word).unwrap())
            .unwrap()
    };
    let (app, x, y, s, lost) = (named("app"), named("x"), named("y"), named("s"), named("lost"));
    assert_eq!(tree.immediate_dominator(x), Some(Holder::Object(app)));
    assert_eq!(tree.immediate_dominator(app), Some(Holder::Root));
    assert_eq!(tree.immediate_dominator(s), Some(Holder::Root));
    assert_eq!(tree.immediate_dominator(lost), None);
    assert_eq!(tree.dominators_of(y).collect::<Vec<_>>(), [x, app]);
    assert_eq!(tree.children(Holder::Root).collect::<Vec<_>>(), [app, s]);
    assert_eq!(tree.children(Holder::Object(app)).collect::<Vec<_>>(), [named("d"), named("l"), x]);
    assert_eq!(tree.children(Holder::Object(y)).count() + tree.children(Holder::Object(lost)).count(), 0);
    assert_eq!((tree.retained_count(x), tree.retained_count(lost)), (2, 0));
    assert!(tree.dominates(app, y) && tree.dominates(y, y) && !tree.dominates(y, app) && !tree.dominates(s, y));
    assert!(!tree.dominates(lost, lost) && !tree.dominates(lost, x));
}

#[test]
fn sizes_beyond_64_bits_stay_at_the_largest_number() {
    let huge = "9223372036854775808";
    let dump = format!(
        "{{\"retainers\":1}}\n{}{}{}",
        format_args!(r#"{{"address":16,"type":"module","size":{huge},"refs":[32],"root":"module"}}{}"#, "\n"),
        format_args!(r#"{{"address":32,"type":"T","size":{huge},"refs":[48]}}{}"#, "\n"),
        format_args!(r#"{{"address":48,"type":"T","size":1,"external":7,"refs":[]}}{}"#, "\n"),
    );
    let heap = load(dump.as_bytes());
    let graph = &heap.graph;
    let tree = dominators(&Retaining::all(graph), roots(graph));
    let sizes: Vec<u64> = graph.objects().map(|object| tree.retained_size(object)).collect();
    assert_eq!(sizes, [u64::MAX, (1 << 63) + 8, 8]);
    assert_eq!(tree.reachable_size(), u64::MAX);
    let all: Vec<ObjectId> = graph.objects().collect();
    let together = retained_by_set(&Retaining::all(graph), roots(graph), &all);
    assert_eq!(together, SetSize { objects: 3, shallow: u64::MAX, external: 7 });
}

#[test]
fn a_heap_without_roots_or_objects_has_an_empty_tree() {
    for rows in [Rows::default(), Rows::of(3, |row| vec![(row + 1) % 3], &[])] {
        let graph = rows.graph();
        let tree = solve(&graph);
        assert_eq!((tree.reachable_count(), tree.reachable_size(), tree.top_down().count()), (0, 0, 0));
        assert_eq!(tree.children(Holder::Root).count(), 0);
    }
}

/// Object 0 holds both ends of a list.
fn doubly_linked(count: usize) -> Rows {
    let references = move |row: usize| match row {
        0 => vec![1, count - 1],
        _ => vec![(row - 1).max(1), (row + 1).min(count - 1)],
    };
    Rows::of(count, references, &[0])
}

/// Solves a heap of many objects on a small stack and checks each object's immediate dominator.
fn check_family(rows: &Rows, expected: impl Fn(usize) -> Holder) {
    let graph = rows.graph();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).stack_size(1 << 18).build().unwrap();
    let tree = pool.install(|| solve(&graph));
    for object in graph.objects() {
        assert_eq!(tree.immediate_dominator(object), Some(expected(object.index())));
    }
}

const MANY: usize = 200_000;

fn held_by(row: usize) -> Holder {
    Holder::Object(ObjectId::at(row))
}

fn after_the_first(row: usize, holder: Holder) -> Holder {
    if row == 0 { Holder::Root } else { holder }
}

#[test]
fn a_long_list_is_no_recursion() {
    let chain = Rows::of(MANY, |row| if row + 1 < MANY { vec![row + 1] } else { vec![] }, &[0]);
    check_family(&chain, |row| after_the_first(row, held_by(row.saturating_sub(1))));
}

#[test]
fn a_list_held_at_both_ends_is_not_quadratic() {
    check_family(&doubly_linked(MANY), |row| after_the_first(row, held_by(0)));
}

#[test]
fn a_list_that_refers_back_is_not_quadratic() {
    let back = Rows::of(MANY, |row| vec![row / 2, (row + 1).min(MANY - 1), row.saturating_sub(1)], &[0]);
    check_family(&back, |row| after_the_first(row, held_by(row.saturating_sub(1))));
}

#[test]
fn a_star_is_not_quadratic() {
    let star = Rows::of(MANY, |row| if row == 0 { (1..MANY).collect() } else { vec![0, MANY - 1] }, &[0]);
    check_family(&star, |row| after_the_first(row, held_by(0)));
}

/// Two lists, of rows 3 i and 3 i + 1, that share items; the last rows end them.
#[test]
fn two_lists_that_share_objects_are_not_quadratic() {
    for are_leaves in [false, true] {
        let count = MANY / 3 * 3;
        let references = |row: usize| match row % 3 {
            2 if are_leaves => vec![],
            2 => vec![row],
            _ => vec![(row + 3).min(count - 1), row / 3 * 3 + 2],
        };
        let ladder = Rows::of(count, references, &[0, 1]);
        check_family(&ladder, |row| if row < 3 || row % 3 == 2 { Holder::Root } else { held_by(row - 3) });
    }
}

/// A list whose second half shares two objects each with another root, which is the last row.
#[test]
fn a_list_whose_tail_shares_objects_with_a_root_is_not_quadratic() {
    for are_leaves in [false, true] {
        let (length, last) = (MANY / 2, MANY - 1);
        let references = |row: usize| match row {
            _ if row == last => (length..last).collect(),
            _ if row >= length && are_leaves => vec![],
            _ if row >= length => vec![row],
            _ if row < length / 2 => vec![row + 1],
            _ => vec![2 * row, (2 * row + 1).min(last - 1), (row + 1).min(length - 1)],
        };
        let rows = Rows::of(MANY, references, &[0, last]);
        check_family(&rows, |row| if row == 0 || row >= length { Holder::Root } else { held_by(row - 1) });
    }
}

/// Rows 0 and 1 hold every other row each; those all refer to the last one.
#[test]
fn a_constant_with_many_referrers_hangs_below_what_they_share() {
    let last = MANY - 1;
    let references = |row: usize| match row {
        0 | 1 => (row + 2..last).step_by(2).collect(),
        _ if row == last => vec![],
        _ => vec![last],
    };
    let rows = Rows::of(MANY, references, &[0, 1]);
    let holder = |row: usize| if row < 2 { Holder::Root } else { held_by(row % 2) };
    check_family(&rows, |row| if row == last { Holder::Root } else { holder(row) });
    let graph = rows.graph();
    let position = |row: usize| graph.forward().range(ObjectId::at(row)).start;
    let of_the_second: Vec<usize> = (3..last).step_by(2).map(position).collect();
    let retaining = Retaining::without(&graph, &of_the_second);
    let tree = dominators(&retaining, roots(&graph));
    for object in graph.objects() {
        let expected = if object.index() == last { held_by(0) } else { holder(object.index()) };
        assert_eq!(tree.immediate_dominator(object), Some(expected));
    }
}

/// Layers of 64 objects, each of which refers to four of the next one.
#[test]
fn layers_of_random_references_have_the_dominators_that_petgraph_finds() {
    let count = MANY / 4;
    let mut random = Random(29);
    let mut references = vec![Vec::new(); count];
    for (row, targets) in references.iter_mut().enumerate() {
        targets.extend((0..4).map(|_| (row / 64 * 64 + 64 + random.below(64)).min(count - 1)));
    }
    let graph = Rows { references, roots: (0..64).collect() }.graph();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).stack_size(1 << 18).build().unwrap();
    let tree = pool.install(|| solve(&graph));
    let found: Vec<_> = graph.objects().map(|object| tree.immediate_dominator(object)).collect();
    assert_eq!(found, by_petgraph(&Retaining::all(&graph)));
}
