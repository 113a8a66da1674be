//! Recent losses, by stage, because totals since the start tell little about the present.

use std::collections::VecDeque;

use crate::figures::grouped;

/// Seconds for which a loss degrades the agent.
const WINDOW_S: u64 = 60;

/// The total of one kind of loss since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Where: a stage of the pipeline, or an exporter.
    pub(crate) stage: String,
    /// The kind of loss, such as `records lost`.
    pub(crate) what: &'static str,
    /// The reason, as in the metric of that stage.
    pub(crate) reason: String,
    /// How many since the start.
    pub(crate) total: u64,
}

impl Loss {
    fn is_same_kind(&self, other: &Self) -> bool {
        (&self.stage, &self.reason) == (&other.stage, &other.reason)
    }
}

/// The totals of the last minute, one entry per status.
#[derive(Debug, Default)]
pub(crate) struct LossWindow {
    /// Seconds since the start, and the totals then; the oldest first.
    totals: VecDeque<(u64, Vec<Loss>)>,
}

impl LossWindow {
    /// Adds the current totals, and returns a line for each kind that has increased in the last minute.
    pub(crate) fn update(&mut self, now_s: u64, losses: &[Loss]) -> Vec<String> {
        // The newest entry that is old enough is kept: it has the totals at the beginning of the last minute.
        while self.totals.get(1).is_some_and(|(seconds, _)| seconds + WINDOW_S <= now_s) {
            self.totals.pop_front();
        }
        let lines = losses.iter().filter_map(|loss| self.line(loss)).collect();
        self.totals.push_back((now_s, losses.to_vec()));
        lines
    }

    fn line(&self, loss: &Loss) -> Option<String> {
        // Without an earlier total the minute began with the agent, or with the exporter.
        let earlier = self.totals.front().and_then(|(_, losses)| losses.iter().find(|l| l.is_same_kind(loss)));
        let lately = loss.total.saturating_sub(earlier.map_or(0, |l| l.total));
        let Loss { stage, what, reason, .. } = loss;
        (lately > 0).then(|| format!("{stage}: {} {what} in the last minute ({reason})", grouped(lately)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(stage: &str, total: u64) -> Loss {
        Loss { stage: stage.into(), what: "records lost", reason: "queue_full".into(), total }
    }

    #[test]
    fn a_loss_is_named_for_a_minute_and_counts_what_was_lost_in_it() {
        let mut window = LossWindow::default();
        assert_eq!(window.update(1, &[loss("x", 0)]), [""; 0]);
        assert_eq!(window.update(2, &[loss("x", 1500)]), ["x: 1,500 records lost in the last minute (queue_full)"]);
        assert_eq!(window.update(40, &[loss("x", 1501)]), ["x: 1,501 records lost in the last minute (queue_full)"]);
        assert_eq!(window.update(62, &[loss("x", 1501)]), ["x: 1 records lost in the last minute (queue_full)"]);
        assert_eq!(window.update(101, &[loss("x", 1501)]), [""; 0]);
    }

    #[test]
    fn a_loss_before_the_first_status_and_one_of_a_new_exporter_count() {
        let mut window = LossWindow::default();
        assert_eq!(window.update(0, &[loss("x", 7)]).len(), 1);
        assert_eq!(
            window.update(1, &[loss("x", 7), loss("y", 3)]),
            ["y: 3 records lost in the last minute (queue_full)"]
        );
        // A counter that begins again after a reload is no loss.
        assert_eq!(window.update(2, &[loss("x", 1), loss("y", 0)]), [""; 0]);
    }

    #[test]
    fn a_pipeline_that_was_silent_for_long_compares_with_its_last_status() {
        let mut window = LossWindow::default();
        window.update(5, &[loss("x", 10)]);
        assert_eq!(window.update(500, &[loss("x", 12)]), ["x: 2 records lost in the last minute (queue_full)"]);
        assert_eq!(window.update(501, &[loss("x", 12)]).len(), 1);
        assert!(window.totals.len() < 4);
        (502..900).for_each(|s| assert!(window.update(s, &[loss("x", 12)]).len() <= 1));
        assert!(window.totals.len() as u64 <= WINDOW_S + 1, "{}", window.totals.len());
    }
}
