//! Where the bytes of a dump come from: a mapped file, a decompressed one, or standard input.
//!
//! Compression is recognised by its magic bytes, never by the file's name.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use memmap2::Mmap;

use crate::ending::{self, Watched};
use crate::error::{Bound, Error, Result};
use crate::progress::{Phase, Progress};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Skippable zstd frames start with 0x184D2A50 to 0x184D2A5F, little-endian.
const ZSTD_SKIPPABLE_TAIL: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The bytes of a dump, decompressed. Dereferences to `[u8]`.
#[derive(Debug)]
pub struct Source {
    bytes: Bytes,
    name: String,
    cut_off: Option<String>,
    /// Where the dump is a file: that file as it was when it was opened.
    opened: Option<Original>,
}

#[derive(Debug)]
enum Bytes {
    /// Noted, so that its loss can be told.
    Mapped(Mmap, #[expect(dead_code, reason = "held as long as the mapping")] Watched),
    Owned(Vec<u8>),
}

/// The file of a dump, and what it was when it was opened.
#[derive(Debug, Clone)]
pub struct Original {
    file: Arc<File>,
    size: u64,
    modified: Option<SystemTime>,
}

impl Original {
    /// What has become of the file since it was opened; `None` where it is as it was.
    pub fn change(&self) -> Option<Change> {
        let now = self.file.metadata().ok()?;
        match now.len().cmp(&self.size) {
            Ordering::Less => Some(Change::Shorter),
            Ordering::Equal if now.modified().ok() == self.modified => None,
            Ordering::Equal | Ordering::Greater => Some(Change::Other),
        }
    }
}

/// What became of a dump while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has fewer bytes.
    Shorter,
    /// It has more bytes, or others.
    Other,
}

/// How much may be unpacked, and read from what is no file.
pub struct Bounds<'a> {
    /// Bytes of memory that may be taken.
    pub memory: u64,
    /// Bytes of memory that a dump takes which begins so.
    pub needed: &'a (dyn Fn(&[u8]) -> u64 + Sync),
}

impl Bounds<'_> {
    /// Only the disk is a bound.
    pub const NONE: Self = Self { memory: u64::MAX, needed: &|_| 0 };
}

impl Source {
    /// Opens `path` as [`Source::open_within`] does; only the disk bounds what it unpacks to.
    ///
    /// # Errors
    /// As [`Source::open_within`].
    pub fn open(path: &Path, progress: &Progress) -> Result<Self> {
        Self::open_within(path, &Bounds::NONE, progress)
    }

    /// Opens `path`; `-` is standard input. Plain files are mapped; what is no file is read, gzip and zstd are decompressed as
    /// far as they go, both into a nameless temporary file where they are large. [`Source::cut_off`] tells when decompression
    /// was not to the end.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be opened, mapped or read at all; [`Error::Unpacks`] as soon as it is known that
    /// it has more than memory or disk have room for, and [`Error::Write`] when the temporary file cannot be written.
    pub fn open_within(path: &Path, bounds: &Bounds<'_>, progress: &Progress) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |cause| Error::Open { path: path.to_owned(), cause };
        if path.as_os_str() == "-" {
            return Self::read("standard input", io::stdin().lock(), bounds, progress);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        if !metadata.is_file() || metadata.len() == 0 {
            // a pipe (`<(zcat …)`) or an empty file cannot be mapped
            return Self::read(&name, file, bounds, progress);
        }
        let mapped = map(&file).map_err(failed)?;
        let watched = ending::watch_mapping(&mapped, &name);
        let opened = Some(Original { file: Arc::new(file), size: metadata.len(), modified: metadata.modified().ok() });
        if compression(&mapped).is_none() {
            return Ok(Self { bytes: Bytes::Mapped(mapped, watched), name, cut_off: None, opened });
        }
        progress.start(Phase::Decompress, mapped.len() as u64);
        let unpacked = Unpacked::within(MOST_IN_MEMORY, bounds);
        let source = Self::unpack(&name, Counted { from: &mapped[..], progress }, unpacked)?;
        Ok(Self { opened, ..source })
    }

    /// Reads to the end what is no file.
    ///
    /// # Errors
    /// As [`Source::open_within`].
    pub fn read(name: &str, from: impl Read, bounds: &Bounds<'_>, progress: &Progress) -> Result<Self> {
        progress.start(Phase::Decompress, 0);
        Self::unpack(name, Counted { from, progress }, Unpacked::within(MOST_IN_MEMORY, bounds))
    }

    /// The first bytes of `path`, decompressed, at most `most`: what it takes to know a dump without reading it. Fewer where
    /// they cannot be had, none for what is no file.
    pub fn beginning(path: &Path, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        let Some(mut file) = is_file.then(|| File::open(path).ok()).flatten() else { return bytes };
        let mut start = Vec::new();
        let limit = most as u64;
        // what can be read is enough
        let _ = Read::by_ref(&mut file).take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start);
        let found = compression(&start);
        let rest = io::Cursor::new(start).chain(file);
        let _ = match found {
            None => rest.take(limit).read_to_end(&mut bytes),
            Some(Compression::Gzip) => flate2::read::MultiGzDecoder::new(rest).take(limit).read_to_end(&mut bytes),
            Some(Compression::Zstd) => {
                zstd::stream::read::Decoder::new(rest).and_then(|decoder| decoder.take(limit).read_to_end(&mut bytes))
            }
        };
        bytes
    }

