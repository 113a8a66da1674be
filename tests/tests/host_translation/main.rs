//! Two nodes with pods, service addresses and masquerading, as Kubernetes sets them up: each conversation is one record on each
//! node that it passes. The record has the processes, containers and pods at the ends of its node and the addresses before and after
//! translation, and counts each packet once.
//!
//! A node is a network namespace with a bridge; a pod is a network namespace linked to the bridge, and a cgroup. A VXLAN overlay connects the
//! nodes. Needs root and nftables. `PIDFLOW_TEST_TALKS` is the number of conversations of each kind, 50 by default.

mod pods;

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::{Agent, Ended};
use pidflow_tests::namespace::{Namespace, ip};
use pidflow_tests::process::{self, Guarded};
use pidflow_tests::records::{Record, Side};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;
use pidflow_tests::truth::Talk;

use pods::Pod;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Ports of services and of their backends.
const ASKED: u16 = 80;
const SERVED: u16 = 8080;
/// Header lengths, bytes: IPv4 and TCP with timestamps; the additional options of a SYN; IPv4 and UDP.
const TCP_HEADERS: u64 = 52;
const SYN_OPTIONS: u64 = 8;
const UDP_HEADERS: u64 = 28;
/// Time until the agent has read the last packets.
const SETTLE: Duration = Duration::from_secs(1);

/// The rules of the first node: several services, among them one with masquerading by the node and one whose backend is the client.
const RULES: &str = "
table ip nat {
  chain services {
    type nat hook prerouting priority -100
    ip daddr 10.96.0.1 meta l4proto { tcp, udp } th dport 80 dnat to 10.1.1.12:8080
    ip daddr 10.96.0.2 meta l4proto { tcp, udp } th dport 80 dnat to 10.1.2.11:8080
    ip daddr 10.96.0.3 meta l4proto { tcp, udp } th dport 80 ct mark set 1 dnat to 10.1.2.11:8080
    ip daddr 10.96.0.4 meta l4proto { tcp, udp } th dport 80 ct mark set 1 dnat to 10.1.1.11:8080
  }
  chain own {
    type nat hook output priority -100
    ip daddr 10.96.0.1 meta l4proto { tcp, udp } th dport 80 dnat to 10.1.1.12:8080
  }
  chain outgoing {
    type nat hook postrouting priority 100
    ct mark 1 masquerade
    ip saddr 10.1.1.0/24 ip daddr != 10.0.0.0/8 masquerade
  }
}
";

/// A kind of conversation, and how the nodes see it.
struct Case {
    name: &'static str,
    /// Whether the client is in the first pod. Otherwise it is a process of the node itself.
    from_pod: bool,
    to: &'static str,
    /// The address to which the connection is translated.
    backend: &'static str,
    /// The source address after translation; none: it is not translated.
    masqueraded: Option<&'static str>,
    /// Whether the conversation passes the second node.
    crosses: bool,
}

const CASES: [Case; 6] = [
    Case {
        name: "same node",
        from_pod: true,
        to: "10.96.0.1:80",
        backend: "10.1.1.12:8080",
        masqueraded: None,
        crosses: false,
    },
    Case {
        name: "other node",
        from_pod: true,
        to: "10.96.0.2:80",
        backend: "10.1.2.11:8080",
        masqueraded: None,
        crosses: true,
    },
    Case {
        name: "masqueraded service",
        from_pod: true,
        to: "10.96.0.3:80",
        backend: "10.1.2.11:8080",
        masqueraded: Some("10.1.255.1"),
        crosses: true,
    },
    Case {
        name: "hairpin",
        from_pod: true,
        to: "10.96.0.4:80",
        backend: "10.1.1.11:8080",
        masqueraded: Some("10.1.1.1"),
        crosses: false,
    },
    Case {
        name: "outside",
        from_pod: true,
        to: "192.0.2.2:8080",
        backend: "192.0.2.2:8080",
        masqueraded: Some("192.0.2.1"),
        crosses: true,
    },
    Case {
        name: "from the node",
        from_pod: false,
        to: "10.96.0.1:80",
        backend: "10.1.1.12:8080",
        masqueraded: None,
        crosses: false,
    },
];

/// A node with two pods.
struct Node {
    namespace: Namespace,
    pods: [Pod; 2],
}

