//! A heap kept in a file, so that the next question about the same dump is answered at once.
//!
//! The file is a container of *sections*, arrays of fixed-width little-endian numbers that are used where they lie: it is
//! mapped, and opening it costs a look at its first 4 KiB and at a table of hashes. `docs/index-format.md` describes it.
//!
//! Nothing in it is believed. The header and the hashes are checked when it is opened, each block of a section when it is
//! first looked at: its hash, and what its numbers mean (rows exist, offsets ascend). Where a block fails, whatever is being
//! computed from it is given up by unwinding to [`attempt`], as salsa gives up queries that are cancelled: no algorithm sees a
//! number that was not checked, and none has to know of indexes.
//!
//! Rejected: a hash of each section, which costs a look at all of it; harmless numbers in place of damaged ones, among which
//! algorithms that are sure to end with sound ones do not; Arrow and Parquet, which are heavy, or decoded.

mod header;
mod identity;
mod section;
mod writer;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Pod;
use memmap2::{Mmap, MmapMut};
use rayon::prelude::*;

use self::header::{Entry, Header};
pub use self::header::{MAGIC, VERSION};
pub use self::identity::Identity;
pub(super) use self::section::Section;
pub use self::section::{Block, ascending, below};
pub use self::writer::IndexWriter;
use super::column::Column;
use crate::ending::{self, Watched};

/// Bytes that are hashed together: few, because a question looks at objects here and there.
const BLOCK: usize = 1 << 10;
/// Sections start at multiples of this.
const ALIGNMENT: u64 = 64;

/// Why a file cannot serve as the index of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// There is no such file, or it cannot be read.
    Missing,
    /// It is no index.
    Foreign,
    /// Another version of this program wrote it, or a machine of another byte order.
    Version,
    /// It was cut off, or its bytes have changed.
    Damaged,
    /// The dump has changed since, or is another one.
    Stale,
    /// Somebody else than the user and root may have written it.
    NotOwn,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "cannot be read",
            Self::Foreign => "is no index",
            Self::Version => "is of another version",
            Self::Damaged => "is damaged",
            Self::Stale => "belongs to another state of the dump",
            Self::NotOwn => "may be the work of another user",
        })
    }
}

/// What unwinds when an index turns out to be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp;

/// Runs what looks at a heap that may come from an index; nothing comes of it when the index turns out to be damaged.
///
/// # Errors
/// [`GivenUp`]: the same question has to be asked of the dump.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, GivenUp> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| match cause.downcast::<GivenUp>() {
        Ok(given_up) => *given_up,
        Err(other) => resume_unwind(other),
    })
}

/// An index, open.
#[derive(Debug, Clone)]
pub struct Index {
    file: Arc<IndexFile>,
    header: Header,
}

/// The mapped file, which columns share.
#[derive(Debug)]
pub(super) struct IndexFile {
    map: Mmap,
    damaged: AtomicBool,
    #[expect(dead_code, reason = "held as long as the mapping")]
    watched: Option<Watched>,
}

impl IndexFile {
    /// Leaves what is being computed. Unlike a panic this says nothing on standard error.
    #[cold]
    fn give_up(&self) -> ! {
        self.damaged.store(true, Ordering::Relaxed);
        resume_unwind(Box::new(GivenUp))
    }
}

