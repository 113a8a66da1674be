//! The kernel's delay accounting switch (`kernel.task_delayacct`, since 5.14): without it there is no I/O wait.

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

/// Puts the switch back when dropped.
///
/// The kernel asks for `CAP_SYS_ADMIN` at each write, and the agent gives that up once it runs: a thread that waits for
/// the end keeps it.
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
        // Nothing is ever sent: it returns when the guard is gone.
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
            // A panic there has been said already.
            let _ = thread.join();
        }
    }
}

fn set(on: bool) -> std::io::Result<()> {
    fs::write(SWITCH, if on { "1" } else { "0" })
}
