//! landlock(7): the folders below which a thread may read and write. Kernels before 5.13, and those without Landlock
//! enabled, restrict nothing.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, path_beneath_rules,
};

/// Which files a thread may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// All files that its user and its capabilities allow. Landlock would also hide other processes in /proc.
    Any,
    /// It reads the system's folders ([`SYSTEM`]) and writes nothing.
    System,
    /// It reads the system's folders, and the configured folder with credentials.
    Credentials,
    /// It reads the system's folders, and executes this program.
    Programs,
    /// It reads the system's folders, and writes below the folders of the configured outputs.
    Outputs,
}

impl Files {
    /// Its name in documentation and `pidflow doctor`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::System => "system, read only",
            Self::Credentials => "system and credentials, read only",
            Self::Programs => "system, read only; this program",
            Self::Outputs => "system, read only; outputs",
        }
    }
}

/// Folders that libraries read: name resolution, certificates, time zones, the C library itself. /run contains
/// systemd's resolver.
const SYSTEM: &[&str] =
    &["/etc", "/usr", "/lib", "/lib64", "/opt", "/nix", "/gnu", "/sys", "/proc", "/dev", "/run", "/var/run"];

/// Variables that select another folder of certificates (OpenSSL, rustls-native-certs).
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// This program's file, also where it was replaced since, and the folders of the dynamic loader, which the kernel executes
/// with it.
const THIS_PROGRAM: &[&str] = &["/proc/self/exe", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix", "/gnu"];

/// Files that every thread may write.
const NULL: &str = "/dev/null";

/// The Landlock version whose rights are used; older kernels support fewer. Later versions also restrict connections to
/// Unix sockets, which outputs may be.
const RIGHTS: ABI = ABI::V5;

/// Restricts this thread and those that it starts, permanently. `paths` are files and folders that it also writes, which need
/// not exist yet, or reads.
///
/// # Errors
/// The kernel supports Landlock but refuses the rules.
pub(super) fn restrict(to: Files, paths: &[PathBuf]) -> Result<(), RulesetError> {
    match to {
        Files::Any => Ok(()),
        Files::System => apply(&[], &[], &[]).map(drop),
        Files::Credentials => apply(paths, &[], &[]).map(drop),
        Files::Programs => apply(&[], &[], THIS_PROGRAM).map(drop),
        Files::Outputs => apply(&[], &paths.iter().flat_map(|path| writable(path)).collect::<Vec<_>>(), &[]).map(drop),
    }
}

fn apply(inputs: &[PathBuf], outputs: &[PathBuf], programs: &[&str]) -> Result<LandlockStatus, RulesetError> {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(RIGHTS))?.create()?;
    let write = AccessFs::from_all(RIGHTS) & !AccessFs::Execute;
    let read = AccessFs::from_read(RIGHTS) & !AccessFs::Execute;
    let certificates = CERTIFICATES.iter().filter_map(std::env::var_os);
    let rules = rules.add_rules(path_beneath_rules(SYSTEM, read))?.add_rules(path_beneath_rules(certificates, read))?;
    let rules = rules.add_rules(path_beneath_rules(inputs, read))?.add_rules(path_beneath_rules([NULL], write))?;
    let rules = rules.add_rules(path_beneath_rules(programs, read | AccessFs::Execute))?;
    let rules = outputs.iter().try_fold(rules, |rules, path| rules.add_rules(path_beneath_rules([path], write)))?;
    Ok(rules.restrict_self()?.landlock)
}

/// The paths that must be writable for this output. For a folder, or a file that is not a regular one: itself. For a
/// regular file: its folder, in which it is created and renamed. If it does not exist: the nearest existing parent
/// folder.
fn writable(path: &Path) -> Vec<PathBuf> {
    // A symbolic link (/dev/stdout) is resolved to the file that is opened.
    let found = std::fs::canonicalize(path);
    let path = found.as_deref().unwrap_or(path);
    match std::fs::metadata(path) {
        // A pipe or socket behind /dev/stdout is in no folder. Landlock has no rule for it, and allows opening it.
        Ok(_) if found.is_err() => Vec::new(),
        Ok(is) if is.is_dir() || !is.is_file() => vec![path.to_owned()],
        Ok(_) | Err(_) => vec![nearest_folder(path)],
    }
}

