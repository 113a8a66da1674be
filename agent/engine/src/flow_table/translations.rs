//! The address translations (NAT) of this host, and when they were there.
//!
//! Each is found by the ends that its packets have before translation and by those that they have after it. Ends are used
//! again: a packet belongs to the translation that was there at its time.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_schema::record::{Flow, InitiatorBasis, Translation};

use super::entry::Entry;
use super::key::{FlowKey, KeySide};
use super::side::Side;
use crate::fact::{AddressTranslation, PacketEnds, TranslationChange};

/// A translation is told of after its first packet, and its end may be told before the last packet is counted.
pub(super) const MAX_TELLING_DELAY_NS: u64 = 1_000_000_000;
/// How much longer than the idle timeout an ended translation is known: its flow waits for its record so long.
const MIN_RETENTION_NS: u64 = 10_000_000_000;
/// Between two searches for translations that no flow refers to any more.
const EXPIRE_INTERVAL_NS: u64 = 10_000_000_000;
/// It goes on.
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

    /// Whether the low side here is the high side there.
    pub(super) fn is_turned(&self, other: &Self) -> bool {
        self.origin != other.origin
    }

    /// The side here that is this side there.
    pub(super) fn side(&self, other: &Self, side: KeySide) -> KeySide {
        if self.is_turned(other) { side.other() } else { side }
    }
}

/// A translation, and its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) before: View,
    pub(super) after: View,
    /// The destination is translated and the source not yet, as a bridge sees it; the same as `after` where the source is not.
    pub(super) between: View,
    zone: u16,
    netns: u32,
    /// When it began; 0: not known.
    from_ns: u64,
    until_ns: u64,
    /// When it was told of last.
    told_ns: u64,
}

impl Span {
    fn new(time_ns: u64, change: TranslationChange, told: &AddressTranslation) -> Self {
        let view = |ends| View::new(told.protocol, ends);
        let ([source, _], [_, destination]) = (told.before, told.after);
        Self {
            before: view(&told.before),
            after: view(&told.after),
            between: view(&[source, destination]),
            zone: told.zone,
            netns: told.netns,
            from_ns: if change == TranslationChange::Began { time_ns } else { 0 },
            until_ns: NEVER,
            told_ns: time_ns,
        }
    }

    /// The ends by which it is found, each once.
    fn keys(&self) -> impl Iterator<Item = FlowKey> + use<> {
        let (before, after, between) = (self.before.ends, self.after.ends, self.between.ends);
        let between = (between != before && between != after).then_some(between);
        [before, after].into_iter().chain(between)
    }

    /// How packets on this side look.
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

    /// Whether its packets may still be counted in a flow that had its last packet then.
    pub(super) const fn may_have(&self, last_ns: u64) -> bool {
        last_ns.saturating_add(MAX_TELLING_DELAY_NS) >= self.from_ns
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

    /// How far a moment is from the time of the translation, nanoseconds; none: too far.
    fn distance(&self, time_ns: u64) -> Option<u64> {
        let distance = time_ns.abs_diff(time_ns.clamp(self.from_ns, self.until_ns.max(self.from_ns)));
        (distance <= MAX_TELLING_DELAY_NS).then_some(distance)
    }
}

/// Those that are known.
#[derive(Debug)]
pub(super) struct Translations {
    spans: Vec<Option<Span>>,
    free: Vec<u32>,
    /// By both kinds of ends.
    by_ends: HashMap<FlowKey, Vec<u32>, RandomState>,
    max: usize,
    retention_ns: u64,
    expired_ns: u64,
    dropped: u64,
}

impl Translations {
    /// Memory of one, bytes: itself, its number, and three places in the map, which has room for up to twice as many, each with a
    /// list.
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

    /// Translations that there was no room for.
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

    /// Takes what is told of one. Gives it if it is new.
    pub(super) fn learn(&mut self, time_ns: u64, change: TranslationChange, told: &AddressTranslation) -> Option<Span> {
        let mut new = Span::new(time_ns, change, told);
        let mut is_known = false;
        for number in self.numbers_like(&new) {
            let Some(span) = self.spans.get_mut(number as usize).and_then(Option::as_mut) else { continue };
            match change {
                _ if !span.is_alive_in(new.netns, new.zone) => {}
                TranslationChange::Ended if !span.is_same(&new) => {}
                TranslationChange::Ended => span.until_ns = time_ns,
                _ if span.is_same(&new) => (span.told_ns, is_known) = (time_ns, true),
                TranslationChange::Began => span.until_ns = time_ns,
                // Its end and the beginning of the new one were lost.
                TranslationChange::Found => (span.until_ns, new.from_ns) = (span.told_ns, time_ns),
            }
        }
        if is_known || change == TranslationChange::Ended {
            return None;
        }
        // What was used before cannot have been this one at that time.
        new.from_ns = new.from_ns.max(self.last_end_ns(&new));
        self.insert(new).then_some(new)
    }

    /// Those that have the same ends before or after translation.
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

    /// All of a namespace were told since then: those that were not have ended.
    pub(super) fn listed(&mut self, netns: u32, begun_ns: u64) {
        let of_it = self.spans.iter_mut().flatten().filter(|span| span.netns == netns);
        for span in of_it.filter(|span| span.until_ns == NEVER && span.told_ns < begun_ns) {
            // It may have ended at any time since.
            span.until_ns = begun_ns;
        }
    }

    /// Forgets those that no flow refers to any more.
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

    /// The translation that packets with these ends belonged to at that time, and on which side of it they were. None where it may
    /// be one of several.
    pub(super) fn find(&self, ends: &FlowKey, time_ns: u64) -> Option<(&Span, Side)> {
        let fitting = || self.spans_of(ends).filter_map(|span| Some((span.distance(time_ns)?, span)));
        // Of those that were there at the time, the latest: the end of the one before may be lost.
        let (distance, best) = fitting().min_by_key(|(distance, span)| (*distance, NEVER - span.from_ns))?;
        let is_rival = |span: &Span| !span.is_of(best.netns, best.zone) && !span.translates_as(best);
        if fitting().filter(|(d, _)| *d == distance).any(|(_, span)| is_rival(span)) {
            return None;
        }
        Some((best, best.side(ends)))
    }

    /// Whether packets of a flow, which stands under its ends before translation, are translated otherwise now than its last
    /// packet was.
    pub(super) fn have_changed(&self, entry: &Entry, now_ns: u64) -> bool {
        let after = |time_ns| self.find(&entry.key.ends(), time_ns).map(|(span, _)| span.after);
        after(entry.last_ns) != after(now_ns)
    }

    /// Puts the translation into the record of a flow, which stands under its ends before translation.
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
        // Whose packet began the translation began the flow.
        if source != span.before.origin && flow.initiator == InitiatorBasis::FirstPacket {
            flow.turn_round();
        }
    }
}
