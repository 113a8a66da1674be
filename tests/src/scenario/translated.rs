//! Connections whose destination the watched host translates (nftables), beside listeners that must not be taken for their owners.
//!
//! Three network namespaces: the watched host, a server and a client, each linked to the host.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::args::Args;
use super::links::linked;
use super::netns::{LineChannel, ip};
use super::wire::{self, Plan, TCP};
use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// A benchmarking network (RFC 2544): the host's side of each link, and the other side.
const TO_SERVER: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1)), IpAddr::V4(Ipv4Addr::new(198, 18, 1, 2))];
const TO_CLIENT: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(198, 18, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 18, 2, 2))];
/// Addresses that no interface has: the host translates them to its own loopback.
const SERVICES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 18, 9, 9)), IpAddr::V6(Ipv6Addr::new(0xfd79, 0, 0, 0, 0, 0, 0, 9))];
/// The port that clients connect to, and the port to which it is translated.
const PUBLISHED: u16 = 8080;
const SERVED: u16 = 8081;
/// A port on which both host and server listen.
const COMMON: u16 = 7000;
/// Time until a connection is in the listener's queue.
const ARRIVAL: Duration = Duration::from_millis(20);

/// The host's rules.
const RULES: &str = "
table inet scenario {
  chain incoming {
    type nat hook prerouting priority -100
    ip daddr 198.18.2.1 tcp dport 8080 dnat ip to 198.18.1.2:8081
  }
  chain outgoing {
    type nat hook output priority -100
    ip daddr 198.18.9.9 tcp dport 8080 dnat ip to 127.0.0.1:8081
    ip6 daddr fd79::9 tcp dport 8080 dnat ip6 to [::1]:8081
    ip daddr 198.18.2.1 tcp dport 8080 dnat ip to 198.18.1.2:8081
  }
}
";

/// The processes that run during the whole scenario.
struct Network {
    server: (Forked, LineChannel),
    client: (Forked, LineChannel),
    _decoys: Vec<Forked>,
}

/// Prepares the host's namespace, and continues when the agent runs in it.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    sys::unshare(libc::CLONE_NEWNET).context("make the host's namespace")?;
    ip("link set lo up")?;
    args.await_go()?;
    let mut network = Network::build(&truth)?;
    for _ in 0..args.get("count", 3_u32)? {
        network.turn(&truth)?;
    }
    network.end()
}

impl Network {
    fn build(truth: &File) -> Result<Self> {
        let mut server = linked("pf-s", TO_SERVER, server)?;
        let silent: TrueEnd = server.1.hear()?;
        let client = linked("pf-c", TO_CLIENT, |talk| client(talk, &silent, truth))?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("forward packets")?;
        ip(&format!("route add {}/32 via {}", SERVICES[0], TO_CLIENT[1]))?;
        ip("addr add fd79::1/64 dev pf-c-host nodad")?;
        rules()?;
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let decoys =
            [(any, PUBLISHED), (any, COMMON)].map(|at| listening(at, |listener| wire::accept_forever(&listener)));
        let loopbacks = wire::LOOPBACKS.map(|a| listening((a, SERVED), |listener| wire::accept_forever(&listener)));
        let decoys: Result<Vec<_>> = decoys.into_iter().chain(loopbacks).collect();
        Ok(Self { server, client, _decoys: decoys? })
    }

    fn turn(&mut self, truth: &File) -> Result<()> {
        self.client.1.tell(&true)?;
        let _done: bool = self.client.1.hear()?;
        for service in SERVICES {
            let to = SocketAddr::new(service, PUBLISHED);
            wire::tcp_exchange(Plan::plain("translated-to-loopback", to))?.append_to(truth)?;
        }
        let published = SocketAddr::new(TO_CLIENT[0], PUBLISHED);
        wire::tcp_exchange(Plan::plain("translated-on-its-way-out", published))?.append_to(truth)
    }

    fn end(self) -> Result<()> {
        let Self { server: (server, mut to_server), client: (client, mut to_client), _decoys } = self;
        to_client.tell(&false)?;
        client.join()?;
        to_server.tell(&false)?;
        server.join()
    }
}

fn rules() -> Result<()> {
    let mut nft =
        Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("run nft (package nftables)")?;
    nft.stdin.take().context("no standard input")?.write_all(RULES.as_bytes())?;
    ensure!(nft.wait()?.success(), "nft refused the rules");
    Ok(())
}

/// Forks a process that listens at this address and does `work` with the listener.
fn listening((address, port): (IpAddr, u16), work: impl FnOnce(TcpListener) -> Result<()>) -> Result<Forked> {
    let (mut has_begun, mut begun) = std::io::pipe()?;
    let process = sys::fork(move || {
        let listener =
            TcpListener::bind((address, port)).with_context(|| format!("listen at {address} port {port}"))?;
        begun.write_all(b".")?;
        work(listener)
    })?;
    std::io::Read::read_exact(&mut has_begun, &mut [0]).context("the listener did not begin")?;
    Ok(process)
}

/// Serves the connections that are translated to it. At the port on which the host listens too, it listens and never accepts.
fn server(mut talk: LineChannel) -> Result<()> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    sys::set_own_name("pf-silent")?;
    let _silent = TcpListener::bind((any, COMMON))?;
    let _serving = listening((any, SERVED), |listener| wire::accept_forever(&listener))?;
    talk.tell(&TrueEnd::current()?)?;
    let _done: bool = talk.hear()?;
    Ok(())
}

/// Connects to the translated addresses and to the listener that never accepts, each time the host requests it.
fn client(mut talk: LineChannel, silent: &TrueEnd, truth: &File) -> Result<()> {
    while talk.hear()? {
        let published = SocketAddr::new(TO_CLIENT[0], PUBLISHED);
        wire::tcp_exchange(Plan::plain("translated-on-its-way-through", published))?.append_to(truth)?;
        let destination_end = Expected::Process(silent.clone());
        Exchange { destination_end, ..unaccepted()? }.append_to(truth)?;
        talk.tell(&true)?;
    }
    Ok(())
}

fn unaccepted() -> Result<Exchange> {
    let target = SocketAddr::new(TO_SERVER[1], COMMON);
    let mut exchange = Exchange::begin("unaccepted", TCP, wire::unspecified(target.ip(), 0), target);
    let stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    thread::sleep(ARRIVAL);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    drop(stream);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}
