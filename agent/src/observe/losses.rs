//! Everything that counts as lost.

use pidflow_capture::CaptureCounters;
use pidflow_collector::Event;

use crate::collect::CollectFigures;
use crate::figures;
use crate::pipeline::Figures;
use crate::probes::KernelCounts;
use crate::published::losses::Loss;
use crate::published::status::{Exporter, Labelled, Status, labelled};
use crate::translation::TranslationCounts;

/// Packets that the kernel or an interface dropped.
pub(super) fn kernel_drops(c: &CaptureCounters) -> Labelled {
    labelled([("kernel-buffer", c.kernel_drops), ("interface", c.interface_drops)])
}

/// Everything that counts as lost, by stage. New kinds of loss must be added here, so that `/readyz` names them.
pub(super) fn all(f: &Figures, exporters: &[Exporter], translation: TranslationCounts, pods_dropped: u64) -> Vec<Loss> {
    let of = |stage: &str, what, values: Labelled| {
        let stage = stage.to_owned();
        values.into_iter().map(move |(reason, total)| Loss { stage: stage.clone(), what, reason, total })
    };
    let early = labelled([("table-full", f.table.evicted), ("too-many-wait", f.joined_early)]);
    let forgotten = labelled([("tables-full", f.join.crowded)]);
    let no_room = labelled([
        ("processes-dropped", f.join.processes_dropped),
        ("claims-dropped", f.join.claims_dropped),
        ("failed-dropped", f.join.failed_dropped),
        ("translations-dropped", f.table.translations_dropped),
        ("tenancies-dropped", f.join.tenancies_dropped),
        ("pods-dropped", pods_dropped),
        ("names-dropped", f.join.names_dropped),
        ("answers-dropped", f.table.answers_dropped),
        ("payloads-dropped", f.table.payloads_dropped),
    ]);
    of("capture", "packets lost", kernel_drops(&f.capture))
        .chain(f.collect.iter().flat_map(collect_losses))
        .chain(of("probes", "kernel events lost", events_lost(&f.kernel, translation)))
        .chain(of("flows", "flows ended or joined early", early))
        .chain(of("join", "early evictions of processes and sockets", forgotten))
        .chain(of("join", "facts without room", no_room))
        .chain(exporters.iter().flat_map(|e| of(&format!("exporter {}", e.name), "records lost", e.lost.clone())))
        .collect()
}

/// What exporters sent, or should have sent, that did not become records.
fn collect_losses(f: &CollectFigures) -> impl Iterator<Item = Loss> + use<> {
    let kernel = ("datagrams of exporters lost", "kernel-buffer", f.kernel_drops);
    let of = |event: &Event| Some((event.lost()?, event.name(), f.counters.events(*event)));
    let all: Vec<_> = Event::ALL.iter().filter_map(of).chain([kernel]).collect();
    let loss =
        |(what, reason, total): (_, &str, _)| Loss { stage: "collect".into(), what, reason: reason.into(), total };
    all.into_iter().map(loss)
}

/// Kernel events that were lost, and notices of translations.
pub(super) fn events_lost(k: &KernelCounts, t: TranslationCounts) -> Labelled {
    labelled([
        ("ring-full", k.ring_full),
        ("ring-half-full", k.ring_half_full),
        ("read-failed", k.read_failed),
        ("map-full", k.map_full),
        ("unparsed", k.unparsed),
        ("sampler-refused", k.sampler_refused),
        ("sampler-given-up", k.sampler_given_up),
        ("line-skipped", k.lines_skipped),
        ("translation-overrun", t.overruns),
        ("translation-unparsed", t.unparsed),
    ])
}

/// Everything lost on the way from exporters to receivers.
pub(super) fn total(s: &Status) -> String {
    figures::grouped(s.losses.iter().map(|loss| loss.total).sum())
}
