//! Tests of `src/graph`: the frozen graph, its index of addresses, petgraph on it.

mod index;

use petgraph::algo::{kosaraju_scc, tarjan_scc};
use petgraph::visit::{Bfs, EdgeRef, IntoEdges, Reversed};
use proptest::prelude::*;
use retainers::graph::address::AddressIndex;
use retainers::graph::csr::Csr;
use retainers::graph::{ObjectId, ReferenceKind, ReferenceName, Sizes};

use crate::support::heap::heap;

#[test]
fn petgraph_algorithms_run_on_a_heap() {
    let heap = heap("module app .a -> x\nx: list [0] -> y\ny: list [0] -> x\nz: list [0] -> y");
    let graph = &heap.graph;
    let module = graph.roots()[0].object;
    let mut reached = Vec::new();
    let mut search = Bfs::new(graph, module);
    while let Some(object) = search.next(graph) {
        reached.push(graph.type_name_of(object));
    }
    assert_eq!(reached, ["module", "dict", "list", "list"]);
    let cycles =
        |components: Vec<Vec<ObjectId>>| components.into_iter().filter(|component| component.len() > 1).count();
    assert_eq!(cycles(tarjan_scc(graph)), 1);
    assert_eq!(cycles(kosaraju_scc(graph)), 1);
    let mut backwards = Bfs::new(Reversed(graph), graph.object_at(graph.address(module) + 32).unwrap());
    assert!(std::iter::from_fn(|| backwards.next(Reversed(graph))).any(|object| object == module));
    let targets: Vec<ObjectId> = graph.edges(module).map(|reference| reference.target()).collect();
    assert_eq!(targets, graph.referents(module).collect::<Vec<_>>());
}

#[test]
fn petgraph_dominators_agree_on_a_diamond() {
    let heap = heap("module app .a -> x, .b -> y\nx: list [0] -> z\ny: list [0] -> z\nz: list");
    let graph = &heap.graph;
    let dominators = petgraph::algo::dominators::simple_fast(graph, graph.roots()[0].object);
    let bottom = graph.objects().find(|&object| graph.referrers(object).len() == 2).unwrap();
    assert_eq!(graph.type_name_of(dominators.immediate_dominator(bottom).unwrap()), "dict");
}

fn address_lists() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        // as CPython's: clusters of multiples of 16
        prop::collection::vec((0u64..4, 0u64..500), 0..600).prop_map(|places| places
            .iter()
            .map(|(arena, slot)| 0x7f00_0000_0000 + (arena << 30) + slot * 16)
            .collect()),
        prop::collection::vec(any::<u64>(), 0..300),
        prop::collection::vec(0u64..100, 0..300),
    ]
}

#[test]
fn objects_of_one_page_are_found_however_far_apart_their_rows_are() {
    // the first and the last share a page, far from the others
    let mut addresses: Vec<u64> = (0..70_000).map(|row| 0x7f00_0000_0000 + row * 16).collect();
    addresses.insert(0, 0x5500_0000_0000);
    addresses.push(0x5500_0000_0010);
    let index = AddressIndex::new(&addresses);
    let mut finder = index.finder();
    for (row, &address) in (0..).zip(&addresses) {
        assert_eq!((index.row(address), finder.row(address)), (Some(row), Some(row)));
    }
    assert_eq!(index.row(0x5500_0000_0020), None);
}

proptest! {
    #[test]
    fn every_address_finds_its_last_row_and_others_find_none(addresses in address_lists(), strangers: Vec<u64>) {
        let index = AddressIndex::new(&addresses);
        let rows: std::collections::HashMap<u64, u32> = (0..).zip(&addresses).map(|(row, &address)| (address, row)).collect();
        prop_assert_eq!(index.distinct(), rows.len());
        let mut finder = index.finder();
        for address in addresses.iter().flat_map(|&address| [address, address ^ 1, address.wrapping_add(16)]).chain(strangers) {
            prop_assert_eq!(index.row(address), rows.get(&address).copied(), "{}", address);
            prop_assert_eq!(finder.row(address), rows.get(&address).copied(), "{}", address);
        }
    }

    #[test]
    fn reversed_references_are_the_same_references(rows in prop::collection::vec(prop::collection::vec(0u32..40, 0..6), 40)) {
        let degrees: Vec<u32> = rows.iter().map(|row| row.len() as u32).collect();
        let forward = Csr::new(&degrees, rows.concat());
        let reverse = forward.reversed();
        let mut expected: Vec<Vec<u32>> = vec![Vec::new(); 40];
        for (source, row) in (0..).zip(&rows) {
            row.iter().for_each(|&target| expected[target as usize].push(source));
        }
        for (target, expected) in expected.iter().enumerate() {
            prop_assert_eq!(reverse.row(ObjectId::at(target)), expected);
        }
    }

    #[test]
    fn sizes_are_exact_however_large(values: Vec<u64>) {
        let sizes = Sizes::of(values.iter().copied());
        let found: Vec<u64> = (0..values.len()).map(|row| sizes.get(row)).collect();
        prop_assert_eq!(found, values);
    }
}

