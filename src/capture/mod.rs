//! How does a heap dump come out of a process that was not prepared for it?
//!
//! The process is made to run the capture agent, which forks: the process goes on, and its child writes the dump through a
//! pipe to us. Here it is compressed, so that the process needs nothing for that, and none of it touches its disk.
//!
//! Two ways in, safest first: the remote-execution protocol of CPython 3.14 and later ([`remote`]), and calls that we have its
//! main thread make ([`inject`]). Both only choose the moment; what runs then is the same. Nothing needs to be installed.

use std::time::Duration;

use crate::native_core::NATIVE_CORE;

pub use self::scripts::AGENT;

/// The shared library that walks a heap natively; empty where this build has none.
pub fn native_core() -> &'static [u8] {
    NATIVE_CORE
}

/// How to get into a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The remote-execution protocol of CPython 3.14 and later.
    RemoteExecution,
    /// Calls of the interpreter, made by its main thread while we trace it.
    Injection,
}

/// What is to be captured.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The process, by its number in our pid namespace.
    pub pid: i32,
    /// Whether texts, numbers and keys of the program are written.
    pub values: bool,
    /// Whether a child writes, while the process goes on.
    pub fork: bool,
    /// The only way that is tried; `None` for the safest that works.
    pub way: Option<Way>,
    /// When the capture is given up.
    pub timeout: Duration,
    /// How long getting in may take; `None` for some 20 seconds.
    pub patience: Option<Duration>,
}

/// A capture that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Objects, references and roots written.
    pub counts: [u64; 3],
    /// Bytes of the dump, before compression.
    pub bytes: u64,
    /// How long the process, or its main thread, stood still.
    pub pause: Option<Duration>,
    /// A child that wrote the dump and that the process has not been waiting for.
    pub zombie: Option<i32>,
    /// The way that worked.
    pub way: Way,
    /// The interpreter, in words.
    pub interpreter: String,
}

#[cfg(target_os = "linux")]
pub mod elf;
#[cfg(target_os = "linux")]
pub mod family;
#[cfg(target_os = "linux")]
pub mod frame;
#[cfg(target_os = "linux")]
pub mod inject;
#[cfg(target_os = "linux")]
pub mod interpreter;
#[cfg(target_os = "linux")]
pub mod machine;
#[cfg(target_os = "linux")]
mod meeting;
#[cfg(target_os = "linux")]
pub mod memory;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
mod receive;
#[cfg(target_os = "linux")]
pub mod remote;
mod scripts;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
pub mod state;
#[cfg(target_os = "linux")]
mod stop;
#[cfg(target_os = "linux")]
mod take;
#[cfg(target_os = "linux")]
pub mod trace;

#[cfg(target_os = "linux")]
pub use self::take::capture;

/// Captures a process: only on Linux.
///
/// # Errors
/// Always, here.
#[cfg(not(target_os = "linux"))]
pub fn capture(request: &Request, _: &mut dyn std::io::Write) -> crate::error::Result<Captured> {
    let reason = "captures from outside work on Linux only; from within the program, they work everywhere".to_owned();
    Err(crate::error::Error::Capture { pid: request.pid, reason })
}
