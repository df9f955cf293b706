//! Where the bytes of a dump come from: a mapped file, a decompressed one, or standard input.
//!
//! Compression is recognised by its magic bytes, never by the file's name.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};
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
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Source {
    /// Opens `path`; `-` is standard input. Plain files are mapped; gzip and zstd are decompressed as far as they
    /// go, into a nameless temporary file where they are large, and [`Source::cut_off`] tells when that was not to the end.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be opened, mapped or read at all.
    pub fn open(path: &Path, progress: &Progress) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |cause| Error::Open { path: path.to_owned(), cause };
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
            return Ok(Self::from_bytes("standard input", bytes, progress));
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        if !metadata.is_file() || metadata.len() == 0 {
            // a pipe (`<(zcat …)`) or an empty file cannot be mapped
            let mut bytes = Vec::new();
            BufReader::new(file).read_to_end(&mut bytes).map_err(failed)?;
            return Ok(Self::from_bytes(&name, bytes, progress));
        }
        let mapped = map(&file).map_err(failed)?;
        if compression(&mapped).is_none() {
            return Ok(Self { bytes: Bytes::Mapped(mapped), name, cut_off: None });
        }
        Ok(Self::decompressed(name, &mapped, MOST_IN_MEMORY, progress))
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
        match compression(&bytes) {
            None => Self { bytes: Bytes::Owned(bytes), name: name.to_owned(), cut_off: None },
            Some(_) => Self::decompressed(name.to_owned(), &bytes, in_memory, progress),
        }
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

    fn decompressed(name: String, compressed: &[u8], in_memory: usize, progress: &Progress) -> Self {
        progress.start(Phase::Decompress, compressed.len() as u64);
        let counted = Counted { bytes: compressed, progress };
        let (bytes, stopped) = match compression(compressed) {
            Some(Compression::Gzip) => {
                read_as_far_as_it_goes(flate2::read::MultiGzDecoder::new(counted), Unpacked::within(in_memory))
            }
            _ => match zstd::stream::read::Decoder::new(counted) {
                Ok(decoder) => read_as_far_as_it_goes(decoder, Unpacked::within(in_memory)),
                Err(cause) => (Bytes::Owned(Vec::new()), Some(cause.to_string())),
            },
        };
        let cut_off =
            stopped.map(|cause| format!("the compressed stream breaks off after {} bytes: {cause}", bytes.len()));
        Self { bytes, name, cut_off }
    }
}

/// Decompressed bytes that are kept in memory; more go into a file.
const MOST_IN_MEMORY: usize = 256 << 20;

/// Decompressed bytes: in memory, or in a temporary file without a name once they are many, from where the system can drop
/// them and read them again.
struct Unpacked {
    memory: Vec<u8>,
    file: Option<File>,
    in_memory: usize,
}

impl Unpacked {
    fn within(in_memory: usize) -> Self {
        Self { memory: Vec::new(), file: None, in_memory }
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write_all(piece);
        }
        self.memory.extend_from_slice(piece);
        if self.memory.len() > self.in_memory {
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

    fn finish(self) -> io::Result<Bytes> {
        match self.file {
            None => Ok(Bytes::Owned(self.memory)),
            Some(mut file) => {
                file.flush()?;
                map(&file).map(Bytes::Mapped)
            }
        }
    }
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
        let Bytes::Mapped(map) = &self.source.bytes else {
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
        if let Bytes::Mapped(map) = &self.source.bytes {
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
            Self::Mapped(mapped) => mapped,
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

/// Reads until the end or the first error; what came before the error is kept.
fn read_as_far_as_it_goes(mut reader: impl Read, mut unpacked: Unpacked) -> (Bytes, Option<String>) {
    let mut piece = vec![0; 1 << 20];
    let stopped = loop {
        match reader.read(&mut piece) {
            Ok(0) => break None,
            Ok(count) => {
                if let Err(cause) = unpacked.append(&piece[..count]) {
                    break Some(format!("a temporary file cannot be written: {cause}"));
                }
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => break Some(cause.to_string()),
        }
    };
    match unpacked.finish() {
        Ok(bytes) => (bytes, stopped),
        Err(cause) => (Bytes::Owned(Vec::new()), Some(cause.to_string())),
    }
}

/// Tells the progress how much of the compressed bytes has been taken.
struct Counted<'a> {
    bytes: &'a [u8],
    progress: &'a Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

/// Maps a file read-only.
///
/// A file that another process shortens while it is mapped raises SIGBUS on access: the same risk that every mapping
/// reader takes, and why dumps are to be renamed into place by those who write them.
#[expect(unsafe_code, reason = "memory-mapping a file is unsafe by nature")]
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and read-only, and nothing in this process writes to the file.
    unsafe { Mmap::map(file) }
}
