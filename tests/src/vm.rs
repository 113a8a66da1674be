//! Debian's kernels under qemu without hardware virtualisation.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::guest::{DONE, Verdict};
use crate::process::{self, Guarded};

/// Timeout of a guest: boot takes some seconds and the scenarios a minute per backend; a guest that hangs must not
/// block the whole run.
const GUEST_TIMEOUT: Duration = Duration::from_secs(900);
/// Modules that Debian does not build into the kernel, in the order of loading: those for sock_diag, and veth for a
/// scenario.
const MODULES: [&str; 4] = ["inet_diag", "tcp_diag", "udp_diag", "veth"];
/// Without cmpxchg16b: qemu 7.2 restores the flags wrongly after it, on which Linux 6.12 panics in its allocator. Without fast
/// strings of bytes: the kernel then copies and clears by words, which takes qemu a third less time to verify programs.
const CPU: &str = "max,-cx16,-erms,-fsrm";
/// `norandmaps` loads programs at the same addresses every time: qemu translates code again for each virtual address,
/// so that with random addresses a short-lived process costs five times as much.
const KERNEL_OPTIONS: &str = "console=ttyS0 panic=-1 quiet norandmaps";
/// Runs a command before everything else on the host: the guest's clock goes on while others have the processors, and its
/// packets are lost. Where the kernel groups processes by session, the session has the priority. Only root can ask for it.
const WITH_PRIORITY: &str = "{ echo -15 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -15 \"$@\"";
/// The kernel prints it when a processor runs in it for 20 s without a pause.
const LOCKED_UP: &str = "BUG: soft lockup";
/// How often a machine is booted whose kernel locks up.
const MAX_BOOTS: usize = 2;
/// `kernel.sh`: the package is not available.
const UNAVAILABLE: i32 = 77;

/// A kernel package, unpacked.
#[derive(Debug)]
pub struct Kernel {
    folder: PathBuf,
}

/// What came out of a machine.
#[derive(Debug)]
enum Outcome {
    Verdicts(Vec<Verdict>),
    /// The kernel's processors waited for each other; what it printed.
    LockedUp(String),
}

/// The result of a request for something that may not exist here.
#[derive(Debug)]
pub enum Availability<T> {
    /// It is available.
    Available(T),
    /// It is not available, and the reason.
    Unavailable(String),
}

fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vm")
}

impl Kernel {
    /// Linux `version` (6.1 or 6.12) from Debian's packages.
    pub fn fetch(version: &str) -> Result<Availability<Self>> {
        let output = Command::new(own_folder().join("kernel.sh")).arg(version).output().context("run kernel.sh")?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.status.code() {
            Some(0) => Ok(Availability::Available(Self { folder: String::from_utf8(output.stdout)?.trim().into() })),
            Some(UNAVAILABLE) => Ok(Availability::Unavailable(complaint)),
            _ => bail!("kernel.sh {version}: {}: {complaint}", output.status),
        }
    }

