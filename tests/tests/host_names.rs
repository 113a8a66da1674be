//! Names that processes asked for: a small DNS server gives one address for every name, and each flow has the name that its own
//! process asked for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::namespace::ip;
use pidflow_tests::records::{Record, Side};
use pidflow_tests::skip::without_root;
use pidflow_tests::{sys, trial};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const DNS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), 53);
const PORT: u16 = 8080;
/// Variables of the environment by which a client process knows what to do.
const NAMES: &str = "PIDFLOW_TEST_NAMES";
const REQUEST: &str = "PIDFLOW_TEST_REQUEST";
const TIMEOUT: Duration = Duration::from_secs(20);

/// Answers every query with [`ADDRESS`], until the test ends.
fn serve_dns() -> Result<()> {
    let socket = UdpSocket::bind(DNS)?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((octets, client)) = socket.recv_from(&mut query) {
            let mut answer = query[..octets].to_vec();
            (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            answer.extend(ADDRESS.octets());
            let _ = socket.send_to(&answer, client);
        }
    });
    Ok(())
}

/// Answers every connection after its first bytes.
fn serve_tcp() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut bytes) = (stream, [0; 512]);
            let _ = stream.read(&mut bytes).and_then(|_| stream.write(b"HTTP/1.1 204 No Content\r\n\r\n"));
        }
    });
    Ok(())
}

/// Asks for a name, as the resolver of a C library does.
fn resolve(id: u8, name: &str) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(DNS)?;
    let mut query = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    socket.send(&query)?;
    ensure!(socket.recv(&mut [0; 512])? > query.len(), "no answer");
    Ok(())
}

fn exchange(request: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect((ADDRESS, PORT))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request)?;
    stream.read(&mut [0; 64]).context("no answer")?;
    Ok(())
}

/// What the process that [`client`] starts does; nothing in the test's own process.
#[test]
fn client_process() -> Result<()> {
    let (Ok(names), Ok(request)) = (std::env::var(NAMES), std::env::var(REQUEST)) else { return Ok(()) };
    for (id, name) in names.split(' ').filter(|name| !name.is_empty()).enumerate() {
        resolve(id as u8 + 1, name)?;
    }
    exchange(request.as_bytes())
}

/// A process that asks for `names`, and then connects. Returns its id. It is this program, which calls only [`client_process`].
fn client(names: &str, request: &str) -> Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["client_process", "--exact"]).env(NAMES, names).env(REQUEST, request).stdout(Stdio::null());
    let mut process = command.spawn()?;
    ensure!(process.wait()?.success(), "the client of {names}");
    Ok(process.id())
}

/// The record of the connection of this process.
fn connection(records: &[Record], pid: u32) -> Result<&Record> {
    let is_it = |r: &&Record| r.destination.1 == PORT && r.end_number(Side::Source, "PROC_PID") == Some(pid.into());
    let found: Vec<_> = records.iter().filter(is_it).collect();
    ensure!(found.len() == 1, "process {pid}: {found:?}");
    Ok(found[0])
}

#[test]
fn each_flow_has_the_name_that_its_own_process_asked_for() -> Result<()> {
    if without_root("each_flow_has_the_name_that_its_own_process_asked_for") {
        return Ok(());
    }
    // The namespace is that of this thread and of what it starts.
    sys::unshare(libc::CLONE_NEWNET)?;
    ip("link set lo up")?;
    serve_dns()?;
    serve_tcp()?;
    let dir = trial::folder()?;
    let agent = Agent::start(dir.path(), &["-i", "lo", "--view", "plain", "--application-names", "on"])?;
    let cases = [
        (client("first.example", "x")?, Some("first.example")),
        (client("second.example", "x")?, Some("second.example")),
        (client("", "x")?, None),
        // Which of the two it means cannot be known, unless it says so.
        (client("third.example fourth.example", "x")?, None),
        (
            client("fifth.example sixth.example", "GET / HTTP/1.1\r\nHost: sixth.example:8080\r\n\r\n")?,
            Some("sixth.example"),
        ),
    ];
    sleep(Duration::from_millis(500));
    let records = agent.stop()?.records;
    for (pid, name) in cases {
        let record = connection(&records, pid)?;
        ensure!(record.text("DST_HOST_NAME") == name, "{name:?}: {record:?}");
        ensure!(record.text("SRC_HOST_NAME").is_none(), "{record:?}");
    }
    let said = connection(&records, cases[4].0)?;
    ensure!(
        said.text("HTTP_HOST") == Some("sixth.example:8080") && said.number("HTTP_RET_CODE") == Some(204),
        "{said:?}"
    );
    let queries: Vec<_> = records.iter().filter_map(|r| r.text("DNS_QUERY")).collect();
    ensure!(queries.len() == 6 && queries.contains(&"fourth.example"), "{queries:?}");
    Ok(())
}
