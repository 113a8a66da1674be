//! The address translations (NAT) of this host, and the time in which each was in effect.
//!
//! A translation is found by the ends that its packets have before, after and halfway through translation. The kernel reuses
//! ends: a packet belongs to the translation that was in effect at the packet's timestamp.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_schema::record::{Flow, InitiatorBasis, Translation};

use super::entry::Entry;
use super::key::{FlowKey, KeySide};
use super::side::Side;
use crate::fact::{AddressTranslation, PacketEnds, TranslationChange};

/// Maximum delay between a packet and the report on its translation: the kernel reports a translation after its first packet, and may
/// report its end before the last packet is counted. Nanoseconds.
pub(super) const MAX_REPORT_DELAY_NS: u64 = 1_000_000_000;
/// How much longer than the idle timeout an ended translation is kept, nanoseconds. Its flow needs it until the flow's record is
/// written.
const MIN_RETENTION_NS: u64 = 10_000_000_000;
/// Time between two searches for translations that can be forgotten, nanoseconds.
const EXPIRE_INTERVAL_NS: u64 = 10_000_000_000;
/// End of a translation that is still in effect.
const NEVER: u64 = u64::MAX;

/// Ends as packets have them on one side of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) ends: FlowKey,
    /// The side of `ends` whose packet began the translation.
    origin: KeySide,
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
    zone: u16,
    netns: u32,
    /// When it began; 0: not known.
    from_ns: u64,
    /// When it ended; [`NEVER`]: it is still in effect.
    until_ns: u64,
    /// When it was last reported.
    reported_ns: u64,
}

impl Span {
    fn new(time_ns: u64, change: TranslationChange, reported: &AddressTranslation) -> Self {
        let view = |ends| View::new(reported.protocol, ends);
        let ([source, _], [_, destination]) = (reported.before, reported.after);
        Self {
            before: view(&reported.before),
            after: view(&reported.after),
            between: view(&[source, destination]),
            zone: reported.zone,
            netns: reported.netns,
            from_ns: if change == TranslationChange::Began { time_ns } else { 0 },
            until_ns: NEVER,
            reported_ns: time_ns,
        }
    }

