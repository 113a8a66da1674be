//! The real program reads captures and sends to the exporters under test; its JSON is the reference.

use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;

use crate::expected::Object;
use crate::tools;

/// TCP, UDP and ICMP over both families, with VLAN tags, tunnels, and links without MAC addresses.
const CAPTURES: [&str; 11] = [
    "ipfixprobe-vlan.pcap",
    "ndpi-dns_doh.pcap",
    "ndpi-ftp-start-tls.pcap",
    "ndpi-gre.pcapng",
    "ndpi-http.pcapng",
    "ndpi-http_ipv6.pcap",
    "ndpi-icmp-tunnel.pcap",
    "ndpi-mysql.pcapng",
    "ndpi-quic-v2.pcapng",
    "tcpdump-LINKTYPE_RAW_ipv6.pcap",
    "zeek-Teredo.pcap",
];

/// The captures; returns none and reports a skip where they are absent.
pub(crate) fn captures(test: &str) -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let all: Vec<_> = CAPTURES.iter().map(|name| folder.join(name)).collect();
    let missing = all.iter().find(|path| !path.exists());
    if let Some(missing) = missing {
        skip(test, &format!("{} is not there", missing.display()));
    }
    missing.is_none().then_some(all)
}

/// Reads the captures with these `[[exporter]]` tables. Returns the records as JSON. Long flows are reported every second,
/// so that there are many.
pub(crate) fn read(captures: &[PathBuf], exporters: &str) -> Vec<Object> {
    let dir = tempfile::tempdir().unwrap();
    let (config, json) = (dir.path().join("pidflow.toml"), dir.path().join("flows.json"));
    let lines = format!("[[exporter]]\nkind = \"json\"\nfile = \"{}\"\n", json.display());
    std::fs::write(&config, format!("{lines}{exporters}")).unwrap();
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.arg("read").args(captures).arg("--config").arg(config).args(["--active-timeout", "1s"]);
    tools::text(&command.output().unwrap());
    let text = std::fs::read_to_string(json).unwrap();
    let objects: Vec<Object> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(objects.len() > 100, "only {} records", objects.len());
    objects
}

/// A table of an exporter of IPFIX or NetFlow v9, with further keys.
pub(crate) fn table(kind: &str, url: &str, keys: &str) -> String {
    format!("[[exporter]]\nkind = \"{kind}\"\nurl = \"{url}\"\n{keys}\n")
}
