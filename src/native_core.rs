//! The native core of the capture: the shared library that build.rs made of `python/core`.

/// Bytes of the shared library for the platform that this binary is for; empty where it could not be built.
pub static NATIVE_CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/native_core.so"));
