//! Follows the packets of one connection.

use pidflow_schema::record::TcpHealth;

use super::super::handshake::micros;
use super::super::key::KeySide;
use super::direction::Direction;
use super::exchange::Exchanges;
use super::progress::Progress;
use super::sequence::{MAX_WINDOW, ahead, earlier, passed};
use super::trouble::{Again, Trouble};
use crate::packet::{Packet, TcpFlags};
use crate::segment::Segment;

/// Both bits of the ECN field: congestion was experienced (RFC 3168 section 5).
const CONGESTION_EXPERIENCED: u8 = 3;
/// A packet that fills a gap was overtaken if the gap is younger than a round trip, because nobody can notice a loss in less time.
/// If no round trip was measured, this counts, as in Wireshark, microseconds.
const USUAL_ROUND_TRIP_US: u32 = 3000;
/// The least time-out after which Linux sends again (`TCP_RTO_MIN`), microseconds.
const MIN_TIMEOUT_US: u32 = 200_000;
/// After as many duplicate acknowledgements the sender sends again at once (RFC 5681 section 3.2).
const FAST_RETRANSMIT: u8 = 3;
/// In a record of a connection that goes on, a gap that is older counts as never filled, microseconds.
const GAP_PATIENCE_US: u32 = 10_000_000;

/// How one packet is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Which end sent it.
    pub(super) from: KeySide,
    /// The end that opened the connection; none: its SYN was not seen.
    pub(super) client: Option<KeySide>,
    /// Whether there is memory for another gap.
    pub(super) has_room: bool,
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    directions: [Direction; 2],
    exchanges: Exchanges,
    progress: Progress,
    /// None until something goes wrong.
    trouble: Option<Box<[Trouble; 2]>>,
}

impl Connection {
    const fn direction(&mut self, of: KeySide) -> &mut Direction {
        let [low, high] = &mut self.directions;
        match of {
            KeySide::Low => low,
            KeySide::High => high,
        }
    }

    fn trouble(&mut self, of: KeySide) -> &mut Trouble {
        let [low, high] = &mut **self.trouble.get_or_insert_default();
        match of {
            KeySide::Low => low,
            KeySide::High => high,
        }
    }

    /// The trouble of a direction, if there was any.
    fn known_trouble(&mut self, of: KeySide) -> Option<&mut Trouble> {
        self.trouble.is_some().then(|| self.trouble(of))
    }

    /// Reads a packet.
    pub(super) fn see(&mut self, sight: Sight, packet: &Packet, segment: &Segment) {
        let now_us = micros(packet.time_ns);
        let Sight { from, .. } = sight;
        if packet.tos & CONGESTION_EXPERIENCED == CONGESTION_EXPERIENCED {
            self.trouble(from).congestion_marks += 1;
        }
        if packet.tcp_flags & TcpFlags::SYN != 0 {
            self.see_syn(from, packet, segment, now_us);
        }
        let is_unaware = self.direction(from.other()).next.is_some_and(|next| ahead(next, segment.acknowledgement) > 0);
        self.progress.note(from, packet.tcp_flags, is_unaware && !segment.is_cut);
        if segment.is_cut {
            return self.lose_track(from);
        }
        if packet.tcp_flags & TcpFlags::RST != 0 {
            return;
        }
        let is_probe = self.sent_and_other(from, |sent, other| sent.is_probe(other, packet, segment));
        self.see_acknowledgement(from, packet, segment, now_us);
        if packet.tcp_flags & TcpFlags::SYN == 0 && !is_probe {
            self.see_data(sight, packet, segment, now_us);
        }
        self.direction(from).has_probed = is_probe;
    }

    fn sent_and_other<T>(&self, from: KeySide, ask: impl FnOnce(&Direction, &Direction) -> T) -> T {
        let [low, high] = &self.directions;
        match from {
            KeySide::Low => ask(low, high),
            KeySide::High => ask(high, low),
        }
    }

