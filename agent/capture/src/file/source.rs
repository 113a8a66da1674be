//! A file, pipe, FIFO or terminal that is read without blocking; waiting is a separate call that can be interrupted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::interrupt::Interrupt;

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Reading fails with [`io::ErrorKind::WouldBlock`] if no data is available.
#[derive(Clone)]
pub(super) struct Source {
    file: Arc<File>,
    /// Whether it is not a regular file, so that reading may have to wait for a writer.
    is_stream: bool,
    bytes_read: Arc<AtomicU64>,
}

impl Source {
    /// Opens a file by name; `-` is standard input. Opening a FIFO does not wait for a writer.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = if path.as_os_str() == "-" {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?
        };
        let is_stream = !file.metadata()?.is_file();
        Ok(Self { file: Arc::new(file), is_stream, bytes_read: Arc::default() })
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Waits until data is available or the wait is interrupted. False: interrupted.
    pub(super) fn wait(&self, interrupt: Option<&Interrupt>) -> io::Result<bool> {
        let own = PollFd::new(&*self.file, PollFlags::IN);
        let Some(interrupt) = interrupt else {
            poll(&mut [own], None)?;
            return Ok(true);
        };
        let mut both = [own, PollFd::from_borrowed_fd(interrupt.descriptor(), PollFlags::IN)];
        poll(&mut both, None)?;
        let [_, interrupted] = &both;
        Ok(interrupted.revents().is_empty())
    }

    fn has_something(&self) -> io::Result<bool> {
        Ok(!self.is_stream || poll(&mut [PollFd::new(&*self.file, PollFlags::IN)], Some(&NOW))? > 0)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.has_something()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = (&*self.file).read(buffer)?;
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
