//! pidflow's own elements, where neither IANA nor ntop has one.

use crate::element::DataType as T;
use crate::element::Enterprise::Pidflow;
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{Attribution, FlowEndDetail, FlowRecord, InitiatorBasis};
use crate::value::Value;

use super::build::row;
use super::process::{process, text, usage};
use super::write::{candidate_mut, host_usage_mut, pod_mut, process_mut, set, set_handshake, usage_mut};

const fn counted(e: Element, unit: Unit) -> Element {
    e.unit(unit, Semantics::DeltaCounter)
}

const fn memory(e: Element) -> Element {
    e.unit(Unit::Octets, Semantics::Quantity)
}

const fn not_empty(s: &str) -> Option<&str> {
    if s.is_empty() { None } else { Some(s) }
}

/// Which directions have packets that are longer by their IP header than their frame.
fn beyond_frame(r: &FlowRecord) -> Option<Value<'static>> {
    let bits = u64::from(r.flow.forward.is_beyond_frame) | u64::from(r.flow.reverse.is_beyond_frame) << 1;
    (bits != 0).then_some(Value::Unsigned(bits))
}

/// The elements of one end, with the ids `$base` + 0 … 15.
macro_rules! end {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $known:ident, $usage:ident, $iowait:ident, $candidate:ident, $namespace:ident, $pod:ident, $base:literal) => {
        [
            row(concat!($end, "_PROC_ATTRIBUTION"), concat!($side, "ProcAttribution"), (Pidflow, $base), T::String,
                |r| Some(Value::text(r.$f.attribution.name()))).writes(|r, v| set(v.named(&Attribution::ALL, Attribution::name), |n| r.$f.attribution = n))
                .v9_text(20).otel(concat!("pidflow.", $otel, ".attribution"))
                .doc(concat!("How the ", $otel, " end was attributed (socket-event, local-port-event, snapshot-tuple, snapshot-port, listener-only, reported) or why not (remote, ambiguous, no-socket, no-process, offline, kernel, not-reported).")),
            memory(row(concat!($end, "_PROC_ACTUAL_MEMORY_64"), concat!($side, "ProcActualMemory64"), (Pidflow, $base + 1), T::Unsigned64,
                |r| usage(&r.$f, |u| u.memory_actual)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).memory_actual = Some(n))))
                .group(Group::$usage).otel(concat!("pidflow.", $otel, ".process.memory.usage"))
                .doc(concat!("Resident memory of the process at the ", $otel, " end at the flow's end, bytes, full range.")),
            memory(row(concat!($end, "_PROC_PEAK_MEMORY_64"), concat!($side, "ProcPeakMemory64"), (Pidflow, $base + 2), T::Unsigned64,
                |r| usage(&r.$f, |u| u.memory_peak)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).memory_peak = Some(n))))
                .group(Group::$usage).otel(concat!("pidflow.", $otel, ".process.memory.peak"))
                .doc(concat!("Peak resident memory of the process at the ", $otel, " end up to the flow's end, bytes, full range.")),
            row(concat!($end, "_PROC_START_TIME"), concat!($side, "ProcStartTime"), (Pidflow, $base + 3), T::DateTimeMilliseconds,
                |r| process(&r.$f).map(|p| Value::Time(p.start_ns))).writes(|r, v| set(v.time_ns(), |n| process_mut(&mut r.$f).start_ns = n))
                .group(Group::$known).unit(Unit::Milliseconds, Semantics::Default).otel(concat!($otel, ".process.creation.time"))
                .doc(concat!("Start time of the process at the ", $otel, " end; together with the PID it identifies the process.")),
            row(concat!($end, "_PROC_ANCESTORS"), concat!($side, "ProcAncestors"), (Pidflow, $base + 4), T::String,
                |r| process(&r.$f).and_then(|p| text(&p.ancestors))).writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).ancestors = n))
                .group(Group::$known).v9_text(64).otel(concat!("pidflow.", $otel, ".process.ancestors"))
                .doc(concat!("Parents of the process at the ", $otel, " end as name(pid) joined by <, nearest first, to PID 1; in names <, (, ) and \\ are escaped with \\.")),
            row(concat!($end, "_PROC_EXECUTABLE"), concat!($side, "ProcExecutable"), (Pidflow, $base + 5), T::String,
                |r| process(&r.$f).and_then(|p| text(&p.executable))).writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).executable = n))
                .group(Group::$known).v9_text(64).otel(concat!($otel, ".process.executable.path"))
                .doc(concat!("Executable path of the process at the ", $otel, " end.")),
            row(concat!($end, "_NETWORK_NAMESPACE"), concat!($side, "NetworkNamespace"), (Pidflow, $base + 6), T::Unsigned32,
                |r| r.$f.network_namespace.map(Into::into)).writes(|r, v| set(v.number(), |n| r.$f.network_namespace = Some(n)))
                .group(Group::$namespace).identifier().otel(concat!("pidflow.", $otel, ".network_namespace.inode"))
                .doc(concat!("Inode number of the network namespace of the ", $otel, " end's socket.")),
            counted(row(concat!($end, "_FLOW_CPU_TIME"), concat!($side, "FlowCpuTime"), (Pidflow, $base + 7), T::Unsigned64,
                |r| usage(&r.$f, |u| u.cpu_time_ns)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).cpu_time_ns = Some(n))), Unit::Nanoseconds)
                .group(Group::$usage).otel(concat!("pidflow.", $otel, ".flow.cpu.time"))
                .doc(concat!("CPU time, user and system, that the process at the ", $otel, " end used during the flow.")),
            counted(row(concat!($end, "_FLOW_MINOR_FAULTS"), concat!($side, "FlowMinorFaults"), (Pidflow, $base + 8), T::Unsigned64,
                |r| usage(&r.$f, |u| u.minor_faults)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).minor_faults = Some(n))), Unit::Faults)
                .group(Group::$usage).otel(concat!("pidflow.", $otel, ".flow.faults.minor"))
                .doc(concat!("Minor page faults of the process at the ", $otel, " end during the flow.")),
            counted(row(concat!($end, "_FLOW_MAJOR_FAULTS"), concat!($side, "FlowMajorFaults"), (Pidflow, $base + 9), T::Unsigned64,
                |r| usage(&r.$f, |u| u.major_faults)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).major_faults = Some(n))), Unit::Faults)
                .group(Group::$usage).otel(concat!("pidflow.", $otel, ".flow.faults.major"))
                .doc(concat!("Major page faults of the process at the ", $otel, " end during the flow.")),
            counted(row(concat!($end, "_FLOW_IOWAIT_TIME"), concat!($side, "FlowIowaitTime"), (Pidflow, $base + 10), T::Unsigned64,
                |r| usage(&r.$f, |u| u.iowait_ns)).writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).iowait_ns = Some(n))), Unit::Nanoseconds)
                .group(Group::$iowait).otel(concat!("pidflow.", $otel, ".flow.iowait.time"))
                .doc(concat!("Time that the process at the ", $otel, " end waited for block I/O during the flow; absent unless delay accounting is on.")),
            row(concat!($end, "_CANDIDATE_PROC_PID"), concat!($side, "CandidateProcPid"), (Pidflow, $base + 11), T::Unsigned32,
                |r| r.$f.candidate.as_ref().map(|c| c.pid.into())).writes(|r, v| set(v.number(), |n| candidate_mut(&mut r.$f).pid = n))
                .group(Group::$candidate).identifier().otel(concat!("pidflow.", $otel, ".candidate.process.pid"))
                .doc(concat!("Another process that may own the ", $otel, " end: the listening socket's owner if another process accepted; one of several that fit equally well; or the only one if events were lost.")),
            row(concat!($end, "_CANDIDATE_PROC_NAME"), concat!($side, "CandidateProcName"), (Pidflow, $base + 12), T::String,
                |r| r.$f.candidate.as_ref().and_then(|c| text(&c.name))).writes(|r, v| set(v.shared_text(), |n| candidate_mut(&mut r.$f).name = n))
                .group(Group::$candidate).otel(concat!("pidflow.", $otel, ".candidate.process.executable.name"))
                .doc(concat!("Name of the other process that may own the ", $otel, " end.")),
            row(concat!($end, "_K8S_NAMESPACE"), concat!($side, "K8sNamespace"), (Pidflow, $base + 13), T::String,
                |r| text(r.$f.kubernetes_namespace()?)).writes(|r, v| set(v.shared_text(), |n| pod_mut(&mut r.$f).namespace = n))
                .group(Group::$pod).v9_text(64).otel(concat!($otel, ".k8s.namespace.name"))
                .doc(concat!("Kubernetes namespace of the pod at the ", $otel, " end, or of the service if the pod is unknown.")),
            row(concat!($end, "_K8S_POD"), concat!($side, "K8sPod"), (Pidflow, $base + 14), T::String,
                |r| r.$f.pod().and_then(|p| text(&p.name))).writes(|r, v| set(v.shared_text(), |n| pod_mut(&mut r.$f).name = n))
                .group(Group::$pod).v9_text(64).otel(concat!($otel, ".k8s.pod.name"))
                .doc(concat!("Kubernetes pod of the process at the ", $otel, " end; without a process on this host, the pod that had the address at the time of the flow.")),
            row(concat!($end, "_K8S_CONTAINER"), concat!($side, "K8sContainer"), (Pidflow, $base + 15), T::String,
                |r| r.$f.pod().and_then(|p| text(&p.container))).writes(|r, v| set(v.shared_text(), |n| pod_mut(&mut r.$f).container = n))
                .group(Group::$pod).v9_text(64).otel(concat!($otel, ".k8s.container.name"))
                .doc(concat!("Name, within its Kubernetes pod, of the container of the process at the ", $otel, " end.")),
        ]
    };
}

