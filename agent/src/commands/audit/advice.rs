//! The verdict: what is missing where, and what to do.

use crate::figures::{grouped, wrapped};
use crate::ledger::{Check, Gap, InterfaceAccount, Ledger};
use crate::printable::clean_line;

const INDENT: &str = "  ";

/// What does not balance, what was lost but is accounted for, and the verdict.
pub(super) fn render(ledger: &Ledger) -> String {
    let gaps: Vec<String> = ledger.gaps.iter().map(gap).collect();
    let notes: Vec<String> = notes(ledger).collect();
    let section = |title: &str, lines: &[String]| match lines {
        [] => String::new(),
        lines => format!("{title}\n{}", lines.iter().map(|line| wrapped(line, INDENT)).collect::<String>()),
    };
    let verdict = match (ledger.is_balanced(), notes.is_empty()) {
        (true, true) => "It balances: every packet is accounted for, and none was lost.\n",
        (true, false) => "It balances: every packet is accounted for.\n",
        (false, _) => "IT DOES NOT BALANCE.\n",
    };
    section("Missing:", &gaps) + &section("Accounted for:", &notes) + verdict
}

fn gap(gap: &Gap) -> String {
    let (packets, bytes) = (grouped(gap.amount.packets), grouped(gap.amount.bytes));
    let of = clean_line(&gap.of);
    match gap.check {
        Check::Kernel => format!(
            "{of}: the kernel counted {packets} packets that the capture never received, and its buffer did not drop them. \
             Look for XDP programs and hardware offload on the interface (\"ip -details link show\"), which bypass every \
             capture, including tcpdump's, and for a full backlog of the kernel (second column of /proc/net/softnet_stat)."
        ),
        Check::Capture => format!(
            "{of}: {packets} packets, {bytes} bytes, were captured and are neither in a flow nor discarded. This is a fault \
             of pidflow: please report it with this output."
        ),
        Check::Flows => format!(
            "{packets} packets, {bytes} bytes, are in flows and in no record. This is a fault of pidflow: please report it \
             with this output."
        ),
        Check::Ends => format!(
            "{of} end: {packets} packets, {bytes} bytes, in records have no attribution. This is a fault of \
             pidflow: please report it with this output."
        ),
    }
}

fn notes(ledger: &Ledger) -> impl Iterator<Item = String> {
    let filtered = ledger.is_filtered.then(|| {
        "The agent has a filter (--filter), so the kernel's counts and the captured packets cannot be compared."
            .to_owned()
    });
    let interfaces = ledger.interfaces.iter().flat_map(interface);
    // If an interface is compared by itself, its own lines mention merged packets.
    let is_of_all = ledger.total.is_merged && !ledger.interfaces.iter().any(|i| i.is_merged);
    let merged = is_of_all.then(|| merged(&ledger.total));
    filtered.into_iter().chain(interfaces).chain(merged).chain(events_missed(ledger))
}

fn interface(i: &InterfaceAccount) -> impl Iterator<Item = String> {
    let name = clean_line(&i.name);
    let dropped = (i.dropped > 0).then(|| {
        format!(
            "{name}: {} packets were dropped because the capture's buffer was full: they came faster than the agent could \
             count them, and are missing in their flows. Capture fewer interfaces or fewer packets (--interface, --filter), \
             or give the agent more CPU.",
            grouped(i.dropped)
        )
    });
    let unread = (i.unread > 0).then(|| {
        format!(
            "{name}: {} packets were left in the buffer when the interface went down or disappeared.",
            grouped(i.unread)
        )
    });
    dropped.into_iter().chain(unread).chain(i.is_merged.then(|| merged(i)))
}

fn merged(i: &InterfaceAccount) -> String {
    format!(
        "{}: the kernel counted {} packets more than the capture, but no bytes are missing: the kernel merges packets before \
         a capture sees them (GRO), and the card splits long ones after it (TSO).",
        clean_line(&i.name),
        grouped(i.missed)
    )
}

/// Ends that have no process because kernel events were missed.
fn events_missed(ledger: &Ledger) -> Option<String> {
    let of = |why: &str| -> u64 {
        let ends = ledger.ends.values().filter_map(|end| end.not_attributed.get(why));
        ends.map(|amount| amount.bytes).sum()
    };
    let (no_socket, no_process) = (of("no-socket"), of("no-process"));
    (no_socket + no_process > 0).then(|| {
        format!(
            "{} bytes at ends on this host have no process, although there may have been one (no-socket {}, no-process {}). \
             \"pidflow doctor\" reports which kernel events pidflow cannot see; /metrics counts those that were lost \
             (pidflow_probe_events_lost_total).",
            grouped(no_socket + no_process),
            grouped(no_socket),
            grouped(no_process)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Amount;

    #[test]
    fn each_gap_says_where_it_is_and_what_to_do() {
        let amount = Amount { packets: 12_345, bytes: 678 };
        let of = |check| Gap { check, of: "eth0".into(), amount };
        let ledger = Ledger { gaps: Check::ALL.map(of).into(), ..Ledger::default() };
        let text = render(&ledger);
        assert_eq!(text.matches("12,345 packets").count(), 4, "{text}");
        assert!(text.contains("XDP") && text.matches("please report").count() == 3, "{text}");
        assert!(
            text.ends_with("IT DOES NOT BALANCE.\n") && text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn what_was_dropped_is_said_though_it_balances() {
        assert_eq!(render(&Ledger::default()), "It balances: every packet is accounted for, and none was lost.\n");
        let eth0 =
            InterfaceAccount { name: "eth0".into(), received: Some(9), dropped: 7, ..InterfaceAccount::default() };
        let text = render(&Ledger { interfaces: vec![eth0], ..Ledger::default() });
        assert!(text.contains("eth0: 7 packets were dropped") && text.contains("--filter"), "{text}");
        assert!(text.ends_with("It balances: every packet is accounted for.\n"), "{text}");
    }
}
