//! The lines at the top of the view: the agent's figures and the host's.

use crate::figures::{bytes, clock, first_columns, grouped};
use crate::host::HostNow;
use crate::printable::clean_line;
use crate::published::status::Status;

/// The figures of the header lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Names of the interfaces, joined.
    pub(crate) interfaces: String,
    /// Seconds since the start.
    pub(crate) seconds: u64,
    /// Packets seen.
    pub(crate) packets: u64,
    /// Bytes of them.
    pub(crate) octets: u64,
    /// Flows in the table.
    pub(crate) active: u64,
    /// Records made.
    pub(crate) records: u64,
    /// Total of lost packets, events and records.
    pub(crate) lost: u64,
    /// Ends on this host with a process, and all ends on this host.
    pub(crate) attributed: (u64, u64),
    /// The host's figures; none: they have not been read twice yet.
    pub(crate) host: Option<HostNow>,
}

impl Totals {
    /// `99.2 %` of this host's ends.
    pub(crate) fn attributed_share(&self) -> String {
        match self.attributed {
            (_, 0) => "-".into(),
            (known, all) => format!("{:.1} %", 100.0 * known as f64 / all as f64),
        }
    }
}

impl Totals {
    /// As of the published status.
    pub(crate) fn of(status: &Status, interfaces: &str, host: Option<HostNow>) -> Self {
        Self {
            interfaces: interfaces.into(),
            seconds: status.seconds,
            packets: status.packets,
            octets: status.octets,
            active: status.active,
            records: status.records.total(),
            lost: status.lost(),
            attributed: status.records.attributed(),
            host,
        }
    }

    /// The lines, none wider than the screen.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let host = self.host.as_ref().map(|host| host_line(host, width)).unwrap_or_default();
        vec![first_line(self, width), second_line(self, width), host]
    }
}

fn first_line(t: &Totals, width: usize) -> String {
    let text = format!(
        "pidflow {}  on {}  {} packets  {}",
        clock(t.seconds),
        t.interfaces,
        grouped(t.packets),
        bytes(t.octets)
    );
    first_columns(&clean_line(&text), width).to_owned()
}

fn second_line(t: &Totals, width: usize) -> String {
    let text = format!(
        "{} flows now  {} records  lost {}  attributed {}",
        grouped(t.active),
        grouped(t.records),
        grouped(t.lost),
        t.attributed_share()
    );
    first_columns(&clean_line(&text), width).to_owned()
}

/// The host's processors, memory and load. A figure that does not fit is left out.
fn host_line(host: &HostNow, width: usize) -> String {
    let memory = format!("mem {} of {}", bytes(host.memory_used), bytes(host.memory_total));
    let parts = [
        format!("CPU {:.0} %", host.cpu_load),
        format!("I/O wait {:.0} %", host.iowait),
        memory,
        format!("load {}", host.load.map(short).join(" ")),
    ];
    let shares: Vec<_> = host.pressure.iter().map(|share| format!("{share:.0}")).collect();
    let pressure = (!shares.is_empty()).then(|| format!("PSI {} %", shares.join("/")));
    let mut line = String::new();
    for part in parts.into_iter().chain(pressure) {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > width {
            break;
        }
        line = line + gap + &part;
    }
    line
}

/// `0.52`, `12.3`, `123`.
fn short(number: f64) -> String {
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_fit_any_screen() {
        let host = Some(host([100.0; 3]));
        let interfaces = "veth日本語\x1b[2J".repeat(9);
        let totals = Totals { interfaces, packets: u64::MAX, octets: u64::MAX, host, ..Totals::default() };
        for width in [0, 1, 10, 60, 80, 200] {
            let lines = totals.lines(width);
            assert!(lines.len() == 3 && lines.iter().all(|l| crate::printable::width(l) <= width), "{lines:#?}");
            assert!(lines.iter().all(|l| !l.contains('\x1b')));
        }
    }

    #[test]
    fn sixty_columns_say_all() {
        let totals =
            Totals { active: 1000, records: 12_345_678, lost: 3, attributed: (995, 1000), ..Totals::default() };
        let line = "1,000 flows now  12,345,678 records  lost 3  attributed 99.5 %";
        assert_eq!(second_line(&totals, 80), line);
        let totals = Totals { records: 123_456, ..totals };
        assert!(second_line(&totals, 60).ends_with("attributed 99.5 %"));
    }

    fn host(pressure: [f64; 3]) -> HostNow {
        let (cpu_load, iowait) = (99.6, 0.4);
        let (memory_used, memory_total) = (999_000_000_000, 999_000_000_000);
        HostNow { cpu_load, iowait, memory_used, memory_total, load: [123.4, 12.34, 0.5], pressure: pressure.into() }
    }

    #[test]
    fn the_hosts_figures_fit_eighty_columns_and_are_never_cut() {
        let usual = HostNow { load: [0.52, 1.5, 9.99], memory_used: 3_400_000_000, ..host([1.4, 0.0, 12.0]) };
        let line = "CPU 100 %  I/O wait 0 %  mem 3.4 GB of 999 GB  load 0.52 1.50 9.99  PSI 1/0/12 %";
        assert_eq!(host_line(&usual, 120), line);
        let quiet = HostNow { cpu_load: 12.0, memory_total: 64_000_000_000, ..usual.clone() };
        let line = "CPU 12 %  I/O wait 0 %  mem 3.4 GB of 64 GB  load 0.52 1.50 9.99  PSI 1/0/12 %";
        assert_eq!((host_line(&quiet, 80), line.len() <= 80), (line.to_owned(), true));
        let busy = host_line(&host([100.0; 3]), 80);
        assert_eq!(busy, "CPU 100 %  I/O wait 0 %  mem 999 GB of 999 GB  load 123 12.3 0.50");
        let none = HostNow { pressure: Vec::new(), ..usual };
        assert_eq!(host_line(&none, 80), "CPU 100 %  I/O wait 0 %  mem 3.4 GB of 999 GB  load 0.52 1.50 9.99");
        assert_eq!((host_line(&none, 24), host_line(&none, 3)), ("CPU 100 %  I/O wait 0 %".into(), String::new()));
    }

    #[test]
    fn attribution_is_of_this_hosts_ends() {
        let totals = Totals { attributed: (995, 1000), ..Totals::default() };
        assert_eq!(totals.attributed_share(), "99.5 %");
        assert_eq!(Totals::default().attributed_share(), "-");
    }
}
