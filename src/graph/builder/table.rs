//! What a reader makes of a piece of the dump: objects and references by address.

use super::{RootRecord, TypeTable};
use crate::graph::address::{Pages, Piece};
use crate::graph::column::Column;

/// The objects of a piece of the dump, by address: references are not yet resolved.
#[derive(Debug, Default)]
pub struct ObjectTable {
    pub(super) rows: Column<Row>,
    /// Codes of the addresses that the objects refer to, one object after the other.
    pub(super) targets: Column<u32>,
    /// Rows that come after those, until there are enough of them: appending a few numbers to a column is dear.
    fresh_rows: Vec<Row>,
    /// Their targets, and those of an object that is still read.
    fresh_targets: Vec<u32>,
    /// How many of them are of rows.
    settled_targets: usize,
    pub(super) pages: Pages,
    /// Addresses as they are, once they turned out not to cluster; codes have no meaning then.
    pub(super) wide: Option<Box<WideAddresses>>,
    /// Row in this table, and bytes.
    pub(super) wide_sizes: Vec<(u32, u64)>,
    /// First row in this table, and the place from which the places of the rows from there on count.
    pub(super) place_bases: Vec<(u32, u64)>,
    /// Row in this table, and address of the target.
    pub(super) weak: Vec<(u32, u64)>,
    /// Row in this table, and bytes.
    pub(super) external: Vec<(u32, u64)>,
    pub(super) roots: Vec<RootRecord>,
    pub(super) types: TypeTable,
}

/// An object: five numbers side by side, so that it is written at once.
pub(super) type Row = [u32; 5];
/// Where they stand: code of its address, number of its type in the table, shallow size, place after its base, strong
/// references.
pub(super) const CODE: usize = 0;
pub(super) const TYPE: usize = 1;
pub(super) const SIZE: usize = 2;
pub(super) const PLACE: usize = 3;
pub(super) const DEGREE: usize = 4;

#[derive(Debug, Default)]
pub(super) struct WideAddresses {
    pub(super) objects: Vec<u64>,
    pub(super) targets: Vec<u64>,
}

/// Rows that are appended at once, and a quarter of the targets.
const FRESH: usize = 1 << 9;

/// Makes codes of addresses, for an object that is read and for what it refers to.
#[derive(Debug)]
pub struct Coder<'a> {
    pages: &'a mut Pages,
    targets: &'a mut Vec<u32>,
}

impl Coder<'_> {
    /// The code of the object's address; `None` where it has none.
    #[inline]
    pub fn code(&mut self, address: u64) -> Option<u32> {
        self.pages.code(address)
    }

    /// Notes a strong reference of the object; `None` where the target has no code.
    #[inline]
    pub fn reference(&mut self, target: u64) -> Option<()> {
        self.targets.push(self.pages.code(target)?);
        Some(())
    }
}

impl ObjectTable {
    /// A table with room for so many objects and strong references; more are welcome.
    pub fn with_capacity(objects: usize, references: usize) -> Self {
        Self { rows: Column::with_capacity(objects), targets: Column::with_capacity(references), ..Self::default() }
    }

    /// Appends an object; the references that follow are its own. `type_number` comes from [`ObjectTable::type_number`]
    /// of the same table.
    pub fn object(&mut self, address: u64, type_number: u32, size: u64, place: u64) {
        let code = self.code(address);
        if let Some(wide) = &mut self.wide {
            wide.objects.push(address);
        }
        self.fresh_targets.truncate(self.settled_targets);
        self.coded_object(code, type_number, size, place);
    }

