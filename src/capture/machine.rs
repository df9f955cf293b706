//! What differs between processors: registers, system calls, the few instructions that a thread runs for us, and the signal
//! frame by which the kernel puts a thread back where it was.
//!
//! All of it is data and compiles everywhere, so that each is tested on any machine; [`HOST`] is the one that we run on.
//! Sources: `struct user_regs_struct`, `struct user_pt_regs`, `struct rt_sigframe` and `struct sigcontext` of the kernel's
//! interface (`asm/ptrace.h`, `asm/sigcontext.h`), and its tables of system calls.

use super::frame;
use super::trace::State;

/// A processor architecture.
#[derive(Debug)]
pub struct Machine {
    /// Its name, as assemblers know it.
    pub name: &'static str,
    /// Instructions that a thread runs for us: `stub/NAME.s`.
    pub code: &'static [u8],
    /// Where in the code the entry is that calls a function between two others (lock and unlock).
    pub locked: u64,
    /// … the entry for a pending call of the interpreter.
    pub pending: u64,
    /// … the function that shows whether calls work: the first argument and twice the second.
    pub probe: u64,
    /// Bytes of the general registers.
    pub registers: usize,
    /// Offset of the instruction pointer in them.
    pub instruction: usize,
    /// … of the stack pointer.
    pub stack: usize,
    /// … of what a function or system call returns.
    pub result: usize,
    /// … of the number of a system call that is to be made.
    pub number: usize,
    /// … of the arguments of system calls; the first two are those of functions, too.
    pub arguments: [usize; 6],
    /// … of the address that a function returns to, where that is a register.
    pub link: Option<usize>,
    /// … of the number of the system call that the thread was stopped in; all ones for none.
    pub entered: Option<usize>,
    /// … of flags, and those that must be clear when a function is called.
    pub flags: Option<(usize, u64)>,
    /// Bytes below the stack pointer that a running function may use.
    pub red_zone: u64,
    /// Register sets beside the general ones, in the order in which they are set; the first is always there.
    pub extended: &'static [usize],
    /// `mmap`, `munmap` and `futex`.
    pub calls: [u64; 3],
    /// System calls in which a thread waits for something, and is in the middle of nothing else.
    pub waiting: &'static [u64],
    /// Instructions that make a system call and return.
    pub system_call: &'static [u8],
    /// Instructions that end a signal handler: any of these.
    pub signal_return: &'static [&'static [u8]],
    /// A signal frame that restores a state: its address, the address of what ends a signal handler, the state.
    pub frame: fn(u64, u64, &State) -> Vec<u8>,
}

