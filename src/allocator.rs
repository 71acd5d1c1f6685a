//! The memory allocator: mimalloc for what is small, the system's for what is large.
//!
//! sled frees on one thread what another one allocated, and small, which costs the system's allocator about
//! as much as the rest of building an index. mimalloc does it in half the time, but holds on to what it once
//! had; the 64 MiB of a key derivation are needed once.
//!
//! The system's gives large blocks back at once as long as it takes each of them from the kernel. glibc's leaves
//! that after the first one that was freed, and keeps tens of megabytes for each thread then: it is told not to.

#![expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use mimalloc::MiMalloc;

/// Chooses by size.
pub(crate) struct Allocator;

/// Bytes from which on the system is asked, which gives such blocks back at once.
const LARGE: usize = 1 << 20;

fn is_large(size: usize) -> bool {
    size >= LARGE
}

/// The system's allocator for large blocks, which is told how before it is first asked.
fn system() -> System {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.load(Ordering::Relaxed) {
        TOLD.store(true, Ordering::Relaxed);
        keep_nothing();
    }
    System
}

/// Fixes the size from which on glibc takes a block from the kernel, and gives it back there when it is freed.
#[cfg(target_env = "gnu")]
fn keep_nothing() {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    const M_MMAP_THRESHOLD: c_int = -3;
    // SAFETY: it takes two numbers, at any time and on any thread. That it may refuse changes what stays in memory only.
    unsafe { mallopt(M_MMAP_THRESHOLD, LARGE as c_int) };
}

#[cfg(not(target_env = "gnu"))]
fn keep_nothing() {}

// SAFETY: both allocators keep the contract, and a block goes back to the one that it came from, because
// that is chosen by the block's size alone, which every call names.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on, here and below.
        unsafe { if is_large(layout.size()) { system().alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_large(layout.size()) {
                system().alloc_zeroed(layout)
            } else {
                MiMalloc.alloc_zeroed(layout)
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe {
            if is_large(layout.size()) {
                System.dealloc(block, layout);
            } else {
                MiMalloc.dealloc(block, layout);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; where the allocator changes, the old block is left alone until it was copied.
        unsafe {
            match (is_large(layout.size()), is_large(size)) {
                (true, true) => System.realloc(block, layout, size),
                (false, false) => MiMalloc.realloc(block, layout, size),
                _ => {
                    let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}
