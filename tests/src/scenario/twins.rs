//! The same addresses and ports in two pairs of network namespaces at the same time.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::args::Args;
use super::links::bridged;
use super::netns::{LineChannel, ip};
use super::wire::{self, Closer, Plan};
use crate::sys;

/// A benchmarking network (RFC 2544): every client and every server has the same address and port.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 5, 2));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 5, 3));
const CLIENT_PORT: u16 = 5000;
const SERVER_PORT: u16 = 7000;
/// Until the agent has looked where new links lead.
const SETTLING: Duration = Duration::from_secs(1);
/// Long enough for both connections to stand at once.
const HOLD: Duration = Duration::from_millis(300);

/// Prepares the host's namespace, and goes on when the agent runs in it.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    sys::unshare(libc::CLONE_NEWNET).context("make the host's namespace")?;
    ip("link set lo up")?;
    args.await_go()?;
    let mut pairs = Vec::new();
    for name in ["pf-a", "pf-b"] {
        ip(&format!("link add {name} type bridge"))?;
        ip(&format!("link set {name} up"))?;
        let mut server = bridged(&format!("{name}-s"), name, SERVER, serve)?;
        let _listens: bool = server.1.hear()?;
        let mut client = bridged(&format!("{name}-c"), name, CLIENT, |talk| connect(talk, &truth))?;
        let _is_up: bool = client.1.hear()?;
        pairs.push((server, client));
    }
    thread::sleep(SETTLING);
    for (_, (_, talk)) in &mut pairs {
        talk.tell(&true)?;
    }
    for (server, (process, mut talk)) in pairs {
        let _done: bool = talk.hear()?;
        process.join()?;
        drop(server);
    }
    Ok(())
}

fn serve(mut talk: LineChannel) -> Result<()> {
    let listener = TcpListener::bind((SERVER, SERVER_PORT))?;
    talk.tell(&true)?;
    wire::accept_forever(&listener)
}

fn connect(mut talk: LineChannel, truth: &File) -> Result<()> {
    talk.tell(&true)?;
    let _go: bool = talk.hear()?;
    let target = SocketAddr::new(SERVER, SERVER_PORT);
    let plan = Plan { scenario: "twins", target, port: CLIENT_PORT, closer: Closer::Client, hold: HOLD };
    wire::tcp_exchange(plan)?.append_to(truth)?;
    talk.tell(&true)
}
