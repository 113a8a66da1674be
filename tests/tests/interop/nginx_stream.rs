//! nginx terminates TLS in front of a receiver of streams and requires a client certificate.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::nginx;
use crate::tools::{self, Running};

/// A running nginx.
pub(crate) struct TlsEnd {
    pub(crate) port: u16,
    folder: TempDir,
    _nginx: Running,
}

impl TlsEnd {
    /// Starts nginx in front of a port on loopback.
    pub(crate) fn new(receiver: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), tools::tcp_port());
        nginx::certificates(folder.path());
        std::fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), port, receiver)).unwrap();
        let nginx = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Self { port, folder, _nginx: Running(nginx) };
        tools::wait_for("nginx's start", Duration::from_secs(20), || tools::is_listening(port));
        end
    }

    /// The keys of an exporter's table with which exporter and nginx trust each other.
    pub(crate) fn keys(&self) -> String {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        format!(
            "tls-ca = \"{}\"\ntls-cert = \"{}\"\ntls-key = \"{}\"\n",
            file("ca.pem"),
            file("client.pem"),
            file("client.key")
        )
    }
}

fn configuration(folder: &Path, port: u16, receiver: u16) -> String {
    let folder = folder.display();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n\
         events {{ }}\n\
         stream {{ server {{\n\
           listen 127.0.0.1:{port} ssl; proxy_pass 127.0.0.1:{receiver};\n\
           ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;\n\
           ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;\n\
         }} }}\n"
    )
}
