//! Puts the tables of a dump together: one column for each number of an object, references by row.

use rayon::prelude::*;

use super::table::{CODE, DEGREE, ObjectTable, PLACE, SIZE, TYPE};
use super::{Found, starts};
use crate::graph::address::Addresses;
use crate::graph::column::Column;
use crate::graph::csr::Csr;
use crate::graph::names::Names;
use crate::graph::types::Types;
use crate::graph::{Damage, ObjectId, Places, Sizes};

/// The columns of a graph, but for what needs the other direction.
pub(super) struct Linked {
    pub(super) addresses: Addresses,
    pub(super) types: Types,
    pub(super) sizes: Sizes,
    pub(super) places: Places,
    pub(super) forward: Csr,
    pub(super) external: Vec<(ObjectId, u64)>,
    pub(super) type_names: Names,
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
pub(super) fn link(tables: Vec<ObjectTable>, starts: &[usize], found: Found, damage: &mut Damage) -> Linked {
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
        let rows_of_codes = found.index.codes();
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
                            |at| translation.code(table.targets[at]).and_then(|code| rows_of_codes?.row(code)),
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
        types: Types::new(low, high),
        sizes: Sizes::of_parts(sizes, wide_sizes),
        places: Places::of(place_bases, places),
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
    let numbers = tables.iter().map(|table| table.types.names().map(|name| names.intern(name)).collect());
    let numbers = numbers.collect();
    (names, numbers)
}
