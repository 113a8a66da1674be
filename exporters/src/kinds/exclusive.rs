//! Resources that only one exporter at a time can own.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use crate::config::{ExporterConfig, JsonOutput, Output, Target};

use crate::sink::StartError;

/// A resource. An exporter that needs the resource of another one starts after that one has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exclusive {
    /// The folder of a spool.
    Spool(PathBuf),
    /// A socket that listens there.
    Listener(String),
    /// A file that is written.
    File(String),
}

impl Display for Exclusive {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool(folder) => write!(f, "`spool`: {}", folder.display()),
            Self::Listener(at) | Self::File(at) => f.write_str(at),
        }
    }
}

impl Exclusive {
    /// Checks that no exporter in `before` owns a resource that `config` needs.
    ///
    /// # Errors
    /// One of them does.
    pub(crate) fn check(config: &ExporterConfig, before: &[ExporterConfig]) -> Result<(), StartError> {
        let Some(own) = Self::of(config) else { return Ok(()) };
        let Some(other) = before.iter().find(|c| Self::of(c).as_ref() == Some(&own)) else { return Ok(()) };
        let reason = format!("{own} is also used by {}; each exporter needs its own", other.name());
        Err(StartError::Client { exporter: config.name(), reason })
    }

    /// Checks that no two exporters need the same resource.
    ///
    /// # Errors
    /// The error of the first one that does.
    pub(crate) fn check_all(configs: &[ExporterConfig]) -> Result<(), StartError> {
        let before = |place| configs.get(..place).unwrap_or_default();
        configs.iter().enumerate().try_for_each(|(place, config)| Self::check(config, before(place)))
    }

    /// The resources that an exporter of that configuration must own.
    pub(crate) fn of(config: &ExporterConfig) -> Option<Self> {
        let spool = config.delivery.spool.as_ref().filter(|_| config.output.is_reliable());
        spool.map(|s| Self::Spool(real(&s.folder))).or_else(|| Self::of_output(&config.output))
    }

    /// The resource that the output must own, and that cannot be opened while another exporter owns it.
    pub(crate) fn of_output(output: &Output) -> Option<Self> {
        match output {
            Output::Zmq(zmq) if !zmq.connect => Some(Self::Listener(zmq.url())),
            Output::Ipfix(wire) | Output::Netflow9(wire) => match &wire.target {
                Target::File(path) => Some(Self::File(real(path).display().to_string())),
                _ => None,
            },
            Output::Json(json) => match &json.output {
                JsonOutput::File(file) => {
                    Some(Self::File(real(Path::new(&file.name.to_string())).display().to_string()))
                }
                _ => None,
            },
            Output::Parquet(parquet) => parquet.folder().map(|folder| Self::File(real(folder).display().to_string())),
            _ => None,
        }
    }
}

/// The same for every way to write a path: by links, `.`, `..` and from the working folder. What is not there yet is named by
/// the folder that it will be in.
fn real(path: &Path) -> PathBuf {
    let in_folder = || {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(parent.canonicalize().ok()?.join(path.file_name()?))
    };
    let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        std::fs::create_dir(at.join("a")).unwrap();
        std::fs::write(at.join("is"), "").unwrap();
        std::os::unix::fs::symlink("is", at.join("link")).unwrap();
        std::os::unix::fs::symlink("a", at.join("b")).unwrap();
        for (written, meant) in [
            ("./is", "is"),
            ("a/../is", "is"),
            ("link", "is"),
            ("a/../new-%Y", "new-%Y"),
            (".//new", "new"),
            ("b", "a"),
            ("b/", "a"),
            ("b/new", "a/new"),
            ("none/new", "none/new"),
        ] {
            assert_eq!(real(&at.join(written)), at.join(meant), "{written}");
        }
        assert_eq!(real(Path::new("new")), std::env::current_dir().unwrap().canonicalize().unwrap().join("new"));
        assert_eq!(real(Path::new("-")).file_name().unwrap(), "-");
    }
}
