//! Messages that consist of sets: IPFIX (RFC 7011) and NetFlow v9 (RFC 3954).

use pidflow_schema::FlowRecord;

use crate::counters::{Counters, Event, Protocol};
use crate::data;
use crate::draft::Origin;
use crate::header::Header;
use crate::known::Known;
use crate::octets::Octets;
use crate::options::Options;
use crate::session::{Key, Session, Waiting};
use crate::template::{FIRST_DATA_SET, SetKind, Template, next};

const SECOND_NS: u64 = 1_000_000_000;
/// Octets before a set's contents.
const SET_HEADER: usize = 4;
/// RFC 7011 section 3.1.
const IPFIX_HEADER: usize = 16;

/// The header of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) header: Header,
    pub(crate) domain: u32,
    pub(crate) sequence: u32,
    pub(crate) sets: Octets<'a>,
}

impl<'a> Message<'a> {
    /// RFC 7011 section 3.1; an error says why it is none, and the number of octets behind the message comes with it.
    pub(crate) fn ipfix(datagram: &'a [u8], now_ns: u64) -> Result<(Self, usize), Event> {
        let mut octets = Octets::new(datagram);
        let mut read = || Some((octets.u16()?, octets.u16()?, octets.u32()?, octets.u32()?, octets.u32()?));
        let (_, length, seconds, sequence, domain) = read().ok_or(Event::Truncated)?;
        let sets = datagram.get(IPFIX_HEADER..usize::from(length)).ok_or(Event::Truncated)?;
        let export_ns = u64::from(seconds) * SECOND_NS;
        let header = Header { protocol: Protocol::Ipfix, export_ns, uptime_ms: None, now_ns };
        let trailing = datagram.len() - usize::from(length);
        Ok((Self { header, domain, sequence, sets: Octets::new(sets) }, trailing))
    }

    /// RFC 3954 section 5.1.
    pub(crate) fn netflow9(datagram: &'a [u8], now_ns: u64) -> Result<Self, Event> {
        let mut octets = Octets::new(datagram);
        let mut read = || Some((octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?));
        let (_, uptime_ms, seconds, sequence, domain) = read().ok_or(Event::Truncated)?;
        let export_ns = u64::from(seconds) * SECOND_NS;
        let header = Header { protocol: Protocol::Netflow9, export_ns, uptime_ms: Some(uptime_ms), now_ns };
        Ok(Self { header, domain, sequence, sets: octets })
    }
}

/// Reads the sets of one message.
pub(crate) struct Reader<'a> {
    pub(crate) known: &'a Known,
    pub(crate) counters: &'a mut Counters,
    pub(crate) session: &'a mut Session,
    pub(crate) key: Key,
    /// Memory that the exporter may use beyond what it used before the message, bytes.
    pub(crate) room: usize,
    pub(crate) out: &'a mut Vec<FlowRecord>,
}

impl Reader<'_> {
    /// Reads all sets of the message, and follows its sequence numbers.
    pub(crate) fn message(&mut self, message: &Message<'_>) {
        let is_ipfix = message.header.protocol == Protocol::Ipfix;
        if let Some(uptime_ms) = message.header.uptime_ms {
            self.session.follow_uptime(uptime_ms, self.counters);
        }
        let lost = if is_ipfix { Event::LostRecords } else { Event::LostDatagrams };
        let is_in_order = self.session.follow(message.sequence, lost, self.counters);
        let first = self.out.len();
        let count = self.sets(message);
        self.session.is_useful |= self.out.len() > first;
        let units = if is_ipfix { count } else { Some(1) };
        match is_in_order {
            true => self.session.sequence.advance(units),
            false => self.counters.not_lost(lost, u64::from(units.unwrap_or_default())),
        }
    }

    /// Reads the sets, and returns how many data records they have; none: not all could be read.
    fn sets(&mut self, message: &Message<'_>) -> Option<u32> {
        let (mut sets, mut count) = (message.sets, Some(0));
        while sets.len() >= SET_HEADER {
            let set = sets
                .u16()
                .zip(sets.u16())
                .and_then(|(id, length)| Some((id, sets.take(usize::from(length).checked_sub(SET_HEADER)?)?)));
            let Some((id, octets)) = set else {
                self.counters.event(Event::BadSet);
                return None;
            };
            let read = self.set(id, octets, &message.header);
            count = count.zip(read).map(|(count, read): (u32, u32)| count.saturating_add(read));
        }
        if !sets.is_zero() {
            self.counters.event(Event::BadSet);
        }
        count
    }

    /// Reads one set, and returns how many data records it has; none: they could not be read.
    fn set(&mut self, id: u16, octets: &[u8], header: &Header) -> Option<u32> {
        let kind = match (header.protocol, id) {
            (Protocol::Ipfix, 2) => SetKind::Ipfix,
            (Protocol::Ipfix, 3) => SetKind::IpfixOptions,
            (Protocol::Netflow9, 0) => SetKind::Netflow9,
            (Protocol::Netflow9, 1) => SetKind::Netflow9Options,
            (_, FIRST_DATA_SET..) => return self.data(id, octets, header),
            _ => {
                self.counters.event(Event::ReservedSet);
                return Some(0);
            }
        };
        self.templates(kind, Octets::new(octets), header.now_ns);
        Some(0)
    }

    fn templates(&mut self, kind: SetKind, mut set: Octets<'_>, now_ns: u64) {
        while set.len() >= SET_HEADER && !set.is_zero() {
            let Some(announced) = next(&mut set, kind, self.known) else {
                self.counters.event(Event::BadTemplate);
                break;
            };
            let room = self.room.saturating_sub(self.session.bytes());
            self.session.announce(announced, room, now_ns, self.counters);
        }
        for waiting in self.session.take_ready(now_ns, self.counters) {
            self.data(waiting.template, &waiting.octets, &waiting.header);
        }
    }

    fn data(&mut self, id: u16, octets: &[u8], header: &Header) -> Option<u32> {
        let Some(template) = self.session.template(id) else {
            let room = self.room.saturating_sub(self.session.bytes());
            let waiting = Waiting { template: id, header: *header, octets: octets.into() };
            self.session.wait(waiting, room, self.counters);
            return None;
        };
        let set = Octets::new(octets);
        if template.scopes > 0 {
            return Some(self.options(&template, set));
        }
        let Key { exporter, domain, .. } = self.key;
        let origin = Origin {
            exporter,
            domain,
            header: *header,
            boot_ms: self.session.boot_ms,
            samplers: &self.session.samplers,
        };
        let first = self.out.len();
        let count = data::flows(&template, set, &origin, (self.known, self.counters), self.out);
        for record in self.out.get_mut(first..).unwrap_or_default() {
            name_interface(record, self.session);
        }
        Some(count)
    }

    fn options(&mut self, template: &Template, mut set: Octets<'_>) -> u32 {
        let mut count = 0;
        while set.len() >= template.min_octets {
            let Some(options) = Options::read(template, &mut set, self.known) else {
                self.counters.event(Event::BadRecord);
                break;
            };
            count += 1;
            let room = self.room.saturating_sub(self.session.bytes());
            self.session.learn(&options, room, self.counters);
        }
        count
    }
}

fn name_interface(record: &mut FlowRecord, session: &Session) {
    let flow = &mut record.flow;
    if flow.interface.is_empty()
        && let Some(name) = session.interface(flow.interface_index)
    {
        flow.interface = std::sync::Arc::clone(name);
    }
}
