//! The container of an index: what comes out is what went in, or it is known to be damaged.

use std::path::Path;

use rayon::prelude::*;
use retainers::graph::column::Column;
use retainers::graph::index::{GivenUp, Identity, Index, IndexWriter, MAGIC, Unusable, ascending, attempt, below};
use tempfile::TempDir;

const ROWS: u32 = 20_000;

fn offsets() -> Vec<u32> {
    (0..=ROWS).map(|row| row / 3).collect()
}

fn sizes() -> Vec<u64> {
    (0..u64::from(ROWS)).map(|row| row % 1000).collect()
}

fn identity() -> Identity {
    Identity { size: 7, modified: (-3, 5), sample: [11, 13] }
}

fn write(path: &Path) -> u64 {
    let mut writer = IndexWriter::create(path).unwrap();
    writer.section("offsets", &offsets()).unwrap();
    writer.section("sizes", &sizes()).unwrap();
    writer.section::<u16>("none", &[]).unwrap();
    writer.json("names", &["a", "b"]).unwrap();
    writer.finish(identity(), ROWS as usize, 12).unwrap()
}

fn bytes() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.rtx");
    write(&path);
    std::fs::read(path).unwrap()
}

fn columns(index: &Index) -> Result<(Column<u32>, Column<u64>), Unusable> {
    let last = u64::from(ROWS / 3);
    let offsets = index.column("offsets", ROWS as usize + 1, ascending::<u32>(last))?;
    Ok((offsets, index.column("sizes", ROWS as usize, below::<u64>(1000))?))
}

