//! Files that a configuration names, such as certificates and tokens. They are read when the agent starts and again while it
//! runs, so none may keep it waiting, as a pipe does, or fill its memory, as a device does.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Longest file, bytes: the certificates of all known authorities are a tenth of that.
const MAX_BYTES: u64 = 4 << 20;

/// Opens a regular file to be read.
///
/// # Errors
/// It cannot be opened, or it is a pipe, a device, a socket or a folder.
pub fn open(path: &Path) -> io::Result<File> {
    // Without a writer a pipe would not be opened.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()? {
        about if about.is_file() => Ok(file),
        about if about.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(Error::new(ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// The bytes of a regular file of at most 4 MiB.
///
/// # Errors
/// As [`open`]; it cannot be read, or is longer.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_or_never_begins_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let socket = dir.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&*pipe, &socket, dir.path(), Path::new("/dev/zero"), Path::new("/dev/full"), Path::new("/no/such")]
        {
            read(path).unwrap_err();
        }
    }

    #[test]
    fn a_file_has_a_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_BYTES).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, MAX_BYTES);
        file.as_file().set_len(MAX_BYTES + 1).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("longer than"));
    }
}
