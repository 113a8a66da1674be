//! All metric families of `/metrics`, generated from the status.

mod budget;
mod collect;
mod columns;
mod host;
mod ledger;
mod node;
mod talk;
mod tcp;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use pidflow_schema::metric::{Family, MetricSample, Point};

use super::status::{Exporter, HookTest, Status};
use view::{LazyFamily, View};

/// All families.
pub(crate) fn families(view: &View) -> Vec<LazyFamily> {
    let s = &view.status;
    let mut all = vec![build()];
    all.extend(packets(s));
    all.extend(interfaces(s));
    all.extend(flows(s));
    all.extend(tcp::families(&s.tcp));
    all.extend(events(s));
    all.extend(self_test(s));
    all.extend(exporters(&s.exporters));
    all.extend(waiting(s));
    all.extend(health(s));
    all.extend(own_state(s));
    all.extend(budget::families(&s.shed));
    all.extend(s.host.iter().flat_map(|figures| host::families(figures)));
    all.extend(s.collect.iter().flat_map(collect::families));
    all.extend(s.glue.iter().flat_map(collect::of_glue));
    all.extend(s.ledger.iter().flat_map(|ledger| ledger::families(ledger)));
    let of_talk = talk::all(view).into_iter().chain(node::all(view));
    all.into_iter().map(LazyFamily::from).chain(of_talk).collect()
}

fn waiting(s: &Status) -> [Family; 2] {
    [
        Family::gauge("pidflow.queue.depth", "{item}", "Waiting items, by queue.", labelled("queue", &s.queues)),
        Family::gauge("pidflow.table.entries", "{entry}", "Entries of tables, by table.", labelled("table", &s.tables)),
    ]
}

fn health(s: &Status) -> [Family; 3] {
    let losses = s
        .losses
        .iter()
        .map(|l| MetricSample::new([("stage", l.stage.clone()), ("reason", l.reason.clone())], Point::Whole(l.total)));
    [
        Family::gauge(
            "pidflow.ready",
            "",
            "1 when everything is attached and running.",
            MetricSample::alone(u64::from(s.not_ready.is_empty())),
        ),
        Family::gauge(
            "pidflow.degraded",
            "{reason}",
            "Reasons for which the agent is degraded, as /readyz names them; losses count for a minute.",
            MetricSample::alone(s.degraded.len() as u64),
        ),
        Family::counter(
            "pidflow.losses",
            "{loss}",
            "Packets, kernel events, flows and records lost or cut short, by stage and reason.",
            losses.collect(),
        ),
    ]
}

fn own_state(s: &Status) -> [Family; 4] {
    [
        Family::gauge(
            "pidflow.export.queue.size",
            "By",
            "Memory of records in exporters' queues; a record in several queues counts in each.",
            MetricSample::alone(s.queue_bytes),
        ),
        Family::counter(
            "pidflow.thread.restarts",
            "{restart}",
            "Threads that failed and were started again, by thread.",
            labelled("thread", &s.thread_restarts),
        ),
        Family::counter(
            "pidflow.container_engine.failures",
            "{failure}",
            "Failed attempts to ask Docker or Podman for names of containers, and unusable entries in their answers, by socket.",
            labelled("socket", &s.container_failures),
        ),
        Family::counter(
            "pidflow.log.lines.lost",
            "{line}",
            "Log lines that could not be written to standard error.",
            MetricSample::alone(s.log_lines_lost),
        ),
    ]
}

fn build() -> Family {
    let version = MetricSample::new([("version", env!("CARGO_PKG_VERSION").to_owned())], Point::Whole(1));
    Family::info("pidflow.build.info", "Version of the agent.", vec![version])
}

fn labelled(label: &'static str, values: &[(String, u64)]) -> Vec<MetricSample> {
    MetricSample::by(label, values.iter().map(|(l, n)| (l, *n)))
}

fn packets(s: &Status) -> [Family; 5] {
    [
        Family::counter(
            "pidflow.packets",
            "{packet}",
            "Packets that became part of a flow.",
            MetricSample::alone(s.packets),
        ),
        Family::counter(
            "pidflow.captured.bytes",
            "By",
            "Bytes of all packets seen, whole frames.",
            MetricSample::alone(s.octets),
        ),
        Family::counter(
            "pidflow.packets.discarded",
            "{packet}",
            "Packets that are in no flow, by reason.",
            labelled("reason", &s.discards),
        ),
        Family::counter(
            "pidflow.packets.undecoded",
            "{packet}",
            "Discarded packets of link types and protocols that are not decoded, by number; of each kind at most 32 numbers.",
            labelled("protocol", &s.undecoded),
        ),
        Family::counter(
            "pidflow.packets.dropped.by.kernel",
            "{packet}",
            "Packets lost before the agent saw them, by interface.",
            labelled("interface", &s.kernel_drops),
        ),
    ]
}

