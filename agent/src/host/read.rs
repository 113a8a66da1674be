//! Reading the host's figures from /proc and by sysinfo.

use procfs::net::InterfaceDeviceStatus;
use procfs::{Current, CurrentSI, FromBufRead, ProcResult};
use sysinfo::{CpuRefreshKind, Disks, RefreshKind, System};

use super::{
    CpuTime, Disk, FileSystem, HostDescription, HostFigures, InterfaceCounters, Memory, Paging, Pressure, PressureStall,
};
use crate::host_files;

/// File systems are read once in this many readings, because reading one may wait for its device.
const READINGS_PER_FILE_SYSTEM_CHECK: u64 = 10;
/// A sector of /proc/diskstats, bytes, whatever the device's own sectors are.
const SECTOR: u64 = 512;
/// Maximum number of interfaces, disks and file systems reported. A host with more is a router or a storage server, and
/// the rest would only fill pages.
const MAX_DEVICES: usize = 256;

/// Reads the host's figures, and keeps the state that later readings need.
pub(super) struct Reader {
    about: HostDescription,
    file_systems: Vec<FileSystem>,
    readings: u64,
    unreadable: Vec<(&'static str, u64)>,
}

impl Reader {
    /// Reads what does not change.
    pub(super) fn new() -> Self {
        Self { about: about(), file_systems: Vec::new(), readings: 0, unreadable: Vec::new() }
    }

    /// All current figures. Figures that cannot be read are absent or zero, and the failure is counted.
    pub(super) fn read(&mut self) -> HostFigures {
        if self.readings.is_multiple_of(READINGS_PER_FILE_SYSTEM_CHECK) {
            self.file_systems = file_systems();
        }
        self.readings += 1;
        let mut figures = HostFigures {
            about: self.about.clone(),
            uptime_s: System::uptime().unwrap_or_default(),
            cpu: self.note("/proc/stat", cpu()),
            load: System::load_average().map(|l| [l.one, l.five, l.fifteen]).unwrap_or_default(),
            memory: Memory::default(),
            paging: Paging::default(),
            pressure: pressure(),
            disks: self.note("/proc/diskstats", disks()),
            interfaces: self.note("/proc/net/dev", interfaces()),
            file_systems: self.file_systems.clone(),
            unreadable: Vec::new(),
        };
        (figures.memory, figures.paging) = self.note("/proc/meminfo", memory());
        figures.unreadable.clone_from(&self.unreadable);
        figures
    }