    /// The ends by which the translation is found.
    fn keys(&self) -> impl Iterator<Item = FlowKey> + use<> {
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
    fn side(&self, ends: &FlowKey) -> Side {
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

    fn is_same(&self, other: &Self) -> bool {
        self.is_of(other.netns, other.zone) && self.translates_as(other)
    }

    const fn is_of(&self, netns: u32, zone: u16) -> bool {
        self.netns == netns && self.zone == zone
    }

    const fn is_alive_in(&self, netns: u32, zone: u16) -> bool {
        self.until_ns == NEVER && self.is_of(netns, zone)
    }

    fn translates_as(&self, other: &Self) -> bool {
        self.before == other.before && self.after == other.after
    }

    /// Time between a timestamp and the time of the translation, nanoseconds; none: more than [`MAX_REPORT_DELAY_NS`].
    fn distance(&self, time_ns: u64) -> Option<u64> {
        let distance = time_ns.abs_diff(time_ns.clamp(self.from_ns, self.until_ns.max(self.from_ns)));
        (distance <= MAX_REPORT_DELAY_NS).then_some(distance)
    }
}

/// The known translations.
#[derive(Debug)]
pub(super) struct Translations {
    spans: Vec<Option<Span>>,
    free: Vec<u32>,
    /// Indices into `spans`, by the ends before, after and halfway through translation.
    by_ends: HashMap<FlowKey, Vec<u32>, RandomState>,
    max: usize,
    retention_ns: u64,
    expired_ns: u64,
    dropped: u64,
}

impl Translations {
    /// Maximum memory of one translation, bytes: the span, its index, and three map entries with a list each. The map may have
    /// room for twice as many entries.
    pub(super) const MAX_BYTES_EACH: usize = size_of::<Option<Span>>()
        + size_of::<u32>()
        + 3 * (2 * (size_of::<(FlowKey, Vec<u32>)>() + 1) + 4 * size_of::<u32>());

    pub(super) fn new(max: usize, idle_timeout_ns: Option<u64>) -> Self {
        Self {
            spans: Vec::new(),
            free: Vec::new(),
            by_ends: HashMap::default(),
            max,
            retention_ns: idle_timeout_ns.unwrap_or_default().saturating_add(MIN_RETENTION_NS),
            expired_ns: 0,
            dropped: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_ends.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.spans.len() - self.free.len()
    }

    /// Translations that were not taken because the table was full.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let lists = self.by_ends.len() * 4 * size_of::<u32>();
        self.spans.capacity() * size_of::<Option<Span>>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_ends.capacity() * (size_of::<(FlowKey, Vec<u32>)>() + 1)
            + lists
    }

    /// Processes a report. Returns the translation if it is new.
    pub(super) fn learn(
        &mut self,
        time_ns: u64,
        change: TranslationChange,
        reported: &AddressTranslation,
    ) -> Option<Span> {
        let mut new = Span::new(time_ns, change, reported);
        let mut is_known = false;
        for number in self.numbers_like(&new) {
            let Some(span) = self.spans.get_mut(number as usize).and_then(Option::as_mut) else { continue };
            match change {
                _ if !span.is_alive_in(new.netns, new.zone) => {}
                TranslationChange::Ended if !span.is_same(&new) => {}
                TranslationChange::Ended => span.until_ns = time_ns,
                _ if span.is_same(&new) => (span.reported_ns, is_known) = (time_ns, true),
                TranslationChange::Began => span.until_ns = time_ns,
                // The reports of its end and of the beginning of the new one were lost.
                TranslationChange::Found => (span.until_ns, new.from_ns) = (span.reported_ns, time_ns),
            }
        }
        if is_known || change == TranslationChange::Ended {
            return None;
        }
        // Until the last translation with these ends ended, this one cannot have been in effect.
        new.from_ns = new.from_ns.max(self.last_end_ns(&new));
        self.insert(new).then_some(new)
    }

    /// Indices of translations with the same ends before translation, or the same ends after it.
    fn numbers_like(&self, new: &Span) -> Vec<u32> {
        let is_like = |number: &u32| {
            let span = self.spans.get(*number as usize).copied().flatten();
            span.is_some_and(|span| span.before == new.before || span.after == new.after)
        };
        let both = [new.before.ends, new.after.ends];
        both.iter().flat_map(|ends| self.numbers(ends)).copied().filter(is_like).collect()
    }

    fn numbers(&self, ends: &FlowKey) -> &[u32] {
        self.by_ends.get(ends).map_or(&[], Vec::as_slice)
    }

    fn spans_of(&self, ends: &FlowKey) -> impl Iterator<Item = &Span> {
        self.numbers(ends).iter().filter_map(|number| self.spans.get(*number as usize)?.as_ref())
    }

    fn last_end_ns(&self, like: &Span) -> u64 {
        let ended = self.spans_of(&like.before.ends).filter(|span| span.is_of(like.netns, like.zone));
        ended.map(|span| span.until_ns).filter(|until| *until != NEVER).max().unwrap_or_default()
    }

    fn insert(&mut self, span: Span) -> bool {
        if self.len() >= self.max {
            self.dropped += 1;
            return false;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.spans.push(None);
            u32::try_from(self.spans.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.spans.get_mut(number as usize) {
            *place = Some(span);
        }
        for ends in span.keys() {
            let list = self.by_ends.entry(ends).or_default();
            if !list.contains(&number) {
                list.push(number);
            }
        }
        true
    }

    /// The kernel has listed all translations of a namespace since `begun_ns`: those not reported since then have ended.
    pub(super) fn listed(&mut self, netns: u32, begun_ns: u64) {
        let of_it = self.spans.iter_mut().flatten().filter(|span| span.netns == netns);
        for span in of_it.filter(|span| span.until_ns == NEVER && span.reported_ns < begun_ns) {
            // Its end was somewhere between its last report and this time.
            span.until_ns = begun_ns;
        }
    }

    /// Forgets translations that ended so long ago that no flow can refer to them.
    pub(super) fn expire(&mut self, now_ns: u64) {
        if now_ns.abs_diff(self.expired_ns) < EXPIRE_INTERVAL_NS {
            return;
        }
        self.expired_ns = now_ns;
        let before_ns = now_ns.saturating_sub(self.retention_ns);
        let is_old = |span: &Option<Span>| span.is_some_and(|span| span.until_ns < before_ns);
        let old: Vec<u32> = (0..).zip(&self.spans).filter(|(_, span)| is_old(span)).map(|(number, _)| number).collect();
        old.into_iter().for_each(|number| self.remove(number));
        if self.is_empty() {
            (self.spans, self.free, self.by_ends) = (Vec::new(), Vec::new(), HashMap::default());
        }
    }

    fn remove(&mut self, number: u32) {
        let Some(span) = self.spans.get_mut(number as usize).and_then(Option::take) else { return };
        for ends in span.keys() {
            if let Some(list) = self.by_ends.get_mut(&ends) {
                list.retain(|other| *other != number);
                if list.is_empty() {
                    self.by_ends.remove(&ends);
                }
            }
        }
        self.free.push(number);
    }

    /// The translation that packets with these ends belonged to at `time_ns`, and the side on which they were. None if there is no
    /// such translation, or if different ones of several namespaces or zones match.
    pub(super) fn find(&self, ends: &FlowKey, time_ns: u64) -> Option<(&Span, Side)> {
        let fitting = || self.spans_of(ends).filter_map(|span| Some((span.distance(time_ns)?, span)));
        // If several were in effect at that time, the latest: the report of an earlier one's end may be lost.
        let (distance, best) = fitting().min_by_key(|(distance, span)| (*distance, NEVER - span.from_ns))?;
        let is_rival = |span: &Span| !span.is_of(best.netns, best.zone) && !span.translates_as(best);
        if fitting().filter(|(d, _)| *d == distance).any(|(_, span)| is_rival(span)) {
            return None;
        }
        Some((best, best.side(ends)))
    }

    /// Whether packets of this flow are translated differently now than its last packet was. The flow's key has the ends before
    /// translation.
    pub(super) fn have_changed(&self, entry: &Entry, now_ns: u64) -> bool {
        let after = |time_ns| self.find(&entry.key.ends(), time_ns).map(|(span, _)| span.after);
        after(entry.last_ns) != after(now_ns)
    }

    /// Adds the translation to the record of a flow whose key has the ends before translation.
    pub(super) fn describe(&self, entry: &Entry, flow: &mut Flow) {
        if self.is_empty() || entry.key.tunnel != 0 {
            return;
        }
        let Some((span, Side::Before)) = self.find(&entry.key.ends(), entry.last_ns) else { return };
        let source = entry.initiator();
        let after = |side| span.after.ends.end(span.after.side(&span.before, side));
        let ((source_address, source_port), (destination, destination_port)) = (after(source), after(source.other()));
        flow.translation = Some(Box::new(Translation {
            source: source_address,
            source_port,
            destination,
            destination_port,
            begun_by_source: source == span.before.origin,
        }));
        // The end whose packet began the translation is the originator of the flow.
        if source != span.before.origin && flow.initiator == InitiatorBasis::FirstPacket {
            flow.turn_round();
        }
    }
}
