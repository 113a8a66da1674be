//! One TCP flow during which a process burns CPU, touches memory, faults, and waits for the disk.

use std::fs;
use std::hint;
use std::io::{BufRead, BufReader, Read, Write};
use std::mem;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::args::Args;
use super::disk;
use super::wire::{self, Closer, LOOPBACKS, Plan, TCP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd, Usage};

/// Longer than the time to sample a process of many threads on a busy machine.
const SETTLING: Duration = Duration::from_millis(200);

/// What a process does between connect and close.
#[derive(Debug, Clone)]
struct Task {
    threads: usize,
    cpu: Duration,
    memory: usize,
    disk: Duration,
    dir: PathBuf,
}

/// `--side client` (default) or `server` does the work.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let task = Task {
        threads: args.get("threads", 1)?,
        cpu: Duration::from_millis(args.get("cpu-ms", 1000)?),
        memory: args.get("memory-mib", 64_usize)? << 20,
        disk: Duration::from_millis(args.get("disk-ms", 0)?),
        dir: args.get("dir", std::env::temp_dir())?,
    };
    let server_works = args.get("side", "client".to_owned())? == "server";
    for address in LOOPBACKS {
        let client = if server_works { against_worker(address, &task)? } else { working(address, &task)? };
        client.append_to(&truth)?;
    }
    Ok(())
}

/// A client process that works; the scenario's process only reads its report from a pipe.
fn working(address: IpAddr, task: &Task) -> Result<Exchange> {
    let (_server, target) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
    let (mut reader, mut writer) = std::io::pipe()?;
    let client = sys::fork(|| {
        let crew = task.crew()?;
        let exchange = Exchange::begin("metrics", TCP, wire::unspecified(address, 0), target);
        let before = Snapshot::take()?;
        let stream = TcpStream::connect(target)?;
        let source = stream.local_addr()?;
        let memory = task.perform(&crew)?;
        let mut exchange = wire::tcp_finish(exchange, stream, Plan::plain("metrics", target))?;
        exchange.set_source(source);
        exchange.source_usage = Some(before.until_now()?);
        writer.write_all(&serde_json::to_vec(&exchange)?).context("tell")?;
        mem::forget(memory);
        task.settle();
        Ok(())
    })?;
    client.join()?;
    read_one(&mut reader)
}

fn read_one(reader: &mut impl Read) -> Result<Exchange> {
    let mut all = vec![0; 8192];
    let size = reader.read(&mut all)?;
    serde_json::from_slice(all.get(..size).unwrap_or_default()).context("what the worker says")
}

/// A client that asks a server process to work and gets the cost as the answer.
fn against_worker(address: IpAddr, task: &Task) -> Result<Exchange> {
    let (mut is_ready, mut ready) = std::io::pipe()?;
    let (server, target) = wire::fork_listener(address, move |listener| {
        // The threads are started before the flow, which begins before it is accepted, so that their cost is not part
        // of it.
        let crew = task.crew()?;
        ready.write_all(b".")?;
        serve_work(&listener, task, &crew)
    })?;
    is_ready.read_exact(&mut [0]).context("the server did not start")?;
    let mut exchange = Exchange::begin("metrics", TCP, wire::unspecified(address, 0), target);
    let mut stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    stream.write_all(Closer::Server.request())?;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line)?;
    let (end, usage): (TrueEnd, Usage) = serde_json::from_str(&line)?;
    drop(stream);
    exchange.end_ns = sys::now_ns();
    server.join()?;
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    exchange.destination_end = Expected::Process(end);
    exchange.destination_usage = Some(usage);
    Ok(exchange)
}

fn serve_work(listener: &TcpListener, task: &Task, crew: &[Sender<u64>]) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    let before = Snapshot::take()?;
    let _size = stream.read(&mut [0; 64])?;
    let memory = task.perform(crew)?;
    let mut line = serde_json::to_vec(&(TrueEnd::current()?, before.until_now()?))?;
    line.push(b'\n');
    stream.write_all(&line).context("answer")?;
    drop(stream);
    mem::forget(memory);
    task.settle();
    Ok(())
}

