//! Where we and the process meet: a directory that both see, whatever mount namespace the process is in, with the scripts
//! for it and two named pipes back. Nothing of the dump touches the process's disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::process::{Process, Status};

/// Directories that are tried, as the process sees them.
const PLACES: [&str; 4] = ["/tmp", "/dev/shm", "/var/tmp", "/run"];

/// The directory; it goes when this is dropped.
#[derive(Debug)]
pub struct Meeting {
    /// As we see it.
    ours: PathBuf,
    /// As the process sees it.
    theirs: String,
    /// The script. Held open: by its name, the process's user could have had us write elsewhere.
    script: File,
}

/// The pipes from the process.
#[derive(Debug)]
pub struct Pipes {
    /// The dump comes through here.
    pub dump: File,
    /// What becomes of it, a line each.
    pub words: File,
}

impl Meeting {
    /// Makes the directory for a process, with these files in it.
    ///
    /// # Errors
    /// The process has no directory that can be written to.
    pub fn with(process: Process, status: &Status, texts: &[(&str, &[u8])]) -> io::Result<(Self, Pipes)> {
        let root = process.file("root");
        let name = format!(".retainers-{}-{}", std::process::id(), process.0);
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for place in PLACES {
            let theirs = format!("{place}/{name}");
            let ours = root.join(theirs.trim_start_matches('/'));
            if !is_plain(&root, place) {
                continue;
            }
            match furnish(&ours, status, texts) {
                Ok((script, pipes)) => return Ok((Self { ours, theirs, script }, pipes)),
                Err(error) => {
                    // half of it may be there
                    let _ = fs::remove_dir_all(&ours);
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    /// The script that starts a capture. `frames` is how many frames of Python below it are ours.
    pub fn script(&self, values: bool, fork: bool, frames: u32) -> String {
        let word = |value: bool| if value { "True" } else { "False" };
        let template = include_str!("../../python/start_from_outside.py").lines();
        let code: Vec<&str> = template.filter(|line| !line.trim_start().starts_with('#')).collect();
        code.join("\n")
            .replace("DIRECTORY", &serde_json::Value::from(self.theirs.as_str()).to_string())
            .replace("VALUES", word(values))
            .replace("FORK", word(fork))
            .replace("FRAMES", &frames.to_string())
    }

    /// Puts a script into the directory, and returns its path as the process sees it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, script: &str) -> io::Result<String> {
        self.script.set_len(0)?;
        self.script.write_all_at(script.as_bytes(), 0)?;
        Ok(format!("{}/start.py", self.theirs))
    }

    /// Whether the process has taken the request up.
    pub fn is_taken_up(&self) -> bool {
        !self.ours.join("ticket").exists()
    }

    /// Takes the request back; whether that came in time.
    pub fn take_back(&self) -> bool {
        fs::remove_file(self.ours.join("ticket")).is_ok()
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // whoever made the process's directory unwritable meanwhile keeps what is in it
        let _ = fs::remove_dir_all(&self.ours);
    }
}

/// Whether a directory is there without symbolic links, which a container could have point out of itself.
fn is_plain(root: &Path, place: &str) -> bool {
    let mut path = root.to_owned();
    place.trim_start_matches('/').split('/').all(|part| {
        path.push(part);
        fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir())
    })
}

/// Makes the directory and what is in it, all of it ours until it is complete.
fn furnish(directory: &Path, status: &Status, texts: &[(&str, &[u8])]) -> io::Result<(File, Pipes)> {
    fs::create_dir(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for (name, text) in texts {
        file(&directory.join(name), status)?.write_all(text)?;
    }
    file(&directory.join("ticket"), status)?;
    let script = file(&directory.join("start.py"), status)?;
    let pipes = Pipes { dump: pipe(&directory.join("dump"), status)?, words: pipe(&directory.join("words"), status)? };
    give(directory, status)?;
    Ok((script, pipes))
}

fn file(path: &Path, status: &Status) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    give(path, status)?;
    Ok(file)
}

/// Makes a named pipe, and opens it for reading without waiting for a writer.
fn pipe(path: &Path, status: &Status) -> io::Result<File> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let reading = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    give(path, status)?;
    Ok(reading)
}

/// Gives a file to the user of the process. The file itself and not where a link of its name leads.
fn give(path: &Path, status: &Status) -> io::Result<()> {
    let own = fs::symlink_metadata(path)?;
    if (own.uid(), own.gid()) == (status.user, status.group) {
        return Ok(());
    }
    lchown(path, Some(status.user), Some(status.group))
}
