//! How the program ends when it is ended: by a signal, by a file that becomes shorter while it is mapped, for want of memory.
//!
//! Temporary files go, standard error says why, and the exit code is that of a failure; a signal ends it as it would without
//! us. What runs in handlers is async-signal-safe: it looks at tables of atomic numbers, unlinks, writes and ends.
//!
//! Only the command [installs](install) this: signals and allocator of a host that uses the library are its own. There, a
//! mapped file that another process shortens raises SIGBUS.
//!
//! Rejected: copying every dump, which takes its size in memory; looking at a file's size before each access, between which
//! and the access it may shrink; files without a name (`O_TMPFILE`), which not all file systems have, and which need a name
//! before they can replace another.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Whether handlers are in place. Nothing is noted for them otherwise.
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// Temporary files and directories; more than threads can write at a time.
static LEFTOVERS: [AtomicPtr<c_char>; 2048] = [const { AtomicPtr::new(ptr::null_mut()) }; 2048];
/// Files that are being made and may not be in the table yet.
static MAKING: AtomicUsize = AtomicUsize::new(0);
/// Whether a signal is ending the program: nothing is made any more.
static STOPPING: AtomicBool = AtomicBool::new(false);
/// Mapped files.
static MAPPED: [Mapping; 256] = [const { Mapping::none() }; 256];

struct Mapping {
    start: AtomicUsize,
    length: AtomicUsize,
    name: AtomicPtr<c_char>,
}

impl Mapping {
    const fn none() -> Self {
        Self { start: AtomicUsize::new(0), length: AtomicUsize::new(0), name: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// A place in the table of temporary files, until this is dropped: whoever drops it has removed or renamed the file.
#[derive(Debug)]
pub struct Leftover {
    place: Option<usize>,
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // never freed: a handler on another thread may be reading it
            LEFTOVERS[place].store(ptr::null_mut(), Ordering::SeqCst);
        }
    }
}

/// Makes a temporary file (or directory) at `path`, which is removed when a signal ends the program.
///
/// # Errors
/// What `make` fails with.
pub fn temporary<T>(path: &Path, make: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Leftover)> {
    if !INSTALLED.load(Ordering::SeqCst) {
        return Ok((make()?, Leftover { place: None }));
    }
    // a handler waits for those who are making something: it must not interrupt one of them
    let held = platform::Held::new();
    MAKING.fetch_add(1, Ordering::SeqCst);
    if STOPPING.load(Ordering::SeqCst) {
        MAKING.fetch_sub(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
    let leftover = Leftover { place: note(path) };
    let made = make();
    MAKING.fetch_sub(1, Ordering::SeqCst);
    drop(held);
    Ok((made?, leftover))
}

fn note(path: &Path) -> Option<usize> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?.into_raw();
    let is_free = |slot: &AtomicPtr<c_char>| {
        slot.compare_exchange(ptr::null_mut(), path, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    };
    LEFTOVERS.iter().position(is_free)
}

/// A mapping in the table of mapped files, until this is dropped.
#[derive(Debug)]
pub struct Watched {
    place: Option<usize>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            MAPPED[place].length.store(0, Ordering::SeqCst);
            MAPPED[place].start.store(0, Ordering::SeqCst);
        }
    }
}

/// Notes that `bytes` are the mapped file `name`, whose loss is told by this name.
pub fn watch_mapping(bytes: &[u8], name: &str) -> Watched {
    if !INSTALLED.load(Ordering::SeqCst) || bytes.is_empty() {
        return Watched { place: None };
    }
    let visible: String = name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let start = bytes.as_ptr() as usize;
    let is_free =
        |mapping: &Mapping| mapping.start.compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    let place = MAPPED.iter().position(is_free);
    if let (Some(place), Ok(name)) = (place, CString::new(visible)) {
        MAPPED[place].name.store(name.into_raw(), Ordering::SeqCst);
        MAPPED[place].length.store(bytes.len(), Ordering::SeqCst);
    }
    Watched { place }
}

/// The name of the mapped file with this address; null where there is none.
fn mapped_at(address: usize) -> *const c_char {
    let is_in = |mapping: &&Mapping| {
        let start = mapping.start.load(Ordering::SeqCst);
        address.checked_sub(start).is_some_and(|offset| offset < mapping.length.load(Ordering::SeqCst))
    };
    MAPPED.iter().find(is_in).map_or(ptr::null(), |mapping| mapping.name.load(Ordering::SeqCst).cast_const())
}

/// From here on, signals that end the program remove what it leaves, and a lost mapping is told.
pub fn install() {
    if !INSTALLED.swap(true, Ordering::SeqCst) {
        platform::install();
    }
}

/// The system's allocator; where there is no memory, the command says so and ends, with nothing left behind.
#[derive(Debug)]
pub struct Allocator;

impl Allocator {
    #[inline]
    fn checked(memory: *mut u8, bytes: usize) -> *mut u8 {
        if memory.is_null() && INSTALLED.load(Ordering::Relaxed) {
            platform::end_for_want_of_memory(bytes);
        }
        memory
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one passes everything on to the system's")]
// SAFETY: all calls are the system allocator's own, with the same arguments.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        Self::checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        Self::checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        Self::checked(unsafe { System.realloc(memory, layout, size) }, size)
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "signal handlers, and the few calls that they may make")]
mod platform {
    use nix::libc;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};

