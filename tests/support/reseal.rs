//! Gives an index that was tampered with the hashes that go with it, so that only what it means can give it away.

use xxhash_rust::xxh3::xxh3_64;

const HEADER: usize = 4096;
const FIRST_ENTRY: usize = 128;
const ENTRY: usize = 48;
const BLOCK: usize = 1 << 10;

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u64::from_le_bytes(*field)).ok()
}

fn put(bytes: &mut [u8], at: usize, value: u64) -> Option<()> {
    bytes.get_mut(at..)?.first_chunk_mut().map(|field| *field = value.to_le_bytes())
}

/// Writes right hashes into an index as far as its header makes sense; the format is in `docs/index-format.md`.
pub fn reseal(bytes: &mut [u8]) -> Option<()> {
    let hashes = number(bytes, 24)?;
    let count = u32::from_le_bytes(*bytes.get(92..)?.first_chunk()?) as usize;
    for section in 0..count.min((HEADER - FIRST_ENTRY) / ENTRY) {
        let entry = FIRST_ENTRY + section * ENTRY;
        let (start, length) = (number(bytes, entry + 16)?, number(bytes, entry + 24)?);
        let first_hash = number(bytes, entry + 32)?;
        let content = bytes.get(start..start.checked_add(length)?)?;
        let own: Vec<u64> = content.chunks(BLOCK).map(xxh3_64).collect();
        for (place, hash) in (first_hash..).zip(own) {
            put(bytes, hashes.checked_add(place.checked_mul(8)?)?, hash)?;
        }
    }
    let table = xxh3_64(bytes.get(hashes..)?);
    put(bytes, 32, table)?;
    let header = xxh3_64(bytes.get(..HEADER - 8)?);
    put(bytes, HEADER - 8, header)
}