impl Task {
    /// Starts all threads but this one. They live as long as the process; each burns CPU until the process has used the
    /// total that is sent to it.
    fn crew(&self) -> Result<Vec<Sender<u64>>> {
        let crew: Result<Vec<_>> = (1..self.threads).map(|_| helper()).collect();
        // The cost of their start is not part of the flow.
        self.settle();
        crew
    }

    /// Waits, so that a process of many threads is idle where its flow begins and ends: the agent samples it a little
    /// later. The end of so many threads costs about as much as a short flow.
    fn settle(&self) {
        if self.threads > 1 {
            thread::sleep(SETTLING);
        }
    }

    /// Does the task. The caller keeps the returned memory until the process ends, so that it is resident when the flow
    /// ends.
    fn perform(&self, crew: &[Sender<u64>]) -> Result<Vec<u8>> {
        self.settle();
        let memory = hint::black_box(vec![1_u8; self.memory]);
        let until = cpu_ns(&usage()?) + u64::try_from(self.cpu.as_nanos())?;
        crew.iter().try_for_each(|thread| thread.send(until)).context("a thread is gone")?;
        burn(until)?;
        if !self.disk.is_zero() {
            disk::wait_for_disk(&self.dir, self.disk)?;
        }
        self.settle();
        Ok(memory)
    }
}

fn helper() -> Result<Sender<u64>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().stack_size(64 << 10).spawn(move || {
        // The sender is kept: it ends with the process.
        while let Ok(until) = receiver.recv() {
            let _ = burn(until);
        }
    })?;
    Ok(sender)
}

/// Burns the process's own CPU time until its total is `wanted`, nanoseconds, however busy the machine is.
fn burn(wanted: u64) -> Result<()> {
    let mut value = 1_u64;
    while cpu_ns(&usage()?) < wanted {
        for _ in 0..100_000 {
            value = hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    Ok(())
}

fn usage() -> Result<libc::rusage> {
    // SAFETY: an all-zero rusage is valid, and the kernel fills it.
    unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        sys::check(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage)).context("getrusage")?;
        Ok(usage)
    }
}

const fn cpu_ns(usage: &libc::rusage) -> u64 {
    let microseconds =
        (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    microseconds.unsigned_abs() * 1000
}

/// The process's own accounts at one moment.
struct Snapshot {
    at: Instant,
    usage: libc::rusage,
    iowait_ns: Option<u64>,
}

impl Snapshot {
    fn take() -> Result<Self> {
        Ok(Self { at: Instant::now(), usage: usage()?, iowait_ns: iowait_ns()? })
    }

    fn until_now(&self) -> Result<Usage> {
        let now = Self::take()?;
        let faults = |pick: fn(&libc::rusage) -> i64| (pick(&now.usage) - pick(&self.usage)).unsigned_abs();
        Ok(Usage {
            cpu_ns: cpu_ns(&now.usage) - cpu_ns(&self.usage),
            minor_faults: faults(|usage| usage.ru_minflt),
            major_faults: faults(|usage| usage.ru_majflt),
            threads: fs::read_dir("/proc/self/task")?.count(),
            wall_ns: u64::try_from((now.at - self.at).as_nanos())?,
            iowait_ns: now.iowait_ns.zip(self.iowait_ns).map(|(now, before)| now - before),
            rss: memory("VmRSS:")?,
            peak_rss: memory("VmHWM:")?,
            faults_ever: (now.usage.ru_minflt + now.usage.ru_majflt).unsigned_abs(),
        })
    }
}

/// A memory line of `/proc/self/status`, bytes.
fn memory(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Block I/O delay so far, nanoseconds (proc(5), `/proc/pid/stat` field 42, in clock ticks); none without delay
/// accounting.
fn iowait_ns() -> Result<Option<u64>> {
    if !delay_accounting(Path::new("/proc/sys/kernel/task_delayacct")) {
        return Ok(None);
    }
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("/proc/self/stat has no name")?;
    // The first field after the name is number 3.
    let ticks: u64 = after_name.split_whitespace().nth(42 - 3).context("/proc/self/stat is short")?.parse()?;
    // SAFETY: no pointers are involved.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Some(ticks * 1_000_000_000 / per_second.unsigned_abs()))
}

fn delay_accounting(switch: &Path) -> bool {
    fs::read_to_string(switch).is_ok_and(|text| text.trim() == "1")
}
