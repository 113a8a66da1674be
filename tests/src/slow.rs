//! Makes a process as slow as on an overloaded machine.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::process::Guarded;
use crate::sys;

/// Programs that compete with the process; each has 341 times its weight.
const BURNERS: usize = 2;

/// Which threads of the process are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Every thread.
    All,
    /// All but those that capture packets.
    AllButPackets,
}

/// A process that gets less than a five-hundredth of one processor until this is dropped.
#[derive(Debug)]
pub struct Slowed {
    pid: u32,
    _burners: Vec<Guarded>,
}

impl Slowed {
    /// Slows threads of the process down. They stay on the last processor.
    pub fn new(pid: u32, which: Threads) -> Result<Self> {
        let processor = thread::available_parallelism()?.get() - 1;
        for thread in threads(pid)? {
            let name = fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm"))?;
            if which == Threads::All || !name.starts_with("packets") {
                sys::pin(thread, &[processor])?;
                sys::set_idle(thread, true)?;
            }
        }
        let burners = (0..BURNERS).map(|_| burn(processor)).collect::<Result<_>>()?;
        Ok(Self { pid, _burners: burners })
    }

    fn restore(&self) -> Result<()> {
        let all: Vec<_> = (0..thread::available_parallelism()?.get()).collect();
        for thread in threads(self.pid)? {
            sys::pin(thread, &all)?;
            sys::set_idle(thread, false)?;
        }
        Ok(())
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        if let Err(e) = self.restore() {
            eprintln!("process {} stays slow: {e:#}", self.pid);
        }
    }
}

fn threads(pid: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    entries.map(|entry| entry?.file_name().to_string_lossy().parse().context("thread id")).collect()
}

fn burn(processor: usize) -> Result<Guarded> {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
    let burner = Guarded::new(command.spawn().context("start a burner")?);
    sys::pin(burner.pid(), &[processor])?;
    Ok(burner)
}
