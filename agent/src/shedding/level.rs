//! The levels of shedding.

/// How much is left out. A higher level leaves out what the lower ones do, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Level(u8);

impl Level {
    /// Nothing is left out.
    pub(crate) const NONE: Self = Self(0);
    /// Names of applications: no payload is read.
    pub(crate) const NAMES: Self = Self(1);
    /// The usage of processes: /proc is not sampled.
    pub(crate) const USAGE: Self = Self(2);
    /// Packets: one in 128 is counted.
    pub(crate) const MAX: Self = Self(Self::USAGE.0 + Self::MAX_DOUBLINGS);
    /// The sampling rate is at most 2 to the power of this.
    const MAX_DOUBLINGS: u8 = 7;

    /// The level with this number, at most the highest.
    pub(super) const fn of(number: u8) -> Self {
        if number > Self::MAX.0 { Self::MAX } else { Self(number) }
    }

    /// Its number, from 0.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// So many levels higher, at most the highest.
    pub(super) const fn higher(self, by: u8) -> Self {
        Self::of(self.0.saturating_add(by))
    }

    /// One level lower.
    pub(super) const fn lower(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many times the sampling rate is doubled; 0: every packet is counted.
    pub(super) const fn doublings(self) -> u8 {
        self.0.saturating_sub(Self::USAGE.0)
    }

    /// One in so many packets is counted.
    pub(crate) const fn sampling_rate(self) -> u32 {
        1 << self.doublings()
    }

    /// Whether payloads are not read.
    pub(crate) fn sheds_names(self) -> bool {
        self >= Self::NAMES
    }

    /// Whether the usage of processes is not sampled.
    pub(crate) fn sheds_usage(self) -> bool {
        self >= Self::USAGE
    }

    /// What is left out, for people.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::NONE => "nothing".into(),
            Self::NAMES => "names of applications".into(),
            Self::USAGE => "names of applications, usage of processes".into(),
            _ => format!(
                "names of applications, usage of processes, {} of {} packets",
                self.sampling_rate() - 1,
                self.sampling_rate()
            ),
        }
    }
}
