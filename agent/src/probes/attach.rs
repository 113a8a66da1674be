//! Loading the programs and attaching each fact's hook by the first way that works.

use anyhow::{Context, Result, anyhow, ensure};
use aya::programs::{CgroupAttachMode, KProbe, Program};
use aya::{Btf, Ebpf, EbpfLoader};

use super::btf::KernelLayout;
use super::cgroup;
use super::hooks::{Attach, Attachment, HOOKS, Hook, accept_hook, exit_hook};
use super::{AttachedHook, Backend, HookReport, Refusal};

/// The programs, compiled by `ebpf-probes/build.sh`, whose kprobes read the registers of this architecture. On an architecture
/// without an object of its own, all programs but the kprobes work.
#[cfg(not(target_arch = "aarch64"))]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../ebpf-probes/pidflow-x86_64.bpf.o");
#[cfg(target_arch = "aarch64")]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../ebpf-probes/pidflow-aarch64.bpf.o");

const READS_REGISTERS: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// The loaded object; dropping it detaches everything.
pub(crate) struct Attached {
    pub(crate) ebpf: Ebpf,
    pub(crate) reports: Vec<HookReport>,
    pub(crate) attached: Vec<AttachedHook>,
}

/// Loads the object for the running kernel and attaches what `backend` allows.
///
/// # Errors
/// No BTF, no permission to load programs, or no hook could be attached.
pub(crate) fn attach(backend: Backend) -> Result<Attached> {
    let layout = KernelLayout::of_running_kernel()?;
    let mut attacher = Attacher { ebpf: load(&layout)?, btf: Btf::from_sys_fs()?, attached: Vec::new() };
    let exit = exit_hook(layout.tracepoint_arguments("sched_process_exit"));
    let accept = accept_hook(layout.parameters("inet_csk_accept"));
    let hooks = [exit, accept].into_iter().chain(HOOKS);
    let reports: Vec<_> = hooks.map(|hook| attacher.take(hook, backend)).collect();
    if reports.iter().all(|r| r.way.is_none()) {
        let why = reports.first().map(HookReport::reason).unwrap_or_default();
        return Err(anyhow!(
            "no eBPF hook could be attached: {why}; run as root or with CAP_BPF and CAP_PERFMON, or use --probes poll"
        ));
    }
    forced_is_there(backend, &reports)?;
    Ok(Attached { ebpf: attacher.ebpf, reports, attached: attacher.attached })
}

/// A backend that the user chose must be in use for at least one fact; otherwise starting fails.
fn forced_is_there(backend: Backend, reports: &[HookReport]) -> Result<()> {
    let prefixes: &[&str] = match backend {
        Backend::Fentry => &["fentry:", "fexit:"],
        Backend::Kprobe => &["kprobe:", "kretprobe:"],
        Backend::Auto | Backend::Tracepoint | Backend::Poll => return Ok(()),
    };
    let taken = |r: &HookReport| r.way.as_ref().is_some_and(|w| prefixes.iter().any(|p| w.starts_with(p)));
    if reports.iter().any(taken) {
        return Ok(());
    }
    let why = reports.iter().find(|r| r.way.is_none()).map(HookReport::reason).unwrap_or_default();
    Err(anyhow!("this kernel refuses --probes {backend:?}: {why}; use --probes auto"))
}

fn load(layout: &KernelLayout) -> Result<Ebpf> {
    let offsets = layout.offsets().words();
    let page = page_size();
    let counter = layout.percpu_counter_size();
    EbpfLoader::new()
        .override_global("OFFSETS", offsets.as_slice(), true)
        .override_global("PAGE_SIZE", &page, true)
        .override_global("PERCPU_COUNTER_SIZE", &counter, true)
        .load(OBJECT)
        .context("the kernel refused the eBPF maps; run as root or with CAP_BPF, or use --probes poll")
}

