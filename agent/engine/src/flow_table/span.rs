//! One address translation: the ends of its packets, and the time in which it was in effect.

use super::key::{FlowKey, KeySide};
use super::side::Side;
use crate::fact::{AddressTranslation, PacketEnds, TranslationChange};

/// Maximum time from a packet's timestamp until its translation begins: the packet may wait in a queue of the kernel. Nanoseconds.
const MAX_REPORT_DELAY_NS: u64 = 1_000_000_000;
/// Maximum time for which a translated packet is under way to the interfaces behind, nanoseconds. Its translation may end meanwhile.
const MAX_PASSAGE_NS: u64 = 10_000_000;
/// End of a translation that is still in effect.
pub(super) const NEVER: u64 = u64::MAX;

/// Ends as packets have them on one side of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) ends: FlowKey,
    /// The side of `ends` whose packet began the translation.
    pub(super) origin: KeySide,
}

impl View {
    fn new(protocol: u8, ends: &PacketEnds) -> Self {
        let (ends, origin) = FlowKey::of_ends(protocol, ends);
        Self { ends, origin }
    }

    /// Whether the low side of this view is the high side of the other one.
    pub(super) fn is_turned(&self, other: &Self) -> bool {
        self.origin != other.origin
    }

    /// The side of this view that corresponds to `side` of the other one.
    pub(super) fn side(&self, other: &Self, side: KeySide) -> KeySide {
        if self.is_turned(other) { side.other() } else { side }
    }
}

/// A translation, and the time in which it was in effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) before: View,
    pub(super) after: View,
    /// Halfway, as a bridge sees it: the destination is translated, the source not yet. The same as `after` if the source is not
    /// translated.
    pub(super) between: View,
    pub(super) zone: u16,
    pub(super) netns: u32,
    /// It began at this time or later; 0: not known.
    pub(super) from_ns: u64,
    /// It ended at this time or earlier; [`NEVER`]: it is still in effect.
    pub(super) until_ns: u64,
    /// It was certainly in effect at this time.
    pub(super) confirmed_ns: u64,
    /// Its place in the order in which translations were reported.
    pub(super) order: u64,
}

/// Lower and upper limit of the time at which something happened, nanoseconds of the engine's clock.
pub(super) type Within = (u64, u64);

impl Span {
    pub(super) fn new((since_ns, time_ns): Within, change: TranslationChange, reported: &AddressTranslation) -> Self {
        let view = |ends| View::new(reported.protocol, ends);
        let ([source, _], [_, destination]) = (reported.before, reported.after);
        Self {
            before: view(&reported.before),
            after: view(&reported.after),
            between: view(&[source, destination]),
            zone: reported.zone,
            netns: reported.netns,
            from_ns: if change == TranslationChange::Began { since_ns } else { 0 },
            until_ns: NEVER,
            confirmed_ns: time_ns,
            order: 0,
        }
    }

    /// It ended within this time.
    pub(super) fn end(&mut self, (since_ns, time_ns): Within) {
        (self.until_ns, self.confirmed_ns) = (time_ns, self.confirmed_ns.max(since_ns));
    }

    /// The ends by which the translation is found.
    pub(super) fn keys(&self) -> impl Iterator<Item = FlowKey> + use<> {
        let (before, after, between) = (self.before.ends, self.after.ends, self.between.ends);
        let between = (between != before && between != after).then_some(between);
        [before, after].into_iter().chain(between)
    }

    /// The ends that packets have on this side.
    pub(super) const fn view(&self, side: Side) -> &View {
        match side {
            Side::Before => &self.before,
            Side::Between => &self.between,
            Side::After => &self.after,
        }
    }

    /// The side on which packets have these ends.
    pub(super) fn side(&self, ends: &FlowKey) -> Side {
        match ends {
            _ if *ends == self.before.ends => Side::Before,
            _ if *ends == self.after.ends => Side::After,
            _ => Side::Between,
        }
    }

    /// Whether a flow with its last packet at `last_ns` may contain packets of this translation.
    pub(super) const fn may_have(&self, last_ns: u64) -> bool {
        last_ns.saturating_add(MAX_REPORT_DELAY_NS) >= self.from_ns
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_of(other.netns, other.zone) && self.translates_as(other)
    }

    pub(super) const fn is_of(&self, netns: u32, zone: u16) -> bool {
        self.netns == netns && self.zone == zone
    }

    pub(super) const fn is_alive_in(&self, netns: u32, zone: u16) -> bool {
        self.until_ns == NEVER && self.is_of(netns, zone)
    }

    pub(super) fn translates_as(&self, other: &Self) -> bool {
        self.before == other.before && self.after == other.after
    }

    /// Whether it was in effect at that time; none: more than [`MAX_REPORT_DELAY_NS`] before it began or
    /// [`MAX_PASSAGE_NS`] after it ended.
    pub(super) fn fits(&self, time_ns: u64) -> Option<bool> {
        let (early_ns, late_ns) = (self.from_ns.saturating_sub(time_ns), time_ns.saturating_sub(self.until_ns));
        let is_near = early_ns <= MAX_REPORT_DELAY_NS && late_ns <= MAX_PASSAGE_NS;
        is_near.then_some(early_ns == 0 && late_ns == 0)
    }
}

/// What tells that a packet is of a certain one of several translations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// Whether its TCP sequence number is one of the flow's connection; none: not known.
    pub(super) fits_sequence: Option<bool>,
    /// Whether the flow had a packet at about the same time.
    pub(super) is_recent: bool,
}

impl Evidence {
    const fn rank(self) -> (u8, bool) {
        let of_sequence = match self.fits_sequence {
            Some(false) => 0,
            None => 1,
            Some(true) => 2,
        };
        (of_sequence, self.is_recent)
    }
}

/// A translation that may be that of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) span: Span,
    /// On which side the packet was.
    pub(super) side: Side,
    pub(super) is_in_effect: bool,
}

impl Candidate {
    pub(super) fn rank(&self, evidence: Evidence) -> ((u8, bool), bool, u64) {
        (evidence.rank(), self.is_in_effect, self.span.order)
    }

    /// Whether both fit equally well although they translate differently, in different namespaces or zones.
    pub(super) fn is_rival(&self, evidence: Evidence, (other, of_other): &(Self, Evidence)) -> bool {
        let (span, best) = (&self.span, &other.span);
        let is_elsewhere = !span.is_of(best.netns, best.zone) && !span.translates_as(best);
        is_elsewhere && (evidence.rank(), self.is_in_effect) == (of_other.rank(), other.is_in_effect)
    }
}
