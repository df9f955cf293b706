//! The first 4 KiB: what kind of file this is, for which dump, and where its sections are.

use std::ops::Range;

use super::identity::Identity;
use super::{ALIGNMENT, BLOCK, Unusable, hash};
use crate::graph::id::MAX_OBJECTS;

/// The first bytes of every index. Like PNG's, they do not survive a transfer as text.
pub const MAGIC: [u8; 8] = *b"\x89rtx\r\n\x1a\n";
/// The version of the format.
pub const VERSION: u32 = 4;
/// Reads differently on a machine of another byte order.
const BYTE_ORDER: u32 = 0x0a0b_0c0d;
/// The program may read a dump differently from one version to the next.
const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Bytes of the header.
pub(super) const LENGTH: usize = 4096;
/// Where the table of sections starts.
const TABLE: usize = 128;
/// Bytes of an entry in it.
const ENTRY: usize = 48;
/// Where the header's own hash stands.
const OWN_HASH: usize = LENGTH - 8;
/// Sections that fit.
pub(super) const MAX_SECTIONS: usize = (OWN_HASH - TABLE) / ENTRY;
/// Longest name of a section.
pub(super) const MAX_NAME: usize = 16;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dump: Identity,
    pub(super) objects: usize,
    pub(super) references: usize,
    /// Offset of the table of block hashes, to the end of the file.
    pub(super) hashes: usize,
    pub(super) hash_of_hashes: u64,
    /// How many bytes the file has.
    pub(super) length: usize,
    pub(super) sections: Vec<Entry>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Padded with zeros.
    pub(super) name: [u8; MAX_NAME],
    pub(super) offset: usize,
    pub(super) bytes: usize,
    /// Place of its first block's hash in the table.
    pub(super) first_hash: usize,
    /// Bytes of an element.
    pub(super) width: usize,
}

impl Entry {
    pub(super) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.bytes
    }

    pub(super) fn blocks(&self) -> usize {
        self.bytes.div_ceil(BLOCK)
    }
}

/// A section's name, padded; names are short.
pub(super) fn padded(name: &str) -> [u8; MAX_NAME] {
    let mut padded = [0; MAX_NAME];
    padded.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
    padded
}

impl Header {
    /// Reads the header of a file, and checks it, the table of hashes, and that all sections lie within the file.
    pub(super) fn read(file: &[u8]) -> Result<Self, Unusable> {
        let magic = &file[..file.len().min(MAGIC.len())];
        if !MAGIC.starts_with(magic) {
            return Err(Unusable::Foreign);
        }
        let header = file.get(..LENGTH).ok_or(Unusable::Damaged)?;
        let mut fields = Fields { bytes: header, at: MAGIC.len() };
        let (version, byte_order) = (fields.u32(), fields.u32());
        if byte_order == BYTE_ORDER.swap_bytes() {
            return Err(Unusable::Version);
        }
        if hash(&header[..OWN_HASH]) != (Fields { bytes: header, at: OWN_HASH }).u64() {
            return Err(Unusable::Damaged);
        }
        if (version, byte_order) != (VERSION, BYTE_ORDER) {
            return Err(Unusable::Version);
        }
        let header = Self::fields(&mut fields).ok_or(Unusable::Version)?;
        header.check(file).ok_or(Unusable::Damaged)?;
        Ok(header)
    }

    /// What stands behind version and byte order; `None` where another program wrote it, or one that can address more.
    fn fields(fields: &mut Fields<'_>) -> Option<Self> {
        let (length, hashes, hash_of_hashes) = (fields.usize()?, fields.usize()?, fields.u64());
        let (objects, references) = (fields.usize()?, fields.usize()?);
        let dump = Identity {
            size: fields.u64(),
            modified: (fields.u64().cast_signed(), fields.u32()),
            sample: [fields.u64(), fields.u64()],
        };
        let count = fields.u32() as usize;
        let is_ours = fields.array() == tool();
        fields.at = TABLE;
        let sections = (0..count.min(MAX_SECTIONS)).map(|_| Entry::read(fields)).collect::<Option<_>>()?;
        let header = Self { dump, objects, references, hashes, hash_of_hashes, length, sections };
        (is_ours && count <= MAX_SECTIONS).then_some(header)
    }

    /// The header's bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        let mut put = |field: &[u8]| bytes.extend_from_slice(field);
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&BYTE_ORDER.to_le_bytes());
        let lengths = [self.length, self.hashes].map(|length| length as u64);
        lengths.iter().chain(&[self.hash_of_hashes]).for_each(|field| put(&field.to_le_bytes()));
        [self.objects, self.references].iter().for_each(|&count| put(&(count as u64).to_le_bytes()));
        put(&self.dump.size.to_le_bytes());
        put(&self.dump.modified.0.to_le_bytes());
        put(&self.dump.modified.1.to_le_bytes());
        self.dump.sample.iter().for_each(|half| put(&half.to_le_bytes()));
        put(&u32::try_from(self.sections.len()).unwrap_or(u32::MAX).to_le_bytes());
        put(&tool());
        debug_assert_eq!(bytes.len(), TABLE);
        self.sections.iter().for_each(|entry| entry.write(&mut bytes));
        bytes.resize(OWN_HASH, 0);
        let own = hash(&bytes);
        bytes.extend_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Whether all that the header speaks of lies within the file, and the hashes are those that were written.
    fn check(&self, file: &[u8]) -> Option<()> {
        let hashes = file.get(self.hashes..).filter(|_| file.len() == self.length)?;
        let blocks = hashes.len() / size_of::<u64>();
        let is_inside = |entry: &Entry| {
            let end = entry.offset.checked_add(entry.bytes)?;
            let last_hash = entry.first_hash.checked_add(entry.blocks())?;
            let is_aligned = (entry.offset as u64).is_multiple_of(ALIGNMENT)
                && entry.width > 0
                && entry.bytes.is_multiple_of(entry.width);
            (is_aligned && entry.offset >= LENGTH && end <= self.hashes && last_hash <= blocks).then_some(())
        };
        self.sections.iter().try_for_each(is_inside)?;
        (self.objects as u64 <= MAX_OBJECTS && hash(hashes) == self.hash_of_hashes).then_some(())
    }

    /// The section of that name.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        let name = padded(name);
        self.sections.iter().find(|entry| entry.name == name)
    }
}

/// The hash at `place` of the table that starts at `hashes`.
pub(super) fn hash_at(file: &[u8], hashes: usize, place: usize) -> Option<u64> {
    let bytes = file.get(hashes..)?.get(place * size_of::<u64>()..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// The program's version, padded.
fn tool() -> [u8; 32] {
    let mut padded = [0; 32];
    padded.iter_mut().zip(TOOL.bytes()).for_each(|(place, byte)| *place = byte);
    padded
}

impl Entry {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.array(),
            offset: fields.usize()?,
            bytes: fields.usize()?,
            first_hash: fields.usize()?,
            width: fields.usize()?,
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.name);
        let fields = [self.offset, self.bytes, self.first_hash, self.width];
        fields.iter().for_each(|&field| bytes.extend_from_slice(&(field as u64).to_le_bytes()));
    }
}

/// Reads one field after the other; zeros beyond the end.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let field = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).copied();
        self.at += N;
        field.unwrap_or([0; N])
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn usize(&mut self) -> Option<usize> {
        self.u64().try_into().ok()
    }
}
