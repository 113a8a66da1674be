//! Keeps what is known of exporters in a file, so that it outlasts a restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pidflow_collector::MAX_STATE;

/// Interval of writing, a little less than that of the figures, with which it is looked at.
const INTERVAL: Duration = Duration::from_millis(900);
/// Writing takes at most this part of the time; a large state is written less often.
const MAX_SHARE: u32 = 20;

/// The file of one port.
pub(super) struct Keeper {
    file: PathBuf,
    due: Instant,
    /// The state that is written next.
    next: Option<Vec<u8>>,
    /// Whether it has been said that the file cannot be written.
    has_failed: bool,
}

impl Keeper {
    /// `port` is such as `udp://0.0.0.0:2055`.
    pub(super) fn new(folder: &Path, port: &str) -> Self {
        let name: String = port.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        Self {
            file: folder.join(format!("{name}.state")),
            due: Instant::now() + INTERVAL,
            next: None,
            has_failed: false,
        }
    }

    /// What was written before the restart; none: there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, or is too long.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        let length = match fs::metadata(&self.file) {
            Ok(meta) if meta.is_file() => meta.len(),
            Ok(_) => bail!("it is no file"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if length > MAX_STATE as u64 {
            bail!("it is longer than {MAX_STATE} bytes");
        }
        Ok(Some(fs::read(&self.file)?))
    }

    /// Its file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Takes a state, and writes the one before it: by now, what that one counts as received has been handed on to the exporters. So
    /// after the program was killed, records may count as lost that were handed on, but none is missing that does not count.
    pub(super) fn take(&mut self, state: Vec<u8>) {
        if let Some(state) = self.next.replace(state) {
            self.write(&state);
        }
    }

    /// Writes the whole file, or nothing.
    pub(super) fn write(&mut self, state: &[u8]) {
        let began = Instant::now();
        let new = self.file.with_extension("new");
        let written = fs::write(&new, state).and_then(|()| fs::rename(&new, &self.file));
        match written {
            Ok(()) => self.has_failed = false,
            Err(e) if !std::mem::replace(&mut self.has_failed, true) => tracing::error!(
                "cannot write {}: {e}; after a restart, what was sent meanwhile will not be counted",
                self.file.display()
            ),
            Err(_) => {}
        }
        self.due = began + INTERVAL.max(began.elapsed() * MAX_SHARE);
    }
}

/// Makes the folder if it is not there.
///
/// # Errors
/// It cannot be made, or is no folder.
pub(super) fn make(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {} for --collect-state", folder.display()))
}

/// Checks whether files could be written to the folder, or whether it could be made.
///
/// # Errors
/// They could not.
pub(super) fn check(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    if !there.is_dir() {
        bail!("--collect-state {}: {} is no folder", folder.display(), there.display());
    }
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK)
        .with_context(|| format!("--collect-state {}: {} cannot be written", folder.display(), there.display()))
}
