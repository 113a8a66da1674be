//! The Debian package: built, checked, installed, upgraded, removed and purged in a minimal Debian system.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use pidflow_tests::process;
use pidflow_tests::skip::{skip, without_root};
use tempfile::TempDir;

use super::{root, run};

const CONFIGURATION: &str = "etc/pidflow/pidflow.toml";
const LINK: &str = "etc/systemd/system/multi-user.target.wants/pidflow.service";

fn build(out: &Path) -> Result<String, String> {
    let mut command = Command::new(root().join("deploy/debian/build.sh"));
    command.arg("--quick").arg("--binary").arg(process::binary("pidflow").unwrap()).arg("--out").arg(out);
    run(command.stderr(Stdio::piped()))
}

/// The package of this tree; an error: the programs that build packages are missing here.
fn package() -> &'static Result<(TempDir, PathBuf), String> {
    static PACKAGE: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        if let Err(e) = Command::new("dpkg-shlibdeps").arg("--version").output() {
            return Err(format!("no dpkg-shlibdeps: {e}"));
        }
        let folder = tempfile::tempdir().unwrap();
        let said = build(folder.path()).unwrap();
        Ok((folder, said.trim().into()))
    })
}

/// The package; none, and a skip: it cannot be built here.
fn built(test: &str) -> Option<&'static Path> {
    match package() {
        Ok((_, file)) => Some(file),
        Err(why) => {
            skip(test, why);
            None
        }
    }
}

#[test]
fn the_package_has_what_it_should_and_is_the_same_each_time() {
    let Some(file) = built("the_package_has_what_it_should_and_is_the_same_each_time") else { return };
    let listed = run(Command::new("dpkg-deb").arg("-c").arg(file)).unwrap();
    for wanted in [
        "-rwxr-xr-x root/root usr/bin/pidflow",
        "-rw------- root/root etc/pidflow/pidflow.toml",
        "-rw-r--r-- root/root usr/share/man/man1/pidflow.1.gz",
        "-rw-r--r-- root/root usr/share/bash-completion/completions/pidflow",
        "-rw-r--r-- root/root usr/share/zsh/vendor-completions/_pidflow",
        "-rw-r--r-- root/root usr/share/fish/vendor_completions.d/pidflow.fish",
        "-rw-r--r-- root/root lib/systemd/system/pidflow.service",
        "-rw-r--r-- root/root usr/share/doc/pidflow/copyright",
        "-rw-r--r-- root/root usr/share/doc/pidflow/changelog.Debian.gz",
    ] {
        let words: Vec<_> = wanted.split(' ').collect();
        let is_it =
            |l: &str| l.starts_with(&format!("{} {} ", words[0], words[1])) && l.ends_with(&format!("./{}", words[2]));
        assert!(listed.lines().any(is_it), "{wanted} is not in {listed}");
    }
    let again = tempfile::tempdir().unwrap();
    let second = build(again.path()).unwrap();
    assert!(fs::read(file).unwrap() == fs::read(second.trim()).unwrap(), "two builds differ");
}

#[test]
fn lintian_finds_nothing() {
    let name = "lintian_finds_nothing";
    let Some(file) = built(name) else { return };
    match Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning"]).arg(file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        }
        Err(e) => skip(name, &format!("no lintian: {e}")),
    }
}

/// A minimal Debian system.
struct System {
    folder: TempDir,
}

