//! Chains of the targets: length, objects and reference names, as objgraph found them in the live process and networkx in
//! the dump.

use std::path::Path;

use ::retainers::analysis::chains::{Options, Signature, chains};
use ::retainers::analysis::distances::RootChoice;
use ::retainers::analysis::select::{Query, select};
use ::retainers::graph::Heap;
use serde_json::Value;

use super::{cases, folder, json, load};

/// The signature of the chain to one object.
fn chain_to(heap: &Heap, address: u64, roots: &str) -> Option<Signature> {
    let query = Query { types: Vec::new(), ids: vec![address.to_string()] };
    let options = Options { roots: RootChoice::parse(&[roots.to_owned()]).unwrap(), ..Options::default() };
    let answer = chains(heap, &select(&heap.graph, &query), &options);
    answer.types[0].signatures.first().cloned()
}

fn addresses(heap: &Heap, signature: &Signature) -> Vec<u64> {
    signature.steps.iter().map(|step| heap.graph.address(step.object)).collect()
}

fn check_target(heap: &Heap, roots: &str, target: &Value, case: &Path) {
    let address = target["address"].as_u64().unwrap();
    let found = chain_to(heap, address, roots);
    if target["unreachable"] == true {
        assert!(found.is_none(), "{}", case.display());
        return;
    }
    let found = found.unwrap();
    assert_eq!(found.length, target["distance"], "{} {address}", case.display());
    assert_eq!(found.equally_short, target["shortest_chains"], "{} {address}", case.display());
    let expected = target["chain"].as_array().unwrap();
    if found.equally_short > 1 {
        return;
    }
    let ours = addresses(heap, &found);
    let theirs: Vec<u64> = expected.iter().map(|step| step["address"].as_u64().unwrap()).collect();
    assert_eq!(ours, theirs, "{}", case.display());
    for (step, expected) in found.steps.iter().zip(expected) {
        let name =
            step.reference.as_ref().map(|reference| reference.name.text.as_str()).filter(|name| !name.is_empty());
        let has_names = heap.about.has_reference_names;
        if has_names {
            assert_eq!(name, expected["edge_to_next"].as_str(), "{}", case.display());
        }
    }
}

fn check(case: &Path) {
    let heap = load(&case.join("dump.jsonl.zst"));
    let truth = json(&case.join("graph-truth.json"));
    for (roots, part) in [("module", "modules"), ("all", "all")] {
        for target in truth[part]["targets"].as_array().unwrap() {
            check_target(&heap, roots, target, case);
        }
    }
    let objgraph = case.join("objgraph-truth.json");
    if objgraph.exists() {
        check_objgraph(&heap, &json(&objgraph), case);
    }
}

/// objgraph looks at a living process and changes it while it looks: making `__dict__` objects lengthens some chains and
/// its own helpers shorten others. Such chains may differ by one reference; they are counted.
fn check_objgraph(heap: &Heap, truth: &Value, case: &Path) {
    let chains = truth["objgraph_chains"].as_array().unwrap();
    let mut differing = 0;
    for chain in chains {
        let found = chain_to(heap, chain["target"].as_u64().unwrap(), "module");
        assert_eq!(found.is_some(), chain["chain_from_module"].as_bool().unwrap(), "{}", case.display());
        let Some(found) = found else { continue };
        let expected = chain["edges"].as_u64().unwrap();
        if found.length != expected {
            assert_eq!(found.length.abs_diff(expected), 1, "{}", case.display());
            differing += 1;
        }
    }
    assert!(differing <= 1, "{}: {differing} of {} chains differ", case.display(), chains.len());
}

#[test]
fn chains_of_classic_leaks_are_the_true_ones() {
    for case in cases("py") {
        check(&case);
    }
}

#[test]
fn chains_of_meliae_dumps_are_the_true_ones() {
    for case in cases("meliae-real") {
        check(&case);
    }
}

#[test]
fn every_leaked_session_of_streamlit_has_objgraphs_chain() {
    let Some(folder) = folder("streamlit-0.89") else { return };
    let heap = load(&folder.join("dump.jsonl.zst"));
    let truth = json(&folder.join("truth.json"));
    let mut leaked = 0;
    for chain in truth["chains"].as_array().unwrap() {
        let found = chain_to(&heap, chain["target"].as_u64().unwrap(), "module").unwrap();
        let steps = chain["chain"].as_array().unwrap();
        let theirs: Vec<u64> = steps.iter().map(|step| step["address"].as_u64().unwrap()).collect();
        assert_eq!(found.length, chain["edges"]);
        assert_eq!(addresses(&heap, &found), theirs);
        leaked += u32::from(found.root.name.as_deref() == Some("streamlit.config"));
    }
    assert_eq!(leaked, 30);
}

#[test]
fn random_graphs_have_as_many_shortest_chains_as_networkx_counts() {
    let Some(folder) = folder("random-graphs") else { return };
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let heap = load(&path);
        let truth = json(&path.with_extension("expect.json"));
        for (address, expected) in truth["objects"].as_object().unwrap() {
            let found = chain_to(&heap, address.parse().unwrap(), "module");
            assert_eq!(found.is_some(), !expected.is_null(), "{} {address}", path.display());
            let Some(found) = found else { continue };
            assert_eq!(found.length, expected["distance"], "{} {address}", path.display());
            assert_eq!(found.equally_short, expected["shortest_chains"], "{} {address}", path.display());
            check_links(&heap, &found);
        }
    }
}

/// Each hop of a chain is a reference of the heap, and the first object is the root.
fn check_links(heap: &Heap, signature: &Signature) {
    assert_eq!(signature.steps[0].object, signature.root.object);
    for hop in signature.steps.windows(2) {
        assert!(heap.graph.referents(hop[0].object).any(|target| target == hop[1].object));
    }
}
