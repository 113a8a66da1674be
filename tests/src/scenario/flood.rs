//! Causes at once everything that costs an agent memory: SYNs and fragments of random sources as fast as one thread
//! sends, processes that begin, connect and end with a megabyte of arguments, and two threads that keep the processors
//! busy.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::args::Args;
use super::wire::{self, LOOPBACKS};
use crate::sys;

/// `MAX_ARG_STRLEN` less a page: the longest argument that execve(2) takes.
const ARGUMENT_LEN: usize = 124 << 10;
/// Arguments of a process, together a megabyte.
const ARGUMENTS: usize = 8;
/// Time between the starts of two processes.
const STORM_PAUSE: Duration = Duration::from_millis(40);
/// The largest number of these processes at a time.
const MAX_CHILDREN: usize = 8;

/// Runs for `--seconds`.
pub(super) fn run(args: &Args) -> Result<()> {
    let (_server, target) = wire::fork_listener(LOOPBACKS[0], |listener| wire::accept_forever(&listener))?;
    let until = Instant::now() + Duration::from_secs(args.get("seconds", 20)?);
    let is_over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let packets = scope.spawn(|| send_packets(&is_over));
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let storm = storm(target, until);
        is_over.store(true, Relaxed);
        let sent = packets.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?;
        println!("{} processes", storm?);
        anyhow::Ok(sent?)
    })?;
    println!("{sent} packets");
    Ok(())
}

/// One of the processes that [`storm`] starts: connects once.
pub(super) fn connect(args: &Args) -> Result<()> {
    std::net::TcpStream::connect(args.need::<SocketAddr>("target")?).context("connect")?;
    Ok(())
}

/// Starts processes until `until` and returns how many.
fn storm(target: SocketAddr, until: Instant) -> Result<u32> {
    let (mut children, mut count) = (Vec::<Child>::new(), 0);
    let padding = "x".repeat(ARGUMENT_LEN);
    while Instant::now() < until {
        children.retain_mut(|child| child.try_wait().is_ok_and(|status| status.is_none()));
        if children.len() < MAX_CHILDREN {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["flood-connect", "--target", &target.to_string(), "--padding"]);
            command.arg(format!("{count}{padding}"));
            command.args((1..ARGUMENTS).flat_map(|_| ["--padding", &padding]));
            children.push(command.stdout(Stdio::null()).spawn()?);
            count += 1;
        }
        thread::sleep(STORM_PAUSE);
    }
    children.iter_mut().try_for_each(|child| child.wait().map(drop))?;
    Ok(count)
}

/// Sends packets, half of them SYNs, half of them first fragments of incomplete datagrams, and returns their number.
fn send_packets(is_over: &AtomicBool) -> io::Result<u64> {
    let socket = sys::packet_socket("lo")?;
    let (mut random, mut sent) = (Random(0x9e37_79b9_7f4a_7c15), 0);
    while !is_over.load(Relaxed) {
        let frame = if sent % 2 == 0 { syn(&mut random) } else { fragment(&mut random) };
        match sys::send_frame(&socket, &frame) {
            Ok(()) => sent += 1,
            // The device's queue is full, which is usual in a flood.
            Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => thread::yield_now(),
            Err(e) => return Err(e),
        }
    }
    Ok(sent)
}

/// xorshift64: Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Ethernet and IPv4 headers (RFC 791) of a packet from 10.0.0.0/8 to 127.0.0.1.
fn headers(random: &mut Random, protocol: u8, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
    let id = random.next().to_be_bytes();
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend(&id[..2]);
    frame.extend(flags.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 10, id[2], id[3], id[4], 127, 0, 0, 1]);
    frame.extend(payload);
    frame
}

fn syn(random: &mut Random) -> Vec<u8> {
    let r = random.next().to_be_bytes();
    let tcp = [r[0], r[1], 0, 80, r[2], r[3], r[4], r[5], 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0];
    headers(random, 6, 0, &tcp)
}

/// A first fragment: its header announces more fragments (0x2000).
fn fragment(random: &mut Random) -> Vec<u8> {
    let r = random.next().to_be_bytes();
    let mut udp = vec![r[0], r[1], r[2], r[3], 1, 0, 0, 0];
    udp.extend([0; 24]);
    headers(random, 17, 0x2000, &udp)
}
