//! Real packets in a network namespace of the test's own thread. Needs root, else it is skipped with a line.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::UdpSocket;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::*;

/// Datagrams sent at a time.
const SENT: u64 = 50;

/// Moves this thread into a network namespace of its own with the loopback interface up.
fn isolated(test: &str) -> bool {
    // SAFETY: the call changes nothing but this thread's network namespace.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        skip(test, &format!("no network namespace: {}", std::io::Error::last_os_error()));
        return false;
    }
    ip("link set lo up");
    true
}

/// As the other tests' `skip`, which the program cannot depend on.
fn skip(test: &str, reason: &str) {
    let line = format!("SKIP {test}: {reason}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("PIDFLOW_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip is there");
    assert!(status.success(), "ip {arguments}");
}

/// A pair of virtual Ethernet interfaces.
fn pair_up() {
    ip("link add pf0 type veth peer name pf1");
    ip("link set pf1 up");
    ip("link set pf0 up");
}

/// Sends datagrams to the address, where nobody need listen.
fn send(from: &str, to: &str) {
    let socket = UdpSocket::bind(from).unwrap();
    for _ in 0..SENT {
        // A refusal of an earlier one is reported by the next.
        let _ = socket.send_to(b"pidflow", to);
    }
}

struct Live {
    capture: LiveCapture,
    batches: Receiver<PacketBatch>,
}

fn start(interfaces: Interfaces) -> Live {
    let (sender, batches) = crossbeam_channel::bounded(1000);
    let options = LiveOptions { interfaces, filter: Some("udp".to_owned()), ..LiveOptions::default() };
    Live { capture: LiveCapture::start(&options, &sender).unwrap(), batches }
}

impl Live {
    /// Packets by interface.
    fn end(self) -> (BTreeMap<String, u64>, CaptureCounters) {
        sleep(Duration::from_millis(300));
        let counters = self.capture.join();
        let (mut names, mut packets) = (BTreeMap::new(), BTreeMap::new());
        for batch in self.batches {
            names.extend(batch.interfaces.into_iter().map(|i| (i.number, i.name.to_string())));
            for packet in batch.packets {
                *packets.entry(names[&packet.interface].clone()).or_default() += 1;
            }
        }
        (packets, counters)
    }
}

fn only(name: &str, packets: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(name.to_owned(), packets)])
}

#[test]
fn a_packet_over_loopback_is_counted_once() {
    if !isolated("capture/loopback") {
        return;
    }
    for interfaces in [Interfaces::Any, Interfaces::Up, Interfaces::Named(vec!["lo".into()])] {
        let live = start(interfaces.clone());
        send("127.0.0.1:0", "127.0.0.1:9");
        send("[::1]:0", "[::1]:9");
        let (packets, counters) = live.end();
        assert_eq!(packets, only("lo", 2 * SENT), "{interfaces:?}");
        assert_eq!((counters.packets, counters.kernel_drops), (2 * SENT, 0), "{interfaces:?}");
        // Ethernet, IPv4 or IPv6, UDP and seven octets, whichever way it was captured.
        assert_eq!(counters.frame_octets, SENT * (14 + 20 + 8 + 7) + SENT * (14 + 40 + 8 + 7), "{interfaces:?}");
    }
}

#[test]
fn any_sees_interfaces_that_come_later() {
    if !isolated("capture/later") {
        return;
    }
    let live = start(Interfaces::Any);
    pair_up();
    ip("addr add 192.0.2.1/24 dev pf0");
    ip("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev pf0");
    send("192.0.2.1:0", "192.0.2.2:9");
    // Both ends of the pair are in this namespace, and each is an interface that the packet passes.
    assert_eq!(live.end().0, BTreeMap::from([("pf0".to_owned(), SENT), ("pf1".to_owned(), SENT)]));
}

#[test]
fn an_interface_that_vanishes_is_counted_and_the_others_go_on() {
    if !isolated("capture/vanished") {
        return;
    }
    pair_up();
    let live = start(Interfaces::Named(vec!["pf0".into(), "lo".into()]));
    ip("link del pf0");
    sleep(Duration::from_millis(300));
    assert!(!live.capture.is_finished());
    send("127.0.0.1:0", "127.0.0.1:9");
    let (packets, counters) = live.end();
    assert_eq!((packets, counters.lost_interfaces), (only("lo", SENT), 1));
}

#[test]
fn what_cannot_be_opened_is_said() {
    let (sender, _batches) = crossbeam_channel::bounded(1);
    let start = |interface: &str, filter: Option<&str>| {
        let interfaces = Interfaces::Named(vec![interface.to_owned()]);
        let options = LiveOptions { interfaces, filter: filter.map(Into::into), ..LiveOptions::default() };
        LiveCapture::start(&options, &sender).map(|_| ()).unwrap_err().to_string()
    };
    assert!(start("nosuch0", None).contains("interface nosuch0: cannot capture"));
    if isolated("capture/filter") {
        let error = start("lo", Some("tcp prot"));
        assert!(error.contains("filter `tcp prot`"), "{error}");
    }
}
