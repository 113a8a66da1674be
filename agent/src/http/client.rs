//! The client of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Stored in the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    /// The client's address.
    pub(super) address: SocketAddr,
    /// The agent's address.
    pub(super) local: SocketAddr,
    /// Whether it has a certificate of a trusted authority (`--tls-client-ca`).
    pub(super) has_certificate: bool,
    /// Whether this is the first request on the connection.
    pub(super) is_first: bool,
}

impl Client {
    /// With the addresses of a connection that was just accepted.
    pub(super) const fn new(address: SocketAddr, local: SocketAddr) -> Self {
        Self { address, local, has_certificate: false, is_first: true }
    }

    /// Whether the client is on this host: it uses loopback, or the address that it asks.
    pub(super) fn is_of_this_host(&self) -> bool {
        let [from, to] = [self.address, self.local].map(|address| address.ip().to_canonical());
        from.is_loopback() || from == to
    }

    /// The key for limits per client.
    pub(super) fn group(&self) -> IpAddr {
        group(self.address.ip())
    }
}

/// Addresses that count as one client: all of loopback, and an IPv6 /64 network.
pub(super) fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_this_host_uses_loopback_or_the_address_that_it_asks() {
        let of = |from: &str, to: &str| Client::new(from.parse().unwrap(), to.parse().unwrap()).is_of_this_host();
        assert!(of("127.0.0.9:1", "127.0.0.1:9435") && of("[::1]:1", "[::1]:9435"));
        assert!(of("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:9435"));
        assert!(of("192.0.2.1:1", "192.0.2.1:9435") && of("[::ffff:192.0.2.1]:1", "192.0.2.1:9435"));
        assert!(!of("192.0.2.2:1", "192.0.2.1:9435") && !of("[2001:db8::2]:1", "[2001:db8::1]:9435"));
    }

    #[test]
    fn addresses_of_one_client_are_one_group() {
        let of = |text: &str| group(text.parse().unwrap());
        for (one, other, is_same) in [
            ("127.0.0.1", "127.200.3.4", true),
            ("127.0.0.1", "::1", true),
            ("::ffff:127.0.0.9", "127.0.0.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(of(one) == of(other), is_same, "{one} {other}");
        }
    }
}
