//! Opening interfaces with libpcap.

use std::os::fd::{AsRawFd, RawFd};

use pcap::{Active, Capture, Device, Direction, Linktype, Precision};

use super::super::CaptureError;
use super::{Interfaces, LiveOptions};

/// libpcap's pseudo-interface for all interfaces.
pub(super) const ANY: &str = "any";
/// `LINKTYPE_LINUX_SLL2`: unlike version 1 it names the interface of each packet.
const LINUX_SLL2: Linktype = Linktype(276);
/// How long the kernel fills a block of its buffer before it hands it over, milliseconds.
pub(super) const READ_TIMEOUT_MS: i32 = 50;

/// An interface that is ready to be read.
pub(super) struct Handle {
    pub(super) name: String,
    /// The kernel's index; 0: `any`.
    pub(super) index: u32,
    pub(super) capture: Capture<Active>,
    /// Link type as numbered in files.
    pub(super) link: u32,
}

/// Opens what the options name.
pub(super) fn all(options: &LiveOptions) -> Result<Vec<Handle>, CaptureError> {
    let devices = Device::list().unwrap_or_default();
    let names = match &options.interfaces {
        Interfaces::Any => vec![ANY.to_owned()],
        Interfaces::Named(names) => names.clone(),
        Interfaces::Up => {
            let up = devices.iter().filter(|d| d.flags.is_up() && interface_index(&d.name) != 0);
            up.map(|d| d.name.clone()).collect()
        }
    };
    if names.is_empty() {
        return Err(CaptureError::NoInterface);
    }
    let loopback: Vec<&str> = devices.iter().filter(|d| d.flags.is_loopback()).map(|d| d.name.as_str()).collect();
    names.iter().map(|name| one(name, &loopback, options)).collect()
}

fn one(name: &str, loopback: &[&str], options: &LiveOptions) -> Result<Handle, CaptureError> {
    let mut capture = activate(name, options).map_err(|e| interface_error(name, &e))?;
    let mut excluded = None;
    if name == ANY {
        // Old libpcap (before 1.10) has version 1 only; then all packets are of one interface, `any`.
        let _ = capture.set_datalink(LINUX_SLL2);
        excluded = (capture.get_datalink() == LINUX_SLL2).then(|| loopback_copies(loopback)).flatten();
    } else if loopback.contains(&name) {
        capture.direction(Direction::In).map_err(|e| interface_error(name, &e))?;
        ignore_outgoing(capture.as_raw_fd());
    }
    set_filter(&mut capture, options.filter.as_deref(), excluded.as_deref())?;
    let capture = capture.setnonblock().map_err(|e| interface_error(name, &e))?;
    let link = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
    Ok(Handle { name: name.to_owned(), index: interface_index(name), capture, link })
}

fn activate(name: &str, options: &LiveOptions) -> Result<Capture<Active>, pcap::Error> {
    Capture::from_device(name)?
        .snaplen(options.snap_length.try_into().unwrap_or(i32::MAX))
        .promisc(options.promiscuous && name != ANY)
        .buffer_size(options.buffer_octets.try_into().unwrap_or(i32::MAX))
        .timeout(READ_TIMEOUT_MS)
        .precision(Precision::Nano)
        .open()
}

/// On loopback a packet socket sees each packet when it is sent and when it is received. This filter drops the
/// first in the kernel, so that it costs no room in the buffer.
fn loopback_copies(loopback: &[&str]) -> Option<String> {
    let name = loopback.first()?;
    Some(format!("not (outbound and ifindex {})", interface_index(name)))
}

fn set_filter(capture: &mut Capture<Active>, given: Option<&str>, excluded: Option<&str>) -> Result<(), CaptureError> {
    let error = |expression: &str, e: pcap::Error| CaptureError::Filter {
        expression: expression.to_owned(),
        message: e.to_string(),
    };
    if let Some(given) = given {
        capture.filter(given, true).map_err(|e| error(given, e))?;
    }
    // What this filter lets through is dropped later by the packet type: it is no fault if libpcap is too old.
    if let Some(excluded) = excluded {
        let both = given.map_or_else(|| excluded.to_owned(), |given| format!("({given}) and {excluded}"));
        let _ = capture.filter(&both, true);
    }
    Ok(())
}

/// Spares the kernel the outgoing copies. libpcap drops them too, after they took room in the buffer.
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

fn interface_error(name: &str, error: &pcap::Error) -> CaptureError {
    CaptureError::Interface { name: name.to_owned(), message: error.to_string() }
}
