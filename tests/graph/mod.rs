//! Tests of `src/graph`: the frozen graph, its index of addresses, petgraph on it.

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
        let mut sizes = Sizes::default();
        values.iter().for_each(|&size| sizes.push(size));
        let found: Vec<u64> = (0..values.len()).map(|row| sizes.get(row)).collect();
        prop_assert_eq!(found, values);
    }
}

#[test]
fn sizes_at_the_edge_of_32_bits_are_exact() {
    let mut sizes = Sizes::default();
    let values = [u64::from(u32::MAX) - 1, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX, 0];
    values.iter().for_each(|&size| sizes.push(size));
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
