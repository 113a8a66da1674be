//! Memory of the flow table, measured at the allocator.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use etherparse::PacketBuilder;
use pidflow_engine::decode::{DecodeRules, Decoder, Frame, LinkType, PayloadRule};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_engine::packet::Packet;
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

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
fn memory_is_bounded_per_flow() {
    memory_is_given_back_after_a_flood();
    names_of_all_flows_fit_into_their_share();
}

/// An exchange of HTTP: one of a hundred hosts and of ten programs, and one of a thousand paths.
fn exchange(flow: u32) -> [Vec<u8>; 2] {
    let (client, server) = ([11, (flow >> 16) as u8, (flow >> 8) as u8, flow as u8], [10, 0, 0, 1]);
    let request = format!(
        "GET /item/{} HTTP/1.1\r\nHost: www{}.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Test/{}\r\n\r\n",
        flow % 1000,
        flow % 100,
        flow % 10
    );
    let build = |from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]| {
        let mut data = Vec::new();
        PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1000).ack(1).write(&mut data, payload).unwrap();
        data
    };
    [
        build((client, 4000), (server, 80), request.as_bytes()),
        build((server, 80), (client, 4000), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]
}

/// Every flow has a request, a response and a latency; none is lost for lack of memory.
fn names_of_all_flows_fit_into_their_share() {
    for flows in [30_000_u32, 50_000, 60_000] {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let config = FlowTableConfig { max_flows: flows as usize, ..FlowTableConfig::default() };
        let mut decoder = Decoder::new(DecodeRules { payloads: PayloadRule::Pick, ..DecodeRules::default() });
        let mut table = FlowTable::new(config);
        let mut out = Vec::with_capacity(flows as usize);
        for flow in 0..flows {
            for (data, time_ns) in exchange(flow).iter().zip([1, 2]) {
                let frame = Frame { time_ns, wire_octets: data.len() as u32, interface: 0, data };
                let packet = decoder.decode(LinkType::RawIp, &frame).unwrap();
                table.set_payloads(decoder.take_payloads());
                table.update(&packet, &mut out);
            }
        }
        table.set_payloads(decoder.take_payloads());
        let each = (ALLOCATED.load(Ordering::Relaxed) - before - size_of::<Flow>() * flows as usize) / flows as usize;
        println!("{flows} flows with names: {each} bytes each");
        assert!(each <= FlowTable::BYTES_PER_FLOW + FlowTable::BYTES_PER_WATCHED_FLOW, "{each}");
        assert_eq!(table.counters().payloads_dropped, 0);
        table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
        let names = out.iter().filter_map(|flow| flow.application.as_ref()?.server_name().map(str::len));
        assert_eq!((out.len(), names.count()), (flows as usize, flows as usize));
        assert!(out.iter().all(|flow| flow.http_latency.is_some()));
    }
}

fn memory_is_given_back_after_a_flood() {
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
