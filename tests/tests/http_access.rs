//! Access control over HTTP: other users of the host, clients of other hosts, and clients with a certificate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pidflow_tests::process::{self, Guarded};
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::traffic::TALK;
use pidflow_tests::{skip, sys};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Some user who is neither root nor the agent's.
const STRANGER: u32 = 4321;
const API: [&str; 5] = ["/api/flows", "/api/processes", "/api/graph", "/api/elements", "/api/openapi.json"];
const HEALTH: [&str; 2] = ["/livez", "/readyz"];
/// An argument on the command line of a process with flows; it does not look like a secret, so it is not masked.
const ARGUMENT: &str = "a word on a command line";

/// Status and answer that a user gets with curl.
fn curl(uid: u32, url: &str, more: &[&str]) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--max-time", "20", "-w", "\n%{http_code}"]).args(more).arg(url).uid(uid).gid(uid);
    let output = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    let (body, status) = output.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn status(uid: u32, address: SocketAddr, path: &str) -> u16 {
    curl(uid, &format!("http://{address}{path}"), &[]).0
}

fn is_skipped(name: &str) -> bool {
    if skip::without_root(name) {
        return true;
    }
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    if !has_curl {
        skip::skip(name, "curl is not installed");
    }
    !has_curl
}

fn talker() -> Guarded {
    let child: Child = Command::new("python3").args(["-c", TALK, ARGUMENT]).stdin(Stdio::null()).spawn().unwrap();
    Guarded::new(child)
}

#[test]
fn another_user_of_the_host_reads_figures_alone() {
    if is_skipped("another_user_of_the_host_reads_figures_alone") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (agent, _talker) = (Serving::start(dir.path(), &[]).unwrap(), talker());
    for page in ["/api/flows", "/api/processes"] {
        eventually(page, || Ok(agent.get(page)?.body.contains(ARGUMENT))).unwrap();
    }
    for path in API {
        assert_eq!(status(0, agent.address, path), 200, "root: {path}");
        let (status, body) = curl(STRANGER, &format!("http://{}{path}", agent.address), &[]);
        assert_eq!((status, body.lines().count()), (403, 1), "{path}: {body}");
        assert!(body.contains("--token-file"), "{body}");
    }
    for path in ["/", "/metrics"].iter().chain(&HEALTH) {
        let (status, body) = curl(STRANGER, &format!("http://{}{path}", agent.address), &[]);
        assert!(status == 200 && !body.contains(ARGUMENT), "{path}: {status}");
    }
    for trick in ["//api/flows", "/api/../api/flows", "/metrics/../api/flows", "/%61pi/flows", "/api/flows?x=/metrics"]
    {
        assert_eq!(status_as_is(agent.address, trick), 403, "{trick}");
    }
    agent.stop().unwrap();
}

fn status_as_is(address: SocketAddr, path: &str) -> u16 {
    curl(STRANGER, &format!("http://{address}{path}"), &["--path-as-is"]).0
}

#[test]
fn where_processes_are_hidden_from_other_users_their_names_are_too() {
    let name = "where_processes_are_hidden_from_other_users_their_names_are_too";
    if is_skipped(name) {
        return;
    }
    sys::unshare(libc::CLONE_NEWNS).unwrap();
    let mount = |arguments: &str| Command::new("mount").args(arguments.split(' ')).status().is_ok_and(|s| s.success());
    if !mount("--make-rprivate /") || !mount("-t proc -o hidepid=2 proc /proc") {
        return skip::skip(name, "/proc cannot be mounted with hidepid here");
    }
    let dir = tempfile::tempdir().unwrap();
    // The name of a mount point may contain any bytes.
    let odd = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&odd).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&odd).status().unwrap();
    assert!(mounted.success());
    let agent = Serving::start(dir.path(), &["--metrics-listen", "127.0.0.1:0"]).unwrap();
    eventually("it is ready", || Ok(agent.get("/readyz")?.status == 200)).unwrap();
    assert_eq!([status(STRANGER, agent.address, "/metrics"), status(0, agent.address, "/metrics")], [403, 200]);
    for path in HEALTH {
        assert_eq!(status(STRANGER, agent.address, path), 200, "{path}");
    }
    // The operator has opened the separate port explicitly.
    assert_eq!(status(STRANGER, agent.metrics_address.unwrap(), "/metrics"), 200);
    agent.stop().unwrap();
    assert!(Command::new("umount").arg(&odd).status().unwrap().success());
}

