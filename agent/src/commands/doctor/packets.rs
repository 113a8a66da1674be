//! The interfaces, and whether packets can be captured on them.

use pcap::{Capture, Device};

use super::finding::{Finding, Verdict};

/// Whether a capture can be opened, and the interfaces.
pub(super) fn findings() -> Vec<Finding> {
    let mut all = vec![capture()];
    match Device::list() {
        Ok(devices) => all.extend(devices.iter().filter(|d| is_network(d)).map(interface)),
        Err(e) => {
            all.push(Finding::new(Verdict::Partial, "interfaces", "cannot be listed").with("reason", &e.to_string()));
        }
    }
    all
}

/// libpcap also lists buses and queues that are not network interfaces.
fn is_network(device: &Device) -> bool {
    std::path::Path::new("/sys/class/net").join(&device.name).exists()
}

fn capture() -> Finding {
    match Capture::from_device("any").and_then(Capture::open) {
        Ok(_) => Finding::new(Verdict::Fine, "capture", "all interfaces (any)"),
        Err(e) => Finding::new(Verdict::Fails, "capture", "not allowed")
            .with("reason", &e.to_string())
            .with("remedy", "run as root or with CAP_NET_RAW"),
    }
}

fn interface(device: &Device) -> Finding {
    let state = if device.flags.is_up() { "up" } else { "down" };
    let addresses: Vec<_> = device.addresses.iter().map(|a| a.addr.to_string()).collect();
    Finding::new(Verdict::Fine, &device.name, &format!("{state} {}", addresses.join(" ")))
}
