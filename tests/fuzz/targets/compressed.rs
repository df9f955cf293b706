//! Any bytes, compressed ones included, through recognition by content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use retainers::progress::Progress;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(heap) = retainers::format::read(retainers_fuzz::source(bytes), &Progress::default()) {
        retainers_fuzz::exercise(&heap);
    }
});
