//! The agent's ledger: where its packets are, by interface and account, and how the ends of its records were attributed.

use std::collections::HashMap;

use pidflow_schema::DataType;
use pidflow_schema::metric::{Attributes, Family};

use crate::wire::Draft;

use super::super::{SET_HEADER, VARIABLE};
use super::figures::whole;
use super::{Field, Layout, OBSERVATION_DOMAIN, OwnElement, put_short};

/// The metrics that are sent: packets and bytes of the same series.
pub const LEDGER: [[&str; 2]; 2] =
    [["pidflow.ledger.packets", "pidflow.ledger.bytes"], ["pidflow.ledger.end.packets", "pidflow.ledger.end.bytes"]];

const ACCOUNT: OwnElement = OwnElement { id: 903, name: "ledgerAccount", data_type: DataType::String };
const REASON: OwnElement = OwnElement { id: 904, name: "ledgerReason", data_type: DataType::String };

/// The elements, for their type records (RFC 5610).
pub(super) static OWN_ELEMENTS: [OwnElement; 2] = [ACCOUNT, REASON];

const LAYOUT: Layout = Layout {
    id: 65_005,
    scopes: 4,
    fields: &[
        OBSERVATION_DOMAIN,
        Field::Iana(82, VARIABLE), // interfaceName
        Field::Own(&ACCOUNT),
        Field::Own(&REASON),
        Field::Iana(86, 8), // packetTotalCount
        Field::Iana(85, 8), // octetTotalCount
        Field::Iana(2, 8),  // packetDeltaCount
        Field::Iana(1, 8),  // octetDeltaCount
    ],
};
/// Octets of a record's fields except the texts.
const FIXED: usize = 4 + 4 * 8;

/// Interface name of an account for all interfaces together.
const ALL_INTERFACES: &str = "all";
/// Reason of an account without a reason.
const NO_REASON: &str = "-";

/// A record to be written.
pub(in crate::ipfix) struct Account {
    /// Interface, account and reason.
    texts: [String; 3],
    totals: [u64; 2],
    deltas: [u64; 2],
}

/// The values of each account that were sent last, from which the differences are computed.
#[derive(Default)]
pub(in crate::ipfix) struct Told(HashMap<[String; 3], [u64; 2]>);

impl Told {
    /// All accounts of the families, with the difference since the last time.
    pub(in crate::ipfix) fn accounts(&mut self, families: &[Family]) -> Vec<Account> {
        let before = std::mem::take(&mut self.0);
        let accounts = LEDGER.iter().flat_map(|names| series(families, names)).map(|(texts, totals)| {
            let [packets, octets] = before.get(&texts).copied().unwrap_or_default();
            let deltas = [totals[0].saturating_sub(packets), totals[1].saturating_sub(octets)];
            self.0.insert(texts.clone(), totals);
            Account { texts, totals, deltas }
        });
        accounts.collect()
    }
}

/// Pairs the series of a packets family with those of the bytes family, which has the same series.
fn series(families: &[Family], names: &[&str; 2]) -> Vec<([String; 3], [u64; 2])> {
    let samples =
        |name: &str| families.iter().find(|f| f.name == name).map(|f| f.samples.as_slice()).unwrap_or_default();
    let [packets, bytes] = names.map(samples);
    let pairs = packets.iter().zip(bytes).filter(|(packets, bytes)| packets.attributes == bytes.attributes);
    pairs.filter_map(|(p, b)| Some((texts(&p.attributes), [whole(p)?, whole(b)?]))).collect()
}

/// The account of an end covers all interfaces, and has the end's name. No text is empty, because some receivers refuse
/// such records.
fn texts(attributes: &Attributes) -> [String; 3] {
    let of = |keys: &[&str], none: &str| {
        let found = attributes.iter().find(|(key, value)| keys.contains(key) && !value.is_empty());
        found.map_or(none, |(_, value)| value).to_owned()
    };
    [of(&["interface"], ALL_INTERFACES), of(&["account", "end"], NO_REASON), of(&["reason", "attribution"], NO_REASON)]
}

impl Account {
    /// Octets that [`Self::put`] appends, at most.
    pub(in crate::ipfix) fn octets(&self) -> usize {
        SET_HEADER + FIXED + self.texts.iter().map(|text| 1 + text.len()).sum::<usize>()
    }

    /// Appends the record. Its options template must precede it.
    pub(in crate::ipfix) fn put(&self, domain: u32, draft: &mut Draft) {
        draft.open(LAYOUT.id);
        draft.body().extend_from_slice(&domain.to_be_bytes());
        for text in &self.texts {
            put_short(text, draft.body());
        }
        for number in self.totals.iter().chain(&self.deltas) {
            draft.body().extend_from_slice(&number.to_be_bytes());
        }
        draft.count_option();
    }
}

/// Appends the options template.
pub(in crate::ipfix) fn put_ledger_template(own_pen: u32, draft: &mut Draft) {
    LAYOUT.put(own_pen, draft);
}
