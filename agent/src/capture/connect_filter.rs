//! Which failed connects belong to what is captured, although no packet of theirs was seen.

use std::net::IpAddr;

use pidflow_engine::fact::Socket;

use pidflow_capture::Filter;

/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
/// Lengths of the headers of Ethernet, IPv4, IPv6 and TCP without options, bytes.
const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: u16 = 20;
const TCP_BYTES: u16 = 20;

/// Selects failed connects as the capture's filter expression selects packets.
pub(crate) enum ConnectFilter {
    /// There is no expression.
    All,
    /// Those whose SYN matches.
    Matching(Filter),
    /// The expression is about interfaces or link layers, which a packet that was not sent does not have.
    Nothing,
}

impl ConnectFilter {
    /// The filter of a capture.
    pub(crate) fn of(expression: Option<&str>) -> Self {
        match expression.map(Filter::new) {
            None => Self::All,
            Some(Ok(filter)) => Self::Matching(filter),
            Some(Err(_)) => Self::Nothing,
        }
    }

    /// Whether the SYN of a connect passes.
    pub(crate) fn passes(&mut self, socket: &Socket) -> bool {
        match self {
            Self::All => true,
            Self::Matching(filter) => filter.passes(ETHERNET, &syn(socket)),
            Self::Nothing => false,
        }
    }
}

/// The frame of a socket's first packet, without checksums and link addresses.
fn syn(socket: &Socket) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET_BYTES - 2];
    match (socket.local, socket.remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((IPV4_BYTES + TCP_BYTES).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, socket.protocol, 0, 0]);
            frame.extend([local.octets(), remote.octets()].concat());
        }
        (local, remote) => {
            frame.extend([0x86, 0xDD, 0x60, 0, 0, 0]);
            frame.extend(TCP_BYTES.to_be_bytes());
            frame.extend([socket.protocol, 64]);
            frame.extend([local, remote].map(six).concat());
        }
    }
    frame.extend([socket.local_port, socket.remote_port].map(u16::to_be_bytes).concat());
    // Numbers, header length, SYN, window, checksum, urgent pointer.
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0xFF, 0xFF, 0, 0, 0, 0]);
    frame
}

const fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(local: &str, remote: &str, port: u16) -> Socket {
        Socket {
            id: 1,
            file: 1,
            netns: 1,
            protocol: 6,
            local: local.parse().unwrap(),
            local_port: 40_000,
            remote: remote.parse().unwrap(),
            remote_port: port,
            dual_stack: false,
        }
    }

    #[test]
    fn failed_connects_are_selected_like_packets() {
        let four = connect("10.0.0.1", "10.0.0.9", 80);
        let six = connect("2001:db8::1", "2001:db8::9", 443);
        for (expression, passes) in [
            (None, [true, true]),
            (Some("tcp port 80"), [true, false]),
            (Some("tcp dst port 443"), [false, true]),
            (Some("udp"), [false, false]),
            (Some("host 10.0.0.9 or host 2001:db8::9"), [true, true]),
            (Some("src host 10.0.0.9"), [false, false]),
            (Some("ip6"), [false, true]),
            (Some("tcp[tcpflags] & tcp-syn != 0 and less 60"), [true, false]),
            (Some("not port 22"), [true, true]),
            (Some("ether host 02:00:00:00:00:01"), [false, false]),
            (Some("inbound"), [false, false]),
        ] {
            let mut filter = ConnectFilter::of(expression);
            assert_eq!([&four, &six].map(|socket| filter.passes(socket)), passes, "{expression:?}");
        }
    }
}
