//! The kernel's side: eBPF programs, snapshots of /proc, samples of resource usage.
//!
//! [`start`] attaches the programs first and then reads /proc, so that nothing is missed in between. The pipeline calls
//! [`Probes::drain`] before it counts packets, so that facts older than a packet are known by then.

mod addresses;
#[cfg(feature = "probes")]
mod attach;
mod between;
#[cfg(feature = "probes")]
mod btf;
#[cfg(feature = "probes")]
mod btf_reader;
#[cfg(feature = "probes")]
mod cgroup;
mod cgroup_path;
mod delay;
mod descriptions;
mod executable;
#[cfg(feature = "probes")]
mod hooks;
mod login;
mod losses;
mod namespace_ids;
mod namespaces;
mod notices;
#[cfg(feature = "probes")]
mod parse;
mod pods;
mod process_file;
mod procfs_read;
mod ring;
mod sampler;
mod sampler_counts;
mod service_name;
mod snapshot;
mod sockets;
mod surroundings;
mod users;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Receiver, Sender, bounded};
use pidflow_engine::fact::{Fact, ProcessId, Sample};

pub(crate) use delay::DelayAccounting;
pub(crate) use procfs_read::own_network_namespace;
pub(crate) use ring::KernelCounts;
pub(crate) use surroundings::{Limit, Surroundings};

use crate::clock::engine_ns;
use crate::host_files;
use crate::privacy::Privacy;
use crate::shedding::Shedding;
use losses::Losses;
use ring::Ring;
use sampler::{Request, Sampler};
use sampler_counts::SamplerCounts;

/// How kernel events are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Backend {
    /// For each fact the best hook that attaches.
    #[default]
    Auto,
    /// fentry and fexit.
    Fentry,
    /// kprobe and kretprobe.
    Kprobe,
    /// Raw tracepoints, and system call tracepoints of the socket calls where those are missing.
    Tracepoint,
    /// No eBPF: /proc alone, at intervals.
    Poll,
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct ProbeOptions {
    /// How kernel events are collected.
    pub(crate) backend: Backend,
    /// What to do with the kernel's delay accounting.
    pub(crate) delay_accounting: DelayAccounting,
    /// Interval between two samples of a process, and between two polls.
    pub(crate) interval: Duration,
    /// The kubelet's links to the logs of containers; no folder: pods are not known.
    pub(crate) pod_logs: PathBuf,
    /// What is kept of personal data.
    pub(crate) privacy: Arc<Privacy>,
    /// Whether the usage of processes is left out.
    pub(crate) shedding: Arc<Shedding>,
}

impl ProbeOptions {
    /// The default options.
    pub(crate) fn new(privacy: Arc<Privacy>) -> Self {
        Self {
            backend: Backend::Auto,
            delay_accounting: DelayAccounting::Keep,
            interval: Duration::from_secs(1),
            pod_logs: PathBuf::new(),
            privacy,
            shedding: Arc::default(),
        }
    }
}

/// How one fact is collected.
#[derive(Debug, Clone)]
pub(crate) struct HookReport {
    /// The fact.
    pub(crate) fact: &'static str,
    /// The hooks in use; none: no way works.
    pub(crate) way: Option<String>,
    /// Why better ways are not in use; empty: the best one is.
    pub(crate) refusals: Vec<Refusal>,
    /// What is not seen; empty: nothing.
    pub(crate) lost: &'static str,
}

