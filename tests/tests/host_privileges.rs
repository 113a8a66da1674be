//! What each thread of a running agent may do, as the kernel says.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use pidflow_tests::process;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::trial;

/// Bits of `include/uapi/linux/capability.h`.
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_RAW: u64 = 1 << 13;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const BPF: u64 = 1 << 39;

/// How a thread's name begins, and all the capabilities that it may have; the table of the security page.
const TABLE: [(&str, u64); 17] = [
    ("pidflow-sampler", SYS_PTRACE | DAC_READ_SEARCH),
    ("pidflow", BPF),
    ("delay-switch", SYS_ADMIN),
    ("certificates", DAC_READ_SEARCH),
    ("reload", DAC_READ_SEARCH),
    ("interfaces", NET_RAW),
    ("packets ", 0),
    ("host", 0),
    ("http", 0),
    ("self-test", 0),
    ("signals", 0),
    ("view", 0),
    ("export-", 0),
    ("spool-", 0),
    ("note-", 0),
    // Of libraries.
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
        let status = fs::read_to_string(task?.path().join("status"))?;
        let fields = status.lines().filter_map(|line| line.split_once(":\t"));
        let fields: BTreeMap<_, _> = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let name = fields.get("Name").cloned().context("a thread without a name")?;
        threads.push(Thread { name, fields });
    }
    Ok(threads)
}

/// Every thread has the capabilities of its line, a filter, and no way to get more.
fn check(threads: &[Thread]) -> Result<()> {
    for thread in threads {
        let line = TABLE.iter().find(|(begins, _)| thread.name.starts_with(begins));
        let (_, allowed) = line.with_context(|| format!("{} is not in the table", thread.name))?;
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

/// Delay accounting, which is put back with the capability that one thread keeps.
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
    let arguments = ["--config", &config.to_string_lossy(), "--delay-accounting", "on"].map(str::to_owned);
    let agent = Serving::start(dir.path(), &arguments.each_ref().map(String::as_str))?;
    // Threads that are just being started have not given up anything yet.
    let as_in_the_table = || {
        let mut wrong = String::new();
        let found = eventually("every thread is as in the table", || {
            wrong = check(&threads(agent.pid())?).err().map(|e| e.to_string()).unwrap_or_default();
            Ok(wrong.is_empty())
        });
        found.with_context(|| wrong.clone())
    };
    as_in_the_table()?;
    for wanted in ["pidflow-sampler", "signals", "http", "reload", "packets lo", "export-ipfix", "spool-ipfix"] {
        ensure!(threads(agent.pid())?.iter().any(|t| t.name.starts_with(wanted)), "there is no thread {wanted}");
    }
    // What is started later has no more.
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

/// `pidflow read` as root: who decodes holds nothing, who writes may write anybody's files and nothing else.
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
    // A writer that comes and goes ends the pipe.
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
