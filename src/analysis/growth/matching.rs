//! Which objects of one dump are objects of another dump of the same process?
//!
//! CPython does not move objects, so an object keeps its address as long as it lives. But an address is used again when its
//! object is freed, mostly by one of the same size, and in a program that does the same thing again and again often by one
//! of the same type. So address and type only make a candidate; what it is connected with decides:
//!
//! - it is the *same* object when it refers to anything that it referred to before, types and objects that many others
//!   refer to (`None`, small numbers) left out; or, where it refers to nothing else and its size has not changed, when
//!   something that referred to it does so still;
//! - it is *unsure* when nothing speaks for it but its size, or when all its contents are others but its one holder is the
//!   same (a list that was filled anew). Unsure ones count as the same, and how many there are is told;
//! - otherwise the address was *used again*.
//!
//! O(n + m) time, in parallel; 4 bytes an object for the result.

use rayon::prelude::*;

use crate::graph::address::AddressIndex;
use crate::graph::{HeapGraph, ObjectId, TypeId};

/// The objects of a dump in an earlier dump of the same process.
#[derive(Debug, Default)]
pub struct Matching {
    /// For each object of the later dump, its row in the earlier one; [`NOT_THERE`] where it was not there.
    rows: Vec<u32>,
    /// Matches for which nothing speaks but address, type and size, or address, type and holder.
    pub unsure: u64,
    /// Addresses at which another object of the same type is now.
    pub used_again: u64,
}

const NOT_THERE: u32 = u32::MAX;
/// Referrers from which on an object says nothing about who refers to it.
const MANY_REFERRERS: usize = 64;
/// References of an object that are looked at to find one that it had before.
const LOOKED_AT: usize = 256;

/// Objects that are looked at by one thread at a time.
const PIECE: usize = 1 << 14;

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Unsure,
    UsedAgain,
}

/// Matches the objects of `later` with those of `earlier`.
pub fn match_objects(earlier: &HeapGraph, later: &HeapGraph) -> Matching {
    let candidates = candidates(earlier, later);
    let pair = Pair { earlier, later, candidates: &candidates, is_type: type_of_types(later) };
    let mut rows = vec![NOT_THERE; candidates.len()];
    let judge = |(piece, rows): (usize, &mut [u32])| {
        let (mut unsure, mut used_again) = (0, 0);
        for (place, row) in rows.iter_mut().enumerate() {
            let object = piece * PIECE + place;
            let old = candidates[object];
            if old == NOT_THERE {
                continue;
            }
            match pair.verdict(ObjectId::at(object), ObjectId(old)) {
                Verdict::UsedAgain => used_again += 1,
                verdict => {
                    *row = old;
                    unsure += u64::from(verdict == Verdict::Unsure);
                }
            }
        }
        (unsure, used_again)
    };
    let add = |one: (u64, u64), other: (u64, u64)| (one.0 + other.0, one.1 + other.1);
    let (unsure, used_again) = rows.par_chunks_mut(PIECE).enumerate().map(judge).reduce(|| (0, 0), add);
    Matching { rows, unsure, used_again }
}

impl Matching {
    /// The object of the earlier dump that `object` of the later one is.
    pub fn earlier(&self, object: ObjectId) -> Option<ObjectId> {
        self.rows.get(object.index()).copied().filter(|&row| row != NOT_THERE).map(ObjectId)
    }

    /// How many objects are in both dumps.
    pub fn len(&self) -> u64 {
        self.rows.iter().filter(|&&row| row != NOT_THERE).count() as u64
    }

