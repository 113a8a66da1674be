//! Checks whether a file or a folder can be written. It is opened as it will be later, but nothing is written,
//! truncated or left behind.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::{ExporterConfig, JsonOutput, Output, Target};

/// A file or folder that cannot be written.
pub(super) struct Unwritable {
    /// The key that names it.
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Checks that an exporter's files and folders can be written.
pub(super) fn check(config: &ExporterConfig) -> Result<(), Unwritable> {
    let spool = config.delivery.spool.as_ref().filter(|_| config.output.is_reliable());
    if let Some(spool) = spool {
        folder(&spool.folder).map_err(|e| wrong("spool", &spool.folder, e))?;
        spool_files(&spool.folder).map_err(|(path, e)| wrong("spool", &path, e))?;
    }
    match &config.output {
        Output::Ipfix(wire) | Output::Netflow9(wire) => match &wire.target {
            Target::File(path) => file(path).map_err(|e| wrong("url", path, e)),
            Target::Udp(_) | Target::Tcp(_) | Target::Tls(_) => Ok(()),
        },
        Output::Json(json) => match &json.output {
            JsonOutput::File(lines) => {
                let path = lines.name.at(0, 0);
                file(&path).map_err(|e| wrong("file", &path, e))
            }
            _ => Ok(()),
        },
        Output::Parquet(parquet) => {
            parquet.folder().map_or(Ok(()), |path| folder(path).map_err(|e| wrong("folder", path, e)))
        }
        _ => Ok(()),
    }
}

fn wrong(key: &'static str, path: &Path, source: io::Error) -> Unwritable {
    Unwritable { key, path: path.to_owned(), source }
}

/// Checks that an existing file can be written, or that one can be created in its folder.
fn file(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(about) if about.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(about) if about.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        Ok(about) if about.file_type().is_socket() => {
            Err(io::Error::new(ErrorKind::InvalidInput, "it is a socket; write unix://PATH or unixgram://PATH"))
        }
        // Opening a device or a pipe may have side effects.
        Ok(_) => access(path, libc::W_OK),
        Err(e) if e.kind() == ErrorKind::NotFound => existing_folder(parent(path)),
        Err(e) => Err(e),
    }
}

/// Checks that an existing folder can be written, or that one can be created in the nearest existing folder above it.
fn folder(path: &Path) -> io::Result<()> {
    let mut path = path;
    loop {
        match existing_folder(path) {
            Err(e) if e.kind() == ErrorKind::NotFound && path != parent(path) => path = parent(path),
            other => return other,
        }
    }
}

/// An existing spool is read and appended to.
fn spool_files(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut own = files.filter(|path| path.is_file() && crate::spool::is_own_file(path));
    own.try_for_each(|path| match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(_) => Ok(()),
        Err(e) => Err((path, e)),
    })
}

fn existing_folder(path: &Path) -> io::Result<()> {
    if !path.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    match make_nameless(path) {
        // Not every file system supports files without a name.
        Err(e) if [Some(libc::EOPNOTSUPP), Some(libc::EISDIR), Some(libc::EINVAL)].contains(&e.raw_os_error()) => {
            access(path, libc::W_OK | libc::X_OK)
        }
        made => made,
    }
}

/// Creates a file in the folder that is invisible to others and removed at once.
fn make_nameless(folder: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(folder).map(drop)
}

/// The folder that contains a path; for a bare name, the working folder.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn access(path: &Path, mode: libc::c_int) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero byte and lives until the call returns. The effective user is the one who will write.
    let done = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_can_be_created_are_accepted_and_others_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (is, sub) = (dir.path().join("is"), dir.path().join("a/b/c"));
        fs::write(&is, "").unwrap();
        file(&is).unwrap();
        file(&dir.path().join("new")).unwrap();
        folder(&sub).unwrap();
        folder(dir.path()).unwrap();
        assert!(file(&sub).is_err() && file(dir.path()).is_err() && file(&is.join("below")).is_err());
        assert!(folder(&is).is_err() && folder(&is.join("below")).is_err());
        let turn = dir.path().join("turn");
        std::os::unix::fs::symlink(&turn, &turn).unwrap();
        assert!(file(&turn).is_err() && folder(&turn.join("x")).is_err());
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "nothing was made");
    }

    #[test]
    fn files_are_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flows.json");
        fs::write(&path, "x").unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        file(&path).unwrap();
        make_nameless(dir.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_alone_is_in_the_working_folder() {
        assert_eq!(parent(Path::new("x")), Path::new("."));
        assert_eq!((parent(Path::new("/")), parent(Path::new("/x"))), (Path::new("/"), Path::new("/")));
    }
}