    use super::{AtomicPtr, LEFTOVERS, MAKING, Ordering, STOPPING, c_char, c_int, c_void, mapped_at, ptr};

    /// Signals by which a user or the system asks the program to end.
    const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    /// The longest wait for a file that is being made, in milliseconds.
    const PATIENCE: usize = 1_000;
    /// The exit code of a failure.
    const FAILURE: c_int = 2;

    /// Keeps the ending signals from this thread until it is dropped.
    pub(super) struct Held(Option<SigSet>);

    impl Held {
        pub(super) fn new() -> Self {
            Self(SigSet::from_iter(ENDING).thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.as_ref().map(SigSet::thread_set_mask);
        }
    }

    pub(super) fn install() {
        for signal in ENDING {
            // whoever was started with a signal ignored, as by `nohup`, goes on ignoring it
            let action = SigAction::new(SigHandler::Handler(end), SaFlags::SA_ONSTACK, SigSet::empty());
            // SAFETY: the handler makes async-signal-safe calls only.
            if let Ok(before) = unsafe { sigaction(signal, &action) }
                && matches!(before.handler(), SigHandler::SigIgn)
            {
                // SAFETY: what was there before.
                let _ = unsafe { sigaction(signal, &before) };
            }
        }
        let lost = SigAction::new(SigHandler::SigAction(lost), SaFlags::SA_ONSTACK, SigSet::empty());
        // SAFETY: the handler makes async-signal-safe calls only.
        let _ = unsafe { sigaction(Signal::SIGBUS, &lost) };
        // a limit of the size of files is an error of the write, not the end; programs that we start have their own default
        let go_on = SigAction::new(SigHandler::Handler(go_on), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler does nothing.
        let _ = unsafe { sigaction(Signal::SIGXFSZ, &go_on) };
    }

    extern "C" fn go_on(_: c_int) {}

    /// Removes what would be left, and ends as the signal does by default.
    extern "C" fn end(signal: c_int) {
        STOPPING.store(true, Ordering::SeqCst);
        let moment = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        for _ in 0..PATIENCE {
            if MAKING.load(Ordering::SeqCst) == 0 {
                break;
            }
            // SAFETY: a pointer to a value on the stack.
            unsafe { libc::nanosleep(&raw const moment, ptr::null_mut()) };
        }
        remove_leftovers();
        // SAFETY: both are async-signal-safe; the signal comes when this handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }

    /// A page of a mapped file that is not there any more.
    extern "C" fn lost(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        // SAFETY: the kernel passes a valid description of the signal.
        let address = unsafe { (*info).si_addr() } as usize;
        let name = mapped_at(address);
        if name.is_null() {
            // none of ours: it comes again, and ends us
            // SAFETY: async-signal-safe.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            return;
        }
        say(b"retainers: cannot read `");
        // SAFETY: the name is a string that is never freed.
        say(unsafe { std::ffi::CStr::from_ptr(name) }.to_bytes());
        say(b"` to its end: it became shorter while it was read, or its disk failed\n");
        fail();
    }

    /// Says that there is no memory for `bytes` more, and ends.
    #[cold]
    pub(super) fn end_for_want_of_memory(bytes: usize) -> ! {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = bytes;
        loop {
            start -= 1;
            digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 || start == 0 {
                break;
            }
        }
        say(b"retainers: not enough memory: the system refuses ");
        say(&digits[start..]);
        say(b" bytes more (is there a limit, such as `ulimit -v`?)\n");
        fail();
    }

    fn fail() -> ! {
        remove_leftovers();
        // SAFETY: ends the process; nothing runs after it.
        unsafe { libc::_exit(FAILURE) }
    }

    fn say(words: &[u8]) {
        // SAFETY: a pointer to so many bytes.
        unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
    }

    fn remove_leftovers() {
        let each = |remove: unsafe extern "C" fn(*const c_char) -> c_int| {
            for path in LEFTOVERS.iter().map(|slot: &AtomicPtr<c_char>| slot.load(Ordering::SeqCst)) {
                if !path.is_null() {
                    // SAFETY: a string that is never freed.
                    unsafe { remove(path) };
                }
            }
        };
        // directories once they are empty
        each(libc::unlink);
        each(libc::rmdir);
    }
}

#[cfg(not(unix))]
mod platform {
    pub(super) struct Held;

    impl Held {
        pub(super) fn new() -> Self {
            Self
        }
    }

    pub(super) fn install() {}

    /// The runtime says so, and ends.
    pub(super) fn end_for_want_of_memory(_: usize) {}
}
