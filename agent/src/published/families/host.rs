//! The host's own figures as metric families, with OpenTelemetry's `system.*` names if there are any (semantic
//! conventions, model/system), otherwise with names in `pidflow.host.*`.

use pidflow_schema::metric::{Family, MetricSample, Point};

use crate::host::{HostFigures, InterfaceCounters, PressureStall};

/// All of them.
pub(super) fn families(host: &HostFigures) -> Vec<Family> {
    let mut all = vec![info(host)];
    all.extend(processors(host));
    all.extend(memory(host));
    all.extend(disks(host));
    all.extend(interfaces(&host.interfaces));
    all.extend(pressure(&host.pressure));
    all.push(file_systems(host));
    all
}

fn info(host: &HostFigures) -> Family {
    let a = &host.about;
    let attributes = [
        ("host.arch", a.architecture.clone()),
        ("host.cpu.model.name", a.cpu_model.clone()),
        ("os.description", a.os.clone()),
        ("os.version", a.kernel.clone()),
    ];
    Family::info(
        "pidflow.host.info",
        "The machine and its kernel.",
        vec![MetricSample::new(attributes, Point::Whole(1))],
    )
}

fn seconds(ns: u64) -> Point {
    Point::Real(ns as f64 / 1e9)
}

fn processors(host: &HostFigures) -> [Family; 6] {
    let time = host.cpu.modes().map(|(mode, ns)| MetricSample::new([("cpu.mode", mode.to_owned())], seconds(ns)));
    let load =
        |name, help, value| Family::gauge(name, "{thread}", help, vec![MetricSample::new([], Point::Real(value))]);
    let [one, five, fifteen] = host.load;
    [
        Family::counter("system.cpu.time", "s", "CPU time of all processors, by mode.", time.into()),
        Family::gauge(
            "pidflow.host.processors",
            "{cpu}",
            "Logical processors.",
            MetricSample::alone(host.about.cpus as u64),
        ),
        load("system.cpu.load_average.1m", "Load average of one minute.", one),
        load("system.cpu.load_average.5m", "Load average of five minutes.", five),
        load("system.cpu.load_average.15m", "Load average of fifteen minutes.", fifteen),
        Family::gauge("system.uptime", "s", "Time since the host started.", MetricSample::alone(host.uptime_s)),
    ]
}

fn memory(host: &HostFigures) -> [Family; 6] {
    let (m, p) = (&host.memory, &host.paging);
    let states = [("used", m.used), ("free", m.free), ("cached", m.cached), ("buffers", m.buffers)];
    let swap = [("used", p.swap_used), ("free", p.swap_total.saturating_sub(p.swap_used))];
    let moved = [("in", p.swapped_in), ("out", p.swapped_out)];
    let faults = [("minor", p.minor_faults), ("major", p.major_faults)];
    [
        Family::gauge(
            "system.memory.usage",
            "By",
            "Memory, by state.",
            MetricSample::by("system.memory.state", states),
        ),
        Family::gauge("system.memory.limit", "By", "Memory of the host.", MetricSample::alone(m.total)),
        Family::gauge(
            "system.memory.linux.available",
            "By",
            "Memory available to new processes without swapping.",
            MetricSample::alone(m.available),
        ),
        Family::gauge(
            "system.paging.usage",
            "By",
            "Swap space, by state.",
            MetricSample::by("system.paging.state", swap),
        ),
        Family::counter(
            "system.paging.operations",
            "{operation}",
            "Pages moved to and from swap space.",
            MetricSample::by("system.paging.direction", moved),
        ),
        Family::counter(
            "system.paging.faults",
            "{fault}",
            "Page faults of all processes.",
            MetricSample::by("system.paging.fault.type", faults),
        ),
    ]
}

