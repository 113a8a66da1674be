//! The paths that exporters write on this host, for the code that restricts them.

use std::path::PathBuf;

use super::{ExporterConfig, JsonOutput, Output, Target};

impl ExporterConfig {
    /// The file that it writes (one of them, if the names contain the time) and the folder of its spool. They need not
    /// exist yet.
    #[must_use]
    pub fn written(&self) -> Vec<PathBuf> {
        let spool = self.delivery.spool.as_ref().map(|spool| spool.folder.clone());
        self.written_file().into_iter().chain(spool).collect()
    }

    /// The file that it writes; one of them, if the names contain the time.
    #[must_use]
    pub fn written_file(&self) -> Option<PathBuf> {
        self.output.written()
    }
}

impl Output {
    fn written(&self) -> Option<PathBuf> {
        match self {
            Self::Ipfix(wire) | Self::Netflow9(wire) => match &wire.target {
                Target::File(path) => Some(path.clone()),
                Target::Udp(_) | Target::Tcp(_) | Target::Tls(_) => None,
            },
            Self::Json(json) => match &json.output {
                JsonOutput::File(file) => Some(file.name.at(0, 0)),
                _ => None,
            },
            // One name of many, in whose folder partitions are made.
            Self::Parquet(parquet) => parquet.folder().map(|folder| folder.join("date=")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::json::JsonKeys;

    #[test]
    fn files_and_spools_are_written() {
        let json = |to: &str| ExporterConfig::json(to, JsonKeys::Names).unwrap().written();
        assert_eq!(json("/a/flows-%Y.json"), [Path::new("/a/flows-1970.json")]);
        assert!(json("-").is_empty() && json("unix:///run/x").is_empty());
        let collector = |url: &str| ExporterConfig::collector(url, super::super::WireVersion::Ipfix).unwrap().written();
        assert_eq!(collector("file:/a/b"), [Path::new("/a/b")]);
        assert!(collector("udp://127.0.0.1:1").is_empty());
        assert_eq!(ExporterConfig::parquet("/a/b").unwrap().written(), [Path::new("/a/b/date=")]);
        let kafka = "kind = \"nats\"\nurl = \"nats://127.0.0.1\"\nsubject = \"s\"\nspool = \"/var/spool/x\"";
        let spooled: ExporterConfig = toml::from_str(kafka).unwrap();
        assert_eq!(spooled.written(), [Path::new("/var/spool/x")]);
    }
}