impl HookReport {
    /// The refusals as one line.
    #[cfg(feature = "probes")]
    fn reason(&self) -> String {
        self.refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// Why a better way to collect a fact is not in use.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The hook that could not be attached, such as `fentry:tcp_connect`; none: the reason concerns no single hook.
    pub(crate) hook: Option<String>,
    /// The error.
    pub(crate) reason: String,
}

impl Refusal {
    const fn general(reason: String) -> Self {
        Self { hook: None, reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hook {
            Some(hook) => write!(f, "{hook}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// One program at one attach point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttachedHook {
    /// The program's name.
    pub(crate) program: String,
    /// The attach point's name, as in [`HookReport::way`].
    pub(crate) target: String,
}

/// Running probes; dropping them detaches everything.
pub(crate) struct Probes {
    ring: Option<Ring>,
    requests: Sender<Request>,
    facts: Receiver<Vec<Fact>>,
    reports: Vec<HookReport>,
    attached: Vec<AttachedHook>,
    refused_requests: u64,
    sampler: Arc<SamplerCounts>,
    losses: Losses,
    _delay: delay::Guard,
}

/// The greatest number of batches of facts that wait for the pipeline.
const MAX_FACT_BATCHES: usize = 1024;
/// The greatest number of requests that wait for the sampler; further ones are refused and counted.
const MAX_REQUESTS: usize = 16_384;

/// Attaches the probes, reads the existing processes and sockets, and starts sampling.
///
/// # Errors
/// The backend is not available: which, why, and what to use instead.
pub(crate) fn start(options: &ProbeOptions) -> Result<Probes> {
    let delay = delay::Guard::apply(options.delay_accounting)?;
    let KernelSide { ring, mut reports, attached } = kernel_side(options.backend, &options.privacy)?;
    let surroundings = Surroundings::look();
    let polls = ring.is_none();
    reports.extend(surroundings.limits(polls).iter().filter(|limit| !limit.lost.is_empty()).map(report_limit));
    let (requests, incoming) = bounded(MAX_REQUESTS);
    let (out, facts) = bounded(MAX_FACT_BATCHES);
    let counts = Arc::<SamplerCounts>::default();
    let (interval, pod_logs, privacy) = (options.interval, options.pod_logs.clone(), options.privacy.clone());
    // Without eBPF, every process number comes from this /proc, so it can be looked up there.
    let looks_up = polls || surroundings.proc_is_hosts();
    let host_root = surroundings.host_root();
    let (shedding, sampled) = (Arc::clone(&options.shedding), Arc::clone(&counts));
    Sampler { interval, polls, looks_up, host_root, pod_logs, privacy, incoming, out, counts: sampled, shedding }
        .spawn()?;
    let losses = Losses::new(Instant::now(), engine_ns());
    Ok(Probes { ring, requests, facts, reports, attached, refused_requests: 0, sampler: counts, losses, _delay: delay })
}

/// Logs a limit, and reports for `/readyz` and metrics what is not seen because of it.
fn report_limit(limit: &Limit) -> HookReport {
    tracing::warn!("{}: {}; not seen: {}; remedy: {}", limit.what, limit.found, limit.lost, limit.remedy);
    HookReport { fact: limit.what, way: None, refusals: vec![Refusal::general(limit.found.clone())], lost: limit.lost }
}

/// What each fact would take, attached only as long as this lives; for `pidflow doctor`.
pub(crate) struct Trial(KernelSide);

impl Trial {
    /// Attaches.
    ///
    /// # Errors
    /// As [`start`].
    pub(crate) fn start(backend: Backend) -> Result<Self> {
        kernel_side(backend, &Arc::new(Privacy::new(None)?)).map(Self)
    }

    /// Which way each fact took.
    pub(crate) fn reports(&self) -> &[HookReport] {
        &self.0.reports
    }

    /// What is attached.
    pub(crate) fn attached(&self) -> &[AttachedHook] {
        &self.0.attached
    }

    /// Takes every fact that the kernel has reported.
    pub(crate) fn drain(&mut self, out: &mut Vec<Fact>) {
        if let Some(ring) = &mut self.0.ring {
            ring.drain(out);
        }
    }

    /// Events of the kernel that were lost.
    pub(crate) fn lost_events(&self) -> u64 {
        self.0.ring.as_ref().map_or(0, |ring| ring.counts().lost_events())
    }
}

/// The programs and how they are attached.
struct KernelSide {
    /// None: /proc is polled instead.
    ring: Option<Ring>,
    reports: Vec<HookReport>,
    attached: Vec<AttachedHook>,
}

impl KernelSide {
    fn polling(refusals: Vec<Refusal>) -> Self {
        Self { ring: None, reports: vec![polling(refusals)], attached: Vec::new() }
    }
}

fn kernel_side(backend: Backend, privacy: &Arc<Privacy>) -> Result<KernelSide> {
    if backend == Backend::Poll {
        return Ok(KernelSide::polling(Vec::new()));
    }
    match attach_ebpf(backend, privacy) {
        Err(e) if backend == Backend::Auto => {
            tracing::warn!("eBPF is unavailable, polling /proc instead: {e:#}");
            Ok(KernelSide::polling(vec![Refusal::general(format!("{e:#}"))]))
        }
        attached => attached,
    }
}

#[cfg(feature = "probes")]
fn attach_ebpf(backend: Backend, privacy: &Arc<Privacy>) -> Result<KernelSide> {
    let attach::Attached { ebpf, reports, attached } = attach::attach(backend)?;
    Ok(KernelSide { ring: Some(Ring::new(ebpf, Arc::clone(privacy))?), reports, attached })
}

#[cfg(not(feature = "probes"))]
fn attach_ebpf(_: Backend, _: &Arc<Privacy>) -> Result<KernelSide> {
    Err(anyhow::anyhow!("this pidflow was built without eBPF (cargo feature `probes`); use --probes poll"))
}

fn polling(refusals: Vec<Refusal>) -> HookReport {
    HookReport {
        fact: "processes and sockets",
        way: Some("polling /proc".to_owned()),
        refusals,
        lost: "processes and sockets that live shorter than the polling interval",
    }
}

impl Probes {
    /// Appends all available facts, oldest first within each source.
    pub(crate) fn drain(&mut self, out: &mut Vec<Fact>) {
        out.extend(self.facts.try_iter().flatten());
        let from = out.len();
        if let Some(ring) = &mut self.ring {
            ring.drain(out);
        }
        for event in out.get(from..).unwrap_or_default() {
            ask(&self.requests, &mut self.refused_requests, event);
        }
        self.notice_losses(out);
    }

    fn notice_losses(&mut self, out: &mut Vec<Fact>) {
        let now = Instant::now();
        if self.losses.is_due(now) {
            // Before the counters: an event that is lost while they are read counts in the next period.
            let now_ns = engine_ns();
            out.extend(self.losses.check(&self.counts(), now, now_ns));
        }
        if self.losses.take_recount(now) {
            self.refused_requests += u64::from(self.requests.try_send(Request::Recount).is_err());
        }
    }

    /// Asks the sampler to read the ids of namespaces.
    pub(crate) fn ask_for_namespace_ids(&mut self) {
        self.refused_requests += u64::from(self.requests.try_send(Request::NamespaceIds).is_err());
    }

    /// How each fact is collected.
    pub(crate) fn reports(&self) -> &[HookReport] {
        &self.reports
    }

    /// What is attached.
    pub(crate) fn attached(&self) -> &[AttachedHook] {
        &self.attached
    }

    /// Whether /proc is polled instead of hooks.
    pub(crate) const fn polls(&self) -> bool {
        self.ring.is_none()
    }

    /// The kernel side's counters, and requests to the sampler that were refused.
    pub(crate) fn counts(&self) -> KernelCounts {
        let mut counts = self.ring.as_ref().map(Ring::counts).unwrap_or_default();
        counts.sampler_refused = self.refused_requests;
        counts.sampler_given_up = self.sampler.total();
        counts.lines_skipped = host_files::skipped();
        counts
    }
}

/// Sends the sampler the requests that follow from an event.
fn ask(requests: &Sender<Request>, refused: &mut u64, event: &Fact) {
    let request = match event {
        Fact::Exec { task, .. } => Request::Describe(task.id),
        Fact::Socket { task, socket, sample, .. } => {
            *refused +=
                u64::from(has_many_threads(sample.as_ref()) && requests.try_send(Request::Sample(task.id)).is_err());
            Request::Watch(task.id, socket.netns)
        }
        Fact::Exit { task, .. } => Request::Forget(task.id),
        _ => return,
    };
    *refused += u64::from(requests.try_send(request).is_err());
}

/// Whether the kernel side did not sum up the usage of the process's threads.
fn has_many_threads(sample: Option<&Sample>) -> bool {
    sample.is_some_and(|s| s.cpu_ns.is_none())
}

/// The identity of a process from its PID and its start time in ticks, as in /proc.
fn process_id(pid: i32, start: u64) -> ProcessId {
    ProcessId::from_ticks(u32::try_from(pid).unwrap_or(0), start)
}

#[cfg(test)]
mod tests;
