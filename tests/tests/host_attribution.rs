//! Real traffic on this host: the records of every scenario must name the processes that were at both ends.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES` (default `tracepoint`, the one that every kernel offers).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::records::{Record, Side};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial::{self, Trial};
use pidflow_tests::truth::Expected;

fn backend() -> String {
    std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned())
}

/// Asserts that all exchanges of `scenario` are right at both ends, with one record each.
fn assert_perfect(name: &str, scenario: &str) -> Result<()> {
    if without_root(name) {
        return Ok(());
    }
    let trial = trial::observe(scenario, &["--probes", &backend()])?;
    expect_perfect(&trial)
}

fn expect_perfect(trial: &Trial) -> Result<()> {
    ensure!(trial.outcome.perfect(), "{}\nthe agent said:\n{}", trial.outcome, trial.ended.log);
    Ok(())
}

#[test]
fn five_thousand_short_processes() -> Result<()> {
    if without_root("five_thousand_short_processes") {
        return Ok(());
    }
    let trial = trial::observe("burst --count 5000 --rate 500 --ports 300", &["--probes", &backend()])?;
    println!("{}", trial.outcome);
    ensure!(trial.truth.len() == 5000, "only {} exchanges", trial.truth.len());
    ensure!(trial.outcome.passes(), "{}\nthe agent said:\n{}", trial.outcome, trial.ended.log);
    Ok(())
}

#[test]
fn prefork_workers_own_what_they_accept() -> Result<()> {
    assert_perfect("prefork_workers_own_what_they_accept", "prefork")
}

#[test]
fn a_passed_descriptor_belongs_to_its_user() -> Result<()> {
    assert_perfect("a_passed_descriptor_belongs_to_its_user", "fdpass")
}

#[test]
fn a_udp_server_that_only_receives() -> Result<()> {
    assert_perfect("a_udp_server_that_only_receives", "udp-recv-only")
}

#[test]
fn workers_that_close_what_they_accept() -> Result<()> {
    assert_perfect("workers_that_close_what_they_accept", "accept-close")
}

#[test]
fn a_record_has_the_process_as_it_was_at_the_flow() -> Result<()> {
    assert_perfect("a_record_has_the_process_as_it_was_at_the_flow", "changes")
}

#[test]
fn connected_udp() -> Result<()> {
    assert_perfect("connected_udp", "udp-connected")
}

#[test]
fn unconnected_udp() -> Result<()> {
    assert_perfect("unconnected_udp", "udp-unconnected")
}

#[test]
fn a_process_that_execs_after_connecting() -> Result<()> {
    assert_perfect("a_process_that_execs_after_connecting", "exec-after-connect")
}

#[test]
fn a_connection_that_resets_the_one_before_is_one_flow() -> Result<()> {
    assert_perfect("a_connection_that_resets_the_one_before_is_one_flow", "comeback")
}

/// The tracepoint backend sees that these connects fail, but not why.
#[test]
fn a_connect_that_fails_at_once_is_reported() -> Result<()> {
    let error = if backend() == "tracepoint" { "unknown" } else { "known" };
    assert_perfect("a_connect_that_fails_at_once_is_reported", &format!("unroutable --error {error}"))
}

#[test]
fn a_refused_connection_says_so() -> Result<()> {
    assert_perfect("a_refused_connection_says_so", "refused")
}

/// The agent runs until the flow of unanswered SYNs is idle: it must not report the failure twice.
#[test]
fn a_connection_that_times_out_says_so_once() -> Result<()> {
    if without_root("a_connection_that_times_out_says_so_once") {
        return Ok(());
    }
    let arguments = ["--probes", &backend(), "-d", "10s"];
    expect_perfect(&trial::observe_longer("timeout", &arguments, Duration::from_secs(13))?)
}

#[test]
fn an_unreachable_host_says_so_without_any_packet() -> Result<()> {
    assert_perfect("an_unreachable_host_says_so_without_any_packet", "unreachable")
}

#[test]
fn a_namespaced_process_over_veth() -> Result<()> {
    assert_perfect("a_namespaced_process_over_veth", "netns --count 5")
}

