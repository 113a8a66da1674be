//! Interfaces that come and go.

use super::*;
use crate::flow_table::ForgottenInterface;

/// A short-lived interface: it gets a name, one packet arrives there, and it is removed.
fn come_and_go(run: &mut Run, number: u32, time_ns: u64) {
    run.table.set_interface(number, number + 1, &format!("veth{number:08x}").into());
    run.table.set_observation(number, Observation::TogetherAs(7));
    run.table.set_network_namespace(number, number + 1);
    let client = (IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 4000);
    run.put(Packet { interface: number, ..udp(time_ns, client, SERVER) });
    run.table.interface_is_gone(number);
}

fn packets(all: &[ForgottenInterface]) -> u64 {
    all.iter().map(|forgotten| forgotten.counted.packets).sum()
}

#[test]
fn a_hundred_thousand_interfaces_that_are_gone_take_no_memory() {
    let mut run = Run::new(FlowTableConfig { idle_timeout_ns: Some(SECOND), ..FlowTableConfig::default() });
    run.table.set_interface(0, 1, &"eth0".into());
    let (mut forgotten, mut known, mut bytes) = (Vec::new(), 0, 0);
    for number in 1..=100_000 {
        let now = u64::from(number) * 10 * MS;
        come_and_go(&mut run, number, now);
        run.table.expire(now, &mut run.out);
        forgotten.extend(run.table.take_forgotten_interfaces());
        known = known.max(run.table.known_interfaces());
        bytes = bytes.max(run.table.interfaces.allocated_bytes());
    }
    // At any time about a hundred flows refer to interfaces.
    assert!(known <= 700, "{known}");
    assert!(bytes < 200_000, "{bytes}");
    let kept: u64 = run.table.counted_by_interface().map(|(_, counted)| counted.packets).sum();
    assert_eq!(packets(&forgotten) + kept, 100_000, "no packet is lost");
    assert!(run.table.counted_by_interface().any(|(number, _)| number == 0), "an existing interface is kept");
}

#[test]
fn an_interface_is_known_as_long_as_a_flow_refers_to_it() {
    let mut run = Run::new(FlowTableConfig::default());
    for number in 0..2000 {
        come_and_go(&mut run, number, u64::from(number));
    }
    assert_eq!((run.table.take_forgotten_interfaces().len(), run.table.known_interfaces()), (0, 2000));
    let flows = run.finish();
    assert_eq!(flows.len(), 2000);
    assert!(flows.iter().all(|flow| flow.interface.starts_with("veth") && flow.interface_index != 0));
}

#[test]
fn interfaces_of_flows_that_have_ended_are_forgotten() {
    let mut run = Run::new(FlowTableConfig { idle_timeout_ns: Some(SECOND), ..FlowTableConfig::default() });
    (0..2000).for_each(|number| come_and_go(&mut run, number, u64::from(number)));
    run.table.expire(100 * SECOND, &mut run.out);
    (2000..4000).for_each(|number| come_and_go(&mut run, number, 100 * SECOND + u64::from(number)));
    let forgotten = run.table.take_forgotten_interfaces();
    assert_eq!((forgotten.len(), packets(&forgotten)), (2000, 2000));
    assert!(forgotten.iter().all(|one| one.number < 2000));
}

/// A held fragment waits for the first one of its datagram, and is in no flow yet.
#[test]
fn an_interface_of_a_held_fragment_is_not_forgotten() {
    let mut run = Run::new(FlowTableConfig { idle_timeout_ns: Some(SECOND), ..FlowTableConfig::default() });
    run.table.set_interface(0, 1, &"veth0".into());
    let later = Packet { source_port: 0, destination_port: 0, ..udp(0, CLIENT, SERVER) };
    run.put(later.with_fragment(Fragment::Later, 5));
    run.table.interface_is_gone(0);
    (1..300).for_each(|number| run.table.interface_is_gone(number));
    assert_eq!((run.table.held_fragments().count(), run.table.known_interfaces()), (1, 1));
}
