//! The privileges of each thread of a running agent, read from the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use pidflow_tests::process;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;

/// Bits of `include/uapi/linux/capability.h`.
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const BPF: u64 = 1 << 39;

/// The start of a thread's name, and the capabilities that it must have: the table of SECURITY.md.
const TABLE: [(&str, u64); 19] = [
    ("pidflow-sampler", SYS_PTRACE | DAC_READ_SEARCH),
    ("pidflow", BPF),
    ("delay-switch", SYS_ADMIN),
    ("certificates", DAC_READ_SEARCH),
    ("reload", DAC_READ_SEARCH),
    ("interfaces", NET_RAW),
    ("translation", NET_ADMIN),
    ("packets ", 0),
    ("host", 0),
    ("http", 0),
    ("self-test", 0),
    ("signals", 0),
    ("view", 0),
    ("export-", 0),
    ("spool-", 0),
    ("note-", 0),
    ("history", 0),
    // Threads of libraries.
    ("tokio-", 0),
    ("otlp", 0),
];

/// A thread's status.
#[derive(Debug)]
struct Thread {
    name: String,
    fields: BTreeMap<String, String>,
}

impl Thread {
    fn number(&self, field: &str, radix: u32) -> Result<u64> {
        let text = self.fields.get(field).with_context(|| format!("{self:?} has no {field}"))?;
        Ok(u64::from_str_radix(text, radix)?)
    }
}

fn threads(pid: u32) -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end before its status is read.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        let fields = status.lines().filter_map(|line| line.split_once(":\t"));
        let fields: BTreeMap<_, _> = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let name = fields.get("Name").cloned().context("a thread without a name")?;
        threads.push(Thread { name, fields });
    }
    Ok(threads)
}

/// Checks that every thread has a seccomp filter, exactly those capabilities of its line in [`TABLE`] with which the agent was
/// started, and no way to get more.
fn check(threads: &[Thread], given: u64) -> Result<()> {
    for thread in threads {
        let line = TABLE.iter().find(|(begins, _)| thread.name.starts_with(begins));
        let (_, allowed) = line.with_context(|| format!("{} is not in the table", thread.name))?;
        let allowed = &(allowed & given);
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let excess = thread.number(set, 16)? & !allowed;
            ensure!(excess == 0, "{} has {excess:#x} too many in {set}", thread.name);
        }
        ensure!(thread.number("CapEff", 16)? == *allowed, "{} lacks something", thread.name);
        ensure!(thread.number("NoNewPrivs", 10)? == 1, "{} may get privileges", thread.name);
        ensure!(thread.number("Seccomp", 10)? == 2, "{} has no filter", thread.name);
    }
    Ok(())
}

/// Waits until every thread is as in the table, because threads that are being started have not dropped their capabilities yet.
fn as_in_the_table(agent: &Serving, given: u64) -> Result<()> {
    let mut wrong = String::new();
    let found = eventually("every thread is as in the table", || {
        wrong = check(&threads(agent.pid())?, given).err().map(|e| e.to_string()).unwrap_or_default();
        Ok(wrong.is_empty())
    });
    found.with_context(|| wrong.clone())
}

/// The sysctl for delay accounting. One thread keeps the capability to restore it.
const SWITCH: &str = "/proc/sys/kernel/task_delayacct";

const EVERYTHING: &str = r#"
[[exporter]]
kind = "ipfix"
url = "tcp://127.0.0.1:9"
spool = "SPOOL"

[[exporter]]
kind = "otlp"
url = "http://127.0.0.1:9"

[[exporter]]
kind = "json"
file = "FOLDER/flows.json"

[[exporter]]
kind = "nats"
url = "nats://localhost:9"
subject = "flows"
"#;

#[test]
fn every_thread_has_what_the_table_says_and_no_more() -> Result<()> {
    if without_root("every_thread_has_what_the_table_says_and_no_more") {
        return Ok(());
    }
    let before = fs::read_to_string(SWITCH).unwrap_or_default();
    let dir = trial::folder()?;
    let config = dir.path().join("pidflow.toml");
    let folder = dir.path().to_string_lossy().into_owned();
    fs::write(&config, EVERYTHING.replace("SPOOL", &format!("{folder}/spool")).replace("FOLDER", &folder))?;
    let history = format!("{folder}/history");
    let arguments = ["--config", &config.to_string_lossy(), "--delay-accounting", "on", "--history", &history];
    let arguments = arguments.map(str::to_owned);
    let agent = Serving::start(dir.path(), &arguments.each_ref().map(String::as_str))?;
    let as_in_the_table = || as_in_the_table(&agent, u64::MAX);
    as_in_the_table()?;
    let exporters = ["export-ipfix", "spool-ipfix", "history", "history-reader"];
    for wanted in ["pidflow-sampler", "signals", "http", "reload", "packets lo"].into_iter().chain(exporters) {
        ensure!(threads(agent.pid())?.iter().any(|t| t.name.starts_with(wanted)), "there is no thread {wanted}");
    }
    // Threads that are started later have no more capabilities.
    agent.get("/metrics")?;
    fs::write(&config, fs::read_to_string(&config)?.replace("tcp://127.0.0.1:9", "tcp://127.0.0.1:10"))?;
    agent.signal(libc::SIGHUP)?;
    let log = dir.path().join("log");
    eventually("it has reloaded", || Ok(fs::read_to_string(&log)?.contains(" reloaded: ")))?;
    as_in_the_table()?;
    agent.stop()?;
    ensure!(fs::read_to_string(SWITCH).unwrap_or_default() == before, "the switch was not put back");
    Ok(())
}

