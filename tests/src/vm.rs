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
/// `norandmaps` loads programs at the same addresses every time: qemu translates code again for each virtual address,
/// so that with random addresses a short-lived process costs five times as much.
const KERNEL_OPTIONS: &str = "panic=-1 quiet norandmaps";
/// Runs a command before everything else on the host: the guest's clock goes on while others have the processors, and its
/// packets are lost. Where the kernel groups processes by session, the session has the priority. Only root can ask for it.
const WITH_PRIORITY: &str = "{ echo -15 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -15 \"$@\"";
/// The kernel prints it when a processor runs in it for 20 s without a pause.
const LOCKED_UP: &str = "BUG: soft lockup";
/// How often a machine is booted whose kernel locks up.
const MAX_BOOTS: usize = 2;
/// `kernel.sh`: the package is not available.
const UNAVAILABLE: i32 = 77;

/// An architecture, and the machine that qemu emulates for it.
#[derive(Debug)]
pub struct Machine {
    /// Debian's name of the architecture.
    pub architecture: &'static str,
    /// The emulator.
    pub qemu: &'static str,
    /// Debian's package of the emulator.
    pub package: &'static str,
    /// Arguments that choose the machine and its processor.
    arguments: &'static [&'static str],
    /// The first serial port, on which the kernel writes its messages.
    console: &'static str,
    /// The second serial port, on which the guest writes its results.
    results: &'static str,
}

/// Without cmpxchg16b: qemu 7.2 restores the flags wrongly after it, on which Linux 6.12 panics in its allocator. Without fast
/// strings of bytes: the kernel then copies and clears by words, which takes qemu a third less time to verify programs.
pub static AMD64: Machine = Machine {
    architecture: "amd64",
    qemu: "qemu-system-x86_64",
    package: "qemu-system-x86",
    arguments: &["-cpu", "max,-cx16,-erms,-fsrm"],
    console: "ttyS0",
    results: "ttyS1",
};

/// A processor without pointer authentication, for whose signatures qemu needs more time than for everything else. The
/// machine has one serial port of its own; the second one is on PCI, and of the kind that the kernel has built in.
pub static ARM64: Machine = Machine {
    architecture: "arm64",
    qemu: "qemu-system-aarch64",
    package: "qemu-system-arm",
    arguments: &["-machine", "virt", "-cpu", "cortex-a76"],
    console: "ttyAMA0",
    results: "ttyS0",
};

/// A kernel package, unpacked, and what runs it.
#[derive(Debug)]
pub struct Kernel {
    folder: PathBuf,
    machine: &'static Machine,
    programs: Programs,
}

/// Where the programs of a guest are.
#[derive(Debug)]
enum Programs {
    /// Those of this host.
    Own,
    /// Programs and a minimal Debian system of another architecture: the folder with `bin`, and the system's root.
    Foreign { built: PathBuf, system: PathBuf },
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
    /// Linux `version` (6.1 or 6.12) from Debian's packages, with what it needs to run on `machine`.
    pub fn fetch(version: &str, machine: &'static Machine) -> Result<Availability<Self>> {
        let folder = match prepare("kernel.sh", &[version, machine.architecture])? {
            Availability::Available(folder) => folder,
            Availability::Unavailable(reason) => return Ok(Availability::Unavailable(reason)),
        };
        let programs = match Programs::of(machine)? {
            Availability::Available(programs) => programs,
            Availability::Unavailable(reason) => return Ok(Availability::Unavailable(reason)),
        };
        Ok(Availability::Available(Self { folder, machine, programs }))
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
    /// A machine whose kernel locks up is booted once more: it happened once in some dozens of boots, with both emulated
    /// processors waiting in the kernel, and never again. What the kernel printed, with the place of each processor, is on standard
    /// error then, after a line that begins with `kernel`.
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
        let Machine { qemu, console: port, results: second, .. } = self.machine;
        let append = format!("{KERNEL_OPTIONS} console={port} pidflow.backends={backends} pidflow.results={second}");
        let child = Command::new("setsid")
            .args(["sh", "-c", WITH_PRIORITY, "sh", qemu])
            .args(self.machine.arguments)
            .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-nic", "none", "-append", &append])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(second_port(self.machine, &results))
            .arg("-kernel")
            .arg(self.find("vmlinuz*")?)
            .arg("-initrd")
            .arg(initramfs)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("start {qemu} (package {})", self.machine.package))?;
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
        self.programs.install(&root)?;
        self.copy_modules(&root.join("modules"))?;
        let image = dir.path().join("initramfs");
        let script = "find . | cpio --quiet -o -H newc | gzip -1 >\"$1\"";
        run(Command::new("sh").args(["-c", script, "sh"]).arg(&image).current_dir(&root))?;
        Ok(image)
    }
}

