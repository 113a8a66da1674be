//! Everything that counts as lost.

use pidflow_capture::CaptureCounters;

use crate::collect::{CollectFigures, GlueFigures};
use crate::pipeline::Figures;
use crate::published::losses::Loss;
use crate::published::status::{Exporter, Labelled, labelled};
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
    let unclassified = labelled([("too-many-wait", f.table.inspection.early)]);
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
    let at = |stage: &'static str| {
        move |(what, reason, total): (_, &str, _)| Loss { stage: stage.into(), what, reason: reason.into(), total }
    };
    of("capture", "packets lost", kernel_drops(&f.capture))
        .chain(f.collect.iter().flat_map(CollectFigures::losses).map(at("collect")))
        .chain(f.glue.iter().flat_map(GlueFigures::losses).map(at("glue")))
        .chain(of("probes", "kernel events lost", events_lost(f, translation)))
        .chain(of("flows", "flows ended or joined early", early))
        .chain(of("ndpi", "flows classified early", unclassified))
        .chain(of("join", "early evictions of processes and sockets", forgotten))
        .chain(of("join", "facts without room", no_room))
        .chain(exporters.iter().flat_map(|e| of(&format!("exporter {}", e.name), "records lost", e.lost.clone())))
        .collect()
}

/// Kernel events that were lost, and notices of translations.
pub(super) fn events_lost(f: &Figures, t: TranslationCounts) -> Labelled {
    let k = &f.kernel;
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
        ("translation-late", f.late_notices),
    ])
}
