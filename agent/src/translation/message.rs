//! Parses the kernel's messages about tracked connections into translations.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_MULTIPART, NetlinkMessage, NetlinkPayload, Nla};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};
use pidflow_engine::fact::{PacketEnds, TranslationChange};

/// `CTA_ZONE`, `CTA_PROTO_ICMP_ID` and `CTA_PROTO_ICMPV6_ID` of linux/netfilter/nfnetlink_conntrack.h.
const CTA_ZONE: u16 = 18;
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMPV6_ID: u16 = 7;

/// A notice of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A connection whose addresses or ports are translated.
    Translation(TranslationChange, Translated),
    /// The end of the list that [`super::conntrack::Conntrack::ask_for_all`] requested.
    All,
    /// The connections changed while the kernel listed them: the list must be requested again.
    Incomplete,
    /// The kernel refused to list the connections: the list must be requested again.
    Refused,
    /// The message cannot be parsed.
    Unparsed,
}

/// The ends of a connection before and after translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) zone: u16,
    pub(super) protocol: u8,
    pub(super) before: PacketEnds,
    pub(super) after: PacketEnds,
}

/// The tuple of one direction: protocol, source and destination.
struct Direction {
    protocol: u8,
    ends: PacketEnds,
}

/// Appends the notices of all messages in a datagram. Each message is padded to four bytes.
pub(super) fn parse(mut bytes: &[u8], notices: &mut Vec<Notice>) {
    while !bytes.is_empty() {
        let Ok(message) = NetlinkMessage::<NetfilterMessage>::deserialize(bytes) else {
            return notices.push(Notice::Unparsed);
        };
        let length = (message.header.length as usize).next_multiple_of(4).max(4);
        if message.header.flags & NLM_F_DUMP_INTR != 0 {
            notices.push(Notice::Incomplete);
        }
        notices.extend(notice(message));
        bytes = bytes.get(length..).unwrap_or_default();
    }
}

/// The error with which the kernel refused a request; none: the message is no refusal.
pub(super) fn refusal(bytes: &[u8]) -> Option<io::Error> {
    match NetlinkMessage::<NetfilterMessage>::deserialize(bytes).ok()?.payload {
        NetlinkPayload::Error(e) if e.code.is_some() => Some(e.to_io()),
        _ => None,
    }
}

/// None: the connection is not translated, or the message is not about a connection.
fn notice(message: NetlinkMessage<NetfilterMessage>) -> Option<Notice> {
    let is_listed = message.header.flags & NLM_F_MULTIPART != 0;
    let inner = match message.payload {
        NetlinkPayload::Done(_) => return Some(Notice::All),
        NetlinkPayload::Error(e) => return e.code.map(|_| Notice::Refused),
        NetlinkPayload::InnerMessage(inner) => inner.inner,
        _ => return None,
    };
    let (change, attributes) = match inner {
        NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) if is_listed => {
            (TranslationChange::Found, attributes)
        }
        NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) => (TranslationChange::Began, attributes),
        NetfilterMessageInner::Conntrack(ConntrackMessage::Delete(attributes)) => {
            (TranslationChange::Ended, attributes)
        }
        _ => return None,
    };
    match translated(&attributes) {
        Ok(translated) => translated.map(|translated| Notice::Translation(change, translated)),
        Err(NotUnderstood) => Some(Notice::Unparsed),
    }
}

struct NotUnderstood;

fn translated(attributes: &[ConntrackAttribute]) -> Result<Option<Translated>, NotUnderstood> {
    let (mut original, mut reply, mut zone) = (None, None, 0);
    for attribute in attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(tuple) => original = direction(tuple),
            ConntrackAttribute::CtaTupleReply(tuple) => reply = direction(tuple),
            ConntrackAttribute::Other(other) if other.kind() == CTA_ZONE => zone = be16(other).unwrap_or_default(),
            _ => {}
        }
    }
    let (original, reply) = original.zip(reply).ok_or(NotUnderstood)?;
    let [destination, source] = reply.ends;
    let (before, after) = (original.ends, [source, destination]);
    Ok((before != after).then_some(Translated { zone, protocol: original.protocol, before, after }))
}

fn direction(tuple: &[Tuple]) -> Option<Direction> {
    let (mut addresses, mut ports, mut protocol) = ((None, None), (0, 0), None);
    for part in tuple {
        match part {
            Tuple::Ip(parts) => addresses = ends_of(parts),
            Tuple::Proto(parts) => (protocol, ports) = protocol_and_ports(parts),
            _ => {}
        }
    }
    let ends = [(addresses.0?, ports.0), (addresses.1?, ports.1)];
    Some(Direction { protocol: protocol?, ends })
}

fn ends_of(parts: &[IPTuple]) -> (Option<IpAddr>, Option<IpAddr>) {
    let source = parts.iter().find_map(|part| if let IPTuple::SourceAddress(a) = part { Some(*a) } else { None });
    let destination =
        parts.iter().find_map(|part| if let IPTuple::DestinationAddress(a) = part { Some(*a) } else { None });
    (source, destination)
}

/// Protocol, source port and destination port. The identifier of an ICMP echo takes the place of both ports.
fn protocol_and_ports(parts: &[ProtoTuple]) -> (Option<u8>, (u16, u16)) {
    let (mut protocol, mut ports) = (None, (0, 0));
    for part in parts {
        match part {
            ProtoTuple::Protocol(number) => protocol = Some(u8::from(*number)),
            ProtoTuple::SourcePort(port) => ports.0 = *port,
            ProtoTuple::DestinationPort(port) => ports.1 = *port,
            ProtoTuple::Other(other) if matches!(other.kind(), CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID) => {
                let id = be16(other).unwrap_or_default();
                ports = (id, id);
            }
            _ => {}
        }
    }
    (protocol, ports)
}

fn be16(attribute: &impl Nla) -> Option<u16> {
    let mut value = [0; 2];
    (attribute.value_len() == value.len()).then(|| {
        attribute.emit_value(&mut value);
        u16::from_be_bytes(value)
    })
}
