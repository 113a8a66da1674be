//! Reads addresses of a namespace from the files of one of its processes in /proc, without entering the namespace.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pidflow_engine::fact::Fact;

use crate::clock::engine_ns;
use crate::host_files;

/// The addresses of a namespace, seen through `process` (a number, or `self`); none: that process is gone, or the namespace
/// has none.
pub(in super::super) fn addresses_fact(netns: u32, process: &str) -> Option<Fact> {
    let mut addresses: Vec<_> = ipv4(process).into_iter().chain(ipv6(process)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    (!addresses.is_empty()).then(|| Fact::Addresses { time_ns: engine_ns(), netns, addresses })
}

/// IPv4 addresses from the routing tables, which may be long and are read line by line.
pub(super) fn ipv4(process: &str) -> Vec<IpAddr> {
    File::open(format!("/proc/{process}/net/fib_trie")).map(|file| local_ipv4(BufReader::new(file))).unwrap_or_default()
}

/// IPv6 addresses of all interfaces.
pub(super) fn ipv6(process: &str) -> Vec<IpAddr> {
    let text = host_files::read(format!("/proc/{process}/net/if_inet6")).unwrap_or_default();
    host_files::parse_lines("/proc/PID/net/if_inet6", &text, local_ipv6).collect()
}

/// `fib_trie` prints an address in one line and `/32 host LOCAL` in the next.
fn local_ipv4(fib_trie: impl BufRead) -> Vec<IpAddr> {
    let mut last: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in fib_trie.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.contains("/32 host LOCAL") {
            found.extend(last.map(IpAddr::V4));
        } else if let Some((_, address)) = line.rsplit_once("|-- ") {
            last = address.trim().parse().ok();
        }
    }
    found
}

/// `if_inet6` begins each line with the address in 32 hexadecimal digits.
fn local_ipv6(line: &str) -> Option<IpAddr> {
    let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
    Some(Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(addresses: Vec<IpAddr>) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_of_a_namespace() {
        let trie = b"Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 127.255.255.255\n        /32 link BROADCAST\n";
        assert_eq!(shown(local_ipv4(&trie[..])), ["127.0.0.1"]);
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(local_ipv6(inet6).map(|a| a.to_string()).as_deref(), Some("::1"));
    }

    #[test]
    fn an_address_with_several_routes_is_found() {
        let trie = b"     |-- 192.0.2.1\n        /24 link UNICAST\n        /32 host LOCAL\n \xff\n     |-- x\n        /32 host LOCAL\n";
        assert_eq!(shown(local_ipv4(&trie[..])), ["192.0.2.1"], "and a line that is none is no address");
        assert!(local_ipv6("1 01").is_none() && local_ipv6("").is_none());
    }
}
