//! The address translations (NAT) of this host, and the time in which each was in effect.
//!
//! A translation is found by the ends that its packets have before, after and halfway through translation. The kernel reuses
//! ends: a packet belongs to the translation that was in effect at the packet's timestamp. Several may be in effect then: a
//! connection that was closed stays in the kernel's table for minutes, while another one from the same port to another service
//! has the same ends halfway through translation.
//!
//! When reports were lost, it is not known whether another translation took the place of a known one. See [`Translations::is_unsure`].

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_schema::record::{Flow, InitiatorBasis, Translation};

use super::entry::Entry;
use super::key::FlowKey;
use super::side::Side;
use super::span::{Candidate, Evidence, NEVER, Span, Within};
use crate::fact::{AddressTranslation, TranslationChange};
use crate::losses::Losses;

/// How much longer than the idle timeout an ended translation is kept, nanoseconds. Its flow needs it until the flow's record is
/// written.
const MIN_RETENTION_NS: u64 = 10_000_000_000;
/// Time between two searches for translations that can be forgotten, nanoseconds.
const EXPIRE_INTERVAL_NS: u64 = 10_000_000_000;

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
    /// Number of translations reported so far.
    order: u64,
    /// Periods in which reports were lost.
    lost: Losses,
    /// Reports may have been lost since then.
    losing_since_ns: Option<u64>,
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
            order: 0,
            lost: Losses::default(),
            losing_since_ns: None,
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

    /// Processes a report on what happened within that time. Returns the translation if it is new.
    pub(super) fn learn(
        &mut self,
        within: Within,
        change: TranslationChange,
        reported: &AddressTranslation,
    ) -> Option<Span> {
        let mut new = Span::new(within, change, reported);
        if change == TranslationChange::Found {
            // It was not in the last list, or it began after that list.
            new.from_ns = self.losing_since_ns.unwrap_or_default();
        }
        let mut known = None;
        for number in self.numbers_like(&new) {
            let Some(span) = self.spans.get_mut(number as usize).and_then(Option::as_mut) else { continue };
            match change {
                _ if !span.is_alive_in(new.netns, new.zone) => {}
                TranslationChange::Ended if !span.is_same(&new) => {}
                TranslationChange::Ended => span.end(within),
                _ if span.is_same(&new) => {
                    span.confirmed_ns = within.1;
                    known = Some(*span);
                }
                TranslationChange::Began => span.end(within),
                // The reports of its end and of the beginning of the new one were lost.
                TranslationChange::Found => {
                    (span.until_ns, new.from_ns) = (span.confirmed_ns, new.from_ns.max(span.confirmed_ns));
                }
            }
        }
        if change == TranslationChange::Ended {
            return None;
        }
        if known.is_some() {
            // While reports were lost, packets after translation were counted in flows of their own.
            return known.filter(|_| self.losing_since_ns.is_some());
        }
        // Until the last translation with these ends ended, this one cannot have been in effect.
        new.from_ns = new.from_ns.max(self.last_end_ns(&new));
        self.order += 1;
        new.order = self.order;
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
        let same = |span: &&Span| span.before == like.before && span.is_of(like.netns, like.zone);
        let ended = self.spans_of(&like.before.ends).filter(same).filter(|span| span.until_ns != NEVER);
        ended.map(|span| span.confirmed_ns.min(span.until_ns)).max().unwrap_or_default()
    }

    fn insert(&mut self, span: Span) -> bool {
        if self.len() >= self.max {
            self.dropped += 1;
            self.note_lost(span.from_ns, span.confirmed_ns);
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

    /// Reports of that time may be missing.
    pub(super) fn note_lost(&mut self, from_ns: u64, until_ns: u64) {
        self.lost.note(from_ns, until_ns);
    }

    /// Reports may be missing from that time on, until [`Translations::listed`].
    pub(super) fn losing(&mut self, from_ns: u64) {
        self.losing_since_ns = Some(self.losing_since_ns.map_or(from_ns, |earlier| earlier.min(from_ns)));
    }

    /// The kernel has listed all translations of a namespace since `begun_ns`: those not reported since then have ended.
    pub(super) fn listed(&mut self, netns: u32, begun_ns: u64) {
        let of_it = self.spans.iter_mut().flatten().filter(|span| span.netns == netns);
        for span in of_it.filter(|span| span.until_ns == NEVER && span.confirmed_ns < begun_ns) {
            // Its end was somewhere between its last report and this time.
            span.until_ns = begun_ns;
        }
        if let Some(since_ns) = self.losing_since_ns.take() {
            self.note_lost(since_ns, begun_ns);
        }
    }

    /// Forgets translations that ended so long ago that no flow can refer to them.
    pub(super) fn expire(&mut self, now_ns: u64) {
        if now_ns.abs_diff(self.expired_ns) < EXPIRE_INTERVAL_NS {
            return;
        }
        self.expired_ns = now_ns;
        self.lost.expire(now_ns.saturating_sub(self.retention_ns));
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

    /// The translations that packets with these ends may have belonged to at `time_ns`.
    fn candidates(&self, ends: &FlowKey, time_ns: u64) -> impl Iterator<Item = Candidate> {
        self.spans_of(ends).filter_map(move |span| {
            let is_in_effect = span.fits(time_ns)?;
            Some(Candidate { span: *span, side: span.side(ends), is_in_effect })
        })
    }

    /// The translation that a packet with these ends belonged to at `time_ns`. None if there is no such translation, or if
    /// different ones of several namespaces or zones match. `evidence` is asked only if there is more than one.
    pub(super) fn find(
        &self,
        ends: &FlowKey,
        time_ns: u64,
        evidence: impl Fn(&Candidate) -> Evidence,
    ) -> Option<Candidate> {
        let mut all = self.candidates(ends, time_ns);
        let first = all.next()?;
        let Some(second) = all.next() else { return Some(first) };
        let judged: Vec<_> = [first, second].into_iter().chain(all).map(|c| (c, evidence(&c))).collect();
        let best = judged.iter().max_by_key(|(candidate, evidence)| candidate.rank(*evidence))?;
        let is_contested = judged.iter().any(|(candidate, evidence)| candidate.is_rival(*evidence, best));
        (!is_contested).then_some(best.0)
    }

    /// The translation of packets that have these ends before translation.
    fn find_before(&self, ends: &FlowKey, time_ns: u64) -> Option<Candidate> {
        let is_before = |c: &Candidate| Evidence { fits_sequence: None, is_recent: c.side == Side::Before };
        self.find(ends, time_ns, is_before).filter(|found| found.side == Side::Before)
    }

    /// Whether reports were lost so that a flow that began at `first_ns` may have another translation than this one; none: whether
    /// it may have one.
    pub(super) fn is_unsure(&self, span: Option<&Span>, first_ns: u64) -> bool {
        let from_ns = match span {
            Some(span) if span.confirmed_ns >= first_ns => return false,
            Some(span) => span.confirmed_ns,
            None => first_ns,
        };
        let is_losing = self.losing_since_ns.is_some_and(|since_ns| since_ns <= first_ns);
        is_losing || self.lost.between(from_ns, first_ns)
    }

    /// Whether packets of this flow are translated differently now than its last packet was. The flow's key has the ends before
    /// translation.
    pub(super) fn have_changed(&self, entry: &Entry, now_ns: u64) -> bool {
        let after = |time_ns| self.find_before(&entry.key.ends(), time_ns).map(|found| found.span.after);
        after(entry.last_ns) != after(now_ns)
    }

    /// Adds the translation to the record of a flow whose key has the ends before translation, or that it is not known.
    pub(super) fn describe(&self, entry: &Entry, flow: &mut Flow) {
        if entry.key.tunnel != 0 {
            return;
        }
        let found = self.find_before(&entry.key.ends(), entry.last_ns);
        let span = found.as_ref().map(|found| &found.span);
        flow.is_translation_unknown = self.is_unsure(span, entry.first_ns);
        match span {
            Some(span) if !flow.is_translation_unknown => translated(span, entry, flow),
            _ => {}
        }
    }
}

fn translated(span: &Span, entry: &Entry, flow: &mut Flow) {
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
