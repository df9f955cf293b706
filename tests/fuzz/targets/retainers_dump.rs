//! Our own heap dumps.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use retainers::format::retainers as format;
use retainers::progress::Progress;

fuzz_target!(|bytes: &[u8]| {
    let mut dump = b"{\"retainers\":1}\n".to_vec();
    dump.extend_from_slice(bytes);
    if let Ok(heap) = format::read(Arc::new(retainers_fuzz::source(&dump)), &Progress::default()) {
        retainers_fuzz::exercise(&heap);
    }
    if let Ok(heap) = format::read(Arc::new(retainers_fuzz::source(bytes)), &Progress::default()) {
        retainers_fuzz::exercise(&heap);
    }
});
