//! Parts of the whole-program benchmark `tests/bench/run.sh`.
//!
//! `bench generate FILE PACKETS FLOWS SNAP` writes a capture, `bench floor FILE` reads one with a bare libpcap loop,
//! `bench measure NAME RUNS PACKETS -- COMMAND…` runs a command and prints what it used.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark may panic")]

mod generate;
mod measure;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["generate", file, packets, flows, snap] => {
            let number = |text: &str| text.parse::<u64>().expect("a number");
            generate::write(file, number(packets), number(flows), number(snap) as usize);
        }
        ["floor", file] => floor(file),
        ["measure", name, runs, packets, "--", command @ ..] => {
            measure::run(name, runs.parse().expect("a number"), packets.parse().expect("a number"), command);
        }
        _ => panic!("see the head of agent/examples/bench/main.rs"),
    }
}

/// The minimum that any libpcap program needs: `pcap_next_ex` for every packet, and no further work.
fn floor(file: &str) {
    let mut capture = pcap::Capture::from_file(file).expect("a capture file");
    let (mut packets, mut octets) = (0_u64, 0_u64);
    while let Ok(packet) = capture.next_packet() {
        packets += 1;
        octets += u64::from(packet.header.len);
    }
    println!("{packets} packets, {octets} octets");
}
