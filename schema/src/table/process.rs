//! ntop's process elements: the 20 of ntop's talks, and the later ones.

use std::sync::Arc;

use crate::element::DataType as T;
use crate::element::Enterprise::Ntop;
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{Process, ProcessEnd, ProcessUsage};
use crate::value::Value;

use super::build::row;
use super::write::{process_mut, set, usage_mut};

pub(super) fn process(end: &ProcessEnd) -> Option<&Process> {
    end.process.as_deref()
}

/// An empty text means unknown.
pub(super) fn text(s: &Arc<str>) -> Option<Value<'_>> {
    (!s.is_empty()).then(|| Value::text(s))
}

pub(super) fn usage<'a>(end: &ProcessEnd, f: impl Fn(&ProcessUsage) -> Option<u64>) -> Option<Value<'a>> {
    end.usage.as_ref().and_then(f).map(Value::Unsigned)
}

const fn percent(e: Element) -> Element {
    e.unit(Unit::HundredthsOfPercent, Semantics::Quantity)
}

const fn memory(e: Element) -> Element {
    e.unit(Unit::Octets, Semantics::Quantity)
}

/// The ten elements of one end. `$f` is the member of the record, `$ids` are ntop's ids.
macro_rules! ten {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $known:ident, $usage:ident, $iowait:ident, $ids:expr) => {
        [
            row(concat!($end, "_PROC_PID"), concat!($side, "ProcPid"), (Ntop, $ids[0]), T::Unsigned32, |r| {
                process(&r.$f).map(|p| p.pid.into())
            })
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).pid = n))
            .group(Group::$known)
            .identifier()
            .otel(concat!($otel, ".process.pid"))
            .doc(concat!(
                "Process (thread group leader) id at the ",
                $otel,
                " end, in the host's PID namespace."
            )),
            row(concat!($end, "_PROC_NAME"), concat!($side, "ProcName"), (Ntop, $ids[1]), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.name))
            })
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).name = n))
            .group(Group::$known)
            .otel(concat!($otel, ".process.executable.name"))
            .doc(concat!(
                "Process name at the ",
                $otel,
                " end: the leader's comm, completed from the executable if the kernel cut it."
            )),
            row(concat!($end, "_PROC_USER_NAME"), concat!($side, "ProcUserName"), (Ntop, $ids[2]), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.user))
            })
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).user = n))
            .group(Group::$known)
            .otel(concat!($otel, ".process.user.name"))
            .doc(concat!(
                "User name of the effective user of the process at the ",
                $otel,
                " end; the number if the host has no name for it."
            )),
            row(
                concat!($end, "_FATHER_PROC_PID"),
                concat!($side, "FatherProcPid"),
                (Ntop, $ids[3]),
                T::Unsigned32,
                |r| process(&r.$f).filter(|p| p.parent_pid != 0).map(|p| p.parent_pid.into()),
            )
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).parent_pid = n))
            .group(Group::$known)
            .identifier()
            .otel(concat!($otel, ".process.parent_pid"))
            .doc(concat!("Parent's process id at the ", $otel, " end, as it was while the process lived.")),
            row(
                concat!($end, "_FATHER_PROC_NAME"),
                concat!($side, "FatherProcName"),
                (Ntop, $ids[4]),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.parent_name)),
            )
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).parent_name = n))
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.parent.name"))
            .doc(concat!("Parent's process name at the ", $otel, " end.")),
            memory(
                row(
                    concat!($end, "_PROC_ACTUAL_MEMORY"),
                    concat!($side, "ProcActualMemory"),
                    (Ntop, $ids[5]),
                    T::Unsigned32,
                    |r| usage(&r.$f, |u| u.memory_actual),
                )
                .writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).memory_actual = Some(n))),
            )
            .group(Group::$usage)
            .doc(concat!(
                "Resident memory of the process at the ",
                $otel,
                " end at the flow's end, bytes; saturates at 4294967295."
            )),
            memory(
                row(
                    concat!($end, "_PROC_PEAK_MEMORY"),
                    concat!($side, "ProcPeakMemory"),
                    (Ntop, $ids[6]),
                    T::Unsigned32,
                    |r| usage(&r.$f, |u| u.memory_peak),
                )
                .writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).memory_peak = Some(n))),
            )
            .group(Group::$usage)
            .doc(concat!(
                "Peak resident memory of the process at the ",
                $otel,
                " end up to the flow's end, bytes; saturates at 4294967295."
            )),
            percent(
                row(
                    concat!($end, "_PROC_AVERAGE_CPU_LOAD"),
                    concat!($side, "ProcAverageCpuLoad"),
                    (Ntop, $ids[7]),
                    T::Unsigned32,
                    |r| usage(&r.$f, |u| u.cpu_load.map(u64::from)),
                )
                .writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).cpu_load = Some(n))),
            )
            .group(Group::$usage)
            .otel(concat!("pidflow.", $otel, ".process.cpu.load"))
            .doc(concat!(
                "CPU load of the process at the ",
                $otel,
                " end over the flow's time, percent of one core × 100 (above 10000 with several threads)."
            )),
            row(
                concat!($end, "_PROC_NUM_PAGE_FAULTS"),
                concat!($side, "ProcNumPageFaults"),
                (Ntop, $ids[8]),
                T::Unsigned32,
                |r| usage(&r.$f, ProcessUsage::page_faults),
            )
            .group(Group::$usage)
            .unit(Unit::Faults, Semantics::DeltaCounter)
            .otel(concat!("pidflow.", $otel, ".process.page_faults"))
            .doc(concat!("Minor and major page faults of the process at the ", $otel, " end during the flow.")),
            percent(
                row(
                    concat!($end, "_PROC_PCTG_IOWAIT"),
                    concat!($side, "ProcPctgIowait"),
                    (Ntop, $ids[9]),
                    T::Unsigned32,
                    |r| usage(&r.$f, |u| u.iowait.map(u64::from)),
                )
                .writes(|r, v| set(v.number(), |n| usage_mut(&mut r.$f).iowait = Some(n))),
            )
            .group(Group::$iowait)
            .otel(concat!("pidflow.", $otel, ".process.iowait"))
            .doc(concat!(
                "Share of the flow's time that the process at the ",
                $otel,
                " end waited for block I/O, percent × 100; absent unless delay accounting is on."
            )),
        ]
    };
}

