//! Ids of traces and spans, computed from the record.

use std::hash::{DefaultHasher, Hash, Hasher};

use pidflow_schema::FlowRecord;

/// Trace id of a record: a hash of protocol, VLAN, addresses, ports and the first packet's time.
pub(super) fn trace(record: &FlowRecord) -> [u8; 16] {
    let [high, low] = [0_u8, 1].map(|half| flow(record, &half));
    (u128::from(high) << 64 | u128::from(low)).max(1).to_be_bytes()
}

/// Span id of a record: a hash of the same values, the last packet's time, and the observing host. A record that is
/// sent twice has the same ids, so that receivers can distinguish a repetition from another flow.
pub(super) fn span(record: &FlowRecord, host: &str) -> [u8; 8] {
    flow(record, &(2_u8, record.flow.last_ns, host)).max(1).to_be_bytes()
}

/// SipHash with constant keys. Its values are distributed evenly, as samplers by trace id expect.
fn flow(record: &FlowRecord, more: &impl Hash) -> u64 {
    let flow = &record.flow;
    let mut hasher = DefaultHasher::new();
    (flow.protocol, flow.vlan, flow.source, flow.destination).hash(&mut hasher);
    (flow.source_port, flow.destination_port, flow.first_ns).hash(&mut hasher);
    more.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sample;

    #[test]
    fn ids_are_the_records_own_and_the_same_each_time() {
        let records = sample::records(2000);
        let ids: HashSet<_> = records.iter().map(|r| (trace(r), span(r, "a"))).collect();
        let traces: HashSet<_> = ids.iter().map(|(t, _)| t).collect();
        assert_eq!((ids.len(), traces.len()), (2000, 2000));
        assert_eq!(trace(&records[5]), trace(&sample::record(5)));
        assert_ne!(span(&records[5], "a"), span(&records[5], "b"));
    }
}