    /// What makes codes of addresses for [`ObjectTable::coded_object`]; `None` where addresses turned out not to cluster.
    #[inline]
    pub fn coder(&mut self) -> Option<Coder<'_>> {
        self.fresh_targets.truncate(self.settled_targets);
        if self.wide.is_some() {
            return None;
        }
        Some(Coder { pages: &mut self.pages, targets: &mut self.fresh_targets })
    }

    /// As [`ObjectTable::object`], by the code of [`ObjectTable::coder`], which still gives one, and with the references that
    /// it was given.
    #[inline]
    pub fn coded_object(&mut self, code: u32, type_number: u32, size: u64, place: u64) {
        let place = self.after_base(place);
        let narrow = u32::try_from(size).unwrap_or(u32::MAX);
        if narrow == u32::MAX {
            self.wide_sizes.push((self.next_row(), size));
        }
        let targets = self.fresh_targets.len() - self.settled_targets;
        self.settled_targets += targets;
        self.pages.count(targets + 1);
        self.fresh_rows.push([code, type_number, narrow, place, u32::try_from(targets).unwrap_or(u32::MAX)]);
        if self.fresh_rows.len() >= FRESH || self.settled_targets >= FRESH * 4 {
            self.settle();
        }
    }

    /// Appends fresh rows to the columns.
    #[cold]
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        self.rows.extend_from_slice(&self.fresh_rows);
        self.targets.extend_from_slice(&self.fresh_targets[..self.settled_targets]);
        self.fresh_rows.clear();
        self.fresh_targets.clear();
        // room for what a very long list refers to is not kept
        self.fresh_targets.shrink_to(FRESH * 8);
        self.settled_targets = 0;
    }

    /// A strong reference of the last object.
    pub fn reference(&mut self, target: u64) {
        self.references(&[target]);
    }

    /// Strong references of the last object.
    pub fn references(&mut self, targets: &[u64]) {
        if targets.is_empty() {
            return;
        }
        if self.wide.is_none() {
            if self.append_codes(targets) {
                return;
            }
            self.widen();
        }
        self.settle();
        let (Some(row), Some(wide)) = (self.rows.last_mut(), &mut self.wide) else { return };
        row[DEGREE] += u32::try_from(targets.len()).unwrap_or(u32::MAX);
        wide.targets.extend_from_slice(targets);
    }

    /// Appends the codes of these references of the last object, unless one of them has none: returns whether all were
    /// appended, none is otherwise.
    fn append_codes(&mut self, targets: &[u64]) -> bool {
        // the last row may have gone to the column, whose targets these then follow
        let Some(row) = self.fresh_rows.last_mut().or_else(|| self.rows.last_mut()) else { return true };
        self.fresh_targets.truncate(self.settled_targets);
        self.pages.count(targets.len());
        for &target in targets {
            let Some(code) = self.pages.code(target) else { return false };
            self.fresh_targets.push(code);
        }
        row[DEGREE] += u32::try_from(targets.len()).unwrap_or(u32::MAX);
        self.settled_targets = self.fresh_targets.len();
        true
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
    pub(super) fn widen(&mut self) {
        if self.wide.is_none() {
            self.settle();
            let pages = &self.pages;
            self.wide = Some(Box::new(WideAddresses {
                objects: self.rows.iter().map(|row| pages.address(row[CODE])).collect(),
                targets: self.targets.iter().map(|&code| pages.address(code)).collect(),
            }));
            self.targets = Column::new();
            self.pages = Pages::default();
        }
    }

    /// How far `place` comes after the base of the next row, which is a new one where it would be too far.
    #[inline]
    fn after_base(&mut self, place: u64) -> u32 {
        let after = |base: u64| place.checked_sub(base).and_then(|distance| u32::try_from(distance).ok());
        let distance = self.place_bases.last().and_then(|&(_, base)| after(base));
        distance.unwrap_or_else(|| self.new_base(place))
    }

    #[cold]
    fn new_base(&mut self, place: u64) -> u32 {
        self.place_bases.push((self.next_row(), place));
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

    /// The number of a type in this table, as [`TypeTable::number`] gives it.
    pub fn type_number(&mut self, module: &[u8], name: &[u8], decode: impl FnOnce() -> String) -> u32 {
        self.types.number(module, name, decode)
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.rows.len() + self.fresh_rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn last_row(&self) -> Option<u32> {
        u32::try_from(self.len().checked_sub(1)?).ok()
    }

    /// Strong references of all objects.
    pub fn reference_count(&self) -> usize {
        self.wide.as_ref().map_or(self.targets.len() + self.settled_targets, |wide| wide.targets.len())
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

impl ObjectTable {
    /// Keeps the rows that are marked.
    pub(super) fn retain(&mut self, kept: &[bool]) {
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
