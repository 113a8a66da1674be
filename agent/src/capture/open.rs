//! Opening interfaces with libpcap.

use std::os::fd::{AsRawFd, RawFd};

use std::sync::Arc;

use pcap::{Active, Capture, Device, Direction, Linktype, Precision};

use super::LiveOptions;
use super::link::ANY;
use super::link::Link;
use pidflow_capture::CaptureError;

/// `LINKTYPE_LINUX_SLL2`: unlike version 1, it has the interface of each packet.
const LINUX_SLL2: Linktype = Linktype(276);
/// After this time the kernel hands over a block of its buffer that is not full, milliseconds.
pub(super) const READ_TIMEOUT_MS: i32 = 50;

/// An interface that is ready to be read.
pub(super) struct Handle {
    pub(super) name: Arc<str>,
    /// The kernel's index; 0: `any`.
    pub(super) index: u32,
    pub(super) capture: Capture<Active>,
    /// Link type as numbered in files.
    pub(super) link: u32,
}

/// What is opened: one interface, or all of them through one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    One(Link),
}

impl Target {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Any => ANY,
            Self::One(link) => &link.name,
        }
    }

    /// The kernel's index of the interface, 0: `any`.
    pub(super) const fn index(&self) -> u32 {
        match self {
            Self::Any => 0,
            Self::One(link) => link.index,
        }
    }
}

/// Opens the target with a kernel buffer of `buffer` bytes. `loopback` is the index of the loopback interface.
pub(super) fn open(
    target: &Target,
    loopback: Option<u32>,
    options: &LiveOptions,
    buffer: u32,
) -> Result<Handle, CaptureError> {
    let name = target.name();
    let mut capture = activate(target, options, buffer).map_err(|e| interface_error(name, &e))?;
    close_on_exec(capture.as_raw_fd());
    let mut excluded = None;
    match target {
        Target::Any => {
            // Old libpcap (before 1.10) has version 1 only; then all packets are of one interface, `any`.
            let _ = capture.set_datalink(LINUX_SLL2);
            excluded = (capture.get_datalink() == LINUX_SLL2).then(|| loopback.map(loopback_copies)).flatten();
        }
        Target::One(link) if link.is_loopback => {
            capture.direction(Direction::In).map_err(|e| interface_error(name, &e))?;
            ignore_outgoing(capture.as_raw_fd());
        }
        Target::One(_) => {}
    }
    set_filter(&mut capture, options.filter.as_deref(), excluded.as_deref())?;
    let capture = capture.setnonblock().map_err(|e| interface_error(name, &e))?;
    let link = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
    Ok(Handle { name: name.into(), index: bound_to(capture.as_raw_fd()), capture, link })
}

fn activate(target: &Target, options: &LiveOptions, buffer: u32) -> Result<Capture<Active>, pcap::Error> {
    Capture::from_device(target.name())?
        .snaplen(options.snap_length.try_into().unwrap_or(i32::MAX))
        .promisc(options.promiscuous && *target != Target::Any)
        .buffer_size(buffer.try_into().unwrap_or(i32::MAX))
        .timeout(READ_TIMEOUT_MS)
        .precision(Precision::Nano)
        .open()
}

/// Sets close-on-exec, which libpcap does not, so that child processes do not inherit the socket.
fn close_on_exec(socket: RawFd) {
    // SAFETY: `socket` is open as long as the capture that it belongs to; the call changes nothing but its flag.
    unsafe { libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// The index of the interface to which a packet socket is bound; 0: none; `u32::MAX` (-1): an interface that is gone,
/// even if another interface has its index now.
pub(super) fn bound_to(socket: RawFd) -> u32 {
    // SAFETY: an address of all zeros is a valid one.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is as long as `length` says, and both live until the call returns.
    let result = unsafe { libc::getsockname(socket, (&raw mut address).cast(), &raw mut length) };
    if result == 0 { address.sll_ifindex.cast_unsigned() } else { 0 }
}

/// On loopback a packet socket sees each packet when it is sent and when it is received. This filter drops the sent
/// copy in the kernel, so that it takes no room in the buffer.
fn loopback_copies(loopback: u32) -> String {
    format!("not (outbound and ifindex {loopback})")
}

fn set_filter(capture: &mut Capture<Active>, given: Option<&str>, excluded: Option<&str>) -> Result<(), CaptureError> {
    let error = |expression: &str, e: pcap::Error| CaptureError::Filter {
        expression: expression.to_owned(),
        message: e.to_string(),
    };
    if let Some(given) = given {
        capture.filter(given, true).map_err(|e| error(given, e))?;
    }
    // Without this filter the copies are dropped later by packet type, so a libpcap that is too old for it is no error.
    if let Some(excluded) = excluded {
        let both = given.map_or_else(|| excluded.to_owned(), |given| format!("({given}) and {excluded}"));
        let _ = capture.filter(&both, true);
    }
    Ok(())
}

/// Makes the kernel skip outgoing copies. libpcap drops them too, but only after they took room in the buffer.
fn ignore_outgoing(socket: RawFd) {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: `socket` is open as long as the capture that it belongs to, and `on` is as long as `length` says. A
    // kernel before 4.20 refuses the option, which does no harm.
    unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            std::ptr::from_ref(&on).cast(),
            length,
        );
    }
}

/// The kernel's index of an interface, 0: there is none.
pub(super) fn interface_index(name: &str) -> u32 {
    let Ok(name) = std::ffi::CString::new(name) else { return 0 };
    // SAFETY: `name` ends with a NUL and lives until the call returns.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// Whether the kernel or libpcap knows an interface of that name.
pub(super) fn is_there(name: &str) -> bool {
    let is_device = || Device::list().is_ok_and(|devices| devices.iter().any(|d| d.name == name));
    name == ANY || interface_index(name) != 0 || is_device()
}

fn interface_error(name: &str, error: &pcap::Error) -> CaptureError {
    CaptureError::Interface { name: name.to_owned(), message: error.to_string() }
}
