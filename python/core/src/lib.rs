//! Walks the heap of the CPython process that loaded it and writes a line for each object: the native half of
//! `retainers.dump`.
//!
//! Python's half (`python/retainers/agent.py`) lists where to start, describes what is rare, and compresses. This half
//! describes what is common: strings, numbers, containers, cells, and instances of classes written in Python. Both write
//! the same, and the first object of every class and shape is described by both and compared, so that a layout which is
//! not what the core takes it for costs speed and not truth.
//!
//! The build script of `retainers` compiles this file to a shared library with `--cfg shared_library`; nothing is linked
//! to it but what the process has already, so that one file is an extension module for every CPython with a global
//! interpreter lock. Cargo builds it for its tests only.
//!
//! From the bottom up: `buffer` and `addresses` hold, `api` and `layout` know the interpreter, `json` and `line` write,
//! `classes`, `secrets`, `template` and `describe` say what an object is, `walk` goes from one to the next, `fork` makes the
//! process that writes, `module` is what Python sees.

#![cfg_attr(not(test), no_std)]
#![allow(unsafe_code)] // reading the memory of an interpreter is all that it does

mod addresses;
mod api;
mod buffer;
mod classes;
mod describe;
mod fork;
mod json;
mod layout;
mod line;
mod module;
mod secrets;
mod template;
mod walk;

/// Ends the process: the code has no place that panics on what it reads, so this is a defect of its own.
#[cfg(shared_library)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: takes nothing and does not return
    unsafe { abort() }
}

/// Named by the tables of the precompiled `core`; never called, since a panic ends the process.
#[cfg(shared_library)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
