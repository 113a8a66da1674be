//! Processes that have another name, user or parent after one of their flows.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::process::parent_id;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::args::Args;
use super::wire::{self, LOOPBACKS, Plan};
use crate::sys;

/// Longer than an event may be told after its packet.
const APART: Duration = Duration::from_millis(50);
/// `nobody`.
const OTHER_USER: u32 = 65_534;

/// Each process has a flow, changes, and has another one.
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

/// A process whose parent ends between its flows; this one waits for it although it is no child any more.
fn orphaned(target: SocketAddr, truth: &File) -> Result<()> {
    let (mut ended, ends) = io::pipe()?;
    let (mut go, goes) = io::pipe()?;
    let parent = sys::fork(|| {
        let child = sys::fork(|| {
            sys::outlive_parent();
            let _held = &ends;
            before_and_after(target, truth, || await_orphan(&goes))
        })?;
        // Its first flow is over when it says so; then it is left alone.
        go.read_exact(&mut [0])?;
        std::mem::forget(child);
        Ok(())
    })?;
    drop(ends);
    parent.join()?;
    ended.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Tells the parent to end, and waits until it has.
fn await_orphan(mut tell: &io::PipeWriter) -> Result<()> {
    let (parent, begun) = (parent_id(), Instant::now());
    io::Write::write_all(&mut tell, b".")?;
    while parent_id() == parent {
        ensure!(begun.elapsed() < Duration::from_secs(5), "the parent does not end");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
