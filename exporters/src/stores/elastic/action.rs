//! The action lines of a `_bulk` request.

use std::io::Write;

use crate::random::random;
use crate::time::TimePattern;

/// Makes `create` actions. Each has a unique id, so that a document that is sent again because its answer was lost is
/// stored once: the second attempt is answered with 409.
pub(super) struct Actions {
    index: TimePattern,
    /// Name of the index, and the period in which the name is valid.
    current: (u64, String),
    /// A number that differs from run to run.
    run: u64,
    next: u64,
}

impl Actions {
    pub(super) fn new(index: &TimePattern) -> Self {
        Self { index: index.clone(), current: (0, index.render(0)), run: random(), next: 0 }
    }

    /// Appends the line for a document of that time.
    pub(super) fn put(&mut self, time_ns: u64, out: &mut Vec<u8>) {
        let period = time_ns / self.index.period_ns();
        if self.current.0 != period {
            self.current = (period, self.index.render(time_ns));
        }
        // Writing to memory cannot fail. Index names contain no character that JSON must escape; see the configuration.
        let (index, run, n) = (&self.current.1, self.run, self.next);
        let _ = writeln!(out, "{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"{run:016x}-{n:x}\"}}}}");
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_follows_the_day_and_no_id_comes_twice() {
        const DAY_NS: u64 = 86_400_000_000_000;
        let mut actions = Actions::new(&TimePattern::parse("f-%Y.%m.%d").unwrap());
        let mut out = Vec::new();
        [0, DAY_NS - 1, DAY_NS, 0].into_iter().for_each(|ns| actions.put(ns, &mut out));
        let lines: Vec<serde_json::Value> =
            out.split_inclusive(|b| *b == b'\n').map(|l| serde_json::from_slice(l).unwrap()).collect();
        let indices: Vec<_> = lines.iter().map(|l| l["create"]["_index"].as_str().unwrap()).collect();
        assert_eq!(indices, ["f-1970.01.01", "f-1970.01.01", "f-1970.01.02", "f-1970.01.01"]);
        let ids: std::collections::BTreeSet<_> = lines.iter().map(|l| l["create"]["_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 4);
    }
}