impl Index {
    /// Opens the file at `path` and checks whose it is, its header and its table of hashes.
    ///
    /// # Errors
    /// Any reason for which the file is no good, but [`Unusable::Stale`].
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        // a pipe would have to be waited for
        if !fs::metadata(path).map_err(|_| Unusable::Missing)?.is_file() {
            return Err(Unusable::Foreign);
        }
        let file = File::open(path).map_err(|_| Unusable::Missing)?;
        let metadata = file.metadata().map_err(|_| Unusable::Missing)?;
        if metadata.len() == 0 {
            return Err(Unusable::Damaged);
        }
        let map = crate::source::map(&file).map_err(|_| Unusable::Missing)?;
        // before anything in it is believed, after it is known to be an index at all
        if map.starts_with(&MAGIC) && !is_own(&metadata) {
            return Err(Unusable::NotOwn);
        }
        let watched = ending::watch_mapping(&map, &path.display().to_string());
        Self::from_map(map, Some(watched))
    }

    /// The same from bytes in memory, which are copied to where they are aligned.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let mut map = MmapMut::map_anon(bytes.len().max(1)).map_err(|_| Unusable::Missing)?;
        map[..bytes.len()].copy_from_slice(bytes);
        let map = map.make_read_only().map_err(|_| Unusable::Missing)?;
        if bytes.is_empty() { Err(Unusable::Damaged) } else { Self::from_map(map, None) }
    }

    fn from_map(map: Mmap, watched: Option<Watched>) -> Result<Self, Unusable> {
        if cfg!(target_endian = "big") {
            return Err(Unusable::Version);
        }
        let header = Header::read(&map)?;
        Ok(Self { file: Arc::new(IndexFile { map, damaged: AtomicBool::new(false), watched }), header })
    }

    /// The dump that was read for it.
    pub fn dump(&self) -> Identity {
        self.header.dump
    }

    /// n: how many objects there are.
    pub fn object_count(&self) -> usize {
        self.header.objects
    }

    /// m: how many strong references there are.
    pub fn reference_count(&self) -> usize {
        self.header.references
    }

    /// Whether a check has failed.
    pub fn is_damaged(&self) -> bool {
        self.file.damaged.load(Ordering::Relaxed)
    }

    /// Gives up, as a block that fails its check does: for whoever finds that parts of the index do not fit together.
    pub fn give_up(&self) -> ! {
        self.file.give_up()
    }

    /// Whether there is a section of that name.
    pub fn has(&self, name: &str) -> bool {
        self.header.entry(name).is_some()
    }

    /// How many bytes an element of the section has; `None` where there is no such section.
    pub fn width_of(&self, name: &str) -> Option<usize> {
        self.header.entry(name).map(|entry| entry.width)
    }

    /// How many bytes the section has; `None` where there is no such section.
    pub fn bytes_of(&self, name: &str) -> Option<usize> {
        self.header.entry(name).map(|entry| entry.bytes)
    }

    /// The section `name` as a column of `length` numbers. `check` looks at what a block's numbers mean.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when there is no such section, or it has another length or width.
    pub fn column<T: Pod + Send + Sync>(
        &self,
        name: &str,
        length: usize,
        check: impl Fn(Block<'_, T>) -> bool + Send + Sync + 'static,
    ) -> Result<Column<T>, Unusable> {
        let entry = self.header.entry(name).ok_or(Unusable::Damaged)?;
        let bytes = length.checked_mul(size_of::<T>());
        if entry.width != size_of::<T>() || bytes != Some(entry.bytes) {
            return Err(Unusable::Damaged);
        }
        Ok(Column::mapped(Section::new(Arc::clone(&self.file), entry, self.header.hashes, Box::new(check))))
    }

    /// The section `name` as bytes, checked whole.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when there is no such section, or its hashes are wrong.
    pub fn bytes(&self, name: &str) -> Result<&[u8], Unusable> {
        let entry = self.header.entry(name).ok_or(Unusable::Damaged)?;
        if self.is_intact(entry) { Ok(&self.file.map[entry.range()]) } else { Err(Unusable::Damaged) }
    }

    /// The section `name` as a list, copied and checked whole.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when there is no such section, it has another width, or its hashes are wrong.
    pub fn rows<T: Pod>(&self, name: &str) -> Result<Vec<T>, Unusable> {
        if self.header.entry(name).is_none_or(|entry| entry.width != size_of::<T>()) {
            return Err(Unusable::Damaged);
        }
        bytemuck::try_cast_slice(self.bytes(name)?).map(<[T]>::to_vec).map_err(|_| Unusable::Damaged)
    }

    /// The section `name` as a value in JSON, checked whole.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when there is no such section, its hashes are wrong, or it says something else.
    pub fn json<V: serde::de::DeserializeOwned>(&self, name: &str) -> Result<V, Unusable> {
        serde_json::from_slice(self.bytes(name)?).map_err(|_| Unusable::Damaged)
    }

    fn is_intact(&self, entry: &Entry) -> bool {
        let blocks = self.file.map[entry.range()].par_chunks(BLOCK);
        let expected = |block| header::hash_at(&self.file.map, self.header.hashes, entry.first_hash + block);
        blocks.enumerate().all(|(block, bytes)| expected(block) == Some(hash(bytes)))
    }
}

/// Whether the user or root alone can have written a file. Who may write to the user's files is trusted with their content;
/// in a directory where others may write, a file that others made is theirs.
#[cfg(unix)]
fn is_own(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owners = [nix::unistd::geteuid().as_raw(), 0];
    owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_own(_: &Metadata) -> bool {
    true
}

/// XXH3, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
