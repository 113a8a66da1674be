//! redis-server, configured to write everything to disk before it answers.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::expected::Object;
use crate::tools::{self, Running};

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    arguments: Vec<String>,
    dir: TempDir,
    running: Option<Running>,
}

impl Server {
    /// None, with a skip reported, where it is not installed.
    pub(crate) fn start(test: &str, arguments: &[&str]) -> Option<Self> {
        if !tools::programs(test, &["redis-server", "redis-cli"]) {
            return None;
        }
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (port, dir) = (tools::tcp_port(), tempfile::tempdir().unwrap());
        let mut server = Self { port, tls_port: 0, arguments, dir, running: None };
        server.start_again();
        Some(server)
    }

    /// As [`Self::start`], with another port for TLS.
    pub(crate) fn start_with_tls(test: &str, certificate: &Path, key: &Path) -> Option<Self> {
        let port = tools::tcp_port();
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let port_text = port.to_string();
        let tls = ["--tls-port", &port_text, "--tls-auth-clients", "no", "--tls-ca-cert-file", certificate];
        let identity = ["--tls-cert-file", certificate, "--tls-key-file", key];
        let server = Self::start(test, &[tls.as_slice(), &identity].concat())?;
        Some(Self { tls_port: port, ..server })
    }

    pub(crate) fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(self.dir.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.running = Some(Running(child));
        let answers = || !self.ask(&["PING"]).trim().is_empty();
        tools::wait_for("redis-server's start", Duration::from_secs(20), answers);
    }

    /// With SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let asked = Command::new("redis-cli").args(["-p", &self.port.to_string(), "--raw"]).args(arguments).output();
        String::from_utf8(asked.unwrap().stdout).unwrap()
    }

    /// The entries of the list.
    pub(crate) fn list(&self, arguments: &[&str], key: &str) -> Vec<Object> {
        let said = self.ask(&[arguments, &["LRANGE", key, "0", "-1"]].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
