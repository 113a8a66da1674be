//! What is left out to stay within the budget.

use pidflow_schema::metric::{Family, MetricSample};

use crate::shedding::ShedCounts;

/// The families.
pub(super) fn families(shed: &ShedCounts) -> [Family; 4] {
    [
        Family::gauge(
            "pidflow.shedding.level",
            "",
            "How much is left out to stay within the budget: 0 nothing, 1 names of applications, 2 also the usage of processes, 3 and more also packets.",
            MetricSample::alone(shed.level.number().into()),
        ),
        Family::gauge(
            "pidflow.sampling.rate",
            "",
            "One in so many packets is counted; 1: all.",
            MetricSample::alone(shed.level.sampling_rate().into()),
        ),
        Family::counter(
            "pidflow.shedding.time",
            "s",
            "Time in which anything was left out to stay within the budget.",
            MetricSample::alone(shed.seconds),
        ),
        Family::counter(
            "pidflow.shedding.samples",
            "{sample}",
            "Samples of the usage of processes that were left out to stay within the budget.",
            MetricSample::alone(shed.samples),
        ),
    ]
}
