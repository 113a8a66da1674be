//! Two hosts with an agent each, and a router between them that masquerades and drops: their records, put together by ClickHouse's
//! tables, have the right processes at both ends and tell how many packets were lost, and both halves are one trace.
//!
//! Each host is a network namespace. Needs root, nftables and the Python module `chdb`. `PIDFLOW_TEST_CONNECTIONS` is the number of
//! TCP connections, 5,000 by default.

#![allow(clippy::indexing_slicing, reason = "whatever is not as expected ends the test")]

mod collected;
mod network;
mod spans;
mod store;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::{Agent, Ended};
use pidflow_tests::process;
use pidflow_tests::records::Side;
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;
use pidflow_tests::truth::Meeting;

use network::{BEHIND_PROXY, Network, SERVERS};
use spans::Spans;
use store::Whole;

const TCP: u8 = 6;
const UDP: u8 = 17;
const CLIENT_PORTS: u32 = 200;
/// Ports of the servers: with masquerading and drops over TCP, plain over UDP, with masquerading over UDP.
const FIRST: u16 = 9000;
const MASQUERADED: u16 = 9100;
/// The port of the last connection.
const LAST: u16 = 9300;
/// Connections through the proxy.
const PROXIED: usize = 20;
const HOSTS: [&str; 2] = ["client", "server"];
/// Maximum wait for the agents, and how often they are looked at.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Share of the connections that must be put together.
const GLUED: f64 = 0.999;

/// Ports of the servers. With fewer, the clients of many connections would use a pair of ports again within a second, which the
/// kernel refuses (TIME-WAIT).
fn server_ports() -> u32 {
    (connections() / 5000).clamp(5, 20)
}

fn connections() -> u32 {
    std::env::var("PIDFLOW_TEST_CONNECTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(5000)
}

/// Client processes, and what they say of their conversations.
fn ask(network: &Network, protocol: u8, to: &str, (count, ports): (u32, u32)) -> Result<Vec<Meeting>> {
    let scenario = process::binary("scenario")?;
    let mut command = network.client.command(scenario.to_str().context("path")?);
    command.args([
        "crowd-ask",
        "--to",
        to,
        "--protocol",
        &protocol.to_string(),
        "--servers",
        &server_ports().to_string(),
    ]);
    let output = command.args(["--count", &count.to_string(), "--ports", &ports.to_string()]).output()?;
    ensure!(output.status.success(), "clients of {to}: {}", String::from_utf8_lossy(&output.stderr));
    let meetings: Vec<Meeting> =
        String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(meetings.len() == count as usize, "{} of {count} conversations", meetings.len());
    Ok(meetings)
}

fn agent(network: &Network, side: Side, dir: &Path, spans: &Spans) -> Result<Agent> {
    let (host, name) = match side {
        Side::Source => (&network.client, "client"),
        Side::Destination => (&network.server, "server"),
    };
    let (dir, config) = (dir.join(name), dir.join(format!("{name}.toml")));
    std::fs::create_dir(&dir)?;
    std::fs::write(&config, spans.exporter())?;
    let config = config.to_str().context("path")?;
    let arguments =
        ["-i", "any", "--config", config, "--host", name, "--observer", name, "-t", "0", "--drain-timeout", "60s"];
    Agent::start_beside(host.pid(), &dir, &arguments)
}

/// Waits until all connections have ended, and then until both agents have exported one more that begins now. All earlier packets
/// have been counted then.
fn settle(network: &Network, dir: &Path) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while network.has_open_connections()? {
        ensure!(Instant::now() < end, "connections do not end");
        std::thread::sleep(POLL);
    }
    network.ask(&format!("{SERVERS}:{LAST}"), 1)?;
    for host in HOSTS {
        let records = dir.join(host).join("records.jsonl");
        while !std::fs::read_to_string(&records)?.contains(&format!("\"L4_DST_PORT\":{LAST},")) {
            ensure!(Instant::now() < end, "the agent at the {host} has not exported the last connection");
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}

/// Conversations by what is compared; ports are used several times.
fn counted(meetings: impl IntoIterator<Item = Meeting>) -> HashMap<Meeting, usize> {
    let mut counts = HashMap::new();
    meetings.into_iter().for_each(|meeting| *counts.entry(meeting).or_default() += 1);
    counts
}

/// Every flow to the servers that was put together is a conversation that took place, and nearly all of these were.
fn compare<'a>(what: &str, truth: &[Meeting], rows: &'a [Whole], basis: &str) -> Result<Vec<&'a Whole>> {
    let protocol = truth.first().context("no conversations")?.protocol;
    let servers = FIRST..FIRST + u16::try_from(server_ports())?;
    let is_it = |row: &&Whole| row.is_glued && row.protocol == protocol && servers.contains(&row.ports.1);
    let (mut left, mut right) = (counted(truth.iter().copied()), 0_u32);
    let rows: Vec<_> = rows.iter().filter(is_it).collect();
    for row in &rows {
        let meeting = row.meeting().with_context(|| format!("{what}: an end without a process: {row:?}"))?;
        let count = left.get_mut(&meeting).filter(|count| **count > 0);
        *count.with_context(|| format!("{what}: wrong, or twice: {row:?}"))? -= 1;
        ensure!(row.basis == basis, "{what}: {row:?}");
        right += 1;
    }
    println!("{what}: {right} of {} put together, none wrong", truth.len());
    ensure!(f64::from(right) >= GLUED * truth.len() as f64, "{what}: only {right} of {}", truth.len());
    Ok(rows)
}