impl Node {
    fn new(number: u8) -> Result<Self> {
        let pods = [Pod::new(2 * number)?, Pod::new(2 * number + 1)?];
        let node = Self { namespace: Namespace::new()?, pods };
        node.namespace.within(|| {
            ip("link add cni0 type bridge")?;
            ip(&format!("addr add 10.1.{number}.1/24 dev cni0"))?;
            ip("link set cni0 up")?;
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            for (pod, at) in node.pods.iter().zip(11..) {
                let port = format!("pod{at}");
                pod.namespace.pair(&port, ("eth0", &format!("10.1.{number}.{at}/24")))?;
                ip(&format!("link set {port} master cni0"))?;
                ip(&format!("link set {port} type bridge_slave hairpin on"))?;
                pod.namespace.ip(&format!("route add default via 10.1.{number}.1"))?;
            }
            Ok(())
        })?;
        Ok(node)
    }

    /// The overlay to the other node.
    fn overlay(&self, number: u8, other: u8) -> Result<()> {
        self.namespace.within(|| {
            ip(&format!(
                "link add vx type vxlan id 42 dstport 4789 local 192.0.2.{number} remote 192.0.2.{other} dev uplink"
            ))?;
            ip(&format!("addr add 10.1.255.{number}/24 dev vx"))?;
            ip("link set vx up")?;
            ip(&format!("route add 10.1.{other}.0/24 via 10.1.255.{other}"))
        })
    }

    fn rules(&self, rules: &str) -> Result<()> {
        let mut nft = self.namespace.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().context("no standard input")?.write_all(rules.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft refused the rules");
        Ok(())
    }

    fn agent(&self, dir: &std::path::Path) -> Result<Agent> {
        let logs = pods::logs_of(&self.pods, dir.join("logs"))?;
        let logs = logs.to_str().context("folder of logs")?;
        // The overlay's packets are captured on its device; the outer packets belong to the nodes themselves.
        // Nearly all records are made at the end, by a debug build on a host that may be busy.
        let arguments = ["-i", "any", "--tunnels", "outer", "-t", "0", "-d", "60s", "--drain-timeout", "25s"];
        Agent::start_beside(self.namespace.pid(), dir, &[&arguments[..], &["--pod-logs", logs]].concat())
    }
}

/// Both nodes, and the link between them.
fn nodes() -> Result<[Node; 2]> {
    let nodes = [Node::new(1)?, Node::new(2)?];
    let [first, second] = &nodes;
    first.namespace.within(|| {
        ip(&format!("link add uplink type veth peer name uplink netns {}", second.namespace.pid()))?;
        ip("addr add 192.0.2.1/24 dev uplink")?;
        ip("link set uplink up")
    })?;
    second.namespace.ip("addr add 192.0.2.2/24 dev uplink")?;
    second.namespace.ip("link set uplink up")?;
    first.overlay(1, 2)?;
    second.overlay(2, 1)?;
    first.rules(RULES)?;
    first.namespace.ip("route add 10.96.0.0/16 dev cni0")?;
    // Conntrack without translation.
    second.rules("table ip nat {\n chain c {\n type nat hook postrouting priority 100\n }\n}")?;
    Ok(nodes)
}

/// The conversations of a client that has ended.
struct Asked {
    case: usize,
    protocol: u8,
    pid: u32,
    talks: Vec<Talk>,
}

/// Where a program runs.
#[derive(Clone, Copy)]
enum Place<'a> {
    Node(&'a Namespace),
    Pod(&'a Pod),
}

impl Place<'_> {
    fn scenario(self) -> Result<Command> {
        let scenario = process::binary("scenario")?;
        Ok(match self {
            Self::Node(namespace) => namespace.command(scenario.to_str().context("path")?),
            Self::Pod(pod) => pod.command(&scenario),
        })
    }

    fn serve(self, arguments: &[&str]) -> Result<Guarded> {
        let server = self.scenario()?.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut server = Guarded::new(server);
        server.await_ready().with_context(|| format!("{arguments:?}"))?;
        Ok(server)
    }
}

fn ask(place: Place<'_>, (case, protocol): (usize, u8), to: &str, count: u16) -> Result<Asked> {
    let ports = 20_000 + 1200 * u16::try_from(case)?;
    let name = if protocol == TCP { "tcp" } else { "udp" };
    let (count, ports) = (count.to_string(), ports.to_string());
    let mut command = place.scenario()?;
    command.args(["peers-ask", "--to", to, "--protocol", name, "--count", &count, "--ports", &ports]);
    let client = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let pid = client.id();
    let output = client.wait_with_output()?;
    ensure!(output.status.success(), "client to {to} over {name}");
    let talks = String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(Asked { case, protocol, pid, talks })
}

/// Records by protocol and source.
type BySource<'a> = HashMap<(u8, IpAddr, u16, SocketAddr), Vec<&'a Record>>;

fn by_source(records: &[Record]) -> BySource<'_> {
    let mut all = BySource::new();
    for r in records {
        let to = SocketAddr::new(r.destination.0, r.destination.1);
        all.entry((r.protocol, r.source.0, r.source.1, to)).or_default().push(r);
    }
    all
}

