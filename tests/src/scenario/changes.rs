//! Processes that have another name, user or parent after one of their flows.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::parent_id;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::args::Args;
use super::wire::{self, Closer, LOOPBACKS, Plan, TCP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

/// Longer than the delay between a packet and the kernel event that belongs to it.
const APART: Duration = Duration::from_millis(50);
/// `nobody`.
const OTHER_USER: u32 = 65_534;

/// Each process has a flow, changes, and has another flow.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for address in LOOPBACKS {
        let (_server, target) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
        for _ in 0..args.get("count", 3_u32)? {
            changed(target, &truth, || sys::set_own_name("pf-renamed"))?;
            changed(target, &truth, || sys::set_user(OTHER_USER))?;
            orphaned(target, &truth)?;
        }
    }
    Ok(())
}

fn changed(target: SocketAddr, truth: &File, change: impl Fn() -> Result<()>) -> Result<()> {
    sys::fork(|| before_and_after(target, truth, change))?.join()
}

fn before_and_after(target: SocketAddr, truth: &File, change: impl Fn() -> Result<()>) -> Result<()> {
    let exchange = || wire::tcp_exchange(Plan::plain("changes", target))?.append_to(truth);
    exchange()?;
    thread::sleep(APART);
    change()?;
    exchange()
}

/// A process whose parent ends between its flows. The scenario waits for the process although it is not its child.
fn orphaned(target: SocketAddr, truth: &File) -> Result<()> {
    let (mut ended, ends) = io::pipe()?;
    let (mut go, goes) = io::pipe()?;
    let parent = sys::fork(|| {
        let child = sys::fork(|| {
            sys::outlive_parent();
            let _held = &ends;
            across(target, truth, || await_orphan(&goes))
        })?;
        // The child writes when its first flow is active; then its parent ends.
        go.read_exact(&mut [0])?;
        std::mem::forget(child);
        Ok(())
    })?;
    drop(ends);
    parent.join()?;
    ended.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A flow during which the process changes, whose record must have the process as it was at the flow's start, and one
/// after the change.
fn across(target: SocketAddr, truth: &File, change: impl Fn() -> Result<()>) -> Result<()> {
    let mut exchange = Exchange::begin("changes", TCP, wire::unspecified(target.ip(), 0), target);
    let mut stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    exchange.destination_end = Expected::Process(wire::tcp_talk(&mut stream, Closer::Client.request())?);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    change()?;
    thread::sleep(APART);
    drop(stream);
    exchange.end_ns = sys::now_ns();
    exchange.append_to(truth)?;
    wire::tcp_exchange(Plan::plain("changes", target))?.append_to(truth)
}

/// Signals the parent to end, and waits until it has ended.
fn await_orphan(mut tell: &io::PipeWriter) -> Result<()> {
    let (parent, begun) = (parent_id(), Instant::now());
    tell.write_all(b".")?;
    while parent_id() == parent {
        ensure!(begun.elapsed() < Duration::from_secs(5), "the parent does not end");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
