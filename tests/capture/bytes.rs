//! Layouts in memory: ELF images and the interpreter's table of offsets.

use std::io;

use nix::unistd::Pid;
use retainers::capture::elf::Image;
use retainers::capture::interpreter::{Interpreter, Version};
use retainers::capture::memory::{Memory, ProcessMemory};
use retainers::capture::process::{Mapping, Process};
use retainers::capture::remote::Offsets;

/// Bytes from address 0x1000 on.
struct Fake(Vec<u8>);

impl Memory for Fake {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(address.wrapping_sub(0x1000)).map_err(io::Error::other)?;
        let end = start.checked_add(buffer.len()).filter(|end| *end <= self.0.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(&self.0[start..end]);
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, word: u64) {
    bytes.resize(bytes.len().max(at + 8), 0);
    bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// An image with the functions `alpha` at 0x700 and `beta` at 0x800, and `absent`, which it only asks for.
fn image(by_gnu_hash: bool) -> Fake {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    put(&mut bytes, 32, 64); // program headers
    put(&mut bytes, 54, 56 | 2 << 16); // of 56 bytes, two of them
    put(&mut bytes, 64, 1); // loaded from offset 0 at address 0
    put(&mut bytes, 64 + 40, 0x1000);
    put(&mut bytes, 120, 2); // dynamic table at 0x100
    put(&mut bytes, 120 + 16, 0x100);
    put(&mut bytes, 120 + 40, 64);
    let hash = if by_gnu_hash { 0x6fff_fef5 } else { 4 };
    for (index, (tag, value)) in [(5, 0x200), (6, 0x300), (hash, 0x400), (0, 0)].into_iter().enumerate() {
        put(&mut bytes, 0x100 + index * 16, tag);
        put(&mut bytes, 0x108 + index * 16, value);
    }
    bytes.resize(0x500, 0);
    bytes[0x200..0x213].copy_from_slice(b"\0alpha\0beta\0absent\0");
    for (index, (name, section, value)) in [(1, 1, 0x700), (7, 1, 0x800), (12, 0, 0)].into_iter().enumerate() {
        put(&mut bytes, 0x318 + index * 24, name | section << 48);
        put(&mut bytes, 0x320 + index * 24, value);
    }
    if by_gnu_hash {
        // one bucket, symbols from 1 on, one word of a bloom filter
        put(&mut bytes, 0x400, 1 | 1 << 32);
        put(&mut bytes, 0x408, 1);
        bytes[0x418..0x41c].copy_from_slice(&1_u32.to_le_bytes());
        let hash = |name: &str| name.bytes().fold(5381_u32, |h, b| h.wrapping_mul(33).wrapping_add(u32::from(b)));
        for (index, (name, last)) in [("alpha", 0), ("beta", 0), ("absent", 1)].into_iter().enumerate() {
            let at = 0x41c + index * 4;
            bytes[at..at + 4].copy_from_slice(&(hash(name) & !1 | last).to_le_bytes());
        }
    } else {
        // one bucket, a chain through all four symbols
        for (index, word) in [1_u32, 4, 1, 0, 2, 3, 0].into_iter().enumerate() {
            bytes[0x400 + index * 4..0x404 + index * 4].copy_from_slice(&word.to_le_bytes());
        }
    }
    Fake(bytes)
}

#[test]
fn symbols_are_found_by_either_hash_table() {
    for by_gnu_hash in [true, false] {
        let memory = image(by_gnu_hash);
        let image = Image::at(&memory, 0x1000).unwrap();
        assert_eq!(image.symbol(&memory, "alpha"), Some(0x1700));
        assert_eq!(image.symbol(&memory, "beta"), Some(0x1800));
        assert_eq!(image.symbol(&memory, "absent"), None);
        assert_eq!(image.symbol(&memory, "alph"), None);
        assert_eq!(image.symbol(&memory, &"x".repeat(4000)), None);
    }
}

#[test]
fn damaged_images_have_no_symbols() {
    let whole = image(true).0;
    for length in 0..whole.len() {
        let memory = Fake(whole[..length].to_vec());
        if let Some(image) = Image::at(&memory, 0x1000) {
            let _ = image.symbol(&memory, "beta");
        }
    }
    for at in (0..whole.len()).step_by(8) {
        let mut bytes = whole.clone();
        put(&mut bytes, at, u64::MAX - 7);
        let memory = Fake(bytes);
        if let Some(image) = Image::at(&memory, 0x1000) {
            let _ = image.symbol(&memory, "beta");
        }
    }
}

#[test]
fn a_living_image_is_read_from_memory() {
    let own = Process(Pid::this());
    let memory = ProcessMemory(own.0);
    let mappings = own.mappings().unwrap();
    let libc = mappings.iter().find(|mapping| mapping.offset == 0 && mapping.path.contains("libc"));
    let Some(libc) = libc else {
        crate::support::skipped("capture::bytes::a_living_image_is_read_from_memory", "no shared libc");
        return;
    };
    let image = Image::at(&memory, libc.start).unwrap();
    let address = image.symbol(&memory, "getenv").unwrap();
    let holder = mappings.iter().rev().find(|mapping| mapping.start <= address).unwrap();
    assert_eq!(holder.path, libc.path);
    assert!(Interpreter::find(&memory, &mappings).is_none());
}

/// A table of CPython 3.`minor`, with the groups that are needed filled in.
fn table(minor: u64, group: usize) -> Vec<u8> {
    let mut bytes = b"xdebugpy".to_vec();
    put(&mut bytes, 1016, 0);
    put(&mut bytes, 8, 0x0300_00f0 | minor << 16 | 10 << 8);
    for (at, value) in [(40, 808), (48, 400_000), (56, 7000), (64, 7272), (72, 7300), (176, 1000), (192, 8)] {
        put(&mut bytes, at, value);
    }
    for (index, value) in [24, 400, 7600, 0, 4, 512].into_iter().enumerate() {
        put(&mut bytes, group + index * 8, value);
    }
    bytes
}

#[test]
fn offsets_are_read_from_the_table_of_each_version() {
    for (minor, group) in [(14, 712), (15, 840)] {
        let offsets = Offsets::parse(&table(minor, group)).unwrap();
        assert_eq!(offsets.version, Version { major: 3, minor: u8::try_from(minor).unwrap(), micro: Some(10) });
        assert_eq!((offsets.interpreters_head, offsets.threads_head, offsets.thread_next), (808, 7300, 8));
        assert_eq!((offsets.eval_breaker, offsets.support, offsets.enabled), (24, 400, 7600));
        assert_eq!((offsets.pending_call, offsets.script_path, offsets.script_path_size), (0, 4, 512));
    }
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    for (table, words) in [
        (b"nothing".to_vec(), "no table"),
        (table(13, 712), "3.14 is the first"),
        (table(16, 840), "not known here"),
        (table(15, 712), "makes no sense"),
        (table(14, 712)[..700].to_vec(), "makes no sense"),
        (b"xdebugpy".to_vec(), "not known here"),
    ] {
        let reason = Offsets::parse(&table).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
    for at in (24..760).step_by(8) {
        let mut table = table(14, 712);
        put(&mut table, at, u64::MAX);
        // whatever it says, nothing is done with it that could fail
        let _ = Offsets::parse(&table);
    }
}

#[test]
fn a_version_is_read_from_names_where_nothing_else_tells() {
    let memory = Fake(Vec::new());
    let mapping =
        |path: &str| Mapping { start: 0x1000, end: 0x2000, is_executable: false, offset: 0, path: path.to_owned() };
    assert!(Interpreter::find(&memory, &[mapping("/usr/bin/python3.9")]).is_none());
    let versions = [("3.8", Version { major: 3, minor: 8, micro: None }), ("3.11.7", Version::of_hex(0x030b_07f0))];
    for (text, version) in versions {
        assert_eq!(version.to_string(), text);
    }
}
