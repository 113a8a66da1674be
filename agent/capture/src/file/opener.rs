//! A thread that opens capture files for the thread that reads them, which decodes untrusted input and holds no
//! capability.

use std::io;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::source::Source;

/// Handle of the thread. Dropping it ends the thread.
pub struct Opener {
    ask: Sender<PathBuf>,
    opened: Receiver<io::Result<Source>>,
}

impl Opener {
    /// Starts the thread, which first gives up all rights but those that it needs, as `begin` says.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(begin: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (ask, asked) = bounded::<PathBuf>(1);
        let (answer, opened) = bounded(1);
        let serve = move || {
            begin();
            for path in asked {
                if answer.send(Source::open(&path)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("inputs".into()).spawn(serve)?;
        Ok(Self { ask, opened })
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<Source> {
        let is_gone = || io::Error::other("the thread that opens files has ended");
        self.ask.send(path.to_owned()).map_err(|_| is_gone())?;
        self.opened.recv().map_err(|_| is_gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_errors_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let (is, none) = (dir.path().join("is"), dir.path().join("none"));
        std::fs::write(&is, "x").unwrap();
        let opener = Opener::spawn(|| ()).unwrap();
        let mut text = [0];
        io::Read::read_exact(&mut opener.open(&is).unwrap(), &mut text).unwrap();
        assert_eq!(text, *b"x");
        let error = opener.open(&none).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(opener.open(&is).is_ok());
    }
}
