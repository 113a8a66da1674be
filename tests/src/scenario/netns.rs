//! A container-like process: a PID and network namespace of its own, reached over veth.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::args::Args;
use super::tcp::Failing;
use super::wire::{self, Plan};
use crate::sys::{self, Forked};

/// Addresses of the host's side and the container's side (TEST-NET-2, RFC 5737; a unique local prefix, RFC 4193).
const HOST: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1))];
const INSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2))];
const HOST_LINK: &str = "pf-host0";
const INSIDE_LINK: &str = "pf-inside0";

/// A link on which no host answers (TEST-NET-3, RFC 5737).
const EMPTY_LINK: &str = "pf-empty0";
const SILENT_LINK: &str = "pf-empty1";
const EMPTY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), IpAddr::V6(Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, 0, 1))];
const ABSENT: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), IpAddr::V6(Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, 0, 9))];

/// A channel between host and container, one line per message.
pub(super) struct LineChannel {
    from: BufReader<PipeReader>,
    to: PipeWriter,
}

impl LineChannel {
    pub(super) fn pair() -> Result<(Self, Self)> {
        let (a, b) = (io::pipe()?, io::pipe()?);
        Ok((Self { from: BufReader::new(a.0), to: b.1 }, Self { from: BufReader::new(b.0), to: a.1 }))
    }

    pub(super) fn tell(&mut self, what: &impl serde::Serialize) -> Result<()> {
        writeln!(self.to, "{}", serde_json::to_string(what)?).context("tell the other side")
    }

    pub(super) fn hear<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the other side said {line:?}"))
    }
}

/// Servers on one side, as the other side needs to know them.
type Servers = (Vec<SocketAddr>, Vec<SocketAddr>);

/// Host and container talk in both directions. With `--go`, the namespaces exist before the agent starts.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let count = args.get("count", 5_u32)?;
    let (mut ours, theirs) = LineChannel::pair()?;
    let container = sys::fork(|| container(theirs, &truth, count))?;
    let _unshared: bool = ours.hear()?;
    ip(&format!("link add {HOST_LINK} type veth peer name {INSIDE_LINK} netns {}", container.pid()))?;
    configure(HOST_LINK, HOST)?;
    args.await_go()?;
    let (_running, servers) = serve(HOST)?;
    ours.tell(&servers)?;
    let inside: Servers = ours.hear()?;
    exchange_with(&inside, &truth, count)?;
    // The link is deleted while the container still lives: after its end the kernel deletes the link at an unknown
    // time.
    ip(&format!("link del {HOST_LINK}"))?;
    ours.tell(&true)?;
    container.join()
}

/// Connects to addresses that no host has: the kernel asks for the neighbour for 3 seconds without an answer, and sends
/// no IP packet.
pub(super) fn unreachable(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (mut ours, theirs) = LineChannel::pair()?;
    // The peer's namespace ends with its process, and the link with it: however this scenario ends, no link is left behind.
    let absent = sys::fork(|| silent_peer(theirs))?;
    let _unshared: bool = ours.hear()?;
    ip(&format!("link add {EMPTY_LINK} type veth peer name {SILENT_LINK} netns {}", absent.pid()))?;
    ours.tell(&true)?;
    let _is_up: bool = ours.hear()?;
    let outcome = connect_to_absent(&truth);
    ip(&format!("link del {EMPTY_LINK}"))?;
    ours.tell(&true)?;
    outcome.and(absent.join())
}

/// The other end of the link on which no host answers: up, without addresses.
fn silent_peer(mut talk: LineChannel) -> Result<()> {
    sys::unshare(libc::CLONE_NEWNET).context("make a network namespace")?;
    talk.tell(&true)?;
    let _linked: bool = talk.hear()?;
    ip(&format!("link set {SILENT_LINK} up"))?;
    talk.tell(&true)?;
    let _done: bool = talk.hear()?;
    Ok(())
}

fn connect_to_absent(truth: &File) -> Result<()> {
    configure(EMPTY_LINK, EMPTY)?;
    for (source, absent) in EMPTY.into_iter().zip(ABSENT) {
        let target = SocketAddr::new(absent, 7070);
        let failing = Failing { scenario: "unreachable", source, target, error: libc::EHOSTUNREACH };
        failing.connect()?.append_to(truth)?;
    }
    Ok(())
}

/// The first process of the container's side. It stays in the host's PID namespace; its children do not.
fn container(mut talk: LineChannel, truth: &File, count: u32) -> Result<()> {
    sys::unshare(libc::CLONE_NEWNET).context("make a network namespace")?;
    talk.tell(&true)?;
    let outside: Servers = talk.hear()?;
    ip("link set lo up")?;
    configure(INSIDE_LINK, INSIDE)?;
    // This comes after the calls of `ip`: the next child becomes process 1, and the namespace ends with it.
    sys::unshare(libc::CLONE_NEWPID).context("make a PID namespace")?;
    let (mut running, servers) = serve(INSIDE)?;
    sys::fork(|| exchange_with(&outside, truth, count))?.join()?;
    talk.tell(&servers)?;
    let _done: bool = talk.hear()?;
    // The last one first: process 1 of a PID namespace cannot be reaped before all others in it are.
    while let Some(process) = running.pop() {
        drop(process);
    }
    Ok(())
}

/// A TCP and a UDP server process per address.
fn serve(addresses: [IpAddr; 2]) -> Result<(Vec<Forked>, Servers)> {
    let (mut running, mut servers) = (Vec::new(), Servers::default());
    for address in addresses {
        let (process, at) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
        running.push(process);
        servers.0.push(at);
        let (process, at) = wire::fork_receiver(address, |socket| wire::answer_forever(&socket))?;
        running.push(process);
        servers.1.push(at);
    }
    Ok((running, servers))
}

fn exchange_with(servers: &Servers, truth: &File, count: u32) -> Result<()> {
    for _ in 0..count {
        for target in &servers.0 {
            wire::tcp_exchange(Plan::plain("netns", *target))?.append_to(truth)?;
        }
        for target in &servers.1 {
            wire::udp_exchange(Plan::plain("netns", *target), true)?.append_to(truth)?;
        }
    }
    Ok(())
}

fn configure(link: &str, addresses: [IpAddr; 2]) -> Result<()> {
    let [four, six] = addresses;
    ip(&format!("link set {link} up"))?;
    ip(&format!("addr add {four}/24 dev {link}"))?;
    // Without duplicate address detection, which would keep the address unusable for a second.
    ip(&format!("addr add {six}/64 dev {link} nodad"))
}

pub(super) fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status().context("run ip (package iproute2)")?;
    if !status.success() {
        bail!("ip {arguments}: {status}");
    }
    Ok(())
}
