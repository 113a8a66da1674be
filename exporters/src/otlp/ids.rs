//! Ids of traces and spans, computed from the record.
//!
//! The trace id is the flow's key, so that the records of all hosts that see a flow are in one trace.

use std::hash::{DefaultHasher, Hash, Hasher};

use pidflow_schema::{FlowKey, FlowKeyBasis, FlowRecord};

/// The flag of a segment that opens a connection (RFC 9293 section 3.1).
const SYN: u8 = 2;

/// An end of a connection. Each has one span that begins with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Client,
    Server,
}

/// The ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ids {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    /// None: the span is the root of its trace, or has no parent that another host could know.
    pub(super) parent: Option<[u8; 8]>,
}

impl Ids {
    /// The ids of the record at the end `role`; none: the record's observer sees neither end.
    ///
    /// The first records of a connection at both ends have ids that the other host can compute: the server's span is the child of
    /// the client's. Others are children of their end's first, and have ids from the record's times and observer. A record that
    /// is sent twice has the same ids, so that receivers can distinguish a repetition from another record.
    pub(super) fn of(record: &FlowRecord, role: Option<Role>) -> Self {
        let key = record.flow.key();
        let first = |role| hash(&key, &role);
        let client = first(Role::Client);
        let of_record = || hash(&key, &(record.flow.first_ns, record.flow.last_ns, &*record.observer));
        let (span, parent) = match (key.basis, role) {
            (FlowKeyBasis::CommunityId, _) => (of_record(), None),
            (_, Some(Role::Client)) if begins(record) => (client, None),
            (_, Some(Role::Server)) if begins(record) => (first(Role::Server), Some(client)),
            (_, role) => (of_record(), Some(role.map_or(client, first))),
        };
        Self { trace: key.octets, span, parent }
    }
}

/// Whether it is the first record of a connection.
const fn begins(record: &FlowRecord) -> bool {
    record.flow.forward.tcp_flags & SYN != 0
}

/// SipHash with constant keys; an id is not zero.
fn hash(key: &FlowKey, more: &impl Hash) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    key.octets.hash(&mut hasher);
    more.hash(&mut hasher);
    hasher.finish().max(1).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pidflow_schema::InitialSequences;

    use super::*;
    use crate::sample;

    #[test]
    fn ids_are_the_records_own_and_the_same_each_time() {
        let records = sample::records(2000);
        let ids: HashSet<_> = records.iter().map(|r| Ids::of(r, Some(Role::Client))).collect();
        let traces: HashSet<_> = ids.iter().map(|ids| ids.trace).collect();
        assert_eq!((ids.len(), traces.len()), (2000, 2000));
        assert_eq!(Ids::of(&records[5], None), Ids::of(&sample::record(5), None));
        let elsewhere = FlowRecord { observer: "another".into(), ..sample::record(5) };
        assert_ne!(Ids::of(&records[5], None).span, Ids::of(&elsewhere, None).span);
    }

    fn connection(flags: u8) -> FlowRecord {
        let mut record = sample::full(1);
        record.flow.initial_sequences = Some(InitialSequences { source: 1, destination: 2 });
        record.flow.forward.tcp_flags = flags;
        record
    }

    #[test]
    fn the_servers_span_is_the_child_of_the_clients_on_another_host() {
        let (client, mut there) = (connection(0x1b), connection(0x1b));
        there.flow.first_ns += 70_000;
        there.observer = "another".into();
        let client = Ids::of(&client, Some(Role::Client));
        let server = Ids::of(&there, Some(Role::Server));
        assert_eq!((client.trace, client.parent), (server.trace, None));
        assert_eq!(server.parent, Some(client.span));
        let between = Ids::of(&there, None);
        assert_eq!((between.parent, between.trace), (Some(client.span), client.trace));
        assert_ne!(between.span, server.span);
    }

    #[test]
    fn later_records_are_children_of_the_first() {
        let (first, mut later) = (connection(0x1b), connection(0x10));
        for role in [Role::Client, Role::Server] {
            later.flow.first_ns += 60_000_000_000;
            let (one, other) = (Ids::of(&first, Some(role)), Ids::of(&later, Some(role)));
            assert_eq!(other.parent, Some(one.span));
            assert_ne!(other.span, one.span);
        }
    }
}
