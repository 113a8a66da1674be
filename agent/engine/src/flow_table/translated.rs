//! Flows whose addresses or ports this host translates (NAT) between two interfaces. The packets before and after translation
//! are one flow, and each is counted once. The flow's key has the ends before translation.
//!
//! Packets are held until the facts up to their timestamp have arrived, so the translation is usually known. If it becomes known
//! later, the flow that has the ends after translation as its key gets the key before translation, or is merged with the flow that
//! already has that key.

use pidflow_schema::record::{Flow, FlowEndReason, Protocol};

use super::entry::Entry;
use super::key::{FlowKey, KeySide};
use super::side::Side;
use super::span::{Candidate, Evidence, Span, Within};
use super::translations::Translations;
use super::{FlowTable, Traffic, end_of};
use crate::decode::FrameCount;
use crate::fact::{AddressTranslation, Fact, TranslationChange};
use crate::packet::{Packet, TcpFlags};

/// Maximum time between a packet before translation and the same packet after it, nanoseconds.
const MAX_COPY_DELAY_NS: u64 = 20_000_000;
/// How far a packet's sequence number may be ahead of what the sender is known to have sent, bytes.
const MAX_AHEAD: u64 = 1 << 20;

/// Default maximum number of address translations in the table.
pub const MAX_TRANSLATIONS: usize = 65_536;

impl FlowTable {
    /// Maximum memory of one address translation, bytes.
    pub const BYTES_PER_TRANSLATION: usize = Translations::MAX_BYTES_EACH;

    /// Processes a fact about address translations; other facts are ignored. Records of flows that end because of it go to `out`.
    pub fn learn(&mut self, fact: &Fact, out: &mut Vec<Flow>) {
        match fact {
            Fact::Translation { time_ns, since_ns, change, translation } => {
                self.learn_one((*since_ns, *time_ns), *change, translation, out);
            }
            Fact::TranslationsLost { from_ns, .. } => self.translations.losing(*from_ns),
            Fact::TranslationsListed { netns, begun_ns } => self.translations.listed(*netns, *begun_ns),
            _ => {}
        }
    }

    /// Packets of this time are counted before the reports on their translations have arrived, because these are too late. Their
    /// records say that the translation is not known.
    pub fn translations_are_late(&mut self, from_ns: u64, until_ns: u64) {
        self.translations.note_lost(from_ns, until_ns);
    }

    fn learn_one(
        &mut self,
        within: Within,
        change: TranslationChange,
        reported: &AddressTranslation,
        out: &mut Vec<Flow>,
    ) {
        let Some(span) = self.translations.learn(within, change, reported) else { return };
        for side in [Side::After, Side::Between] {
            let slots = [side, Side::Before].map(|side| self.slot_of(reported.protocol, span.view(side).ends));
            match slots {
                [Some(later), Some(before)] if later != before => self.merge(before, later, (&span, side), out),
                [Some(later), None] => self.move_to_before(later, (&span, side), out),
                _ => {}
            }
        }
    }

    /// The slot of the flow that has these ends as its key.
    fn slot_of(&mut self, protocol: u8, ends: FlowKey) -> Option<u32> {
        let key = FlowKey { icmp: echo_query(protocol), ..ends };
        self.find(&key, self.hash(&key))
    }

    /// Counts a packet whose ends are no key of a known flow. They may be the ends after translation.
    #[cold]
    pub(super) fn update_translated(
        &mut self,
        (mut key, mut from, mut hash): (FlowKey, KeySide, u32),
        shift: u64,
        packet: &Packet,
        out: &mut Vec<Flow>,
    ) {
        let mut side = Side::Before;
        let mut known = None;
        if let Some(Candidate { span, side: seen, .. }) = self.translation_of(&key, from, packet) {
            // One connection tracking table covers all interfaces here, so these ends belong to one flow on all of them, with or
            // without a VLAN tag.
            let before = span.before.ends.with_icmp_of(&key);
            let before_from = span.before.side(span.view(seen), from);
            let before_hash = self.hash(&before);
            known = self.find(&before, before_hash);
            if seen != Side::Between || self.may_be_between(known, before_from, packet) {
                (key, from, hash, side) = (before, before_from, before_hash, seen);
            } else {
                known = None;
            }
        }
        self.put((&key, from, hash), (known, side), (shift, packet), out);
    }

    /// The translation of a packet with these ends; none: there is none, or it is not known.
    fn translation_of(&self, key: &FlowKey, from: KeySide, packet: &Packet) -> Option<Candidate> {
        let evidence = |candidate: &Candidate| self.evidence(candidate, (key, from), packet);
        let found = self.translations.find(&key.ends(), packet.time_ns, evidence)?;
        let is_sure = || evidence(&found).fits_sequence == Some(true);
        (!self.translations.is_unsure(Some(&found.span), packet.time_ns) || is_sure()).then_some(found)
    }

    /// What tells that a packet is of the flow with this translation: its sequence number, and that the flow just had a packet,
    /// which may be the same one before translation.
    fn evidence(&self, candidate: &Candidate, (key, from): (&FlowKey, KeySide), packet: &Packet) -> Evidence {
        let span = &candidate.span;
        let before = span.before.ends.with_icmp_of(key);
        let slab = &self.slab;
        let is_it = |slot| slab.get(slot).key == before || slab.get(slot).key.is_compatible(&before);
        let Some(slot) = self.index.find(self.hash(&before), is_it) else {
            return Evidence::default();
        };
        let entry = slab.get(slot);
        let sent = entry.sent(span.before.side(span.view(candidate.side), from));
        let is_recent = packet.time_ns.abs_diff(entry.last_ns) <= MAX_COPY_DELAY_NS;
        let syn = sent.syn_sequence().filter(|_| packet.protocol == Protocol::TCP);
        let fits = |syn| fits_sequence(packet, syn, sent.counters().octets);
        Evidence { fits_sequence: syn.and_then(fits), is_recent }
    }

