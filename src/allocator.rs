//! The memory allocator: mimalloc for what is small, the system's for what is large.
//!
//! sled frees on one thread what another one allocated, and small, which costs the system's allocator about
//! as much as the rest of building an index. mimalloc does it in half the time, but holds on to what it once
//! had; the 64 MiB of a key derivation are needed once.
//!
//! Both hold on to less once they are told how, see [`hold_less`].

#![expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_int, c_long};

use mimalloc::MiMalloc;

/// Chooses by size.
pub(crate) struct Allocator;

/// Bytes from which on the system is asked, which gives such blocks back at once.
const LARGE: usize = 1 << 20;

fn is_large(size: usize) -> bool {
    size >= LARGE
}

/// Has both hold on to less of what was freed; to be called before other threads are started.
///
/// - glibc gives a large block back at once as long as it takes each of them from the kernel. It leaves that after the
///   first one that was freed, and keeps tens of megabytes for each thread then.
/// - mimalloc has a thread take over a page that it frees a block of, and fill it again, while sled's cache goes on to
///   fill others: with 200,000 values set that was 200 MB in place of 160.
pub(crate) fn hold_less() {
    unsafe extern "C" {
        #[cfg(target_env = "gnu")]
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
        fn mi_option_set(option: c_int, value: c_long);
    }
    #[cfg(target_env = "gnu")]
    const M_MMAP_THRESHOLD: c_int = -3;
    /// `mi_option_page_reclaim_on_free` of mimalloc 3.
    const PAGE_RECLAIM_ON_FREE: c_int = 35;
    const NEVER: c_long = -1;
    // SAFETY: each takes two numbers. What they do not know or refuse changes what stays in memory only.
    unsafe {
        #[cfg(target_env = "gnu")]
        mallopt(M_MMAP_THRESHOLD, LARGE as c_int);
        mi_option_set(PAGE_RECLAIM_ON_FREE, NEVER);
    }
}

// SAFETY: both allocators keep the contract, and a block goes back to the one that it came from, because
// that is chosen by the block's size alone, which every call names.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on, here and below.
        unsafe { if is_large(layout.size()) { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_large(layout.size()) { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) }
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
