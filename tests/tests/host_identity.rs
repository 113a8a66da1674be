//! The identity of a process beyond its name: unit, container, login, real user, inner process id, deleted executable.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::Guarded;
use pidflow_tests::records::{Record, Side};
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::{skip, without_root};

const CONTAINER: &str = "1d5e55ed1d5e55ed1d5e55ed1d5e55ed1d5e55ed1d5e55ed1d5e55ed1d5e55ed";
const UNIT: &str = r"web@a\x2db.service";
/// User 1234 logs in and runs as root with the real user 77 a shell that is the first process of its own namespace; its
/// file is deleted. On a signal it connects, and a child that ends at once connects too.
const CLIENT: &str = r#"echo $$ > "$0/cgroup.procs"
echo 1234 > /proc/self/loginuid
exec unshare --pid --fork --kill-child -- setpriv --ruid 77 -- "$1" -p -c '
    rm "$0"; echo; read
    exec 3<>/dev/tcp/127.0.0.1/$1; read -u 3
    (exec 3<>/dev/tcp/127.0.0.1/$1; read -u 3)' "$1" "$2""#;
const WAIT_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_record_says_who_a_process_is() -> Result<()> {
    let name = "a_record_says_who_a_process_is";
    if without_root(name) {
        return Ok(());
    }
    if !Path::new("/proc/self/loginuid").exists() {
        skip(name, "the kernel has no audit");
        return Ok(());
    }
    let (dir, programs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let program = programs.path().join("a-shell-of-its-own");
    std::fs::copy("/bin/bash", &program)?;
    let cgroup = Cgroup::of_systemd(&format!("pidflowtest.slice/{UNIT}/libpod-payload-{CONTAINER}"))?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    let mut client = Command::new("bash");
    client.args(["-c", CLIENT]).arg(cgroup.path()).arg(&program).arg(port.to_string());
    let mut client = Guarded::new(client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut ready = [0];
    std::io::Read::read_exact(client.child().stdout.as_mut().context("standard output")?, &mut ready)?;

    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let agent = Agent::start(dir.path(), &["-i", "lo", "--probes", &backend])?;
    client.child().stdin.take().context("standard input")?.write_all(b"\n")?;
    server.set_nonblocking(true)?;
    for end in ["shell", "child"] {
        eventually(&format!("the {end} connects"), || Ok(server.accept().is_ok()))?;
    }
    client.wait(WAIT_LIMIT)?;

    let ended = agent.stop()?;
    let records: Vec<_> = ended.records.iter().filter(|r| r.destination.1 == port).collect();
    ensure!(records.len() == 2, "{} records; the agent said:\n{}", records.len(), ended.log);
    for record in records {
        check(record, &program).with_context(|| format!("{:?}\n{}", record.keys(), ended.log))?;
    }
    Ok(())
}

fn check(record: &Record, program: &Path) -> Result<()> {
    let text = |key| record.end_text(Side::Source, key);
    let number = |key| record.end_number(Side::Source, key);
    ensure!(text("PROC_CONTAINER_ID") == Some(CONTAINER) && text("PROC_CONTAINER_RUNTIME") == Some("podman"));
    ensure!(text("PROC_UNIT") == Some(UNIT) && text("PROC_SLICE") == Some("pidflowtest.slice"));
    ensure!(text("PROC_USER_UNIT").is_none());
    ensure!(number("PROC_LOGIN_UID") == Some(1234) && text("PROC_LOGIN_USER_NAME") == Some("1234"));
    ensure!(number("PROC_LOGIN_SESSION").is_some_and(|n| n > 0));
    ensure!(text("PROC_NAME") == Some("a-shell-of-its-own"), "the name is completed from the executable");
    ensure!(text("PROC_EXECUTABLE") == program.to_str() && number("PROC_EXECUTABLE_DELETED") == Some(1));
    ensure!(number("PROC_UID") == Some(0) && number("PROC_REAL_UID") == Some(77));
    let is_shell = text("FATHER_PROC_NAME") == Some("unshare");
    // The child has an inner process id of its own, which is known if /proc was read before its end.
    ensure!(number("PROC_INNER_PID").map_or(!is_shell, |pid| (pid == 1) == is_shell), "the number within");
    let server = |key| record.end_text(Side::Destination, key);
    ensure!(server("PROC_UNIT") != Some(UNIT) && server("PROC_CONTAINER_ID").is_none(), "this test is in no container");
    ensure!(record.end_number(Side::Destination, "PROC_REAL_UID").is_some_and(|uid| uid != 77));
    ensure!(record.end_number(Side::Destination, "PROC_INNER_PID").is_some());
    ensure!(record.end_number(Side::Destination, "PROC_EXECUTABLE_DELETED").is_none());
    Ok(())
}
