//! What the exporter and the metering process have done (RFC 7011 sections 4.1 to 4.3), in IANA's elements.

use crate::wire::{Draft, EncoderStats};

use super::{Field, Layout, OBSERVATION_DOMAIN};

const STATISTICS: Layout = Layout {
    id: 65_001,
    scopes: 1,
    fields: &[
        OBSERVATION_DOMAIN,
        Field::Iana(41, 8),  // exportedMessageTotalCount
        Field::Iana(42, 8),  // exportedFlowRecordTotalCount
        Field::Iana(40, 8),  // exportedOctetTotalCount
        Field::Iana(166, 8), // notSentFlowTotalCount
    ],
};

const IGNORED: Layout = Layout {
    id: 65_002,
    scopes: 1,
    fields: &[
        OBSERVATION_DOMAIN,
        Field::Iana(164, 8), // ignoredPacketTotalCount
    ],
};

/// The exporter's counters.
pub(in crate::ipfix) struct Totals<'a> {
    pub(in crate::ipfix) domain: u32,
    pub(in crate::ipfix) stats: &'a EncoderStats,
    pub(in crate::ipfix) not_sent: u64,
}

/// Appends the exporter's statistics with their options template.
pub(in crate::ipfix) fn put_statistics(t: &Totals<'_>, draft: &mut Draft) {
    let totals = [t.stats.messages, t.stats.records, t.stats.octets, t.not_sent];
    put(&STATISTICS, t.domain, &totals, draft);
}

/// Appends the number of packets that are in no flow, with its options template.
pub(in crate::ipfix) fn put_ignored(domain: u32, packets: u64, draft: &mut Draft) {
    put(&IGNORED, domain, &[packets], draft);
}

fn put(layout: &Layout, domain: u32, totals: &[u64], draft: &mut Draft) {
    layout.put(0, draft);
    draft.open(layout.id);
    draft.body().extend_from_slice(&domain.to_be_bytes());
    for total in totals {
        draft.body().extend_from_slice(&total.to_be_bytes());
    }
    draft.count_option();
}