/// One exporter of every kind and transport, with a spool if the kind supports one, and without a receiver.
fn every_kind(folder: &str, free_port: u16) -> String {
    let exporters = [
        ("ipfix", "url = \"udp://127.0.0.1:9\""),
        ("ipfix", "url = \"udp://localhost:9\""),
        ("ipfix", "url = \"tls://localhost:9\"\nspool = \"FOLDER/spool-tls\""),
        ("ipfix", "url = \"file:FOLDER/flows.ipfix\""),
        ("netflow9", "url = \"udp://127.0.0.1:10\""),
        ("json", "url = \"tcp://localhost:9\"\nspool = \"FOLDER/spool-json\""),
        ("json", "url = \"udp://127.0.0.1:11\""),
        ("json", "url = \"unix://FOLDER/stream\""),
        ("json", "url = \"unixgram://FOLDER/datagram\""),
        ("json", "file = \"FOLDER/flows-%Y.json.zst\""),
        ("otlp", "url = \"http://localhost:9\"\nspool = \"FOLDER/spool-otlp\""),
        ("otlp", "url = \"http://127.0.0.1:12\"\nprotocol = \"http/protobuf\""),
        ("redis", "url = \"redis://localhost:9/0\"\nkey = \"flows\"\nspool = \"FOLDER/spool-redis\""),
        ("nats", "url = \"nats://localhost:9\"\nsubject = \"flows\""),
        ("zmq", "url = \"tcp://127.0.0.1:ZMQ\""),
        ("elastic", "url = \"http://localhost:9\"\nspool = \"FOLDER/spool-elastic\""),
        ("clickhouse", "url = \"http://localhost:9\""),
        ("loki", "url = \"http://localhost:9\""),
        ("influx", "url = \"http://localhost:9\"\ndatabase = \"flows\""),
    ];
    let table = |(kind, rest): &(&str, &str)| format!("[[exporter]]\nkind = \"{kind}\"\n{rest}\n");
    exporters.iter().map(table).collect::<String>().replace("FOLDER", folder).replace("ZMQ", &free_port.to_string())
}

/// Makes traffic that becomes records, so that exporters start all their threads.
fn talk() -> Result<()> {
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..50 {
        UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", sink.local_addr()?)?;
    }
    Ok(())
}

/// Commands that start the agent as different users and with different capabilities, and the capabilities that the agent then has.
fn ways_to_start() -> [(&'static [&'static str], u64); 4] {
    [
        (&[], u64::MAX),
        // As the unit and the manifest start it, without delay accounting: root with six capabilities.
        (
            &["setpriv", "--bounding-set=-all,+bpf,+perfmon,+net_raw,+net_admin,+sys_ptrace,+dac_read_search"],
            BPF | NET_RAW | NET_ADMIN | SYS_PTRACE | DAC_READ_SEARCH,
        ),
        (
            &[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=+bpf,+perfmon,+net_raw,+net_admin,+sys_ptrace,+dac_read_search",
                "--ambient-caps=+bpf,+perfmon,+net_raw,+net_admin,+sys_ptrace,+dac_read_search",
            ],
            BPF | NET_RAW | NET_ADMIN | SYS_PTRACE | DAC_READ_SEARCH,
        ),
        // The user `nobody` with the capabilities for packets and connection tracking, and with others that the agent must not keep.
        (
            &[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=+net_raw,+net_admin,+sys_module,+chown,+setuid,+setpcap,+sys_chroot",
                "--ambient-caps=+net_raw,+net_admin,+sys_module,+chown,+setuid,+setpcap,+sys_chroot",
            ],
            NET_RAW | NET_ADMIN,
        ),
    ]
}

