//! Makes a process as slow as on an overloaded machine.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::process::Guarded;
use crate::sys;

/// Programs that compete with the process; each has 68 times its weight.
const BURNERS: usize = 2;

/// A process that gets less than a hundredth of one processor until this is dropped.
#[derive(Debug)]
pub struct Slowed {
    _burners: Vec<Guarded>,
}

impl Slowed {
    /// Slows all threads of the process down. They stay on the last processor.
    pub fn new(pid: u32) -> Result<Self> {
        let processor = thread::available_parallelism()?.get() - 1;
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = entry?.file_name().to_string_lossy().parse().context("thread id")?;
            sys::pin(thread, processor)?;
            sys::set_nice(thread, 19)?;
        }
        let burners = (0..BURNERS).map(|_| burn(processor)).collect::<Result<_>>()?;
        Ok(Self { _burners: burners })
    }
}

fn burn(processor: usize) -> Result<Guarded> {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
    let burner = Guarded::new(command.spawn().context("start a burner")?);
    sys::pin(burner.pid(), processor)?;
    Ok(burner)
}
