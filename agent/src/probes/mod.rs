//! The kernel's side: eBPF programs, snapshots of /proc, samples of resource usage.
//!
//! [`start`] attaches first and reads /proc then, so that nothing falls between the two. The
//! pipeline pulls facts with [`Probes::drain`] whenever it is about to look at packets: what the
//! kernel said before a packet is known before the packet is counted.

#[cfg(feature = "probes")]
mod attach;
#[cfg(feature = "probes")]
mod btf;
#[cfg(feature = "probes")]
mod btf_reader;
mod delay;
#[cfg(feature = "probes")]
mod hooks;
#[cfg(feature = "probes")]
mod parse;
mod pods;
mod procfs_read;
mod ring;
mod sampler;
mod snapshot;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::{Receiver, Sender, bounded};
use pidflow_engine::fact::{Fact, ProcessId};

pub(crate) use delay::DelayAccounting;
pub(crate) use procfs_read::own_network_namespace;
pub(crate) use ring::KernelCounts;

use ring::Ring;
use sampler::{Request, Sampler};

/// How facts are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Backend {
    /// The best way for each fact.
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
    /// How.
    pub(crate) backend: Backend,
    /// What to do with the kernel's delay accounting.
    pub(crate) delay_accounting: DelayAccounting,
    /// Between two samples of a process, and between two polls.
    pub(crate) interval: Duration,
    /// The kubelet's links to the logs of containers; no folder: pods are not known.
    pub(crate) pod_logs: PathBuf,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            delay_accounting: DelayAccounting::Keep,
            interval: Duration::from_secs(1),
            pod_logs: PathBuf::new(),
        }
    }
}

/// Which way one fact took.
#[derive(Debug, Clone)]
pub(crate) struct HookReport {
    /// The fact.
    pub(crate) fact: &'static str,
    /// The hooks in use; none: no way could be taken.
    pub(crate) way: Option<String>,
    /// Why better ways were not taken; empty: the best one was.
    pub(crate) reason: String,
    /// What is not seen; empty: nothing.
    pub(crate) lost: &'static str,
}

/// Running probes; dropping them detaches everything.
pub(crate) struct Probes {
    ring: Option<Ring>,
    requests: Sender<Request>,
    facts: Receiver<Vec<Fact>>,
    reports: Vec<HookReport>,
    refused_requests: u64,
    _delay: delay::Guard,
}

/// Batches of facts that may wait for the pipeline.
const FACT_BATCHES: usize = 1024;
/// Requests that may wait for the sampler; more are refused and counted.
const REQUESTS: usize = 16_384;

/// Attaches the probes, reads the processes and sockets that are there already, starts sampling.
///
/// # Errors
/// The backend cannot be had: which, why, and what to use instead.
pub(crate) fn start(options: &ProbeOptions) -> Result<Probes> {
    let delay = delay::Guard::apply(options.delay_accounting)?;
    let (ring, reports) = kernel_side(options.backend)?;
    let (requests, incoming) = bounded(REQUESTS);
    let (out, facts) = bounded(FACT_BATCHES);
    let (interval, pod_logs) = (options.interval, options.pod_logs.clone());
    Sampler { interval, polls: ring.is_none(), pod_logs, incoming, out }.spawn()?;
    Ok(Probes { ring, requests, facts, reports, refused_requests: 0, _delay: delay })
}

/// What each fact would take, without staying attached; for `pidflow doctor`.
///
/// # Errors
/// As [`start`].
pub(crate) fn probe_hooks(backend: Backend) -> Result<Vec<HookReport>> {
    kernel_side(backend).map(|(_, reports)| reports)
}

fn kernel_side(backend: Backend) -> Result<(Option<Ring>, Vec<HookReport>)> {
    if backend == Backend::Poll {
        return Ok((None, vec![polling(String::new())]));
    }
    match attach_ebpf(backend) {
        Ok((ring, reports)) => Ok((Some(ring), reports)),
        Err(e) if backend == Backend::Auto => {
            tracing::warn!("eBPF is not to be had, polling /proc instead: {e:#}");
            Ok((None, vec![polling(format!("{e:#}"))]))
        }
        Err(e) => Err(e),
    }
}

#[cfg(feature = "probes")]
fn attach_ebpf(backend: Backend) -> Result<(Ring, Vec<HookReport>)> {
    let attached = attach::attach(backend)?;
    Ok((Ring::new(attached.ebpf)?, attached.reports))
}

#[cfg(not(feature = "probes"))]
fn attach_ebpf(_: Backend) -> Result<(Ring, Vec<HookReport>)> {
    Err(anyhow::anyhow!("this pidflow was built without eBPF (cargo feature `probes`); use --probes poll"))
}

fn polling(reason: String) -> HookReport {
    HookReport {
        fact: "processes and sockets",
        way: Some("polling /proc".to_owned()),
        reason,
        lost: "processes and sockets that live shorter than the polling interval",
    }
}

impl Probes {
    /// Takes every fact there is, oldest first within each source.
    pub(crate) fn drain(&mut self, out: &mut Vec<Fact>) {
        out.extend(self.facts.try_iter().flatten());
        let from = out.len();
        if let Some(ring) = &mut self.ring {
            ring.drain(out);
        }
        for event in out.get(from..).unwrap_or_default() {
            ask(&self.requests, &mut self.refused_requests, event);
        }
    }

    /// Which way each fact took.
    pub(crate) fn reports(&self) -> &[HookReport] {
        &self.reports
    }

    /// The kernel side's counters, and requests to the sampler that were refused.
    pub(crate) fn counts(&self) -> KernelCounts {
        let mut counts = self.ring.as_ref().map(Ring::counts).unwrap_or_default();
        counts.sampler_refused = self.refused_requests;
        counts
    }
}

/// What an event gives the sampler to do.
fn ask(requests: &Sender<Request>, refused: &mut u64, event: &Fact) {
    let request = match event {
        Fact::Exec { task, .. } => Request::Describe(task.id),
        Fact::Socket { task, socket, .. } => Request::Watch(task.id, socket.netns),
        Fact::Exit { task, .. } => Request::Forget(task.id),
        _ => return,
    };
    *refused += u64::from(requests.try_send(request).is_err());
}

/// Identity in the terms of /proc.
fn process_id(pid: i32, start: u64) -> ProcessId {
    ProcessId::from_ticks(u32::try_from(pid).unwrap_or(0), start)
}

#[cfg(test)]
mod tests;