/// A process that only listens on the port in the packets is not the one that receives them.
#[test]
fn a_listener_at_a_translated_port_is_not_named() -> Result<()> {
    const NAME: &str = "a_listener_at_a_translated_port_is_not_named";
    if without_root(NAME) {
        return Ok(());
    }
    if Command::new("nft").arg("--version").output().is_err() {
        skip(NAME, "no nft (package nftables)");
        return Ok(());
    }
    let trial = trial::observe_within("translated", &["--probes", &backend()])?;
    println!("{}", trial.outcome);
    ensure!(trial.outcome.perfect(), "{}\n{}", trial.outcome, trial.ended.log);
    Ok(())
}

/// The kernel does not report which of several listeners had a connection that was never accepted, and a worker that
/// accepts one after its client has gone gets none of its packets: the record must name candidates at most, and never
/// the listener's owner.
#[test]
fn a_listener_is_not_named_where_another_process_may_have_the_connection() -> Result<()> {
    const NAME: &str = "a_listener_is_not_named_where_another_process_may_have_the_connection";
    if without_root(NAME) {
        return Ok(());
    }
    let Trial { truth, ended, outcome } = trial::observe("listeners", &["--probes", &backend()])?;
    println!("{outcome}");
    ensure!(outcome.wrong == 0 && outcome.surplus == 0, "{outcome}\n{}", ended.log);
    let (mut late, mut waiting) = (0, 0);
    for exchange in &truth {
        let source = (exchange.source, exchange.source_port);
        let record = ended.records.iter().find(|r| r.source == source && r.protocol == exchange.protocol);
        let record = record.context("no record")?;
        if record.end_text(Side::Destination, "PROC_ATTRIBUTION") != Some("ambiguous") {
            continue;
        }
        let candidate = record.end_number(Side::Destination, "CANDIDATE_PROC_PID");
        if let Expected::Process(worker) = &exchange.destination_end {
            late += 1;
            ensure!(candidate == Some(u64::from(worker.pid)), "not {worker:?}: {record:?}");
        } else {
            waiting += 1;
            ensure!(candidate.is_some(), "no candidate: {record:?}");
        }
    }
    ensure!(late == outcome.missing && (late, waiting) == (6, 6), "{late} late, {waiting} waiting: {outcome}");
    Ok(())
}

#[test]
fn a_tunnels_outer_packets_are_the_kernels() -> Result<()> {
    if without_root("a_tunnels_outer_packets_are_the_kernels") {
        return Ok(());
    }
    let trial = trial::observe_within("tunnel", &["--probes", &backend(), "--tunnels", "outer"])?;
    expect_perfect(&trial)?;
    let is_kernels = |r: &&Record| r.destination.1 == 4789 || r.protocol == 1 || r.protocol == 2;
    let (mut outer, mut icmp) = (0, 0);
    for record in trial.ended.records.iter().filter(is_kernels) {
        let said = [Side::Source, Side::Destination].map(|side| record.end_text(side, "PROC_ATTRIBUTION"));
        ensure!(said.iter().all(|s| matches!(s, Some("kernel" | "remote"))), "{said:?}: {record:?}");
        let is_known = said.contains(&Some("kernel"));
        outer += usize::from(is_known && record.destination.1 == 4789);
        icmp += usize::from(is_known && record.protocol == 1);
    }
    ensure!(outer > 0 && icmp > 0, "{outer} flows of outer packets, {icmp} of ICMP");
    Ok(())
}

#[test]
fn threads_count_as_their_process() -> Result<()> {
    assert_perfect("threads_count_as_their_process", "threads")
}

#[test]
fn ping_has_a_process_on_one_side() -> Result<()> {
    assert_perfect("ping_has_a_process_on_one_side", "ping")
}

/// Every process that had the port for a short time has its own record.
#[test]
fn twenty_owners_of_a_udp_port_in_turn() -> Result<()> {
    if without_root("twenty_owners_of_a_udp_port_in_turn") {
        return Ok(());
    }
    every_owner_has_its_record("udp-handover")
}

/// The same, where no process ends: the kernel reports when each closed its socket.
#[test]
fn twenty_owners_of_a_udp_port_who_live_on() -> Result<()> {
    if without_root("twenty_owners_of_a_udp_port_who_live_on") {
        return Ok(());
    }
    every_owner_has_its_record("udp-given-up")
}

