//! Texts that are never written: what the environment of the process holds.

use crate::addresses::Addresses;
use crate::api::{Api, Object};
use crate::describe::bytes;
use crate::layout::{Layout, containers, type_of, word};
use crate::walk::Raised;

/// Bits of the filter, a power of two.
const FILTER: usize = 4096;

/// The secrets: some by address, all by content.
pub struct Secrets {
    addresses: Addresses,
    /// A Python set of exact strings and bytes.
    texts: Object,
    /// One bit for each combination of length and ends that a secret has, so that few other texts are looked up.
    filter: [u64; FILTER / 64],
}

impl Secrets {
    /// Reads the set of texts; nothing where it holds something else than strings and bytes.
    ///
    /// # Safety
    /// `texts` is an exact set that does not change.
    pub unsafe fn new(api: &Api, layout: &Layout, texts: Object, addresses: Addresses) -> Option<Self> {
        let mut secrets = Secrets { addresses, texts, filter: [0; FILTER / 64] };
        // SAFETY: the places of a set, as many as its mask says and one
        unsafe {
            let table = word(texts, containers::SET_TABLE);
            for place in 0..=word(texts, containers::SET_MASK) {
                let (text, hash) = (word(table, place * 16), word(table, place * 16 + 8));
                if text != 0 && hash != containers::SET_REMOVED {
                    let (length, ends) = ends(api, layout, text)?;
                    let bit = bit(length, ends);
                    *secrets.filter.get_mut(bit / 64)? |= 1 << (bit % 64);
                }
            }
        }
        Some(secrets)
    }

    /// Whether a text, an exact string or bytes of that length and those ends, must not be written.
    ///
    /// # Safety
    /// The text is alive.
    #[inline]
    pub unsafe fn hide(&self, api: &Api, text: Object, length: usize, ends: (u32, u32)) -> Result<bool, Raised> {
        if self.addresses.contains(text) {
            return Ok(true);
        }
        let bit = bit(length, ends);
        if self.filter.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 0) {
            return Ok(false);
        }
        // SAFETY: hashes and compares strings and bytes, which runs no code of the program
        match unsafe { (api.PySet_Contains)(self.texts, text) } {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Raised),
        }
    }
}

/// Length, first and last character or byte.
unsafe fn ends(api: &Api, layout: &Layout, text: Object) -> Option<(usize, (u32, u32))> {
    // SAFETY: the text is alive
    unsafe {
        if type_of(text) == api.PyUnicode_Type {
            let text = layout.string(text)?;
            let last = text.length.checked_sub(1);
            return Some((text.length, last.map_or((0, 0), |last| (text.at(0), text.at(last)))));
        }
        let bytes = bytes(api, text)?;
        let end = |byte: Option<&u8>| byte.map_or(0, |&byte| byte.into());
        Some((bytes.len(), (end(bytes.first()), end(bytes.last()))))
    }
}

fn bit(length: usize, (first, last): (u32, u32)) -> usize {
    let mixed = length ^ (first as usize) << 20 ^ (last as usize) << 42;
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52 & (FILTER - 1)
}