    /// The name of its package.
    pub fn package(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("complete"))?.trim().to_owned())
    }

    /// The first file of the package with a name like `pattern`.
    fn find(&self, pattern: &str) -> Result<PathBuf> {
        let found = Command::new("find").arg(&self.folder).args(["-name", pattern]).output()?;
        let found = String::from_utf8(found.stdout)?;
        let first = found.lines().next().with_context(|| format!("no {pattern} in the kernel package"))?;
        Ok(first.into())
    }

    /// Copies the modules, uncompressed, to `to`.
    fn copy_modules(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        for name in MODULES {
            let found = self.find(&format!("{name}.ko*"))?;
            let target = to.join(format!("{name}.ko"));
            if found.extension().is_some_and(|extension| extension == "xz") {
                run(Command::new("xz").arg("-dc").arg(&found).stdout(File::create(target)?))?;
            } else {
                fs::copy(&found, target).with_context(|| format!("copy module {name}"))?;
            }
        }
        Ok(())
    }

    /// Boots the kernel, runs everything under each of `backends` (separated by commas), and returns the verdicts.
    ///
    /// A machine whose kernel locks up is booted once more, because the emulator does that to it in one of some fifty boots.
    /// What the kernel printed is on standard error then, after a line that begins with `kernel`.
    pub fn run(&self, backends: &str) -> Result<Vec<Verdict>> {
        let mut console = String::new();
        for _ in 0..MAX_BOOTS {
            match self.boot(backends)? {
                Outcome::Verdicts(verdicts) => return Ok(verdicts),
                Outcome::LockedUp(printed) => console = printed,
            }
            let name = self.folder.file_name().unwrap_or_default().display();
            // Who cannot be told of it misses nothing else.
            let _ = writeln!(std::io::stderr(), "kernel {name}: locked up; console:\n{console}");
        }
        bail!("the guest's kernel locked up {MAX_BOOTS} times; console:\n{console}");
    }

    fn boot(&self, backends: &str) -> Result<Outcome> {
        let dir = tempfile::Builder::new().prefix("pidflow-vm").tempdir()?;
        let initramfs = self.initramfs(&dir)?;
        let (console, results) = (dir.path().join("console"), dir.path().join("results"));
        let append = format!("{KERNEL_OPTIONS} pidflow.backends={backends}");
        let child = Command::new("setsid")
            .args(["sh", "-c", WITH_PRIORITY, "sh", "qemu-system-x86_64"])
            .args(["-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-nic", "none", "-append", &append])
            .args([
                "-serial",
                &format!("file:{}", console.display()),
                "-serial",
                &format!("file:{}", results.display()),
            ])
            .arg("-kernel")
            .arg(self.find("vmlinuz*")?)
            .arg("-initrd")
            .arg(initramfs)
            .stdin(Stdio::null())
            .spawn()
            .context("start qemu-system-x86_64 (package qemu-system-x86)")?;
        let ended = Guarded::new(child).wait(GUEST_TIMEOUT);
        let said = fs::read_to_string(&results).unwrap_or_default();
        if ended.is_err() || !said.lines().any(|line| line.trim() == DONE) {
            let console = String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
            if console.contains(LOCKED_UP) {
                return Ok(Outcome::LockedUp(console));
            }
            bail!("the guest did not finish ({ended:?}); results:\n{said}\nconsole:\n{console}");
        }
        let verdicts = said.lines().filter(|line| line.starts_with('{')).map(serde_json::from_str);
        Ok(Outcome::Verdicts(verdicts.collect::<std::result::Result<_, _>>()?))
    }

    fn initramfs(&self, dir: &TempDir) -> Result<PathBuf> {
        let root = dir.path().join("root");
        for folder in ["bin", "sbin", "proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")?;
        install(&own_folder().join("init"), &root.join("init"))?;
        install(&find_program("busybox", "busybox-static")?, &root.join("bin/busybox"))?;
        for name in ["pidflow", "scenario"] {
            let target = root.join("bin").join(name);
            let program = process::binary(name)?;
            copy_libraries(&program, &root)?;
            // Debug information makes up nine tenths of it, and the guest has to read it all.
            run(Command::new("strip").arg("-o").arg(&target).arg(&program))?;
        }
        let ip = find_program("ip", "iproute2")?;
        copy_libraries(&ip, &root)?;
        install(&ip, &root.join("sbin/ip"))?;
        self.copy_modules(&root.join("modules"))?;
        let image = dir.path().join("initramfs");
        let script = "find . | cpio --quiet -o -H newc | gzip -1 >\"$1\"";
        run(Command::new("sh").args(["-c", script, "sh"]).arg(&image).current_dir(&root))?;
        Ok(image)
    }
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn find_program(name: &str, package: &str) -> Result<PathBuf> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].into_iter().map(Path::new);
    let path = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    path.with_context(|| format!("no {name} (package {package})"))
}

/// Copies the shared libraries that `ldd` names, to the same places.
fn copy_libraries(program: &Path, root: &Path) -> Result<()> {
    let output = Command::new("ldd").arg(program).output().context("run ldd")?;
    let text = String::from_utf8(output.stdout)?;
    for library in text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')) {
        let target = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(target.parent().context("library without folder")?)?;
        install(Path::new(library), &target)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
