//! The user who invoked the agent through sudo(8), as whom the command runs.

use std::ffi::{CString, OsStr};
use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, User, getgrouplist, getgroups, setfsgid, setfsuid, setgid, setgroups, setuid};
use rustix::thread::set_thread_groups;

/// Variables with which sudo describes its caller. The command does not see them, as if it had been run by hand.
const OF_SUDO: [&str; 7] =
    ["SUDO_COMMAND", "SUDO_GID", "SUDO_HOME", "SUDO_PROMPT", "SUDO_TTY", "SUDO_UID", "SUDO_USER"];

/// The invoking user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invoker {
    uid: Uid,
    gid: Gid,
}

impl Invoker {
    /// Reads `SUDO_UID` and `SUDO_GID` if this process is root's. None: it was not started through sudo, or by root.
    ///
    /// # Errors
    /// A variable is not a number. The command does not run then, because it would run as root.
    pub(super) fn find(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Option<Self>> {
        let Some(uid) = variable("SUDO_UID").filter(|_| Uid::effective().is_root()) else { return Ok(None) };
        let uid = Uid::from_raw(number("SUDO_UID", &uid)?);
        let gid = variable("SUDO_GID").context("SUDO_UID is set, but SUDO_GID is not; unset both to run as root")?;
        let gid = Gid::from_raw(number("SUDO_GID", &gid)?);
        Ok((!uid.is_root()).then_some(Self { uid, gid }))
    }

    /// Becomes that user with all its groups, permanently, and gives the command the user's environment.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn enter(&self, command: &mut Command) -> Result<()> {
        let user = self.user();
        setgroups(&self.groups(user.as_ref())).context("setgroups")?;
        setgid(self.gid).context("setgid")?;
        setuid(self.uid).context("setuid")?;
        for name in OF_SUDO {
            command.env_remove(name);
        }
        if let Some(user) = user {
            // sudo sets MAIL to root's.
            command.env_remove("MAIL").env("USER", &user.name).env("LOGNAME", &user.name);
            command.env("HOME", &user.dir).env("SHELL", &user.shell);
        }
        Ok(())
    }

    /// Opens files with the rights of that user and its groups alone, where there is one; they then belong to it. Only this
    /// thread is affected: the C library would change the groups of all, and ends the program if one of them may not.
    ///
    /// # Errors
    /// The kernel refuses to change groups.
    pub(super) fn while_opening<T>(invoker: Option<&Self>, open: impl FnOnce() -> T) -> Result<T> {
        let Some(invoker) = invoker else { return Ok(open()) };
        let own_groups = getgroups().context("getgroups")?;
        set_groups_of_thread(&invoker.groups(invoker.user().as_ref()))?;
        let (own_gid, own_uid) = (setfsgid(invoker.gid), setfsuid(invoker.uid));
        let opened = open();
        setfsuid(own_uid);
        setfsgid(own_gid);
        set_groups_of_thread(&own_groups)?;
        Ok(opened)
    }

    fn user(&self) -> Option<User> {
        User::from_uid(self.uid).ok().flatten()
    }

    /// Without an entry in the database of users there are no further groups.
    fn groups(&self, user: Option<&User>) -> Vec<Gid> {
        user.and_then(|user| groups(&user.name, self.gid)).unwrap_or_else(|| vec![self.gid])
    }
}

fn set_groups_of_thread(groups: &[Gid]) -> Result<()> {
    let groups: Vec<_> = groups.iter().map(|gid| rustix::process::Gid::from_raw(gid.as_raw())).collect();
    set_thread_groups(&groups).context("setgroups")
}

fn groups(name: &str, gid: Gid) -> Option<Vec<Gid>> {
    getgrouplist(&CString::new(name).ok()?, gid).ok()
}

fn number(name: &str, text: &OsStr) -> Result<u32> {
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|n| *n != u32::MAX);
    number.with_context(|| format!("{name} is not a user or group id: {text:?}"))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Result<Option<Invoker>> {
        Invoker::find(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_user_behind_sudo_is_found() {
        if !Uid::effective().is_root() {
            pidflow_skip::skip("the_user_behind_sudo_is_found", "needs root");
            return;
        }
        let user = Invoker { uid: Uid::from_raw(1000), gid: Gid::from_raw(100) };
        assert_eq!(found(&[("SUDO_UID", "1000"), ("SUDO_GID", "100")]).unwrap(), Some(user));
        assert_eq!(found(&[("SUDO_UID", "0"), ("SUDO_GID", "0")]).unwrap(), None);
        assert_eq!(found(&[]).unwrap(), None);
        for wrong in ["", "-1", "4294967295", "x", "1000x"] {
            assert!(found(&[("SUDO_UID", wrong), ("SUDO_GID", "100")]).is_err(), "{wrong}");
            assert!(found(&[("SUDO_UID", "1000"), ("SUDO_GID", wrong)]).is_err(), "{wrong}");
        }
        assert!(found(&[("SUDO_UID", "1000")]).is_err());
    }

    #[test]
    fn files_are_opened_without_the_groups_of_root() {
        if !Uid::effective().is_root() {
            pidflow_skip::skip("files_are_opened_without_the_groups_of_root", "needs root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let user = Invoker { uid: Uid::from_raw(64_123), gid: Gid::from_raw(64_124) };
        let open = |invoker, mode, gid| {
            let path = folder.path().join(format!("{mode:o}-{gid}"));
            std::fs::write(&path, "").unwrap();
            std::os::unix::fs::chown(&path, Some(0), Some(gid)).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Invoker::while_opening(invoker, || File::options().write(true).open(&path)).unwrap().is_ok()
        };
        let own = getgroups().unwrap();
        // As sudo leaves them.
        set_groups_of_thread(&[Gid::from_raw(0)]).unwrap();
        assert_eq!([open(Some(&user), 0o660, 0), open(Some(&user), 0o660, 64_124)], [false, true]);
        assert_eq!(
            [open(Some(&user), 0o600, 0), open(Some(&user), 0o666, 0), open(None, 0o600, 0)],
            [false, true, true]
        );
        assert_eq!(getgroups().unwrap(), [Gid::from_raw(0)], "they are put back");
        set_groups_of_thread(&own).unwrap();
    }
}
