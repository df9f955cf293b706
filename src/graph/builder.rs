//! From records to a frozen graph.
//!
//! Readers fill [`ObjectTable`]s, one for each piece of the dump that a thread reads, and hand them in dump order to a
//! [`GraphBuilder`]. What comes out does not depend on how the dump was cut into pieces.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::address::{AddressIndex, Addresses, Pages, Piece, Translation};
use super::column::Column;
use super::csr::Csr;
use super::id::MAX_OBJECTS;
use super::names::Names;
use super::{Damage, HeapGraph, ObjectId, Places, Root, RootKind, Sizes, TypeId, Types, WeakReference};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};

/// The objects of a piece of the dump, by address: references are not yet resolved.
#[derive(Debug, Default)]
pub struct ObjectTable {
    rows: Column<Row>,
    /// Codes of the addresses that the objects refer to, one object after the other.
    targets: Column<u32>,
    pages: Pages,
    /// Addresses as they are, once they turned out not to cluster; codes have no meaning then.
    wide: Option<Box<WideAddresses>>,
    /// Row in this table, and bytes.
    wide_sizes: Vec<(u32, u64)>,
    /// First row in this table, and the place from which the places of the rows from there on count.
    place_bases: Vec<(u32, u64)>,
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
    /// Types that were met last, by a few bits of their names.
    recent_types: Vec<RecentType>,
}

/// An object: five numbers side by side, so that it is written at once.
type Row = [u32; 5];
/// Where they stand: code of its address, number of its type in the table, shallow size, place after its base, strong
/// references.
const CODE: usize = 0;
const TYPE: usize = 1;
const SIZE: usize = 2;
const PLACE: usize = 3;
const DEGREE: usize = 4;

#[derive(Debug, Default)]
struct WideAddresses {
    objects: Vec<u64>,
    targets: Vec<u64>,
}

/// A type by the bytes of its record.
#[derive(Debug, Clone, Default)]
struct RecentType {
    module: Box<[u8]>,
    name: Box<[u8]>,
    number: u32,
}

