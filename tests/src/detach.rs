//! Takes eBPF programs of a process off their attach points, as a fault or another program might.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};

use crate::sys;

/// `enum bpf_cmd` of linux/bpf.h.
const LINK_GET_FD_BY_ID: libc::c_int = 30;
const LINK_DETACH: libc::c_int = 34;

/// A link that a process holds.
#[derive(Debug, Clone)]
pub struct Link {
    /// The kernel's number of it.
    pub id: u32,
    /// The kernel's name of its kind, such as `raw_tracepoint`.
    pub kind: String,
    /// The name of its program, as the kernel has it (15 bytes).
    pub program: String,
    descriptor: i32,
}

impl Link {
    /// All that the process holds.
    pub fn held_by(pid: u32) -> Result<Vec<Self>> {
        let mut names = BTreeMap::new();
        for program in aya::programs::loaded_programs() {
            let program = program?;
            names.insert(program.id(), program.name_as_str().unwrap_or_default().to_owned());
        }
        let mut links = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            let entry = entry?;
            // A descriptor may be closed while we look.
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(":\t"));
            let (Some(kind), Some(id), Some(program)) = (field("link_type"), field("link_id"), field("prog_id")) else {
                continue;
            };
            let descriptor = entry.file_name().to_string_lossy().parse()?;
            let program = names.get(&program.parse()?).cloned().unwrap_or_default();
            links.push(Self { id: id.parse()?, kind: kind.to_owned(), program, descriptor });
        }
        Ok(links)
    }

    /// Takes it off in the kernel if its kind allows that, else closes its descriptor in the process that holds it.
    pub fn take_off(&self, pid: u32) -> Result<()> {
        if self.kind == "cgroup" { self.detach() } else { close_in(pid, self.descriptor) }
    }

    fn detach(&self) -> Result<()> {
        let fd = bpf(LINK_GET_FD_BY_ID, [self.id, 0, 0]).with_context(|| format!("{self:?}"))?;
        // SAFETY: a new descriptor that nobody else owns.
        let link = unsafe { OwnedFd::from_raw_fd(fd) };
        bpf(LINK_DETACH, [link.as_raw_fd().unsigned_abs(), 0, 0]).with_context(|| format!("{self:?}")).map(drop)
    }
}

fn bpf(command: libc::c_int, attributes: [u32; 3]) -> io::Result<i32> {
    // SAFETY: the attributes are as long as said and live until the call is over.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attributes, size_of_val(&attributes)) };
    sys::check(i32::try_from(result).unwrap_or(-1))
}

/// `syscall` of x86-64.
const SYSCALL: i64 = 0x050f;
/// Attempts to find the process in a system call.
const ATTEMPTS: usize = 200;

/// Makes another process put its standard input in the place of a descriptor, which closes that: its main thread, which waits in a system call most of the time, makes this call
/// instead, and then its own again.
fn close_in(pid: u32, descriptor: i32) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let halted = sys::Halted::new(pid)?;
        let before = halted.registers()?;
        let place = before.rip - 2;
        if before.orig_rax.cast_signed() >= 0 && halted.word(place)? & 0xffff == SYSCALL {
            let call = libc::user_regs_struct {
                rip: place,
                rax: libc::SYS_dup2.cast_unsigned(),
                orig_rax: u64::MAX,
                rdi: libc::STDIN_FILENO.unsigned_abs().into(),
                rsi: descriptor.unsigned_abs().into(),
                ..before
            };
            halted.set_registers(&call)?;
            halted.step()?;
            let result = halted.registers()?.rax;
            halted.set_registers(&before)?;
            ensure!(
                result == u64::from(descriptor.unsigned_abs()),
                "dup2(0, {descriptor}) in {pid}: {}",
                result.cast_signed()
            );
            return Ok(());
        }
        drop(halted);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    bail!("process {pid} was never in a system call")
}
