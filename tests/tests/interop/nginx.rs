//! nginx terminates TLS in front of a server and requires a client certificate.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::tools::{self, Running};

/// Certificates in files: `NAME.pem` and `NAME.key` for `ca`, `server`, `client`, and for an authority that has signed
/// nothing, `other`.
pub(crate) fn certificates(dir: &Path) {
    let key = || KeyPair::generate().unwrap();
    let write = |name: &str, pem: String, key: &KeyPair| {
        std::fs::write(dir.join(format!("{name}.pem")), pem).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    };
    let authority = |name: &str| {
        let (mut params, key) = (CertificateParams::new(vec![]).unwrap(), key());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("pidflow test {name}"));
        write(name, params.self_signed(&key).unwrap().pem(), &key);
        Issuer::new(params, key)
    };
    let ca = authority("ca");
    authority("other");
    for name in ["server", "client"] {
        let (mut params, key) = (CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), key());
        params.distinguished_name.push(DnType::CommonName, name);
        write(name, params.signed_by(&key, &ca).unwrap().pem(), &key);
    }
}

/// Passes requests of clients with a certificate on to `server`; the port it listens on.
pub(crate) fn start(dir: &Path, server: SocketAddr) -> (Running, u16) {
    run(dir, server, CONFIG)
}

/// As [`start`], for gRPC.
#[allow(dead_code, reason = "not every test that has this file speaks gRPC")]
pub(crate) fn start_grpc(dir: &Path, server: SocketAddr) -> (Running, u16) {
    let (head, rest) = CONFIG.split_once("proxy_pass http://SERVER;").unwrap();
    let (_, tail) = rest.split_once("$ssl_client_s_dn;").unwrap();
    run(dir, server, &format!("{}grpc_pass grpc://SERVER;{tail}", head.replace(" ssl;", " ssl http2;")))
}

fn run(dir: &Path, server: SocketAddr, config: &str) -> (Running, u16) {
    let port = tools::tcp_port();
    let config = config.replace("DIR", dir.to_str().unwrap());
    let config = config.replace("PORT", &port.to_string()).replace("SERVER", &server.to_string());
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let process = Command::new("nginx")
        .args(["-p", dir.to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = Running(process);
    let up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    tools::wait_for("nginx's start", Duration::from_secs(20), up);
    (process, port)
}

const CONFIG: &str = "
pid DIR/nginx.pid;
master_process off;
events {}
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  server {
    listen 127.0.0.1:PORT ssl;
    server_name localhost;
    ssl_certificate DIR/server.pem;
    ssl_certificate_key DIR/server.key;
    ssl_client_certificate DIR/ca.pem;
    ssl_verify_client on;
    client_max_body_size 10m;
    location / {
      proxy_pass http://SERVER;
      proxy_http_version 1.1;
      proxy_set_header Connection keep-alive;
      proxy_set_header X-Client $ssl_client_s_dn;
    }
  }
}
";
