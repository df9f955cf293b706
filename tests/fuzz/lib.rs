//! What every fuzz target does with a dump once its reader has taken it: nothing may panic, and the graph must hold
//! together.

#[path = "../support/answers.rs"]
pub mod answers;
#[path = "../support/reseal.rs"]
pub mod reseal;

use std::path::PathBuf;

use retainers::analysis::chains::{Detail, Options, chains};
use retainers::analysis::distances::RootChoice;
use retainers::analysis::export::{Rows, export};
use retainers::analysis::kept;
use retainers::analysis::retaining::Retaining;
use retainers::analysis::select::{Query, select};
use retainers::format::indexed;
use retainers::graph::Heap;
use retainers::graph::index::Identity;
use retainers::present::{dot, svg, text};
use retainers::progress::Progress;
use retainers::source::Source;

/// An index as it should be, and its dump.
pub struct GoodIndex {
    /// The index.
    pub bytes: Vec<u8>,
    /// Where the dump is.
    pub dump: PathBuf,
}

impl GoodIndex {
    /// The index of a small heap, in a directory that is left behind.
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("retainers-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a directory");
        let dump = folder.join("dump");
        std::fs::write(&dump, include_bytes!("../../fixtures/small/own.jsonl")).expect("a dump");
        let heap = retainers::format::open(&dump, &Progress::default()).expect("a heap");
        let (retaining, choice) = (Retaining::all(&heap.graph), RootChoice::default());
        kept::distances(&heap, &retaining, &choice);
        kept::dominator_tree(&heap, &retaining, &choice);
        let path = folder.join("dump.rtx");
        let written = indexed::write(&heap, Identity::default(), &path, |writer| kept::store(&heap, writer));
        written.expect("an index");
        Self { bytes: std::fs::read(path).expect("an index"), dump }
    }
}

/// Bytes as a source, decompressed where they are compressed.
pub fn source(bytes: &[u8]) -> Source {
    Source::from_bytes("fuzz", bytes.to_vec(), &Progress::default())
}

/// Checks the graph and runs the whole main job on it.
pub fn exercise(heap: &Heap) {
    let graph = &heap.graph;
    assert_eq!(graph.forward().reference_count(), graph.reverse().reference_count());
    for object in graph.objects() {
        assert_eq!(graph.object_at(graph.address(object)), Some(object));
        for target in graph.referents(object) {
            assert!(graph.referrers(target).any(|referrer| referrer == object));
        }
        let mut found = 0;
        heap.for_each_reference(object, |_, _, _| found += 1);
        assert_eq!(found, graph.forward().row(object).len());
    }
    let every = Query { types: vec!["*".to_owned()], ids: Vec::new() };
    let selection = select(graph, &every);
    let options = Options { roots: RootChoice::default(), ..Options::default() };
    let answer = chains(heap, &selection, &options);
    let matched: u64 = answer.types.iter().map(|answer| answer.count).sum();
    assert_eq!(matched, graph.object_count() as u64);
    let report = answer.report(heap, &selection, Detail { limit: 2, ..Detail::default() });
    let layout = text::Layout { width: Some(60), colour: false };
    let mut page = Vec::new();
    let _ = text::write(&report, layout, &mut page);
    assert!(!page.iter().any(|&byte| byte < b' ' && byte != b'\n'));
    for picture in report.pictures.iter().take(2) {
        dot::write(picture);
        // drawing costs a thousand times what reading costs: a few dumps must do
        if graph.reference_count() % 256 == 7 {
            svg::write(picture);
        }
    }
    let _ = export(heap, &RootChoice::default(), Rows::Csv, &mut Vec::new());
}