    /// Takes bytes that are already in memory, decompressing them where they are gzip or zstd.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, progress: &Progress) -> Self {
        Self::from_bytes_within(name, bytes, MOST_IN_MEMORY, progress)
    }

    /// As [`Source::from_bytes`]; where they decompress to more than `in_memory` bytes, into a nameless temporary file.
    pub fn from_bytes_within(name: &str, bytes: Vec<u8>, in_memory: usize, progress: &Progress) -> Self {
        if compression(&bytes).is_none() {
            return Self { bytes: Bytes::Owned(bytes), name: name.to_owned(), cut_off: None, opened: None };
        }
        progress.start(Phase::Decompress, bytes.len() as u64);
        let unpacked = Unpacked::within(in_memory, &Bounds::NONE);
        Self::unpack(name, Counted { from: &bytes[..], progress }, unpacked).unwrap_or_else(|error| Self {
            bytes: Bytes::Owned(Vec::new()),
            name: name.to_owned(),
            cut_off: Some(error.to_string()),
            opened: None,
        })
    }

    /// Reads until the end or, where it is compressed, the first error; what came before the error is kept.
    fn unpack(name: &str, mut from: impl Read, mut unpacked: Unpacked<'_>) -> Result<Self> {
        let failed = |cause| Error::Open { path: name.into(), cause };
        let mut start = Vec::new();
        from.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
        let found = compression(&start);
        let whole = io::Cursor::new(start).chain(from);
        let stopped = match found {
            None => unpacked.fill(name, whole)?.map_or(Ok(None), |cause| Err(failed(cause)))?,
            Some(Compression::Gzip) => unpacked.fill(name, flate2::read::MultiGzDecoder::new(whole))?,
            Some(Compression::Zstd) => match zstd::stream::read::Decoder::new(whole) {
                Ok(decoder) => unpacked.fill(name, decoder)?,
                Err(cause) => Some(cause),
            },
        };
        let bytes = unpacked.finish().map_err(cannot_keep)?;
        let words = |cause| format!("the compressed stream breaks off after {} bytes: {cause}", bytes.len());
        Ok(Self { cut_off: stopped.map(words), bytes, name: name.to_owned(), opened: None })
    }

    /// The dump's file; `None` where it is none.
    pub fn original(&self) -> Option<Original> {
        self.opened.clone()
    }

    /// The file's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why decompression stopped before the end of the compressed stream, if it did.
    pub fn cut_off(&self) -> Option<&str> {
        self.cut_off.as_deref()
    }

    /// Bytes that are about to be read from first to last.
    pub fn window(&self, range: Range<usize>) -> Window<'_> {
        Window { source: self, position: range.start, end: range.end, fetched: range.start }
    }
}