fn nearest_folder(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// The Landlock version of the running kernel; none: it has none, or Landlock is not enabled.
pub(crate) fn landlock_version() -> Option<i32> {
    let status = std::thread::scope(|scope| scope.spawn(|| apply(&[], &[], &[])).join());
    match status {
        Ok(Ok(LandlockStatus::Available { effective_abi, kernel_abi })) => {
            Some(kernel_abi.unwrap_or(effective_abi as i32))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn restricted<T: Send>(to: Files, outputs: &[PathBuf], f: impl FnOnce() -> T + Send) -> T {
        let body = || {
            restrict(to, outputs).unwrap();
            std::thread::scope(|scope| scope.spawn(f).join().unwrap())
        };
        std::thread::scope(|scope| scope.spawn(body).join().unwrap())
    }

    fn has_landlock(test: &str) -> bool {
        let has = landlock_version().is_some();
        if !has {
            pidflow_skip::skip(test, "this kernel has no Landlock");
        }
        has
    }

    #[test]
    fn outputs_are_written_and_nothing_else() {
        if !has_landlock("outputs_are_written_and_nothing_else") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| dir.path().join(name);
        fs::create_dir(folder("out")).unwrap();
        fs::create_dir(folder("other")).unwrap();
        let file = folder("out/flows.json");
        let moved = folder("out/flows.json.1");
        let done = restricted(Files::Outputs, std::slice::from_ref(&file), || {
            fs::write(&file, "1").unwrap();
            fs::rename(&file, &moved).unwrap();
            fs::write(&file, "2").unwrap();
            fs::File::options().write(true).open("/dev/null").unwrap().write_all(b"x").unwrap();
            fs::read("/etc/passwd").unwrap();
            [fs::write(folder("other/x"), "").is_err(), fs::read_dir(folder("other")).is_err()]
        });
        assert_eq!(done, [true, true]);
    }

    #[test]
    fn a_spool_folder_that_does_not_exist_yet_can_be_created() {
        if !has_landlock("a_spool_folder_that_does_not_exist_yet_can_be_created") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool/of/one");
        restricted(Files::Outputs, std::slice::from_ref(&spool), || fs::create_dir_all(&spool).unwrap());
        assert_eq!(nearest_folder(Path::new("/dev/nothing/at/all")), Path::new("/dev"));
        assert_eq!(writable(Path::new("/dev/full")), [PathBuf::from("/dev/full")]);
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::write(dir.path().join("elsewhere/file"), "").unwrap();
        std::os::unix::fs::symlink("elsewhere/file", dir.path().join("link")).unwrap();
        let real = fs::canonicalize(dir.path().join("elsewhere")).unwrap();
        assert_eq!(writable(&dir.path().join("link")), [real]);
    }

    #[test]
    fn credentials_are_read_and_nothing_is_written() {
        if !has_landlock("credentials_are_read_and_nothing_is_written") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("account");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("token"), "t").unwrap();
        fs::write(dir.path().join("other"), "o").unwrap();
        let done = restricted(Files::Credentials, std::slice::from_ref(&folder), || {
            let read = [folder.join("token"), dir.path().join("other")].map(|path| fs::read(path).is_ok());
            (read, fs::write(folder.join("token"), "").is_ok())
        });
        assert_eq!(done, ([true, false], false));
    }

    #[test]
    fn a_role_without_outputs_cannot_write() {
        if !has_landlock("a_role_without_outputs_cannot_write") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        let refused = restricted(Files::System, std::slice::from_ref(&file), || fs::write(&file, "").is_err());
        assert!(refused);
    }
}
