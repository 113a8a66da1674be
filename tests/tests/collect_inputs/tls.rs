//! TLS: pidflow's exporter and openssl(1) as clients, with and without a certificate of the right authority.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pidflow_exporters::sample;
use pidflow_tests::collecting::{Collector, free_port};
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::skip;

use crate::authority::{Authority, Identity};
use crate::{LIMIT, collected, exporter, send, wait_for, written};

/// A collector whose clients need a certificate of an authority.
struct Receiver {
    /// Its authority's certificate, and that of its clients.
    authority: Authority,
    folder: tempfile::TempDir,
    port: u16,
    collector: Collector,
}

impl Receiver {
    fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
        let authority = Authority::new(folder.path());
        let Identity { cert, key } = authority.issue("localhost");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let arguments = [
            ["--ipfix-tls".to_owned(), format!("127.0.0.1:{port}")],
            ["--collect-tls-cert".to_owned(), text(&cert)],
            ["--collect-tls-key".to_owned(), text(&key)],
            ["--collect-tls-client-ca".to_owned(), text(&authority.ca())],
            ["--json".to_owned(), text(&folder.path().join("records"))],
        ];
        let arguments: Vec<&str> = arguments.as_flattened().iter().map(String::as_str).collect();
        Self { collector: Collector::start(&arguments).unwrap(), authority, folder, port }
    }

    fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    fn count(&self, event: &str) -> u64 {
        self.collector.event(event).unwrap()
    }

    /// An exporter's table.
    fn exporter(&self, kind: &str, client: Option<&Identity>) -> String {
        let Self { authority, port, .. } = self;
        let mut table = format!("kind = \"{kind}\"\nurl = \"tls://localhost:{port}\"\ntls-ca = {:?}\n", authority.ca());
        if let Some(Identity { cert, key }) = client {
            table += &format!("tls-cert = {cert:?}\ntls-key = {key:?}\n");
        }
        table
    }

    /// openssl(1) as a client that sends these lines.
    fn openssl(&self, client: &Identity, lines: &str) -> Output {
        let mut client = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-verify_return_error",
                "-connect",
                &format!("127.0.0.1:{}", self.port),
            ])
            .arg("-CAfile")
            .arg(self.authority.ca())
            .arg("-cert")
            .arg(&client.cert)
            .arg("-key")
            .arg(&client.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        // It fails if the collector has closed the connection already.
        let _ = stdin.write_all(lines.as_bytes());
        std::thread::sleep(std::time::Duration::from_secs(1));
        drop(stdin);
        client.wait_with_output().unwrap()
    }
}

const LINE: &str = "{\"IPV4_SRC_ADDR\":\"10.0.0.1\",\"IPV4_DST_ADDR\":\"10.0.0.2\",\"IN_PKTS\":3,\"FLOW_END_MILLISECONDS\":1767225699000}\n";

#[test]
fn exporters_with_the_right_certificate_are_heard() {
    let receiver = Receiver::start();
    let agent = receiver.authority.issue("agent");
    let sent = sample::records(500);
    let set = exporter(&(receiver.exporter("ipfix", Some(&agent)) + "template = \"@FLOW@ @PROCESS@\"\n"));
    send(&set, &sent);
    let end = set.shutdown(LIMIT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (500, 0), "{end:?}");
    wait_for(&receiver.records(), sent.len());
    let (came, wanted) = (collected(&receiver.records()), written(&sent));
    for (came, wanted) in came.iter().zip(&wanted) {
        for name in ["IPV4_SRC_ADDR", "IPV6_SRC_ADDR", "L4_DST_PORT", "IN_PKTS", "SRC_PROC_NAME", "DST_PROC_PID"] {
            assert_eq!(came.get(name), wanted.get(name), "{name}");
        }
    }
    // Lines of JSON at the same address.
    let set = exporter(&receiver.exporter("json", Some(&agent)));
    send(&set, &sent);
    assert_eq!(set.shutdown(LIMIT).remove(0).exported, 500);
    wait_for(&receiver.records(), 2 * sent.len());
    assert_eq!(collected(&receiver.records())[500..], wanted);
    assert_eq!((receiver.count("tls-refused"), receiver.count("lost-records")), (0, 0));
    drop(receiver.collector.stop().unwrap());
}

#[test]
fn others_are_refused_and_counted() {
    let receiver = Receiver::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Authority::new(elsewhere.path()).issue("agent");
    for (n, client) in [(1, None), (2, Some(&stranger))] {
        let set = exporter(&receiver.exporter("ipfix", client));
        send(&set, &sample::records(10));
        eventually("a refusal", || Ok(receiver.collector.event("tls-refused")? >= n)).unwrap();
        let _ = set.shutdown(std::time::Duration::ZERO);
    }
    let before = receiver.count("tls-refused");
    let mut plain = TcpStream::connect(("127.0.0.1", receiver.port)).unwrap();
    plain.write_all(LINE.as_bytes()).unwrap();
    eventually("the refusal of plain text", || Ok(receiver.collector.event("tls-refused")? > before)).unwrap();
    // One that says nothing holds its place for ten seconds.
    let silent = TcpStream::connect(("127.0.0.1", receiver.port)).unwrap();
    let before = receiver.count("tls-refused");
    eventually("the end of the silence", || Ok(receiver.collector.event("tls-refused")? > before)).unwrap();
    drop(silent);
    let log = receiver.collector.log();
    assert!(log.contains("closed a connection with 127.0.0.1") && log.contains("tls-refused"), "{log}");
    assert_eq!((receiver.collector.records("ipfix").unwrap(), receiver.collector.records("json").unwrap()), (0, 0));
    drop(receiver.collector.stop().unwrap());
}

#[test]
fn openssl_is_a_client_and_certificates_are_renewed_on_reload() {
    let test = "openssl_is_a_client_and_certificates_are_renewed_on_reload";
    if !Command::new("openssl").arg("version").output().is_ok_and(|o| o.status.success()) {
        skip(test, "openssl is not installed");
        return;
    }
    let mut receiver = Receiver::start();
    let agent = receiver.authority.issue("agent");
    let done = receiver.openssl(&agent, &LINE.repeat(3));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_for(&receiver.records(), 3);
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Authority::new(elsewhere.path()).issue("agent");
    let refused = receiver.openssl(&stranger, LINE);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("alert"), "{said}");
    eventually("the refusal", || Ok(receiver.collector.event("tls-refused")? == 1)).unwrap();
    // Another authority takes the place of the first, for server and clients.
    let renewed = Authority::new(receiver.folder.path());
    renewed.issue("localhost");
    receiver.collector.process().signal(libc::SIGHUP).unwrap();
    eventually("the new certificate", || Ok(receiver.collector.log().contains("uses the new certificate"))).unwrap();
    let client = renewed.issue("agent");
    receiver.authority = renewed;
    let done = receiver.openssl(&client, LINE);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_for(&receiver.records(), 4);
    drop(receiver.collector.stop().unwrap());
}
