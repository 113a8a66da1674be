//! The user who logged in to start a process, as recorded by the kernel's audit (pam_loginuid(8)). sudo and su do not
//! change it.

use pidflow_schema::Login;
use procfs::process::Process;

use super::process_file::read;
use crate::privacy::Privacy;

/// `AUDIT_UID_UNSET` and `AUDIT_SID_UNSET` of `include/linux/audit.h`, `uapi/linux/audit.h`.
const UNSET: u32 = u32::MAX;
/// The greatest length of the file, bytes: the digits of a number.
const MAX_FILE: usize = 16;

/// None: nobody logged in, the kernel has no audit, or users are omitted.
pub(super) fn of(p: &Process, privacy: &Privacy) -> Option<Login> {
    let uid = number(read(p, "loginuid", MAX_FILE)?)?;
    // Not read for services, for which nobody has logged in.
    let session = number(read(p, "sessionid", MAX_FILE)?)?;
    Some(Login { uid: privacy.known_uid(uid)?, session })
}

/// None: it is not set, or no number.
fn number(file: Vec<u8>) -> Option<u32> {
    std::str::from_utf8(&file).ok()?.trim_end().parse().ok().filter(|n| *n != UNSET)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use pidflow_skip::{skip, without_root};

    use super::*;
    use crate::privacy::Rule;

    #[test]
    fn a_number_that_is_not_set_is_none() {
        for (file, wanted) in
            [("1000", Some(1000)), ("0\n", Some(0)), ("4294967295", None), ("-1", None), ("", None), ("x", None)]
        {
            assert_eq!(number(file.into()), wanted, "{file:?}");
        }
    }

    /// A shell that logs in as user 1234, and what it starts as another one.
    #[test]
    fn the_login_stays_when_the_user_changes() {
        if without_root("the_login_stays_when_the_user_changes") {
            return;
        }
        if !std::path::Path::new("/proc/self/loginuid").exists() {
            skip("the_login_stays_when_the_user_changes", "the kernel has no audit");
            return;
        }
        let login = logged_in("exec setpriv --reuid 77 sleep 60", &Privacy::new(None).unwrap()).unwrap();
        assert_eq!(login.uid, 1234);
        assert_ne!(login.session, UNSET);
        let mut privacy = Privacy::new(None).unwrap();
        privacy.users = Rule::Omit;
        assert_eq!(logged_in("exec sleep 60", &privacy), None);
        privacy.users = Rule::Hash;
        assert_eq!(logged_in("exec sleep 60", &privacy).map(|l| l.uid), Some(privacy.uid(1234)));
    }

    fn logged_in(command: &str, privacy: &Privacy) -> Option<Login> {
        let script = format!("echo 1234 > /proc/self/loginuid || exit 1; {command}");
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let login = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let p = Process::new(child.id() as i32).ok()?;
            p.stat().ok().filter(|s| s.comm == "sleep").map(|_| of(&p, privacy))
        });
        child.kill().ok();
        child.wait().unwrap();
        login.flatten()
    }
}
