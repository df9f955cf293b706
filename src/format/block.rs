//! Many bytes at a look.
//!
//! Sixteen bytes are compared at once where every processor of the kind can (SSE2 on x86-64, NEON on ARM); elsewhere the
//! same is computed otherwise. Whoever calls falls back on the [`Scanner`](super::scan::Scanner) where these functions give
//! no answer.

use wide::{i8x16, i16x8, u8x16, u16x8};

/// A bit for each byte of `block` that is `wanted`, the first byte's lowest.
#[inline]
fn equal(block: &[u8; 16], wanted: u8) -> u32 {
    u8x16::new(*block).simd_eq(u8x16::splat(wanted)).to_bitmask()
}

/// How far from `at` the next `"`, `\` or newline is; `None` where there is none, or it is too near the end of `bytes`.
#[inline]
pub fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let block: &[u8; 16] = bytes.get(at..at.checked_add(16)?)?.try_into().ok()?;
        let stops = equal(block, b'"') | equal(block, b'\\') | equal(block, b'\n');
        if stops != 0 {
            return Some(at - start + stops.trailing_zeros() as usize);
        }
        at += 16;
    }
}

/// As [`string_end`] where the end is within 16 bytes: most strings are keys and names.
#[inline]
pub fn near_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let block: &[u8; 16] = bytes.get(at..)?.first_chunk()?;
    let stops = equal(block, b'"') | equal(block, b'\\') | equal(block, b'\n');
    (stops != 0).then(|| stops.trailing_zeros() as usize)
}

/// The position after the `]` that closes an array of strings without escapes, from the first byte after its `[`. `None`
/// where it is anything else, does not end on its line, or ends too near the end of `bytes`.
pub fn after_strings(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut is_inside = 0;
    loop {
        let block: &[u8; 64] = bytes.get(at..at.checked_add(64)?)?.try_into().ok()?;
        let quotes = equal64(block, b'"');
        // ones between an opening quote and its closing one
        let inside = parity(quotes) ^ is_inside;
        let closing = equal64(block, b']') & !inside;
        let brackets = equal64(block, b'[') | equal64(block, b'{') | equal64(block, b'}');
        let bad = equal64(block, b'\\') | equal64(block, b'\n') | (brackets & !inside);
        if closing != 0 {
            let end = closing.trailing_zeros();
            let before = (1u64 << end) - 1;
            return (bad & before == 0).then_some(at + end as usize + 1);
        }
        if bad != 0 {
            return None;
        }
        is_inside = if inside >> 63 == 1 { u64::MAX } else { 0 };
        at += 64;
    }
}

fn equal64(block: &[u8; 64], wanted: u8) -> u64 {
    let (blocks, _) = block.as_chunks::<16>();
    blocks.iter().rev().fold(0, |bits, block| bits << 16 | u64::from(equal(block, wanted)))
}

/// Each bit becomes the parity of itself and all lower ones.
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The whole number of at most 16 digits at `at`, and the position after it. `None` where there is no digit, where there are
/// more, or where it is too near the beginning or the end of `bytes`.
#[inline(always)]
pub fn number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    number_before(bytes, at).map(|(number, end, _)| (number, end))
}

/// Bytes before a number that are looked at, and those from its first one on.
const BEFORE: usize = 16;
const FROM: usize = 48;

/// As [`number`], with the two bytes after it.
///
/// The sixteen bytes that end with the number are looked at: each digit then has its place, whatever the number's length.
#[inline(always)]
pub fn number_before(bytes: &[u8], at: usize) -> Option<(u64, usize, [u8; 2])> {
    let around: &[u8; BEFORE + FROM] = bytes.get(at.checked_sub(BEFORE)?..)?.first_chunk()?;
    let block: &[u8; 16] = around[BEFORE..].first_chunk()?;
    // digits become the largest numbers with a sign
    let shifted: i8x16 = bytemuck::cast(u8x16::new(*block) + u8x16::splat(127 - b'9'));
    let are_others = i8x16::splat(127 - 9).simd_gt(shifted).to_bitmask();
    let count = (are_others | 1 << 16).trailing_zeros() as usize & 31;
    // addresses of processes have 15
    if count.wrapping_sub(1) >= 15 && !is_sixteen(around, count) {
        return None;
    }
    let last: &[u8; 16] = around[count..].first_chunk()?;
    let is_of_number: &[u8; 16] = NUMBER_BYTES[count..].first_chunk()?;
    let values = (u8x16::new(*last) - u8x16::splat(b'0')) & u8x16::new(*is_of_number);
    Some((value_of_sixteen(values), at + count, [around[BEFORE + count], around[BEFORE + count + 1]]))
}

