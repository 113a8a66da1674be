//! Processes in network namespaces of their own, each linked to the one of the scenario.

use std::net::IpAddr;

use anyhow::{Context, Result};

use super::netns::{LineChannel, ip};
use crate::sys::{self, Forked};

/// A process in a namespace of its own with a link to this one, over which it reaches all addresses.
pub(super) fn linked(
    link: &str,
    [ours, theirs]: [IpAddr; 2],
    work: impl FnOnce(LineChannel) -> Result<()>,
) -> Result<(Forked, LineChannel)> {
    let (mut talk, other) = LineChannel::pair()?;
    let process = sys::fork(|| {
        let mut talk = other;
        sys::unshare(libc::CLONE_NEWNET).context("make a network namespace")?;
        talk.tell(&true)?;
        let _linked: bool = talk.hear()?;
        ip("link set lo up")?;
        up(link, theirs)?;
        ip(&format!("route add default via {ours}"))?;
        work(talk)
    })?;
    let _unshared: bool = talk.hear()?;
    ip(&format!("link add {link}-host type veth peer name {link} netns {}", process.pid()))?;
    up(&format!("{link}-host"), ours)?;
    talk.tell(&true)?;
    Ok((process, talk))
}

pub(super) fn up(link: &str, address: IpAddr) -> Result<()> {
    ip(&format!("link set {link} up"))?;
    ip(&format!("addr add {address}/24 dev {link}"))
}