/// Halves of which nothing tells that they belong together stay apart: UDP that the router masquerades, and the two connections
/// of the proxy.
fn nothing_else(rows: &[Whole], hidden: usize) -> Result<()> {
    let masqueraded: Vec<_> = rows.iter().filter(|row| row.ports.1 == MASQUERADED).collect();
    ensure!(masqueraded.iter().all(|row| !row.is_glued), "masqueraded UDP: {masqueraded:?}");
    ensure!(masqueraded.len() == 2 * hidden, "{} halves of {hidden} over UDP", masqueraded.len());
    let proxied: Vec<_> =
        rows.iter().filter(|row| [network::PROXY_PORT, BEHIND_PROXY].contains(&row.ports.1)).collect();
    ensure!(proxied.iter().all(|row| !row.is_glued), "a proxy's connections: {proxied:?}");
    ensure!(proxied.len() == 2 * PROXIED, "{} records of {PROXIED} connections through a proxy", proxied.len());
    Ok(())
}

/// The records of both hosts, as two machines would make them.
fn halves(dir: &Path) -> Result<[PathBuf; 2]> {
    let rewrite = |side: Side, name: &str| {
        let to = dir.join(format!("{}.jsonl", side.prefix()));
        store::rewritten(&dir.join(name).join("records.jsonl"), side, &to)?;
        Ok::<_, anyhow::Error>(to)
    };
    Ok([rewrite(Side::Source, HOSTS[0])?, rewrite(Side::Destination, HOSTS[1])?])
}

/// What `pidflow collect --glue` put together is what ClickHouse's tables did.
fn same(stored: &[Whole], collected: &[Whole]) -> Result<()> {
    let sorted = |rows: &[Whole]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    let (stored, collected) = (sorted(stored), sorted(collected));
    let difference = stored.iter().zip(&collected).find(|(a, b)| a != b);
    ensure!(difference.is_none(), "ClickHouse and pidflow collect: {difference:?}");
    ensure!(stored.len() == collected.len(), "{} flows, {} from pidflow collect", stored.len(), collected.len());
    println!(
        "pidflow collect: the same {} flows, {} glued",
        collected.len(),
        collected.iter().filter(|r| r.is_glued).count()
    );
    Ok(())
}

