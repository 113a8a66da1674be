//! Families of what was received from exporters on other hosts.

use pidflow_collector::{Counters, Event, Protocol};
use pidflow_schema::metric::{Family, MetricSample};

use crate::collect::{CollectFigures, GlueFigures};

pub(super) fn families(f: &CollectFigures) -> impl Iterator<Item = Family> + use<> {
    received(f).into_iter().chain(kept(f))
}

/// Of records that are put together.
pub(super) fn of_glue(f: &GlueFigures) -> [Family; 3] {
    let c = &f.counters;
    let results = [
        ("passed", c.passed),
        ("held", c.held),
        ("repeated", c.repeated),
        ("glued", c.glued),
        ("alone", c.alone),
        ("late", c.late),
        ("ambiguous", c.ambiguous),
        ("pushed-out", c.pushed_out),
    ];
    [
        Family::counter(
            "pidflow.glue.records",
            "{record}",
            "Records that --glue passed on, held and left out as repeated, and records that it made of those held, by kind.",
            MetricSample::by("result", results),
        ),
        Family::gauge(
            "pidflow.glue.flows",
            "{flow}",
            "Flows whose records wait for those of other agents, or are remembered.",
            MetricSample::alone(f.flows),
        ),
        Family::gauge("pidflow.glue.state.size", "By", "Memory of these flows.", MetricSample::alone(f.bytes)),
    ]
}

fn received(f: &CollectFigures) -> [Family; 5] {
    let by_protocol = |count: fn(&Counters, Protocol) -> u64| {
        MetricSample::by("protocol", Protocol::ALL.iter().map(|p| (p.name(), count(&f.counters, *p))))
    };
    let events = Event::ALL.iter().map(|event| (event.name(), f.counters.events(*event)));
    [
        Family::counter(
            "pidflow.collect.datagrams",
            "{datagram}",
            "Datagrams received from exporters, by protocol.",
            by_protocol(Counters::datagrams),
        ),
        Family::counter(
            "pidflow.collect.bytes",
            "By",
            "Bytes of those datagrams, without UDP and IP headers.",
            by_protocol(Counters::octets),
        ),
        Family::counter(
            "pidflow.collect.records",
            "{record}",
            "Flow records received from exporters, by protocol.",
            by_protocol(Counters::records),
        ),
        Family::counter(
            "pidflow.collect.events",
            "{event}",
            "Everything received from exporters that is not a flow record, or was lost or changed on the way, by kind.",
            MetricSample::by("event", events),
        ),
        Family::counter(
            "pidflow.collect.dropped.by.kernel",
            "{datagram}",
            "Datagrams of exporters that the kernel dropped because the socket's buffer was full.",
            MetricSample::alone(f.kernel_drops),
        ),
    ]
}

/// What is kept of exporters.
fn kept(f: &CollectFigures) -> [Family; 3] {
    [
        Family::gauge(
            "pidflow.collect.sessions",
            "{session}",
            "Exporters and their observation domains that are known.",
            MetricSample::alone(f.sessions),
        ),
        Family::gauge(
            "pidflow.collect.templates",
            "{template}",
            "Templates of exporters that are known.",
            MetricSample::alone(f.templates),
        ),
        Family::gauge(
            "pidflow.collect.state.size",
            "By",
            "Memory of what is known of exporters: templates, names of interfaces, sets that wait for a template.",
            MetricSample::alone(f.kept_bytes),
        ),
    ]
}
