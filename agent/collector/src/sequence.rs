//! Sequence numbers of exporters.

/// Largest gap that is taken for a loss; beyond it the exporter began to count anew.
const MAX_GAP: u32 = 1 << 24;
/// Largest step back that is taken for a datagram that was overtaken.
const MAX_STEP_BACK: u32 = 1 << 16;
/// So many datagrams in a row that seem to be late are the beginning of a new count.
const MAX_LATE: u8 = 4;

/// The next sequence number of a session.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// None: it is not known.
    pub(crate) expected: Option<u32>,
    late: u8,
}

/// What a sequence number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The expected one, or the first one.
    Next,
    /// This many are missing.
    Lost(u32),
    /// It is older than the expected one.
    Late,
    /// The exporter began to count anew.
    Restarted,
}

impl Sequence {
    /// Compares a number with the expected one, and expects it from here on.
    pub(crate) fn follow(&mut self, number: u32) -> Step {
        let step = self.step(number);
        self.late = if step == Step::Late { self.late + 1 } else { 0 };
        if step != Step::Late {
            self.expected = Some(number);
        }
        step
    }

    /// The same where nothing can be late.
    pub(crate) fn follow_ordered(&mut self, number: u32) -> Step {
        self.late = MAX_LATE;
        let step = self.step(number);
        self.expected = Some(number);
        step
    }

    fn step(&self, number: u32) -> Step {
        let Some(expected) = self.expected else { return Step::Next };
        let (ahead, behind) = (number.wrapping_sub(expected), expected.wrapping_sub(number));
        match () {
            () if ahead == 0 => Step::Next,
            () if ahead <= MAX_GAP => Step::Lost(ahead),
            () if behind <= MAX_STEP_BACK && self.late < MAX_LATE => Step::Late,
            () => Step::Restarted,
        }
    }

    /// The number after this many more is expected; none: it is not known how many there were.
    pub(crate) fn advance(&mut self, by: Option<u32>) {
        self.expected = self.expected.zip(by).map(|(expected, by)| expected.wrapping_add(by));
    }

    /// Nothing is expected: the exporter has restarted.
    pub(crate) const fn forget(&mut self) {
        self.expected = None;
        self.late = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(numbers: &[u32]) -> Vec<Step> {
        let mut sequence = Sequence::default();
        let mut follow = |number: &u32| {
            let step = sequence.follow(*number);
            if step != Step::Late {
                sequence.advance(Some(1));
            }
            step
        };
        numbers.iter().map(&mut follow).collect()
    }

    #[test]
    fn gaps_delays_and_wraps_are_told_apart() {
        use Step::{Late, Lost, Next};
        assert_eq!(steps(&[7, 8, 11, 9, 10, 12]), [Next, Next, Lost(2), Late, Late, Next]);
        assert_eq!(steps(&[u32::MAX, 0, 1]), [Next; 3]);
        assert_eq!(steps(&[u32::MAX, 2]), [Next, Lost(2)]);
    }

    #[test]
    fn a_restart_is_not_a_loss() {
        use Step::{Late, Next, Restarted};
        assert_eq!(steps(&[1 << 30, 0, 1]), [Next, Restarted, Next]);
        assert_eq!(steps(&[100, 0, 1, 2, 3, 4, 5]), [Next, Late, Late, Late, Late, Restarted, Next]);
    }
}
