//! Where were the objects of a way allocated?

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::counts::grouped;
use crate::graph::{Heap, ObjectId};

/// Lines of code that allocated objects, `file:line`. Empty where the dump does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct AllocationSites {
    /// Each with the number of objects, most first.
    pub lines: Vec<(String, u64)>,
    /// How many objects were looked at: all of them, or so many evenly chosen ones.
    pub looked_at: u64,
}

/// Objects of a way that are looked at.
const LOOKED_AT: usize = 1_000;
/// Of these, those that are looked at before it is believed that none has a site.
const PROBED: usize = 10;

impl AllocationSites {
    /// Where `objects` were allocated.
    pub fn of(heap: &Heap, objects: &[ObjectId]) -> Self {
        let step = objects.len().div_ceil(LOOKED_AT).max(1);
        let chosen: Vec<ObjectId> = objects.iter().step_by(step).copied().collect();
        let site = |object: &ObjectId| heap.describe(*object).site;
        let probed = chosen.iter().step_by(chosen.len().div_ceil(PROBED).max(1));
        if probed.filter_map(site).next().is_none() {
            return Self::default();
        }
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        let sites: Vec<Option<String>> = chosen.par_iter().map(site).collect();
        sites.into_iter().flatten().for_each(|site| *lines.entry(site).or_default() += 1);
        let mut lines: Vec<(String, u64)> = lines.into_iter().collect();
        lines.sort_by_key(|(_, count)| Reverse(*count));
        Self { lines, looked_at: chosen.len() as u64 }
    }

    /// `allocated at app.py:12 (28 of 30)`.
    pub fn words(&self) -> Option<String> {
        let (line, count) = self.lines.first()?;
        if *count == self.looked_at {
            return Some(format!("allocated at {line}"));
        }
        Some(format!("allocated at {line} ({} of {})", grouped(*count), grouped(self.looked_at)))
    }
}
