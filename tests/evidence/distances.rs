//! Distances of every object, by digest, and counts: as networkx finds them.

use std::path::Path;

use ::retainers::analysis::distances::{Distances, RootChoice};
use ::retainers::analysis::retaining::Retaining;
use ::retainers::graph::{Heap, ObjectId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{cases, folder, json, load};

pub(crate) fn sorted_by_address(heap: &Heap) -> Vec<ObjectId> {
    let mut objects: Vec<ObjectId> = heap.graph.objects().collect();
    objects.sort_by_key(|&object| heap.graph.address(object));
    objects
}

/// SHA-256 over `address distance` of all reached objects in order of address.
fn digest(heap: &Heap, distances: &Distances) -> String {
    let mut hasher = Sha256::new();
    for object in sorted_by_address(heap) {
        if let Some(distance) = distances.distance(object) {
            hasher.update(format!("{} {distance}\n", heap.graph.address(object)));
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(dump: &Path, truth: &Value) {
    let heap = load(dump);
    assert_eq!(heap.graph.object_count() as u64, truth["nodes"], "{}", dump.display());
    assert_eq!(heap.graph.reference_count() as u64, truth["edges"], "{}", dump.display());
    assert_eq!(heap.damage.dangling_references, truth["dangling_refs"], "{}", dump.display());
    let bytes: u64 = heap.graph.objects().map(|object| heap.graph.shallow_size(object)).sum();
    assert_eq!(bytes, truth["bytes"], "{}", dump.display());
    for (roots, expected) in [("module", &truth["modules"]), ("all", &truth["all"])] {
        if expected.is_null() {
            continue;
        }
        let choice = RootChoice::parse(&[roots.to_owned()]).unwrap();
        let distances = Distances::search(&Retaining::all(&heap.graph), &choice);
        assert_eq!(distances.reached(), [expected["reachable_nodes"].as_u64().unwrap()], "{}", dump.display());
        assert_eq!(digest(&heap, &distances), expected["digest_distance"], "{} {roots}", dump.display());
    }
}

#[test]
fn distances_of_every_object_are_those_of_networkx() {
    for case in cases("py").into_iter().chain(cases("meliae-real")) {
        check(&case.join("dump.jsonl.zst"), &json(&case.join("graph-truth.json")));
    }
}

#[test]
fn distances_in_streamlit_are_those_of_networkx() {
    for name in ["streamlit-0.89", "streamlit-1.1.0"] {
        if let Some(folder) = folder(name) {
            check(&folder.join("dump.jsonl.zst"), &json(&folder.join("graph-truth.json")));
        }
    }
}

#[test]
fn one_heap_is_the_same_in_every_format() {
    let Some(folder) = folder("json-graph") else { return };
    let truth = json(&folder.join("graph-truth.json"));
    for name in ["jgf.json.zst", "meliae.jsonl.zst", "nodelink.json.zst"] {
        let dump = folder.join(format!("closure_cell.{name}"));
        let heap = load(&dump);
        let choice = RootChoice::default();
        let distances = Distances::search(&Retaining::all(&heap.graph), &choice);
        let roots = heap.graph.roots().len() as u64;
        assert_eq!(heap.graph.object_count() as u64, truth["nodes"], "{name}");
        assert_eq!(heap.graph.reference_count() as u64, truth["edges"], "{name}");
        if name == "meliae.jsonl.zst" {
            // no root is marked there: all modules stand in, not only those of sys.modules
            assert!(roots >= truth["root_sets"]["modules"].as_u64().unwrap());
        } else {
            assert_eq!(distances.reached()[0], truth["modules"]["reachable_nodes"], "{name}");
        }
    }
}

#[test]
fn random_graphs_have_the_distances_of_networkx() {
    let Some(folder) = folder("random-graphs") else { return };
    let mut graphs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        graphs += 1;
        let truth = json(&path.with_extension("expect.json"));
        let heap = load(&path);
        assert_eq!(heap.damage.dangling_references, truth["dangling"], "{}", path.display());
        assert_eq!(heap.graph.roots().len(), truth["roots"].as_array().unwrap().len());
        let distances = Distances::search(&Retaining::all(&heap.graph), &RootChoice::default());
        for (address, expected) in truth["objects"].as_object().unwrap() {
            let object = heap.graph.object_at(address.parse().unwrap()).unwrap();
            let expected = expected.get("distance").and_then(Value::as_u64);
            assert_eq!(distances.distance(object).map(u64::from), expected, "{} {address}", path.display());
        }
    }
    assert!(graphs >= 100);
}
