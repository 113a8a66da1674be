//! The baseline: the destinations of a run, without what differs from run to run.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::traffic::Key;
use crate::select::protocol_name;

/// The version of the file.
const VERSION: u32 = 1;

/// A destination in the baseline and in reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name that was asked for, otherwise the address.
    pub(crate) destination: Arc<str>,
    /// Port; none: the protocol has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Protocol.
    pub(crate) protocol: String,
    /// The program.
    pub(crate) program: Arc<str>,
}

impl Entry {
    pub(super) fn of(key: &Key) -> Self {
        Self {
            destination: Arc::clone(&key.host),
            port: (key.port != 0).then_some(key.port),
            protocol: protocol_name(key.protocol),
            program: Arc::clone(&key.program),
        }
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    version: u32,
    destinations: BTreeSet<Entry>,
}

impl Baseline {
    /// A baseline of these destinations.
    pub(crate) fn new(destinations: impl IntoIterator<Item = Entry>) -> Self {
        Self { version: VERSION, destinations: destinations.into_iter().collect() }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is not a baseline of this version.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        match baseline.version {
            VERSION => Ok(baseline),
            other => Err(format!("its version is {other}, this program reads version {VERSION}")),
        }
    }

    /// The text of the file: sorted, a line for each key.
    pub(crate) fn text(&self) -> String {
        // Only a map whose keys are no text cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Those that are not in the baseline.
    pub(crate) fn new_among(&self, destinations: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
        let new: BTreeSet<_> = destinations.into_iter().filter(|entry| !self.destinations.contains(entry)).collect();
        new.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(destination: &str, port: u16) -> Entry {
        let port = (port != 0).then_some(port);
        Entry { destination: destination.into(), port, protocol: "tcp".into(), program: "curl".into() }
    }

    #[test]
    fn a_file_is_sorted_and_read_again() {
        let written = Baseline::new([entry("b", 2), entry("a", 10), entry("a", 9), entry("b", 2), entry("c", 0)]);
        let text = written.text();
        assert_eq!(Baseline::parse(&text).unwrap(), written);
        let order: Vec<_> = text.lines().filter(|l| l.contains("destination\"")).map(str::trim).collect();
        assert_eq!(order.len(), 4, "{text}");
        assert!(order.is_sorted(), "{text}");
        assert_eq!(text, Baseline::new([entry("c", 0), entry("a", 9), entry("b", 2), entry("a", 10)]).text());
    }

    #[test]
    fn only_what_is_not_in_the_file_is_new() {
        let known = Baseline::new([entry("a", 1), entry("b", 2)]);
        assert!(known.new_among([entry("b", 2), entry("a", 1)]).is_empty());
        let other_program = Entry { program: "wget".into(), ..entry("a", 1) };
        let other_protocol = Entry { protocol: "udp".into(), ..entry("a", 1) };
        let new = known.new_among([entry("b", 3), other_program.clone(), entry("a", 1), other_protocol.clone()]);
        assert_eq!(new, [other_program, other_protocol, entry("b", 3)]);
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        for text in ["", "{}", "[]", "{\"version\": 1}", "{\"version\":1,\"destinations\":[{}]}", "\0"] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
        let e = Baseline::parse("{\"version\":2,\"destinations\":[]}").unwrap_err();
        assert!(e.contains("version is 2"), "{e}");
        let extra = "{\"version\":1,\"destinations\":[],\"more\":1}";
        assert!(Baseline::parse(extra).unwrap_err().contains("more"));
    }
}
