//! Every question at once, for tests that compare whole heaps.

use retainers::analysis::chains::{Detail, Options, chains};
use retainers::analysis::check::{Baseline, Rules, check};
use retainers::analysis::cut::cut_answer;
use retainers::analysis::distances::RootChoice;
use retainers::analysis::exclude::ReferencePattern;
use retainers::analysis::export::{Rows, export};
use retainers::analysis::heap_tree::{TreeOptions, heap_tree};
use retainers::analysis::object::object_page;
use retainers::analysis::overview::overview;
use retainers::analysis::select::{Query, select};
use retainers::analysis::summary::{By, Sort, summary};
use retainers::analysis::suspects::suspects;
use retainers::graph::Heap;
use retainers::present::{json, text};
use retainers::report::Report;

/// The answers to all kinds of questions, as text and data.
pub fn answers(heap: &Heap) -> Vec<u8> {
    let choice = RootChoice::default();
    let selection = select(&heap.graph, &Query { types: vec!["*".to_owned()], ids: vec!["16".to_owned()] });
    let options = Options { retained: true, ..Options::default() };
    let detail = Detail { limit: 5, pictures: 2, ..Detail::default() };
    let exclude: Vec<ReferencePattern> = ReferencePattern::parse("*.cache").into_iter().collect();
    let without = Options { exclude: exclude.clone(), ..options.clone() };
    let mut reports = vec![
        overview(heap).report(heap, 20),
        chains(heap, &selection, &options).report(heap, &selection, detail),
        chains(heap, &selection, &without).report(heap, &selection, detail),
        retainers::tell::suspects::suspects(heap, &suspects(heap, &options), 5),
        heap_tree(heap, &choice, TreeOptions::default()).report(heap),
    ];
    for by in [By::Type, By::Module, By::Root, By::Site] {
        reports.push(summary(heap, &choice, by, Sort::Retained).report(heap, 20));
    }
    for group in selection.groups.iter().take(5) {
        reports.push(object_page(heap, &choice, group.objects[0]).report(heap));
    }
    let few = select(&heap.graph, &Query { types: vec!["*Session".to_owned()], ids: Vec::new() });
    let mut rules = Rules::default();
    // rules that can be read
    let _ = rules.add_file("rules", "max *=3\nmax-retained *Session=1KiB\nmax-growth *=0\nno-new-signatures");
    let baseline = Baseline::new(heap, &rules, &options);
    reports.push(check(heap, &rules, Some(&baseline), &options).report(heap));
    reports.push(cut_answer(heap, &few, &choice, &exclude, 10).report(heap));
    let mut page = Vec::new();
    reports.iter().for_each(|report| write(report, &mut page));
    // a vector takes whatever is written
    let _ = export(heap, &choice, Rows::Csv, &mut page);
    page
}

fn write(report: &Report, page: &mut Vec<u8>) {
    // a vector takes whatever is written
    let _ = text::write(report, text::Layout { width: Some(80), colour: false }, page);
    let _ = json::write(report, page);
}
