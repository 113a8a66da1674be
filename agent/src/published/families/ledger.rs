//! The ledger as metric families: each account of each interface, each end, what waits, and the gaps.

use pidflow_schema::metric::{Attributes, Family, MetricSample, Point};

use crate::ledger::{Amount, Check, InterfaceAccount, Ledger};

/// The families that have packets in the first and bytes in the second.
type Pair = [Family; 2];

/// All of them.
pub(super) fn families(ledger: &Ledger) -> Vec<Family> {
    [accounts(ledger), ends(ledger), waiting(ledger), gaps(ledger)].concat()
}

/// Two series, with the same attributes, of each amount.
fn pair(amounts: Vec<(Attributes, Amount)>, packets: Family, bytes: Family) -> Pair {
    let samples = |of: fn(&Amount) -> u64| {
        amounts
            .iter()
            .map(|(attributes, amount)| MetricSample::new(attributes.clone(), Point::Whole(of(amount))))
            .collect()
    };
    [
        Family { samples: samples(|amount| amount.packets), ..packets },
        Family { samples: samples(|amount| amount.bytes), ..bytes },
    ]
}

fn accounts(ledger: &Ledger) -> Pair {
    pair(
        ledger.interfaces.iter().flat_map(account).collect(),
        Family::counter(
            "pidflow.ledger.packets",
            "{packet}",
            "Packets of each captured interface by account: kernel = captured + dropped + unread + missed, captured = flows + discarded, except for waiting packets.",
            Vec::new(),
        ),
        Family::counter(
            "pidflow.ledger.bytes",
            "By",
            "Bytes of whole frames of each captured interface by account; those of dropped, unread and missed packets are unknown.",
            Vec::new(),
        ),
    )
}

/// The accounts of an interface that only grow.
fn account(interface: &InterfaceAccount) -> Vec<(Attributes, Amount)> {
    let packets = |packets| Amount { packets, bytes: 0 };
    let attributes = |account: &str, reason: Option<&String>| -> Attributes {
        let labels = [("interface", interface.name.clone()), ("account", account.to_owned())].into_iter();
        labels.chain(reason.map(|reason| ("reason", reason.clone()))).collect()
    };
    let kernel = interface.kernel.iter().flat_map(|kernel| {
        [
            ("kernel", kernel.amount),
            ("kernel-errors", packets(kernel.errors)),
            ("kernel-dropped", packets(kernel.dropped)),
        ]
    });
    let socket = [("dropped", packets(interface.dropped)), ("unread", packets(interface.unread))];
    let socket = socket.into_iter().filter(|_| interface.received.is_some());
    let plain = kernel.chain(socket).chain([("captured", interface.captured), ("flows", interface.in_flows)]);
    let discarded = interface.discarded.iter().map(|(reason, amount)| (attributes("discarded", Some(reason)), *amount));
    plain.map(|(name, amount)| (attributes(name, None), amount)).chain(discarded).collect()
}

fn ends(ledger: &Ledger) -> Pair {
    let all = ledger.ends.iter().flat_map(|(end, account)| {
        let parts = account.attributed.iter().chain(&account.not_attributed);
        parts.map(move |(attribution, amount)| {
            (Attributes::from([("end", end.clone()), ("attribution", attribution.clone())]), *amount)
        })
    });
    pair(
        all.collect(),
        Family::counter(
            "pidflow.ledger.end.packets",
            "{packet}",
            "Packets in records, once at each end, by how the end was attributed to a process or why not.",
            Vec::new(),
        ),
        Family::counter(
            "pidflow.ledger.end.bytes",
            "By",
            "Bytes in records from the IP header on, once at each end, by how the end was attributed to a process or why not.",
            Vec::new(),
        ),
    )
}

fn waiting(ledger: &Ledger) -> Pair {
    let to_read = Amount { packets: ledger.total.to_read(), bytes: 0 };
    let places = [
        ("to-read", to_read),
        ("to-count", ledger.total.to_count),
        ("table", ledger.flows.in_table),
        ("to-join", ledger.flows.to_join),
    ];
    let amounts = places.map(|(place, amount)| (Attributes::from([("place", place.to_owned())]), amount));
    pair(
        amounts.into(),
        Family::gauge("pidflow.ledger.waiting.packets", "{packet}", "Packets in no record yet, by place.", Vec::new()),
        Family::gauge(
            "pidflow.ledger.waiting.bytes",
            "By",
            "Bytes in no record yet, by place: of whole frames until they are counted in a flow, then from the IP header on.",
            Vec::new(),
        ),
    )
}

fn gaps(ledger: &Ledger) -> Pair {
    let of = |check: Check| ledger.gaps.iter().filter(|gap| gap.check == check).map(|gap| gap.amount).sum();
    let amounts = Check::ALL.map(|check| (Attributes::from([("check", check.name().to_owned())]), of(check)));
    pair(
        amounts.into(),
        Family::gauge(
            "pidflow.ledger.gap.packets",
            "{packet}",
            "Packets by which a balance of the ledger is off; 0 if it balances. `pidflow audit` reports where.",
            Vec::new(),
        ),
        Family::gauge("pidflow.ledger.gap.bytes", "By", "The same in bytes, where they are known.", Vec::new()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Gap;

    #[test]
    fn every_account_is_a_series_and_a_gap_is_said() {
        let amount = |packets| Amount { packets, bytes: packets * 100 };
        let eth0 = InterfaceAccount {
            name: "eth0".into(),
            received: Some(9),
            dropped: 2,
            captured: amount(7),
            in_flows: amount(6),
            discarded: [("non-ip-arp".to_owned(), amount(1))].into(),
            ..InterfaceAccount::default()
        };
        let gap = Gap { check: Check::Flows, of: String::new(), amount: amount(3) };
        let ledger = Ledger { interfaces: vec![eth0], gaps: vec![gap], ..Ledger::default() };
        let families = families(&ledger);
        let of = |name: &str| -> Vec<_> {
            let family = families.iter().find(|f| f.name == name).unwrap();
            let text = |s: &MetricSample| s.attributes.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>().join(" ");
            family.samples.iter().map(|s| (text(s), s.point.clone())).collect()
        };
        let expected = [("dropped", 2), ("unread", 0), ("captured", 7), ("flows", 6), ("discarded non-ip-arp", 1)];
        let expected = expected.map(|(account, n)| (format!("eth0 {account}"), Point::Whole(n)));
        assert_eq!(of("pidflow.ledger.packets"), expected);
        assert!(of("pidflow.ledger.gap.bytes").contains(&("flows".to_owned(), Point::Whole(300))));
        assert!(of("pidflow.ledger.gap.packets").contains(&("kernel".to_owned(), Point::Whole(0))));
        assert!(families.iter().all(|f| f.help.ends_with('.')));
        let sent = pidflow_exporters::ipfix::LEDGER.concat();
        assert!(sent.iter().all(|name| families.iter().any(|f| f.name == *name)), "IPFIX asks for {sent:?}");
    }
}
