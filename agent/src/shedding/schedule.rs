//! Which packets are counted while packets are sampled: uniform probabilistic sampling (RFC 5475 section 5.2.2.1; selector algorithm 4
//! of IANA's registry of packet sampling parameters). Each packet is counted with the same probability, independently of all
//! others and of what is in it.

/// The sampling rate and its last change. A rate applies to timestamps of packets, so that all threads change it at the same packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The rate for packets before `from_ns`: one in so many is counted.
    before: u32,
    rate: u32,
    /// Wall time, nanoseconds since the epoch.
    from_ns: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { before: 1, rate: 1, from_ns: 0 }
    }
}

impl Schedule {
    /// From `from_ns` on, one in `rate` packets is counted.
    pub(super) fn change(&mut self, rate: u32, from_ns: u64) {
        if rate != self.rate {
            *self = Self { before: self.rate, rate, from_ns };
        }
    }

    /// One in so many packets of that time is counted.
    #[inline]
    pub(crate) const fn rate_at(&self, time_ns: u64) -> u32 {
        if time_ns < self.from_ns { self.before } else { self.rate }
    }
}

/// Random numbers for the selection of packets (xorshift, Marsaglia 2003). They are no secret.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        Self(seed | 1)
    }
}

impl Dice {
    /// True for one in `rate` calls on average. `rate` is a power of two.
    #[inline]
    pub(crate) const fn selects(&mut self, rate: u32) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper bits are the better ones.
        (self.0 >> 32) as u32 & (rate - 1) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_applies_from_its_time_on() {
        let mut schedule = Schedule::default();
        assert_eq!([0, 9].map(|at| schedule.rate_at(at)), [1, 1]);
        schedule.change(4, 100);
        schedule.change(4, 200);
        assert_eq!([99, 100, 250].map(|at| schedule.rate_at(at)), [1, 4, 4]);
        schedule.change(2, 300);
        assert_eq!([299, 300].map(|at| schedule.rate_at(at)), [4, 2]);
    }

    #[test]
    fn one_in_so_many_is_selected() {
        let mut dice = Dice::default();
        for rate in [1, 2, 16, 128] {
            let selected = (0..128_000).filter(|_| dice.selects(rate)).count() as f64;
            let expected = 128_000.0 / f64::from(rate);
            assert!((selected - expected).abs() <= 6.0 * expected.sqrt(), "{selected} of one in {rate}");
        }
    }
}