/// The ten elements of ntop's talks for the source end, in their order.
pub(super) const SOURCE: &[Element] = &ten!(
    source,
    "SRC",
    "src",
    "source",
    Source,
    SourceUsage,
    SourceIowait,
    [168, 169, 372, 373, 374, 383, 384, 385, 386, 393]
);
/// The ten elements of ntop's talks for the destination end, in their order.
pub(super) const DESTINATION: &[Element] = &ten!(
    destination,
    "DST",
    "dst",
    "destination",
    Destination,
    DestinationUsage,
    DestinationIowait,
    [375, 376, 377, 378, 379, 387, 388, 389, 390, 394]
);

macro_rules! more {
    ($f:ident, $end:literal, $side:literal, $otel:literal, ($known:ident, $user:ident, $parent_user:ident), $ids:expr) => {
        [
            row(concat!($end, "_PROC_UID"), concat!($side, "ProcUid"), (Ntop, $ids[0]), T::Unsigned32, |r| {
                process(&r.$f).and_then(|p| Process::known_uid(p.uid)).map(Into::into)
            })
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).uid = n))
            .group(Group::$user)
            .identifier()
            .otel(concat!($otel, ".process.user.id"))
            .doc(concat!(
                "Effective user id of the process at the ",
                $otel,
                " end, in the initial user namespace."
            )),
            row(concat!($end, "_PROC_CMDLINE"), concat!($side, "ProcCmdline"), (Ntop, $ids[1]), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.command_line))
            })
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).command_line = n))
            .group(Group::$known)
            .v9_text(32)
            .otel(concat!($otel, ".process.command_line"))
            .doc(concat!("Command line of the process at the ", $otel, " end, arguments joined by blanks.")),
            row(
                concat!($end, "_PROC_CONTAINER_ID"),
                concat!($side, "ProcContainerId"),
                (Ntop, $ids[2]),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.placement.container_id)),
            )
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).placement.container_id = n))
            .group(Group::$known)
            .otel(concat!($otel, ".container.id"))
            .doc(concat!("Container id of the process at the ", $otel, " end, from its cgroup path.")),
            row(
                concat!($end, "_FATHER_PROC_UID"),
                concat!($side, "FatherProcUid"),
                (Ntop, $ids[3]),
                T::Unsigned32,
                |r| process(&r.$f).and_then(|p| p.parent_uid).and_then(Process::known_uid).map(Into::into),
            )
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).parent_uid = Some(n)))
            .group(Group::$parent_user)
            .identifier()
            .otel(concat!("pidflow.", $otel, ".process.parent.user.id"))
            .doc(concat!("Effective user id of the parent process at the ", $otel, " end.")),
            row(
                concat!($end, "_FATHER_PROC_USER_NAME"),
                concat!($side, "FatherProcUserName"),
                (Ntop, $ids[4]),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.parent_user)),
            )
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).parent_user = n))
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.parent.user.name"))
            .doc(concat!("User name of the parent process at the ", $otel, " end.")),
        ]
    };
}

/// ntop's later elements for the source end.
pub(super) const SOURCE_MORE: &[Element] =
    &more!(source, "SRC", "src", "source", (Source, SourceUser, SourceParentUser), [425, 556, 558, 564, 565]);
/// ntop's later elements for the destination end.
pub(super) const DESTINATION_MORE: &[Element] = &more!(
    destination,
    "DST",
    "dst",
    "destination",
    (Destination, DestinationUser, DestinationParentUser),
    [426, 557, 559, 567, 568]
);
