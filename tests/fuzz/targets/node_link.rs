//! NetworkX node-link documents.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use retainers::format::json_graph::{Flavour, read_as};
use retainers::progress::Progress;

fuzz_target!(|bytes: &[u8]| {
    let source = Arc::new(retainers_fuzz::source(bytes));
    if let Ok(heap) = read_as(source, Flavour::NodeLink, &Progress::default()) {
        retainers_fuzz::exercise(&heap);
    }
});
