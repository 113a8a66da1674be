//! Connections of publishers of ZeroMQ: none makes the collector panic, exceed its memory, or lose count of its records.
//!
//! The input is a header frame of one of the lengths that there are, chosen by the first octet, and a payload; and the octets of a
//! connection.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use pidflow_collector::{Collector, Limits, Protocol, Settings, Subscriber};

const NOW_NS: u64 = 1_767_225_700_000_000_000;
const LIMITS: Limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 16 };
const HEADERS: [usize; 4] = [24, 28, 36, 40];

fuzz_target!(|octets: &[u8]| {
    let publisher = SocketAddr::from((Ipv4Addr::LOCALHOST, 5556));
    let mut collector = Collector::new(Settings { limits: LIMITS, ..Settings::default() });
    let mut out = Vec::new();
    let mut subscriber = Subscriber::default();
    for part in octets.chunks(97) {
        if subscriber.take(part, |frames| collector.zmq(frames, publisher, NOW_NS, &mut out)).is_err() {
            break;
        }
    }
    if let Some((first, rest)) = octets.split_first()
        && let Some((header, payload)) = rest.split_at_checked(HEADERS[usize::from(*first) % HEADERS.len()])
    {
        collector.zmq(&[header.to_vec(), payload.to_vec()], publisher, NOW_NS, &mut out);
    }
    assert!(collector.kept_bytes() <= LIMITS.max_bytes);
    assert_eq!(collector.counters().records(Protocol::Zmq), out.len() as u64);
});