    /// A SYN begins a connection, or is sent again.
    fn see_syn(&mut self, from: KeySide, packet: &Packet, segment: &Segment, now_us: u32) {
        let begun = self.direction(from);
        if begun.has_initial(packet.tcp_sequence) {
            begun.round_trip.cancel();
            begun.sent_us = now_us;
            return self.trouble(from).count_again(Again::Syn, 0);
        }
        if begun.next.is_some() {
            self.begin_again(from, packet.tcp_flags & TcpFlags::ACK == 0);
        }
        let next = packet.tcp_sequence.wrapping_add(1).wrapping_add(segment.payload);
        let begun = self.direction(from);
        begun.begin(packet, segment, next);
        begun.round_trip.sent(next, now_us);
        begun.sent_us = now_us;
    }

    /// Another connection with the same ports begins.
    fn begin_again(&mut self, from: KeySide, is_request: bool) {
        self.known_trouble(from).map(Trouble::close_gaps);
        if is_request {
            self.known_trouble(from.other()).map(Trouble::close_gaps);
            *self.direction(from.other()) = Direction::default();
            self.progress = Progress::default();
        }
    }

    /// A packet was not captured far enough, so what `from` sends next is not compared with what it sent before.
    fn lose_track(&mut self, from: KeySide) {
        let sent = self.direction(from);
        sent.next = None;
        sent.round_trip.cancel();
    }

    fn see_acknowledgement(&mut self, from: KeySide, packet: &Packet, segment: &Segment, now_us: u32) {
        let plain = packet.tcp_flags & (TcpFlags::SYN | TcpFlags::FIN) == 0;
        if plain && segment.window == 0 {
            self.trouble(from).zero_windows += 1;
        }
        if self.sent_and_other(from, |sent, other| sent.repeats_acknowledgement(other, packet, segment)) {
            self.trouble(from).duplicate_acks += 1;
            let sent = self.direction(from);
            sent.duplicates = sent.duplicates.saturating_add(1);
        }
        self.direction(from).note(packet, segment);
        if packet.tcp_flags & TcpFlags::ACK != 0 {
            let number = segment.acknowledgement;
            self.direction(from.other()).round_trip.acknowledged(number, now_us);
            if let Some(trouble) = self.known_trouble(from.other()) {
                trouble.gaps.acknowledge(number);
            }
        }
    }

    fn see_data(&mut self, sight: Sight, packet: &Packet, segment: &Segment, now_us: u32) {
        let Sight { from, has_room, .. } = sight;
        let start = packet.tcp_sequence;
        let octets = segment.payload.saturating_add(u32::from(packet.tcp_flags & TcpFlags::FIN != 0));
        let end = start.wrapping_add(octets);
        let sent = self.direction(from);
        let (distance, next) = (sent.distance(start, end), sent.next.unwrap_or(end));
        match distance {
            None => self.known_trouble(from).map_or((), Trouble::close_gaps),
            Some(1..) => {
                sent.round_trip.cancel();
                let acknowledged = self.direction(from.other()).acknowledged;
                let trouble = self.trouble(from);
                trouble.skip((next, start), now_us, has_room);
                acknowledged.into_iter().for_each(|number| trouble.gaps.acknowledge(number));
            }
            Some(0) => {}
            Some(_) if octets == 0 => return,
            Some(_) => self.see_old(from, (start, earlier(end, next)), segment.payload, now_us),
        }
        if distance.is_none_or(|distance| distance >= 0) || ahead(end, next) > 0 {
            self.advance(sight, end, (octets, segment.payload), now_us);
        }
    }

    /// What `from` has sent ends before `end` now, with this many bytes, of them payload, in the last packet.
    fn advance(&mut self, sight: Sight, end: u32, (octets, payload): (u32, u32), now_us: u32) {
        let Sight { from, client, .. } = sight;
        let is_complete = self.known_trouble(from).is_none_or(|trouble| trouble.gaps.is_empty());
        let sent = self.direction(from);
        sent.next = Some(end);
        if octets == 0 {
            return;
        }
        sent.sent_us = now_us;
        if is_complete {
            sent.round_trip.sent(end, now_us);
        }
        match client {
            Some(client) if payload > 0 && client == from => self.exchanges.asks(now_us),
            Some(_) if payload > 0 => self.exchanges.answers(now_us),
            _ => {}
        }
    }

