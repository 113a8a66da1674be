//! The kernel's delay accounting switch (`kernel.task_delayacct`, since 5.14). While it is off, I/O wait is unknown.

use std::fs;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use crossbeam_channel::{Sender, bounded};

use crate::privileges::Role;

const SWITCH: &str = "/proc/sys/kernel/task_delayacct";

/// What to do with the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DelayAccounting {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Turn it on while the agent runs.
    On,
    /// Turn it off while the agent runs.
    Off,
}

/// Whether delay accounting is on now; none: this kernel has no switch.
pub(crate) fn is_on() -> Option<bool> {
    fs::read_to_string(SWITCH).ok().map(|s| s.trim() == "1")
}

/// Restores the switch when dropped.
///
/// The kernel requires `CAP_SYS_ADMIN` for each write, which the agent gives up once it runs. So a thread keeps this
/// capability and waits until the guard is dropped.
pub(crate) struct Guard {
    waiting: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Guard {
    /// Sets the switch.
    ///
    /// # Errors
    /// The kernel has no switch, or it may not be written.
    pub(crate) fn apply(wanted: DelayAccounting) -> Result<Self> {
        let on = match wanted {
            DelayAccounting::Keep => return Ok(Self { waiting: None }),
            DelayAccounting::On => true,
            DelayAccounting::Off => false,
        };
        let before = is_on().with_context(|| {
            format!("{SWITCH} does not exist: this kernel cannot switch delay accounting; omit --delay-accounting")
        })?;
        if before == on {
            return Ok(Self { waiting: None });
        }
        set(on).with_context(|| format!("cannot write {SWITCH}; run as root or omit --delay-accounting"))?;
        Ok(Self { waiting: Some(put_back_at_end(before)?) })
    }
}

fn put_back_at_end(before: bool) -> Result<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = bounded::<()>(0);
    let body = move || {
        Role::DelaySwitch.enter_or_warn();
        // Nothing is ever sent; this returns when the guard is dropped.
        let _ = ended.recv();
        if let Err(e) = set(before) {
            tracing::warn!("could not restore {SWITCH}: {e}");
        }
    };
    let thread = thread::Builder::new().name("delay-switch".into()).spawn(body).context("cannot start a thread")?;
    Ok((end, thread))
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.waiting.take() {
            drop(end);
            // A panic in that thread has been reported already.
            let _ = thread.join();
        }
    }
}

fn set(on: bool) -> std::io::Result<()> {
    fs::write(SWITCH, if on { "1" } else { "0" })
}
