//! The kernel's delay accounting switch (`kernel.task_delayacct`, since 5.14): without it there is no I/O wait.

use std::fs;

use anyhow::{Context, Result};

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
pub(crate) struct Guard {
    before: Option<bool>,
}

impl Guard {
    /// Sets the switch.
    ///
    /// # Errors
    /// The kernel has no switch, or it may not be written.
    pub(crate) fn apply(wanted: DelayAccounting) -> Result<Self> {
        let on = match wanted {
            DelayAccounting::Keep => return Ok(Self { before: None }),
            DelayAccounting::On => true,
            DelayAccounting::Off => false,
        };
        let before = is_on().with_context(|| {
            format!("{SWITCH} is not there: this kernel cannot switch delay accounting; leave --delay-accounting away")
        })?;
        if before == on {
            return Ok(Self { before: None });
        }
        set(on).with_context(|| format!("cannot write {SWITCH}; run as root or leave --delay-accounting away"))?;
        Ok(Self { before: Some(before) })
    }
}

fn set(on: bool) -> std::io::Result<()> {
    fs::write(SWITCH, if on { "1" } else { "0" })
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(before) = self.before
            && let Err(e) = set(before)
        {
            tracing::warn!("could not put {SWITCH} back: {e}");
        }
    }
}
