//! The type of each object, and the objects of each type that has few.

use std::io;

use rayon::prelude::*;

use super::column::Column;
use super::index::{Index, IndexWriter, Unusable, below};
use super::{ObjectId, TypeId};

/// Types of objects: two bytes each, and two more where there are more types than that.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) low: Column<u16>,
    /// Empty where two bytes are enough.
    pub(super) high: Column<u16>,
    /// Known where they come from an index.
    postings: Option<Postings>,
}

/// The rows of objects by type, for the types with the fewest objects: who asks for one of them need not look at all objects.
#[derive(Debug)]
struct Postings {
    /// Where the rows of each type start, and where the last ones end; nothing between them for types that are not listed.
    starts: Vec<u32>,
    /// Ascending for each type.
    rows: Column<u32>,
}

/// Of how many objects one is listed at most.
const LISTED_SHARE: usize = 8;

impl Types {
    /// Types by row. `high` is empty where there are no more than 2¹⁶.
    pub(super) fn new(low: Column<u16>, high: Column<u16>) -> Self {
        Self { low, high, postings: None }
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> TypeId {
        let high = if self.high.is_empty() { 0 } else { u32::from(self.high.get(row)) << 16 };
        TypeId(high | u32::from(self.low.get(row)))
    }

    /// The objects of the wanted types, ascending. `is_wanted` is by type. O(n), but for types that are listed.
    pub(super) fn objects_of(&self, is_wanted: &[bool]) -> Vec<ObjectId> {
        let wanted: Vec<usize> = (0..is_wanted.len()).filter(|&number| is_wanted[number]).collect();
        match &self.postings {
            Some(postings) if wanted.iter().all(|&number| postings.has(number)) => self.listed(postings, &wanted),
            _ => self.found(is_wanted, &wanted),
        }
    }

    /// As listed. Gives up where an object is not of the type by which it is listed.
    fn listed(&self, postings: &Postings, wanted: &[usize]) -> Vec<ObjectId> {
        let mut objects = Vec::new();
        for &number in wanted {
            let rows = postings.rows_of(number);
            let is_of_type = |&row: &u32| self.get(row as usize).index() == number;
            self.low.fits(|| rows.is_sorted_by(|one, next| one < next) && rows.iter().all(is_of_type));
            objects.extend(rows.iter().map(|&row| ObjectId(row)));
        }
        if wanted.len() > 1 {
            objects.sort_unstable();
        }
        objects
    }

    /// By looking at all objects.
    fn found(&self, is_wanted: &[bool], wanted: &[usize]) -> Vec<ObjectId> {
        /// Objects that are looked at together; few enough for most pieces to have none of a rare type.
        const PIECE: usize = 1 << 12;
        let is_wanted_type = |row: usize| is_wanted.get(self.get(row).index()) == Some(&true);
        let low: Vec<u16> = wanted.iter().filter_map(|&number| u16::try_from(number).ok()).collect();
        let is_rare = is_wanted.len() <= usize::from(u16::MAX) && low.len() <= 4;
        let has_any = |piece: &[u16]| {
            // without a branch for each object
            low.iter().any(|&wanted| piece.iter().fold(false, |found, &low| found | (low == wanted)))
        };
        let pieces = self.low.par_chunks(PIECE).enumerate().filter(|(_, piece)| !is_rare || has_any(piece));
        let rows = pieces.flat_map_iter(|(place, piece)| place * PIECE..place * PIECE + piece.len());
        rows.filter(|&row| is_wanted_type(row)).map(ObjectId::at).collect()
    }

    /// Appends them to an index, with postings. `count` is the number of types.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn store(&self, writer: &mut IndexWriter, count: usize) -> io::Result<()> {
        writer.section("types", &self.low)?;
        if !self.high.is_empty() {
            writer.section("types.high", &self.high)?;
        }
        let computed;
        let postings = match &self.postings {
            Some(known) => known,
            None => {
                computed = Postings::of(self, count);
                &computed
            }
        };
        writer.section("types.starts", &postings.starts)?;
        writer.section("types.rows", &postings.rows)
    }

    /// The types of an index, of which there are `count`.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when they are not there.
    pub(super) fn restore(index: &Index, count: usize) -> Result<Self, Unusable> {
        let objects = index.object_count();
        let postings = Some(Postings::restore(index, count)?);
        if !index.has("types.high") {
            let low = index.column("types", objects, below::<u16>(count as u64))?;
            return Ok(Self { low, high: Column::new(), postings });
        }
        let (low, high) = (index.column("types", objects, |_| true)?, index.column("types.high", objects, |_| true)?);
        let types = Self { low, high, postings };
        // two columns that only together make sense, and very many types: looked at right away
        let (low, high) = (&types.low[..], &types.high[..]);
        let all_exist = low.iter().zip(high).all(|(&low, &high)| usize::from(high) << 16 | usize::from(low) < count);
        all_exist.then_some(types).ok_or(Unusable::Damaged)
    }

    /// Looks at all of them, so that an index from which they come is known to be damaged if it is.
    pub(super) fn check(&self) {
        self.low.check();
        if let Some(postings) = &self.postings {
            postings.rows.check();
        }
    }
}

impl Postings {
    /// Lists types by number of objects, the fewest first, as long as there is room.
    fn of(types: &Types, count: usize) -> Self {
        let numbers = || (0..types.len()).map(|row| types.get(row).index());
        let mut counts = vec![0u32; count];
        numbers().for_each(|number| counts[number] += 1);
        let mut by_count: Vec<usize> = (0..count).collect();
        by_count.sort_by_key(|&number| counts[number]);
        let mut room = types.len() / LISTED_SHARE;
        for number in by_count {
            match room.checked_sub(counts[number] as usize) {
                Some(left) => room = left,
                None => counts[number] = 0,
            }
        }
        let mut starts: Vec<u32> = Vec::with_capacity(count + 1);
        let mut end = 0;
        for count in &counts {
            starts.push(end);
            end += count;
        }
        starts.push(end);
        let mut next = starts.clone();
        let mut rows = Column::zeroed(end as usize);
        for (row, number) in (0u32..).zip(numbers()) {
            if counts[number] > 0 {
                rows[next[number] as usize] = row;
                next[number] += 1;
            }
        }
        Self { starts, rows }
    }

    fn restore(index: &Index, count: usize) -> Result<Self, Unusable> {
        let starts: Vec<u32> = index.rows("types.starts")?;
        let ends_well = starts.len() == count + 1 && starts.first() == Some(&0) && starts.is_sorted();
        let end = starts.last().filter(|_| ends_well).ok_or(Unusable::Damaged)?;
        let rows = index.column("types.rows", *end as usize, below::<u32>(index.object_count() as u64))?;
        Ok(Self { starts, rows })
    }

    /// Whether a type is listed.
    fn has(&self, number: usize) -> bool {
        self.starts.get(number..number + 2).is_some_and(|ends| ends[0] < ends[1])
    }

    fn rows_of(&self, number: usize) -> &[u32] {
        self.rows.range(self.starts[number] as usize..self.starts[number + 1] as usize)
    }
}
