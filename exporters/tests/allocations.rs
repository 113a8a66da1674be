//! Once warm, encoders do not allocate.
#![allow(unsafe_code, reason = "counting allocations needs an allocator of one's own")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};

const NOW_NS: u64 = 1_767_230_000_000_000_000;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the second of two runs.
fn second_run(mut run: impl FnMut()) -> u64 {
    run();
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn no_encoder_allocates_for_a_record() {
    let records = sample::records(1000);
    let mut ipfix = IpfixEncoder::new(Template::default(), IpfixOptions::default());
    assert_eq!(second_run(|| ipfix.encode(&records, NOW_NS, &mut |_| {})), 0);
    let mut netflow9 = Netflow9Encoder::new(Template::default(), Netflow9Options::default());
    assert_eq!(second_run(|| netflow9.encode(&records, NOW_NS, &mut |_| {})), 0);
    let (json, mut out) = (JsonEncoder::new(&Template::default(), JsonKeys::Names, 1), Vec::new());
    let json = second_run(|| {
        out.clear();
        json.encode(&records, &mut out);
    });
    assert_eq!(json, 0);
}
