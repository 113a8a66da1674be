//! A host with clients, a host with servers, and a router between them.

use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use pidflow_tests::namespace::{Namespace, ip};
use pidflow_tests::process::{self, Guarded};

/// Addresses of the client's host and of the server's.
const CLIENTS: &str = "10.1.0.2";
pub(crate) const SERVERS: &str = "10.2.0.2";
/// 127.0.0.1 in /proc/net/tcp.
const LOOPBACK: &str = "0100007F:";
/// Ports of the proxy, and of the server behind it.
pub(crate) const PROXY_PORT: u16 = 7000;
pub(crate) const BEHIND_PROXY: u16 = 9200;

/// Masquerades TCP and one port of UDP, and drops every hundredth TCP packet that it forwards. (A SYN would be missed for a second.)
const RULES: &str = "
table ip router {
  chain outgoing {
    type nat hook postrouting priority 100
    ip saddr 10.1.0.2 meta l4proto tcp masquerade
    ip saddr 10.1.0.2 udp dport 9100 masquerade
  }
  counter dropped { }
  chain forwarded {
    type filter hook forward priority 0
    tcp flags & syn == 0 numgen inc mod 100 == 0 counter name dropped drop
  }
}
";

pub(crate) struct Network {
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
    router: Namespace,
}

impl Network {
    pub(crate) fn new() -> Result<Self> {
        let this = Self { client: Namespace::new()?, server: Namespace::new()?, router: Namespace::new()? };
        this.router.within(|| {
            for (host, name, net, address) in
                [(&this.client, "clients", "10.1.0", CLIENTS), (&this.server, "servers", "10.2.0", SERVERS)]
            {
                host.pair(name, ("eth0", &format!("{address}/24")))?;
                ip(&format!("addr add {net}.1/24 dev {name}"))?;
                host.ip(&format!("route add default via {net}.1"))?;
            }
            Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
        })?;
        let mut nft = this.router.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().context("no standard input")?.write_all(RULES.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft refused the rules");
        Ok(this)
    }

    /// Packets that the router has dropped.
    pub(crate) fn dropped(&self) -> Result<u64> {
        let output = self.router.command("nft").args(["-j", "list", "counter", "ip", "router", "dropped"]).output()?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let objects = answer["nftables"].as_array().context("no objects")?;
        objects.iter().find_map(|object| object["counter"]["packets"].as_u64()).context("no counter")
    }

    /// Servers on that many ports.
    pub(crate) fn serve(&self, port: u16, servers: u32) -> Result<Guarded> {
        let (port, servers) = (port.to_string(), servers.to_string());
        self.server.start_scenario(&["crowd-serve", "--at", SERVERS, "--port", &port, "--servers", &servers])
    }

    /// A proxy on the router, and the server behind it.
    pub(crate) fn proxy(&self) -> Result<[Guarded; 2]> {
        let (at, to) = (format!("10.1.0.1:{PROXY_PORT}"), format!("{SERVERS}:{BEHIND_PROXY}"));
        let server = self.start_server(BEHIND_PROXY)?;
        Ok([self.router.start_scenario(&["peers-proxy", "--at", &at, "--to", &to])?, server])
    }

    /// A server of one process.
    pub(crate) fn start_server(&self, port: u16) -> Result<Guarded> {
        self.server.start_scenario(&["peers-serve", "--at", &format!("{SERVERS}:{port}")])
    }

    /// Makes connections by one process.
    pub(crate) fn ask(&self, to: &str, count: usize) -> Result<()> {
        let (scenario, count) = (process::binary("scenario")?, count.to_string());
        let mut command = self.client.command(scenario.to_str().context("path")?);
        let output = command.args(["peers-ask", "--to", to, "--protocol", "tcp", "--count", &count]).output()?;
        ensure!(output.status.success(), "clients of {to}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Whether a host still has a connection to another host that may send something: neither listening (10) nor in TIME-WAIT (6).
    pub(crate) fn has_open_connections(&self) -> Result<bool> {
        let is_open = |line: &str| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let (from, state) = (columns.get(1).copied(), columns.get(3).copied());
            !from.is_some_and(|from| from.starts_with(LOOPBACK)) && !matches!(state, Some("0A" | "06"))
        };
        for host in [&self.client, &self.server] {
            let sockets = host.within(|| Ok(std::fs::read_to_string("/proc/thread-self/net/tcp")?))?;
            if sockets.lines().skip(1).any(is_open) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
