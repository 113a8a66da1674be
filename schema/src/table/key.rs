//! What identifies a flow on every host that sees it, and which of them observed it.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::{Iana, Pidflow, Reverse};
use crate::group::Group;
use crate::value::{Text, Value};

use super::build::row;
use super::process::text;
use super::write::{sequences_mut, set};

/// The key's elements.
pub(super) const KEY: &[Element] = &[
    row("TCP_INITIAL_SEQUENCE", "tcpSequenceNumber", (Iana, 184), T::Unsigned32, |r| r.flow.initial_sequences.map(|s| s.source.into())).writes(|r, v| set(v.number(), |n| sequences_mut(r).source = n))
        .group(Group::TcpSequence).identifier().otel("pidflow.flow.tcp.initial_sequence")
        .doc("Sequence number in the SYN of the source; absent unless the SYNs of both ends were seen."),
    row("REVERSE_TCP_INITIAL_SEQUENCE", "reverseTcpSequenceNumber", (Reverse, 184), T::Unsigned32, |r| r.flow.initial_sequences.map(|s| s.destination.into())).writes(|r, v| set(v.number(), |n| sequences_mut(r).destination = n))
        .group(Group::TcpSequence).identifier().otel("pidflow.flow.reverse.tcp.initial_sequence")
        .doc("Sequence number in the SYN of the destination (RFC 5103; not in NetFlow v9, which has no type for it)."),
    row("FLOW_KEY", "flowKey", (Pidflow, 84), T::String, |r| Some(Value::Text(Text::Short(r.flow.key().hex()))))
        .v9_text(33).otel("pidflow.flow.key")
        .doc("The same in all records of the flow and on all hosts that see it, 32 hexadecimal digits; in OTLP the trace id. What it is made from: FLOW_KEY_BASIS."),
    row("FLOW_KEY_BASIS", "flowKeyBasis", (Pidflow, 85), T::String, |r| Some(Value::text(r.flow.key_basis().name())))
        .v9_text(13).otel("pidflow.flow.key.basis")
        .doc("What FLOW_KEY is made from: tcp-sequence (both initial sequence numbers; one connection), community-id (addresses and ports after translation; flows with the same ones have the same key)."),
    row("COMMUNITY_ID", "communityId", (Pidflow, 86), T::String, |r| Some(Value::Text(Text::Short(r.flow.community_id()))))
        .v9_text(31).otel("pidflow.flow.community_id")
        .doc("Community ID, version 1 and seed 0, of the addresses and ports after translation, as Zeek and Suricata write it."),
    row("OBSERVER", "observerIdentifier", (Pidflow, 111), T::String, |r| text(&r.observer)).writes(|r, v| set(v.shared_text(), |n| r.observer = n))
        .group(Group::Observer).v9_text(33).otel("pidflow.observer.id")
        .doc("Id of the agent that observed the flow (--observer); by default made from the host's machine id, from which it cannot be told. Two agents that see the same flow must have different ids."),
    row("OBSERVER_NETWORK_NAMESPACE", "observerNetworkNamespace", (Pidflow, 112), T::Unsigned32, |r| r.flow.network_namespace.map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.network_namespace = Some(n)))
        .group(Group::Observer).identifier().otel("pidflow.observer.network_namespace.inode")
        .doc("Inode number of the network namespace of the interface on which the flow was observed; 0: unknown."),
];
