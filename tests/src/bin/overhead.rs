//! `overhead [PAIRS]`: what the agent costs a busy host, as CPU time per request of everything that takes part (client, server,
//! agent), in pairs of runs with and without it. The pairs without an agent in both runs show the noise.
//!
//! Needs root, redis-server and redis-benchmark, and a machine without other work. `tests/bench/overhead.sh` builds and runs it.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::process::Guarded;
use pidflow_tests::sys;

const DEFAULT_PAIRS: usize = 30;
const PROCESSES: u32 = 1_000;
const START_LIMIT: Duration = Duration::from_secs(10);

/// What runs beside the load: a name, and the agent's options; none: no agent.
const VARIANTS: [(&str, Option<&[&str]>); 4] = [
    ("no agent", None),
    ("packets only", Some(&["-i", "lo", "--probes", "poll"])),
    // No packet is as short, so the kernel drops all of them.
    ("probes only", Some(&["-i", "lo", "-f", "less 1"])),
    ("agent", Some(&["-i", "lo"])),
];

/// CPU time of the observed programs and of the agent.
#[derive(Clone, Copy)]
struct Cost {
    observed: Duration,
    agent: Duration,
}

fn main() -> Result<()> {
    let pairs = std::env::args().nth(1).map_or(Ok(DEFAULT_PAIRS), |n| n.parse()).context("number of pairs")?;
    let server = Server::start()?;
    type Load<'a> = (&'a str, Box<dyn Fn() -> Result<Duration> + 'a>);
    let loads: [Load; 3] = [
        ("a connection per request", Box::new(|| server.requests(&["-k", "0", "-c", "16", "-n", "20000"]))),
        ("4 connections kept alive", Box::new(|| server.requests(&["-k", "1", "-c", "4", "-n", "100000"]))),
        ("processes forked, executed, ended", Box::new(processes)),
    ];
    println!("| load | beside it | CPU time, ratio: median (quartiles) | share of the agent's process |");
    println!("|---|---|---|---|");
    for (load, run) in &loads {
        run()?;
        for (variant, options) in VARIANTS {
            let ratios: Vec<_> = (0..pairs).map(|i| pair(options, i % 2 == 0, run)).collect::<Result<_>>()?;
            report(load, variant, ratios);
        }
    }
    Ok(())
}

/// A run without the agent and one with it, in alternating order: the ratio of CPU times, and the agent's part of it.
fn pair(options: Option<&[&str]>, bare_first: bool, run: &dyn Fn() -> Result<Duration>) -> Result<(f64, f64)> {
    let bare = || Ok::<_, anyhow::Error>(measure(None, run)?.observed.as_secs_f64());
    let (without, with) = if bare_first {
        (bare()?, measure(options, run)?)
    } else {
        let with = measure(options, run)?;
        (bare()?, with)
    };
    let agent = with.agent.as_secs_f64();
    Ok(((with.observed.as_secs_f64() + agent) / without, agent / without))
}

fn measure(options: Option<&[&str]>, run: &dyn Fn() -> Result<Duration>) -> Result<Cost> {
    let Some(options) = options else { return Ok(Cost { observed: run()?, agent: Duration::ZERO }) };
    let dir = tempfile::tempdir()?;
    let agent = Agent::start(dir.path(), options)?;
    let before = sys::cpu_time(agent.pid())?;
    let observed = run()?;
    let cost = Cost { observed, agent: sys::cpu_time(agent.pid())? - before };
    agent.stop()?;
    Ok(cost)
}

fn report(load: &str, variant: &str, pairs: Vec<(f64, f64)>) {
    let (mut ratios, mut own): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    for values in [&mut ratios, &mut own] {
        values.sort_by(f64::total_cmp);
    }
    let at = |values: &[f64], quarter: usize| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN);
    let (low, median, high) = (at(&ratios, 1), at(&ratios, 2), at(&ratios, 3));
    println!("| {load} | {variant} | {median:.3} ({low:.3} to {high:.3}) | {:.3} |", at(&own, 2));
}

/// A redis server on a free port.
struct Server {
    process: Guarded,
    port: String,
}

impl Server {
    fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let arguments = ["--save", "", "--appendonly", "no", "--port"];
        let child = Command::new("redis-server").args(arguments).arg(port.to_string()).stdout(Stdio::null()).spawn();
        let process = Guarded::new(child.context("start redis-server (package redis-server)")?);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begun.elapsed() < START_LIMIT, "redis-server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, port: port.to_string() })
    }

    /// CPU time of the server and of redis-benchmark for its requests.
    fn requests(&self, options: &[&str]) -> Result<Duration> {
        let (server, children) = (sys::cpu_time(self.process.pid())?, sys::cpu_time_of_children()?);
        let mut command = Command::new("redis-benchmark");
        command.args(["-q", "-t", "ping_mbulk", "-p", &self.port]).args(options);
        // It warns of connections that are not kept alive.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().context("run redis-benchmark (package redis-tools)")?;
        if !status.success() {
            bail!("redis-benchmark: {status}");
        }
        Ok(sys::cpu_time(self.process.pid())? - server + (sys::cpu_time_of_children()? - children))
    }
}

/// CPU time of processes that do nothing.
fn processes() -> Result<Duration> {
    let before = sys::cpu_time_of_children()?;
    (0..PROCESSES).try_for_each(|_| Command::new("true").status().map(drop))?;
    Ok(sys::cpu_time_of_children()? - before)
}