fn page_size() -> u64 {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

struct Attacher {
    ebpf: Ebpf,
    btf: Btf,
    /// Attachments that exist already, because several facts may share one.
    attached: Vec<AttachedHook>,
}

impl Attacher {
    fn take(&mut self, hook: &Hook, backend: Backend) -> HookReport {
        let mut refusals = Vec::new();
        for way in hook.ways.iter().filter(|w| allowed(w, backend)) {
            match self.attach_all(way) {
                Ok(()) => return report(hook, Some(way), refusals),
                Err(e) => refusals.push(refusal(&e)),
            }
        }
        report(hook, None, refusals)
    }

    /// Attaches all hooks of a way. If one fails, those attached before it stay attached: their facts are correct, and
    /// the same facts from the way used instead are suppressed as repetitions.
    fn attach_all(&mut self, way: &Attachment) -> Result<()> {
        for &attach in way.attach {
            let hook = AttachedHook { program: attach.program(), target: attach.target() };
            if !self.attached.contains(&hook) {
                self.attach_one(attach).with_context(|| attach.target())?;
                self.attached.push(hook);
            }
        }
        Ok(())
    }

    fn attach_one(&mut self, attach: Attach) -> Result<()> {
        let name = attach.program();
        let program = self.ebpf.program_mut(&name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
        match (attach, program) {
            (Attach::Raw(_, tracepoint), Program::RawTracePoint(p)) => {
                load_once(p.fd().is_ok(), || p.load())?;
                p.attach(tracepoint)?;
            }
            (Attach::Fentry(function), Program::FEntry(p)) => {
                p.load(function, &self.btf)?;
                p.attach()?;
            }
            (Attach::Fexit(_, function), Program::FExit(p)) => {
                p.load(function, &self.btf)?;
                p.attach()?;
            }
            (Attach::Kprobe(function) | Attach::Kretprobe(function), Program::KProbe(p)) => {
                attach_kprobe(p, function)?;
            }
            (Attach::Syscall(_, event), Program::TracePoint(p)) => {
                load_once(p.fd().is_ok(), || p.load())?;
                p.attach("syscalls", event)?;
            }
            (Attach::Cgroup(..), Program::CgroupSock(p)) => {
                let root = cgroup::root()?;
                load_once(p.fd().is_ok(), || p.load())?;
                // A link coexists with other programs without a flag, and is refused with one
                // (`cgroup_bpf_link_attach`).
                p.attach(root, CgroupAttachMode::Single)?;
            }
            (Attach::Cgroup(..), Program::CgroupSockAddr(p)) => {
                let root = cgroup::root()?;
                load_once(p.fd().is_ok(), || p.load())?;
                p.attach(root, CgroupAttachMode::Single)?;
            }
            _ => return Err(anyhow!("program {name} is of another kind")),
        }
        Ok(())
    }
}

fn attach_kprobe(program: &mut KProbe, function: &str) -> Result<()> {
    ensure!(READS_REGISTERS, "kprobes are supported on x86_64 and aarch64 only");
    load_once(program.fd().is_ok(), || program.load())?;
    program.attach(function, 0)?;
    Ok(())
}

/// The error of [`Attacher::attach_all`], whose context is the hook's name.
fn refusal(error: &anyhow::Error) -> Refusal {
    let (hook, line) = (error.to_string(), one_line(error));
    let reason = line.strip_prefix(&format!("{hook}: ")).unwrap_or(&line).trim_end_matches('.').to_owned();
    Refusal { hook: Some(hook), reason }
}

/// The error with only the last line of the verifier's log, which has the reason.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    tracing::debug!("not attached: {text}");
    let Some((before, log)) = text.split_once(" Verifier output: ") else { return text };
    let verdict = log.lines().map(str::trim).rfind(|l| !l.is_empty() && !is_statistics(l));
    format!("{before} {}", verdict.unwrap_or_default()).trim_end().to_owned()
}

/// The log ends with the verifier's own figures.
fn is_statistics(line: &str) -> bool {
    ["verification time", "stack depth", "processed ", ": "].iter().any(|s| line.starts_with(s))
}

fn load_once<E>(loaded: bool, load: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if loaded { Ok(()) } else { load() }
}

fn allowed(way: &Attachment, backend: Backend) -> bool {
    way.backend.is_none_or(|b| backend == Backend::Auto || backend == b)
}

fn report(hook: &Hook, way: Option<&Attachment>, refusals: Vec<Refusal>) -> HookReport {
    let name = way.map(|w| w.attach.iter().map(|a| a.target()).collect::<Vec<_>>().join(", "));
    let lost = way.map_or(hook.missing, |w| w.lost);
    HookReport { fact: hook.fact, way: name, refusals, lost }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::hooks::{Attach, HOOKS, accept_hook, exit_hook};
    use super::{Ebpf, KernelLayout, Program, load};

    fn all() -> impl Iterator<Item = Attach> {
        let chosen = [exit_hook(None), exit_hook(Some(2)), accept_hook(Some(2)), accept_hook(Some(4))];
        chosen.into_iter().chain(HOOKS).flat_map(|h| h.ways).flat_map(|w| w.attach).copied()
    }

    /// The objects of all architectures.
    static OBJECTS: [&[u8]; 2] = [
        aya::include_bytes_aligned!("../../../ebpf-probes/pidflow-x86_64.bpf.o"),
        aya::include_bytes_aligned!("../../../ebpf-probes/pidflow-aarch64.bpf.o"),
    ];

    #[test]
    fn every_program_that_is_looked_up_is_in_the_objects() {
        for object in OBJECTS.map(|object| aya_obj::Object::parse(object).unwrap()) {
            for attach in all() {
                let name = attach.program();
                assert!(object.programs.contains_key(&name), "{name} is not in the object");
            }
            assert!(!object.programs.contains_key("sock_connect_entr"), "a part of a name is none");
        }
    }

    /// There is one source: only programs that read registers depend on the architecture.
    #[test]
    fn objects_differ_in_their_kprobes_alone() {
        let [one, other] = OBJECTS.map(|object| aya_obj::Object::parse(object).unwrap());
        let code = |object: &aya_obj::Object, program: &aya_obj::Program| {
            format!("{:?}", object.functions[&program.function_key()].instructions)
        };
        let differ = |(name, program): (&String, &aya_obj::Program)| {
            (code(&one, program) != code(&other, &other.programs[name])).then(|| name.clone())
        };
        let differing: Vec<_> = one.programs.iter().filter_map(differ).collect();
        assert_eq!(one.programs.len(), other.programs.len());
        assert!(differing.iter().all(|name| name.starts_with("kprobe_") || name.starts_with("kretprobe_")));
        assert!(differing.len() > 10, "{differing:?}");
    }

    /// Older kernels examine more instructions of a program than newer ones, and refuse it above a million.
    const MAX_EXAMINED: u32 = 40_000;

    #[test]
    fn the_verifier_has_little_work() {
        if pidflow_skip::without_root("the_verifier_has_little_work") {
            return;
        }
        let mut ebpf = load(&KernelLayout::of_running_kernel().unwrap()).unwrap();
        let examined: BTreeMap<_, _> = all().filter_map(|attach| examined(&mut ebpf, &attach.program())).collect();
        println!("{examined:#?}");
        assert!(examined.len() > 15, "tracepoints and cgroup programs load on every kernel");
        for (name, count) in examined {
            assert!((1..=MAX_EXAMINED).contains(&count), "{name}: {count} instructions");
        }
    }

    /// The number of instructions that the verifier examines; none: the kernel offers no such hook, or does not say.
    fn examined(ebpf: &mut Ebpf, name: &str) -> Option<(String, u32)> {
        let program = ebpf.program_mut(name)?;
        let loaded = match program {
            _ if program.fd().is_ok() => Ok(()),
            Program::RawTracePoint(p) => p.load(),
            Program::KProbe(p) => p.load(),
            Program::TracePoint(p) => p.load(),
            Program::CgroupSock(p) => p.load(),
            Program::CgroupSockAddr(p) => p.load(),
            _ => return None,
        };
        loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
        Some((name.to_owned(), program.info().ok()?.verified_instruction_count()?))
    }
}
