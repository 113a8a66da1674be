//! Elements of how well the packets of a TCP connection got through: ntop's, and pidflow's own where ntop has none.

use crate::element::DataType as T;
use crate::element::Enterprise::{Ntop, Pidflow};
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{ApplicationLatency, FlowRecord, TcpDirection, TcpEnd, TcpHealth, TcpState};
use crate::value::Value;

use super::build::row;
use super::write::{latency_mut, set, tcp_mut};

fn tcp(r: &FlowRecord) -> Option<&TcpHealth> {
    r.flow.tcp.as_deref()
}

fn latency(r: &FlowRecord) -> Option<&ApplicationLatency> {
    tcp(r)?.latency.as_ref()
}

fn forward(r: &FlowRecord) -> Option<&TcpDirection> {
    tcp(r).map(|tcp| &tcp.forward)
}

fn reverse(r: &FlowRecord) -> Option<&TcpDirection> {
    tcp(r).map(|tcp| &tcp.reverse)
}

const fn packets(e: Element) -> Element {
    e.group(Group::TcpHealth).unit(Unit::Packets, Semantics::DeltaCounter)
}

const fn bytes(e: Element) -> Element {
    e.group(Group::TcpHealth).unit(Unit::Octets, Semantics::DeltaCounter)
}

const fn amount(e: Element, unit: Unit) -> Element {
    e.group(Group::TcpHealth).unit(unit, Semantics::Quantity)
}

const fn answer(e: Element, unit: Unit) -> Element {
    e.group(Group::ApplicationLatency).unit(unit, Semantics::Quantity)
}

