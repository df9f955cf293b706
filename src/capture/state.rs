//! The registers and the signal mask of a thread, as bytes: what is saved, changed and restored.

/// What a thread is, so that it can go on as if nothing had been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The general registers, as the kernel lays them out.
    pub general: Vec<u8>,
    /// Numbers and bytes of further register sets.
    pub extended: Vec<(usize, Vec<u8>)>,
    /// Signals that are held back, a bit each.
    pub mask: u64,
}

impl State {
    /// A general register, by its offset; 0 beyond the end.
    pub fn word(&self, offset: usize) -> u64 {
        self.general.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// Sets a general register.
    pub fn set(&mut self, offset: usize, value: u64) {
        if let Some(bytes) = self.general.get_mut(offset..offset + 8) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Bytes of all further register sets.
    pub fn extended_len(&self) -> usize {
        self.extended.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
