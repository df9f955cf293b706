//! From records to a frozen graph.
//!
//! Readers fill [`ObjectTable`]s, one for each piece of the dump that a thread reads, and hand them in dump order to a
//! [`GraphBuilder`]. What comes out does not depend on how the dump was cut into pieces.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::address::AddressIndex;
use super::csr::Csr;
use super::id::MAX_OBJECTS;
use super::names::Names;
use super::{Damage, HeapGraph, ObjectId, Root, RootKind, Sizes, TypeId, WeakReference};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};

/// The objects of a piece of the dump, by address: references are not yet resolved.
#[derive(Debug, Default)]
pub struct ObjectTable {
    addresses: Vec<u64>,
    types: Vec<u32>,
    sizes: Vec<u64>,
    places: Vec<u64>,
    /// Strong references of each object.
    degrees: Vec<u32>,
    /// Addresses that the objects refer to, one object after the other.
    targets: Vec<u64>,
    /// Row in this table, and address of the target.
    weak: Vec<(u32, u64)>,
    /// Row in this table, and bytes.
    external: Vec<(u32, u64)>,
    roots: Vec<RootRecord>,
    type_names: Names,
    /// Type numbers by the raw bytes of the record, so that a name is decoded once.
    raw_types: FxHashMap<Box<[u8]>, u32>,
    /// Room for putting such bytes together.
    raw_type: Vec<u8>,
}

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

impl ObjectTable {
    /// Appends an object; the references that follow are its own. `type_number` comes from [`ObjectTable::type_number`]
    /// of the same table.
    pub fn object(&mut self, address: u64, type_number: u32, size: u64, place: u64) {
        self.addresses.push(address);
        self.types.push(type_number);
        self.sizes.push(size);
        self.places.push(place);
        self.degrees.push(0);
    }

    /// A strong reference of the last object.
    pub fn reference(&mut self, target: u64) {
        if let Some(degree) = self.degrees.last_mut() {
            *degree += 1;
            self.targets.push(target);
        }
    }

    /// Strong references of the last object.
    pub fn references(&mut self, targets: &[u64]) {
        if let Some(degree) = self.degrees.last_mut() {
            *degree += u32::try_from(targets.len()).unwrap_or(u32::MAX);
            self.targets.extend_from_slice(targets);
        }
    }

    /// A reference of the last object that does not retain.
    pub fn weak_reference(&mut self, target: u64) {
        if let Some(row) = self.last_row() {
            self.weak.push((row, target));
        }
    }

    /// Bytes that the last object holds outside the heap.
    pub fn external_size(&mut self, bytes: u64) {
        if let Some(row) = self.last_row() {
            self.external.push((row, bytes));
        }
    }

    /// A root, whose object may come in any table.
    pub fn root(&mut self, root: RootRecord) {
        self.roots.push(root);
    }

    /// The number of a type in this table. `raw` is how the record writes it, in parts; `decode` makes its qualified
    /// name.
    pub fn type_number(&mut self, raw: &[&[u8]], decode: impl FnOnce() -> String) -> u32 {
        self.raw_type.clear();
        for part in raw {
            self.raw_type.extend_from_slice(part);
            self.raw_type.push(b'\n');
        }
        if let Some(&number) = self.raw_types.get(self.raw_type.as_slice()) {
            return number;
        }
        let number = self.type_names.intern(&decode());
        self.raw_types.insert(self.raw_type.as_slice().into(), number);
        number
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    fn last_row(&self) -> Option<u32> {
        u32::try_from(self.addresses.len().checked_sub(1)?).ok()
    }
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
    pub fn add(&mut self, table: ObjectTable) {
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
        let mut addresses = self.all_addresses();
        let mut index = AddressIndex::new(&addresses);
        if (index.distinct() as u64) < count {
            damage.duplicate_ids += count - index.distinct() as u64;
            self.drop_repeated(&index);
            addresses = self.all_addresses();
            index = AddressIndex::new(&addresses);
        }
        progress.advance(1);
        let (type_names, types) = merge_types(&mut self.tables);
        let starts = row_starts(&self.tables);
        let forward = self.resolve(&index, damage);
        progress.advance(1);
        let reverse = forward.reversed();
        progress.advance(1);
        let mut graph = HeapGraph {
            addresses,
            types,
            sizes: self.all_sizes(),
            places: self.tables.iter().flat_map(|table| &table.places).copied().collect(),
            forward,
            reverse,
            weak: self.resolve_weak(&index, &starts, damage),
            external: self.all_external(&starts),
            type_names,
            roots: self.resolve_roots(&index, damage),
            index,
            named_ids: self.named_ids,
            first_named: self.first_named,
        };
        if !has_roots {
            graph.roots = modules_by_type(&graph, module_name);
        }
        Ok(graph)
    }

    fn all_addresses(&self) -> Vec<u64> {
        self.tables.iter().flat_map(|table| &table.addresses).copied().collect()
    }

    fn all_sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        self.tables.iter().flat_map(|table| &table.sizes).for_each(|&size| sizes.push(size));
        sizes
    }

