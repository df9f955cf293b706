//! An index that is not what was written: any bytes, or a good one that was tampered with, its hashes wrong or right.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use retainers::format::indexed;
use retainers::graph::index::{Index, attempt};

fuzz_target!(|bytes: &[u8]| {
    static GOOD: OnceLock<retainers_fuzz::GoodIndex> = OnceLock::new();
    let good = GOOD.get_or_init(retainers_fuzz::GoodIndex::new);
    let Some((&kind, changes)) = bytes.split_first() else { return };
    let mut file = if kind & 1 == 0 { good.bytes.clone() } else { changes.to_vec() };
    if kind & 1 == 0 {
        for change in changes.chunks_exact(3) {
            let place = usize::from(change[0]) << 8 | usize::from(change[1]);
            let length = file.len();
            file[place % length] = change[2];
        }
    }
    if kind & 2 == 0 {
        let _ = retainers_fuzz::reseal::reseal(&mut file);
    }
    let Ok(index) = Index::from_bytes(&file) else { return };
    let dump = (kind & 4 == 0).then_some(good.dump.as_path());
    if let Ok(heap) = indexed::restore(index, dump, "fuzz") {
        let _ = attempt(|| retainers_fuzz::answers::answers(&heap));
    }
});
