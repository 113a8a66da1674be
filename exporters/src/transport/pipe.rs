//! Pipes, terminals and other outputs that may block for any time, because nobody reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::sink::Control;

/// Interval at which to check whether the exporter's time is up.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// An output on which writes wait only as long as the exporter may wait.
pub(super) struct Pipe {
    /// None: nobody reads the pipe.
    file: Option<File>,
    /// None: standard output.
    path: Option<PathBuf>,
    /// Number of bytes that can be written without blocking when poll(2) reports room.
    piece: usize,
    control: Arc<Control>,
}

impl Pipe {
    /// Standard output of any kind.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub(super) fn stdout(control: &Arc<Control>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        // Other processes share the descriptor, so it cannot be made non-blocking.
        let piece = if file.metadata()?.is_file() { usize::MAX } else { libc::PIPE_BUF };
        Ok(Self { file: Some(file), path: None, piece, control: control.clone() })
    }

    /// The output with that name; none: it is a regular file, which never blocks, or does not exist. A pipe that nobody
    /// reads is opened later.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path, control: &Arc<Control>) -> io::Result<Option<Self>> {
        let is_other = fs::metadata(path).is_ok_and(|m| m.file_type().is_fifo() || m.file_type().is_char_device());
        if !is_other {
            return Ok(None);
        }
        let mut pipe = Self { file: None, path: Some(path.into()), piece: usize::MAX, control: control.clone() };
        if !pipe.has_reader()? {
            tracing::info!("{}: the pipe has no reader yet; records wait", path.display());
        }
        Ok(Some(pipe))
    }

    /// Opens it, if that is possible now.
    fn has_reader(&mut self) -> io::Result<bool> {
        let Some(path) = self.path.as_ref().filter(|_| self.file.is_none()) else { return Ok(true) };
        match OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
            Ok(file) => self.file = Some(file),
            // Linux `fifo(7)`: no process has it open for reading.
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => return Ok(false),
            Err(e) => return Err(e),
        }
        Ok(true)
    }

    /// Waits briefly until it accepts data; false: it does not.
    fn is_ready(&self, wait: Duration) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointer is of one pollfd that lives through the call, and the descriptor is open for as long as `file` is.
        match unsafe { libc::poll(&raw mut poll, 1, wait.as_millis() as libc::c_int) } {
            0 => Ok(false),
            // A write reports an error of the output.
            1.. => Ok(true),
            _ => match io::Error::last_os_error() {
                e if e.kind() == ErrorKind::Interrupted => Ok(false),
                e => Err(e),
            },
        }
    }

    /// Waits until it accepts data.
    fn wait(&mut self) -> io::Result<()> {
        let mut wait = Duration::ZERO;
        loop {
            if self.has_reader()? && self.is_ready(wait)? {
                return Ok(());
            }
            if self.control.is_over() {
                return Err(io::Error::new(ErrorKind::TimedOut, "it has no reader"));
            }
            if self.file.is_none() {
                self.control.pause(POLL_INTERVAL);
            }
            wait = POLL_INTERVAL;
        }
    }

    fn write_some(&mut self, octets: &[u8]) -> io::Result<usize> {
        let piece = octets.get(..octets.len().min(self.piece)).unwrap_or_default();
        let mut file = self.file.as_ref().ok_or(ErrorKind::NotConnected)?;
        let written = file.write(piece);
        if self.path.is_some() && written.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) {
            // The pipe is closed, so that the next records wait for the next reader.
            self.file = None;
        }
        written
    }
}

impl Write for Pipe {
    /// Waits until a part of the data is accepted.
    ///
    /// # Errors
    /// `TimedOut` when the exporter's time is up, `BrokenPipe` when the reader has gone.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            match self.write_some(octets) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;
    use std::thread;
    use std::time::Instant;

    use super::*;

    fn fifo(dir: &Path) -> PathBuf {
        let path = dir.join("fifo");
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name ends in a zero and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        path
    }

    #[test]
    fn without_a_reader_it_waits_until_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let control = Arc::new(Control::default());
        let mut pipe = Pipe::open(&fifo(dir.path()), &control).unwrap().unwrap();
        control.stop_by(Instant::now() + Duration::from_millis(150));
        let begun = Instant::now();
        assert_eq!(pipe.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
        assert!((100..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_reader_that_comes_late_and_one_that_comes_back_get_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (path, control) = (fifo(dir.path()), Arc::new(Control::default()));
        let mut pipe = Pipe::open(&path, &control).unwrap().unwrap();
        let read = |path: PathBuf, octets: usize| {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                let mut text = vec![0; octets];
                File::open(path).unwrap().read_exact(&mut text).unwrap();
                text
            })
        };
        let first = read(path.clone(), 5);
        pipe.write_all(b"first").unwrap();
        assert_eq!(first.join().unwrap(), b"first");
        assert_eq!(pipe.write(b"lost").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let second = read(path, 6);
        pipe.write_all(b"second").unwrap();
        assert_eq!(second.join().unwrap(), b"second");
    }

    #[test]
    fn a_reader_that_stops_reading_holds_up_until_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let (path, control) = (fifo(dir.path()), Arc::new(Control::default()));
        // Opened for both, a pipe needs no other side (Linux `fifo(7)`).
        let _reader = File::options().read(true).write(true).open(&path).unwrap();
        let mut pipe = Pipe::open(&path, &control).unwrap().unwrap();
        control.stop_by(Instant::now() + Duration::from_millis(150));
        let mut written = 0;
        let e = loop {
            match pipe.write(&[0; 10_000]) {
                Ok(n) => written += n,
                Err(e) => break e,
            }
        };
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        assert!(written >= libc::PIPE_BUF, "{written}");
    }

    #[test]
    fn devices_are_of_this_kind_and_files_are_not() {
        let (dir, control) = (tempfile::tempdir().unwrap(), Arc::new(Control::default()));
        let file = dir.path().join("file");
        assert!(Pipe::open(&file, &control).unwrap().is_none());
        fs::write(&file, "x").unwrap();
        assert!(Pipe::open(&file, &control).unwrap().is_none());
        let mut full = Pipe::open(Path::new("/dev/full"), &control).unwrap().unwrap();
        assert_eq!(full.write(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(Pipe::open(Path::new("/dev/null"), &control).unwrap().unwrap().write(b"x").is_ok());
    }
}
