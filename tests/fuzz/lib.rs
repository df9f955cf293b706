//! What every fuzz target does with a dump once its reader has taken it: nothing may panic, and the graph must hold
//! together.

use retainers::analysis::chains::{Detail, Options, chains};
use retainers::analysis::distances::RootChoice;
use retainers::analysis::export::{Rows, export};
use retainers::analysis::select::{Query, select};
use retainers::graph::Heap;
use retainers::present::{dot, svg, text};
use retainers::progress::Progress;
use retainers::source::Source;

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
