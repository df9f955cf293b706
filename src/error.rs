//! The one error of the crate, named by the stage at which the work had to stop.

use std::path::PathBuf;

use crate::counts::bytes_text;

/// Why an answer could not be given.
///
/// Damage that can be worked around (broken lines, dangling references) is no error: it is counted in
/// [`Damage`](crate::graph::Damage) and shown as notes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The dump could not be opened or read.
    #[error("cannot read `{}`", path.display())]
    Open {
        /// What was asked for; `-` is standard input.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// No reader knows these bytes.
    #[error("`{name}` is not a heap dump that I know: it starts with {start}\nknown formats: {known}")]
    UnknownFormat {
        /// The file, for the message.
        name: String,
        /// The first bytes, printable.
        start: String,
        /// The formats known, comma separated.
        known: String,
    },
    /// The bytes are of a format that is known by name, and not read.
    #[error("`{name}` is {what}, which is no heap dump that I read\n{advice}")]
    Foreign {
        /// The file, for the message.
        name: String,
        /// What it is, with its article.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The dump is of a known format, but says something that cannot be used.
    #[error("{format}, byte {offset}: {reason}")]
    Malformed {
        /// The format as which the bytes were read.
        format: &'static str,
        /// Offset of the first byte that does not fit, in the decompressed dump.
        offset: u64,
        /// What was expected or is not supported.
        reason: String,
    },
    /// `--strict` was given and the dump is damaged.
    #[error("the dump is damaged, and --strict was given: {}", facts.join("; "))]
    Damaged {
        /// Each kind of damage, counted.
        facts: Vec<String>,
    },
    /// More than the id width can number.
    #[error("too large: {what} ({count}); at most {limit} are supported")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The work would take more memory than there is.
    #[error(
        "not enough memory: about {} are needed, {} may be taken{}\n--memory SIZE sets another limit, --memory none tries all the same",
        bytes_text(*needed), bytes_text(*limit),
        lean.map_or_else(String::new, |lean| format!(" ({} without retained sizes)", bytes_text(lean)))
    )]
    Memory {
        /// Bytes that it would take, about.
        needed: u64,
        /// Bytes without retained sizes, where that answers the question.
        lean: Option<u64>,
        /// Bytes that it may take.
        limit: u64,
    },
    /// A dump unpacks to more than there is room for, or a stream does not end. It was read no further.
    #[error("`{name}` has more than {}: {bound}", bytes_text(*unpacked))]
    Unpacks {
        /// The dump.
        name: String,
        /// Bytes that were unpacked or read so far.
        unpacked: u64,
        /// What there is no room in.
        bound: Bound,
    },
    /// An argument has no meaning.
    #[error("{0}")]
    Usage(String),
    /// An output file could not be written; nothing is left under its final name.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A picture could not be drawn.
    #[error("cannot draw `{name}`: {reason}")]
    Draw {
        /// The picture.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// A process could not be captured; it goes on as before.
    #[error("cannot capture process {pid}: {reason}")]
    Capture {
        /// The process.
        pid: i32,
        /// Why not, and what to do then.
        reason: String,
    },
    /// A process could not be watched.
    #[error("cannot watch process {pid}: {reason}")]
    Watch {
        /// The process.
        pid: i32,
        /// Why not, and what to do then.
        reason: String,
    },
    /// Something that must not happen.
    #[error("{0}")]
    Fault(&'static str),
    /// Standard output could not be written.
    #[error("cannot write the answer")]
    Output(#[source] std::io::Error),
}

/// What has no room for a dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    /// Memory.
    #[error(
        "for that much, about {} of memory are needed, {} may be taken\n--memory SIZE sets another limit, --memory none tries all the same",
        bytes_text(*needed), bytes_text(*limit)
    )]
    Memory {
        /// Bytes that the part takes which was unpacked.
        needed: u64,
        /// Bytes that may be taken.
        limit: u64,
    },
    /// The disk of temporary files.
    #[error("only {} are left free in `{}`\nTMPDIR names another directory for what dumps unpack to", bytes_text(*free), directory.display())]
    Disk {
        /// Bytes that are free.
        free: u64,
        /// Where temporary files are.
        directory: PathBuf,
    },
}

/// The result of anything that can stop for an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