#[test]
fn off_loopback_the_start_is_refused_without_credentials() {
    for address in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", "192.0.2.1:9435"] {
        let mut command = Command::new(process::binary("pidflow").unwrap());
        let output = command.args(["run", "--listen", address]).env_remove("PIDFLOW_TOKEN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{address}: {said}");
        assert!(["--token-file", "--tls-client-ca", "--metrics-listen"].iter().all(|w| said.contains(w)), "{said}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pidflow.toml");
    for (text, is_fine) in [
        ("listen = \"0.0.0.0:9435\"", false),
        ("listen = \"0.0.0.0:9435\"\ntoken-file = \"/x\"", true),
        ("metrics-listen = \"0.0.0.0:9436\"", true),
        ("metrics-listen = \"9436\"", false),
    ] {
        std::fs::write(&file, format!("[http]\n{text}\n")).unwrap();
        let mut check = Command::new(process::binary("pidflow").unwrap());
        let output = check.args(["check", "--config"]).arg(&file).env_remove("PIDFLOW_TOKEN").output().unwrap();
        // The configuration is refused before the token file is read.
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains("listen"), !is_fine, "{text}: {said}");
    }
}

#[test]
fn a_port_for_metrics_needs_no_token_and_has_nothing_else() {
    if is_skipped("a_port_for_metrics_needs_no_token_and_has_nothing_else") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let options = ["--listen", "0.0.0.0:0", "--token-file", token.to_str().unwrap(), "--metrics-listen", "0.0.0.0:0"];
    let agent = Serving::start(dir.path(), &options).unwrap();
    eventually("it is ready", || Ok(agent.get("/readyz")?.status == 200)).unwrap();
    let main = SocketAddr::from(([127, 0, 0, 1], agent.address.port()));
    let metrics = SocketAddr::from(([127, 0, 0, 1], agent.metrics_address.unwrap().port()));
    for path in API.iter().chain(&["/", "/metrics"]) {
        assert_eq!(status(0, main, path), 401, "root too: {path}");
        let bearer = ["-H", "Authorization: Bearer s3cret"];
        assert_eq!(curl(STRANGER, &format!("http://{main}{path}"), &bearer).0, 200, "{path}");
        assert_eq!(status(0, metrics, path), if *path == "/metrics" { 200 } else { 404 }, "{path}");
    }
    for path in HEALTH {
        assert_eq!([status(STRANGER, main, path), status(STRANGER, metrics, path)], [200; 2], "{path}");
    }
    agent.stop().unwrap();
}

/// A key and a certificate of an authority, as files.
fn certificate(dir: &Path, name: &str, authority: &CertifiedIssuer<'_, KeyPair>, purpose: ExtendedKeyUsagePurpose) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    parameters.extended_key_usages.push(purpose);
    let certificate = parameters.signed_by(&key, authority).unwrap();
    std::fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn authority(dir: &Path, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join(format!("{name}.crt")), authority.pem()).unwrap();
    authority
}

#[test]
fn a_client_certificate_opens_the_api_and_nothing_else_does() {
    if is_skipped("a_client_certificate_opens_the_api_and_nothing_else_does") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(dir.path(), "ours"), authority(dir.path(), "other"));
    certificate(dir.path(), "server", &ours, ExtendedKeyUsagePurpose::ServerAuth);
    certificate(dir.path(), "client", &ours, ExtendedKeyUsagePurpose::ClientAuth);
    certificate(dir.path(), "stranger", &other, ExtendedKeyUsagePurpose::ClientAuth);
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (crt, key, ca) = (file("server.crt"), file("server.key"), file("ours.crt"));
    let options = [
        "--listen",
        "0.0.0.0:0",
        "--tls-cert",
        &crt,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &ca,
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    let agent = Serving::start(dir.path(), &options).unwrap();
    let get = |port: u16, path: &str, name: Option<&str>| {
        let pair = name.map(|name| [file(&format!("{name}.crt")), file(&format!("{name}.key"))]);
        let mut more = vec!["--cacert", &ca];
        if let Some([crt, key]) = &pair {
            more.extend(["--cert", crt, "--key", key]);
        }
        curl(0, &format!("https://localhost:{port}{path}"), &more).0
    };
    let (main, metrics) = (agent.address.port(), agent.metrics_address.unwrap().port());
    assert_eq!([get(main, "/api/flows", Some("client")), get(main, "/metrics", Some("client"))], [200; 2]);
    assert_eq!([get(main, "/api/flows", None), get(main, "/metrics", None)], [403; 2], "root of this host too");
    assert_eq!([get(main, "/api/flows", Some("stranger")), get(main, "/api/flows", Some("server"))], [0; 2]);
    assert_eq!([get(main, "/livez", None), get(metrics, "/metrics", None), get(metrics, "/livez", None)], [200; 3]);
    assert_eq!(get(metrics, "/api/flows", Some("client")), 404);
    agent.stop().unwrap();
}
