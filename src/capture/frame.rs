//! Signal frames: what `rt_sigreturn` restores a thread from. The one that is written below the stack of a thread that we
//! work with brings it back to what it did, without us: we may be killed at any moment, and are not needed for it.
//!
//! A system call that was interrupted is started again where that is harmless; where the kernel would have known how much of
//! a time-out is left, and only it, the call returns `EINTR`, as after any signal.

use super::state::State;

/// Flags of an alternative signal stack that no kernel accepts: `rt_sigreturn` then leaves the one that there is.
const NO_CHANGE: u64 = 0x7fff;

/// Appends to a frame.
struct Frame(Vec<u8>);

impl Frame {
    fn words(&mut self, words: &[u64]) {
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn fill(&mut self, until: usize) {
        self.0.resize(until, 0);
    }
}

/// Offsets in the state that XSAVE writes: what software may use, and the header.
const SOFTWARE: usize = 464;
const HEADER: usize = 512;
/// Marks of the extended state in a signal frame: before and behind it.
const MAGIC: [u32; 2] = [0x4650_5853, 0x4650_5845];
/// Features that only processes have that asked for them, and where their part begins: AMX.
const ON_REQUEST: u64 = 3 << 17;
const BEFORE_ON_REQUEST: usize = 2696;
/// Offset of the extended state in the frame: what stands before has 440 bytes, and it is aligned to 64.
const EXTENDED: usize = 448;

/// `struct rt_sigframe` of x86-64 for the address `at`, a multiple of 64.
pub fn x86_64(at: u64, signal_return: u64, state: &State) -> Vec<u8> {
    let get = |index: usize| state.word(index * 8);
    let [r15, r14, r13, r12, bp, bx, r11, r10, r9, r8] = std::array::from_fn(get);
    let [mut ax, cx, dx, si, di, entered, mut ip, cs, flags, sp, ss] = std::array::from_fn(|index| get(10 + index));
    if entered != u64::MAX {
        match ax.cast_signed() {
            // ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND: from the instruction on
            -514..=-512 => (ax, ip) = (entered, ip.wrapping_sub(2)),
            // ERESTART_RESTARTBLOCK
            -516 => ax = (-i64::from(nix::libc::EINTR)).cast_unsigned(),
            _ => {}
        }
    }
    let mut frame = Frame(Vec::with_capacity(EXTENDED + state.extended_len() + 8));
    // extended state, segment registers; nothing follows
    frame.words(&[signal_return, 7, 0]);
    frame.words(&[0, NO_CHANGE, 0]);
    frame.words(&[r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags]);
    frame.words(&[cs & 0xffff | (ss & 0xffff) << 48, 0, 0, state.mask, 0, at + EXTENDED as u64]);
    frame.words(&[0; 8]);
    frame.words(&[state.mask]);
    frame.fill(EXTENDED);
    if let Some((_, saved)) = state.extended.first() {
        frame.0.extend(extended_x86_64(saved));
    }
    frame.0
}

/// The extended state as it stands in a signal frame, from that of a register set.
fn extended_x86_64(saved: &[u8]) -> Vec<u8> {
    let word = |offset: usize| {
        saved.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let (mut features, mut len) = (word(SOFTWARE), saved.len());
    if word(HEADER) & ON_REQUEST == 0 {
        (features, len) = (features & !ON_REQUEST, len.min(BEFORE_ON_REQUEST));
    }
    let mut bytes = saved.get(..len).unwrap_or(saved).to_vec();
    if len <= HEADER {
        // a processor without XSAVE: the old state, which needs no marks
        return bytes;
    }
    let size = u32::try_from(len).unwrap_or(u32::MAX);
    let mut software = Frame(MAGIC[0].to_le_bytes().to_vec());
    software.0.extend((size + 4).to_le_bytes());
    software.words(&[features]);
    software.0.extend(size.to_le_bytes());
    software.fill(HEADER - SOFTWARE);
    bytes[SOFTWARE..HEADER].copy_from_slice(&software.0);
    bytes.extend(MAGIC[1].to_le_bytes());
    bytes
}

/// Mark and size of the record of floating point.
const FLOATING_POINT: (u32, u32) = (0x4650_8001, 528);
/// Offset of the general registers in the frame: 128 bytes about the signal, 176 before the machine's context, 8 of a fault.
const CONTEXT: usize = 128 + 176 + 8;
/// Bytes for records behind the registers, of which the unused ones are zero.
const RECORDS: usize = 4096;

/// `struct rt_sigframe` of aarch64. Scalable vectors keep what is floating point of them.
pub fn aarch64(_: u64, _: u64, state: &State) -> Vec<u8> {
    let mut frame = Frame(vec![0; 128]);
    frame.words(&[0, 0]);
    frame.words(&[0, NO_CHANGE, 0]);
    frame.words(&[state.mask]);
    frame.fill(CONTEXT);
    frame.0.extend(&state.general);
    frame.fill(frame.0.len().next_multiple_of(16));
    let records = frame.0.len();
    if let Some((_, saved)) = state.extended.first() {
        // vectors, status and control: the other way round than in the register set
        let (vectors, control) = saved.split_at(saved.len().min(512));
        frame.0.extend(FLOATING_POINT.0.to_le_bytes());
        frame.0.extend(FLOATING_POINT.1.to_le_bytes());
        frame.0.extend(control.get(..8).unwrap_or(&[0; 8]));
        frame.0.extend(vectors);
    }
    frame.fill(records + RECORDS);
    frame.0
}
