//! Files are written under a temporary name and renamed: never half a picture.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

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
    let failed = |cause| Error::Write { path: path.to_owned(), cause };
    let temporary = temporary_beside(path);
    let written = File::create(&temporary).map_err(failed).and_then(|file| {
        let mut out = BufWriter::new(file);
        let value = fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_data()).map_err(failed)?;
        Ok(value)
    });
    let renamed = written.and_then(|value| fs::rename(&temporary, path).map(|()| value).map_err(failed));
    renamed.inspect_err(|_| {
        // what could not be written may not be removable either; the first error is the one to tell
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes a directory and those above it.
///
/// # Errors
/// [`Error::Write`].
pub fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| Error::Write { path: path.to_owned(), cause })
}

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(|| "file".into(), std::ffi::OsStr::to_os_string);
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.part", std::process::id()));
    path.with_file_name(hidden)
}