impl System {
    /// None, and a skip: it cannot be had here.
    fn new(test: &str) -> Option<Self> {
        let output = Command::new(root().join("tests/vm/system.sh")).output().unwrap();
        if output.status.code() == Some(77) {
            skip(test, String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (folder, archive) = (tempfile::tempdir().unwrap(), String::from_utf8(output.stdout).unwrap());
        run(Command::new("tar").arg("-xf").arg(archive.trim()).arg("-C").arg(folder.path())).unwrap();
        Some(Self { folder })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn has(&self, file: &str) -> bool {
        self.path(file).symlink_metadata().is_ok()
    }

    /// Runs a command within, without standard input.
    fn run(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("chroot");
        command.arg(self.folder.path()).args(words).stdin(Stdio::null());
        run(command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEBIAN_FRONTEND", "noninteractive"))
    }

    fn install(&self, package: &Path) -> String {
        fs::copy(package, self.path("tmp/pidflow.deb")).unwrap();
        // As apt does without a terminal: the administrator's configuration is kept.
        let said = self.run(&["dpkg", "--force-confold", "--install", "/tmp/pidflow.deb"]);
        fs::remove_file(self.path("tmp/pidflow.deb")).unwrap();
        said.unwrap()
    }

    /// All files, except those that dpkg itself writes.
    fn files(&self) -> BTreeSet<String> {
        let said =
            run(Command::new("find").arg(self.folder.path()).args(["-mindepth", "1", "-printf", "%P\n"])).unwrap();
        let of_dpkg = ["var/lib/dpkg/", "var/log/dpkg.log", "var/cache/"];
        let is_ours = |line: &&str| of_dpkg.iter().all(|start| !line.starts_with(start));
        said.lines().filter(is_ours).map(str::to_owned).collect()
    }
}

/// The next version of the package, with another configuration.
fn next_version(package: &Path, folder: &Path) -> PathBuf {
    let (unpacked, file) = (folder.join("next"), folder.join("next.deb"));
    run(Command::new("dpkg-deb").arg("-R").arg(package).arg(&unpacked)).unwrap();
    let control = unpacked.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    assert!(text.contains("Version: 0.1.0-1\n"), "{text}");
    fs::write(&control, text.replace("Version: 0.1.0-1\n", "Version: 0.1.0-2\n")).unwrap();
    let configuration = unpacked.join(CONFIGURATION);
    fs::write(&configuration, fs::read_to_string(&configuration).unwrap() + "# of the next version\n").unwrap();
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "-z1", "-b"]).arg(&unpacked).arg(&file))
        .unwrap();
    file
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged() {
    let name = "the_package_is_installed_upgraded_removed_and_purged";
    if without_root(name) {
        return;
    }
    let (Some(package), Some(system)) = (built(name), System::new(name)) else { return };
    let before = system.files();

    system.install(package);
    assert!(system.run(&["pidflow", "--version"]).unwrap().contains("pidflow 0.1.0"));
    system.run(&["pidflow", "check", "--config", "/etc/pidflow/pidflow.toml"]).unwrap();
    let mode = fs::metadata(system.path(CONFIGURATION)).unwrap().permissions().mode();
    assert!(mode & 0o777 == 0o600 && system.has(LINK), "{mode:o}");
    assert!(!system.run(&["dpkg", "--verify", "pidflow"]).unwrap().contains("pidflow"));

    // The administrator changes the configuration and disables the unit: an upgrade changes neither.
    fs::write(system.path(CONFIGURATION), "# of the administrator\n").unwrap();
    fs::remove_file(system.path(LINK)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    system.install(&next_version(package, folder.path()));
    assert_eq!(system.run(&["dpkg-query", "-f", "${Version}", "-W", "pidflow"]).unwrap(), "0.1.0-2");
    assert_eq!(fs::read_to_string(system.path(CONFIGURATION)).unwrap(), "# of the administrator\n");
    assert!(system.has(&format!("{CONFIGURATION}.dpkg-dist")) && !system.has(LINK));

    // What a removal leaves is the configuration and what the agent wrote.
    for folder in ["var/lib/private/pidflow/spool", "var/log/private/pidflow"] {
        fs::create_dir_all(system.path(folder)).unwrap();
    }
    for (link, to) in [("var/lib/pidflow", "private/pidflow"), ("var/log/pidflow", "private/pidflow")] {
        std::os::unix::fs::symlink(to, system.path(link)).unwrap();
    }
    system.run(&["dpkg", "--remove", "pidflow"]).unwrap();
    assert!(!system.has("usr/bin/pidflow") && system.has(CONFIGURATION) && system.has("var/lib/private/pidflow/spool"));
    assert!(!system.has("lib/systemd/system/pidflow.service"));

    // Installed once more, the unit can be started, and is as the administrator left it.
    system.install(package);
    assert!(!system.has("etc/systemd/system/pidflow.service") && !system.has(LINK));

    system.run(&["dpkg", "--purge", "pidflow"]).unwrap();
    let kept = ["var/lib/private", "var/log/private"];
    let left: Vec<_> = system.files().difference(&before).filter(|f| !kept.contains(&f.as_str())).cloned().collect();
    assert_eq!(left, [""; 0], "left after the purge");
}
