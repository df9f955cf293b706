//! Texts that are never written: what the environment of the process holds, and what contains that.

use crate::addresses::Addresses;
use crate::api::{Api, Object};
use crate::buffer::Array;
use crate::describe::bytes;
use crate::layout::{Characters, Layout, containers, type_of, word};
use crate::walk::Raised;

/// Bits of the filter of whole texts, a power of two.
const FILTER: usize = 4096;
/// Characters that are looked up at once where a secret may be within a text.
const GRAM: usize = 4;
/// Characters from one such look to the next.
const STRIDE: usize = 5;
/// Shortest secret that is looked for: wherever it begins, one look falls into its first characters.
const SHORTEST: usize = GRAM + STRIDE - 1;
/// Bits of the filter of these characters.
const GRAMS: usize = 1 << 16;

/// The secrets: some by address, all by content.
pub struct Secrets {
    addresses: Addresses,
    /// A Python set of exact strings and bytes.
    texts: Object,
    /// One bit for each combination of length and ends that a secret has, so that few other texts are looked up.
    filter: [u64; FILTER / 64],
    /// What hides the texts that contain it.
    parts: Array<Part>,
    /// One bit for each `GRAM` characters among the first `SHORTEST` of a part.
    grams: [u64; GRAMS / 64],
    /// How many characters of a text are written: a part that begins later hides nothing.
    limit: usize,
}

#[derive(Clone, Copy)]
struct Part {
    class: Object,
    text: Characters,
}

impl Secrets {
    /// Reads the set of texts; nothing where it holds something else than strings and bytes.
    ///
    /// # Safety
    /// `texts` is an exact set that does not change.
    pub unsafe fn new(api: &Api, layout: &Layout, texts: Object, addresses: Addresses, limit: usize) -> Option<Self> {
        let (filter, grams) = ([0; FILTER / 64], [0; GRAMS / 64]);
        let mut secrets = Secrets { addresses, texts, filter, parts: Array::new(), grams, limit };
        // SAFETY: the places of a set, as many as its mask says and one
        unsafe {
            let table = word(texts, containers::SET_TABLE);
            for place in 0..=word(texts, containers::SET_MASK) {
                let (text, hash) = (word(table, place * 16), word(table, place * 16 + 8));
                if text != 0 && hash != containers::SET_REMOVED {
                    let bit = bit(&characters(api, layout, text)?);
                    *secrets.filter.get_mut(bit / 64)? |= 1 << (bit % 64);
                }
            }
        }
        Some(secrets)
    }

    /// Adds what hides the texts that contain it; false where that is no string or bytes, too short, or memory runs out.
    ///
    /// # Safety
    /// The part lives as long as these.
    pub unsafe fn add_part(&mut self, api: &Api, layout: &Layout, part: Object) -> bool {
        // SAFETY: the caller's promise; the grams are within the shortest part
        unsafe {
            let Some(text) = characters(api, layout, part).filter(|text| text.length >= SHORTEST) else { return false };
            self.parts.push(Part { class: type_of(part), text });
            for start in 0..STRIDE {
                let gram = gram(&text, start);
                self.grams.get_mut(gram / 64).into_iter().for_each(|word| *word |= 1 << (gram % 64));
            }
        }
        !self.parts.failed
    }

    /// Whether a text, an exact string or bytes of these characters, must not be written.
    ///
    /// # Safety
    /// The text is alive.
    #[inline]
    pub unsafe fn hide(&self, api: &Api, text: Object, characters: &Characters) -> Result<bool, Raised> {
        if self.addresses.contains(text) {
            return Ok(true);
        }
        // SAFETY: the caller's promise
        if unsafe { self.are_within(text, characters, self.limit) } {
            return Ok(true);
        }
        // SAFETY: as above
        let bit = unsafe { bit(characters) };
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

    /// Whether a text contains a part that begins in its first characters, as many as are written.
    ///
    /// # Safety
    /// The text is alive.
    #[inline]
    pub unsafe fn are_within(&self, text: Object, characters: &Characters, limit: usize) -> bool {
        if characters.length < SHORTEST {
            return false;
        }
        let last = (characters.length - GRAM).min(limit.saturating_add(STRIDE - 2));
        // SAFETY: the characters of a gram are within the text
        (0..=last).step_by(STRIDE).any(|place| unsafe {
            let gram = gram(characters, place);
            self.grams.get(gram / 64).is_some_and(|word| word >> (gram % 64) & 1 == 1)
                && self.is_at(type_of(text), characters, place, limit)
        })
    }

    /// Whether a part is in a text whose first characters cover the gram at a place.
    #[cold]
    unsafe fn is_at(&self, class: Object, text: &Characters, place: usize, limit: usize) -> bool {
        (place.saturating_sub(STRIDE - 1)..=place).filter(|&start| start < limit).any(|start| {
            self.parts.as_slice().iter().any(|part| {
                part.class == class
                    && part.text.length <= text.length - start
                    // SAFETY: both indices are below the lengths
                    && (0..part.text.length).all(|index| unsafe { part.text.at(index) == text.at(start + index) })
            })
        })
    }
}

/// The characters of a string or bytes; nothing for other objects.
///
/// # Safety
/// The text is alive.
unsafe fn characters(api: &Api, layout: &Layout, text: Object) -> Option<Characters> {
    // SAFETY: the text is alive
    unsafe {
        if type_of(text) == api.PyUnicode_Type {
            return layout.string(text);
        }
        bytes(api, text).map(Characters::of_bytes)
    }
}

/// Where the filter has a text: by length, first and last character.
unsafe fn bit(text: &Characters) -> usize {
    // SAFETY: the text is alive, and not empty where it is looked at
    let (first, last) = unsafe {
        match text.length.checked_sub(1) {
            Some(last) => (text.at(0), text.at(last)),
            None => (0, 0),
        }
    };
    let mixed = text.length ^ (first as usize) << 20 ^ (last as usize) << 42;
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52 & (FILTER - 1)
}

/// Where the filter has the `GRAM` characters at a place.
#[inline]
unsafe fn gram(text: &Characters, place: usize) -> usize {
    // SAFETY: they are within the text
    let mixed = (place..place + GRAM).fold(0u32, |mixed, index| mixed.rotate_left(8) ^ unsafe { text.at(index) });
    (mixed.wrapping_mul(0x9E37_79B1) >> 16) as usize & (GRAMS - 1)
}
