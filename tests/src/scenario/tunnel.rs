//! A tunnel (VXLAN) between two network namespaces: the inner packets belong to processes, the outer packets to the
//! kernel.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::args::Args;
use super::links::{linked, up};
use super::netns::{LineChannel, ip};
use super::wire::{self, Plan};
use crate::sys;

/// A benchmarking network (RFC 2544): the addresses outside and inside the tunnel.
const OUTSIDE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(198, 18, 6, 1)), IpAddr::V4(Ipv4Addr::new(198, 18, 6, 2))];
const INSIDE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(198, 18, 7, 1)), IpAddr::V4(Ipv4Addr::new(198, 18, 7, 2))];
/// Time until the agent knows the addresses of a new namespace.
const SETTLING: Duration = Duration::from_secs(2);
const PORT: u16 = 7000;

/// Prepares the host's namespace, and continues when the agent runs in it.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    sys::unshare(libc::CLONE_NEWNET).context("make the host's namespace")?;
    ip("link set lo up")?;
    args.await_go()?;
    let (process, mut talk) = linked("pf-far", OUTSIDE, far_end)?;
    let _is_up: bool = talk.hear()?;
    tunnel(OUTSIDE, INSIDE[0])?;
    thread::sleep(SETTLING);
    let target = SocketAddr::new(INSIDE[1], PORT);
    for _ in 0..args.get("count", 3_u32)? {
        wire::tcp_exchange(Plan::plain("tunnel", target))?.append_to(&truth)?;
        wire::udp_exchange(Plan::plain("tunnel", target), true)?.append_to(&truth)?;
    }
    // No process listens on this port: the kernel there answers.
    wire::udp_socket(target.ip(), 0)?.send_to(b"x", (target.ip(), PORT + 1))?;
    talk.tell(&true)?;
    process.join()
}

fn tunnel([ours, theirs]: [IpAddr; 2], inside: IpAddr) -> Result<()> {
    ip(&format!("link add pf-tunnel type vxlan id 7 local {ours} remote {theirs} dstport 4789"))?;
    up("pf-tunnel", inside)
}

fn far_end(mut talk: LineChannel) -> Result<()> {
    let [ours, theirs] = OUTSIDE;
    tunnel([theirs, ours], INSIDE[1])?;
    let listener = TcpListener::bind((INSIDE[1], PORT))?;
    let socket = UdpSocket::bind((INSIDE[1], PORT))?;
    let _servers = [sys::fork(|| wire::accept_forever(&listener))?, sys::fork(|| wire::answer_forever(&socket))?];
    talk.tell(&true)?;
    let _done: bool = talk.hear()?;
    Ok(())
}