#[test]
fn threads_of_every_exporter_have_no_more_whoever_starts_the_agent() -> Result<()> {
    if without_root("threads_of_every_exporter_have_no_more_whoever_starts_the_agent") {
        return Ok(());
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        skip("threads_of_every_exporter_have_no_more_whoever_starts_the_agent", "no setpriv");
        return Ok(());
    }
    for (by, given) in ways_to_start() {
        starts_and_reloads(by, given).with_context(|| by.join(" "))?;
    }
    Ok(())
}

fn starts_and_reloads(by: &[&str], given: u64) -> Result<()> {
    let dir = trial::folder()?;
    let (config, folder) = (dir.path().join("pidflow.toml"), dir.path().to_string_lossy().into_owned());
    if by.contains(&"--reuid=65534") {
        std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534))?;
    }
    fs::write(&config, "")?;
    let options = ["--config", &config.to_string_lossy(), "--probes", "poll", "--metrics-listen", "127.0.0.1:0"];
    let agent = Serving::start_by(by, dir.path(), &options)?;
    as_in_the_table(&agent, given)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(&config, every_kind(&folder, port))?;
    reload(&agent, dir.path(), 1)?;
    talk()?;
    let has = |name: &str| threads(agent.pid()).is_ok_and(|all| all.iter().any(|t| t.name.starts_with(name)));
    for kind in ["ipfix", "netflow9", "json", "otlp", "redis", "nats", "zmq", "elastic", "clickhouse", "loki", "influx"]
    {
        // The kernel truncates names to 15 bytes.
        eventually(kind, || Ok(has(&format!("export-{kind:.8}"))))?;
    }
    eventually("records are tried", || Ok(agent.get("/metrics")?.body.contains("pidflow_export_lost_records_total")))?;
    as_in_the_table(&agent, given)?;
    // All exporters are started once more: their new threads are started by the thread that has read the configuration.
    fs::write(&config, every_kind(&folder, port).replace("localhost:9", "localhost:19"))?;
    reload(&agent, dir.path(), 2)?;
    talk()?;
    as_in_the_table(&agent, given)?;
    agent.stop()
}

fn reload(agent: &Serving, folder: &Path, times: usize) -> Result<()> {
    agent.signal(libc::SIGHUP)?;
    let log = folder.join("log");
    let said = || fs::read_to_string(&log).map(|text| text.matches(" reloaded: ").count());
    eventually("it has reloaded", || Ok(said()? == times)).with_context(|| fs::read_to_string(&log).unwrap_or_default())
}

/// `pidflow read` as root: the decoding thread has no capabilities, and the writing threads have only the one to write all users'
/// files.
#[test]
fn read_keeps_no_privileges_once_everything_is_open() -> Result<()> {
    if without_root("read_keeps_no_privileges_once_everything_is_open") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let (theirs, pipe) = (dir.path().join("theirs"), dir.path().join("pipe"));
    fs::create_dir(&theirs)?;
    let mine = theirs.join("x.pcap");
    fs::write(&mine, [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0])?;
    for path in [&mine, &theirs] {
        fs::set_permissions(path, fs::Permissions::from_mode(if path == &mine { 0o600 } else { 0o755 }))?;
        std::os::unix::fs::chown(path, Some(65534), Some(65534))?;
    }
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "mkfifo");
    let mut command = Command::new(process::binary("pidflow")?);
    command.arg("read").arg(&mine).arg(&pipe).arg("--json").arg(theirs.join("flows.json")).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut wrong = String::new();
    let found = eventually("every thread of read is as it should be", || {
        wrong = check_reading(&threads(child.id())?).err().map(|e| e.to_string()).unwrap_or_default();
        Ok(wrong.is_empty())
    });
    // The pipe ends when its writer has closed it.
    drop(fs::OpenOptions::new().write(true).open(&pipe)?);
    child.wait()?;
    found.with_context(|| wrong.clone())?;
    ensure!(theirs.join("flows.json").exists(), "root's output in another user's folder is made");
    Ok(())
}

fn check_reading(threads: &[Thread]) -> Result<()> {
    for thread in threads {
        let allowed = match thread.name.as_str() {
            "inputs" => DAC_READ_SEARCH,
            name if name.starts_with("export-") => DAC_OVERRIDE,
            _ => 0,
        };
        for set in ["CapPrm", "CapEff"] {
            ensure!(thread.number(set, 16)? == allowed, "{thread:?}");
        }
        ensure!(thread.number("NoNewPrivs", 10)? == 1 && thread.number("Seccomp", 10)? == 2, "{thread:?}");
    }
    let has = |name: &str| threads.iter().any(|t| t.name.starts_with(name));
    ensure!(has("pidflow") && has("inputs") && has("export-") && has("signals"), "{threads:?}");
    Ok(())
}
