//! Is this the dump for which the index was written?

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::Xxh3;

/// Bytes at either end of a dump that are hashed.
const ENDS: u64 = 1 << 20;
/// Pieces between them that are hashed, and the bytes of each.
const PIECES: u64 = 64;
const PIECE: u64 = 4096;

/// What tells one state of a dump from another: size, time of modification, and a hash of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Bytes of the file.
    pub size: u64,
    /// When it was modified: seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// XXH3, 128 bits, low half first, of the first and last MiB and of 64 times 4 KiB between them.
    pub sample: [u64; 2],
}

impl Identity {
    /// Looks at the file at `path`: at most 2¼ MiB are read.
    ///
    /// # Errors
    /// The file cannot be read, or is none: a pipe has no identity.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let modified = match metadata.modified()?.duration_since(UNIX_EPOCH) {
            Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
            Err(before) => {
                (i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s), before.duration().subsec_nanos())
            }
        };
        let size = metadata.len();
        let mut hasher = Xxh3::new();
        let mut bytes = Vec::new();
        for (start, length) in samples(size) {
            bytes.clear();
            file.seek(SeekFrom::Start(start))?;
            (&file).take(length).read_to_end(&mut bytes)?;
            hasher.update(&bytes);
        }
        let sample = hasher.digest128();
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Ok(Self { size, modified, sample: [sample as u64, (sample >> 64) as u64] })
    }
}

/// Offset and length of each sample of a file of `size` bytes.
fn samples(size: u64) -> Vec<(u64, u64)> {
    let between = PIECES * PIECE;
    if size <= 2 * ENDS + between {
        return vec![(0, size)];
    }
    let step = (size - 2 * ENDS) / PIECES;
    let pieces = (0..PIECES).map(|piece| (ENDS + piece * step, PIECE));
    [(0, ENDS)].into_iter().chain(pieces).chain([(size - ENDS, ENDS)]).collect()
}