#[test]
fn what_was_written_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.rtx");
    let size = write(&path);
    assert_eq!(size, path.metadata().unwrap().len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let index = Index::open(&path).unwrap();
    assert_eq!((index.dump(), index.object_count(), index.reference_count()), (identity(), ROWS as usize, 12));
    let (by_row, by_range) = (columns(&index).unwrap(), columns(&index).unwrap());
    for row in [0, 1, 1023, 1024, 4095, 4096, 4097, ROWS as usize - 1] {
        assert_eq!(by_row.0.get(row), offsets()[row]);
        assert_eq!(by_row.1.get(row), sizes()[row]);
    }
    assert_eq!(by_range.1.range(2000..9000), &sizes()[2000..9000]);
    let whole = columns(&index).unwrap();
    assert_eq!((&whole.0[..], &whole.1[..]), (&offsets()[..], &sizes()[..]));
    assert_eq!(index.json::<Vec<String>>("names"), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert!(index.column::<u16>("none", 0, |_| false).unwrap().is_empty());
    assert!(!index.is_damaged());
}

#[test]
fn a_column_of_an_index_is_copied_when_it_is_changed() {
    let index = Index::from_bytes(&bytes()).unwrap();
    let (mut offsets, mut sizes) = columns(&index).unwrap();
    offsets.push(9);
    sizes[3] = 77;
    assert_eq!((offsets.len(), offsets[ROWS as usize + 1], offsets[10]), (ROWS as usize + 2, 9, 3));
    assert_eq!(&sizes[2..5], &[2, 77, 4]);
    sizes.truncate(2);
    assert_eq!(&sizes[..], &[0, 1]);
}

#[test]
fn an_index_cut_anywhere_is_refused() {
    let bytes = bytes();
    for length in (0..5000).chain((5000..bytes.len()).step_by(97)) {
        assert_eq!(Index::from_bytes(&bytes[..length]).err(), Some(Unusable::Damaged), "{length}");
    }
    let longer = [bytes, vec![0]].concat();
    assert_eq!(Index::from_bytes(&longer).err(), Some(Unusable::Damaged));
}

/// What a reader sees: everything as it was written, or that the index is damaged.
fn is_right_or_known_damaged(bytes: &[u8]) -> bool {
    let Ok(index) = Index::from_bytes(bytes) else { return true };
    let Ok((by_row, sizes)) = columns(&index) else { return true };
    let rows_right = attempt(|| (0..=ROWS as usize).all(|row| by_row.get(row) == row as u32 / 3));
    let sizes_right = attempt(|| sizes[..] == self::sizes()[..]);
    let names_right = index.json::<Vec<String>>("names").map(|names| names == ["a", "b"]);
    assert_eq!(index.is_damaged(), rows_right.is_err() || sizes_right.is_err());
    rows_right.unwrap_or(true) && sizes_right.unwrap_or(true) && names_right.unwrap_or(true)
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let bytes = bytes();
    let tables = bytes.len() - 8 * 240;
    let places = (0..4096).chain((4096..tables).step_by(1009)).chain(tables..bytes.len());
    for place in places {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(is_right_or_known_damaged(&flipped), "{place}");
        if place < 4096 {
            assert!(Index::from_bytes(&flipped).is_err(), "{place}");
        }
    }
}

#[test]
fn numbers_without_meaning_are_damage_even_where_the_hashes_are_right() {
    let index = Index::from_bytes(&bytes()).unwrap();
    let too_large = index.column("sizes", ROWS as usize, below::<u64>(999)).unwrap();
    assert_eq!(attempt(|| too_large.get(999)), Err(GivenUp), "its block has a 999");
    assert!(index.is_damaged());
    assert_eq!(attempt(|| too_large.len()), Ok(ROWS as usize));
    assert_eq!(attempt(|| too_large.iter().sum::<u64>()), Err(GivenUp));
    for last in [u64::from(ROWS / 3) - 1, u64::from(ROWS / 3) + 1] {
        let index = Index::from_bytes(&bytes()).unwrap();
        let offsets = index.column("offsets", ROWS as usize + 1, ascending::<u32>(last)).unwrap();
        assert_eq!(attempt(|| offsets.get(0)), Ok(0));
        assert_eq!(attempt(|| offsets[0]), Err(GivenUp), "{last}");
        assert!(index.is_damaged());
    }
}

#[test]
fn rows_that_are_not_there_are_damage() {
    let index = Index::from_bytes(&bytes()).unwrap();
    let (offsets, sizes) = columns(&index).unwrap();
    assert_eq!(attempt(|| sizes.range(9..ROWS as usize + 1).len()), Err(GivenUp));
    assert_eq!(attempt(|| offsets.get(usize::MAX)), Err(GivenUp));
    assert_eq!(attempt(|| sizes.range(9..9).len()), Ok(0));
}

#[test]
fn what_is_given_up_in_many_threads_is_given_up() {
    let mut bytes = bytes();
    bytes[4096 + 50_000] ^= 1;
    let index = Index::from_bytes(&bytes).unwrap();
    let (offsets, _) = columns(&index).unwrap();
    let sum = || (0..offsets.len()).into_par_iter().map(|row| u64::from(offsets.get(row))).sum::<u64>();
    assert_eq!(attempt(sum), Err(GivenUp));
}

#[test]
fn columns_that_do_not_fit_are_damage_in_an_index_only() {
    let index = Index::from_bytes(&bytes()).unwrap();
    let (offsets, _) = columns(&index).unwrap();
    assert_eq!(attempt(|| offsets.fits(|| true)), Ok(()));
    assert_eq!(attempt(|| offsets.fits(|| false)), Err(GivenUp));
    Column::from(vec![1u8]).fits(|| false);
}

#[test]
fn a_section_of_another_length_or_width_is_not_taken() {
    let index = Index::from_bytes(&bytes()).unwrap();
    assert!(index.column::<u64>("sizes", 3, |_| true).is_err());
    assert!(index.column::<u32>("sizes", ROWS as usize * 2, |_| true).is_err());
    assert!(index.column::<u32>("other", 0, |_| true).is_err());
}

#[test]
fn other_files_and_other_versions_are_told_apart() {
    assert_eq!(Index::from_bytes(b"{\"address\":1}").err(), Some(Unusable::Foreign));
    assert_eq!(Index::from_bytes(&MAGIC).err(), Some(Unusable::Damaged));
    let mut other = bytes();
    other[12..16].reverse();
    assert_eq!(Index::from_bytes(&other).err(), Some(Unusable::Version));
    assert_eq!(Index::open(Path::new("/there/is/no/such.rtx")).err(), Some(Unusable::Missing));
}

#[test]
fn an_index_that_is_given_up_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.rtx");
    std::fs::write(&path, "before").unwrap();
    let mut writer = IndexWriter::create(&path).unwrap();
    writer.section("offsets", &offsets()).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_dump_is_known_by_size_time_and_samples() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dump");
    let mut content = vec![b'x'; 4 << 20];
    std::fs::write(&path, &content).unwrap();
    let time = path.metadata().unwrap().modified().unwrap();
    let first = Identity::of(&path).unwrap();
    assert_eq!(Identity::of(&path).unwrap(), first);
    let change = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        Identity::of(&path).unwrap()
    };
    assert_eq!(change(&content), first);
    for place in [0, (1 << 20) - 1, 1 << 20, (1 << 20) + 4095, (3 << 20), (4 << 20) - 1] {
        content[place] = b'y';
        assert_ne!(change(&content), first, "{place}");
        content[place] = b'x';
    }
    assert_ne!(change(&content[1..]), first);
    assert_eq!(change(&content), first);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time + std::time::Duration::from_nanos(1000))
        .unwrap();
    assert_ne!(Identity::of(&path).unwrap(), first);
    assert!(Identity::of(folder.path()).is_err());
}