    /// Whether a packet may be half translated. It may instead be of a direct connection from the same port to the translated
    /// destination, whose SYN has another sequence number.
    fn may_be_between(&self, known: Option<u32>, from: KeySide, packet: &Packet) -> bool {
        let is_syn = packet.tcp_flags & TcpFlags::SYN != 0;
        let sequence = || known.and_then(|slot| self.slab.get(slot).sent(from).syn_sequence());
        !is_syn || sequence().is_none_or(|sequence| sequence == packet.tcp_sequence)
    }

    /// Replaces a flow's key, the ends after or halfway through translation, by the ends before translation. If the flow's last
    /// packet came before the translation began, it is another flow, which is ended instead.
    fn move_to_before(&mut self, slot: u32, (span, side): (&Span, Side), out: &mut Vec<Flow>) {
        let entry = self.slab.get(slot);
        if !span.may_have(entry.last_ns) {
            let (reason, detail) = end_of(entry, FlowEndReason::EndOfFlow);
            return self.end(slot, reason, detail, out);
        }
        let (old, new) = (entry.key, span.before.ends.with_icmp_of(&entry.key));
        let is_turned = span.before.is_turned(span.view(side));
        self.index.remove(self.hash(&old), slot);
        let entry = self.slab.get_mut(slot);
        entry.set_key(new, is_turned);
        entry.set_first_side(side);
        if entry.has_paths() {
            self.paths.turn_to_before(slot, side, is_turned);
        }
        if is_turned {
            self.healths.turn_round(slot);
            self.figures.turn_round(slot);
        }
        self.index.insert(self.hash(&new), slot);
    }

    /// Merges two flows that turn out to be one. Their packets were counted in both, so each direction keeps the counters of the flow
    /// with more packets.
    fn merge(&mut self, before: u32, later: u32, (span, side): (&Span, Side), out: &mut Vec<Flow>) {
        if !span.may_have(self.slab.get(later).last_ns) {
            return self.move_to_before(later, (span, side), out);
        }
        let mut other = *self.slab.get(later);
        let is_turned = span.before.is_turned(span.view(side));
        other.set_key(span.before.ends, is_turned);
        if other.is_measured() && other.packets() > self.slab.get(before).packets() {
            self.healths.replace(before, later, is_turned);
            self.slab.get_mut(before).set_measured();
        }
        for side in [KeySide::Low, KeySide::High] {
            if other.has_more_packets(self.slab.get(before), side) {
                self.figures.replace(before, later, (side, is_turned));
            }
        }
        let lost = self.slab.get_mut(before).take_in(&other);
        let interfaces = [self.slab.get(before).interface(), other.interface()];
        for ((traffic, frames), interface) in lost.into_iter().zip(interfaces) {
            self.uncount(traffic, frames, interface);
        }
        if self.slab.get(before).is_watched() || other.is_watched() {
            self.watches.merge(later, before);
            self.slab.get_mut(before).set_watched();
        }
        self.counters.flows_merged += 1;
        self.take_out(later);
    }

    /// Takes traffic that was counted, and is in no flow any more, out of the counters.
    fn uncount(&mut self, traffic: Traffic, frames: FrameCount, interface: u32) {
        self.counters.merged += traffic;
        self.counters.seen_elsewhere += frames;
        if let Some(known) = self.interfaces.get_mut(interface) {
            known.counted.packets = known.counted.packets.saturating_sub(frames.packets);
            known.counted.frame_octets = known.counted.frame_octets.saturating_sub(frames.frame_octets);
            known.seen_elsewhere += frames;
        }
    }
}

/// Whether a packet's sequence number is one of the connection that began with this SYN and whose sender has sent so many bytes;
/// none: it does not tell. The bytes may be those since the last record only, so a distance that is too great tells nothing.
fn fits_sequence(packet: &Packet, syn: u32, octets: u64) -> Option<bool> {
    if packet.tcp_flags & TcpFlags::SYN != 0 {
        return Some(packet.tcp_sequence == syn);
    }
    let is_near = u64::from(packet.tcp_sequence.wrapping_sub(syn)) <= octets + MAX_AHEAD;
    is_near.then_some(true)
}

/// ICMP type and code, as in a key, of the messages whose identifier is translated; 0: the protocol is not ICMP.
const fn echo_query(protocol: u8) -> u16 {
    match protocol {
        Protocol::ICMP => 8 << 8,
        Protocol::ICMPV6 => 128 << 8,
        _ => 0,
    }
}

impl Entry {
    /// Whether it counted more packets of this side than `other`.
    fn has_more_packets(&self, other: &Self, side: KeySide) -> bool {
        self.sent(side).counters().packets > other.sent(side).counters().packets
    }

    /// Takes over the counters of each direction from another entry of the same flow if they have more packets. Returns the
    /// counters that were dropped: of this entry, and of the other.
    fn take_in(&mut self, other: &Self) -> [(Traffic, FrameCount); 2] {
        let mut lost = [(Traffic::default(), FrameCount::default()); 2];
        for side in [KeySide::Low, KeySide::High] {
            let is_more = other.has_more_packets(self, side);
            let dropped = if is_more { *self.sent(side) } else { *other.sent(side) }.counters();
            if is_more {
                *self.sent_mut(side) = *other.sent(side);
            }
            let [of_this, of_other] = &mut lost;
            let (traffic, frames) = if is_more { of_this } else { of_other };
            *traffic += Traffic { packets: dropped.packets, octets: dropped.octets };
            *frames += FrameCount { packets: dropped.packets, frame_octets: dropped.frame_octets };
        }
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        lost
    }
}
