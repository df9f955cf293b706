//! Symbols of a program or library, read from where it is loaded: no file is needed, so it may be deleted, or be in another
//! mount namespace.

use std::io;
use std::ops::Range;

use super::memory::Memory;

/// A 64-bit ELF image in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What is added to the addresses in the image.
    bias: u64,
    symbols: u64,
    names: u64,
    hashes: Hashes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hashes {
    Gnu(u64),
    SystemV(u64),
}

const PROGRAM_LOAD: u32 = 1;
const PROGRAM_DYNAMIC: u32 = 2;
/// Entries that are looked at in any one table: more are nonsense.
const MOST: u64 = 1 << 20;
/// Bytes of an entry of the table of symbols.
const SYMBOL: u64 = 24;
/// Longest name that is compared.
const LONGEST_NAME: usize = 128;

impl Image {
    /// The image whose first byte is loaded at `start`; `None` where there is none, or not of this kind.
    pub fn at(memory: &dyn Memory, start: u64) -> Option<Self> {
        Self::read(memory, start).ok().flatten()
    }

    fn read(memory: &dyn Memory, start: u64) -> io::Result<Option<Self>> {
        let mut header = [0; 64];
        memory.read(start, &mut header)?;
        // 64-bit, little-endian
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return Ok(None);
        }
        let (table, size, count) = (word(&header, 32), u64::from(short(&header, 54)), short(&header, 56));
        let (mut bias, mut dynamic) = (None, None);
        for index in 0..u64::from(count) {
            let mut program = [0; 56];
            memory.read(start.wrapping_add(table).wrapping_add(index * size), &mut program)?;
            let (offset, address, length) = (word(&program, 8), word(&program, 16), word(&program, 40));
            match u32::from_le_bytes([program[0], program[1], program[2], program[3]]) {
                PROGRAM_LOAD if offset == 0 => bias = Some(start.wrapping_sub(address)),
                PROGRAM_DYNAMIC => dynamic = Some((address, length)),
                _ => {}
            }
        }
        let (Some(bias), Some((dynamic, length))) = (bias, dynamic) else { return Ok(None) };
        Self::from_dynamic(memory, start, bias, dynamic.wrapping_add(bias), length)
    }

    /// Reads the table that names all others.
    fn from_dynamic(memory: &dyn Memory, start: u64, bias: u64, dynamic: u64, length: u64) -> io::Result<Option<Self>> {
        let (mut symbols, mut names, mut gnu, mut system_v) = (None, None, None, None);
        for index in 0..(length / 16).min(MOST) {
            let tag = memory.word(dynamic.wrapping_add(index * 16))?;
            let value = memory.word(dynamic.wrapping_add(index * 16 + 8))?;
            // glibc turns offsets into addresses as it loads, others leave them
            let address = if value < start { value.wrapping_add(bias) } else { value };
            match tag {
                0 => break,
                4 => system_v = Some(Hashes::SystemV(address)),
                5 => names = Some(address),
                6 => symbols = Some(address),
                0x6fff_fef5 => gnu = Some(Hashes::Gnu(address)),
                _ => {}
            }
        }
        let (Some(symbols), Some(names), Some(hashes)) = (symbols, names, gnu.or(system_v)) else { return Ok(None) };
        Ok(Some(Self { bias, symbols, names, hashes }))
    }

    /// The address of a symbol that the image defines.
    pub fn symbol(&self, memory: &dyn Memory, name: &str) -> Option<u64> {
        self.extent(memory, name).map(|extent| extent.start)
    }

    /// The addresses of a symbol that the image defines: from its first byte to the one behind its last.
    pub fn extent(&self, memory: &dyn Memory, name: &str) -> Option<Range<u64>> {
        let found = match self.hashes {
            Hashes::Gnu(table) => self.by_gnu_hash(memory, table, name),
            Hashes::SystemV(table) => self.by_system_v_hash(memory, table, name),
        };
        found.ok().flatten()
    }

    fn by_gnu_hash(&self, memory: &dyn Memory, table: u64, name: &str) -> io::Result<Option<Range<u64>>> {
        let (buckets, first) = (memory.half(table)?, memory.half(table + 4)?);
        let bloom = u64::from(memory.half(table + 8)?);
        if buckets == 0 {
            return Ok(None);
        }
        let bucket_table = table.wrapping_add(16 + 8 * bloom);
        let chains = bucket_table.wrapping_add(4 * u64::from(buckets));
        let hash = gnu_hash(name);
        let start = memory.half(bucket_table.wrapping_add(4 * u64::from(hash % buckets)))?;
        if start < first {
            return Ok(None);
        }
        for index in (u64::from(start)..).take(MOST as usize) {
            let entry = memory.half(chains.wrapping_add(4 * (index - u64::from(first))))?;
            if entry | 1 == hash | 1
                && let Some(extent) = self.symbol_at(memory, index, name)?
            {
                return Ok(Some(extent));
            }
            if entry & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn by_system_v_hash(&self, memory: &dyn Memory, table: u64, name: &str) -> io::Result<Option<Range<u64>>> {
        let buckets = memory.half(table)?;
        if buckets == 0 {
            return Ok(None);
        }
        let chains = table.wrapping_add(8 + 4 * u64::from(buckets));
        let mut index = u64::from(memory.half(table + 8 + 4 * u64::from(system_v_hash(name) % buckets))?);
        for _ in 0..MOST {
            if index == 0 {
                break;
            }
            if let Some(extent) = self.symbol_at(memory, index, name)? {
                return Ok(Some(extent));
            }
            index = u64::from(memory.half(chains.wrapping_add(4 * index))?);
        }
        Ok(None)
    }

    /// The addresses of the symbol at `index`, if it has this name and is defined here.
    fn symbol_at(&self, memory: &dyn Memory, index: u64, name: &str) -> io::Result<Option<Range<u64>>> {
        let mut symbol = [0; SYMBOL as usize];
        memory.read(self.symbols.wrapping_add(index * SYMBOL), &mut symbol)?;
        let (name_offset, section) =
            (u32::from_le_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]), short(&symbol, 6));
        let mut found = [0; LONGEST_NAME];
        let Some(found) = found.get_mut(..=name.len()) else { return Ok(None) };
        memory.read(self.names.wrapping_add(u64::from(name_offset)), found)?;
        let is_it = section != 0 && found.strip_suffix(b"\0") == Some(name.as_bytes());
        let start = word(&symbol, 8).wrapping_add(self.bias);
        Ok(is_it.then(|| start..start.wrapping_add(word(&symbol, 16))))
    }
}

fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

fn system_v_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// The whole number of 8 bytes at `offset`; 0 beyond the end.
fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The whole number of 2 bytes at `offset`; 0 beyond the end.
fn short(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..offset + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}
