//! From records to a frozen graph.
//!
//! Readers fill [`ObjectTable`]s, one for each piece of the dump that a thread reads, and hand them in dump order to a
//! [`GraphBuilder`]. What comes out does not depend on how the dump was cut into pieces.

mod link;
mod table;
mod types;

pub use self::table::{Coder, ObjectTable};
pub use self::types::TypeTable;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use self::link::link;
use self::table::CODE;
use super::address::{AddressIndex, Translation};
use super::id::MAX_OBJECTS;
use super::{Damage, HeapGraph, ObjectId, Root, RootKind, TypeId, WeakReference};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};

/// A root by address.
#[derive(Debug, Clone)]
pub struct RootRecord {
    /// The object that is held.
    pub address: u64,
    /// What holds it.
    pub kind: RootKind,
    /// Its name.
    pub name: Option<Box<str>>,
}

/// Stages of [`GraphBuilder::finish`] that progress is told of: index, references, referrers, columns.
const LINK_STEPS: u64 = 4;

/// Collects tables and freezes them into a [`HeapGraph`].
#[derive(Debug, Default)]
pub struct GraphBuilder {
    tables: Vec<ObjectTable>,
    named_ids: Vec<Box<str>>,
    first_named: u64,
}

impl GraphBuilder {
    /// Appends the next piece of the dump.
    pub fn add(&mut self, mut table: ObjectTable) {
        table.settle();
        self.tables.push(table);
    }

    /// Texts of ids that are no numbers: the objects with addresses from `first` on, in order.
    pub fn name_ids(&mut self, first: u64, texts: Vec<Box<str>>) {
        self.first_named = first;
        self.named_ids = texts;
    }

    /// Whether any root was marked.
    pub fn has_roots(&self) -> bool {
        self.tables.iter().any(|table| !table.roots.is_empty())
    }

    /// Resolves addresses, leaves out dangling references and repeated ids, and freezes the graph. `module_name` gives
    /// the name of a module from its record's place; it is asked where no roots were marked and modules stand in for them.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when there are more objects than ids.
    pub fn finish(
        mut self,
        damage: &mut Damage,
        module_name: &dyn Fn(u64) -> Option<String>,
        progress: &Progress,
    ) -> Result<HeapGraph> {
        progress.start(Phase::Link, LINK_STEPS);
        let count: u64 = self.tables.iter().map(|table| table.len() as u64).sum();
        if count > MAX_OBJECTS {
            return Err(Error::TooLarge { what: "objects", count, limit: MAX_OBJECTS });
        }
        let has_roots = self.has_roots();
        let mut found = self.index();
        if (found.index.distinct() as u64) < count {
            damage.duplicate_ids += count - found.index.distinct() as u64;
            self.drop_repeated(&found.index);
            found = self.index();
        }
        progress.advance(1);
        let starts = row_starts(&self.tables);
        let weak = self.resolve_weak(&found.index, &starts, damage);
        let roots = self.resolve_roots(&found.index, damage);
        let linked = link(self.tables, &starts, found, damage);
        progress.advance(1);
        let reverse = linked.forward.reversed();
        progress.advance(1);
        let mut graph = HeapGraph {
            addresses: linked.addresses,
            types: linked.types,
            sizes: linked.sizes,
            places: linked.places,
            forward: linked.forward,
            reverse,
            weak,
            external: linked.external,
            type_names: linked.type_names,
            roots,
            named_ids: self.named_ids,
            first_named: self.first_named,
        };
        if !has_roots {
            graph.roots = modules_by_type(&graph, module_name);
        }
        Ok(graph)
    }

    /// The rows of all addresses. Where those of one table do not cluster, all are taken as they are.
    fn index(&mut self) -> Found {
        if self.tables.iter().all(|table| table.wide.is_none())
            && let Some((index, translations)) = AddressIndex::of_pieces(&self.tables)
        {
            return Found { index, translations };
        }
        self.tables.par_iter_mut().for_each(ObjectTable::widen);
        let addresses: Vec<u64> = self
            .tables
            .iter()
            .filter_map(|table| table.wide.as_ref())
            .flat_map(|wide| &wide.objects)
            .copied()
            .collect();
        Found { index: AddressIndex::sorted(&addresses), translations: Vec::new() }
    }

    /// Keeps the last record of each address.
    fn drop_repeated(&mut self, index: &AddressIndex) {
        let starts = row_starts(&self.tables);
        for (table, start) in self.tables.iter_mut().zip(starts) {
            let is_last = |row: usize| {
                let address = match &table.wide {
                    Some(wide) => wide.objects[row],
                    None => table.pages.address(table.rows[row][CODE]),
                };
                index.row(address).is_some_and(|last| last as usize == start + row)
            };
            let kept: Vec<bool> = (0..table.len()).map(is_last).collect();
            table.retain(&kept);
        }
    }

    fn resolve_weak(&self, index: &AddressIndex, starts: &[usize], damage: &mut Damage) -> Vec<WeakReference> {
        let mut weak = Vec::new();
        for (table, start) in self.tables.iter().zip(starts) {
            for &(row, target) in &table.weak {
                match index.row(target) {
                    Some(target) => weak
                        .push(WeakReference { source: ObjectId::at(start + row as usize), target: ObjectId(target) }),
                    None => damage.dangling_references += 1,
                }
            }
        }
        weak
    }

    fn resolve_roots(&self, index: &AddressIndex, damage: &mut Damage) -> Vec<Root> {
        let mut roots: Vec<Root> = Vec::new();
        for root in self.tables.iter().flat_map(|table| &table.roots) {
            match index.row(root.address) {
                Some(row) => {
                    roots.push(Root { object: ObjectId(row), kind: root.kind.clone(), name: root.name.clone() });
                }
                None => damage.dangling_roots += 1,
            }
        }
        let mut seen = FxHashSet::default();
        roots.retain(|root| seen.insert((root.object, root.kind.clone(), root.name.clone())));
        roots
    }
}

/// The rows of all addresses, and how the codes of each table are to be read; no translations where addresses are taken as
/// they are.
struct Found {
    index: AddressIndex,
    translations: Vec<Translation>,
}

/// The row at which each table starts.
fn row_starts(tables: &[ObjectTable]) -> Vec<usize> {
    starts(tables.iter().map(ObjectTable::len))
}

/// Where each of consecutive parts with these lengths starts.
fn starts(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let start = |next: &mut usize, length| {
        let start = *next;
        *next += length;
        Some(start)
    };
    lengths.scan(0, start).collect()
}

/// Where a dump marks no roots, its modules are the roots.
fn modules_by_type(graph: &HeapGraph, name: &dyn Fn(u64) -> Option<String>) -> Vec<Root> {
    let Some(module) = graph.type_names.find("module") else {
        return Vec::new();
    };
    let modules = graph.objects().filter(|&object| graph.type_of(object) == TypeId(module));
    modules
        .map(|object| Root { object, kind: RootKind::Module, name: name(graph.place(object)).map(Into::into) })
        .collect()
}
