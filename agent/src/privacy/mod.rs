//! Decides what is kept of personal data and secrets. It is decided once, where facts about processes are made, so that
//! no later stage (tables, records, exporters, HTTP) contains what must not be kept.

mod cut;
mod key;
mod mask;
mod unit;
mod url;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use key::Key;
use pidflow_schema::Placement;
pub(crate) use url::mask_url;

/// Bytes kept of each command line by default.
pub const MAX_COMMAND_LINE: usize = 4096;
/// Number of bytes read beyond those that are kept, because masking makes text shorter.
const READ_AHEAD: usize = 4096;
/// The user id for a user that is not kept.
const UNKNOWN_UID: u32 = pidflow_schema::Process::UNKNOWN_UID;

/// How to handle command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommandLines {
    /// They are not kept.
    Off,
    /// Secrets in them are masked.
    #[default]
    Masked,
    /// They are kept as they are.
    Full,
    /// A keyed hash is kept.
    Hash,
}

/// How to handle a user, or the path of an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// It is kept.
    #[default]
    Keep,
    /// Of a path the last part is kept; a user is kept.
    Name,
    /// It is not kept.
    Omit,
    /// A keyed hash is kept.
    Hash,
}

/// What is kept, and how.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Command lines.
    pub command_lines: CommandLines,
    /// Maximum number of bytes kept of each command line.
    pub max_command_line: usize,
    /// Users: number and name.
    pub users: Rule,
    /// Paths of executables.
    pub executables: Rule,
    /// Whether environments are read, for the service that they name.
    pub service_names: bool,
    key: Key,
}

impl Privacy {
    /// Uses the key in the file, or, without a file, a random key that exists only while the agent runs.
    ///
    /// # Errors
    /// The file cannot be read, is readable by others, or is too short; or the system has no random numbers.
    pub fn new(key_file: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self {
            command_lines: CommandLines::default(),
            max_command_line: MAX_COMMAND_LINE,
            users: Rule::default(),
            executables: Rule::default(),
            service_names: false,
            key: key_file.map_or_else(Key::random, Key::read)?,
        })
    }

    /// Maximum number of bytes to read of a command line.
    pub(crate) const fn readable(&self) -> usize {
        self.max_command_line.saturating_add(READ_AHEAD)
    }

    /// What is kept of arguments, each of which ends with a zero byte. `is_cut`: there are more that were not read.
    #[must_use]
    pub fn command_line(&self, arguments: &[u8], is_cut: bool) -> Box<str> {
        let read = arguments.get(..self.readable()).unwrap_or(arguments);
        let is_cut = is_cut || read.len() < arguments.len();
        let end = read.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        let read = read.get(..end).unwrap_or_default();
        if read.is_empty() {
            return "".into();
        }
        let kept = match self.command_lines {
            CommandLines::Off => return "".into(),
            CommandLines::Hash => return self.key.hash(read).into(),
            CommandLines::Full => full(read),
            CommandLines::Masked => masked(read, is_cut),
        };
        cut::bounded(kept, self.max_command_line, is_cut).into_boxed_str()
    }

    /// What is kept of the path of an executable.
    pub(crate) fn executable(&self, path: &str) -> Box<str> {
        match self.executables {
            Rule::Keep => path.into(),
            Rule::Name => path.rsplit('/').next().unwrap_or_default().into(),
            Rule::Omit => "".into(),
            Rule::Hash if path.is_empty() => "".into(),
            Rule::Hash => self.key.hash(path.as_bytes()).into(),
        }
    }

    /// What is kept of a user's number: with [`Rule::Hash`] another number, the same for the same user.
    pub(crate) fn uid(&self, uid: u32) -> u32 {
        match self.users {
            Rule::Keep | Rule::Name => uid,
            Rule::Omit => UNKNOWN_UID,
            Rule::Hash => self.key.number(&uid.to_ne_bytes()),
        }
    }

    /// As [`Privacy::uid`]; none: it is not kept.
    pub(crate) fn known_uid(&self, uid: u32) -> Option<u32> {
        pidflow_schema::Process::known_uid(self.uid(uid))
    }

    /// What is kept of a process's container and units: systemd's own units of a user have the user's number in their names.
    pub(crate) fn placement(&self, mut placement: Placement) -> Placement {
        if matches!(self.users, Rule::Omit | Rule::Hash) {
            for name in [&mut placement.unit, &mut placement.user_unit, &mut placement.slice] {
                if let Some(kept) = unit::with_user(name, |uid| self.known_uid(uid)) {
                    *name = kept.into();
                }
            }
        }
        placement
    }

    /// What is kept of the names of users, by the numbers that are kept of them.
    pub(crate) fn users(&self, names: HashMap<u32, Arc<str>>) -> HashMap<u32, Arc<str>> {
        match self.users {
            Rule::Keep | Rule::Name => names,
            Rule::Omit => [(UNKNOWN_UID, "".into())].into(),
            Rule::Hash => {
                let hashed = |(uid, name): (u32, Arc<str>)| (self.uid(uid), self.key.hash(name.as_bytes()).into());
                names.into_iter().map(hashed).collect()
            }
        }
    }
}

/// The arguments that are not empty, joined by blanks.
fn full(arguments: &[u8]) -> String {
    let arguments = arguments.split(|b| *b == 0).filter(|a| !a.is_empty());
    String::from_utf8_lossy(&arguments.collect::<Vec<_>>().join(&b' ')).into_owned()
}

/// Masked arguments that are not empty, joined by blanks. A multi-byte character that was cut in two is replaced.
fn masked(arguments: &[u8], is_cut: bool) -> String {
    let texts: Vec<Cow<'_, str>> = arguments.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    let mut words: Vec<&str> = texts.iter().map(|t| &**t).collect();
    if let Some(last) = words.last_mut().filter(|_| is_cut) {
        *last = cut::without_tail(last);
    }
    let masked = mask::mask_arguments(&words);
    masked.iter().map(|m| &**m).filter(|m| !m.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