/// Source and destination after translation; none: the record has none.
fn after(record: &Record) -> Option<[SocketAddr; 2]> {
    let end = |side: Side| {
        let address = record.text(&format!("POST_NAT_{}_IPV4_ADDR", side.prefix()))?.parse().ok()?;
        let port = record.number(&format!("POST_NAPT_{}_TRANSPORT_PORT", side.prefix()))?;
        Some(SocketAddr::new(address, u16::try_from(port).ok()?))
    };
    Some([end(Side::Source)?, end(Side::Destination)?])
}

/// Checks the byte counters of both directions, headers included: each packet must be counted once.
fn counts(record: &Record, talk: &Talk) -> Result<()> {
    for (bytes, packets, expected) in [("IN_BYTES", "IN_PKTS", talk.sent), ("OUT_BYTES", "OUT_PKTS", talk.received)] {
        let number = |key| record.number(key).unwrap_or_default();
        let headers = match record.protocol {
            TCP => TCP_HEADERS * number(packets) + SYN_OPTIONS,
            _ => UDP_HEADERS * number(packets),
        };
        ensure!(number(bytes) == expected as u64 + headers, "{bytes} {} for {expected} bytes", number(bytes));
    }
    Ok(())
}

fn process_at(record: &Record, side: Side) -> Option<u64> {
    record.end_number(side, "PROC_PID")
}

/// Checks one conversation at the node of its client.
fn check(record: &Record, case: &Case, talk: &Talk, pids: [u32; 2]) -> Result<()> {
    counts(record, talk)?;
    let backend: SocketAddr = case.backend.parse()?;
    let is_translated = case.masqueraded.is_some() || case.backend != case.to;
    match after(record) {
        Some([source, destination]) => {
            let address = case.masqueraded.map_or(Ok(talk.source.ip()), str::parse)?;
            ensure!(is_translated && destination == backend && source.ip() == address, "after: {source} {destination}");
            ensure!(case.masqueraded.is_some() || source.port() == talk.source.port(), "source port");
        }
        None => ensure!(!is_translated, "no translation"),
    }
    for (side, pid) in [Side::Source, Side::Destination].into_iter().zip(pids) {
        ensure!(process_at(record, side) == Some(pid.into()), "{side:?}: not {pid}");
    }
    Ok(())
}

/// The number of correct records, and all errors.
#[derive(Default)]
struct Outcome {
    right: usize,
    /// There is no record, or it says that the translation is not known.
    missing: Vec<String>,
    wrong: Vec<String>,
}

impl Outcome {
    fn note(&mut self, what: &str, outcome: Result<()>, records: &[&Record]) {
        match outcome {
            Ok(()) => self.right += 1,
            Err(e) => {
                let shown: Vec<_> =
                    records.iter().map(|r| serde_json::to_string(r.keys()).unwrap_or_default()).collect();
                let is_unknown = |r: &&Record| r.number("TRANSLATION_UNKNOWN") == Some(1);
                let errors = if records.iter().all(is_unknown) { &mut self.missing } else { &mut self.wrong };
                errors.push(format!("{what}: {e:#}\n{}", shown.join("\n")));
            }
        }
    }

    /// No record may be wrong, and of a thousand at most one missing.
    fn check(&self, log: &str) -> Result<()> {
        let Self { right, missing, wrong } = self;
        println!("{right} right, {} missing, {} wrong", missing.len(), wrong.len());
        let shown: Vec<_> = wrong.iter().chain(missing).take(10).cloned().collect();
        let is_good = wrong.is_empty() && missing.len() * 1000 <= *right;
        ensure!(is_good, "{} missing, {} wrong:\n{}\n{log}", missing.len(), wrong.len(), shown.join("\n"));
        Ok(())
    }
}