fn nothing_missed(ended: &[Ended]) -> Result<()> {
    let is_loss = |line: &str| line.contains("lost ") && !line.ends_with("lost 0");
    for half in ended {
        ensure!(!half.log.lines().any(is_loss), "{}", half.log);
    }
    Ok(())
}

/// What the halves differ by is what the router dropped.
fn lost(rows: &[&Whole], dropped: u64) -> Result<()> {
    let differences: Vec<[i64; 2]> = rows.iter().filter_map(|row| row.lost).collect();
    ensure!(differences.len() == rows.len(), "{} of {} can be compared", differences.len(), rows.len());
    let sum: i64 = differences.iter().flatten().sum();
    println!("lost: {sum} by the records, {dropped} at the router");
    ensure!(dropped > 0 && i64::try_from(dropped)? == sum, "{sum} lost by the records, {dropped} at the router");
    Ok(())
}

#[test]
fn two_hosts_records_of_a_flow_are_put_together() -> Result<()> {
    let test = "two_hosts_records_of_a_flow_are_put_together";
    if without_root(test) {
        return Ok(());
    }
    if std::process::Command::new("nft").arg("--version").output().is_err() {
        skip(test, "no nft (package nftables)");
        return Ok(());
    }
    let Some(python) = store::python(test) else { return Ok(()) };
    // The same addresses in namespaces of another run would make ends ambiguous.
    let alone = File::create(std::env::temp_dir().join("pidflow-host-glue.lock"))?;
    alone.lock()?;
    let (dir, start) = (trial::folder()?, Instant::now());
    let network = Network::new()?;
    let _servers = [network.serve(FIRST, server_ports())?, network.serve(MASQUERADED, 1)?];
    let _proxy = network.proxy()?;
    let _last = network.start_server(LAST)?;
    let spans = [Spans::receive_in(&network.client)?, Spans::receive_in(&network.server)?];
    let agents = [
        agent(&network, Side::Source, dir.path(), &spans[0])?,
        agent(&network, Side::Destination, dir.path(), &spans[1])?,
    ];
    println!("started after {:?}", start.elapsed());
    let count = connections();
    let over_tcp = ask(&network, TCP, &format!("{SERVERS}:{FIRST}"), (count, CLIENT_PORTS))?;
    println!("{count} connections after {:?}", start.elapsed());
    // One process each, all at the same time.
    let datagrams = (count / 10).min(500);
    let over_udp = ask(&network, UDP, &format!("{SERVERS}:{FIRST}"), (datagrams, datagrams))?;
    let hidden = ask(&network, UDP, &format!("{SERVERS}:{MASQUERADED}"), (20, 20))?;
    network.ask(&format!("10.1.0.1:{}", network::PROXY_PORT), PROXIED)?;
    settle(&network, dir.path())?;
    let dropped = network.dropped()?;
    let ended = agents.into_iter().map(Agent::stop).collect::<Result<Vec<_>>>()?;
    println!("stopped after {:?}", start.elapsed());
    nothing_missed(&ended)?;
    let files = halves(dir.path())?;
    let rows = store::whole_flows(&python, dir.path(), &files)?;
    println!("{} flows after {:?}", rows.len(), start.elapsed());
    nothing_else(&rows, hidden.len())?;
    let tcp = compare("TCP", &over_tcp, &rows, "tcp-sequence")?;
    compare("UDP", &over_udp, &rows, "community-id")?;
    lost(&tcp, dropped)?;
    same(&rows, &collected::whole_flows(dir.path(), &files)?)?;
    let [client, server] = spans.map(|spans| spans.received());
    let traces = spans::in_one_trace(&client?, &server?)?;
    ensure!(tcp.iter().all(|row| traces.contains(&row.key)), "a flow that is put together is not one trace");
    println!("{} traces, ended after {:?}", traces.len(), start.elapsed());
    Ok(())
}
