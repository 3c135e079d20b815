//! The allocator, and how long it keeps what is free.

// Replies, records and messages are many small blocks, freed on the thread that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For so long free memory stays with the process: longer than a busy node takes from one snapshot to the next.
const KEPT_MS: core::ffi::c_long = 10_000;
/// `mi_option_purge_delay` of mimalloc 3 (`mimalloc.h`, `mi_option_e`), which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// A replica's log in memory grows by what is written and is freed by each snapshot. By default the allocator gives
/// freed pages back after 10 ms, and the kernel clears each of them anew: a tenth of the processor time of a SET
/// (docs/performance.md). `MIMALLOC_PURGE_DELAY` in the environment goes before.
pub(crate) fn keep_what_is_free() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    #[expect(unsafe_code, reason = "a foreign function that stores a number in an array")]
    // SAFETY: called before any other thread exists, with an option that this version has.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MS);
    }
}
