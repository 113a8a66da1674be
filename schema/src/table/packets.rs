//! Elements of what the packets of a flow look like: IANA's, ntop's, and pidflow's own where neither has one.

use crate::element::DataType as T;
use crate::element::Enterprise::{Iana, Ntop, Pidflow, Reverse};
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{FlowRecord, PacketDirection, PacketFigures, PacketGaps};
use crate::value::Value;

use super::build::row;
use super::write::{packets_mut, set};

fn figures(r: &FlowRecord) -> Option<&PacketFigures> {
    r.flow.packet_figures.as_deref()
}

fn forward(r: &FlowRecord) -> Option<&PacketDirection> {
    figures(r)?.forward.as_ref()
}

fn reverse(r: &FlowRecord) -> Option<&PacketDirection> {
    figures(r)?.reverse.as_ref()
}

fn forward_gaps(r: &FlowRecord) -> Option<&PacketGaps> {
    forward(r)?.gaps.as_ref()
}

fn reverse_gaps(r: &FlowRecord) -> Option<&PacketGaps> {
    reverse(r)?.gaps.as_ref()
}

fn forward_mut(r: &mut FlowRecord) -> &mut PacketDirection {
    packets_mut(r).forward.get_or_insert_default()
}

fn reverse_mut(r: &mut FlowRecord) -> &mut PacketDirection {
    packets_mut(r).reverse.get_or_insert_default()
}

fn forward_gaps_mut(r: &mut FlowRecord) -> &mut PacketGaps {
    forward_mut(r).gaps.get_or_insert_default()
}

fn reverse_gaps_mut(r: &mut FlowRecord) -> &mut PacketGaps {
    reverse_mut(r).gaps.get_or_insert_default()
}

fn in_class(r: &FlowRecord, class: usize) -> Option<Value<'static>> {
    figures(r).map(|figures| figures.packets_in_class(class).into())
}

fn size_class(direction: Option<&PacketDirection>, class: usize) -> Option<Value<'static>> {
    direction?.sizes.get(class).map(|packets| (*packets).into())
}

fn set_size_class(direction: &mut PacketDirection, class: usize, packets: u32) {
    if let Some(of_class) = direction.sizes.get_mut(class) {
        *of_class = packets;
    }
}

fn dscp(value: &Value<'_>) -> Option<u8> {
    value.number().filter(|n| *n < 64)
}

const fn packets(e: Element, group: Group) -> Element {
    e.group(group).unit(Unit::Packets, Semantics::DeltaCounter)
}

const fn amount(e: Element, group: Group, unit: Unit) -> Element {
    e.group(group).unit(unit, Semantics::Quantity)
}

/// A class of sizes: of both directions (ntop's), and of each (own ids from `$own`).
macro_rules! size_class {
    ($name:literal, $camel:literal, $otel:literal, $class:literal, $ntop:literal, $own:literal, $which:literal) => {
        [
            packets(
                row(concat!("NUM_PKTS_", $name), concat!("numPkts", $camel), (Ntop, $ntop), T::Unsigned32, |r| {
                    in_class(r, $class)
                }),
                Group::PacketFigures,
            )
            .doc(concat!(
                "Packets of both directions of ",
                $which,
                ", from the IP header on (ntop ",
                stringify!($ntop),
                ")."
            )),
            packets(
                row(
                    concat!("NUM_PKTS_", $name, "_IN"),
                    concat!("numPkts", $camel, "In"),
                    (Pidflow, $own),
                    T::Unsigned32,
                    |r| size_class(forward(r), $class),
                )
                .writes(|r, v| set(v.number(), |n| set_size_class(forward_mut(r), $class, n))),
                Group::PacketFigures,
            )
            .otel(concat!("pidflow.flow.packets.", $otel))
            .doc(concat!("Packets from the source of ", $which, ", from the IP header on.")),
            packets(
                row(
                    concat!("NUM_PKTS_", $name, "_OUT"),
                    concat!("numPkts", $camel, "Out"),
                    (Pidflow, $own + 1),
                    T::Unsigned32,
                    |r| size_class(reverse(r), $class),
                )
                .writes(|r, v| set(v.number(), |n| set_size_class(reverse_mut(r), $class, n))),
                Group::ReversePacketFigures,
            )
            .otel(concat!("pidflow.flow.reverse.packets.", $otel))
            .doc(concat!("Packets from the destination of ", $which, ", from the IP header on.")),
        ]
    };
}

pub(super) const UP_TO_128: &[Element] =
    &size_class!("UP_TO_128_BYTES", "UpTo128Bytes", "up_to_128_bytes", 0, 88, 200, "at most 128 bytes");
pub(super) const UP_TO_256: &[Element] =
    &size_class!("128_TO_256_BYTES", "128To256Bytes", "up_to_256_bytes", 1, 89, 202, "129 to 256 bytes");
pub(super) const UP_TO_512: &[Element] =
    &size_class!("256_TO_512_BYTES", "256To512Bytes", "up_to_512_bytes", 2, 90, 204, "257 to 512 bytes");
