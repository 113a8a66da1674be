//! What became of the records.

/// Counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Records that were not held: of no agent, of a flow within one host, or put together already.
    pub passed: u64,
    /// Records that were held.
    pub held: u64,
    /// Records that arrived again, and were left out.
    pub repeated: u64,
    /// Records handed on that have both ends from different agents.
    pub glued: u64,
    /// Records handed on after their window without an agent at the other end.
    pub alone: u64,
    /// Records handed on as they came because their flow had been handed on already.
    pub late: u64,
    /// Records handed on as they came because it is not certain which of them belong together.
    pub ambiguous: u64,
    /// Records handed on early as they came because the memory was full.
    pub pushed_out: u64,
}

impl Counters {
    /// Adds those of another.
    pub const fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.held += other.held;
        self.repeated += other.repeated;
        self.glued += other.glued;
        self.alone += other.alone;
        self.late += other.late;
        self.ambiguous += other.ambiguous;
        self.pushed_out += other.pushed_out;
    }
}
