//! Tests of `src/analysis`: chains against brute force, selection, exclusion, rules of choice and folding.

mod chains;
mod choice;
mod cut;
mod dominators;
mod exclude;
mod oracle;
mod select;

use retainers::analysis::chains::{Chains, Detail, Options, chains};
use retainers::analysis::distances::RootChoice;
use retainers::analysis::exclude::ReferencePattern;
use retainers::analysis::select::{Query, Selection, select};
use retainers::graph::Heap;
use retainers::present::text;

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
        let mut page = Vec::new();
        text::write(&report, text::Layout::default(), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }
}