pub(super) const UP_TO_1024: &[Element] =
    &size_class!("512_TO_1024_BYTES", "512To1024Bytes", "up_to_1024_bytes", 3, 91, 206, "513 to 1024 bytes");
pub(super) const UP_TO_1514: &[Element] =
    &size_class!("1024_TO_1514_BYTES", "1024To1514Bytes", "up_to_1514_bytes", 4, 92, 208, "1025 to 1514 bytes");
pub(super) const OVER_1514: &[Element] =
    &size_class!("OVER_1514_BYTES", "Over1514Bytes", "over_1514_bytes", 5, 93, 210, "more than 1514 bytes");

/// Lengths, hop limits and marks of one direction. `$number`: IANA, or RFC 5103's reverse elements; `$own`: the first own id, then
/// every other one.
macro_rules! direction {
    ($read:ident, $write:ident, $number:ident, $group:expr,
     [$prefix:literal, $camel:literal, $way:literal, $way_camel:literal, $otel:literal, $from:literal, $own:literal]) => {
        [
            amount(
                row(
                    concat!($prefix, "MIN_IP_PKT_LEN"),
                    concat!($camel, "inimumIpTotalLength"),
                    ($number, 25),
                    T::Unsigned64,
                    |r| $read(r).map(|d| d.min_octets.into()),
                )
                .writes(|r, v| set(v.number(), |n| $write(r).min_octets = n)),
                $group,
                Unit::Octets,
            )
            .otel(concat!("pidflow.flow.", $otel, "packet.min_bytes"))
            .doc(concat!("Length of the smallest packet from the ", $from, ", from the IP header on.")),
            amount(
                row(
                    concat!($prefix, "MAX_IP_PKT_LEN"),
                    concat!($camel, "aximumIpTotalLength"),
                    ($number, 26),
                    T::Unsigned64,
                    |r| $read(r).map(|d| d.max_octets.into()),
                )
                .writes(|r, v| set(v.number(), |n| $write(r).max_octets = n)),
                $group,
                Unit::Octets,
            )
            .otel(concat!("pidflow.flow.", $otel, "packet.max_bytes"))
            .doc(concat!("Length of the largest packet from the ", $from, ", from the IP header on.")),
            amount(
                row(concat!($prefix, "MIN_TTL"), concat!($camel, "inimumTTL"), ($number, 52), T::Unsigned8, |r| {
                    $read(r).map(|d| d.min_ttl.into())
                })
                .writes(|r, v| set(v.number(), |n| $write(r).min_ttl = n)),
                $group,
                Unit::Hops,
            )
            .otel(concat!("pidflow.flow.", $otel, "ttl.min"))
            .doc(concat!("Least time to live (IPv4) or hop limit (IPv6) of packets from the ", $from, ".")),
            amount(
                row(concat!($prefix, "MAX_TTL"), concat!($camel, "aximumTTL"), ($number, 53), T::Unsigned8, |r| {
                    $read(r).map(|d| d.max_ttl.into())
                })
                .writes(|r, v| set(v.number(), |n| $write(r).max_ttl = n)),
                $group,
                Unit::Hops,
            )
            .otel(concat!("pidflow.flow.", $otel, "ttl.max"))
            .doc(concat!("Greatest time to live or hop limit of packets from the ", $from, ".")),
            row(
                concat!("DSCP_CHANGED_", $way),
                concat!("dscpChanged", $way_camel),
                (Pidflow, $own),
                T::Unsigned8,
                |r| $read(r).map(|d| u8::from(d.has_other_dscp).into()),
            )
            .writes(|r, v| set(v.number::<u8>(), |n| $write(r).has_other_dscp = n != 0))
            .group($group)
            .identifier()
            .otel(concat!("pidflow.flow.", $otel, "dscp.changed"))
            .doc(concat!("1: a packet from the ", $from, " has another DSCP than its first one; 0: none.")),
            row(concat!("ECN_SEEN_", $way), concat!("ecnSeen", $way_camel), (Pidflow, $own + 2), T::Unsigned8, |r| {
                $read(r).map(|d| d.ecn_seen.into())
            })
            .writes(|r, v| set(v.number(), |n| $write(r).ecn_seen = n))
            .group($group)
            .flags()
            .otel(concat!("pidflow.flow.", $otel, "ecn.seen"))
            .doc(concat!(
                "ECN codepoints of packets from the ",
                $from,
                ", one bit each (RFC 3168): 1 not capable, 2 ECT(1), 4 ECT(0), 8 congestion experienced."
            )),
        ]
    };
}

pub(super) const FORWARD: &[Element] =
    &direction!(forward, forward_mut, Iana, Group::PacketFigures, ["", "m", "IN", "In", "", "source", 220]);
pub(super) const REVERSE: &[Element] = &direction!(
    reverse,
    reverse_mut,
    Reverse,
    Group::ReversePacketFigures,
    ["REVERSE_", "reverseM", "OUT", "Out", "reverse.", "destination", 221]
);

