//! Tests of `src/analysis`: chains against brute force, selection, exclusion, rules of choice and folding.

mod allocator;
mod chains;
mod check;
mod choice;
mod cut;
mod dominators;
mod exclude;
mod export;
mod expression;
mod growth;
mod heap_tree;
mod object;
mod oracle;
mod order;
mod select;
mod summary;
mod suspects;

use retainers::analysis::chains::{Chains, Detail, Options, chains};
use retainers::analysis::distances::RootChoice;
use retainers::analysis::exclude::ReferencePattern;
use retainers::analysis::select::{Query, Selection, select};
use retainers::graph::Heap;
use retainers::present::text;
use retainers::report::Report;

/// What `--type` with these arguments finds.
pub(crate) struct Asked {
    pub(crate) types: &'static [&'static str],
    pub(crate) roots: &'static [&'static str],
    pub(crate) exclude: &'static [&'static str],
    pub(crate) raw: bool,
}

impl Asked {
    pub(crate) fn types(types: &'static [&'static str]) -> Self {
        Self { types, roots: &[], exclude: &[], raw: false }
    }

    pub(crate) fn answer(&self, heap: &Heap) -> (Selection, Chains) {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        let selection = select(&heap.graph, &Query { types: owned(self.types), ids: Vec::new() });
        let roots =
            if self.roots.is_empty() { RootChoice::default() } else { RootChoice::parse(&owned(self.roots)).unwrap() };
        let exclude = self.exclude.iter().map(|pattern| ReferencePattern::parse(pattern).unwrap()).collect();
        let answer = chains(heap, &selection, &Options { roots, exclude, ..Options::default() });
        (selection, answer)
    }

    /// The text as a file would get it.
    pub(crate) fn text(&self, heap: &Heap) -> String {
        let (selection, answer) = self.answer(heap);
        let report = answer.report(heap, &selection, Detail { raw: self.raw, ..Detail::default() });
        page(&report)
    }
}

/// A report as a file would get it.
pub(crate) fn page(report: &Report) -> String {
    let mut page = Vec::new();
    text::write(report, text::Layout::default(), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// What `ask` finds with a stack of 1 MiB: nothing may recurse on the depth of a heap.
pub(crate) fn in_small_stack<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(1 << 20).spawn(ask).unwrap().join().unwrap()
}

/// An object of type `first` that holds the first of a list, whose last one refers to the first: what the first object
/// holds is one long cycle.
pub(crate) fn long_list(length: u64, first: &str) -> String {
    use std::fmt::Write;
    let mut dump = String::from("{\"retainers\":1}\n");
    writeln!(dump, r#"{{"address":16,"type":"{first}","name":"app","size":72,"refs":[32],"edges":[".head"]}}"#)
        .unwrap();
    for place in 1..=length {
        let (at, next) = ((place + 1) * 16, (place % length + 2) * 16);
        writeln!(dump, r#"{{"address":{at},"type":"Node","size":64,"refs":[{next}],"edges":[".next"]}}"#).unwrap();
    }
    writeln!(dump, r#"{{"end":{{"objects":{}}}}}"#, length + 1).unwrap();
    dump
}
