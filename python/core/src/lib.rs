//! Walks the heap of the Python process that loaded it.
#![cfg_attr(not(test), no_std)]

#[cfg(shared_library)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    unsafe { abort() }
}

#[unsafe(no_mangle)]
pub extern "C" fn retainers_core_version() -> i32 {
    1
}