    fn all_external(&self, starts: &[usize]) -> Vec<(ObjectId, u64)> {
        let tables = self.tables.iter().zip(starts);
        tables
            .flat_map(|(table, start)| {
                table.external.iter().map(move |&(row, bytes)| (ObjectId::at(start + row as usize), bytes))
            })
            .collect()
    }

    /// Keeps the last record of each address.
    fn drop_repeated(&mut self, index: &AddressIndex) {
        let starts = row_starts(&self.tables);
        for (table, start) in self.tables.iter_mut().zip(starts) {
            let is_last = |row: usize| index.row(table.addresses[row]).is_some_and(|last| last as usize == start + row);
            let kept: Vec<bool> = (0..table.len()).map(is_last).collect();
            table.retain(&kept);
        }
    }

    /// The strong references by row, dangling ones counted and left out.
    fn resolve(&mut self, index: &AddressIndex, damage: &mut Damage) -> Csr {
        let before: usize = self.tables.iter().map(|table| table.targets.len()).sum();
        let resolved: Vec<Vec<u32>> =
            self.tables.par_iter_mut().flat_map_iter(|table| table.resolve_in_pieces(index)).collect();
        let found = resolved.iter().map(Vec::len).sum();
        damage.dangling_references += (before - found) as u64;
        let mut targets = Vec::with_capacity(found);
        for piece in resolved {
            targets.extend_from_slice(&piece);
        }
        let degrees: Vec<u32> = self.tables.iter_mut().flat_map(|table| std::mem::take(&mut table.degrees)).collect();
        Csr::new(&degrees, targets)
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
        let mut seen = rustc_hash::FxHashSet::default();
        roots.retain(|root| seen.insert((root.object, root.kind.clone(), root.name.clone())));
        roots
    }
}

impl ObjectTable {
    fn retain(&mut self, kept: &[bool]) {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(self.degrees.iter().scan(0, |sum, &degree| {
                *sum += degree as usize;
                Some(*sum)
            }))
            .collect();
        let mut rows = Vec::with_capacity(kept.len());
        let mut next = 0;
        let mut targets = Vec::new();
        for (row, &keep) in kept.iter().enumerate() {
            rows.push(next);
            if keep {
                next += 1;
                targets.extend_from_slice(&self.targets[starts[row]..starts[row + 1]]);
            }
        }
        self.targets = targets;
        retain_rows(&mut self.addresses, kept);
        retain_rows(&mut self.types, kept);
        retain_rows(&mut self.sizes, kept);
        retain_rows(&mut self.places, kept);
        retain_rows(&mut self.degrees, kept);
        for list in [&mut self.weak, &mut self.external] {
            list.retain(|(row, _)| kept[*row as usize]);
            list.iter_mut().for_each(|(row, _)| *row = rows[*row as usize]);
        }
    }

    /// Resolved targets of consecutive pieces of the table. Targets by address are dropped, and degrees corrected for
    /// references that dangle.
    fn resolve_in_pieces(&mut self, index: &AddressIndex) -> Vec<Vec<u32>> {
        let targets = std::mem::take(&mut self.targets);
        let mut finder = index.finder();
        let mut start = 0;
        self.degrees
            .chunks_mut(1 << 16)
            .map(|degrees| {
                let total: usize = degrees.iter().map(|&degree| degree as usize).sum();
                let mut resolved = Vec::with_capacity(total);
                for degree in degrees {
                    let end = start + *degree as usize;
                    let before = resolved.len();
                    resolved.extend(targets[start..end].iter().filter_map(|&target| finder.row(target)));
                    *degree = u32::try_from(resolved.len() - before).unwrap_or(u32::MAX);
                    start = end;
                }
                resolved
            })
            .collect()
    }
}

fn retain_rows<T>(column: &mut Vec<T>, kept: &[bool]) {
    let mut keep = kept.iter();
    column.retain(|_| keep.next().copied().unwrap_or(true));
}

/// The row at which each table starts.
fn row_starts(tables: &[ObjectTable]) -> Vec<usize> {
    let lengths = tables.iter().map(ObjectTable::len);
    lengths
        .scan(0, |next, length| {
            let start = *next;
            *next += length;
            Some(start)
        })
        .collect()
}

/// One table of type names in order of first appearance in the dump, and the type of each object.
fn merge_types(tables: &mut [ObjectTable]) -> (Names, Vec<TypeId>) {
    let mut names = Names::default();
    let mut types = Vec::with_capacity(tables.iter().map(ObjectTable::len).sum());
    for table in tables {
        let mut numbers = vec![u32::MAX; table.type_names.len()];
        for &local in &table.types {
            let number = &mut numbers[local as usize];
            if *number == u32::MAX {
                *number = names.intern(table.type_names.get(local));
            }
            types.push(TypeId(*number));
        }
        table.types = Vec::new();
    }
    (names, types)
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
