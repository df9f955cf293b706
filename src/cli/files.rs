//! Files are written under a temporary name and renamed: never half a picture. They are as private as the dump.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::sink::whole::{Readers, WholeFile};

/// Writes a file whole: `fill` gets the writer, and the file only takes its name when all went well.
///
/// # Errors
/// [`Error::Write`]; nothing is left under the name then.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    write_whole_as(path, |out| fill(out).map_err(|cause| Error::Write { path: path.to_owned(), cause }))
}

/// As [`write_whole`], for content whose making fails in its own ways.
///
/// # Errors
/// [`Error::Write`], and what `fill` fails with; nothing is left under the name then.
pub fn write_whole_as<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    write(path, Readers::Usual, fill)
}

/// As [`write_whole_as`], for a dump: only its owner may read it.
///
/// # Errors
/// As [`write_whole_as`].
pub fn write_private_as<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    write(path, Readers::Owner, fill)
}

fn write<T>(path: &Path, readers: Readers, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let failed = |cause| Error::Write { path: path.to_owned(), cause };
    let mut file = WholeFile::create(path, readers).map_err(failed)?;
    let mut out = BufWriter::new(file.file());
    let value = fill(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed)?;
    file.finish(true).map_err(failed)?;
    Ok(value)
}

/// Makes a directory and those above it.
///
/// # Errors
/// [`Error::Write`].
pub fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| Error::Write { path: path.to_owned(), cause })
}

/// From here on, what is written is read by nobody but the user where that is so of the dump: its values and its command line
/// are in what is made of it.
#[cfg(unix)]
pub fn be_as_private_as(dump: &Path) {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use nix::sys::stat::{Mode, umask};

    let found = if dump.as_os_str() == "-" {
        io::stdin().as_fd().try_clone_to_owned().and_then(|stream| fs::File::from(stream).metadata())
    } else {
        fs::metadata(dump)
    };
    let is_private = |found: fs::Metadata| found.is_file() && found.mode() & 0o004 == 0;
    if found.is_ok_and(is_private) {
        let others = Mode::S_IRWXG | Mode::S_IRWXO;
        umask(others | umask(others));
    }
}

/// Who may read a file is not ours to say here.
#[cfg(not(unix))]
pub fn be_as_private_as(_: &Path) {}