fn every_owner_has_its_record(scenario: &str) -> Result<()> {
    let trial = trial::observe(scenario, &["--probes", &backend()])?;
    let first = trial.truth.first().context("no exchange")?;
    let (source, destination) = ((first.source, first.source_port), (first.destination, first.destination_port));
    let of_port = trial.ended.records.iter().filter(|r| r.source == source && r.destination == destination);
    let mut said: Vec<_> = of_port.map(|r| r.end_number(Side::Source, "PROC_PID")).collect();
    let mut true_ones: Vec<_> = trial.truth.iter().map(|e| process_of(&e.source_end).map(u64::from)).collect();
    said.sort_unstable();
    true_ones.sort_unstable();
    ensure!(said == true_ones, "said {said:?}\ntrue {true_ones:?}\n{}", trial.outcome);
    Ok(())
}

fn process_of(end: &Expected) -> Option<u32> {
    match end {
        Expected::Process(end) => Some(end.pid),
        _ => None,
    }
}

/// The kernel reports the remote address of a datagram with its receiver, so that the worker is known.
#[test]
fn udp_servers_that_share_a_port_are_told_apart() -> Result<()> {
    assert_perfect("udp_servers_that_share_a_port_are_told_apart", "udp-reuseport")
}

/// It is unknown which worker received a datagram if it does not ask for the sender: the record must name none, never a
/// wrong one.
#[test]
fn udp_servers_that_share_a_port_and_only_receive_are_never_mistaken() -> Result<()> {
    const NAME: &str = "udp_servers_that_share_a_port_and_only_receive_are_never_mistaken";
    if without_root(NAME) {
        return Ok(());
    }
    let trial = trial::observe("udp-reuseport-silent", &["--probes", &backend()])?;
    println!("{}", trial.outcome);
    ensure!(trial.truth.len() == 50 && trial.outcome.wrong == 0, "{}", trial.outcome);
    Ok(())
}

#[test]
fn udp_ports_of_two_namespaces_and_of_two_addresses_are_told_apart() -> Result<()> {
    assert_perfect("udp_ports_of_two_namespaces_and_of_two_addresses_are_told_apart", "udp-equal-ports")
}

#[test]
fn holders_of_raw_sockets_are_not_the_kernel() -> Result<()> {
    if without_root("holders_of_raw_sockets_are_not_the_kernel") {
        return Ok(());
    }
    let trial = trial::observe("raw-holders", &["--probes", &backend()])?;
    // The kernel's answers to several datagrams are one flow.
    ensure!(trial.outcome.wrong == 0 && trial.outcome.right >= 10, "{}", trial.outcome);
    let is_icmp = |r: &&Record| r.protocol == 1 || r.protocol == 58;
    let sides = [Side::Source, Side::Destination];
    for record in trial.ended.records.iter().filter(is_icmp) {
        let said: Vec<_> = sides.iter().filter_map(|side| record.end_text(*side, "PROC_ATTRIBUTION")).collect();
        ensure!(said == ["kernel", "kernel"], "{record:?}");
    }
    ensure!(trial.ended.records.iter().filter(is_icmp).count() >= 2, "no answer of the kernel seen");
    Ok(())
}

#[test]
fn a_process_number_that_comes_back_within_a_tick() -> Result<()> {
    assert_perfect("a_process_number_that_comes_back_within_a_tick", "pid-reuse")
}

#[test]
fn refused_connects_of_another_namespace_are_not_reported() -> Result<()> {
    if without_root("refused_connects_of_another_namespace_are_not_reported") {
        return Ok(());
    }
    let trial = trial::observe("refused-elsewhere", &["--probes", &backend()])?;
    expect_perfect(&trial)?;
    // Connects of other programs on this host may be refused meanwhile.
    let is_of_scenario = |r: &&Record| r.protocol == 6 && (7200..7205).contains(&r.destination.1);
    let refused: Vec<_> = trial.ended.records.iter().filter(is_of_scenario).collect();
    ensure!(refused.is_empty(), "{refused:?}");
    Ok(())
}

#[test]
fn a_connection_older_than_the_agent() -> Result<()> {
    if without_root("a_connection_older_than_the_agent") {
        return Ok(());
    }
    expect_perfect(&trial::observe_later("preexisting", &["--probes", &backend()])?)
}

#[test]
fn a_namespace_older_than_the_agent() -> Result<()> {
    if without_root("a_namespace_older_than_the_agent") {
        return Ok(());
    }
    expect_perfect(&trial::observe_later("netns --count 5", &["--probes", &backend()])?)
}

#[test]
fn polling_finds_a_connection_older_than_the_agent() -> Result<()> {
    if without_root("polling_finds_a_connection_older_than_the_agent") {
        return Ok(());
    }
    expect_perfect(&trial::observe_later("preexisting", &["--probes", "poll"])?)
}