/// Whether so many digits are sixteen, without another after them.
#[cold]
#[inline(never)]
fn is_sixteen(around: &[u8; BEFORE + FROM], count: usize) -> bool {
    count == 16 && !around[BEFORE + 16].is_ascii_digit()
}

/// From the place of its count of digits on: which of sixteen bytes that end with a number are the number's.
const NUMBER_BYTES: [u8; 48] = {
    let mut bytes = [0; 48];
    let mut place = 16;
    while place < 32 {
        bytes[place] = u8::MAX;
        place += 1;
    }
    bytes
};

/// The number that sixteen values of digits make, the first one first. Pairs, then fours, then eights.
#[inline(always)]
fn value_of_sixteen(values: u8x16) -> u64 {
    const HUNDREDS: [i16; 8] = [100, 1, 100, 1, 100, 1, 100, 1];
    const MYRIADS: [i16; 8] = [10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1];
    // the first byte of a pair is the lower one: its tenfold comes on top of the other
    let words: u16x8 = bytemuck::cast(values);
    let pairs: i16x8 = bytemuck::cast((words * u16x8::splat(10 << 8 | 1)) >> 8);
    let fours = pairs.dot(i16x8::new(HUNDREDS));
    let fours = i16x8::from_i32x8_saturate(bytemuck::cast([fours, fours]));
    let [eights, _]: [u64; 2] = bytemuck::cast(fours.dot(i16x8::new(MYRIADS)));
    (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32)
}

/// As [`number`], fastest where there are no more than 7 digits.
#[inline]
pub fn short_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let block: &[u8; 8] = bytes.get(at..)?.first_chunk()?;
    let digits = digits(u64::from_le_bytes(*block));
    if digits.count == 8 {
        return number(bytes, at);
    }
    (digits.count > 0).then(|| (digits.value(), at + digits.count as usize))
}

/// The position after the number at `at`, whatever its length: digits, perhaps with a sign before and a point among them. `None`
/// where it is written in any other way, or is too near the end of `bytes`.
#[inline]
pub fn after_number(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(*bytes.get(at)? == b'-');
    let whole = after_digits(bytes, start)?;
    if bytes[whole] != b'.' || whole == start {
        return (whole > start).then_some(whole);
    }
    after_digits(bytes, whole + 1)
}

/// The position of the first byte from `at` on that is no digit.
#[inline]
fn after_digits(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let block: &[u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        let count = digits(u64::from_le_bytes(*block)).count as usize;
        at += count;
        if count < 8 {
            return Some(at);
        }
    }
}

/// The digits at the beginning of eight bytes.
#[derive(Clone, Copy)]
struct Digits {
    /// Values of digits, the first one lowest.
    values: u64,
    count: u32,
}

#[inline]
fn digits(word: u64) -> Digits {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let values = word ^ (0x30 * EACH);
    // the high bit of each byte above 9; what carries over from one only reaches bytes after it
    let others = (values.wrapping_add(0x76 * EACH) | values) & (0x80 * EACH);
    Digits { values, count: others.trailing_zeros() / 8 }
}

impl Digits {
    /// The number that they make, 0 where there are none. Pairs, then fours, then all eight.
    #[inline]
    fn value(self) -> u64 {
        let aligned = self.values.checked_shl(64 - 8 * self.count).unwrap_or(0);
        value_of(aligned)
    }
}

/// The number that eight values of digits make, the first one lowest.
#[inline]
fn value_of(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10) + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
}