/// Decompressed bytes that are kept in memory; more go into a file.
const MOST_IN_MEMORY: usize = 256 << 20;
/// What is kept in memory is at most this part of what may be taken.
const PART_OF_MEMORY: u64 = 4;
/// Unpacked bytes from one look at the free disk to the next.
const LOOK: u64 = 16 << 20;
/// Bytes of the disk that are left free, at most; of a small disk a tenth.
const LEFT_FREE: u64 = 1 << 30;

/// Unpacked bytes: in memory, or in a temporary file without a name once they are many, from where the system can drop them
/// and read them again.
struct Unpacked<'a> {
    memory: Vec<u8>,
    file: Option<File>,
    in_memory: usize,
    length: u64,
    bounds: &'a Bounds<'a>,
    /// Bytes of memory that the heap takes, of a dump of so many bytes.
    rate: (u64, u64),
    /// The length at which bounds are looked at next.
    look: u64,
}

impl<'a> Unpacked<'a> {
    fn within(in_memory: usize, bounds: &'a Bounds<'a>) -> Self {
        let part = usize::try_from(bounds.memory / PART_OF_MEMORY).unwrap_or(usize::MAX);
        let (memory, in_memory) = (Vec::new(), in_memory.min(part));
        Self { memory, file: None, in_memory, length: 0, bounds, rate: (0, 1), look: LOOK.min(in_memory as u64) }
    }

    /// Takes all that comes; why it stopped coming, if not at its end.
    fn fill(&mut self, name: &str, mut from: impl Read) -> Result<Option<io::Error>> {
        let mut piece = vec![0; 1 << 20];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    self.append(&piece[..count]).map_err(cannot_keep)?;
                    if self.length >= self.look {
                        self.check(name)?;
                    }
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Ok(Some(cause)),
            }
        }
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.length += piece.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(piece);
        }
        self.memory.extend_from_slice(piece);
        if self.memory.len() > self.in_memory {
            self.rate = ((self.bounds.needed)(&self.memory), self.memory.len().max(1) as u64);
            // without a place for temporary files, memory has to do
            match tempfile::tempfile() {
                Ok(file) => self.file = Some(file),
                Err(_) => self.in_memory = usize::MAX,
            }
            if let Some(file) = &mut self.file {
                file.write_all(&std::mem::take(&mut self.memory))?;
            }
        }
        Ok(())
    }

    /// Whether memory will do for the heap of what came so far, and the disk has room for more.
    fn check(&mut self, name: &str) -> Result<()> {
        let in_file = self.file.is_some();
        self.look = self.length + if in_file { LOOK } else { self.length.max(LOOK) };
        if !in_file && self.in_memory < usize::MAX {
            self.rate = ((self.bounds.needed)(&self.memory), self.memory.len().max(1) as u64);
        }
        let unpacked = self.length;
        let heap = u128::from(self.rate.0) * u128::from(unpacked) / u128::from(self.rate.1);
        let beside = if in_file && !self.file.as_ref().is_some_and(is_in_memory) { 0 } else { unpacked };
        let needed = u64::try_from(heap).unwrap_or(u64::MAX).saturating_add(beside);
        let limit = self.bounds.memory;
        if needed > limit {
            return Err(Error::Unpacks { name: name.to_owned(), unpacked, bound: Bound::Memory { needed, limit } });
        }
        if let Some((free, size)) = self.file.as_ref().and_then(disk)
            && free < LEFT_FREE.min(size / 10)
        {
            let bound = Bound::Disk { free, directory: std::env::temp_dir() };
            return Err(Error::Unpacks { name: name.to_owned(), unpacked, bound });
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Bytes> {
        match self.file {
            None => Ok(Bytes::Owned(self.memory)),
            Some(mut file) => {
                file.flush()?;
                let mapped = map(&file)?;
                let watched = ending::watch_mapping(&mapped, "a temporary file");
                Ok(Bytes::Mapped(mapped, watched))
            }
        }
    }
}

fn cannot_keep(cause: io::Error) -> Error {
    Error::Write { path: std::env::temp_dir(), cause }
}

/// Bytes of the file's disk that are free for us, and all of them.
#[cfg(unix)]
fn disk(file: &File) -> Option<(u64, u64)> {
    let found = nix::sys::statvfs::fstatvfs(file).ok()?;
    let unit = found.fragment_size() as u64;
    Some(((found.blocks_available() as u64).saturating_mul(unit), (found.blocks() as u64).saturating_mul(unit)))
}

#[cfg(not(unix))]
fn disk(_: &File) -> Option<(u64, u64)> {
    None
}

/// Whether what the file has is in memory, as on a `tmpfs`.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &File) -> bool {
    nix::sys::statfs::fstatfs(file).is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &File) -> bool {
    false
}

