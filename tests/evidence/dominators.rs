//! Immediate dominators and retained sizes of every object, by digest, and of the targets: as networkx finds them.

use std::path::Path;

use ::retainers::analysis::dominators::{Dominators, Holder, SetSize, dominators, retained_by_set};
use ::retainers::analysis::retaining::Retaining;
use ::retainers::graph::{Heap, HeapGraph, ObjectId, RootKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::distances::sorted_by_address;
use super::{cases, folder, json, load};

/// The objects of the roots that the truth calls `modules` or `all`.
fn roots(graph: &HeapGraph, set: &str) -> Vec<ObjectId> {
    let roots = graph.roots().iter().filter(|root| set == "all" || root.kind == RootKind::Module);
    roots.map(|root| root.object).collect()
}

/// Address of the immediate dominator, 0 for the virtual root.
fn holder_address(graph: &HeapGraph, holder: Holder) -> u64 {
    match holder {
        Holder::Root => 0,
        Holder::Object(object) => graph.address(object),
    }
}

/// SHA-256 over `address value` of all reached objects in order of address.
fn digest(graph: &HeapGraph, objects: &[ObjectId], value: impl Fn(ObjectId) -> Option<u64>) -> String {
    let mut hasher = Sha256::new();
    for &object in objects {
        if let Some(value) = value(object) {
            hasher.update(format!("{} {value}\n", graph.address(object)));
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_target(graph: &HeapGraph, tree: &Dominators, target: &Value) {
    let object = graph.object_at(target["address"].as_u64().unwrap()).unwrap();
    assert_eq!(tree.is_reachable(object), target["unreachable"] != true);
    if !tree.is_reachable(object) {
        return;
    }
    assert_eq!(tree.retained_size(object), target["retained_bytes"]);
    assert_eq!(tree.retained_count(object), target["retained_nodes"]);
    let above: Vec<Value> = tree
        .dominators_of(object)
        .zip(target["dominators"].as_array().unwrap())
        .map(|(above, expected)| {
            let (bytes, nodes) = (tree.retained_size(above), tree.retained_count(above));
            let address = graph.address(above);
            json!({"address": address, "what": expected["what"], "retained_bytes": bytes, "retained_nodes": nodes})
        })
        .collect();
    assert_eq!(Value::from(above), target["dominators"]);
    assert_eq!(tree.dominators_of(object).count(), target["dominators"].as_array().unwrap().len());
}

fn check_root_set(heap: &Heap, set: &str, truth: &Value, case: &Path) {
    let graph = &heap.graph;
    let retaining = Retaining::all(graph);
    let roots = roots(graph, set);
    let tree = dominators(&retaining, roots.iter().copied());
    assert_eq!(tree.reachable_count(), truth["reachable_nodes"], "{}", case.display());
    assert_eq!(tree.reachable_size(), truth["reachable_bytes"], "{}", case.display());
    let objects = sorted_by_address(heap);
    let holder = |object| tree.immediate_dominator(object).map(|holder| holder_address(graph, holder));
    let retained = |object| tree.is_reachable(object).then(|| tree.retained_size(object));
    assert_eq!(digest(graph, &objects, holder), truth["digest_idom"], "{} {set}", case.display());
    assert_eq!(digest(graph, &objects, retained), truth["digest_retained"], "{} {set}", case.display());
    let targets = truth["targets"].as_array().unwrap();
    targets.iter().for_each(|target| check_target(graph, &tree, target));
    let targets: Vec<ObjectId> =
        targets.iter().map(|target| graph.object_at(target["address"].as_u64().unwrap()).unwrap()).collect();
    let SetSize { objects, shallow, external } = retained_by_set(&retaining, roots.into_iter(), &targets);
    assert_eq!(objects, truth["all_targets_together"]["retained_nodes"], "{} {set}", case.display());
    assert_eq!(shallow, truth["all_targets_together"]["retained_bytes"], "{} {set}", case.display());
    assert_eq!(external, 0);
}

fn check(case: &Path) {
    let heap = load(&case.join("dump.jsonl.zst"));
    let truth = json(&case.join("graph-truth.json"));
    for set in ["modules", "all"] {
        check_root_set(&heap, set, &truth[set], case);
    }
}

#[test]
fn dominators_of_every_object_are_those_of_networkx() {
    cases("py").into_iter().chain(cases("meliae-real")).for_each(|case| check(&case));
}

#[test]
fn dominators_in_streamlit_are_those_of_networkx() {
    ["streamlit-0.89", "streamlit-1.1.0"].into_iter().filter_map(folder).for_each(|case| check(&case));
}

fn check_random(path: &Path) {
    let heap = load(path);
    let graph = &heap.graph;
    let truth = json(&path.with_extension("expect.json"));
    let retaining = Retaining::all(graph);
    let tree = dominators(&retaining, roots(graph, "all").into_iter());
    assert_eq!(tree.reachable_count(), truth["reachable"], "{}", path.display());
    for (address, expected) in truth["objects"].as_object().unwrap() {
        let object = graph.object_at(address.parse().unwrap()).unwrap();
        assert_eq!(tree.is_reachable(object), !expected.is_null(), "{} {address}", path.display());
        let Some(holder) = tree.immediate_dominator(object) else { continue };
        assert_eq!(holder_address(graph, holder), expected["idom"], "{} {address}", path.display());
        assert_eq!(tree.retained_size(object), expected["retained_bytes"], "{} {address}", path.display());
        assert_eq!(tree.retained_count(object), expected["retained_objects"], "{} {address}", path.display());
    }
    for (name, expected) in truth["by_type"].as_object().unwrap() {
        let set: Vec<ObjectId> = graph.objects().filter(|&object| graph.type_name_of(object) == name).collect();
        let together = retained_by_set(&retaining, roots(graph, "all").into_iter(), &set);
        assert_eq!(set.len(), expected["count"], "{} {name}", path.display());
        assert_eq!(together.shallow, expected["retained_together"], "{} {name}", path.display());
    }
}

#[test]
fn random_graphs_have_the_dominators_of_networkx() {
    let Some(folder) = folder("random-graphs") else { return };
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let graphs: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
    assert!(graphs.len() >= 100);
    graphs.iter().for_each(|path| check_random(path));
}

/// The digests again, from what `retainers export` writes.
#[test]
fn exported_dominators_and_retained_sizes_have_the_digests_of_networkx() {
    use retainers::analysis::export::{Rows, export};
    let Some(case) = super::folder("py/closure_cell") else { return };
    let heap = super::load(&case.join("dump.jsonl.zst"));
    let truth = super::json(&case.join("graph-truth.json"));
    for (roots, part) in [("modules", "modules"), ("all", "all")] {
        let choice = retainers::analysis::distances::RootChoice::parse(&[roots.to_owned()]).unwrap();
        let mut csv = Vec::new();
        export(&heap, &choice, Rows::Csv, &mut csv).unwrap();
        let text = String::from_utf8(csv).unwrap();
        let mut rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.rsplitn(6, ',').collect()).collect();
        rows.sort_by_key(|row| row[5].parse::<u64>().unwrap());
        for (column, digest) in [(2, "digest_distance"), (1, "digest_idom"), (0, "digest_retained")] {
            let mut hasher = <sha2::Sha256 as sha2::Digest>::new();
            for row in rows.iter().filter(|row| !row[column].is_empty()) {
                sha2::Digest::update(&mut hasher, format!("{} {}\n", row[5], row[column]));
            }
            let found: String = sha2::Digest::finalize(hasher).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, truth[part][digest], "{roots} {digest}");
        }
    }
}
