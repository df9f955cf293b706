//! Builds the native core of the capture, the shared library that walks a heap from within a Python process, and leaves
//! it in `OUT_DIR` for the binary to carry and for the wheel to hold.
//!
//! It is no dependency of cargo's kind: a binary cannot embed the shared library of another package, and maturin's wheel
//! of a binary cannot carry an extension module. The core needs nothing but `core` and the symbols that its process has,
//! so one call of rustc makes it, within a second or two, and it loads under any libc and any CPython.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = "python/core/src";

fn main() {
    println!("cargo:rerun-if-changed={SOURCES}");
    println!("cargo:rerun-if-changed=build.rs");
    let library = PathBuf::from(variable("OUT_DIR")).join("native_core.so");
    if let Err(reason) = build(&library) {
        // the package's pure Python takes over where the library is empty
        println!("cargo:warning=no native core, captures are slower: {reason}");
        if let Err(error) = fs::write(&library, []) {
            println!("cargo:warning={} could not be written: {error}", library.display());
        }
    }
}

/// Compiles the core for the target of the package that is being built.
fn build(library: &Path) -> Result<(), String> {
    if env::var_os("CARGO_CFG_UNIX").is_none() || variable("CARGO_CFG_TARGET_POINTER_WIDTH") != "64" {
        return Err(format!("it is made for 64-bit Unix, not for {}", variable("TARGET").display()));
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=native_core", "--crate-type=cdylib", "--cfg=shared_library"]);
    rustc.args(["-Copt-level=3", "-Ccodegen-units=1", "-Cpanic=abort", "-Cstrip=symbols", "--cap-lints=warn"]);
    rustc.arg("--target").arg(variable("TARGET"));
    if variable("CARGO_CFG_TARGET_VENDOR") == "apple" {
        rustc.args(["-Clink-arg=-undefined", "-Clink-arg=dynamic_lookup"]);
    } else {
        // no libc by name, so that the process's own is used, be it glibc or musl
        rustc.args(["-Clink-arg=-nostdlib", "-Ctarget-feature=-crt-static"]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    rustc.arg("-o").arg(library).arg(Path::new(SOURCES).join("lib.rs"));
    let output = rustc.output().map_err(|error| format!("{rustc:?} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(message.lines().find(|line| line.starts_with("error")).unwrap_or("rustc failed").to_owned())
}

/// A variable that cargo sets for build scripts; empty where it has nothing to say.
fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_default()
}
