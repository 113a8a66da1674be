//! Memory of the flow table, measured at the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_engine::packet::Packet;
use pidflow_schema::record::{FlowEndDetail, FlowEndReason};

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all work is passed to the system allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller of this function guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const SECOND: u64 = 1_000_000_000;
const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 53);

fn packet(time_ns: u64, flow: u32) -> Packet {
    let client = (IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + flow / 50_000)), 1000 + (flow % 50_000) as u16);
    Packet::new(time_ns, 17, client, SERVER).with_octets(100, 114)
}

/// One test: the allocator counts for the whole process.
#[test]
fn memory_is_bounded_per_flow_and_given_back_after_a_flood() {
    let mut out = Vec::with_capacity(20_000);
    for flood in [30_000_u32, 100_000, 180_000, 262_145] {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let allocated = || ALLOCATED.load(Ordering::Relaxed) - before;
        PEAK.store(before, Ordering::Relaxed);
        let mut table = FlowTable::new(FlowTableConfig::default());
        // Memory of an empty table (the filter of changes and the smallest index), and half a chunk of flows.
        let fixed = allocated() + 200_000;
        (0..flood).for_each(|flow| table.update(&packet(u64::from(flow), flow), &mut out));
        let bound = FlowTable::BYTES_PER_FLOW * flood as usize + fixed;
        assert!(FlowTableConfig::max_flows_within(bound) >= flood as usize);
        let peak = PEAK.load(Ordering::Relaxed) - before;
        assert!(peak <= bound, "{flood}: {peak} of {bound}");
        let inexact = allocated().abs_diff(table.allocated_bytes());
        assert!(inexact <= fixed, "{flood}: {inexact} bytes unknown");
        let at_flood = allocated();

        // Every hundredth flow continues; the others end.
        let lasting: Vec<u32> = (0..flood).step_by(100).collect();
        for second in (5..60).step_by(5) {
            lasting.iter().for_each(|flow| table.update(&packet(second * SECOND, *flow), &mut out));
            while table.expire(second * SECOND, &mut out) {
                out.clear();
            }
            out.clear();
        }
        assert_eq!(table.len(), lasting.len());
        // Memory of 8,192 slots or fewer is not returned.
        assert!(
            allocated() < at_flood / 10 + 8192 * FlowTable::BYTES_PER_FLOW,
            "{flood}: {} of {at_flood} kept",
            allocated()
        );
        // Moved flows are found, listed and counted as before.
        lasting.iter().for_each(|flow| table.update(&packet(59 * SECOND, *flow), &mut out));
        assert_eq!(table.len(), lasting.len());
        table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
        assert_eq!(out.len(), lasting.len());
        assert!(out.iter().all(|flow| flow.forward.packets == 13), "one of the flood, twelve after it");
        out.clear();
    }
}
