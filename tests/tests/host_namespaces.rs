//! An agent in namespaces of its own: its records are right, and it reports what it cannot see.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pidflow_tests::process;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;
use serde_json::Value;

/// A PID namespace with a /proc of its own, and one that still sees the host's.
const OWN_PROC: &[&str] = &["unshare", "--kill-child", "--pid", "--mount-proc"];
const HOSTS_PROC: &[&str] = &["unshare", "--kill-child", "--pid", "--fork"];

/// A connection of this process that is older than the agent.
struct Old {
    client: TcpStream,
    server: TcpStream,
}

impl Old {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        Ok(Self { client, server: listener.accept()?.0 })
    }

    fn exchange(&mut self) -> Result<()> {
        self.client.write_all(b"x")?;
        self.server.read_exact(&mut [0])?;
        Ok(())
    }

    /// Waits for a record of the connection in which the sender is known.
    fn record(&mut self, agent: &Serving) -> Result<Value> {
        let port = self.client.local_addr()?.port();
        let mut found = Value::Null;
        eventually("the old connection has an owner", || {
            self.exchange()?;
            let page = agent.json(&format!("/api/flows?port={port}&limit=500"))?;
            let flows = page.get("flows").and_then(Value::as_array).cloned().unwrap_or_default();
            found = flows.into_iter().rfind(|flow| flow.get("SRC_PROC_PID").is_some()).unwrap_or_default();
            Ok(!found.is_null())
        })?;
        Ok(found)
    }
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn in_a_pid_namespace_of_its_own_numbers_are_right_and_nothing_is_looked_up() -> Result<()> {
    let test = "in_a_pid_namespace_of_its_own_numbers_are_right_and_nothing_is_looked_up";
    if without_root(test) {
        return Ok(());
    }
    let (dir, mut old) = (trial::folder()?, Old::new()?);
    let agent = Serving::start_by(OWN_PROC, dir.path(), &[])?;
    let record = old.record(&agent)?;
    ensure!(record["SRC_PROC_PID"] == std::process::id(), "{record}");
    for end in ["SRC", "DST"] {
        let command_line = text(&record, &format!("{end}_PROC_CMDLINE"));
        ensure!(command_line.is_empty(), "{record}: it is of a process of the agent's namespace");
    }
    ensure!(agent.log.contains("PID namespace: "), "{}", agent.log);
    let ready = agent.get("/readyz")?;
    ensure!(ready.status == 200 && ready.body.contains("PID namespace: not seen: "), "{ready:?}");
    Ok(())
}

#[test]
fn with_the_hosts_proc_everything_is_known() -> Result<()> {
    if without_root("with_the_hosts_proc_everything_is_known") {
        return Ok(());
    }
    let (dir, mut old) = (trial::folder()?, Old::new()?);
    let agent = Serving::start_by(HOSTS_PROC, dir.path(), &[])?;
    let record = old.record(&agent)?;
    let own: Vec<_> = std::env::args().collect();
    ensure!(record["SRC_PROC_PID"] == std::process::id(), "{record}");
    ensure!(text(&record, "SRC_PROC_CMDLINE") == own.join(" "), "{record}");
    ensure!(!agent.log.contains("PID namespace: "), "{}", agent.log);
    Ok(())
}

/// The output of `pidflow doctor` there.
fn doctor(by: &[&str]) -> Result<String> {
    let (program, arguments) = by.split_first().context("no program")?;
    let output = Command::new(program).args(arguments).arg(process::binary("pidflow")?).arg("doctor").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_doctor_names_every_namespace() -> Result<()> {
    if without_root("the_doctor_names_every_namespace") {
        return Ok(());
    }
    let cases: [(&[&str], &str); 7] = [
        (&["env"], "ok namespaces the host's"),
        (OWN_PROC, "partial PID namespace /proc shows a PID namespace of the agent's own"),
        (HOSTS_PROC, "ok namespaces the host's"),
        (&["unshare", "--net"], "partial network namespace not that of process 1"),
        (&["unshare", "--cgroup"], "ok cgroup namespace the agent's own"),
        (&["unshare", "--user", "--map-root-user"], "partial user namespace the agent's own"),
        (
            &["unshare", "--fork", "--time", "--boottime=86400"],
            "partial time namespace the time since boot is shifted by 86400 s",
        ),
    ];
    for (by, wanted) in cases {
        if by.contains(&"--net") && std::fs::read_link("/proc/1/ns/net").is_err() {
            skip("the_doctor_names_every_namespace", &format!("{by:?}: process 1 may not be looked at"));
            continue;
        }
        let said = doctor(by)?;
        ensure!(said.contains(wanted), "{by:?}: {said}");
    }
    let hidden = "mount -o remount,hidepid=2 /proc && exec \"$0\" \"$@\"";
    let said = doctor(&["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", hidden])?;
    ensure!(said.contains("partial /proc mounted with") && said.contains("hidepid="), "{said}");
    Ok(())
}
