//! Where files are created: in a folder, or in memory until they are stored in S3.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{FileMode, ParquetConfig, ParquetTarget};
use crate::private_files;
use crate::sink::{Link, Loss, Parts, StartError};

use super::leftovers;
use super::part_file::PartFile;
#[cfg(feature = "parquet-s3")]
use super::s3::S3;

/// The place of all files of an exporter.
pub(super) enum Store {
    Folder {
        folder: PathBuf,
        mode: Option<FileMode>,
    },
    #[cfg(feature = "parquet-s3")]
    S3(Box<S3>),
}

/// The name of a file.
pub(super) struct FileKey {
    /// `date=…/hour=…`.
    pub(super) partition: String,
    /// The rest, without its end.
    pub(super) stem: String,
}

/// A file that is not complete.
pub(super) enum Unfinished {
    File(PartFile),
    #[cfg(feature = "parquet-s3")]
    Object(Vec<u8>),
}

/// Why a complete file did not get its name.
pub(super) struct NotStored {
    pub(super) why: Loss,
    /// None: it has been told.
    pub(super) error: Option<io::Error>,
}

impl Store {
    /// Creates the folder, and removes incomplete files of an agent that was killed. Connects to nothing.
    ///
    /// # Errors
    /// The folder cannot be created or read; the store's address or certificates are wrong; this build has no S3.
    pub(super) fn open(config: &ParquetConfig, parts: &Parts<'_>) -> Result<Self, StartError> {
        match &config.to {
            ParquetTarget::Folder { folder, mode } => {
                let error = |source| StartError::Write {
                    exporter: parts.config.name(),
                    key: "folder",
                    path: folder.clone(),
                    source,
                };
                prepare(folder, *mode).map_err(error)?;
                Ok(Self::Folder { folder: folder.clone(), mode: *mode })
            }
            ParquetTarget::S3(_) => Self::open_s3(config, parts),
        }
    }

    #[cfg(feature = "parquet-s3")]
    fn open_s3(config: &ParquetConfig, parts: &Parts<'_>) -> Result<Self, StartError> {
        let ParquetTarget::S3(s3) = &config.to else { return Err(parts.not_built("parquet")) };
        S3::new(s3).map(|s3| Self::S3(Box::new(s3))).map_err(|reason| parts.error(reason))
    }

    #[cfg(not(feature = "parquet-s3"))]
    fn open_s3(_: &ParquetConfig, parts: &Parts<'_>) -> Result<Self, StartError> {
        Err(parts.not_built("parquet-s3"))
    }

    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be created.
    pub(super) fn create(&self, key: &FileKey) -> io::Result<Unfinished> {
        match self {
            Self::Folder { folder, mode } => {
                PartFile::create(&folder.join(&key.partition), &key.stem, *mode).map(Unfinished::File)
            }
            #[cfg(feature = "parquet-s3")]
            Self::S3(_) => Ok(Unfinished::Object(Vec::new())),
        }
    }

    /// Gives a complete file its name. Returns its size in bytes.
    ///
    /// # Errors
    /// It is not there then.
    pub(super) fn finish(&self, file: Unfinished, key: &FileKey, link: &mut Link) -> Result<u64, NotStored> {
        tracing::debug!("{}/{}.parquet is complete", key.partition, key.stem);
        let write_failed = |e| NotStored { why: Loss::WriteFailed, error: Some(e) };
        match (self, file) {
            (_, Unfinished::File(file)) => {
                let octets = file.finish().map_err(write_failed)?;
                link.notice.worked();
                Ok(octets)
            }
            #[cfg(feature = "parquet-s3")]
            (Self::S3(s3), Unfinished::Object(octets)) => {
                let name = format!("{}/{}.parquet", key.partition, key.stem);
                s3.store(&name, &octets, link).map_err(|why| NotStored { why, error: None })
            }
            #[cfg(feature = "parquet-s3")]
            (Self::Folder { .. }, Unfinished::Object(_)) => Err(write_failed(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl Write for Unfinished {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(octets),
            #[cfg(feature = "parquet-s3")]
            Self::Object(all) => all.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            #[cfg(feature = "parquet-s3")]
            Self::Object(_) => Ok(()),
        }
    }
}

fn prepare(folder: &PathBuf, mode: Option<FileMode>) -> io::Result<()> {
    private_files::create_folder_for(folder, mode)?;
    fs::read_dir(folder)?;
    let left = leftovers::remove(folder)?;
    if left > 0 {
        tracing::info!("{}: removed {left} incomplete files of an agent that was killed", folder.display());
    }
    Ok(())
}