/// Reads on in a dump: what comes next is fetched in one go, and what has been passed is given back, so that a mapped dump
/// takes no memory beyond the part that is being read.
#[derive(Debug)]
pub struct Window<'a> {
    source: &'a Source,
    /// Everything before was given back.
    position: usize,
    end: usize,
    fetched: usize,
}

/// Bytes that are fetched at once.
const WINDOW: usize = 4 << 20;

impl Window<'_> {
    /// Tells that everything before `position` has been read.
    pub fn move_to(&mut self, position: usize) {
        if position >= self.fetched {
            self.fetch(position);
        }
    }

    #[cold]
    fn fetch(&mut self, position: usize) {
        let Bytes::Mapped(map, _) = &self.source.bytes else {
            self.fetched = usize::MAX;
            return;
        };
        let next = position.saturating_add(WINDOW).min(self.end);
        if next > position {
            fetch(map, position, next - position);
        }
        self.give_back(map, position);
        self.fetched = if next == self.end { usize::MAX } else { next };
    }

    fn give_back(&mut self, map: &Mmap, position: usize) {
        give_back(map, self.position, position - self.position);
        self.position = position;
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        if let Bytes::Mapped(map, _) = &self.source.bytes {
            self.give_back(map, self.end);
        }
    }
}

/// Reads pages of the file into the mapping; where the system cannot, the first access does.
fn fetch(map: &Mmap, start: usize, length: usize) {
    #[cfg(target_os = "linux")]
    let _ = map.advise_range(memmap2::Advice::PopulateRead, start, length);
    #[cfg(not(target_os = "linux"))]
    let _ = (map, start, length);
}

/// Drops pages from the mapping; the next access reads them from the file again.
#[cfg(unix)]
#[expect(unsafe_code, reason = "unsafe for mappings that can be written to, which this one is not")]
fn give_back(map: &Mmap, start: usize, length: usize) {
    // SAFETY: the mapping is of a file, private and never written to: a dropped page comes back as it is in the file.
    let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length) };
}

#[cfg(not(unix))]
fn give_back(_: &Mmap, _: usize, _: usize) {}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped, _) => mapped,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Deref for Source {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Debug, Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
}

fn compression(bytes: &[u8]) -> Option<Compression> {
    let skippable = bytes.len() >= 4 && bytes[0] & 0xf0 == 0x50 && bytes[1..4] == ZSTD_SKIPPABLE_TAIL;
    if bytes.starts_with(&GZIP_MAGIC) {
        Some(Compression::Gzip)
    } else if bytes.starts_with(&ZSTD_MAGIC) || skippable {
        Some(Compression::Zstd)
    } else {
        None
    }
}

/// Tells the progress how much has been taken.
struct Counted<'a, R> {
    from: R,
    progress: &'a Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

/// Maps a file read-only.
///
/// A file that another process shortens while it is mapped raises SIGBUS on access. The command tells it, and ends
/// ([`ending`](crate::ending)), where the mapping is [noted](ending::watch_mapping).
#[expect(unsafe_code, reason = "memory-mapping a file is unsafe by nature")]
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and read-only, and nothing in this process writes to the file.
    unsafe { Mmap::map(file) }
}
