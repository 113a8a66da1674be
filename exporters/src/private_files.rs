//! Creates files and folders that only their owner may read, because they contain command lines and addresses.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::config::FileMode;

/// Permission bits of a new file, unless its exporter says otherwise.
const FILE_MODE: u32 = 0o600;
/// Permission bits of a new folder.
const FOLDER_MODE: u32 = 0o700;

/// Creates the file, which must not exist, for appending. A requested mode is set regardless of the umask.
pub(crate) fn create_new(path: &Path, mode: Option<FileMode>) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)?;
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode.bits()))?;
    }
    Ok(file)
}

/// Opens the file for appending, and creates it if it is missing. An existing file keeps its mode.
pub(crate) fn append(path: &Path, mode: Option<FileMode>) -> io::Result<File> {
    match create_new(path, mode) {
        // A dangling link exists too.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            // A pipe that nobody reads, which may have been created meanwhile, is an error; opening it must not block.
            let mode = mode.map_or(FILE_MODE, FileMode::bits);
            OpenOptions::new().append(true).create(true).mode(mode).custom_flags(libc::O_NONBLOCK).open(path)
        }
        made => made,
    }
}

/// Opens the file for reading and writing in place, and creates it if it is missing.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(FILE_MODE).open(path)
}

/// Makes the folder and those that it is in. One that exists keeps its mode; false: it exists.
pub(crate) fn create_folder(path: &Path) -> io::Result<bool> {
    if fs::metadata(path).is_ok_and(|m| m.is_dir()) {
        return Ok(false);
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map(|()| true)
}

/// Makes the folder and those that it is in for files of that mode: those who may read the files may enter it, regardless of the
/// umask.
#[cfg(feature = "parquet")]
pub(crate) fn create_folder_for(path: &Path, files: Option<FileMode>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|m| m.is_dir()) {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_folder_for(above, files)?;
    }
    create_folder(path)?;
    let Some(mode) = files else { return Ok(()) };
    let readers = mode.bits() & 0o444;
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE | readers | readers >> 2))
}