#[test]
fn sizes_at_the_edge_of_32_bits_are_exact() {
    let values = [u64::from(u32::MAX) - 1, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX, 0];
    let sizes = Sizes::of(values.into_iter());
    assert_eq!((0..5).map(|row| sizes.get(row)).collect::<Vec<_>>(), values);
}

#[test]
fn kinds_of_references_follow_from_names_and_holders() {
    let kind = |text, holder| ReferenceName::parse(text, holder).kind;
    assert_eq!(kind("__dict__", "app.X"), ReferenceKind::Namespace);
    assert_eq!(kind(".cache", "app.X"), ReferenceKind::Attribute);
    assert_eq!(kind("__closure__", "function"), ReferenceKind::Attribute);
    assert_eq!(kind("['a']", "dict"), ReferenceKind::Value);
    assert_eq!(kind("[3]", "dict"), ReferenceKind::Value);
    assert_eq!(kind("[3]", "list"), ReferenceKind::Index);
    assert_eq!(kind("[3]", "app.Row"), ReferenceKind::Index);
    assert_eq!(kind("key ['a']", "dict"), ReferenceKind::Key);
    assert_eq!(kind("{}", "set"), ReferenceKind::Member);
    assert_eq!(kind("cell_contents", "cell"), ReferenceKind::Cell);
    assert_eq!(kind("gi_frame.f_locals['x']", "generator"), ReferenceKind::Local);
    assert_eq!(kind("", "app.X"), ReferenceKind::Unknown);
}

/// The same heap under other addresses: lines of records, some repeated, some references without object.
fn dump_with(address: impl Fn(u64) -> u64) -> String {
    let mut seed = 7u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut dump = String::new();
    for row in 0..30_000u64 {
        // one in a hundred comes again, with other references
        let own = if row % 100 == 99 { random(row) } else { row };
        let refs: Vec<String> = (0..row % 4).map(|_| address(random(31_000)).to_string()).collect();
        dump += &format!(
            "{{\"address\":{},\"type\":\"T{}\",\"size\":{},\"refs\":[{}]}}\n",
            address(own),
            row % 7,
            row * 1_000_003,
            refs.join(",")
        );
    }
    dump
}

#[test]
fn addresses_without_neighbours_are_found_as_others_are() {
    use retainers::graph::Heap;

    let dense = crate::support::heap::load(dump_with(|number| 0x7f00_0000_0000 + number * 16).as_bytes());
    // a product with an odd number: distinct, and all over the range
    let sparse = crate::support::heap::load(dump_with(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).as_bytes());
    let rows = |heap: &Heap| -> Vec<(String, u64, Vec<u32>)> {
        let graph = &heap.graph;
        let row = |object| {
            let referents = graph.referents(object).map(|target| target.0).collect();
            (graph.type_name_of(object).to_owned(), graph.shallow_size(object), referents)
        };
        graph.objects().map(row).collect()
    };
    assert!(dense.damage.duplicate_ids > 200 && dense.damage.dangling_references > 500, "{:?}", dense.damage);
    assert_eq!(rows(&dense), rows(&sparse));
    assert_eq!(dense.damage.facts().len(), 2);
    assert_eq!(
        (dense.damage.duplicate_ids, dense.damage.dangling_references),
        (sparse.damage.duplicate_ids, sparse.damage.dangling_references)
    );
    let heap = &sparse;
    for object in heap.graph.objects().step_by(997) {
        assert_eq!(heap.graph.object_at(heap.graph.address(object)), Some(object));
        assert!(heap.describe(object).value.is_none());
        let mut count = 0;
        heap.for_each_reference(object, |_, _, _| count += 1);
        assert_eq!(count, heap.graph.referents(object).len());
    }
}

#[test]
fn reversed_references_of_many_blocks_are_in_order() {
    const ROWS: u64 = 200_000;
    let target = |row: u64, place: u64| match (row + place) % 3 {
        0 => 70_000,
        _ => (row * 31 + place * 7_919) % ROWS,
    };
    let degrees: Vec<u32> = (0..ROWS).map(|row| (row % 5) as u32).collect();
    let rows = (0..ROWS).flat_map(|row| (0..row % 5).map(move |place| (row, target(row, place))));
    let mut expected: Vec<(u32, u32)> = rows.clone().map(|(row, target)| (target as u32, row as u32)).collect();
    expected.sort_unstable();
    let forward = Csr::new(&degrees, rows.map(|(_, target)| target as u32).collect());
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let reverse = pool.install(|| forward.reversed());
        let found = (0..ROWS as u32).flat_map(|target| {
            let sources = reverse.row(ObjectId(target)).to_vec();
            sources.into_iter().map(move |source| (target, source))
        });
        assert!(found.eq(expected.iter().copied()), "{threads} threads");
    }
}
