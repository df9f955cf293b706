//! Where the index of a dump is: beside it, in the directory that was named, or in the cache.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::args::Common;
use super::output::tell;
use crate::analysis::kept;
use crate::error::{Error, Result};
use crate::format::indexed;
use crate::graph::Heap;
use crate::graph::index::{Identity, Index, MAGIC, Unusable, attempt};
use crate::present::label::visible;

/// Bytes of a dump, decompressed, from which an index is written unasked: what takes about a second to read.
const WORTH_AN_INDEX: u64 = 200_000_000;
/// What the name of an index ends in.
const EXTENSION: &str = "rtx";

/// The places where the index of a dump may be.
#[derive(Debug)]
pub struct IndexPlace {
    /// The dump, whether it is there or not.
    dump: PathBuf,
    /// Looked at in this order; the first that can be written takes a new index.
    candidates: Vec<PathBuf>,
    /// The index that was opened, or one of ours that is no good.
    found: Option<PathBuf>,
    /// The state of the dump when it was first looked at; `None` when it is gone.
    identity: Option<Identity>,
    is_quiet: bool,
}

impl IndexPlace {
    /// Where the index of `asked` is. `asked` may be an index itself: it then stands for the dump beside it.
    pub fn of(asked: &Path, common: &Common) -> Self {
        let (dump, named) = match dump_of_index(asked) {
            Some(dump) => (dump, Some(asked.to_owned())),
            None => (asked.to_owned(), None),
        };
        let is_stream = asked.as_os_str() == "-" || fs::metadata(&dump).is_ok_and(|metadata| !metadata.is_file());
        let candidates = match (&common.index, named) {
            _ if is_stream || common.no_index => Vec::new(),
            (_, Some(named)) => vec![named],
            (Some(directory), None) => vec![directory.join(file_name(&dump))],
            (None, None) => {
                [Some(dump.with_file_name(file_name(&dump))), in_cache(&dump)].into_iter().flatten().collect()
            }
        };
        let identity = if candidates.is_empty() { None } else { Identity::of(&dump).ok() };
        Self { dump, candidates, found: None, identity, is_quiet: common.quiet }
    }

    /// The dump.
    pub fn dump(&self) -> &Path {
        &self.dump
    }

    /// The heap from the first index that is good.
    pub fn open(&mut self) -> Option<Heap> {
        for path in self.candidates.clone() {
            match self.open_at(&path) {
                Ok(heap) => {
                    self.found = Some(path);
                    return Some(heap);
                }
                Err(Unusable::Missing) => {}
                Err(Unusable::Foreign) => {
                    self.candidates.retain(|candidate| *candidate != path);
                    self.note(&format!("`{}` is no index: it is left alone", path.display()));
                }
                Err(reason @ Unusable::NotOwn) => {
                    self.candidates.retain(|candidate| *candidate != path);
                    self.note(&format!("the index `{}` {reason}: it is not believed", path.display()));
                }
                Err(reason) => {
                    self.note(&format!("the index `{}` {reason}: the dump is read again", path.display()));
                    self.found.get_or_insert(path);
                }
            }
        }
        None
    }

    fn open_at(&self, path: &Path) -> std::result::Result<Heap, Unusable> {
        let index = Index::open(path)?;
        if self.identity.is_some_and(|identity| identity != index.dump()) {
            return Err(Unusable::Stale);
        }
        let dump = self.identity.map(|_| self.dump.as_path());
        let name = self.dump.display().to_string();
        let heap = attempt(|| indexed::restore(index, dump, &name)).unwrap_or(Err(Unusable::Damaged))?;
        if dump.is_none() {
            self.note(&format!(
                "`{}` is not there: answered from its index, without values and names of references",
                self.dump.display()
            ));
        }
        Ok(heap)
    }

    /// Says that the index turned out to be damaged.
    pub fn tell_damaged(&self) {
        if let Some(path) = &self.found {
            self.note(&format!("the index `{}` is damaged: the dump is read again", path.display()));
        }
    }

    /// Writes the index of a heap if that is worth it: the dump is large, or has an index that is no good or lacks what
    /// now is known. That it cannot be written is said, and nothing else.
    pub fn write_if_worth_it(&self, heap: &Heap) {
        let is_worth_it = self.found.is_some() || heap.about.bytes >= WORTH_AN_INDEX;
        if is_worth_it && kept::has_news(heap) && indexed::can_be_stored(heap) {
            match self.write(heap) {
                Ok(Some(path)) => self.note_plainly(&format!("wrote {}", path.display())),
                Ok(None) => {}
                Err(Error::Write { path, cause }) => {
                    self.note(&format!("the index `{}` was not written: {cause}", path.display()));
                }
                Err(error) => self.note(&error.to_string()),
            }
        }
    }

    /// Writes the index of a heap; `None` when there is no place for it, or the dump has changed meanwhile.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, heap: &Heap) -> Result<Option<PathBuf>> {
        let Some(identity) = self.identity.filter(|&before| Identity::of(&self.dump).is_ok_and(|now| now == before))
        else {
            return Ok(None);
        };
        let paths = self.found.iter().chain(&self.candidates);
        let mut refused = None;
        for path in paths {
            match write_at(path, heap, identity) {
                Ok(()) => return Ok(Some(path.clone())),
                Err(cause) if is_read_only(&cause) => {
                    refused.get_or_insert((path, cause));
                }
                Err(cause) => return Err(Error::Write { path: path.clone(), cause }),
            }
        }
        refused.map_or(Ok(None), |(path, cause)| Err(Error::Write { path: path.clone(), cause }))
    }

    fn note(&self, text: &str) {
        self.note_plainly(&format!("note: {text}"));
    }

    fn note_plainly(&self, text: &str) {
        if !self.is_quiet {
            tell(&visible(text));
        }
    }
}

fn write_at(path: &Path, heap: &Heap, identity: Identity) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_own_directory(directory)?;
    }
    let write = || indexed::write(heap, identity, path, |writer| kept::store(heap, writer));
    let written = attempt(write).unwrap_or_else(|_| {
        // what it was to be written from is no good: the next question reads the dump
        let _ = fs::remove_file(path);
        Err(io::ErrorKind::InvalidData.into())
    });
    written.map(|_| ())
}

/// Makes a directory, for the user alone, and those above it.
fn make_own_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn is_read_only(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The dump whose index `path` is; `None` when it is no index.
fn dump_of_index(path: &Path) -> Option<PathBuf> {
    let is_named_so = path.extension().is_some_and(|extension| extension == EXTENSION);
    if !is_named_so || !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    let mut start = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).ok()?;
    (start == MAGIC).then(|| path.with_extension(""))
}

/// `DUMP.rtx`.
fn file_name(dump: &Path) -> OsString {
    let mut name = dump.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(EXTENSION);
    name
}

/// The index's place in the user's cache: its name tells dumps of one name apart by where they are.
fn in_cache(dump: &Path) -> Option<PathBuf> {
    let directory = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = directory("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| directory("HOME").map(|home| home.join(".cache")))?;
    // a dump that is gone is where its directory is
    let parent = dump.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = parent.canonicalize().ok()?.join(dump.file_name()?);
    let place = xxh3_64(whole.as_os_str().as_encoded_bytes());
    let mut name = dump.file_name()?.to_owned();
    name.push(format!("-{place:016x}.{EXTENSION}"));
    Some(cache.join("retainers").join(name))
}