    /// Data behind what was sent: it was overtaken, or is sent again.
    fn see_old(&mut self, from: KeySide, range: (u32, u32), payload: u32, now_us: u32) {
        let since_us = self.known_trouble(from).and_then(|trouble| trouble.gaps.fill(range));
        if since_us.is_some_and(|since_us| passed(since_us, now_us) < self.round_trip_us()) {
            return self.trouble(from).count_out_of_order();
        }
        let why = if self.is_after_timeout(from, range, now_us) { Again::AfterTimeout } else { Again::Unknown };
        self.trouble(from).count_again(why, payload.min(range.1.wrapping_sub(range.0)));
        let sent = self.direction(from);
        sent.round_trip.cancel();
        sent.sent_us = now_us;
    }

    /// The time in which an end can learn that its packet was lost, microseconds.
    fn round_trip_us(&self) -> u32 {
        let [low, high] = self.directions.each_ref().map(|direction| direction.round_trip.smoothed_us());
        low.zip(high).map_or(USUAL_ROUND_TRIP_US, |(low, high)| low.saturating_add(high))
    }

    /// Whether the sender had waited for the acknowledgement of this data, and then sends it again.
    fn is_after_timeout(&self, from: KeySide, (start, end): (u32, u32), now_us: u32) -> bool {
        self.sent_and_other(from, |sent, other| {
            let is_first = other.acknowledged.is_none_or(|number| ahead(start, number) <= 0 && ahead(end, number) > 0);
            is_first && other.duplicates < FAST_RETRANSMIT && passed(sent.sent_us, now_us) >= MIN_TIMEOUT_US
        })
    }

    /// The figures since the last record, as seen from `source`. A new record begins.
    pub(super) fn take(&mut self, source: KeySide, now_us: u32, is_last: bool) -> TcpHealth {
        if is_last {
            [KeySide::Low, KeySide::High].into_iter().for_each(|side| self.count_uncaptured_end(side));
        }
        for trouble in self.trouble.iter_mut().flat_map(|both| both.iter_mut()) {
            match is_last {
                true => trouble.close_gaps(),
                false => trouble.give_up_gaps(now_us.wrapping_sub(GAP_PATIENCE_US)),
            }
        }
        let Self { directions, trouble, .. } = self;
        let mut troubles = trouble.iter_mut().flat_map(|both| both.iter_mut());
        let [low, high] = directions.each_mut().map(|direction| direction.take(troubles.next()));
        let (forward, reverse) = if source == KeySide::Low { (low, high) } else { (high, low) };
        let (state, end) = (self.progress.state(), self.progress.end(source));
        TcpHealth { forward, reverse, state, end, latency: self.exchanges.take() }
    }

    /// Counts what the other end acknowledged beyond the last packet of `from` that was seen.
    fn count_uncaptured_end(&mut self, from: KeySide) {
        let beyond = self.sent_and_other(from, |sent, other| Some(ahead(other.acknowledged?, sent.next?)));
        if let Some(bytes) =
            beyond.and_then(|beyond| u32::try_from(beyond).ok()).filter(|bytes| (1..MAX_WINDOW).contains(bytes))
        {
            self.trouble(from).count_uncaptured(bytes);
        }
    }

    /// The same under a key whose sides are the other way round.
    pub(super) fn turn_round(&mut self) {
        self.directions.reverse();
        if let Some(both) = &mut self.trouble {
            both.reverse();
        }
        self.progress = self.progress.turned();
    }

    /// The clock was set: times before are not comparable.
    pub(super) fn set_clock(&mut self, now_us: u32) {
        for direction in &mut self.directions {
            direction.round_trip.cancel();
            direction.sent_us = now_us;
        }
        for trouble in self.trouble.iter_mut().flat_map(|both| both.iter_mut()) {
            trouble.gaps.set_clock(now_us);
        }
        self.exchanges.forget_times();
    }

    /// Memory of what went wrong, bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        let gaps = |both: &[Trouble; 2]| both.iter().map(|trouble| trouble.gaps.kept_bytes()).sum::<usize>();
        self.trouble.as_ref().map_or(0, |both| size_of::<[Trouble; 2]>() + gaps(both))
    }
}
