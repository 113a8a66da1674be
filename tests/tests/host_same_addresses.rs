//! Two network namespaces with the same address, in which processes use the same ports at the same time: each record
//! has the right process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use pidflow_tests::namespace::{Namespace, ip};
use pidflow_tests::serving::Serving;
use pidflow_tests::{skip, sys, trial};
use serde_json::Value;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// In both namespaces.
const THERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Ports of clients in the namespaces, and of their servers here.
const TO_HERE: [u16; 2] = [5001, 7001];
/// Ports of clients here, and of their servers in the namespaces.
const TO_THERE: [u16; 2] = [5002, 7002];
const MESSAGES: usize = 30;
const MESSAGE_PAUSE: Duration = Duration::from_millis(50);
const SETTLE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Environment variable: the role of a process that the test starts from its own program.
const ROLE: &str = "PIDFLOW_TEST_ROLE";

/// A connection of either protocol.
enum Talk {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Talk {
    fn exchange(&mut self) -> Result<()> {
        for _ in 0..MESSAGES {
            match self {
                Self::Udp(socket) => {
                    socket.send(b"pidflow")?;
                    socket.recv(&mut [0; 16])?;
                }
                Self::Tcp(stream) => {
                    stream.write_all(b"pidflow")?;
                    stream.read_exact(&mut [0; 7])?;
                }
            }
            sleep(MESSAGE_PAUSE);
        }
        Ok(())
    }
}

/// A socket that is bound to an interface and an address; without an interface to the address alone.
fn bound(kind: i32, interface: Option<&str>, address: SocketAddrV4) -> Result<OwnedFd> {
    // SAFETY: makes a descriptor that nobody else has.
    let socket =
        unsafe { OwnedFd::from_raw_fd(sys::check(libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0))?) };
    let on = 1_i32.to_ne_bytes();
    set(&socket, libc::SO_REUSEADDR, &on)?;
    interface.map_or(Ok(()), |name| set(&socket, libc::SO_BINDTODEVICE, name.as_bytes()))?;
    let address = raw(address);
    // SAFETY: the address is as long as is said, and lives until the call returns.
    sys::check(unsafe { libc::bind(fd(&socket), (&raw const address).cast(), size_of_val(&address) as u32) })?;
    Ok(socket)
}

fn fd(socket: &OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

fn set(socket: &OwnedFd, option: i32, value: &[u8]) -> Result<()> {
    // SAFETY: the value is as long as is said, and lives until the call returns.
    let result =
        unsafe { libc::setsockopt(fd(socket), libc::SOL_SOCKET, option, value.as_ptr().cast(), value.len() as u32) };
    sys::check(result).with_context(|| format!("option {option}"))?;
    Ok(())
}

fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn client(kind: i32, interface: Option<&str>, from: SocketAddrV4, to: SocketAddrV4) -> Result<()> {
    let (socket, to) = (bound(kind, interface, from)?, raw(to));
    // SAFETY: the address is as long as is said, and lives until the call returns.
    sys::check(unsafe { libc::connect(fd(&socket), (&raw const to).cast(), size_of_val(&to) as u32) })
        .context("connect")?;
    match kind {
        libc::SOCK_DGRAM => {
            let socket = UdpSocket::from(socket);
            socket.set_read_timeout(Some(TIMEOUT))?;
            Talk::Udp(socket).exchange()
        }
        _ => Talk::Tcp(TcpStream::from(socket)).exchange(),
    }
}

/// Serves one client. `ready` is called when the server accepts clients.
fn server(kind: i32, interface: Option<&str>, at: SocketAddrV4, ready: impl FnOnce()) -> Result<()> {
    let socket = bound(kind, interface, at)?;
    if kind == libc::SOCK_DGRAM {
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(TIMEOUT))?;
        ready();
        for _ in 0..MESSAGES {
            let (length, from) = socket.recv_from(&mut [0; 16])?;
            ensure!(length == 7);
            socket.send_to(b"pidflow", from)?;
        }
        return Ok(());
    }
    // SAFETY: the descriptor is open.
    sys::check(unsafe { libc::listen(fd(&socket), 5) })?;
    ready();
    let (mut stream, _) = TcpListener::from(socket).accept()?;
    let mut message = [0; 7];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}

fn kind(name: &str) -> i32 {
    if name == "udp" { libc::SOCK_DGRAM } else { libc::SOCK_STREAM }
}

/// The work of processes in the namespaces; the test's own process does nothing here.
#[test]
fn a_process_in_a_namespace() -> Result<()> {
    let Ok(role) = std::env::var(ROLE) else { return Ok(()) };
    match role.split_once(' ') {
        Some(("client", protocol)) => {
            let [from, to] = TO_HERE;
            client(kind(protocol), None, SocketAddrV4::new(THERE, from), SocketAddrV4::new(HERE, to))
        }
        Some(("server", protocol)) => {
            server(kind(protocol), None, SocketAddrV4::new(THERE, TO_THERE[1]), || println!("listening"))
        }
        _ => bail!("{role}"),
    }
}

