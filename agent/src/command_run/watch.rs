//! What the pipeline tells of the command. The pipeline writes it, and the thread that waits for the command reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pidflow_engine::fact::{Fact, SocketUse};
use pidflow_schema::{FlowRecord, Process, ProcessEnd};

use super::traffic::{Ends, Traffic};
use super::tree::{Describe, Tree};

/// The command's processes and their traffic.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(super) tree: Tree,
    pub(super) traffic: Traffic,
}

/// Shared by its clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Watched>>);

impl Watch {
    /// Watches the tree of a process that exists, by its number in facts.
    pub(crate) fn follow(&self, root_pid: u32) {
        self.lock().tree = Tree::new(root_pid);
    }

    /// Takes facts in their order, after they were applied to the process table.
    pub(crate) fn facts(&self, facts: &[Fact], describe: Describe<'_>) {
        let mut watched = self.lock();
        watched.tree.apply(facts, describe);
        for fact in facts {
            watched.note_listening(fact, describe);
        }
    }

    /// Takes records that leave the pipeline.
    pub(crate) fn records(&self, records: &[FlowRecord]) {
        let mut watched = self.lock();
        for record in records {
            watched.count(record);
        }
    }

    /// Number of processes of the command that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.lock().tree.running()
    }

    /// Whether the end of the command's first process was reported.
    pub(crate) fn root_has_ended(&self) -> bool {
        self.lock().tree.root_has_ended()
    }

    /// All of it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn note_listening(&mut self, fact: &Fact, describe: Describe<'_>) {
        let Fact::Socket { time_ns, task, used: SocketUse::Listen, socket, .. } = fact else { return };
        if let Some(process) = describe(task.id, *time_ns).filter(|process| self.tree.has(process)) {
            self.traffic.listens(socket, &process.name, process.pid);
        }
    }

    fn count(&mut self, record: &FlowRecord) {
        let ends = Ends { source: self.member(&record.source), destination: self.member(&record.destination) };
        self.traffic.count(record, &ends);
        let (forward, reverse) = (record.flow.forward.octets, record.flow.reverse.octets);
        if let Some(process) = ends.source {
            self.tree.count(process, (forward, reverse));
        }
        if let Some(process) = ends.destination {
            self.tree.count(process, (reverse, forward));
        }
    }

    fn member<'a>(&self, end: &'a ProcessEnd) -> Option<&'a Process> {
        end.process.as_deref().filter(|process| self.tree.has(process))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use pidflow_engine::fact::{ProcessId, Task};
    use pidflow_schema::{Counters, Endpoint, Flow, FlowEndReason, Handshake, Protocol};

    use super::super::report::{self, Circumstances, Compared, Report};
    use super::super::{Outcome, Ran};
    use super::*;
    use crate::sample;

    const S: u64 = 1_000_000_000;

    fn process(pid: u32, name: &str) -> Arc<Process> {
        Arc::new(Process { pid, start_ns: u64::from(pid) * S, name: name.into(), ..Process::default() })
    }

    fn end(pid: u32, name: &str) -> ProcessEnd {
        let process = (pid > 0).then(|| process(pid, name));
        ProcessEnd { process, ..ProcessEnd::unknown(pidflow_schema::Attribution::SocketEvent) }
    }

    /// A watch over processes 1 and 2.
    fn watch() -> Watch {
        let task = |pid: u32| {
            let start_ns = u64::from(pid) * S;
            Task { id: ProcessId::from_boot_ns(pid, start_ns), start_ns, uid: 0, comm: "x".into() }
        };
        let watch = Watch::default();
        watch.follow(1);
        let facts = [
            Fact::Exec {
                time_ns: S,
                task: task(1),
                parent_pid: 9,
                executable: Default::default(),
                command_line: "".into(),
            },
            Fact::Fork { time_ns: 2 * S, child: task(2), parent: task(1) },
        ];
        watch.facts(&facts, &mut |id, _| Some(process(id.pid, "sh")));
        watch
    }

    fn record(port: u16, source: ProcessEnd, destination: ProcessEnd) -> FlowRecord {
        let record = sample::record(1, port, 100);
        let reverse = Counters { packets: 1, octets: 40, frame_octets: 40, tcp_flags: 0, ..Counters::default() };
        FlowRecord { flow: Flow { reverse, ..record.flow }, source, destination, ..record }
    }

    fn report_on(watch: &Watch) -> Report {
        report::make(&watch.lock(), circumstances(0, Vec::new()))
    }

    fn circumstances(exit_code: u8, losses: Vec<String>) -> Circumstances {
        let outcome = Outcome { exit_code: Some(exit_code), signal: None };
        let ran = Ran { outcome, started_ns: S, ended_ns: 3 * S };
        Circumstances::new(ran, "sh".into(), losses)
    }

    #[test]
    fn only_what_the_tree_does_is_reported() {
        let watch = watch();
        let records = [
            record(80, end(2, "curl"), end(0, "")),
            record(80, end(7, "stranger"), end(0, "")),
            record(81, end(0, ""), end(7, "stranger")),
            record(82, end(0, ""), end(2, "server")),
            record(83, end(1, "sh"), end(2, "server")),
        ];
        watch.records(&records);
        let report = report_on(&watch);
        let ports: Vec<_> = report.destinations.iter().map(|d| (d.what.port, d.figures.sent_bytes)).collect();
        assert_eq!(ports, [(Some(80), 100)]);
        assert_eq!(
            report.inner.iter().map(|i| (i.what.port, i.figures.connections)).collect::<Vec<_>>(),
            [(Some(83), 1)]
        );
        let listened: Vec<_> = report.listened.iter().map(|l| (l.port, l.clients.len(), l.inner_connections)).collect();
        assert_eq!(listened, [(Some(82), 1, 0), (Some(83), 0, 1)]);
        let octets: Vec<_> = report.processes.iter().map(|p| (p.pid, p.sent_bytes, p.received_bytes)).collect();
        assert_eq!(octets, [(1, 100, 40), (2, 100 + 40 + 40, 40 + 100 + 100)]);
    }

    #[test]
    fn a_flow_of_many_records_is_one_connection() {
        let watch = watch();
        let part = |end_reason, port: u16| {
            let record = record(port, end(1, "sh"), end(0, ""));
            FlowRecord { flow: Flow { end_reason, ..record.flow }, ..record }
        };
        let (goes_on, ends) = (FlowEndReason::ActiveTimeout, FlowEndReason::EndOfFlow);
        watch.records(&[part(goes_on, 80), part(goes_on, 80), part(ends, 80), part(ends, 80), part(ends, 81)]);
        let report = report_on(&watch);
        let seen: Vec<_> = report.destinations.iter().map(|d| (d.figures.connections, d.figures.sent_bytes)).collect();
        assert_eq!(seen, [(2, 400), (1, 100)]);
    }

    #[test]
    fn failures_and_times_to_connect_are_summed_up() {
        let watch = watch();
        let one = |error: Option<u16>, server_us: Option<u32>| {
            let mut record = record(80, end(1, "sh"), end(0, ""));
            record.connect_error = error;
            record.flow.handshake = server_us.map(|server_us| Handshake { server_us, client_us: 0 });
            record
        };
        let mut silent = one(None, None);
        silent.flow.reverse = Counters::default();
        let datagram = FlowRecord { flow: Flow { protocol: Protocol::UDP, ..silent.flow.clone() }, ..silent.clone() };
        watch.records(&[one(Some(111), None), one(Some(111), None), one(Some(101), None), silent, datagram]);
        watch.records(&[one(None, Some(1000)), one(None, Some(9000)), one(None, Some(2000))]);
        let report = report_on(&watch);
        let figures = report.destinations.iter().find(|d| d.what.protocol == "tcp").map(|d| d.figures.clone()).unwrap();
        let failures: Vec<_> = figures.failures.iter().map(|(why, n)| (why.as_str(), *n)).collect();
        assert_eq!(failures, [("ECONNREFUSED", 2), ("ENETUNREACH", 1), ("no answer", 1)]);
        assert_eq!((figures.connect_median_ms, figures.connect_max_ms), (Some(2.0), Some(9.0)));
        assert!(report.destinations.iter().any(|d| d.what.protocol == "udp" && d.figures.failures.is_empty()));
    }

    #[test]
    fn a_destination_has_the_name_that_was_asked_for() {
        let watch = watch();
        let named = |address: [u8; 4]| {
            let endpoint = Endpoint { name: "example.com".into(), ..Endpoint::default() };
            let destination = ProcessEnd { endpoint: Some(Arc::new(endpoint)), ..end(0, "") };
            let mut record = record(443, end(2, "curl"), destination);
            record.flow.destination = IpAddr::from(address);
            record
        };
        watch.records(&[named([192, 0, 2, 1]), named([192, 0, 2, 2])]);
        let report = report_on(&watch);
        let all: Vec<_> = report.destinations.iter().map(|d| (&*d.what.destination, d.addresses.len())).collect();
        assert_eq!(all, [("example.com", 2)]);
        assert!(report::text(&report).contains("example.com tcp/443 (192.0.2.1, 192.0.2.2)"));
    }

    #[test]
    fn what_was_lost_may_be_a_new_destination() {
        let watch = watch();
        watch.records(&[record(80, end(2, "curl"), end(0, ""))]);
        let entries: Vec<_> = report::entries(&watch.lock()).collect();
        let compared = |new: Vec<_>, code, losses: &[&str]| {
            let baseline = Some(Compared { file: "baseline".into(), is_new: false, new });
            let losses = losses.iter().map(|&loss| loss.to_owned()).collect();
            report::make(&watch.lock(), Circumstances { baseline, ..circumstances(code, losses) })
        };
        let lost = ["packets: 7 packets (buffer-full)"];
        assert_eq!(compared(Vec::new(), 0, &[]).code_of_comparison(), 0);
        assert_eq!(compared(Vec::new(), 0, &lost).code_of_comparison(), 4);
        assert_eq!(compared(entries.clone(), 0, &[]).code_of_comparison(), 3);
        assert_eq!(compared(entries, 0, &lost).code_of_comparison(), 3);
        assert_eq!(compared(Vec::new(), 9, &lost).code_of_comparison(), 9);
        let text = report::text(&compared(Vec::new(), 0, &lost));
        assert!(
            text.contains("baseline, but one may be missing.") && text.contains("incomplete: packets: 7"),
            "{text}"
        );
    }

    #[test]
    fn hostile_names_are_shown_harmlessly() {
        let watch = watch();
        let name = "a\u{1b}[2J|<b>`x\n\u{202e}";
        watch.records(&[record(80, end(2, name), end(0, ""))]);
        let report = report_on(&watch);
        let (text, markdown) = (report::text(&report), report::markdown(&report));
        for out in [&text, &markdown] {
            assert!(!out.contains(['\u{1b}', '\u{202e}']), "{out}");
        }
        assert!(markdown.contains("\\|&lt;b>\\`x?"), "{markdown}");
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["destinations"][0]["program"], name);
    }
}
