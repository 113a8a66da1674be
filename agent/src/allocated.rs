//! Counts the memory of this thread's allocations, for tests of bounds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATED_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has allocated and not freed. Negative if it freed more than it allocated.
pub(crate) fn octets() -> isize {
    ALLOCATED_BYTES.get()
}

// SAFETY: all work is passed to the system allocator; counting allocates nothing (a const cell without a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED_BYTES.set(ALLOCATED_BYTES.get() + layout.size().cast_signed());
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.set(ALLOCATED_BYTES.get() - layout.size().cast_signed());
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }
}
