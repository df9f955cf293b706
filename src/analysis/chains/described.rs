//! What the records of holders say, read once for all chains that lead through them.
//!
//! One list or module holds all ways of many types: its record may have a million references, and each of ten thousand ways
//! would read it again.

use std::sync::{PoisonError, RwLock};

use rustc_hash::FxHashMap;

use crate::counts::cut;
use crate::graph::{Description, Heap, ObjectId};

/// Bytes of a name or a value that a step of a chain has; what is longer is cut.
const LONGEST: usize = 4 << 10;

/// Descriptions of holders, as they become known.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    known: RwLock<FxHashMap<ObjectId, Description>>,
}

impl Descriptions {
    /// What the record of a holder says.
    pub(super) fn of_holder(&self, heap: &Heap, object: ObjectId) -> Description {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&object).cloned();
        known.unwrap_or_else(|| {
            // not under the lock: reading may be given up
            let description = described(heap, object);
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.entry(object).or_insert(description).clone()
        })
    }
}

/// What the record of an object says, texts cut to what can be shown.
pub(super) fn described(heap: &Heap, object: ObjectId) -> Description {
    let mut description = heap.describe(object);
    for text in [&mut description.name, &mut description.value, &mut description.site].into_iter().flatten() {
        shorten(text);
    }
    description
}

/// Cuts a text to what a step may have.
pub(super) fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        *text = cut(text, LONGEST).into_owned();
    }
}
