//! What is written, compressed as the file's name asks for: the counterpart of [`source`](crate::source).

pub mod whole;

use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;

/// A writer that compresses, or does not.
pub enum Sink<W: Write> {
    /// Bytes as they are.
    Plain(W),
    /// Gzip.
    Gzip(GzEncoder<W>),
    /// Zstandard.
    Zstd(zstd::Encoder<'static, W>),
}

/// The level at which dumps are compressed: faster than they can be made.
const ZSTD_LEVEL: i32 = 3;

impl<W: Write> Sink<W> {
    /// A writer for a file of this name: gzip for `.gz`, zstd for `.zst`, plain for all others.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn named(path: &Path, out: W) -> io::Result<Self> {
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Some("zst" | "zstd") => Self::Zstd(zstd::Encoder::new(out, ZSTD_LEVEL)?),
            _ => Self::Plain(out),
        })
    }

    /// Writes what ends the compressed stream.
    ///
    /// # Errors
    /// The writer beneath fails.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
