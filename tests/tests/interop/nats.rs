//! nats-server, read with the official Python client.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::expected::Object;
use crate::nginx;
use crate::tools::{self, Running};

const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A server on loopback with streams on disk.
pub(crate) struct Server {
    pub(crate) port: u16,
    python: PathBuf,
    dir: TempDir,
    running: Option<Running>,
}

/// A running subscriber.
pub(crate) struct Subscriber {
    running: Running,
    output: PathBuf,
}

impl Server {
    /// None, with a skip reported, where it is not installed.
    pub(crate) fn start(test: &str, settings: &str) -> Option<Self> {
        let python = tools::programs(test, &["nats-server"]).then(|| tools::python(test, "nats")).flatten()?;
        Some(Self::configured(python, tempfile::tempdir().unwrap(), settings))
    }

    /// As [`Self::start`], with TLS for `localhost` and required client certificates; all certificates are in its
    /// folder.
    pub(crate) fn start_with_tls(test: &str, settings: &str) -> Option<Self> {
        let python = tools::programs(test, &["nats-server"]).then(|| tools::python(test, "nats")).flatten()?;
        let dir = tempfile::tempdir().unwrap();
        nginx::certificates(dir.path());
        let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| dir.path().join(name));
        let tls = format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
        Some(Self::configured(python, dir, &format!("{tls}\n{settings}")))
    }

    fn configured(python: PathBuf, dir: TempDir, settings: &str) -> Self {
        let port = tools::tcp_port();
        let store = dir.path().join("store");
        let text = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\n{settings}\n");
        std::fs::write(dir.path().join("nats.conf"), text).unwrap();
        let mut server = Self { port, python, dir, running: None };
        server.start_again();
        server
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn start_again(&mut self) {
        let child = Command::new("/usr/sbin/nats-server")
            .arg("--config")
            .arg(self.dir.path().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.running = Some(Running(child));
        let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap();
        tools::wait_for("nats-server's start", WAIT_LIMIT, || log().contains("Server is ready"));
    }

    /// With SIGINT.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.interrupt();
        }
    }

    fn client(&self, login: &str, arguments: &[&str]) -> Command {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/nats_client.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg(format!("nats://{login}127.0.0.1:{}", self.port)).args(arguments);
        // The authority that has signed the server's certificate, where there is one.
        command.env("NATS_CA", self.file("ca.pem"));
        command
    }

    /// Starts a subscriber that reads `messages` messages; it has subscribed when this returns.
    pub(crate) fn subscriber(&self, login: &str, subject: &str, messages: usize) -> Subscriber {
        let (output, log) = (self.dir.path().join("out"), self.dir.path().join("client"));
        let mut command = self.client(login, &["subscribe", subject, &messages.to_string()]);
        command.stdout(File::create(&output).unwrap()).stderr(File::create(&log).unwrap());
        let running = Running(command.spawn().unwrap());
        let ready = || std::fs::read_to_string(&log).unwrap().contains("ready");
        tools::wait_for("the subscriber's start", WAIT_LIMIT, ready);
        Subscriber { running, output }
    }

    pub(crate) fn create_stream(&self, name: &str, subject: &str) {
        tools::text(&self.client("", &["create", name, subject]).output().unwrap());
    }

    /// Every message of the stream with this subject.
    pub(crate) fn read_stream(&self, subject: &str) -> Vec<Object> {
        objects(&tools::text(&self.client("", &["read", subject]).output().unwrap()))
    }
}

impl Subscriber {
    /// Waits until it has got as many messages as requested, and returns them.
    pub(crate) fn finish(mut self) -> Vec<Object> {
        tools::wait_for("the subscriber's end", WAIT_LIMIT, || self.running.0.try_wait().unwrap().is_some());
        objects(&std::fs::read_to_string(&self.output).unwrap())
    }
}

fn objects(lines: &str) -> Vec<Object> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