/// A series for each device and direction.
fn by_device<'a, T: 'a>(
    devices: impl IntoIterator<Item = &'a T>,
    (device, direction): (&'static str, &'static str),
    of: impl Fn(&'a T) -> (&'a str, [(&'static str, Point); 2]),
) -> Vec<MetricSample> {
    let samples = devices.into_iter().flat_map(|d| {
        let (name, values) = of(d);
        values.map(|(way, point)| MetricSample::new([(device, name.to_owned()), (direction, way.to_owned())], point))
    });
    samples.collect()
}

fn disks(host: &HostFigures) -> [Family; 4] {
    const KEYS: (&str, &str) = ("system.device", "disk.io.direction");
    let ways = |read, write| [("read", read), ("write", write)];
    let bytes =
        by_device(&host.disks, KEYS, |d| (&d.name, ways(Point::Whole(d.read_bytes), Point::Whole(d.written_bytes))));
    let count = by_device(&host.disks, KEYS, |d| (&d.name, ways(Point::Whole(d.reads), Point::Whole(d.writes))));
    let milliseconds = |ms: u64| Point::Real(ms as f64 / 1e3);
    let time = by_device(&host.disks, KEYS, |d| (&d.name, ways(milliseconds(d.read_ms), milliseconds(d.write_ms))));
    let busy =
        host.disks.iter().map(|d| MetricSample::new([("system.device", d.name.clone())], milliseconds(d.busy_ms)));
    [
        Family::counter("system.disk.io", "By", "Bytes read and written, by disk.", bytes),
        Family::counter("system.disk.operations", "{operation}", "Reads and writes completed, by disk.", count),
        Family::counter("system.disk.operation_time", "s", "Time that all reads and writes took together.", time),
        Family::counter("system.disk.io_time", "s", "Time in which any I/O was under way.", busy.collect()),
    ]
}

fn interfaces(all: &[InterfaceCounters]) -> [Family; 4] {
    const KEYS: (&str, &str) = ("network.interface.name", "network.io.direction");
    let family = |name, unit, help, of: fn(&InterfaceCounters) -> (u64, u64)| {
        let samples = by_device(all, KEYS, |i| {
            let (received, sent) = of(i);
            (&i.name, [("receive", Point::Whole(received)), ("transmit", Point::Whole(sent))])
        });
        Family::counter(name, unit, help, samples)
    };
    [
        family("system.network.io", "By", "Bytes of each interface, as counted by its driver.", |i| {
            (i.received_bytes, i.sent_bytes)
        }),
        family(
            "system.network.packet.count",
            "{packet}",
            "Packets of each interface, as counted by its driver.",
            |i| (i.received_packets, i.sent_packets),
        ),
        family("system.network.errors", "{error}", "Errors of each interface.", |i| (i.received_errors, i.sent_errors)),
        family("system.network.packet.dropped", "{packet}", "Packets that an interface dropped.", |i| {
            (i.received_dropped, i.sent_dropped)
        }),
    ]
}

/// None if the kernel does not count it.
fn pressure(all: &[PressureStall]) -> Option<Family> {
    let samples = all.iter().flat_map(|p| {
        [("some", p.some_us), ("full", p.full_us)].map(|(who, us)| {
            MetricSample::new(
                [("resource", p.resource.to_owned()), ("tasks", who.to_owned())],
                Point::Real(us as f64 / 1e6),
            )
        })
    });
    let help = "Time in which some or all tasks waited for a resource (pressure stall information).";
    (!all.is_empty()).then(|| Family::counter("pidflow.host.pressure.time", "s", help, samples.collect()))
}

fn file_systems(host: &HostFigures) -> Family {
    let samples = host.file_systems.iter().flat_map(|f| {
        let states = [("used", f.total.saturating_sub(f.available)), ("free", f.available)];
        states.map(|(state, bytes)| {
            let attributes = [
                ("system.device", f.device.clone()),
                ("system.filesystem.mountpoint", f.mount_point.clone()),
                ("system.filesystem.type", f.kind.clone()),
                ("system.filesystem.state", state.to_owned()),
            ];
            MetricSample::new(attributes, Point::Whole(bytes))
        })
    });
    Family::gauge("system.filesystem.usage", "By", "Space of file systems, by state.", samples.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Disk, FileSystem, Host};

    #[test]
    fn this_hosts_families_are_named_once_and_have_help() {
        let host = Host::start().unwrap();
        let families = families(&host.latest());
        let mut names: Vec<_> = families.iter().map(|f| f.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(families.iter().all(|f| f.help.ends_with('.')));
        let of = |name: &str| families.iter().find(|f| f.name == name).unwrap();
        assert_eq!(of("system.cpu.time").samples.len(), 7);
        assert!(of("system.network.io").samples.iter().any(|s| s.attributes.iter().any(|(_, v)| v == "lo")));
    }

    #[test]
    fn a_disk_and_a_file_system_have_a_series_for_each_way() {
        let disk = Disk {
            name: "sda".into(),
            read_bytes: 1,
            written_bytes: 2,
            reads: 3,
            writes: 4,
            read_ms: 5000,
            write_ms: 6000,
            busy_ms: 7000,
        };
        let fs = FileSystem {
            mount_point: "/".into(),
            device: "/dev/sda1".into(),
            kind: "ext4".into(),
            total: 10,
            available: 4,
        };
        let host = HostFigures { disks: vec![disk], file_systems: vec![fs], ..HostFigures::default() };
        let points = |name: &str| -> Vec<_> {
            let families = families(&host);
            families.into_iter().find(|f| f.name == name).unwrap().samples.into_iter().map(|s| s.point).collect()
        };
        assert_eq!(points("system.disk.io"), [Point::Whole(1), Point::Whole(2)]);
        assert_eq!(points("system.disk.operation_time"), [Point::Real(5.0), Point::Real(6.0)]);
        assert_eq!(points("system.filesystem.usage"), [Point::Whole(6), Point::Whole(4)]);
    }
}