    fn note<T: Default>(&mut self, file: &'static str, read: ProcResult<T>) -> T {
        read.unwrap_or_else(|e| {
            match self.unreadable.iter_mut().find(|(name, _)| *name == file) {
                Some((_, times)) => *times += 1,
                None => {
                    tracing::warn!("host figures: {file} cannot be read: {e}");
                    self.unreadable.push((file, 1));
                }
            }
            T::default()
        })
    }
}

fn about() -> HostDescription {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let cpus = system.as_ref().map(|s| s.cpus()).unwrap_or_default();
    HostDescription {
        kernel: System::kernel_version().unwrap_or_default(),
        os: System::long_os_version().unwrap_or_default(),
        architecture: System::cpu_arch(),
        cpus: cpus.len(),
        cpu_model: cpus.first().map(|c| c.brand().trim().to_owned()).unwrap_or_default(),
    }
}

fn cpu() -> ProcResult<CpuTime> {
    let all = procfs::KernelStats::current()?.total;
    let tick_ns = 1_000_000_000 / procfs::ticks_per_second().max(1);
    let ns = |ticks: u64| ticks.saturating_mul(tick_ns);
    // User time includes the time of guests.
    Ok(CpuTime {
        user_ns: ns(all.user),
        nice_ns: ns(all.nice),
        system_ns: ns(all.system),
        idle_ns: ns(all.idle),
        iowait_ns: ns(all.iowait.unwrap_or_default()),
        interrupt_ns: ns(all.irq.unwrap_or_default() + all.softirq.unwrap_or_default()),
        steal_ns: ns(all.steal.unwrap_or_default()),
    })
}

fn memory() -> ProcResult<(Memory, Paging)> {
    let m = procfs::Meminfo::current()?;
    let vm = procfs::vmstat().unwrap_or_default();
    let count = |name: &str| vm.get(name).and_then(|n| u64::try_from(*n).ok()).unwrap_or_default();
    let cached = m.cached + m.s_reclaimable.unwrap_or_default();
    let memory = Memory {
        total: m.mem_total,
        used: m.mem_total.saturating_sub(m.mem_free + cached + m.buffers),
        free: m.mem_free,
        cached,
        buffers: m.buffers,
        available: m.mem_available.unwrap_or_default(),
    };
    let major_faults = count("pgmajfault");
    let paging = Paging {
        swap_total: m.swap_total,
        swap_used: m.swap_total.saturating_sub(m.swap_free),
        swapped_in: count("pswpin"),
        swapped_out: count("pswpout"),
        minor_faults: count("pgfault").saturating_sub(major_faults),
        major_faults,
    };
    Ok((memory, paging))
}

/// Kernels without PSI, or with PSI switched off, do not have these files.
fn pressure() -> Pressure {
    let cpu = procfs::CpuPressure::current().ok().map(|p| ("cpu", p.some.total, p.full.total));
    let memory = procfs::MemoryPressure::current().ok().map(|p| ("memory", p.some.total, p.full.total));
    let io = procfs::IoPressure::current().ok().map(|p| ("io", p.some.total, p.full.total));
    let all = [cpu, memory, io].into_iter().flatten();
    all.map(|(resource, some_us, full_us)| PressureStall { resource, some_us, full_us }).collect()
}

fn disks() -> ProcResult<Vec<Disk>> {
    let is_disk = |name: &str| std::path::Path::new("/sys/block").join(name.replace('/', "!")).exists();
    let used = procfs::diskstats()?.into_iter().filter(|d| d.reads + d.writes > 0 && is_disk(&d.name));
    let disk = |d: procfs::DiskStat| Disk {
        name: d.name,
        read_bytes: d.sectors_read.saturating_mul(SECTOR),
        written_bytes: d.sectors_written.saturating_mul(SECTOR),
        reads: d.reads,
        writes: d.writes,
        read_ms: d.time_reading,
        write_ms: d.time_writing,
        busy_ms: d.time_in_progress,
    };
    Ok(used.take(MAX_DEVICES).map(disk).collect())
}

fn interfaces() -> ProcResult<Vec<InterfaceCounters>> {
    let counters = |d: procfs::net::DeviceStatus| InterfaceCounters {
        name: d.name,
        received_bytes: d.recv_bytes,
        received_packets: d.recv_packets,
        received_errors: d.recv_errs,
        received_dropped: d.recv_drop,
        sent_bytes: d.sent_bytes,
        sent_packets: d.sent_packets,
        sent_errors: d.sent_errs,
        sent_dropped: d.sent_drop,
    };
    // The name of an interface may contain any bytes.
    let text = host_files::read("/proc/net/dev")?;
    let InterfaceDeviceStatus(devices) = InterfaceDeviceStatus::from_buf_read(text.as_bytes())?;
    let mut all: Vec<_> = devices.into_values().map(counters).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.truncate(MAX_DEVICES);
    Ok(all)
}

/// Without network file systems, whose server may be unreachable.
fn file_systems() -> Vec<FileSystem> {
    let Ok(disks) = Disks::new_with_refreshed_list() else { return Vec::new() };
    let text = |s: &std::ffi::OsStr| s.to_string_lossy().into_owned();
    let of = |d: &sysinfo::Disk| FileSystem {
        mount_point: d.mount_point().to_string_lossy().into_owned(),
        device: text(d.name()),
        kind: text(d.file_system()),
        total: d.total_space(),
        available: d.available_space(),
    };
    disks.iter().take(MAX_DEVICES).map(of).collect()
}
