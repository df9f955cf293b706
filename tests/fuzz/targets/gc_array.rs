//! Records of gc exports, as one array.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use retainers::format::python::{Dialect, dialect, read};
use retainers::format::record::Order;
use retainers::progress::Progress;

fuzz_target!(|bytes: &[u8]| {
    let source = Arc::new(retainers_fuzz::source(bytes));
    let _ = dialect(&source);
    let order = [Order::Traversal, Order::Natural, Order::Unknown][bytes.len() % 3];
    let dialect = Dialect { name: "fuzz", order, is_lines: false };
    if let Ok(heap) = read(source, dialect, &Progress::default()) {
        retainers_fuzz::exercise(&heap);
    }
});
