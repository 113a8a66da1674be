//! Bytes that this thread has ever asked the allocator for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static OCTETS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `run` asks for, after a first time that fills what is kept.
pub(crate) fn by(run: &mut dyn FnMut()) -> u64 {
    run();
    let before = OCTETS.get();
    run();
    OCTETS.get() - before
}

// SAFETY: everything is the system allocator's doing; counting allocates nothing (a const cell without a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        OCTETS.set(OCTETS.get() + layout.size() as u64);
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // One that does not grow is counted too: a caller that wants none must see it.
        OCTETS.set(OCTETS.get() + size.saturating_sub(layout.size()).max(1) as u64);
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.realloc(at, layout, size) }
    }
}