/// The architecture of this program; `None` where processes cannot be injected.
pub const HOST: Option<&Machine> = if cfg!(target_arch = "x86_64") {
    Some(&X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(&AARCH64)
} else {
    None
};

/// Words of the block below a thread's stack by which we and it talk while it runs our code, 8 bytes each; the signal frame
/// follows at [`block::FRAME`].
pub mod block {
    /// 0 while it runs, [`DONE`] when it waits to be stopped, [`LEFT`] when it has gone back by itself.
    pub const STATE: usize = 0;
    /// What the function returned.
    pub const RESULT: usize = 1;
    /// The function.
    pub const FUNCTION: usize = 2;
    /// Its two arguments.
    pub const ARGUMENTS: usize = 3;
    /// What is called before; its result is the argument of the unlocking one.
    pub const LOCK: usize = 5;
    /// What is called afterwards; 0 for nothing.
    pub const UNLOCK: usize = 6;
    /// What the locking one returned.
    pub const LOCKED: usize = 7;
    /// How far it is: 1 in the locking one, 2 in the function, 3 in the unlocking one, 4 beyond.
    pub const STAGE: usize = 8;
    /// The mapping of the code, and its length.
    pub const PAGE: usize = 9;
    /// Instructions that make a system call and return.
    pub const SYSTEM_CALL: usize = 11;
    /// Rounds that it waits to be stopped.
    pub const ROUNDS: usize = 12;
    /// Instructions that end a signal handler.
    pub const SIGNAL_RETURN: usize = 13;
    /// Offset of the signal frame, in bytes.
    pub const FRAME: u64 = 128;
    /// It waits to be stopped.
    pub const DONE: u64 = 1;
    /// It has gone back by itself.
    pub const LEFT: u64 = 2;
}

impl Machine {
    /// Whether a thread in this system call waits for something, and is in the middle of nothing else.
    pub fn is_waiting(&self, system_call: u64) -> bool {
        self.waiting.contains(&system_call)
    }
}

/// x86-64.
pub static X86_64: Machine = Machine {
    name: "x86_64",
    code: &X86_64_CODE,
    locked: 0x10,
    pending: 0x90,
    probe: 0xc0,
    registers: 27 * 8,
    instruction: 16 * 8,
    stack: 19 * 8,
    result: 10 * 8,
    number: 10 * 8,
    arguments: [14 * 8, 13 * 8, 12 * 8, 7 * 8, 9 * 8, 8 * 8],
    link: None,
    entered: Some(15 * 8),
    flags: Some((18 * 8, DIRECTION_AND_TRAP)),
    red_zone: 128,
    extended: &[0x202],
    calls: [9, 11, 202],
    // read, poll, select, pause, nanosleep, connect, accept, recvfrom, recvmsg, wait4, msgrcv, flock, rt_sigtimedwait,
    // rt_sigsuspend, futex, io_getevents, restart_syscall, semtimedop, clock_nanosleep, epoll_wait, mq_timedreceive, waitid,
    // pselect6, ppoll, epoll_pwait, accept4, recvmmsg, io_uring_enter, epoll_pwait2, futex_waitv, futex_wait
    waiting: &[
        0, 7, 23, 34, 35, 42, 43, 45, 47, 61, 70, 73, 128, 130, 202, 208, 219, 220, 230, 232, 243, 247, 270, 271, 281,
        288, 299, 426, 441, 449, 455,
    ],
    system_call: &[0x0f, 0x05, 0xc3],
    signal_return: &[
        &[0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
        &[0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
    ],
    frame: frame::x86_64,
};

/// Bits of the flags: the direction of string instructions, and single steps.
const DIRECTION_AND_TRAP: u64 = 0x500;

/// aarch64.
pub static AARCH64: Machine = Machine {
    name: "aarch64",
    code: &AARCH64_CODE,
    locked: 0x10,
    pending: 0xb0,
    probe: 0xf0,
    registers: 34 * 8,
    instruction: 32 * 8,
    stack: 31 * 8,
    result: 0,
    number: 8 * 8,
    arguments: [0, 8, 16, 24, 32, 40],
    link: Some(30 * 8),
    entered: None,
    flags: None,
    red_zone: 0,
    // floating point; the scalable vectors contain it, and may not be there
    extended: &[2, 0x405],
    calls: [222, 215, 98],
    // as above, as far as it has them
    waiting: &[
        4, 22, 32, 63, 72, 73, 95, 98, 101, 115, 128, 133, 137, 183, 188, 192, 202, 203, 207, 212, 242, 243, 260, 426,
        441, 449, 455,
    ],
    system_call: &[0x01, 0x00, 0x00, 0xd4, 0xc0, 0x03, 0x5f, 0xd6],
    signal_return: &[&[0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4]],
    frame: frame::aarch64,
};

#[rustfmt::skip]
const X86_64_CODE: [u8; 197] = [
    0x48, 0x89, 0xfb, 0xeb, 0x1d, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x48, 0x89, 0xfb, 0x48, 0xc7, 0x43, 0x40, 0x01, 0x00, 0x00, 0x00, 0xff, 0x53, 0x28, 0x48, 0x89,
    0x43, 0x38, 0x48, 0xc7, 0x43, 0x40, 0x02, 0x00, 0x00, 0x00, 0x48, 0x8b, 0x7b, 0x18, 0x48, 0x8b,
    0x73, 0x20, 0x31, 0xc0, 0xff, 0x53, 0x10, 0x48, 0x89, 0x43, 0x08, 0x48, 0x83, 0x7b, 0x30, 0x00,
    0x74, 0x0f, 0x48, 0xc7, 0x43, 0x40, 0x03, 0x00, 0x00, 0x00, 0x48, 0x8b, 0x7b, 0x38, 0xff, 0x53,
    0x30, 0x48, 0xc7, 0x43, 0x40, 0x04, 0x00, 0x00, 0x00, 0x48, 0xc7, 0x03, 0x01, 0x00, 0x00, 0x00,
    0x48, 0x8b, 0x4b, 0x60, 0xf3, 0x90, 0x48, 0xff, 0xc9, 0x75, 0xf9, 0x48, 0xc7, 0x03, 0x02, 0x00,
    0x00, 0x00, 0x48, 0x8d, 0xa3, 0x80, 0x00, 0x00, 0x00, 0x48, 0x8b, 0x7b, 0x48, 0x48, 0x8b, 0x73,
    0x50, 0xb8, 0x0b, 0x00, 0x00, 0x00, 0xff, 0x63, 0x58, 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00,
    0x53, 0x48, 0x89, 0xfb, 0x48, 0x8b, 0x3b, 0x31, 0xf6, 0x31, 0xc0, 0xff, 0x53, 0x08, 0x48, 0x8b,
    0x7b, 0x10, 0x48, 0x8b, 0x73, 0x18, 0x48, 0x8b, 0x4b, 0x20, 0x5b, 0xb8, 0x0b, 0x00, 0x00, 0x00,
    0xff, 0xe1, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x1f, 0x00,
    0x48, 0x8d, 0x04, 0x77, 0xc3,
];

#[rustfmt::skip]
const AARCH64_CODE: [u8; 248] = [
    0xf3, 0x03, 0x00, 0xaa, 0x09, 0x00, 0x00, 0x14, 0x1f, 0x20, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5,
    0xf3, 0x03, 0x00, 0xaa, 0x29, 0x00, 0x80, 0xd2, 0x69, 0x22, 0x00, 0xf9, 0x69, 0x16, 0x40, 0xf9,
    0x20, 0x01, 0x3f, 0xd6, 0x60, 0x1e, 0x00, 0xf9, 0x49, 0x00, 0x80, 0xd2, 0x69, 0x22, 0x00, 0xf9,
    0x60, 0x0e, 0x40, 0xf9, 0x61, 0x12, 0x40, 0xf9, 0x69, 0x0a, 0x40, 0xf9, 0x20, 0x01, 0x3f, 0xd6,
    0x60, 0x06, 0x00, 0xf9, 0x69, 0x1a, 0x40, 0xf9, 0xa9, 0x00, 0x00, 0xb4, 0x6a, 0x00, 0x80, 0xd2,
    0x6a, 0x22, 0x00, 0xf9, 0x60, 0x1e, 0x40, 0xf9, 0x20, 0x01, 0x3f, 0xd6, 0x89, 0x00, 0x80, 0xd2,
    0x69, 0x22, 0x00, 0xf9, 0x29, 0x00, 0x80, 0xd2, 0x69, 0xfe, 0x9f, 0xc8, 0x6a, 0x32, 0x40, 0xf9,
    0x3f, 0x20, 0x03, 0xd5, 0x4a, 0x05, 0x00, 0xf1, 0xc1, 0xff, 0xff, 0x54, 0x49, 0x00, 0x80, 0xd2,
    0x69, 0xfe, 0x9f, 0xc8, 0x69, 0x02, 0x02, 0x91, 0x3f, 0x01, 0x00, 0x91, 0x60, 0x26, 0x40, 0xf9,
    0x61, 0x2a, 0x40, 0xf9, 0xe8, 0x1a, 0x80, 0xd2, 0x7e, 0x36, 0x40, 0xf9, 0x69, 0x2e, 0x40, 0xf9,
    0x20, 0x01, 0x1f, 0xd6, 0x1f, 0x20, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5,
    0xfd, 0x7b, 0xbe, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0xf3, 0x0b, 0x00, 0xf9, 0xf3, 0x03, 0x00, 0xaa,
    0x60, 0x02, 0x40, 0xf9, 0x01, 0x00, 0x80, 0xd2, 0x69, 0x06, 0x40, 0xf9, 0x20, 0x01, 0x3f, 0xd6,
    0x60, 0x0a, 0x40, 0xf9, 0x61, 0x0e, 0x40, 0xf9, 0x69, 0x12, 0x40, 0xf9, 0xf3, 0x0b, 0x40, 0xf9,
    0xfd, 0x7b, 0xc2, 0xa8, 0xe8, 0x1a, 0x80, 0xd2, 0x20, 0x01, 0x1f, 0xd6, 0x1f, 0x20, 0x03, 0xd5,
    0x00, 0x04, 0x01, 0x8b, 0xc0, 0x03, 0x5f, 0xd6,
];