/// The first packets' class of service.
pub(super) const CLASS: &[Element] = &[
    row("DSCP_IN", "ipDiffServCodePoint", (Iana, 195), T::Unsigned8, |r| forward(r).map(|d| d.dscp().into())).writes(|r, v| set(dscp(v), |n| forward_mut(r).set_dscp(n)))
        .group(Group::PacketFigures).identifier().otel("pidflow.flow.dscp")
        .doc("Differentiated services code point (RFC 2474) of the first packet from the source."),
    row("DST_TOS", "reverseIpClassOfService", (Reverse, 5), T::Unsigned8, |r| reverse(r).map(|d| d.class_of_service.into())).writes(|r, v| set(v.number(), |n| reverse_mut(r).class_of_service = n))
        .group(Group::ReversePacketFigures).v9(55, 1).identifier().otel("pidflow.flow.reverse.ip.class_of_service")
        .doc("IPv4 type of service or IPv6 traffic class of the first packet from the destination (RFC 5103; NetFlow v9: type 55, as nProbe)."),
    row("DSCP_OUT", "reverseIpDiffServCodePoint", (Reverse, 195), T::Unsigned8, |r| reverse(r).map(|d| d.dscp().into())).writes(|r, v| set(dscp(v), |n| reverse_mut(r).set_dscp(n)))
        .group(Group::ReversePacketFigures).identifier().otel("pidflow.flow.reverse.dscp")
        .doc("Differentiated services code point of the first packet from the destination (RFC 5103; not in NetFlow v9, which has no type for it)."),
];

/// The times between packets of one direction: ntop's in milliseconds, own ones in microseconds.
macro_rules! gaps {
    ($read:ident, $write:ident, $group:expr, $way:literal, $camel:literal, $own:literal, $own_camel:literal, $otel:literal, $from:literal, [$ntop:literal, $id:literal]) => {
        [
            gaps!(@ntop $read, $group, $way, $camel, "MIN", "Min", min_us, $ntop, "Shortest", $from),
            gaps!(@ntop $read, $group, $way, $camel, "MAX", "Max", max_us, $ntop + 1, "Longest", $from),
            gaps!(@ntop $read, $group, $way, $camel, "AVG", "Avg", mean_us, $ntop + 2, "Mean", $from),
            gaps!(@ntop $read, $group, $way, $camel, "STDDEV", "Stddev", deviation_us, $ntop + 3, "Standard deviation of the", $from),
            gaps!(@own $read, $write, $group, "MIN", "Min", $own, $own_camel, min_us, $id, "Shortest", concat!("pidflow.flow.", $otel, "interarrival.min"), $from),
            gaps!(@own $read, $write, $group, "MAX", "Max", $own, $own_camel, max_us, $id + 2, "Longest", concat!("pidflow.flow.", $otel, "interarrival.max"), $from),
            gaps!(@own $read, $write, $group, "AVG", "Avg", $own, $own_camel, mean_us, $id + 4, "Mean", concat!("pidflow.flow.", $otel, "interarrival.mean"), $from),
            gaps!(@own $read, $write, $group, "STDDEV", "Stddev", $own, $own_camel, deviation_us, $id + 6, "Standard deviation of the", concat!("pidflow.flow.", $otel, "interarrival.deviation"), $from),
        ]
    };
    (@ntop $read:ident, $group:expr, $way:literal, $camel:literal, $what:literal, $what_camel:literal, $member:ident, $id:expr, $word:literal, $from:literal) => {
        amount(row(concat!($way, "_IAT_", $what), concat!($camel, "Iat", $what_camel), (Ntop, $id), T::Unsigned32, |r| $read(r).map(|g| (g.$member / 1000).into())), $group, Unit::Milliseconds)
            .doc(concat!($word, " time between packets from the ", $from, ", whole milliseconds (ntop)."))
    };
    (@own $read:ident, $write:ident, $group:expr, $what:literal, $what_camel:literal, $own:literal, $own_camel:literal, $member:ident, $id:expr, $word:literal, $otel:expr, $from:literal) => {
        amount(row(concat!("IAT_", $what, "_", $own), concat!("iat", $what_camel, $own_camel), (Pidflow, $id), T::Unsigned64, |r| $read(r).map(|g| g.$member.into()))
            .writes(|r, v| set(v.number(), |n| $write(r).$member = n)), $group, Unit::Microseconds)
            .otel($otel)
            .doc(concat!($word, " time between packets from the ", $from, ", whole microseconds."))
    };
}

pub(super) const FORWARD_GAPS: &[Element] = &gaps!(
    forward_gaps,
    forward_gaps_mut,
    Group::PacketGaps,
    "SRC_TO_DST",
    "srcToDst",
    "IN",
    "In",
    "",
    "source",
    [531, 212]
);
pub(super) const REVERSE_GAPS: &[Element] = &gaps!(
    reverse_gaps,
    reverse_gaps_mut,
    Group::ReversePacketGaps,
    "DST_TO_SRC",
    "dstToSrc",
    "OUT",
    "Out",
    "reverse.",
    "destination",
    [535, 213]
);