/// The elements of one direction. `$base`: ntop's windows; `$own`: the first own id, then every other one.
macro_rules! direction {
    ($part:ident, $way:literal, $camel:literal, $otel:literal, $from:literal,
     [$again:literal, $again_bytes:literal, $disorder:literal, $window:literal, $own:literal]) => {
        [
            packets(row(concat!("RETRANSMITTED_", $way, "_PKTS"), concat!("retransmitted", $camel, "Pkts"), (Ntop, $again), T::Unsigned32,
                |r| $part(r).map(|d| d.retransmitted_packets.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.retransmitted_packets = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "retransmitted.packets"))
                .doc(concat!("Packets from the ", $from, " whose data, SYN or FIN it had sent before (ntop ", stringify!($again), ").")),
            bytes(row(concat!("RETRANSMITTED_", $way, "_BYTES"), concat!("retransmitted", $camel, "Bytes"), (Ntop, $again_bytes), T::Unsigned32,
                |r| $part(r).map(|d| d.retransmitted_bytes.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.retransmitted_bytes = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "retransmitted.bytes"))
                .doc(concat!("Bytes of payload that the ", $from, " had sent before (ntop ", stringify!($again_bytes), ").")),
            packets(row(concat!("OOORDER_", $way, "_PKTS"), concat!("ooorder", $camel, "Pkts"), (Ntop, $disorder), T::Unsigned32,
                |r| $part(r).map(|d| d.out_of_order_packets.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.out_of_order_packets = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "out_of_order.packets"))
                .doc(concat!("Packets from the ", $from, " that a later one of it overtook (ntop ", stringify!($disorder), ").")),
            bytes(row(concat!("LOST_", $way, "_BYTES"), concat!("lost", $camel, "Bytes"), (Pidflow, $own), T::Unsigned64,
                |r| $part(r).map(|d| d.lost_bytes.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.lost_bytes = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "lost.bytes"))
                .doc(concat!("Bytes from the ", $from, " that were never seen, and not acknowledged as far as was seen.")),
            bytes(row(concat!("UNCAPTURED_", $way, "_BYTES"), concat!("uncaptured", $camel, "Bytes"), (Pidflow, $own + 2), T::Unsigned64,
                |r| $part(r).map(|d| d.uncaptured_bytes.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.uncaptured_bytes = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "uncaptured.bytes"))
                .doc(concat!("Bytes from the ", $from, " that were never seen, although the other end acknowledged them: the capture missed them.")),
            packets(row(concat!("DUPLICATE_ACK_", $way, "_PKTS"), concat!("duplicateAck", $camel, "Pkts"), (Pidflow, $own + 4), T::Unsigned32,
                |r| $part(r).map(|d| d.duplicate_acks.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.duplicate_acks = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "duplicate_ack.packets"))
                .doc(concat!("Packets from the ", $from, " without data that repeat the previous acknowledgement (RFC 5681 section 2).")),
            packets(row(concat!("ZERO_WINDOW_", $way, "_PKTS"), concat!("zeroWindow", $camel, "Pkts"), (Pidflow, $own + 6), T::Unsigned32,
                |r| $part(r).map(|d| d.zero_windows.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.zero_windows = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "zero_window.packets"))
                .doc(concat!("Packets from the ", $from, " with a receive window of zero, without SYN, FIN and RST.")),
            packets(row(concat!("SYN_RETRANSMITTED_", $way, "_PKTS"), concat!("synRetransmitted", $camel, "Pkts"), (Pidflow, $own + 8), T::Unsigned32,
                |r| $part(r).map(|d| d.syn_retransmissions.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.syn_retransmissions = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "syn_retransmitted.packets"))
                .doc(concat!("SYNs that the ", $from, " had sent before, also among the retransmitted packets.")),
            packets(row(concat!("TIMEOUT_RETRANSMITTED_", $way, "_PKTS"), concat!("timeoutRetransmitted", $camel, "Pkts"), (Pidflow, $own + 10), T::Unsigned32,
                |r| $part(r).map(|d| d.timeout_retransmissions.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.timeout_retransmissions = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "timeout_retransmitted.packets"))
                .doc(concat!("Retransmissions of the first byte that is not acknowledged, after the ", $from, " had sent nothing for 200 ms and got less than three duplicate ACKs; also among the retransmitted packets.")),
            packets(row(concat!("CONGESTION_MARKED_", $way, "_PKTS"), concat!("congestionMarked", $camel, "Pkts"), (Pidflow, $own + 12), T::Unsigned32,
                |r| $part(r).map(|d| d.congestion_marks.into())).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.congestion_marks = n)))
                .otel(concat!("pidflow.flow.tcp.", $otel, "congestion_marked.packets"))
                .doc(concat!("Packets from the ", $from, " that a congested router marked (RFC 3168: ECN field CE).")),
            amount(row(concat!("TCP_WIN_MIN_", $way), concat!("tcpWinMin", $camel), (Ntop, $window), T::Unsigned16,
                |r| $part(r)?.window_min.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.window_min = Some(n))), Unit::None)
                .otel(concat!("pidflow.flow.tcp.", $otel, "window.min"))
                .doc(concat!("Least receive window in headers from the ", $from, ", not scaled, without SYN and RST (ntop ", stringify!($window), ").")),
            amount(row(concat!("TCP_WIN_MAX_", $way), concat!("tcpWinMax", $camel), (Ntop, $window + 1), T::Unsigned16,
                |r| $part(r)?.window_max.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.window_max = Some(n))), Unit::None)
                .otel(concat!("pidflow.flow.tcp.", $otel, "window.max"))
                .doc(concat!("Greatest receive window in headers from the ", $from, ", not scaled, without SYN and RST.")),
            amount(row(concat!("TCP_WIN_MSS_", $way), concat!("tcpWinMss", $camel), (Ntop, $window + 2), T::Unsigned16,
                |r| $part(r)?.max_segment.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.max_segment = Some(n))), Unit::Octets)
                .otel(concat!("pidflow.flow.tcp.", $otel, "max_segment"))
                .doc(concat!("Maximum segment size in the SYN of the ", $from, "; 0: unknown.")),
            amount(row(concat!("TCP_WIN_SCALE_", $way), concat!("tcpWinScale", $camel), (Ntop, $window + 3), T::Unsigned8,
                |r| $part(r)?.window_scale.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.window_scale = Some(n))), Unit::None)
                .otel(concat!("pidflow.flow.tcp.", $otel, "window.scale"))
                .doc(concat!("Window scale in the SYN of the ", $from, ": windows are to be multiplied by two to the power of it (RFC 7323).")),
            amount(row(concat!("TCP_RTT_MIN_", $way), concat!("tcpRttMin", $camel), (Pidflow, $own + 14), T::Unsigned32,
                |r| $part(r)?.rtt_min_us.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.rtt_min_us = Some(n))), Unit::Microseconds)
                .otel(concat!("pidflow.flow.tcp.", $otel, "rtt.min"))
                .doc(concat!("Least time in the record from a packet of the ", $from, " at the point of capture to its acknowledgement there; retransmitted ones do not count; 0: not measured.")),
            amount(row(concat!("TCP_RTT_SMOOTHED_", $way), concat!("tcpRttSmoothed", $camel), (Pidflow, $own + 16), T::Unsigned32,
                |r| $part(r)?.rtt_smoothed_us.map(Into::into)).writes(|r, v| set(v.number(), |n| tcp_mut(r).$part.rtt_smoothed_us = Some(n))), Unit::Microseconds)
                .otel(concat!("pidflow.flow.tcp.", $otel, "rtt.smoothed"))
                .doc("The same smoothed over the connection (RFC 6298 section 2); 0: not measured."),
        ]
    };
}

/// The elements from source to destination.
pub(super) const FORWARD: &[Element] = &direction!(forward, "IN", "In", "", "source", [109, 127, 111, 415, 87]);
/// The elements from destination to source.
pub(super) const REVERSE: &[Element] =
    &direction!(reverse, "OUT", "Out", "reverse.", "destination", [110, 128, 112, 419, 88]);

/// The elements of the whole connection.
pub(super) const CONNECTION: &[Element] = &[
    row("TCP_STATE", "tcpState", (Pidflow, 105), T::String, |r| tcp(r).map(|t| Value::text(t.state.name()))).writes(|r, v| set(v.named(&TcpState::ALL, TcpState::name), |n| tcp_mut(r).state = n))
        .group(Group::TcpHealth).v9_text(13).otel("pidflow.flow.tcp.state")
        .doc("How far the connection has got as its packets show: syn-sent, syn-received, established, half-closed, closed, reset."),
    row("TCP_ENDED_BY", "tcpEndedBy", (Pidflow, 106), T::String, |r| tcp(r)?.end.map(|e| Value::text(e.name()))).writes(|r, v| set(v.named(&TcpEnd::ALL, TcpEnd::name), |n| tcp_mut(r).end = Some(n)))
        .group(Group::TcpHealth).v9_text(16).otel("pidflow.flow.tcp.ended_by")
        .doc("What ended the connection first, and by whom: source-fin, destination-fin, both-fin (before either got the other's), source-rst, destination-rst, timeout."),
    answer(row("APPL_LATENCY_MS", "applLatencyMs", (Ntop, 125), T::Unsigned32, |r| latency(r).map(|l| (l.first_us / 1000).into())), Unit::Milliseconds)
        .doc("Whole milliseconds from the last packet with data of the client before data of the server to the first of these, in the record's first exchange (ntop 125)."),
    answer(row("APPL_LATENCY", "applLatency", (Pidflow, 107), T::Unsigned32, |r| latency(r).map(|l| l.first_us.into())).writes(|r, v| set(v.number(), |n| latency_mut(r).first_us = n)), Unit::Microseconds)
        .otel("pidflow.flow.application.latency.first")
        .doc("The same in microseconds."),
    answer(row("APPL_EXCHANGES", "applExchanges", (Pidflow, 108), T::Unsigned32, |r| latency(r).map(|l| l.exchanges.into())).writes(|r, v| set(v.number(), |n| latency_mut(r).exchanges = n)), Unit::None)
        .otel("pidflow.flow.application.exchanges")
        .doc("Number of such exchanges in the record: requests, where the protocol answers each before the next."),
    answer(row("APPL_LATENCY_TOTAL", "applLatencyTotal", (Pidflow, 109), T::Unsigned64, |r| latency(r).map(|l| l.total_us.into())).writes(|r, v| set(v.number(), |n| latency_mut(r).total_us = n)), Unit::Microseconds)
        .otel("pidflow.flow.application.latency.total")
        .doc("Sum of the latencies of these exchanges; divided by their number it is the mean."),
    answer(row("APPL_LATENCY_MAX", "applLatencyMax", (Pidflow, 110), T::Unsigned32, |r| latency(r).map(|l| l.max_us.into())).writes(|r, v| set(v.number(), |n| latency_mut(r).max_us = n)), Unit::Microseconds)
        .otel("pidflow.flow.application.latency.max")
        .doc("Greatest latency of these exchanges."),
];
