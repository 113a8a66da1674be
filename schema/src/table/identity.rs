//! pidflow's own elements of a process's identity beyond its name: users, login, container, units. They are not sent in
//! NetFlow v9: with its texts of fixed length, a record of all elements would not fit into a packet.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::Pidflow;
use crate::group::Group;
use crate::record::{Login, ProcessEnd};

use super::build::row;
use super::process::{process, text};
use super::write::{login_mut, placement_mut, process_mut, set};

fn login(end: &ProcessEnd) -> Option<Login> {
    process(end)?.login
}

/// The elements of one end, with the ids `$base` + 0 … 10.
macro_rules! end {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $known:ident, $real:ident, $login:ident, $base:literal) => {
        [
            row(concat!($end, "_PROC_REAL_UID"), concat!($side, "ProcRealUid"), (Pidflow, $base), T::Unsigned32, |r| {
                process(&r.$f).and_then(|p| p.real_uid).map(Into::into)
            })
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).real_uid = Some(n)))
            .not_in_v9()
            .group(Group::$real)
            .identifier()
            .otel(concat!($otel, ".process.real_user.id"))
            .doc(concat!(
                "Real user id of the process at the ",
                $otel,
                " end, in the initial user namespace, as last read from /proc."
            )),
            row(
                concat!($end, "_PROC_REAL_USER_NAME"),
                concat!($side, "ProcRealUserName"),
                (Pidflow, $base + 1),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.real_user)),
            )
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).real_user = n))
            .not_in_v9()
            .group(Group::$real)
            .otel(concat!($otel, ".process.real_user.name"))
            .doc(concat!(
                "User name of the real user of the process at the ",
                $otel,
                " end; the number if the host has no name for it."
            )),
            row(
                concat!($end, "_PROC_LOGIN_UID"),
                concat!($side, "ProcLoginUid"),
                (Pidflow, $base + 2),
                T::Unsigned32,
                |r| login(&r.$f).map(|l| l.uid.into()),
            )
            .writes(|r, v| set(v.number(), |n| login_mut(&mut r.$f).uid = n))
            .not_in_v9()
            .group(Group::$login)
            .identifier()
            .otel(concat!("pidflow.", $otel, ".process.login.user.id"))
            .doc(concat!(
                "User id with which somebody logged in to start the process at the ",
                $otel,
                " end (/proc/PID/loginuid); sudo and su do not change it; absent for services."
            )),
            row(
                concat!($end, "_PROC_LOGIN_USER_NAME"),
                concat!($side, "ProcLoginUserName"),
                (Pidflow, $base + 3),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.login_user)),
            )
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).login_user = n))
            .not_in_v9()
            .group(Group::$login)
            .otel(concat!("pidflow.", $otel, ".process.login.user.name"))
            .doc(concat!(
                "Name of the user who logged in to start the process at the ",
                $otel,
                " end; the number if the host has no name for it."
            )),
            row(
                concat!($end, "_PROC_LOGIN_SESSION"),
                concat!($side, "ProcLoginSession"),
                (Pidflow, $base + 4),
                T::Unsigned32,
                |r| login(&r.$f).map(|l| l.session.into()),
            )
            .writes(|r, v| set(v.number(), |n| login_mut(&mut r.$f).session = n))
            .not_in_v9()
            .group(Group::$login)
            .identifier()
            .otel(concat!("pidflow.", $otel, ".process.login.session.id"))
            .doc(concat!(
                "Audit session that the process at the ",
                $otel,
                " end belongs to, numbered since boot (/proc/PID/sessionid)."
            )),
            row(
                concat!($end, "_PROC_INNER_PID"),
                concat!($side, "ProcInnerPid"),
                (Pidflow, $base + 5),
                T::Unsigned32,
                |r| process(&r.$f).and_then(|p| p.inner_pid).map(Into::into),
            )
            .writes(|r, v| set(v.number(), |n| process_mut(&mut r.$f).inner_pid = Some(n)))
            .not_in_v9()
            .group(Group::$known)
            .identifier()
            .otel(concat!($otel, ".process.vpid"))
            .doc(concat!(
                "Id of the process at the ",
                $otel,
                " end in its innermost PID namespace, for example a container's; 0: unknown."
            )),
            row(
                concat!($end, "_PROC_EXECUTABLE_DELETED"),
                concat!($side, "ProcExecutableDeleted"),
                (Pidflow, $base + 6),
                T::Unsigned8,
                |r| process(&r.$f).filter(|p| p.is_deleted).map(|_| 1_u8.into()),
            )
            .writes(|r, v| set(v.number::<u8>(), |n| process_mut(&mut r.$f).is_deleted = n != 0))
            .not_in_v9()
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.executable.deleted"))
            .doc(concat!(
                "1: the executable of the process at the ",
                $otel,
                " end was deleted or replaced while it ran; 0 or absent: it was not seen to be."
            )),
            row(
                concat!($end, "_PROC_CONTAINER_RUNTIME"),
                concat!($side, "ProcContainerRuntime"),
                (Pidflow, $base + 7),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.placement.container_runtime)),
            )
            .writes(|r, v| set(v.shared_text(), |n| placement_mut(&mut r.$f).container_runtime = n))
            .not_in_v9()
            .group(Group::$known)
            .otel(concat!($otel, ".container.runtime.name"))
            .doc(concat!(
                "What runs the container of the process at the ",
                $otel,
                " end: containerd, cri-o, docker or podman; absent if the cgroup path does not show it."
            )),
            row(concat!($end, "_PROC_UNIT"), concat!($side, "ProcUnit"), (Pidflow, $base + 8), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.placement.unit))
            })
            .writes(|r, v| set(v.shared_text(), |n| placement_mut(&mut r.$f).unit = n))
            .not_in_v9()
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.systemd.unit"))
            .doc(concat!(
                "systemd's system unit of the process at the ",
                $otel,
                " end, as systemctl names it (journald's _SYSTEMD_UNIT)."
            )),
            row(
                concat!($end, "_PROC_USER_UNIT"),
                concat!($side, "ProcUserUnit"),
                (Pidflow, $base + 9),
                T::String,
                |r| process(&r.$f).and_then(|p| text(&p.placement.user_unit)),
            )
            .writes(|r, v| set(v.shared_text(), |n| placement_mut(&mut r.$f).user_unit = n))
            .not_in_v9()
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.systemd.user_unit"))
            .doc(concat!(
                "Unit of a user's service manager that the process at the ",
                $otel,
                " end is in, as systemctl --user names it (journald's _SYSTEMD_USER_UNIT)."
            )),
            row(concat!($end, "_PROC_SLICE"), concat!($side, "ProcSlice"), (Pidflow, $base + 10), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.placement.slice))
            })
            .writes(|r, v| set(v.shared_text(), |n| placement_mut(&mut r.$f).slice = n))
            .not_in_v9()
            .group(Group::$known)
            .otel(concat!("pidflow.", $otel, ".process.systemd.slice"))
            .doc(concat!(
                "Slice of that system unit of the process at the ",
                $otel,
                " end; -.slice is the root slice (journald's _SYSTEMD_SLICE)."
            )),
        ]
    };
}

/// The source end's.
pub(super) const SOURCE: &[Element] = &end!(source, "SRC", "src", "source", Source, SourceRealUser, SourceLogin, 32);
/// The destination end's.
pub(super) const DESTINATION: &[Element] =
    &end!(destination, "DST", "dst", "destination", Destination, DestinationRealUser, DestinationLogin, 64);