/// The elements of the source end.
pub(super) const SOURCE: &[Element] = &end!(
    source,
    "SRC",
    "src",
    "source",
    Source,
    SourceUsage,
    SourceIowait,
    SourceCandidate,
    SourceNamespace,
    SourcePod,
    16
);
/// The elements of the destination end.
pub(super) const DESTINATION: &[Element] = &end!(
    destination,
    "DST",
    "dst",
    "destination",
    Destination,
    DestinationUsage,
    DestinationIowait,
    DestinationCandidate,
    DestinationNamespace,
    DestinationPod,
    48
);

/// The elements of the flow.
pub(super) const FLOW: &[Element] = &[
    row("FLOW_END_DETAIL", "flowEndDetail", (Pidflow, 1), T::String, |r| not_empty(r.flow.end_detail.name()).map(Value::text)).writes(|r, v| set(v.named(&FlowEndDetail::ALL, FlowEndDetail::name), |n| r.flow.end_detail = n))
        .otel("pidflow.flow.end_detail")
        .doc("More precise than FLOW_END_REASON: fin, rst, new-connection, socket-changed, connect-failed, clock-step, translation-changed, sampling-changed, end-of-capture, shutdown."),
    row("INITIATOR_BASIS", "initiatorBasis", (Pidflow, 2), T::String, |r| Some(Value::text(r.flow.initiator.name()))).writes(|r, v| set(v.named(&InitiatorBasis::ALL, InitiatorBasis::name), |n| r.flow.initiator = n))
        .otel("pidflow.flow.initiator_basis")
        .doc("How the source was determined to be the initiator: socket (the kernel reported who connected), syn, first-packet."),
    row("CONNECT_ERROR", "connectError", (Pidflow, 3), T::Unsigned16, |r| r.connect_error.map(Into::into)).writes(|r, v| set(v.number(), |n| r.connect_error = Some(n)))
        .group(Group::ConnectError).identifier().otel("pidflow.flow.connect.errno")
        .doc("Why connect failed, as errno of the Linux generic ABI: 111 refused, 110 timed out, 113 no route to host, …"),
    row("OWN_TRAFFIC", "ownTraffic", (Pidflow, 15), T::Unsigned8, |r| r.is_own.then_some(Value::Unsigned(1))).writes(|r, v| set(v.number::<u8>(), |n| r.is_own = n != 0))
        .group(Group::Own).identifier().otel("pidflow.flow.own_traffic")
        .doc("1: the observing agent itself is at an end of the flow (exports, HTTP, self-tests); absent in other records."),
    row("CONNECT_MICROSECONDS", "connectMicroseconds", (Pidflow, 4), T::Unsigned32, |r| r.flow.handshake.map(|h| h.total_us().into())).writes(|r, v| set(v.number(), |n| set_handshake(r, n)))
        .group(Group::Handshake).unit(Unit::Microseconds, Semantics::Quantity).otel("pidflow.flow.tcp.handshake.time")
        .doc("Time from the client's first SYN to the ACK that ended the TCP handshake, microseconds."),
    row("IP_LENGTH_BEYOND_FRAME", "ipLengthBeyondFrame", (Pidflow, 224), T::Unsigned8, |r| beyond_frame(r)).writes(|r, v| set(v.number::<u8>(), |n| (r.flow.forward.is_beyond_frame, r.flow.reverse.is_beyond_frame) = (n & 1 != 0, n & 2 != 0)))
        .group(Group::BeyondFrame).identifier().otel("pidflow.flow.ip_length_beyond_frame")
        .doc("IP headers of packets in the record state more bytes than the frames had; these packets count with what was there. One bit for each direction: 1 packets of the source, 2 of the destination; absent if there was none."),
    row("HOST_NAME", "hostName", (Pidflow, 5), T::String, |r| text(&r.host)).writes(|r, v| set(v.shared_text(), |n| r.host = n))
        .group(Group::Host).v9_text(32)
        .doc("Name of the host on which the flow was observed and whose processes are named (--host); absent for a capture file. In OTLP: host.name of the resource."),
    row("HOST_CPU_LOAD", "hostCpuLoad", (Pidflow, 6), T::Unsigned32, |r| r.host_usage.map(|u| u.cpu_load.into())).writes(|r, v| set(v.number(), |n| host_usage_mut(r).cpu_load = n))
        .group(Group::HostUsage).unit(Unit::HundredthsOfPercent, Semantics::Quantity).otel("pidflow.host.cpu.load")
        .doc("Share of the time of all processors of the host in which they were busy during the flow, percent x 100 (0 to 10000); between the two readings, one per second, that enclose the flow."),
    row("HOST_PCTG_IOWAIT", "hostPctgIowait", (Pidflow, 7), T::Unsigned32, |r| r.host_usage.map(|u| u.iowait.into())).writes(|r, v| set(v.number(), |n| host_usage_mut(r).iowait = n))
        .group(Group::HostUsage).unit(Unit::HundredthsOfPercent, Semantics::Quantity).otel("pidflow.host.iowait")
        .doc("Share of the time of all processors of the host in which they were idle while block I/O was in progress during the flow, percent x 100 (0 to 10000)."),
];
