//! Names of containers from an engine's API, and names of services from environments.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

mod fake;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake::Fake;
use pidflow_tests::agent::{Agent, Ended};
use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::Guarded;
use pidflow_tests::records::{Record, Side};
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::without_root;
use serde_json::json;

const FIRST: &str = "0c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee0";
const SECOND: &str = "0decade00decade00decade00decade00decade00decade00decade00decade0";
/// Joins the cgroup and executes a program there, as a container's runtime does. Some time after a line of input it connects: by then the
/// agent has read its files in /proc.
const CLIENT: &str = r#"echo $$ > "$0/cgroup.procs"
exec bash -c 'echo; read; sleep 2; exec 3<>/dev/tcp/127.0.0.1/$0; read -u 3' "$1""#;
const WAIT_LIMIT: Duration = Duration::from_secs(20);

fn client(cgroup: &Cgroup, port: u16, environment: &[(&str, &str)]) -> Result<Guarded> {
    let mut client = Command::new("bash");
    client.args(["-c", CLIENT]).arg(cgroup.path()).arg(port.to_string()).envs(environment.iter().copied());
    let mut client = Guarded::new(client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut ready = [0];
    client.child().stdout.as_mut().context("standard output")?.read_exact(&mut ready)?;
    Ok(client)
}

fn connect(client: &mut Guarded, server: &TcpListener) -> Result<()> {
    client.child().stdin.take().context("standard input")?.write_all(b"\n")?;
    drop(server.accept()?);
    client.wait(WAIT_LIMIT).map(drop)
}

struct Containers {
    dir: tempfile::TempDir,
    engine: Fake,
    servers: [TcpListener; 2],
}

impl Containers {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let engine = Fake::start(dir.path())?;
        Ok(Self { engine, servers: [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?], dir })
    }

    /// One container runs before the agent, and one is started while the engine is followed again after its restart.
    fn play(&self, options: &[&str]) -> Result<Ended> {
        let [port, other] = [self.servers[0].local_addr()?.port(), self.servers[1].local_addr()?.port()];
        // Tests that run at the same time have groups of their own.
        let group = |id: &str| Cgroup::of_systemd(&format!("pidflowtest{port}.slice/docker-{id}.scope"));
        let (first, second) = (group(FIRST)?, group(SECOND)?);
        let labels = json!({"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "team": "a"});
        self.engine.run(FIRST, "shop-web-1", "nginx:1.27", &labels);
        let environment = [("SECRET", "hunter2"), ("OTEL_SERVICE_NAME", "checkout")];
        let mut one = client(&first, port, &environment)?;

        let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
        let socket = self.engine.socket.to_string_lossy().into_owned();
        let common = ["-i", "lo", "--probes", &backend, "--docker-socket", &socket];
        let agent = Agent::start(self.dir.path(), &[&common[..], options].concat())?;
        eventually("the engine is followed", || Ok(self.engine.listeners() == 1))?;
        self.engine.restart();
        eventually("the engine is followed again", || Ok(self.engine.listeners() == 1))?;
        self.engine.run(SECOND, "db", "registry.example/postgres:17", &json!({}));
        let attributes = [("OTEL_RESOURCE_ATTRIBUTES", "service.version=1,service.name=stock")];
        let mut two = client(&second, other, &attributes)?;
        connect(&mut one, &self.servers[0])?;
        connect(&mut two, &self.servers[1])?;
        agent.stop()
    }

    fn record<'a>(ended: &'a Ended, server: &TcpListener) -> Result<&'a Record> {
        let port = server.local_addr()?.port();
        let record = ended.records.iter().find(|r| r.destination.1 == port);
        record.with_context(|| format!("no record; the agent said:\n{}", ended.log))
    }
}

#[test]
fn records_have_the_names_that_engine_and_environment_tell() -> Result<()> {
    if without_root("records_have_the_names_that_engine_and_environment_tell") {
        return Ok(());
    }
    let containers = Containers::new()?;
    let ended = containers.play(&["--service-names", "on"])?;
    let [first, second] = &containers.servers;
    let (one, two) = (Containers::record(&ended, first)?, Containers::record(&ended, second)?);
    let of = |record: &Record, key| record.end_text(Side::Source, key).map(str::to_owned);
    let names = |record| {
        ["CONTAINER_NAME", "CONTAINER_IMAGE", "COMPOSE_PROJECT", "COMPOSE_SERVICE", "SERVICE_NAME"]
            .map(|key| of(record, key).unwrap_or_default())
    };
    ensure!(of(one, "PROC_CONTAINER_ID").as_deref() == Some(FIRST), "{:?}\n{}", one.keys(), ended.log);
    assert_eq!(names(one), ["shop-web-1", "nginx:1.27", "shop", "web", "checkout"], "{}", ended.log);
    assert_eq!(names(two), ["db", "registry.example/postgres:17", "", "", "stock"], "{}", ended.log);
    ensure!(one.end_text(Side::Destination, "CONTAINER_NAME").is_none(), "this test is in no container");
    assert_eq!(containers.engine.world().breaches, [""; 0]);
    let written = fs::read_to_string(containers.dir.path().join("records.jsonl"))?;
    ensure!(!written.contains("hunter2") && !ended.log.contains("hunter2"), "nothing else of the environment is kept");
    Ok(())
}

#[test]
fn environments_are_not_read_unless_asked_for() -> Result<()> {
    if without_root("environments_are_not_read_unless_asked_for") {
        return Ok(());
    }
    let containers = Containers::new()?;
    let ended = containers.play(&[])?;
    let record = Containers::record(&ended, &containers.servers[0])?;
    ensure!(record.end_text(Side::Source, "SERVICE_NAME").is_none(), "{:?}", record.keys());
    ensure!(record.end_text(Side::Source, "CONTAINER_NAME") == Some("shop-web-1"), "{:?}", record.keys());
    Ok(())
}