/// Types that are found again without hashing.
const RECENT_TYPES: usize = 256;

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
    /// A table with room for so many objects and strong references; more are welcome.
    pub fn with_capacity(objects: usize, references: usize) -> Self {
        Self { rows: Column::with_capacity(objects), targets: Column::with_capacity(references), ..Self::default() }
    }

    /// Appends an object; the references that follow are its own. `type_number` comes from [`ObjectTable::type_number`]
    /// of the same table.
    #[inline]
    pub fn object(&mut self, address: u64, type_number: u32, size: u64, place: u64) {
        let row = self.next_row();
        let place = self.after_base(row, place);
        let narrow = u32::try_from(size).unwrap_or(u32::MAX);
        if narrow == u32::MAX {
            self.wide_sizes.push((row, size));
        }
        let code = self.code(address);
        if let Some(wide) = &mut self.wide {
            wide.objects.push(address);
        }
        self.rows.push([code, type_number, narrow, place, 0]);
    }

    /// A strong reference of the last object.
    pub fn reference(&mut self, target: u64) {
        self.references(&[target]);
    }

    /// Strong references of the last object.
    #[inline]
    pub fn references(&mut self, targets: &[u64]) {
        let Some(row) = self.rows.last_mut() else {
            return;
        };
        row[DEGREE] += u32::try_from(targets.len()).unwrap_or(u32::MAX);
        if self.wide.is_none() {
            let encoded = {
                let pages = &mut self.pages;
                self.targets.try_extend(targets.len(), targets.iter().map(|&target| pages.code(target)))
            };
            if encoded {
                return;
            }
            self.widen();
        }
        if let Some(wide) = &mut self.wide {
            wide.targets.extend_from_slice(targets);
        }
    }

    /// The code of an address; without meaning where addresses are kept as they are.
    fn code(&mut self, address: u64) -> u32 {
        if self.wide.is_some() {
            return 0;
        }
        self.pages.code(address).unwrap_or_else(|| {
            self.widen();
            0
        })
    }

    /// Goes over to addresses as they are.
    #[cold]
    fn widen(&mut self) {
        if self.wide.is_none() {
            let pages = &self.pages;
            self.wide = Some(Box::new(WideAddresses {
                objects: self.rows.iter().map(|row| pages.address(row[CODE])).collect(),
                targets: self.targets.iter().map(|&code| pages.address(code)).collect(),
            }));
            self.targets = Column::new();
            self.pages = Pages::default();
        }
    }

    /// How far `place` comes after the base of its row, which is a new one where it would be too far.
    fn after_base(&mut self, row: u32, place: u64) -> u32 {
        let after = |base: u64| place.checked_sub(base).and_then(|distance| u32::try_from(distance).ok());
        if let Some(distance) = self.place_bases.last().and_then(|&(_, base)| after(base)) {
            return distance;
        }
        self.place_bases.push((row, place));
        0
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

    /// The number of a type in this table. `module` and `name` are how the record writes it; `decode` makes its qualified
    /// name.
    #[inline]
    pub fn type_number(&mut self, module: &[u8], name: &[u8], decode: impl FnOnce() -> String) -> u32 {
        let mixed =
            name.len().wrapping_mul(31) ^ usize::from(*name.last().unwrap_or(&0)).wrapping_mul(7) ^ module.len();
        let middle = usize::from(name.get(name.len() / 2).copied().unwrap_or(0));
        let place = (mixed ^ middle.wrapping_mul(13)) % RECENT_TYPES;
        if let Some(recent) = self.recent_types.get(place)
            && *recent.name == *name
            && *recent.module == *module
        {
            return recent.number;
        }
        let number = self.hashed_type_number(module, name, decode);
        if self.recent_types.is_empty() {
            // no type has an empty name and this module
            let none = RecentType { module: b"\n".as_slice().into(), ..RecentType::default() };
            self.recent_types = vec![none; RECENT_TYPES];
        }
        self.recent_types[place] = RecentType { module: module.into(), name: name.into(), number };
        number
    }

    #[cold]
    fn hashed_type_number(&mut self, module: &[u8], name: &[u8], decode: impl FnOnce() -> String) -> u32 {
        self.raw_type.clear();
        self.raw_type.extend_from_slice(module);
        self.raw_type.push(b'\n');
        self.raw_type.extend_from_slice(name);
        if let Some(&number) = self.raw_types.get(self.raw_type.as_slice()) {
            return number;
        }
        let number = self.type_names.intern(&decode());
        self.raw_types.insert(self.raw_type.as_slice().into(), number);
        number
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    fn last_row(&self) -> Option<u32> {
        u32::try_from(self.rows.len().checked_sub(1)?).ok()
    }

    /// Strong references of all objects.
    fn reference_count(&self) -> usize {
        self.wide.as_ref().map_or(self.targets.len(), |wide| wide.targets.len())
    }
}

impl Piece for ObjectTable {
    fn pages(&self) -> &Pages {
        &self.pages
    }

    fn codes(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|row| row[CODE])
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

impl ObjectTable {
    fn retain(&mut self, kept: &[bool]) {
        let old_rows = std::mem::take(&mut self.rows);
        let old_targets = std::mem::take(&mut self.targets);
        let mut old_wide = self.wide.take();
        let mut wide = old_wide.as_ref().map(|_| Box::<WideAddresses>::default());
        let mut new_rows = Vec::with_capacity(kept.len() + 1);
        let mut start = 0;
        for (place, (row, &keep)) in old_rows.iter().zip(kept).enumerate() {
            let references = start..start + row[DEGREE] as usize;
            start = references.end;
            new_rows.push(self.next_row());
            if !keep {
                continue;
            }
            self.rows.push(*row);
            match (&mut wide, &mut old_wide) {
                (Some(wide), Some(old)) => {
                    wide.objects.push(old.objects[place]);
                    wide.targets.extend_from_slice(&old.targets[references]);
                }
                _ => self.targets.extend_from_slice(&old_targets[references]),
            }
        }
        new_rows.push(self.next_row());
        self.wide = wide;
        for list in [&mut self.weak, &mut self.external, &mut self.wide_sizes] {
            list.retain(|(row, _)| kept[*row as usize]);
            list.iter_mut().for_each(|(row, _)| *row = new_rows[*row as usize]);
        }
        // of several bases that now begin at one row, the last one is its own
        self.place_bases.iter_mut().for_each(|(row, _)| *row = new_rows[*row as usize]);
    }
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

/// The columns of a graph, but for what needs the other direction.
struct Linked {
    addresses: Addresses,
    types: Types,
    sizes: Sizes,
    places: Places,
    forward: Csr,
    external: Vec<(ObjectId, u64)>,
    type_names: Names,
}

/// Where a table's part of each column goes.
struct Part<'a> {
    codes: &'a mut [u32],
    low_types: &'a mut [u16],
    high_types: &'a mut [u16],
    sizes: &'a mut [u32],
    places: &'a mut [u32],
    degrees: &'a mut [u32],
    targets: &'a mut [u32],
}

/// Puts the tables together, each on its own, and frees it.
fn link(tables: Vec<ObjectTable>, starts: &[usize], found: Found, damage: &mut Damage) -> Linked {
    let lengths: Vec<usize> = tables.iter().map(ObjectTable::len).collect();
    let reference_counts: Vec<usize> = tables.iter().map(ObjectTable::reference_count).collect();
    let (objects, references) = (lengths.iter().sum(), reference_counts.iter().sum());
    let (type_names, type_numbers) = merge_types(&tables);
    let is_coded = !found.translations.is_empty() || tables.is_empty();
    let wide: Column<u64> = if is_coded {
        Column::new()
    } else {
        tables.iter().filter_map(|table| table.wide.as_ref()).flat_map(|wide| &wide.objects).copied().collect()
    };
    let with_starts = || tables.iter().zip(starts);
    let external = with_starts().flat_map(|(table, start)| shifted(&table.external, *start)).collect();
    let wide_sizes = with_starts().flat_map(|(table, start)| shifted(&table.wide_sizes, *start)).collect();
    let place_bases = with_starts().flat_map(|(table, start)| shifted(&table.place_bases, *start)).collect();
    let is_high = type_names.len() > 1 << 16;
    let mut codes = Column::zeroed(if is_coded { objects } else { 0 });
    let mut low = Column::zeroed(objects);
    let mut high = Column::zeroed(if is_high { objects } else { 0 });
    let (mut sizes, mut places) = (Column::zeroed(objects), Column::zeroed(objects));
    // the first entry is the offset of the first row
    let mut degrees = Column::zeroed(objects + 1);
    let mut targets = Column::zeroed(references);
    let none = vec![0; lengths.len()];
    let written: Vec<usize> = {
        let mut parts = (
            split(&mut codes, if is_coded { &lengths } else { &none }),
            split(&mut low, &lengths),
            split(&mut high, if is_high { &lengths } else { &none }),
            split(&mut sizes, &lengths),
            split(&mut places, &lengths),
            split(&mut degrees[1..], &lengths),
            split(&mut targets, &reference_counts),
        );
        let work: Vec<(ObjectTable, Part<'_>)> = tables
            .into_iter()
            .filter_map(|table| {
                let part = Part {
                    codes: parts.0.next()?,
                    low_types: parts.1.next()?,
                    high_types: parts.2.next()?,
                    sizes: parts.3.next()?,
                    places: parts.4.next()?,
                    degrees: parts.5.next()?,
                    targets: parts.6.next()?,
                };
                Some((table, part))
            })
            .collect();
        work.into_par_iter()
            .enumerate()
            .map(|(place, (table, part))| {
                let number = &type_numbers[place];
                match &table.wide {
                    Some(wide) => fill(&table, number, part, |code| code, |at| found.index.row(wide.targets[at])),
                    None => {
                        let translation = &found.translations[place];
                        fill(
                            &table,
                            number,
                            part,
                            |code| translation.code(code).unwrap_or(u32::MAX),
                            |at| translation.code(table.targets[at]).and_then(|code| found.index.row_of_code(code)),
                        )
                    }
                }
            })
            .collect()
    };
    let kept = close_gaps(&mut targets, &reference_counts, &written);
    damage.dangling_references += (references - kept) as u64;
    let pages: Column<u64> = found.index.into_pages().into();
    Linked {
        addresses: if is_coded { Addresses::Coded { pages, codes } } else { Addresses::Wide(wide) },
        types: Types { low, high },
        sizes: Sizes::of_parts(sizes, wide_sizes),
        places: Places { bases: place_bases, distances: places },
        forward: Csr::from_degrees(degrees, targets),
        external,
        type_names,
    }
}

fn shifted<K: From<ObjectId>>(list: &[(u32, u64)], start: usize) -> impl Iterator<Item = (K, u64)> + '_ {
    list.iter().map(move |&(row, value)| (ObjectId::at(start + row as usize).into(), value))
}

/// Cuts a column into parts of these lengths.
fn split<'a, T>(mut rest: &'a mut [T], lengths: &'a [usize]) -> impl Iterator<Item = &'a mut [T]> {
    lengths.iter().map(move |&length| {
        let (part, others) = std::mem::take(&mut rest).split_at_mut(length);
        rest = others;
        part
    })
}

/// Writes a table's part of each column. `code` makes a code of the whole from one of the table; `target` finds the row of a
/// reference. Returns how many references were found.
fn fill(
    table: &ObjectTable,
    types: &[u32],
    part: Part<'_>,
    code: impl Fn(u32) -> u32,
    target: impl Fn(usize) -> Option<u32>,
) -> usize {
    let mut read = 0;
    let mut written = 0;
    let is_coded = !part.codes.is_empty();
    let is_high = !part.high_types.is_empty();
    for (at, row) in table.rows.iter().enumerate() {
        if is_coded {
            part.codes[at] = code(row[CODE]);
        }
        let type_number = types[row[TYPE] as usize];
        (part.low_types[at], part.sizes[at], part.places[at]) = (low_half(type_number), row[SIZE], row[PLACE]);
        if is_high {
            part.high_types[at] = low_half(type_number >> 16);
        }
        let before = written;
        for reference in read..read + row[DEGREE] as usize {
            if let Some(found) = target(reference) {
                part.targets[written] = found;
                written += 1;
            }
        }
        read += row[DEGREE] as usize;
        part.degrees[at] = u32::try_from(written - before).unwrap_or(u32::MAX);
    }
    written
}

#[expect(clippy::cast_possible_truncation, reason = "the other half is kept elsewhere")]
fn low_half(number: u32) -> u16 {
    number as u16
}

/// Moves the first `written` of each of consecutive parts with these `lengths` together; returns how many they are.
fn close_gaps(targets: &mut Column<u32>, lengths: &[usize], written: &[usize]) -> usize {
    let mut end = 0;
    for (start, &count) in starts(lengths.iter().copied()).into_iter().zip(written) {
        if start != end {
            targets.copy_within(start..start + count, end);
        }
        end += count;
    }
    targets.truncate(end);
    end
}

/// One table of type names in order of first appearance in the dump, and the number there of each table's types.
fn merge_types(tables: &[ObjectTable]) -> (Names, Vec<Vec<u32>>) {
    let mut names = Names::default();
    let numbers = tables.iter().map(|table| table.type_names.iter().map(|name| names.intern(name)).collect());
    let numbers = numbers.collect();
    (names, numbers)
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
