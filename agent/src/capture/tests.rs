//! Real packets in a network namespace of the test's thread. Without root the tests are skipped, and each skip is
//! reported.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::UdpSocket;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use pidflow_skip::skip;

use super::*;
use pidflow_capture::InterfaceChanges;

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

/// Sends datagrams to the address, where no listener is needed.
fn send(from: &str, to: &str) {
    let socket = UdpSocket::bind(from).unwrap();
    for _ in 0..SENT {
        // An ICMP refusal of an earlier datagram is reported by the next call.
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
        // Ethernet, IPv4 or IPv6, UDP and seven bytes, whichever way it was captured.
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

/// Waits until a condition holds.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20));
    }
}

impl Live {
    /// Waits until so many interfaces appeared, disappeared and were renamed, and these are missing.
    #[track_caller]
    fn await_changes(&self, appeared: u64, disappeared: u64, renamed: u64, missing: &[&str]) {
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        let expected = InterfaceChanges { appeared, disappeared, renamed, captured: 0, missing };
        let changes = || InterfaceChanges { captured: 0, ..self.capture.counters().interfaces };
        let end = Instant::now() + Duration::from_secs(10);
        while changes() != expected {
            assert!(Instant::now() < end, "{:?}, not {expected:?}", changes());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the kernel has so many packet sockets in this namespace: each capture has one.
    #[track_caller]
    fn await_sockets(&self, sockets: usize) {
        let count = || std::fs::read_to_string("/proc/thread-self/net/packet").unwrap().lines().count() - 1;
        eventually(&format!("{sockets} packet sockets"), || count() == sockets);
        // A socket is there before it is bound.
        sleep(Duration::from_millis(300));
    }
}

/// Another network namespace with the far ends of interfaces. Dropping this deletes it.
struct FarNamespace(Child);

impl FarNamespace {
    fn new() -> Self {
        let mut child = Command::new("unshare").args(["-n", "sleep", "600"]).spawn().unwrap();
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let of_child = format!("/proc/{}/ns/net", child.id());
        eventually("a namespace", || std::fs::read_link(&of_child).is_ok_and(|other| other != own));
        assert!(child.try_wait().unwrap().is_none());
        Self(child)
    }

    /// Creates an interface with this index and address, brings it up, and makes a neighbour known.
    fn up(&self, name: &str, index: u32, address: &str) {
        self.down(name, index);
        ip(&format!("addr add {address}/24 dev {name}"));
        ip(&format!("link set {name} up"));
        neighbour(name, address);
    }

    /// Creates an interface that is not up yet.
    fn down(&self, name: &str, index: u32) {
        let pid = self.0.id();
        ip(&format!("link add {name} index {index} type veth peer name far{index} netns {pid}"));
        let mut far = Command::new("nsenter");
        far.args(["-n", "-t", &pid.to_string(), "ip", "link", "set", &format!("far{index}"), "up"]);
        assert!(far.status().unwrap().success());
    }
}

impl Drop for FarNamespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds a neighbour entry; the kernel deletes it when the interface goes down.
fn neighbour(name: &str, address: &str) {
    let (net, _) = address.rsplit_once('.').unwrap();
    ip(&format!("neigh replace {net}.99 lladdr 02:00:00:00:00:63 dev {name}"));
}

/// Sends through the interface with this address.
fn send_out(address: &str) {
    let (net, _) = address.rsplit_once('.').unwrap();
    send(&format!("{address}:0"), &format!("{net}.99:9"));
}

fn named(names: &[&str]) -> Interfaces {
    Interfaces::from_names(&names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_interface_that_vanishes_is_counted_and_the_others_go_on() {
    if !isolated("capture/vanished") {
        return;
    }
    pair_up();
    let live = start(named(&["pf0", "lo"]));
    ip("link del pf0");
    live.await_changes(0, 1, 0, &["pf0"]);
    live.await_sockets(1);
    assert!(!live.capture.is_finished());
    send("127.0.0.1:0", "127.0.0.1:9");
    assert_eq!(live.end().0, only("lo", SENT));
}

#[test]
fn packets_are_counted_once_however_an_interface_is_named() {
    if !isolated("capture/once") {
        return;
    }
    let far = FarNamespace::new();
    far.up("pf0", 70, "192.0.2.1");
    ip("link property add dev pf0 altname a-name-that-is-longer-than-fifteen-bytes");
    ip("link property add dev pf0 altname pf-too");
    let long = "a-name-that-is-longer-than-fifteen-bytes";
    for names in [
        &["pf0", "pf0"][..],
        &["pf0", "pf-too"],
        &["pf-too", long, "pf0"],
        &[long],
        &["any", "pf0"],
        &["pf0", "any", "any"],
        &["all", "pf0"],
        &["pf-too", "all", "nosuch0"],
    ] {
        let live = start(named(names));
        live.await_sockets(if names.contains(&"all") { 2 } else { 1 });
        send_out("192.0.2.1");
        let (packets, counters) = live.end();
        assert_eq!((packets, counters.packets), (only("pf0", SENT), SENT), "{names:?}");
    }
}

#[test]
fn a_recreated_interface_is_captured_again() {
    if !isolated("capture/again") {
        return;
    }
    let far = FarNamespace::new();
    far.up("pf0", 70, "192.0.2.1");
    let live = start(named(&["pf0"]));
    send_out("192.0.2.1");
    for (times, index) in [(1, 71), (2, 70), (3, 72)] {
        ip("link del pf0");
        live.await_changes(times - 1, times, 0, &["pf0"]);
        assert!(!live.capture.is_finished());
        far.up("pf0", index, "192.0.2.1");
        live.await_changes(times, times, 0, &[]);
        live.await_sockets(1);
        send_out("192.0.2.1");
    }
    let (packets, counters) = live.end();
    assert_eq!((packets, counters.packets), (only("pf0", 4 * SENT), 4 * SENT));
}

#[test]
fn a_renamed_interface_has_its_new_name_from_then_on() {
    if !isolated("capture/renamed") {
        return;
    }
    let far = FarNamespace::new();
    for interfaces in [named(&["pf0"]), named(&["any"]), named(&["all"])] {
        far.up("pf0", 70, "192.0.2.1");
        let live = start(interfaces.clone());
        send_out("192.0.2.1");
        sleep(Duration::from_millis(300));
        // Linux before 6.2 wants it down for that.
        ip("link set pf0 down");
        ip("link set pf0 name pf9");
        ip("link set pf9 up");
        neighbour("pf9", "192.0.2.1");
        live.await_changes(0, 0, 1, &[]);
        live.await_sockets(if interfaces == Interfaces::Up { 2 } else { 1 });
        sleep(Duration::from_millis(500));
        send_out("192.0.2.1");
        let (packets, _) = live.end();
        // If the interface's socket was reopened, earlier packets keep the interface number with the old name.
        assert_eq!(packets.values().sum::<u64>(), 2 * SENT, "{interfaces:?}: {packets:?}");
        assert!(packets["pf9"] >= SENT, "{interfaces:?}: {packets:?}");
        ip("link del pf9");
    }
}

#[test]
fn an_interface_renamed_while_up_has_its_new_name_too() {
    if !isolated("capture/renamed-up") {
        return;
    }
    let far = FarNamespace::new();
    for interfaces in [named(&["pf0"]), named(&["any"]), named(&["all"])] {
        far.up("pf0", 70, "192.0.2.1");
        let live = start(interfaces.clone());
        send_out("192.0.2.1");
        sleep(Duration::from_millis(300));
        if !Command::new("ip").args(["link", "set", "pf0", "name", "pf9"]).status().unwrap().success() {
            return skip("capture/renamed-up", "this kernel renames no interface that is up");
        }
        live.await_changes(0, 0, 1, &[]);
        sleep(Duration::from_millis(300));
        send_out("192.0.2.1");
        let expected = BTreeMap::from([("pf0".to_owned(), SENT), ("pf9".to_owned(), SENT)]);
        assert_eq!(live.end().0, expected, "{interfaces:?}");
        ip("link del pf9");
    }
}

/// Brings an interface up with an address, as [`FarNamespace::up`] does.
fn bring_up(name: &str, address: &str) {
    ip(&format!("addr add {address}/24 dev {name}"));
    ip(&format!("link set {name} up"));
    neighbour(name, address);
}

#[test]
fn an_interface_that_goes_to_another_namespace_and_comes_back_is_captured_again() {
    if !isolated("capture/moved") {
        return;
    }
    let (far, other) = (FarNamespace::new(), FarNamespace::new());
    for interfaces in [named(&["pf0"]), named(&["any"]), named(&["all"])] {
        far.up("pf0", 70, "192.0.2.1");
        let live = start(interfaces.clone());
        let sockets = if interfaces == Interfaces::Up { 2 } else { 1 };
        live.await_sockets(sockets);
        send_out("192.0.2.1");
        sleep(Duration::from_millis(300));
        let pid = other.0.id();
        ip(&format!("link set pf0 netns {pid}"));
        let missing: &[&str] = if matches!(interfaces, Interfaces::Named(_)) { &["pf0"] } else { &[] };
        live.await_changes(0, 1, 0, missing);
        // SAFETY: the call has no preconditions.
        let here = unsafe { libc::gettid() };
        let back = ["-t", &pid.to_string(), "-n", "ip", "link", "set", "pf0", "netns", &here.to_string()];
        assert!(Command::new("nsenter").args(back).status().unwrap().success());
        bring_up("pf0", "192.0.2.1");
        live.await_changes(1, 1, 0, &[]);
        live.await_sockets(sockets);
        send_out("192.0.2.1");
        assert_eq!(live.end().0, only("pf0", 2 * SENT), "{interfaces:?}");
        ip("link del pf0");
    }
}

#[test]
fn an_interface_that_goes_down_and_up_is_captured_again() {
    if !isolated("capture/down-up") {
        return;
    }
    let far = FarNamespace::new();
    for interfaces in [named(&["pf0"]), named(&["any"]), named(&["all"])] {
        far.up("pf0", 70, "192.0.2.1");
        let live = start(interfaces.clone());
        let sockets = if interfaces == Interfaces::Up { 2 } else { 1 };
        live.await_sockets(sockets);
        for times in 1..=3 {
            send_out("192.0.2.1");
            sleep(Duration::from_millis(300));
            ip("link set pf0 down");
            sleep(Duration::from_millis(if times == 2 { 0 } else { 300 }));
            ip("link set pf0 up");
            neighbour("pf0", "192.0.2.1");
            sleep(Duration::from_millis(500));
            live.await_sockets(sockets);
        }
        send_out("192.0.2.1");
        live.await_changes(0, 0, 0, &[]);
        assert_eq!(live.end().0, only("pf0", 4 * SENT), "{interfaces:?}");
        ip("link del pf0");
    }
}

#[test]
fn two_interfaces_that_swap_their_names_are_not_mixed_up() {
    if !isolated("capture/swapped") {
        return;
    }
    let far = FarNamespace::new();
    for interfaces in [named(&["pf0", "pf1"]), named(&["any"]), named(&["all"])] {
        far.up("pf0", 70, "192.0.2.1");
        far.up("pf1", 71, "198.51.100.1");
        let live = start(interfaces.clone());
        let sockets = match interfaces {
            Interfaces::Any => 1,
            Interfaces::Up => 3,
            Interfaces::Named(_) => 2,
        };
        live.await_sockets(sockets);
        send_out("192.0.2.1");
        sleep(Duration::from_millis(300));
        // Linux before 6.2 wants them down for that.
        ip("link set pf0 down");
        ip("link set pf1 down");
        ip("link set pf0 name pf2");
        ip("link set pf1 name pf0");
        ip("link set pf2 name pf1");
        ip("link set pf0 up");
        ip("link set pf1 up");
        neighbour("pf1", "192.0.2.1");
        neighbour("pf0", "198.51.100.1");
        sleep(Duration::from_millis(1500));
        live.await_sockets(sockets);
        (0..2).for_each(|_| send_out("192.0.2.1"));
        (0..3).for_each(|_| send_out("198.51.100.1"));
        let expected = BTreeMap::from([("pf0".to_owned(), SENT + 3 * SENT), ("pf1".to_owned(), 2 * SENT)]);
        assert_eq!(live.end().0, expected, "{interfaces:?}");
        ip("link del pf0");
        ip("link del pf1");
    }
}

#[test]
fn an_index_that_is_taken_over_is_of_another_interface() {
    if !isolated("capture/taken-over") {
        return;
    }
    let far = FarNamespace::new();
    for (interfaces, second) in [(named(&["any"]), SENT), (named(&["all"]), SENT), (named(&["pf0"]), 0)] {
        far.up("pf0", 70, "192.0.2.1");
        let live = start(interfaces.clone());
        send_out("192.0.2.1");
        sleep(Duration::from_millis(300));
        ip("link del pf0");
        far.up("pf1", 70, "198.51.100.1");
        match interfaces {
            Interfaces::Named(_) => live.await_changes(0, 1, 0, &["pf0"]),
            _ => live.await_changes(1, 1, 0, &[]),
        }
        live.await_sockets(match interfaces {
            Interfaces::Any => 1,
            Interfaces::Up => 2,
            Interfaces::Named(_) => 0,
        });
        sleep(Duration::from_millis(300));
        send_out("198.51.100.1");
        let mut expected = only("pf0", SENT);
        expected.extend((second > 0).then_some(("pf1".to_owned(), second)));
        assert_eq!(live.end().0, expected, "{interfaces:?}");
        ip("link del pf1");
    }
}

#[test]
fn all_captures_those_that_come_up_later() {
    if !isolated("capture/all-later") {
        return;
    }
    let far = FarNamespace::new();
    let live = start(named(&["all"]));
    far.up("pf0", 70, "192.0.2.1");
    far.down("pf1", 71);
    live.await_changes(2, 0, 0, &[]);
    live.await_sockets(2);
    send_out("192.0.2.1");
    ip("addr add 198.51.100.1/24 dev pf1");
    ip("link set pf1 up");
    neighbour("pf1", "198.51.100.1");
    live.await_sockets(3);
    send_out("198.51.100.1");
    let expected = BTreeMap::from([("pf0".to_owned(), SENT), ("pf1".to_owned(), SENT)]);
    assert_eq!(live.end().0, expected);
}

/// More notices than the netlink socket's buffer holds: the full list is requested again.
#[test]
fn interfaces_that_come_and_go_by_the_hundred_are_followed() {
    if !isolated("capture/many") {
        return;
    }
    let live = start(named(&["any"]));
    let batch: String = (0..150).map(|n| format!("link add pf{n} type veth peer name pg{n}\n")).collect();
    let batch = batch + &(1..150).map(|n| format!("link del pf{n}\n")).collect::<String>();
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success());
    let changes = || live.capture.counters().interfaces;
    eventually("one pair is left", || {
        let changes = changes();
        changes.appeared >= 2 && changes.appeared == changes.disappeared + 2
    });
    drop(live);
}

#[test]
fn a_bridge_port_that_leaves_its_bridge_is_not_gone() {
    if !isolated("capture/bridge") {
        return;
    }
    let far = FarNamespace::new();
    far.up("pf0", 70, "192.0.2.1");
    let live = start(named(&["pf0"]));
    ip("link add br0 type bridge");
    ip("link set pf0 master br0");
    ip("link set pf0 nomaster");
    ip("link set pf0 down");
    ip("link set pf0 up");
    neighbour("pf0", "192.0.2.1");
    sleep(Duration::from_millis(500));
    live.await_changes(0, 0, 0, &[]);
    live.await_sockets(1);
    send_out("192.0.2.1");
    assert_eq!(live.end().0, only("pf0", SENT));
}

#[test]
fn threads_that_read_packets_hold_no_capability() {
    if !isolated("capture/capabilities") {
        return;
    }
    let _live = start(named(&["lo"]));
    let effective = |name: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let status = tasks.filter_map(|task| std::fs::read_to_string(task.join("status")).ok());
        let mut mine = status.filter(|status| status.starts_with(&format!("Name:\t{name}\n")));
        mine.find_map(|status| Some(status.split_once("CapEff:\t")?.1.lines().next()?.to_owned()))
    };
    // Threads of other tests have these names too, and the same capabilities.
    eventually("no capability to read packets", || effective("packets lo").as_deref() == Some("0000000000000000"));
    eventually("CAP_NET_RAW to open", || effective("interfaces").as_deref() == Some("0000000000002000"));
}

#[test]
fn a_capture_that_cannot_start_gives_the_reason() {
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
