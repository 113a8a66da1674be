//! Names of the host's users: those of its passwd file, and those that systemd creates while a service runs
//! (`DynamicUser=`). Users of directories (such as LDAP, through NSS) are not looked up, because a thread with
//! capabilities must not load foreign code or contact a server. They have a number and no name.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pidflow_engine::fact::Fact;

use crate::host_files;

const PASSWD: &str = "etc/passwd";
/// Links named `direct:UID` lead to the name (systemd, `src/core/dynamic-user.c`).
const DYNAMIC: &str = "run/systemd/dynamic-uid";

/// The users, as they were read last.
#[derive(Debug, Default)]
pub(super) struct Users {
    root: PathBuf,
    known: Option<HashMap<u32, Arc<str>>>,
    stamps: [Option<Stamp>; 2],
}

/// Shows whether a file was written or replaced: device, inode, length, last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

impl From<Metadata> for Stamp {
    fn from(m: Metadata) -> Self {
        Self(m.dev(), m.ino(), m.len(), m.ctime(), m.ctime_nsec())
    }
}

impl Users {
    /// The users of the host whose files are below `root`; none is known yet.
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }

    /// All users, if they have changed since the last call. Costs two `stat` while nothing changes.
    pub(super) fn poll(&mut self) -> Option<Fact> {
        let stamps = [PASSWD, DYNAMIC].map(|file| fs::metadata(self.root.join(file)).ok().map(Stamp::from));
        if self.known.is_some() && stamps == self.stamps {
            return None;
        }
        self.stamps = stamps;
        let found = self.read();
        (self.known.as_ref() != Some(&found)).then(|| {
            self.known = Some(found.clone());
            Fact::Users(found)
        })
    }

    fn read(&self) -> HashMap<u32, Arc<str>> {
        let file = self.root.join(PASSWD);
        let passwd = host_files::read(&file).unwrap_or_else(|e| {
            tracing::warn!("cannot read {}: {e}; users have numbers but no names", file.display());
            String::new()
        });
        let mut users: HashMap<_, _> = dynamic_users(&self.root.join(DYNAMIC)).collect();
        let lines = passwd.lines().filter(|line| is_entry(line)).collect::<Vec<_>>().join("\n");
        // The first of two with the same number is the one that the C library finds.
        let mut named: Vec<_> = host_files::parse_lines("/etc/passwd", &lines, user).collect();
        named.reverse();
        users.extend(named);
        users
    }
}

/// Whether the line is an entry: not a comment or a reference to NIS.
fn is_entry(line: &str) -> bool {
    !line.starts_with(['#', '+', '-'])
}

fn user(line: &str) -> Option<(u32, Arc<str>)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    Some((fields.nth(1)?.parse().ok()?, name.into()))
}

fn dynamic_users(folder: &Path) -> impl Iterator<Item = (u32, Arc<str>)> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|link| {
        let uid = link.file_name().to_str()?.strip_prefix("direct:")?.parse().ok()?;
        Some((uid, fs::read_link(link.path()).ok()?.to_string_lossy().into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::create_dir_all(dir.path().join(DYNAMIC)).unwrap();
        dir
    }

    fn names(fact: Option<Fact>) -> Vec<(u32, String)> {
        let Some(Fact::Users(users)) = fact else { return Vec::new() };
        let mut names: Vec<_> = users.into_iter().map(|(uid, name)| (uid, name.to_string())).collect();
        names.sort();
        names
    }

    #[test]
    fn a_byte_that_is_not_utf8_affects_no_other_user() {
        let dir = host();
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\nm\xfcller:x:1000:1000:J\xfcrgen:/:\nanna:x:1001:1001:J\xfcrgen::\n";
        fs::write(dir.path().join(PASSWD), passwd).unwrap();
        let users = names(Users::below(dir.path()).poll());
        assert_eq!(users, [(0, "root".into()), (1000, "m\u{fffd}ller".into()), (1001, "anna".into())]);
    }

    #[test]
    fn lines_that_are_none_take_no_other_user() {
        let dir = host();
        let passwd =
            "# comment\n+::::::\n\nbroken\n:x:7:7:::\nbig:x:4294967296:0:::\nanna:x:1001:1:::\ntwin:x:1001:1:::\n";
        fs::write(dir.path().join(PASSWD), passwd).unwrap();
        let skipped = host_files::skipped();
        assert_eq!(names(Users::below(dir.path()).poll()), [(1001, "anna".into())]);
        assert!(host_files::skipped() >= skipped + 3);
    }

    #[test]
    fn odd_files_name_the_users_that_they_can() {
        for (passwd, expected) in [
            (b"anna:x:1:1:::".to_vec(), vec![(1, "anna".into())]),
            (b"anna:x:1:1:::\r\nbob:x:2\r\n".to_vec(), vec![(1, "anna".into()), (2, "bob".into())]),
            (
                b"\xef\xbb\xbfanna:x:1:1:::\nbob:x:2:2:::\n".to_vec(),
                vec![(1, "\u{feff}anna".into()), (2, "bob".into())],
            ),
            (b"\0\0\0:x:1:1\n\0\nbob:x:2:2:::\n".to_vec(), vec![(1, "\0\0\0".into()), (2, "bob".into())]),
            (
                b"a:x:+1:1:::\nb:x: 2:2:::\nc:x:-3:3:::\nd:x:0x4:4:::\ne:x::5:::\nbob:x:2:2".to_vec(),
                vec![(1, "a".into()), (2, "bob".into())],
            ),
        ] {
            let dir = host();
            fs::write(dir.path().join(PASSWD), &passwd).unwrap();
            assert_eq!(names(Users::below(dir.path()).poll()), expected);
        }
        let dir = host();
        fs::create_dir(dir.path().join(PASSWD)).unwrap();
        assert_eq!(Users::below(dir.path()).poll(), Some(Fact::Users(HashMap::new())));
    }

    #[test]
    fn the_file_is_read_when_it_has_changed() {
        let dir = host();
        let mut users = Users::below(dir.path());
        assert_eq!(users.poll(), Some(Fact::Users(HashMap::new())), "there is none");
        assert_eq!(users.poll(), None);
        fs::write(dir.path().join(PASSWD), "anna:x:1:1:::\n").unwrap();
        assert_eq!(names(users.poll()), [(1, "anna".into())]);
        assert_eq!(users.poll(), None);
        // As useradd(8) and vipw(8) do.
        fs::write(dir.path().join("etc/passwd+"), "otto:x:1:1:::\n").unwrap();
        fs::rename(dir.path().join("etc/passwd+"), dir.path().join(PASSWD)).unwrap();
        assert_eq!(names(users.poll()), [(1, "otto".into())]);
    }

    #[test]
    fn users_of_systemd_services_have_names() {
        let dir = host();
        let folder = dir.path().join(DYNAMIC);
        fs::write(dir.path().join(PASSWD), "root:x:0:0:::\n").unwrap();
        for (link, to) in [("direct:61184", "fwupd"), ("direct:fwupd", "61184"), ("direct:x", "y")] {
            std::os::unix::fs::symlink(to, folder.join(link)).unwrap();
        }
        fs::write(folder.join("61184"), "fwupd\n").unwrap();
        assert_eq!(names(Users::below(dir.path()).poll()), [(0, "root".into()), (61184, "fwupd".into())]);
    }
}
