//! pmacct's nfacctd with the 20 process elements as custom primitives.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::WireVersion;
use pidflow_schema::table::{PROCESS_MACRO, by_name};
use pidflow_schema::{DataType, FlowRecord};
use serde_json::Value;

use crate::expected::{self, Object};
use crate::tools::Running;
use crate::{capture, tools};

/// Standard keys of a row; the process elements follow them.
const KEYS: &str = "src_host,dst_host,src_port,dst_port,proto,tcpflags,timestamp_start,timestamp_end";

const LIMIT: Duration = Duration::from_secs(60);

/// One JSON line per flow that nfacctd saw.
pub(crate) fn rows(version: WireVersion, records: &[FlowRecord]) -> Vec<Value> {
    rows_from(version, |port| {
        capture::export(&[capture::collector(port, version)], records, 10);
    })
}

/// The rows of what arrives while `send` sends to the port. nfacctd reads the elements from the generated file for
/// pmacct.
pub(crate) fn rows_from(version: WireVersion, send: impl FnOnce(u16)) -> Vec<Value> {
    let (dir, port) = (tempfile::tempdir().unwrap(), tools::udp_port());
    let [config, log, out] = ["conf", "log", "out"].map(|name| dir.path().join(name));
    let list = if version == WireVersion::Ipfix { "pmacct-ipfix.lst" } else { "pmacct-netflow9.lst" };
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../exporters/mappings").join(list);
    let names: Vec<_> = PROCESS_MACRO.iter().map(|element| name(element)).collect();
    let text = format!(
        "nfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nplugins: print\naggregate: {KEYS},{}\n\
         aggregate_primitives: {}\nprint_output: json\nprint_output_file: {}\nprint_output_file_append: true\n\
         print_refresh_time: 1\n",
        names.join(","),
        list.display(),
        out.display()
    );
    std::fs::write(&config, text).unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    let mut nfacctd = Nfacctd::start(&config, &log);
    let purges = || said().matches("Purging cache - START").count();
    let is_ready = || tools::is_bound(port) && said().contains("waiting for NetFlow/IPFIX data") && purges() > 0;
    tools::wait_for("nfacctd and its plugin", LIMIT, is_ready);
    send(port);
    tools::wait_for("that nfacctd has read everything", LIMIT, || tools::is_read(port));
    // Each second. The plugin may be writing when the last of it comes.
    let before = purges();
    tools::wait_for("that the plugin has written it", LIMIT, || purges() >= before + 2);
    nfacctd.stop();
    assert!(!said().contains("ERROR"), "{}", said());
    let lines = std::fs::read_to_string(&out).unwrap_or_else(|e| panic!("{e}: {}", said()));
    lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// nfacctd and its plugin, a child that outlives it.
struct Nfacctd {
    running: Running,
    plugins: Vec<String>,
}

impl Nfacctd {
    fn start(config: &Path, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new("nfacctd");
        command.arg("-f").arg(config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { running: Running(command.spawn().unwrap()), plugins: Vec::new() }
    }

    fn children(&self) -> Vec<String> {
        let pid = self.running.0.id().to_string();
        let output = Command::new("ps").args(["-o", "pid=", "--ppid", &pid]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }

    /// Sends SIGINT, on which it writes all data.
    fn stop(&mut self) {
        self.plugins = self.children();
        self.running.interrupt();
        let are_gone = || !self.plugins.iter().any(|pid| Path::new("/proc").join(pid).exists());
        tools::wait_for("the end of nfacctd's plugin", LIMIT, are_gone);
    }
}

impl Drop for Nfacctd {
    fn drop(&mut self) {
        let plugins = [self.children(), std::mem::take(&mut self.plugins)].concat();
        if !plugins.is_empty() {
            // This fails if they have ended already.
            let _ = Command::new("kill").arg("-KILL").args(plugins).stderr(Stdio::null()).status();
        }
    }
}

/// The element's name in the file.
fn name(element: &str) -> String {
    element.to_ascii_lowercase()
}

/// Asserts that the row with the record's address and port has its known process elements.
pub(crate) fn assert_row(rows: &[Value], object: &Object, version: WireVersion) {
    let source = object.get("IPV4_SRC_ADDR").or_else(|| object.get("IPV6_SRC_ADDR")).unwrap();
    let row = rows.iter().find(|r| &r["ip_src"] == source).unwrap_or_else(|| panic!("no row for {source}"));
    for e in PROCESS_MACRO.iter().filter_map(|n| by_name(n)).filter(|e| object.contains_key(e.name)) {
        let wanted = match e.data_type {
            DataType::String => expected::text(e, object, version),
            _ => expected::number(e, object, version).to_string(),
        };
        assert_eq!(row[name(e.name)].as_str(), Some(wanted.as_str()), "{} in {row}", e.name);
    }
}

/// Packets and bytes by key.
pub(crate) fn sums<'a, K: Ord>(rows: impl Iterator<Item = (K, [&'a Value; 2])>) -> BTreeMap<K, [u64; 2]> {
    let mut sums = BTreeMap::new();
    for (key, [packets, octets]) in rows {
        let sum = sums.entry(key).or_insert([0; 2]);
        sum[0] += packets.as_u64().unwrap();
        sum[1] += octets.as_u64().unwrap();
    }
    sums
}
