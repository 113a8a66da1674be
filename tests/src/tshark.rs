//! What tshark says of a capture, for comparisons.

use std::path::Path;
use std::process::Command;

/// Whether it is not installed.
#[must_use]
pub fn is_missing() -> bool {
    Command::new("tshark").arg("-v").output().is_err()
}

/// Values of fields, a row for each packet.
#[derive(Debug)]
pub struct Table(String);

impl Table {
    /// The rows, each with the values in the order of the fields; those of several occurrences are separated by `;`.
    pub fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        self.0.lines().map(|line| line.split('\t').collect())
    }
}

/// The values of these fields in the packets of the capture. Options are those of tshark, such as `-Y` with a filter.
///
/// # Panics
/// tshark cannot be started.
#[must_use]
#[expect(clippy::unwrap_used, reason = "without it the test ends")]
pub fn fields<'a>(capture: &Path, options: &[&str], fields: impl IntoIterator<Item = &'a str>) -> Table {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(capture).args(["-T", "fields", "-E", "aggregator=;"]).args(options);
    fields.into_iter().for_each(|field| _ = command.args(["-e", field]));
    Table(String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned())
}
