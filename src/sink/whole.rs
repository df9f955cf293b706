//! A file that is there whole or not at all: written under a temporary name, and renamed.
//!
//! The temporary file is created exclusively, under a name that nobody can guess, and goes when the work fails or a signal
//! [ends](crate::ending) the program. A pipe or a device is written to, and a symbolic link leads to the file that is
//! replaced; but links and pipes that somebody else has put into a directory in which everybody may write are refused, as
//! Linux refuses them with `fs.protected_symlinks`.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::ending::{Leftover, temporary};

/// Who may read a file, besides what the user's mask says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whoever the mask lets.
    Usual,
    /// The same, but nobody else may write.
    NoOtherWriters,
    /// The user alone.
    Owner,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::Usual => 0o666,
            Self::NoOtherWriters => 0o644,
            Self::Owner => 0o600,
        }
    }
}

/// A file that is being written. Unless it is [finished](WholeFile::finish), nothing is left of it.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    temporary: Option<Temporary>,
}

#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    /// What it is to be called.
    target: PathBuf,
    leftover: Leftover,
}

impl WholeFile {
    /// Begins what is to be at `path`. A file that is replaced is read by no more people than before.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path, readers: Readers) -> io::Result<Self> {
        match Target::of(path)? {
            Target::Stream(file) => Ok(Self { file, temporary: None }),
            Target::File { path, mode } => Self::beside(path, readers.mode() & mode),
        }
    }

    fn beside(target: PathBuf, mode: u32) -> io::Result<Self> {
        for _ in 0..TRIES {
            let path = hidden_name(&target);
            let make = || options(mode).write(true).create_new(true).open(&path);
            match temporary(&path, make) {
                Ok((file, leftover)) => {
                    return Ok(Self { file, temporary: Some(Temporary { path, target, leftover }) });
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where to write.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name; `is_synced`: once its bytes are on the disk.
    ///
    /// # Errors
    /// What the system says; nothing is left then.
    pub fn finish(mut self, is_synced: bool) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            if is_synced {
                self.file.sync_data()?;
            }
            fs::rename(&temporary.path, &temporary.target)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(Temporary { path, leftover, .. }) = self.temporary.take() {
            // what could not be written may not be removable either; the first error is the one to tell
            let _ = fs::remove_file(path);
            drop(leftover);
        }
    }
}

/// Names that are tried: that one is taken is next to impossible.
const TRIES: usize = 16;
/// Links that are followed, as the system does.
const LINKS: usize = 40;
/// Bytes of a file's name that are kept in that of its temporary file: with what is added, it is no longer than names may be.
const NAME: usize = 200;

/// `.NAME.0123456789abcdef.part` beside a file.
fn hidden_name(path: &Path) -> PathBuf {
    // its keys come from the system's random numbers
    let random = std::hash::RandomState::new().build_hasher().finish();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = &name[..name.floor_char_boundary(NAME)];
    path.with_file_name(OsString::from(format!(".{name}.{random:016x}.part")))
}

/// What a path leads to.
enum Target {
    /// A file that is there or not, and who may read it at most.
    File { path: PathBuf, mode: u32 },
    /// What is written to as it is.
    Stream(File),
}

#[cfg(not(unix))]
fn options(_: u32) -> OpenOptions {
    OpenOptions::new()
}

#[cfg(not(unix))]
impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::File { path: path.to_owned(), mode: 0o666 })
    }
}

#[cfg(unix)]
fn options(mode: u32) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(mode);
    options
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    use super::{File, LINKS, Metadata, OpenOptions, Path, PathBuf, Target, fs, io};

    impl Target {
        pub(super) fn of(path: &Path) -> io::Result<Self> {
            if let Some(stream) = own_stream(path) {
                return Ok(Self::Stream(stream));
            }
            let mut at = path.to_owned();
            for _ in 0..LINKS {
                let found = match fs::symlink_metadata(&at) {
                    Ok(found) => found,
                    Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                        return Ok(Self::File { path: at, mode: 0o666 });
                    }
                    Err(cause) => return Err(cause),
                };
                if found.is_file() {
                    return Ok(Self::File { path: at, mode: found.mode() & 0o666 });
                }
                if found.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                refuse_planted(&at, &found)?;
                // what /proc calls links are open files
                if !found.is_symlink() || at.starts_with("/proc") {
                    return OpenOptions::new().write(true).open(&at).map(Self::Stream);
                }
                at = beside(&at, &fs::read_link(&at)?);
            }
            Err(io::Error::other("too many symbolic links"))
        }
    }

    fn beside(link: &Path, to: &Path) -> PathBuf {
        link.parent().unwrap_or(Path::new("/")).join(to)
    }

    /// Our own standard output or error, where the path leads there: what was written to it stays.
    fn own_stream(path: &Path) -> Option<File> {
        let wanted = fs::metadata(path).ok()?;
        let streams = [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
        let is_it =
            |stream: &File| stream.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (wanted.dev(), wanted.ino()));
        streams.into_iter().flatten().map(<File as From<OwnedFd>>::from).find(is_it)
    }

    /// In a directory in which everybody may write, links and pipes are the user's own or the directory's owner's.
    fn refuse_planted(path: &Path, found: &Metadata) -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = fs::metadata(directory)?;
        let is_ours = [nix::unistd::geteuid().as_raw(), directory.uid()].contains(&found.uid());
        let is_there_for_all = directory.mode() & 0o002 != 0;
        let can_lead_astray = found.is_symlink() || found.file_type().is_fifo();
        if is_there_for_all && can_lead_astray && !is_ours {
            let what = if found.is_symlink() { "symbolic link" } else { "pipe" };
            let words = format!("it is another user's {what} in a directory where everybody may write");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
        }
        Ok(())
    }
}
