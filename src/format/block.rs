//! Many bytes at a look.
//!
//! Sixteen bytes are compared at once where every processor of the kind can (SSE2 on x86-64, NEON on ARM); elsewhere the
//! same is computed otherwise. Whoever calls falls back on the [`Scanner`](super::scan::Scanner) where these functions give
//! no answer.

use wide::u8x16;

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
/// more, or where it is too near the end of `bytes`. Fastest where there are more than 7 digits, as in an address.
#[inline(always)]
pub fn number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let block: &[u8; 17] = bytes.get(at..)?.first_chunk()?;
    let words = u128::from_le_bytes(*block.first_chunk()?);
    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    let (first, second) = (digits(words as u64), digits((words >> 64) as u64));
    if first.count < 8 {
        return (first.count > 0).then(|| (first.value(), at + first.count as usize));
    }
    if second.count == 8 && block[16].is_ascii_digit() {
        return None;
    }
    let number = value_of(first.values) * POWERS[second.count as usize % POWERS.len()] + second.value();
    Some((number, at + 8 + second.count as usize))
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

/// Powers of ten; as many as save a check.
const POWERS: [u64; 16] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 0, 0, 0, 0, 0, 0, 0];

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
