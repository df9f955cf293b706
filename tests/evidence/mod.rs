//! Real dumps with ground truth from objgraph in the dumped process and networkx on the dumped graph.
//!
//! The dumps are too large to stand in the project; they are looked for beside it, or where `RETAINERS_EVIDENCE` says.

mod chains;
mod distances;
mod dominators;
mod suspects;
mod wild;

use std::path::{Path, PathBuf};

use ::retainers::graph::Heap;
use ::retainers::progress::Progress;
use serde_json::Value;

use crate::support::skipped;

/// A folder of the evidence, or a loud `None`.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/evidence");
    let evidence = std::env::var_os("RETAINERS_EVIDENCE").map_or(beside, PathBuf::from);
    let path = evidence.join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("evidence of `{name}`"), "it is not here; RETAINERS_EVIDENCE says where it is");
    None
}

/// All subfolders of a folder of the evidence.
pub(crate) fn cases(name: &str) -> Vec<PathBuf> {
    let Some(folder) = folder(name) else { return Vec::new() };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

pub(crate) fn load(path: &Path) -> Heap {
    retainers::format::open(path, &Progress::default()).unwrap()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