fn start(namespace: &Namespace, role: &str) -> Result<Child> {
    let program = std::env::current_exe()?.display().to_string();
    let mut command = namespace.command(&program);
    command.args(["--exact", "a_process_in_a_namespace", "--nocapture"]).env(ROLE, role);
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

/// Starts a server and waits until it is ready.
fn start_server(namespace: &Namespace, protocol: &str) -> Result<Child> {
    let mut child = start(namespace, &format!("server {protocol}"))?;
    let (mut said, mut out) = (String::new(), child.stdout.take().context("no output")?);
    while !said.contains("listening") {
        let mut octets = [0; 256];
        let length = out.read(&mut octets)?;
        ensure!(length > 0, "{said}");
        said += &String::from_utf8_lossy(octets.get(..length).unwrap_or_default());
    }
    // The server goes on writing to its standard output, which has to be read.
    thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    Ok(child)
}

/// Runs all clients and servers of a protocol at the same time; returns the process ids of those in the namespaces.
fn talk(protocol: &str, namespaces: &[(&str, Namespace); 2]) -> Result<[Vec<u32>; 2]> {
    let servers: Vec<Child> = namespaces.iter().map(|(_, n)| start_server(n, protocol)).collect::<Result<_>>()?;
    let pids = |children: &[Child]| children.iter().map(Child::id).collect::<Vec<_>>();
    let server_pids = pids(&servers);
    let kind = kind(protocol);
    let clients = thread::scope(|scope| -> Result<Vec<Child>> {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let mut here = Vec::new();
        for (interface, _) in namespaces {
            let ready = ready.clone();
            let serve = move || {
                server(kind, Some(interface), SocketAddrV4::new(HERE, TO_HERE[1]), || {
                    let _ = ready.send(());
                })
            };
            let ask = || {
                let [from, to] = TO_THERE;
                client(kind, Some(interface), SocketAddrV4::new(HERE, from), SocketAddrV4::new(THERE, to))
            };
            here.extend([scope.spawn(serve), scope.spawn(ask)]);
        }
        namespaces.iter().try_for_each(|_| is_ready.recv_timeout(TIMEOUT))?;
        let clients: Vec<Child> =
            namespaces.iter().map(|(_, n)| start(n, &format!("client {protocol}"))).collect::<Result<_>>()?;
        here.into_iter().try_for_each(|thread| thread.join().ok().context("it panicked")?)?;
        Ok(clients)
    })?;
    let client_pids = pids(&clients);
    for child in servers.into_iter().chain(clients) {
        let ended = child.wait_with_output()?;
        ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    }
    Ok([client_pids, server_pids])
}

fn number(record: &Value, key: &str) -> u64 {
    record.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// The fields of records that matter in messages.
fn shown(records: &[&Value]) -> String {
    let keys = ["INTERFACE_NAME", "SRC_PROC_PID", "SRC_PROC_ATTRIBUTION", "DST_PROC_PID", "DST_PROC_ATTRIBUTION"];
    let keys = keys.iter().chain(&["SRC_NETWORK_NAMESPACE", "IN_PKTS", "OUT_PKTS", "FLOW_START_MILLISECONDS"]);
    let row =
        |r: &&Value| keys.clone().map(|k| r.get(k).map(ToString::to_string).unwrap_or_default()).collect::<Vec<_>>();
    records.iter().map(|r| row(r).join(" ") + "\n").collect()
}

/// The number of the process at the end with this address.
fn process_at(record: &Value, address: Ipv4Addr) -> u64 {
    let is_source = record.get("IPV4_SRC_ADDR").is_some_and(|a| *a == address.to_string());
    number(record, if is_source { "SRC_PROC_PID" } else { "DST_PROC_PID" })
}

/// Each process in the namespaces has records of its own with the packets of its flow, and this process is at the other end of all.
/// A flow may go on in another record, whose source is who sent next: a socket of its port was closed, in the other namespace.
fn judge(records: &[Value], ports: [u16; 2], protocol: &str, pids: &[u32]) -> Result<()> {
    let is_mine = |r: &&Value| {
        let mut has = [number(r, "L4_SRC_PORT"), number(r, "L4_DST_PORT")];
        has.sort_unstable();
        has == ports.map(u64::from) && (number(r, "PROTOCOL") == 17) == (protocol == "udp")
    };
    let mine: Vec<&Value> = records.iter().filter(is_mine).collect();
    for pid in pids {
        let of_it = mine.iter().filter(|r| process_at(r, THERE) == u64::from(*pid));
        let packets: u64 = of_it.map(|r| number(r, "IN_PKTS") + number(r, "OUT_PKTS")).sum();
        let expected = 2 * MESSAGES as u64;
        let is_right = if protocol == "udp" { packets == expected } else { packets >= expected };
        ensure!(is_right, "{protocol}: process {pid} has {packets} of {expected} packets:\n{}", shown(&mine));
    }
    let is_known = |r: &&Value| pids.iter().any(|pid| process_at(r, THERE) == u64::from(*pid));
    ensure!(mine.iter().all(is_known), "{protocol}: a record of no process of {pids:?}:\n{}", shown(&mine));
    let own = u64::from(std::process::id());
    ensure!(mine.iter().all(|r| process_at(r, HERE) == own), "{protocol}: other than {own}:\n{}", shown(&mine));
    Ok(())
}

fn records(json: &Path) -> Result<Vec<Value>> {
    std::fs::read_to_string(json)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A namespace to which this interface leads, with the same addresses as all others.
fn namespace(name: &'static str) -> Result<(&'static str, Namespace)> {
    let namespace = Namespace::new()?;
    namespace.pair(name, ("eth0", &format!("{THERE}/24")))?;
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "0")?;
    ip(&format!("addr add {HERE}/24 dev {name}"))?;
    Ok((name, namespace))
}

/// An agent that captures these interfaces, in a namespace of this thread's own, with what each protocol is to have in its records.
fn trial(interfaces: &[&str], change: impl Fn(&mut [(&'static str, Namespace); 2]) -> Result<()>) -> Result<()> {
    sys::unshare(libc::CLONE_NEWNET)?;
    ip("link set lo up")?;
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0")?;
    let mut namespaces = [namespace("a0")?, namespace("b0")?];
    let dir = trial::folder()?;
    let json = dir.path().join("records.jsonl");
    let named = json.display().to_string();
    let mut arguments = vec!["--json", &named];
    interfaces.iter().for_each(|interface| arguments.extend(["-i", interface]));
    let agent = Serving::start(dir.path(), &arguments)?;
    let mut all: Vec<(&str, [Vec<u32>; 2])> = Vec::new();
    for round in 0..2 {
        if round > 0 {
            // Waits until the last packets are read, and until the new interface is captured before the next round.
            sleep(SETTLE);
            change(&mut namespaces)?;
            sleep(SETTLE);
        }
        for (at, protocol) in ["udp", "tcp"].into_iter().enumerate() {
            let pids = talk(protocol, &namespaces).with_context(|| format!("{protocol}, round {round}"))?;
            match all.get_mut(at) {
                Some((_, known)) => known.iter_mut().zip(pids).for_each(|(known, pids)| known.extend(pids)),
                None => all.push((protocol, pids)),
            }
        }
    }
    agent.stop()?;
    let records = records(&json)?;
    for (protocol, [clients, servers]) in all {
        judge(&records, TO_HERE, protocol, &clients)?;
        judge(&records, TO_THERE, protocol, &servers)?;
    }
    Ok(())
}

#[test]
fn equal_addresses_and_ports_in_two_namespaces_have_their_own_processes() -> Result<()> {
    if skip::without_root("equal_addresses_and_ports_in_two_namespaces_have_their_own_processes") {
        return Ok(());
    }
    trial(&["any"], |_| Ok(()))?;
    trial(&["a0", "b0"], |_| Ok(()))
}

/// The kernel gives the new namespace the number of the one before, and the interface may get its index.
#[test]
fn a_namespace_that_takes_the_place_of_another_has_its_own_processes() -> Result<()> {
    if skip::without_root("a_namespace_that_takes_the_place_of_another_has_its_own_processes") {
        return Ok(());
    }
    let replace = |namespaces: &mut [(&'static str, Namespace); 2]| {
        ip("link del b0")?;
        let [_, second] = namespaces;
        *second = namespace("b0")?;
        Ok(())
    };
    trial(&["any"], replace)?;
    trial(&["all"], replace)
}

/// The far end of an interface is moved to another namespace, and back to the first one.
#[test]
fn a_far_end_that_is_moved_is_where_it_was_moved_to() -> Result<()> {
    if skip::without_root("a_far_end_that_is_moved_is_where_it_was_moved_to") {
        return Ok(());
    }
    trial(&["any"], |namespaces| {
        let third = Namespace::new()?;
        let [_, (_, second)] = namespaces;
        second.ip(&format!("link set eth0 netns {}", third.pid()))?;
        third.ip(&format!("addr add {THERE}/24 dev eth0"))?;
        third.ip("link set eth0 up")?;
        *second = third;
        Ok(())
    })
}
