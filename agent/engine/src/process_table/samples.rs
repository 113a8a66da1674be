//! Usage samples of one process, and the usage between two of them.

use pidflow_schema::ProcessUsage;

use super::iowait::Iowait;
use crate::fact::Sample;

/// The greatest number of samples kept. Beyond it, every other sample of the older half is dropped, so that old times
/// stay covered less densely.
const MAX_SAMPLES: usize = 256;
/// A sample this near to the begin or end of a flow counts as taken there, nanoseconds: the kernel's events of connect,
/// accept and close come within this time, and a later sample would include usage after the flow.
const NEAR_NS: u64 = 20_000_000;

/// One figure of a sample.
#[derive(Debug, Clone, Copy)]
enum Figure {
    Time,
    Cpu,
    MinorFaults,
    MajorFaults,
    Iowait,
    Rss,
    PeakRss,
}

impl Figure {
    /// The figures that a sample may lack.
    const OPTIONAL: [Self; 6] =
        [Self::Cpu, Self::MinorFaults, Self::MajorFaults, Self::Iowait, Self::Rss, Self::PeakRss];

    /// The figure's value; none: the sample lacks it.
    const fn of(self, sample: &Sample) -> Option<u64> {
        match self {
            Self::Time => Some(sample.time_ns),
            Self::Cpu => sample.cpu_ns,
            Self::MinorFaults => sample.minor_faults,
            Self::MajorFaults => sample.major_faults,
            Self::Iowait => sample.iowait_ns,
            Self::Rss => sample.rss,
            Self::PeakRss => sample.peak_rss,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The difference between two samples of a figure.
#[derive(Debug, Clone, Copy)]
struct Used {
    amount: u64,
    elapsed_ns: u64,
}

/// Samples in order of time.
#[derive(Debug)]
pub(super) struct Samples {
    list: Vec<Sample>,
    iowait: Iowait,
    /// Bits of the figures that any sample except the start has had, so that no flow searches all samples for another
    /// figure.
    known: u8,
}

impl Samples {
    /// Samples of a process that starts at `start_ns` with no usage.
    pub(super) fn since(start_ns: u64) -> Self {
        let start = Sample {
            time_ns: start_ns,
            cpu_ns: Some(0),
            minor_faults: Some(0),
            major_faults: Some(0),
            iowait_ns: Some(0),
            ..Sample::default()
        };
        Self { list: vec![start], iowait: Iowait::since(start_ns), known: Figure::Time.bit() }
    }

    pub(super) fn push(&mut self, mut sample: Sample) {
        sample.iowait_ns = self.iowait.plausible(&sample);
        let had = Figure::OPTIONAL.into_iter().filter(|figure| figure.of(&sample).is_some());
        self.known = had.fold(self.known, |known, figure| known | figure.bit());
        let at = self.list.partition_point(|s| s.time_ns <= sample.time_ns);
        self.list.insert(at, sample);
        if self.list.len() > MAX_SAMPLES {
            self.thin_older_half();
        }
    }

    /// Keeps at most `max` samples, at least 2.
    pub(super) fn thin(&mut self, max: usize) {
        while self.list.len() > max.max(2) {
            self.thin_older_half();
        }
        self.list.shrink_to_fit();
    }

    fn thin_older_half(&mut self) {
        let (mut number, half) = (0, self.list.len() / 2);
        self.list.retain(|_| {
            number += 1;
            number > half || number % 2 == 1
        });
    }

    /// Memory beyond that of the struct itself, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Sample>()
    }

    /// Usage between the samples that enclose the time from `first_ns` to `last_ns`; for each figure only samples that
    /// have it count. None: there is only the start.
    pub(super) fn usage(&self, first_ns: u64, last_ns: u64) -> Option<ProcessUsage> {
        let time = (first_ns, last_ns);
        let (_, end) = self.bracket(time, Figure::Time)?;
        let used = |figure: Figure| self.used(time, figure);
        let (cpu, iowait) = (used(Figure::Cpu), used(Figure::Iowait));
        let share = |used: Option<Used>| used.and_then(|u| hundredths_of_percent(u.amount, u.elapsed_ns));
        Some(ProcessUsage {
            memory_actual: self.nearest(end, Figure::Rss),
            memory_peak: self.nearest(end, Figure::PeakRss),
            cpu_load: share(cpu),
            iowait: share(iowait),
            cpu_time_ns: cpu.map(|u| u.amount),
            minor_faults: used(Figure::MinorFaults).map(|u| u.amount),
            major_faults: used(Figure::MajorFaults).map(|u| u.amount),
            iowait_ns: iowait.map(|u| u.amount),
        })
    }

    /// The increase of a figure over the time.
    fn used(&self, time: (u64, u64), figure: Figure) -> Option<Used> {
        let (before, after) = self.bracket(time, figure)?;
        let amount = figure.of(after)?.saturating_sub(figure.of(before)?);
        Some(Used { amount, elapsed_ns: after.time_ns.saturating_sub(before.time_ns) })
    }

    /// The latest value of each figure; none: there is only the start.
    pub(super) fn latest(&self) -> Option<Sample> {
        let newest = self.list.last().filter(|_| self.list.len() > 1)?;
        let latest = |f: fn(&Sample) -> Option<u64>| self.list.iter().rev().find_map(f);
        Some(Sample {
            time_ns: newest.time_ns,
            cpu_ns: latest(|s| s.cpu_ns),
            minor_faults: latest(|s| s.minor_faults),
            major_faults: latest(|s| s.major_faults),
            rss: latest(|s| s.rss),
            peak_rss: latest(|s| s.peak_rss),
            // Absent if it is not counted: the zero at the start means nothing then.
            iowait_ns: newest.iowait_ns,
            threads: newest.threads,
        })
    }

    /// The earliest sample after the start.
    pub(super) fn first_real(&self) -> Option<Sample> {
        self.list.get(1).copied()
    }

    fn has(&self, figure: Figure) -> bool {
        self.known & figure.bit() != 0
    }

    fn bracket(&self, (first_ns, last_ns): (u64, u64), figure: Figure) -> Option<(&Sample, &Sample)> {
        if !self.has(figure) {
            return None;
        }
        let after = self.after(last_ns, figure)?;
        let before = self.before((first_ns, last_ns), figure);
        if before.is_some_and(|b| b.time_ns < after.time_ns) {
            return Some((before?, after));
        }
        // The flow is shorter than the interval between two samples: use the sample before.
        let earlier = |s: &&Sample| s.time_ns < after.time_ns && figure.of(s).is_some();
        self.list.iter().rev().find(earlier).map(|b| (b, after))
    }

    /// The sample for the begin of a flow: the nearest within [`NEAR_NS`], otherwise the one that the begin itself
    /// triggered, otherwise the latest before, otherwise the earliest after.
    fn before(&self, (first_ns, last_ns): (u64, u64), figure: Figure) -> Option<&Sample> {
        let at = self.list.partition_point(|s| s.time_ns <= first_ns);
        let (before, after) = self.around(at, figure);
        let asked_for = || after.filter(|late| is_of_begin(late.time_ns, before, (first_ns, last_ns)));
        near(first_ns, before, after).or_else(asked_for).or(before).or(after)
    }

    /// The sample for the end of a flow: the nearest within [`NEAR_NS`], otherwise the earliest after, otherwise the
    /// latest before.
    fn after(&self, time_ns: u64, figure: Figure) -> Option<&Sample> {
        let at = self.list.partition_point(|s| s.time_ns < time_ns);
        let (before, after) = self.around(at, figure);
        near(time_ns, before, after).or(after).or(before)
    }

    /// The samples nearest to a place in the list, on both sides, that have the figure.
    fn around(&self, at: usize, figure: Figure) -> (Option<&Sample>, Option<&Sample>) {
        let (before, after) = self.list.split_at_checked(at).unwrap_or_default();
        let has = |s: &&Sample| figure.of(s).is_some();
        (before.iter().rev().find(has), after.iter().find(has))
    }

    /// A figure of the sample, or of the one nearest in time that has it.
    fn nearest(&self, to: &Sample, figure: Figure) -> Option<u64> {
        if !self.has(figure) {
            return None;
        }
        let (before, after) = self.list.split_at_checked(self.list.partition_point(|s| s.time_ns < to.time_ns))?;
        let known = |s: &Sample| Some((s.time_ns.abs_diff(to.time_ns), figure.of(s)?));
        let around = [before.iter().rev().find_map(known), after.iter().find_map(known)];
        around.into_iter().flatten().min_by_key(|k| k.0).map(|k| k.1)
    }
}

/// The nearer of two samples around a time, if it is within [`NEAR_NS`].
fn near<'a>(time_ns: u64, before: Option<&'a Sample>, after: Option<&'a Sample>) -> Option<&'a Sample> {
    let distance = |s: &&Sample| s.time_ns.abs_diff(time_ns);
    [before, after].into_iter().flatten().filter(|s| distance(s) <= NEAR_NS).min_by_key(distance)
}

/// Whether a sample was triggered by the begin of the flow and taken late: it is still early in the flow, and much
/// nearer to its begin than the sample before.
fn is_of_begin(late_ns: u64, before: Option<&Sample>, (first_ns, last_ns): (u64, u64)) -> bool {
    let (late_by, duration) = (late_ns.saturating_sub(first_ns), last_ns.saturating_sub(first_ns));
    late_by <= duration / 4 && before.is_some_and(|b| first_ns.saturating_sub(b.time_ns) >= 2 * late_by)
}

fn hundredths_of_percent(used_ns: u64, elapsed_ns: u64) -> Option<u32> {
    let share = u128::from(used_ns) * 10_000 / u128::from(elapsed_ns).max(1);
    (elapsed_ns > 0).then(|| u32::try_from(share).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{MAX_SAMPLES, Sample, Samples};

    fn at(ms: u64, cpu_ms: u64) -> Sample {
        Sample {
            time_ns: ms * 1_000_000,
            cpu_ns: Some(cpu_ms * 1_000_000),
            minor_faults: Some(ms),
            major_faults: Some(0),
            rss: Some(ms * 4096),
            peak_rss: Some(ms * 8192),
            iowait_ns: None,
            threads: None,
        }
    }

    #[test]
    fn the_enclosing_samples_count() {
        let mut s = Samples::since(0);
        for (t, cpu) in [(1000, 100), (2000, 600), (3000, 700)] {
            s.push(at(t, cpu));
        }
        let usage = s.usage(1_001_000_000, 1_999_000_000).unwrap();
        assert_eq!(usage.cpu_time_ns, Some(500_000_000));
        assert_eq!(usage.cpu_load, Some(5000));
        assert_eq!(usage.memory_actual, Some(2000 * 4096));
        assert_eq!(usage.page_faults(), Some(1000));
        assert_eq!((usage.iowait, usage.iowait_ns), (None, None), "unknown is absent, not zero");
    }

    #[test]
    fn a_short_process_has_its_whole_life() {
        let mut s = Samples::since(0);
        s.push(at(2, 1));
        let usage = s.usage(1_000_000, 1_500_000).unwrap();
        assert_eq!(usage.cpu_load, Some(5000));
    }

    #[test]
    fn no_sample_no_usage() {
        assert!(Samples::since(5).usage(6, 7).is_none());
    }

    /// The kernel's events of a process with many threads have no CPU time. Choosing those at the flow's begin and end
    /// would give no figure.
    #[test]
    fn samples_without_a_figure_do_not_hide_those_that_have_it() {
        let mut s = Samples::since(0);
        for (t, cpu) in [(1000, 100), (1200, 300), (2000, 600)] {
            s.push(at(t, cpu));
        }
        for t in [1010, 1011, 1190, 1191, 1500, 1501] {
            s.push(Sample { cpu_ns: None, minor_faults: None, major_faults: None, rss: Some(t), ..at(t, 0) });
        }
        let usage = s.usage(1_010_000_000, 1_190_000_000).unwrap();
        assert_eq!((usage.cpu_time_ns, usage.minor_faults), (Some(200_000_000), Some(200)));
        assert_eq!(usage.cpu_load, Some(10_000), "over the time between the two that were taken");
        assert_eq!(usage.memory_actual, Some(1190), "of the nearest that has it");
        let short = s.usage(1_500_000_000, 1_501_000_000).unwrap();
        assert_eq!((short.cpu_time_ns, short.cpu_load), (Some(300_000_000), Some(3750)));
    }

    /// A process with many threads is read from /proc when it uses a socket, which may be late on a busy machine.
    #[test]
    fn a_sample_that_came_late_for_the_begin_is_the_begins() {
        let mut s = Samples::since(0);
        for (t, cpu) in [(260, 20), (700, 80)] {
            s.push(at(t, cpu));
        }
        let used =
            |from: u64, to: u64| s.usage(from * 1_000_000, to * 1_000_000).unwrap().cpu_time_ns.unwrap() / 1_000_000;
        assert_eq!(used(200, 640), 60, "not what the process used before the flow");
        assert_eq!(used(200, 400), 80, "late for a flow as short as this");
        assert_eq!(used(110, 710), 80, "the one before is about as near");
    }

    #[test]
    fn each_figure_has_samples_of_its_own() {
        let mut s = Samples::since(0);
        s.push(Sample { iowait_ns: Some(5_000_000), cpu_ns: None, ..at(1000, 0) });
        s.push(at(1500, 100));
        s.push(Sample { iowait_ns: Some(9_000_000), cpu_ns: None, ..at(2000, 0) });
        let usage = s.usage(1_000_000_000, 2_000_000_000).unwrap();
        assert_eq!(usage.iowait_ns, Some(4_000_000));
        assert_eq!(usage.cpu_time_ns, Some(100_000_000), "since the start");
    }

    #[test]
    fn old_times_stay_covered() {
        let mut s = Samples::since(0);
        for ms in 1..10_000 {
            s.push(at(ms, ms));
        }
        assert!(s.list.len() <= MAX_SAMPLES);
        let usage = s.usage(0, 9_990_000_000).unwrap();
        assert!(usage.cpu_load.unwrap() > 9_900);
    }
}