    /// Whether no object is in both.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// For each object of `later`, what is at its address in `earlier`, if that is of the same type.
fn candidates(earlier: &HeapGraph, later: &HeapGraph) -> Vec<u32> {
    let addresses: Vec<u64> = earlier.objects().map(|object| earlier.address(object)).collect();
    let index = AddressIndex::new(&addresses);
    drop(addresses);
    let mut earlier_types: rustc_hash::FxHashMap<&str, TypeId> = rustc_hash::FxHashMap::default();
    earlier.types().for_each(|(type_id, name)| _ = earlier_types.insert(name, type_id));
    let type_in_earlier: Vec<Option<TypeId>> =
        later.types().map(|(_, name)| earlier_types.get(name).copied()).collect();
    let mut candidates = vec![NOT_THERE; later.object_count()];
    candidates.par_chunks_mut(PIECE).enumerate().for_each(|(piece, rows)| {
        let mut finder = index.finder();
        for (place, candidate) in rows.iter_mut().enumerate() {
            let object = ObjectId::at(piece * PIECE + place);
            let Some(old) = finder.row(later.address(object)) else { continue };
            if type_in_earlier[later.type_of(object).index()] == Some(earlier.type_of(ObjectId(old))) {
                *candidate = old;
            }
        }
    });
    candidates
}

/// The types whose objects are types.
fn type_of_types(graph: &HeapGraph) -> Vec<bool> {
    let is_type = |name: &str| name == "type" || name.ends_with("Meta") || name.ends_with("EnumType");
    graph.types().map(|(_, name)| is_type(name)).collect()
}

/// Two dumps of one process, with candidates for the objects of the later one.
struct Pair<'a> {
    earlier: &'a HeapGraph,
    later: &'a HeapGraph,
    candidates: &'a [u32],
    /// By type of `later`.
    is_type: Vec<bool>,
}

impl Pair<'_> {
    fn verdict(&self, new: ObjectId, old: ObjectId) -> Verdict {
        let is_as_large = self.later.shallow_size(new) == self.earlier.shallow_size(old);
        match self.keeps_a_reference(new, old) {
            Some(true) => Verdict::Same,
            None if is_as_large && self.keeps_a_referrer(new, old) => Verdict::Same,
            None if is_as_large => Verdict::Unsure,
            _ if self.keeps_its_only_holder(new, old) => Verdict::Unsure,
            _ => Verdict::UsedAgain,
        }
    }

    /// Whether any of the references is one of before; `None` where all are to objects that everyone refers to.
    fn keeps_a_reference(&self, new: ObjectId, old: ObjectId) -> Option<bool> {
        let (now, before) = (self.later.forward().row(new), self.earlier.forward().row(old));
        let is_telling = |target: u32| {
            let target = ObjectId(target);
            self.later.reverse().row(target).len() < MANY_REFERRERS && !self.is_type[self.later.type_of(target).index()]
        };
        // what an object referred to mostly has its place still
        let at_its_place = now.iter().zip(before).take(LOOKED_AT);
        if at_its_place.filter(|(new, old)| self.candidates[**new as usize] == **old).any(|(new, _)| is_telling(*new)) {
            return Some(true);
        }
        let telling: Vec<u32> = now.iter().copied().take(LOOKED_AT).filter(|&target| is_telling(target)).collect();
        if telling.is_empty() {
            return None;
        }
        let mut before: Vec<u32> = before.iter().copied().take(LOOKED_AT).collect();
        before.sort_unstable();
        let was_there = |target: &u32| before.binary_search(&self.candidates[*target as usize]).is_ok();
        Some(telling.iter().any(was_there))
    }

    fn keeps_a_referrer(&self, new: ObjectId, old: ObjectId) -> bool {
        let (now, before) = (self.later.reverse().row(new), self.earlier.reverse().row(old));
        if now.is_empty() && before.is_empty() {
            return true;
        }
        if now.len() >= MANY_REFERRERS && before.len() >= MANY_REFERRERS {
            return true;
        }
        let was_there =
            |source: &u32| before.iter().take(LOOKED_AT).any(|old| self.candidates[*source as usize] == *old);
        now.iter().take(LOOKED_AT).any(was_there)
    }

    fn keeps_its_only_holder(&self, new: ObjectId, old: ObjectId) -> bool {
        match (self.later.reverse().row(new), self.earlier.reverse().row(old)) {
            ([now], [before]) => self.candidates[*now as usize] == *before,
            _ => false,
        }
    }
}
