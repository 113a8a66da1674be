//! Connections built packet by packet: every figure is known.

mod broken;
mod hostile;
mod whole;

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason, TcpDirection, TcpEnd, TcpHealth, TcpState};

use crate::decode::{DecodeRules, Decoder, Frame, LinkType, TcpRule};
use crate::flow_table::{FlowTable, FlowTableConfig};
use crate::packet::TcpFlags;

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN | ACK;
const RST: u8 = TcpFlags::RST;
const MSS_AND_SCALE: &[u8] = &[2, 4, 0x05, 0xb4, 1, 3, 3, 7];

/// One TCP packet to be built.
#[derive(Debug, Clone, Copy)]
struct Tcp<'a> {
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    payload: usize,
    options: &'a [u8],
    tos: u8,
}

const fn tcp(flags: u8, sequence: u32, acknowledgement: u32) -> Tcp<'static> {
    Tcp { flags, sequence, acknowledgement, window: 500, payload: 0, options: &[], tos: 0 }
}

impl<'a> Tcp<'a> {
    const fn data(self, payload: usize) -> Self {
        Self { payload, ..self }
    }

    const fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    const fn options(self, options: &'a [u8]) -> Self {
        Self { options, ..self }
    }

    const fn tos(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// The IPv4 packet. Its total length is 0 if it is too long for one (an offloaded segment).
    fn bytes(&self, is_from_client: bool) -> Vec<u8> {
        let header = 20 + self.options.len().next_multiple_of(4);
        let total = u16::try_from(20 + header + self.payload).unwrap_or(0).to_be_bytes();
        let (client, server) = (([10, 0, 0, 9], 40_000_u16), ([10, 0, 0, 2], 80_u16));
        let (from, to) = if is_from_client { (client, server) } else { (server, client) };
        let mut out = vec![0x45, self.tos, total[0], total[1], 0, 0, 0, 0, 64, 6, 0, 0];
        out.extend([from.0, to.0].concat());
        out.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
        out.extend([self.sequence.to_be_bytes(), self.acknowledgement.to_be_bytes()].concat());
        out.extend([((header / 4) << 4) as u8, self.flags]);
        out.extend(self.window.to_be_bytes());
        out.extend([0; 4]);
        out.extend(self.options);
        out.resize(20 + header + self.payload, 0);
        out
    }
}

/// A capture of one connection.
struct Wire {
    decoder: Decoder,
    table: FlowTable,
    out: Vec<Flow>,
    now_us: u64,
    snap_length: usize,
}

impl Wire {
    fn new() -> Self {
        Self::with(FlowTableConfig::default())
    }

    fn with(config: FlowTableConfig) -> Self {
        let rules = DecodeRules { tcp: TcpRule::Measure, ..DecodeRules::default() };
        let (decoder, table) = (Decoder::new(rules), FlowTable::new(config));
        Self { decoder, table, out: Vec::new(), now_us: 1_000_000_000, snap_length: usize::MAX }
    }

    /// A connection that is established: the client's next number is 1001, the server's 5001. The round trip is 1 ms from here to
    /// the client, and 20 ms from here to the server.
    fn established() -> Self {
        let mut wire = Self::new();
        wire.client(0, tcp(SYN, 1000, 0).options(MSS_AND_SCALE));
        wire.server(20_000, tcp(SYN | ACK, 5000, 1001).options(MSS_AND_SCALE));
        wire.client(1000, tcp(ACK, 1001, 5001));
        wire
    }

    fn put(&mut self, after_us: u64, is_from_client: bool, packet: Tcp<'_>) {
        self.now_us += after_us;
        self.put_frame(&packet.bytes(is_from_client));
    }

    fn put_frame(&mut self, bytes: &[u8]) {
        let data = bytes.get(..self.snap_length).unwrap_or(bytes);
        let frame = Frame { time_ns: self.now_us * 1000, wire_octets: bytes.len() as u32, interface: 0, data };
        let packet = self.decoder.decode(LinkType::RawIp, &frame).unwrap();
        self.table.set_tunnels(&self.decoder.take_tunnels());
        self.table.set_payloads(self.decoder.take_payloads());
        self.table.update(&packet, &mut self.out);
    }

    /// The client sends a packet, so many microseconds after the last one.
    fn client(&mut self, after_us: u64, packet: Tcp<'_>) {
        self.put(after_us, true, packet);
    }

    fn server(&mut self, after_us: u64, packet: Tcp<'_>) {
        self.put(after_us, false, packet);
    }

    fn finish(mut self) -> Vec<Flow> {
        self.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::EndOfCapture, &mut self.out);
        assert_eq!(self.table.healths.connections.len(), 0);
        self.out
    }

    /// The figures of the only record.
    fn health(self) -> TcpHealth {
        let flows = self.finish();
        let [flow] = flows.as_slice() else { panic!("{flows:?}") };
        **flow.tcp.as_ref().unwrap()
    }
}

/// What went wrong in one direction, by name; nothing else may have.
fn trouble(direction: &TcpDirection) -> Vec<(&'static str, u64)> {
    let d = *direction;
    let all = [
        ("retransmitted", d.retransmitted_packets.into()),
        ("retransmitted bytes", d.retransmitted_bytes),
        ("out of order", d.out_of_order_packets.into()),
        ("lost bytes", d.lost_bytes),
        ("uncaptured bytes", d.uncaptured_bytes),
        ("duplicate acks", d.duplicate_acks.into()),
        ("zero windows", d.zero_windows.into()),
        ("syn", d.syn_retransmissions.into()),
        ("timeout", d.timeout_retransmissions.into()),
        ("congestion", d.congestion_marks.into()),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Checks what went wrong in both directions.
#[track_caller]
fn check(health: &TcpHealth, forward: &[(&str, u64)], reverse: &[(&str, u64)]) {
    assert_eq!((trouble(&health.forward).as_slice(), trouble(&health.reverse).as_slice()), (forward, reverse));
}
