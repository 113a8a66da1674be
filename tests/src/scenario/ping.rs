//! ICMP echo through ping sockets, which need no privilege and whose port is the echo identifier.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use super::args::Args;
use super::setting::Setting;
use super::wire::{self, LOOPBACKS};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

const GROUPS: &str = "/proc/sys/net/ipv4/ping_group_range";

/// A process of its own per echo.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    // Lets every group use ping sockets.
    let _allowed = Setting::change(GROUPS, "0 2147483647")?;
    for number in 0..args.get("count", 6_u32)? {
        let address = if number.is_multiple_of(2) { LOOPBACKS[0] } else { LOOPBACKS[1] };
        sys::fork(|| echo(address)?.append_to(&truth))?.join()?;
    }
    Ok(())
}

/// ICMP protocol number, echo request type (RFC 792, RFC 4443 section 4.1) of the family.
const fn echo_type(address: IpAddr) -> (u8, u8) {
    if address.is_ipv4() { (1, 8) } else { (58, 128) }
}

fn echo(address: IpAddr) -> Result<Exchange> {
    let (protocol, kind) = echo_type(address);
    let target = SocketAddr::new(address, 0);
    let mut exchange = Exchange::begin("ping", protocol, wire::unspecified(address, 0), target);
    let socket = UdpSocket::from(sys::socket(address, libc::SOCK_DGRAM, i32::from(protocol)).context("ping socket")?);
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    sys::connect(&socket, target)?;
    // Type, code, checksum and identifier (both filled in by the kernel), sequence number, data.
    let mut request = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    request.extend_from_slice(b"pidflow");
    socket.send(&request).context("send echo request")?;
    socket.recv(&mut [0; 128]).context("await echo reply")?;
    let source = socket.local_addr()?;
    exchange.set_source(source);
    exchange.destination_port = source.port();
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    exchange.destination_end = Expected::Nobody;
    drop(socket);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}
