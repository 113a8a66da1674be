//! IPFIX and JSON over TLS: whom the exporter trusts, whom the receiver trusts, and a receiver that comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "common/authority.rs"]
mod authority;
#[path = "common/decode.rs"]
mod decode;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use authority::{Authority, Identity, receive};
use decode::Decoder;
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, Snapshot, sample};
use pidflow_schema::FlowRecord;
use rustls::{ServerConfig, ServerConnection};

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

fn config(kind: &str, port: u16, keys: &str) -> ExporterConfig {
    let text = format!("kind = \"{kind}\"\nurl = \"tls://localhost:{port}\"\n{keys}");
    ExporterConfig::from_table(text.parse().unwrap()).unwrap()
}

fn start(config: ExporterConfig) -> ExporterSet {
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    ExporterSet::start(&[config], &context).unwrap()
}

fn batch(records: usize) -> Arc<[FlowRecord]> {
    sample::records(records).into()
}

/// The records of the messages, whose sequence must be whole.
fn records(mut octets: &[u8]) -> usize {
    let (mut decoder, mut sequence, mut records) = (Decoder::default(), 0_u32, 0);
    while !octets.is_empty() {
        let (message, rest) = octets.split_at(usize::from(u16::from_be_bytes([octets[2], octets[3]])));
        let message = decoder.message(message);
        assert_eq!(message.header[8..12], sequence.to_be_bytes());
        sequence += (message.records.len() + message.options.len()) as u32;
        (records, octets) = (records + message.records.len(), rest);
    }
    records
}

/// One exporter with `keys` against one server: what the server read, and the outcome of 500 records within `limit`.
fn try_once(
    authority: &Authority,
    identity: &Identity,
    strict: bool,
    keys: &str,
    limit: Duration,
) -> (Vec<u8>, Snapshot) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, reader) = receive(listener, authority.server(identity, strict), vec![usize::MAX], channel().1);
    let set = start(config("ipfix", address.port(), keys));
    set.send(&batch(500));
    let end = set.shutdown(limit).remove(0);
    (reader.join().unwrap().remove(0), end)
}

#[test]
fn a_receiver_of_the_named_authority_gets_every_record() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let ca = format!("tls-ca = \"{}\"\n", authority.ca().display());
    let (octets, end) = try_once(&authority, &authority.issue("localhost"), false, &ca, TEST_TIMEOUT);
    assert_eq!((records(&octets), end.exported, end.lost_total()), (500, 500, 0), "{end:?}");
    let named = format!("{ca}tls-server-name = \"collector.example\"\n");
    let (octets, end) = try_once(&authority, &authority.issue("collector.example"), false, &named, TEST_TIMEOUT);
    assert_eq!((records(&octets), end.exported), (500, 500), "{end:?}");
    let (octets, end) =
        try_once(&authority, &authority.issue("other.example"), false, "tls-insecure = true\n", TEST_TIMEOUT);
    assert_eq!((records(&octets), end.exported), (500, 500), "{end:?}");
}

#[test]
fn nothing_is_sent_to_a_receiver_that_is_not_trusted() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, other) = (Authority::new(dir.path()), Authority::new(elsewhere.path()));
    let ca = format!("tls-ca = \"{}\"\n", authority.ca().display());
    let short = Duration::from_millis(300);
    let (foreign, wrong_name) = (other.issue("localhost"), authority.issue("other.example"));
    for (server, identity) in [(&other, &foreign), (&authority, &wrong_name)] {
        let (octets, end) = try_once(server, identity, false, &ca, short);
        assert_eq!((octets.len(), end.exported, end.lost_total()), (0, 0, 500), "{end:?}");
        assert!(end.errors > 0, "{end:?}");
    }
}

#[test]
fn a_receiver_that_asks_for_a_certificate_gets_ours() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let (server, client) = (authority.issue("localhost"), authority.issue("agent.example"));
    let ca = format!("tls-ca = \"{}\"\n", authority.ca().display());
    let with = format!("{ca}tls-cert = \"{}\"\ntls-key = \"{}\"\n", client.cert.display(), client.key.display());
    let (octets, end) = try_once(&authority, &server, true, &with, TEST_TIMEOUT);
    assert_eq!((records(&octets), end.exported, end.lost_total()), (500, 500, 0), "{end:?}");
    let (octets, end) = try_once(&authority, &server, true, &ca, Duration::from_millis(300));
    assert!(octets.is_empty(), "a receiver must not take records of a client that it does not know");
    assert_eq!((end.exported, end.lost_total()), (0, 500), "{end:?}");
    assert!(end.errors > 0, "{end:?}");
}

/// As a proxy does whose server is away: it shakes hands, sends its tickets, and closes.
#[test]
fn what_a_receiver_cuts_off_unread_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let server = authority.server(&authority.issue("localhost"), false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!("tls-ca = \"{}\"\n", authority.ca().display());
    let set = start(config("ipfix", listener.local_addr().unwrap().port(), &keys));
    set.send(&batch(5));
    let (mut tcp, mut session) = (listener.accept().unwrap().0, ServerConnection::new(server).unwrap());
    while session.is_handshaking() || session.wants_write() {
        session.complete_io(&mut tcp).unwrap();
    }
    // Longer than its kernel puts off acknowledging.
    std::thread::sleep(Duration::from_millis(80));
    drop((listener, tcp));
    let end = set.shutdown(Duration::from_millis(500)).remove(0);
    assert_eq!((end.exported, end.lost_total()), (0, 5), "{end:?}");
}

#[test]
fn a_receiver_that_never_says_that_it_accepts_is_given_time_and_gets_every_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let mut server = ServerConfig::clone(&authority.server(&authority.issue("localhost"), false));
    server.send_tls13_tickets = 0;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, reader) = receive(listener, server.into(), vec![usize::MAX], channel().1);
    let keys = format!("tls-ca = \"{}\"\ntimeout-seconds = 1\n", authority.ca().display());
    let set = start(config("ipfix", address.port(), &keys));
    set.send(&batch(500));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total(), end.errors), (500, 0, 0), "{end:?}");
    drop(set);
    assert_eq!(records(&reader.join().unwrap()[0]), 500);
}

#[test]
fn a_receiver_that_comes_back_gets_templates_and_a_new_sequence() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = authority.server(&authority.issue("localhost"), false);
    let (close, closed) = channel();
    let (address, reader) = receive(listener, server, vec![1, usize::MAX], closed);
    let ca = format!("tls-ca = \"{}\"\n", authority.ca().display());
    let set = start(config("ipfix", address.port(), &ca));
    set.send(&batch(5));
    let until = Instant::now() + TEST_TIMEOUT;
    while set.counters()[0].exported < 5 {
        assert!(Instant::now() < until, "{:?}", set.counters());
        std::thread::sleep(Duration::from_millis(10));
    }
    close.send(()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    set.send(&batch(9));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    let read = reader.join().unwrap();
    assert_eq!((end.exported, end.lost_total()), (14, 0), "{end:?}");
    assert_eq!((records(&read[0]), records(&read[1])), (5, 9));
}

#[test]
fn json_lines_go_over_tls_too() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = authority.server(&authority.issue("localhost"), false);
    let (address, reader) = receive(listener, server, vec![usize::MAX], channel().1);
    let set = start(config("json", address.port(), &format!("tls-ca = \"{}\"\n", authority.ca().display())));
    set.send(&batch(100));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (100, 0), "{end:?}");
    let text = String::from_utf8(reader.join().unwrap().remove(0)).unwrap();
    assert_eq!(text.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).unwrap().is_object()).count(), 100);
}
