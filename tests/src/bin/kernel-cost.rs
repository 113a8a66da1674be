//! `kernel-cost [BACKEND]`: the CPU time that the probes cost the watched programs, measured by the kernel
//! (`BPF_ENABLE_STATS`, `run_time_ns` and `run_cnt` of each program), under three loads over loopback.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use aya::sys::{Stats, enable_stats};
use pidflow_tests::agent::Agent;
use pidflow_tests::bpf;

const CONNECTIONS: u32 = 5_000;
const EXCHANGES: u32 = 100_000;
const PROCESSES: u32 = 500;

fn main() -> Result<()> {
    let backend = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    // The kernel measures programs only while this descriptor is open, so that it stops however this program ends.
    let _accounting = enable_stats(Stats::RunTime).context("enable BPF statistics; run as root")?;
    measure(&backend)
}

/// A load: its unit, how many units, and the function that makes them.
type Load = (&'static str, u32, fn(u32) -> Result<()>);

const LOADS: [Load; 4] = [
    ("TCP connection with one exchange", CONNECTIONS, connections),
    ("exchange on one TCP connection", EXCHANGES, exchanges),
    ("UDP exchange between two sockets", EXCHANGES, datagrams),
    ("process forked, executed, ended", PROCESSES, processes),
];

fn measure(backend: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = Agent::start(dir.path(), &["-i", "lo", "--probes", backend])?;
    println!("probes: {backend}");
    for (name, count, load) in LOADS {
        let (start, programs) = (Instant::now(), bpf::run_times(agent.pid())?);
        load(count)?;
        let wall = start.elapsed().as_secs_f64();
        report(name, count, wall, &difference(&programs, &bpf::run_times(agent.pid())?));
    }
    agent.stop()?;
    Ok(())
}

type RunTimes = BTreeMap<String, (u64, u64)>;

fn difference(before: &RunTimes, after: &RunTimes) -> RunTimes {
    let since = |name: &String, now: &(u64, u64)| {
        let then = before.get(name).copied().unwrap_or_default();
        (now.0 - then.0, now.1 - then.1)
    };
    after.iter().map(|(n, t)| (n.clone(), since(n, t))).collect()
}

fn report(name: &str, count: u32, wall: f64, programs: &RunTimes) {
    let total: u64 = programs.values().map(|(ns, _)| ns).sum();
    let each = total as f64 / f64::from(count);
    println!("{name}: {each:.0} ns in programs each, of {:.0} ns each in all", wall * 1e9 / f64::from(count));
    for (program, (ns, runs)) in programs.iter().filter(|(_, t)| u64::from(count) <= t.1 * 4) {
        println!(
            "  {program:24} {:6.0} ns a run, {:.2} runs each",
            *ns as f64 / *runs as f64,
            *runs as f64 / f64::from(count)
        );
    }
}

fn connections(count: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> Result<()> {
        for stream in listener.incoming().take(count as usize) {
            echo(stream?, 1)?;
        }
        Ok(())
    });
    for _ in 0..count {
        ask(&mut TcpStream::connect(address)?, 1)?;
    }
    server.join().unwrap_or_else(|_| anyhow::bail!("the server failed"))
}

fn exchanges(count: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (stream, _) = listener.accept()?;
    let server = thread::spawn(move || echo(stream, count));
    ask(&mut client, count)?;
    server.join().unwrap_or_else(|_| anyhow::bail!("the server failed"))
}

fn echo(mut stream: TcpStream, count: u32) -> Result<()> {
    let mut octets = [0; 64];
    for _ in 0..count {
        stream.read_exact(&mut octets)?;
        stream.write_all(&octets)?;
    }
    Ok(())
}

fn ask(stream: &mut TcpStream, count: u32) -> Result<()> {
    let mut octets = [1; 64];
    for _ in 0..count {
        stream.write_all(&octets)?;
        stream.read_exact(&mut octets)?;
    }
    Ok(())
}

fn datagrams(count: u32) -> Result<()> {
    let (client, server) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    client.connect(server.local_addr()?)?;
    let mut octets = [0; 64];
    for _ in 0..count {
        client.send(&octets)?;
        let (length, from) = server.recv_from(&mut octets)?;
        server.send_to(octets.get(..length).unwrap_or_default(), from)?;
        client.recv(&mut octets)?;
    }
    Ok(())
}

fn processes(count: u32) -> Result<()> {
    for _ in 0..count {
        std::process::Command::new("/bin/true").status()?;
    }
    Ok(())
}