/// Servers by their address: process, and the pod in which it runs, with whether that is of the first node.
type Servers<'a> = HashMap<&'static str, (u32, Option<(&'a Pod, bool)>)>;

fn judge(asked: &[Asked], nodes: &[Ended; 2], servers: &Servers<'_>, client: &Pod) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let [first, second] = [0, 1].map(|at| nodes.get(at).map(|ended| by_source(&ended.records)).unwrap_or_default());
    for a in asked {
        let case = CASES.get(a.case).context("case")?;
        let (to, backend): (SocketAddr, SocketAddr) = (case.to.parse()?, case.backend.parse()?);
        let (server, pod) = *servers.get(case.backend).context("server")?;
        let client = case.from_pod.then_some(client);
        let pods_at = |record: &Record, is_first: bool| {
            pods::check(record, Side::Source, client, is_first)?;
            pods::check(record, Side::Destination, pod.map(|p| p.0), pod.is_some_and(|p| p.1 == is_first))
        };
        for talk in &a.talks {
            let what = format!("{} {} from {}", case.name, a.protocol, talk.source);
            let key = (a.protocol, talk.source.ip(), talk.source.port(), to);
            let mine = first.get(&key).map_or(&[][..], Vec::as_slice);
            let checked = match mine {
                [one] => has_key(one)
                    .and_then(|()| check(one, case, talk, [a.pid, server]))
                    .and_then(|()| pods_at(one, true)),
                _ => Err(anyhow::anyhow!("{} records", mine.len())),
            };
            outcome.note(&what, checked, mine);
            if case.crosses {
                let source = mine.first().and_then(|r| after(r)).map_or(talk.source, |[source, _]| source);
                let key = |to| (a.protocol, source.ip(), source.port(), to);
                let mut destinations = vec![backend, to];
                destinations.dedup();
                let there: Vec<&Record> =
                    destinations.into_iter().filter_map(|to| second.get(&key(to))).flatten().copied().collect();
                let checked = match there.as_slice() {
                    [one] => same_key(one, mine)
                        .and_then(|()| check_there(one, talk, [source, backend], [a.pid, server]))
                        .and_then(|()| pods_at(one, false)),
                    _ => Err(anyhow::anyhow!("{} records at the second node", there.len())),
                };
                outcome.note(&what, checked, &there);
            }
        }
    }
    Ok(outcome)
}

/// Checks from what the flow's key was made.
fn has_key(record: &Record) -> Result<()> {
    let (basis, expected) =
        (record.text("FLOW_KEY_BASIS"), if record.protocol == TCP { "tcp-sequence" } else { "community-id" });
    ensure!(basis == Some(expected), "key made from {basis:?}");
    Ok(())
}

/// Checks that both nodes gave the flow the same key, although the first one translated it.
fn same_key(there: &Record, here: &[&Record]) -> Result<()> {
    let key = |r: &Record| [r.text("FLOW_KEY"), r.text("COMMUNITY_ID")].map(|text| text.map(str::to_owned));
    let (here, there) = (here.first().map(|r| key(r)), key(there));
    ensure!(there.iter().all(Option::is_some) && here.as_ref() == Some(&there), "keys {here:?} and {there:?}");
    Ok(())
}

/// No two conversations of a node over TCP have the same key, the proxy's two connections included.
fn keys_differ(node: &Ended) -> Result<()> {
    let mut seen = HashMap::new();
    for record in node.records.iter().filter(|r| r.text("FLOW_KEY_BASIS") == Some("tcp-sequence")) {
        let before = seen.insert(record.text("FLOW_KEY"), record);
        ensure!(
            before.is_none(),
            "two connections with one key: {:?} and {:?}",
            before.map(|r| r.keys()),
            record.keys()
        );
    }
    ensure!(!seen.is_empty(), "no keys");
    Ok(())
}

/// Checks one conversation at the server's node, which translates nothing. The client runs on the same kernel in this test, so its
/// process and the address to which it connected may be in the record.
fn check_there(record: &Record, talk: &Talk, ends: [SocketAddr; 2], [client, server]: [u32; 2]) -> Result<()> {
    counts(record, talk)?;
    ensure!(after(record).is_none_or(|after| after == ends), "translated: {:?}", after(record));
    ensure!(process_at(record, Side::Destination) == Some(server.into()), "not the server {server}");
    let source = process_at(record, Side::Source);
    ensure!(source.is_none_or(|pid| pid == u64::from(client)), "a client that is not {client}");
    Ok(())
}

/// Records of pods and services that no conversation accounts for.
fn surplus(asked: &[Asked], node: &Ended, others: usize) -> Result<()> {
    let is_ours = |r: &&Record| [ASKED, SERVED].contains(&r.destination.1) || [ASKED, SERVED].contains(&r.source.1);
    let ours = node.records.iter().filter(is_ours).count();
    let talks: usize = asked.iter().map(|a| a.talks.len()).sum();
    ensure!(ours == talks + others, "{ours} records of {talks} conversations and {others} of the proxy");
    Ok(())
}

fn count() -> u16 {
    std::env::var("PIDFLOW_TEST_TALKS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

#[test]
fn each_conversation_through_translation_is_one_record_on_each_node() -> Result<()> {
    let test = "each_conversation_through_translation_is_one_record_on_each_node";
    if without_root(test) {
        return Ok(());
    }
    if Command::new("nft").arg("--version").output().is_err() {
        skip(test, "no nft (package nftables)");
        return Ok(());
    }
    let dir = trial::folder()?;
    let [first, second] = nodes()?;
    let mut servers = Vec::new();
    let places = [
        (Some((&first.pods[0], true)), "10.1.1.11:8080"),
        (Some((&first.pods[1], true)), "10.1.1.12:8080"),
        (Some((&second.pods[0], false)), "10.1.2.11:8080"),
        (None, "192.0.2.2:8080"),
    ];
    for (pod, at) in places {
        let place = pod.map_or(Place::Node(&second.namespace), |(pod, _)| Place::Pod(pod));
        servers.push((at, pod, place.serve(&["peers-serve", "--at", at])?));
    }
    let proxy = first.namespace.start_scenario(&["peers-proxy", "--at", "10.1.1.1:7000", "--to", "10.1.1.12:8080"])?;
    let agents = [first.agent(&dir.path().join("1"))?, second.agent(&dir.path().join("2"))?];
    let mut asked = Vec::new();
    for protocol in [TCP, UDP] {
        for (number, case) in CASES.iter().enumerate() {
            let place = if case.from_pod { Place::Pod(&first.pods[0]) } else { Place::Node(&first.namespace) };
            asked.push(ask(place, (number, protocol), case.to, count())?);
        }
    }
    let proxied = ask(Place::Pod(&first.pods[0]), (0, TCP), "10.1.1.1:7000", count())?;
    std::thread::sleep(SETTLE);
    let [one, two] = agents.map(Agent::stop);
    let ended = [one?, two?];
    let at: Servers<'_> = servers.iter().map(|(at, pod, server)| (*at, (server.pid(), *pod))).collect();
    let outcome = judge(&asked, &ended, &at, &first.pods[0])?;
    outcome.check(&ended[0].log)?;
    proxied_in_two(&proxied, &ended[0], [proxy.pid(), at.get("10.1.1.12:8080").context("server")?.0])?;
    keys_differ(&ended[0])?;
    surplus(&asked, &ended[0], proxied.talks.len())
}

/// Whether the kernel gave the connection another source port because an earlier one already had its ends after translation, which are
/// taken until conntrack forgets it (`nf_nat_core.c`, `get_unique_tuple`).
fn has_lost_its_port(record: &Record, [source, destination]: [SocketAddr; 2], node: &Ended) -> bool {
    let own = [record.source, record.destination].map(SocketAddr::from);
    let is_earlier = |r: &&Record| r.protocol == record.protocol && r.first_ms < record.first_ms;
    let is_taken = node.records.iter().filter(is_earlier).any(|r| after(r) == Some(own));
    is_taken && destination == own[1] && source.ip() == own[0].ip()
}

/// A proxy accepts one connection and makes another: two records with the proxy in the middle, without translation.
fn proxied_in_two(asked: &Asked, node: &Ended, [proxy, server]: [u32; 2]) -> Result<()> {
    let to_proxy: Vec<_> = node.records.iter().filter(|r| r.destination.1 == 7000).collect();
    let from_proxy = |r: &&Record| process_at(r, Side::Source) == Some(proxy.into());
    let to_server: Vec<_> = node.records.iter().filter(from_proxy).collect();
    let ends = |r: &Record| [process_at(r, Side::Source), process_at(r, Side::Destination)];
    let talks = asked.talks.len();
    ensure!(to_proxy.len() == talks && to_server.len() == talks, "{} and {}", to_proxy.len(), to_server.len());
    for (records, pids) in [(to_proxy, [asked.pid, proxy]), (to_server, [proxy, server])] {
        let is_it = |(found, pid): (Option<u64>, u32)| found.is_none_or(|found| found == u64::from(pid));
        let is_translated = |r: &Record| after(r).is_some_and(|after| !has_lost_its_port(r, after, node));
        let is_wrong = |r: &&&Record| !ends(r).into_iter().zip(pids).all(is_it) || is_translated(r);
        let wrong = records.iter().find(is_wrong);
        ensure!(wrong.is_none(), "not {pids:?}, or translated: {:?}", wrong.map(|r| r.keys()));
        // The proxy's port may be one that a client of the node used shortly before.
        let unknown = records.iter().filter(|r| ends(r).contains(&None)).count();
        ensure!(unknown <= (talks / 1000).max(1), "{unknown} of {talks} without a process");
    }
    Ok(())
}
