//! A process in a container whose link the kubelet creates after the process has started: its records must name the
//! pod.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::Guarded;
use pidflow_tests::records::Side;
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::without_root;

const CONTAINER: &str = "0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed";
/// A program that enters the cgroup, executes another program, and connects on a signal.
const CLIENT: &str = "echo $$ > \"$0/cgroup.procs\"
exec bash -c 'read; exec 3<>/dev/tcp/127.0.0.1/$0; read -u 3' \"$1\"";
const WAIT_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_record_names_the_pod() -> Result<()> {
    if without_root("a_record_names_the_pod") {
        return Ok(());
    }
    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let (dir, links) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let pod_logs = links.path().to_str().context("folder")?;
    let agent = Agent::start(dir.path(), &["-i", "lo", "--probes", &backend, "--pod-logs", pod_logs])?;

    let cgroup = Cgroup::new(&format!("cri-containerd-{CONTAINER}.scope"))?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    let mut client = Command::new("bash");
    client.args(["-c", CLIENT]).arg(cgroup.path()).arg(port.to_string()).stdin(Stdio::piped());
    let mut client = Guarded::new(client.spawn()?);
    let command_line = format!("/proc/{}/cmdline", client.pid());
    eventually("the client is in the group, and another program", || {
        Ok(std::fs::read(&command_line)?.starts_with(b"bash\0-c\0read;"))
    })?;
    std::os::unix::fs::symlink("/nowhere", links.path().join(format!("web-0_shop_nginx-{CONTAINER}.log")))?;
    // The agent looks at the folder four times a second.
    thread::sleep(Duration::from_secs(1));
    client.child().stdin.take().context("standard input")?.write_all(b"\n")?;
    server.set_nonblocking(true)?;
    eventually("the client connects", || Ok(server.accept().is_ok()))?;
    client.wait(WAIT_LIMIT)?;

    let ended = agent.stop()?;
    let record = ended.records.iter().find(|r| r.destination.1 == port);
    let record = record.with_context(|| format!("no record; the agent said:\n{}", ended.log))?;
    let text = |key| record.end_text(Side::Source, key);
    let said = ["PROC_CONTAINER_ID", "K8S_NAMESPACE", "K8S_POD", "K8S_CONTAINER"].map(text);
    ensure!(said == [CONTAINER, "shop", "web-0", "nginx"].map(Some), "{:?}\n{}", record.keys(), ended.log);
    ensure!(record.end_text(Side::Destination, "K8S_POD").is_none(), "this test is in no pod");
    Ok(())
}