/// The second serial port. The machine of arm64 has one only.
fn second_port(machine: &Machine, results: &Path) -> Vec<String> {
    let file = results.display();
    if machine.architecture == AMD64.architecture {
        return vec!["-serial".to_owned(), format!("file:{file}")];
    }
    let backend = format!("file,id=results,path={file}");
    ["-chardev", &backend, "-device", "pci-serial,chardev=results"].map(str::to_owned).to_vec()
}

/// Runs a script of `tests/vm`, which prints a folder, or says why it is not available here.
fn prepare(script: &str, arguments: &[&str]) -> Result<Availability<PathBuf>> {
    let output = Command::new(own_folder().join(script)).args(arguments).output();
    let output = output.with_context(|| format!("run {script}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Availability::Available(String::from_utf8(output.stdout)?.trim().into())),
        Some(UNAVAILABLE) => Ok(Availability::Unavailable(complaint)),
        _ => bail!("{script} {}: {}: {complaint}", arguments.join(" "), output.status),
    }
}

/// The programs under test.
const TESTED: [&str; 2] = ["pidflow", "scenario"];

impl Programs {
    fn of(machine: &Machine) -> Result<Availability<Self>> {
        if machine.architecture == AMD64.architecture {
            return Ok(Availability::Available(Self::Own));
        }
        let system = match prepare("arm64.sh", &["system"])? {
            Availability::Available(system) => system,
            Availability::Unavailable(reason) => return Ok(Availability::Unavailable(reason)),
        };
        Ok(match prepare("arm64.sh", &["programs"])? {
            Availability::Available(built) => Availability::Available(Self::Foreign { built, system }),
            Availability::Unavailable(reason) => Availability::Unavailable(reason),
        })
    }

    /// Copies the programs and the libraries that they need to the root of a guest.
    fn install(&self, root: &Path) -> Result<()> {
        match self {
            Self::Own => install_own(root),
            Self::Foreign { built, system } => install_foreign(built, system, root),
        }
    }
}

fn install_own(root: &Path) -> Result<()> {
    install(&find_program("busybox", "busybox-static")?, &root.join("bin/busybox"))?;
    for name in TESTED {
        let program = process::binary(name)?;
        copy_libraries(&program, root)?;
        strip("strip", &program, &root.join("bin").join(name))?;
    }
    let ip = find_program("ip", "iproute2")?;
    copy_libraries(&ip, root)?;
    install(&ip, &root.join("sbin/ip"))
}

fn install_foreign(built: &Path, system: &Path, root: &Path) -> Result<()> {
    install(&system.join("bin/busybox"), &root.join("bin/busybox"))?;
    install(&system.join("bin/ip"), &root.join("sbin/ip"))?;
    for name in TESTED {
        strip("aarch64-linux-gnu-strip", &built.join(name), &root.join("bin").join(name))?;
    }
    for program in ["sbin/ip", "bin/pidflow", "bin/scenario"] {
        copy_needed(&root.join(program), system, root)?;
    }
    Ok(())
}

/// Debug information makes up nine tenths of a program, and the guest has to read it all.
fn strip(with: &str, program: &Path, target: &Path) -> Result<()> {
    run(Command::new(with).arg("-o").arg(target).arg(program))
}

/// Copies the shared libraries that a program of another architecture needs, the loader among them. `ldd` cannot tell.
fn copy_needed(program: &Path, system: &Path, root: &Path) -> Result<()> {
    let output = Command::new("readelf").args(["-d", "-l"]).arg(program).output().context("run readelf")?;
    let text = String::from_utf8(output.stdout)?;
    let needed = text.lines().filter(|line| line.contains("(NEEDED)"));
    let needed = needed.filter_map(|line| line.split_once('[')?.1.strip_suffix(']'));
    let loader = text.lines().filter_map(|line| line.split_once("interpreter: /lib/")?.1.strip_suffix(']'));
    for name in needed.chain(loader) {
        let target = root.join("lib").join(name);
        if !target.exists() {
            fs::create_dir_all(root.join("lib"))?;
            install(&find_library(system, name)?, &target)?;
            copy_needed(&target, system, root)?;
        }
    }
    Ok(())
}

fn find_library(system: &Path, name: &str) -> Result<PathBuf> {
    let folders = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib", "usr/lib"];
    let found = folders.map(|folder| system.join(folder).join(name)).into_iter().find(|path| path.exists());
    found.with_context(|| format!("no library {name} in {}", system.display()))
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