fn interfaces(s: &Status) -> [Family; 2] {
    [
        Family::counter(
            "pidflow.interface.changes",
            "{interface}",
            "Captured or configured interfaces that appeared, disappeared or were renamed.",
            labelled("change", &s.interface_changes),
        ),
        Family::gauge(
            "pidflow.interfaces.missing",
            "{interface}",
            "Interfaces that should be captured but have disappeared or cannot be opened.",
            MetricSample::alone(s.missing_interfaces),
        ),
    ]
}

fn flows(s: &Status) -> [Family; 4] {
    let (found, all) = s.records.attributed();
    let ends = s.records.attributions().filter(|(_, _, n)| *n > 0);
    let ends = ends.map(|(end, a, n)| {
        MetricSample::new([("end", end.to_owned()), ("attribution", a.name().to_owned())], Point::Whole(n))
    });
    [
        Family::gauge("pidflow.flows.active", "{flow}", "Flows in the table.", MetricSample::alone(s.active)),
        Family::counter(
            "pidflow.records",
            "{record}",
            "Flow records made, by the reason for the end.",
            MetricSample::by("reason", s.records.reasons()),
        ),
        Family::counter(
            "pidflow.record.ends",
            "{end}",
            "Ends of records, by how they were attributed to a process or why they were not.",
            ends.collect(),
        ),
        Family::counter(
            "pidflow.local.ends",
            "{end}",
            "Ends on this host that can have a process, by whether it was found.",
            MetricSample::by("outcome", [("found", found), ("missing", all - found)]),
        ),
    ]
}

fn self_test(s: &Status) -> [Family; 2] {
    let hook = |h: &HookTest| {
        let labels = [("hook", h.target.clone()), ("program", h.program.clone())];
        MetricSample::new(labels, Point::Whole(h.delivers.into()))
    };
    [
        Family::counter(
            "pidflow.self.tests",
            "{test}",
            "Self-tests of the hooks, by result; inconclusive: the hooks could not be tested.",
            labelled("result", &s.self_tests),
        ),
        Family::gauge(
            "pidflow.hook.delivers",
            "",
            "1 when the last self-test received what the hook must report, 0 when the hook is silent.",
            s.hook_tests.iter().map(hook).collect(),
        ),
    ]
}

fn events(s: &Status) -> [Family; 4] {
    let hooks =
        s.hooks.iter().map(|h| MetricSample::new([("hook", h.hook.clone()), ("way", h.way.clone())], Point::Whole(1)));
    [
        Family::counter(
            "pidflow.probe.events",
            "{event}",
            "Operations of the probes, by outcome.",
            labelled("outcome", &s.probes),
        ),
        Family::counter(
            "pidflow.probe.events.lost",
            "{event}",
            "Kernel events that were lost, by reason.",
            labelled("reason", &s.events_lost),
        ),
        Family::counter(
            "pidflow.join",
            "{record}",
            "Operations of the join of flows and processes, by outcome.",
            labelled("outcome", &s.join),
        ),
        Family::info("pidflow.hook.info", "How each kernel hook is attached.", hooks.collect()),
    ]
}

fn exporters(all: &[Exporter]) -> [Family; 5] {
    let lost = all.iter().flat_map(|e| {
        e.lost.iter().map(|(why, n)| {
            MetricSample::new([("exporter", e.name.clone()), ("reason", why.clone())], Point::Whole(*n))
        })
    });
    [
        Family::counter(
            "pidflow.exported.records",
            "{record}",
            "Exported records, by exporter.",
            MetricSample::by("exporter", all.iter().map(|e| (&e.name, e.records))),
        ),
        Family::counter(
            "pidflow.export.filtered.records",
            "{record}",
            "Records that the exporter's filter left out, by exporter.",
            MetricSample::by("exporter", all.iter().map(|e| (&e.name, e.filtered))),
        ),
        Family::counter(
            "pidflow.export.lost.records",
            "{record}",
            "Records lost in export, by exporter and reason.",
            lost.collect(),
        ),
        Family::gauge(
            "pidflow.export.queue.depth",
            "{record}",
            "Records waiting in memory, by exporter.",
            MetricSample::by("exporter", all.iter().map(|e| (&e.name, e.queue))),
        ),
        Family::gauge(
            "pidflow.export.spooled.records",
            "{record}",
            "Records waiting on disk, by exporter.",
            MetricSample::by("exporter", all.iter().map(|e| (&e.name, e.spooled))),
        ),
    ]
}
