//! Records that the collector takes in per CPU second, from IPFIX and NetFlow v9 messages of several templates, beside what only
//! receiving the same datagrams costs.
//! `cargo run --release -p pidflow-collector --example collector_speed`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a program for developers")]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use netflow_parser::NetflowParser;
use pidflow_collector::{Collector, Settings};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};

const NOW_NS: u64 = 1_767_225_700_000_000_000;
const RECORDS: u64 = 4000;
/// A router's template.
const ROUTER: &str = "%IPV4_SRC_ADDR %IPV4_DST_ADDR %L4_SRC_PORT %L4_DST_PORT %PROTOCOL %SRC_TOS %TCP_FLAGS %IN_PKTS %IN_BYTES \
    %FLOW_START_MILLISECONDS %FLOW_END_MILLISECONDS %INPUT_SNMP %FLOW_END_REASON";
const TEMPLATES: [(&str, &str); 3] =
    [("a router's 13 fields", ROUTER), ("@FLOW@", "@FLOW@"), ("@FLOW@ @PROCESS@", "@FLOW@ @PROCESS@")];

fn messages(template: &str, is_ipfix: bool) -> Vec<Vec<u8>> {
    let records: Vec<_> = (0..RECORDS).map(sample::full).collect();
    let (template, mut all) = (Template::parse(template).unwrap(), Vec::new());
    let mut keep = |m: pidflow_exporters::Message<'_>| all.push(m.bytes.to_vec());
    if is_ipfix {
        IpfixEncoder::new(template, IpfixOptions::default()).encode(&records, NOW_NS, &mut keep);
    } else {
        Netflow9Encoder::new(template, Netflow9Options::default()).encode(&records, NOW_NS, &mut keep);
    }
    all
}

/// CPU time of this thread, seconds.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Millions of records per CPU second, the median of several rounds. A round returns its CPU seconds.
fn speed(mut round: impl FnMut() -> f64) -> f64 {
    let (mut all, started) = (Vec::new(), Instant::now());
    while started.elapsed() < Duration::from_secs(3) {
        all.push(RECORDS as f64 / round() / 1e6);
    }
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// CPU seconds of the work.
fn timed(work: impl FnOnce()) -> f64 {
    let began = cpu_seconds();
    work();
    cpu_seconds() - began
}

/// CPU seconds of receiving the messages on a socket, a few at a time so that all fit into its buffer.
fn received(messages: &[Vec<u8>], socket: &UdpSocket, buffer: &mut [u8]) -> f64 {
    let mut seconds = 0.0;
    for some in messages.chunks(32) {
        for message in some {
            socket.send_to(message, socket.local_addr().unwrap()).unwrap();
        }
        seconds += timed(|| {
            for _ in some {
                socket.recv_from(buffer).unwrap();
            }
        });
    }
    seconds
}

fn main() {
    let from: SocketAddr = "192.0.2.1:4739".parse().unwrap();
    let (socket, mut buffer) = (UdpSocket::bind("127.0.0.1:0").unwrap(), vec![0; 65_536]);
    for (name, template) in TEMPLATES {
        for is_ipfix in [true, false] {
            let messages = messages(template, is_ipfix);
            let (mut collector, mut out) = (Collector::new(Settings::default()), Vec::new());
            let ours = speed(|| {
                out.clear();
                timed(|| messages.iter().for_each(|m| collector.datagram(m, from, NOW_NS, &mut out)))
            });
            assert_eq!(out.len(), RECORDS as usize, "{:?}", collector.counters());
            let floor = speed(|| received(&messages, &socket, &mut buffer));
            let mut parser = NetflowParser::default();
            let theirs =
                speed(|| timed(|| messages.iter().for_each(|m| drop(std::hint::black_box(parser.parse_bytes(m))))));
            let protocol = if is_ipfix { "IPFIX" } else { "NetFlow v9" };
            println!(
                "{name}, {protocol}: {ours:.2} M/s; only received: {floor:.2} M/s ({:.2}); netflow_parser, values only: {theirs:.2} M/s",
                ours / floor
            );
        }
    }
}
