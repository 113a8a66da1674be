//! NetFlow version 5: a fixed layout (Cisco, "NetFlow Export Datagram Format").

use std::net::{IpAddr, Ipv4Addr};

use pidflow_schema::{Collected, FlowRecord, Routing};

use crate::counters::{Counters, Event, Protocol};
use crate::draft::{Draft, Origin};
use crate::field::{End, Sampling};
use crate::header::Header;
use crate::known::Known;
use crate::octets::{Octets, is_zero};
use crate::session::Session;

const MILLISECOND_NS: u64 = 1_000_000;
/// Octets of a record.
pub(crate) const RECORD: usize = 48;
/// Element ipNextHopIPv4Address.
const NEXT_HOP: u16 = 15;
/// The lower bits of the header's last field; the upper two are the mode.
const INTERVAL: u16 = 0x3fff;

/// The header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) header: Header,
    pub(crate) sequence: u32,
    /// Engine type × 256 + engine id.
    pub(crate) domain: u32,
    /// One in how many packets is counted; 0: not told.
    interval: u16,
    count: u16,
    records: Octets<'a>,
}

impl<'a> Message<'a> {
    /// An error says why it is none.
    pub(crate) fn new(datagram: &'a [u8], now_ns: u64) -> Result<Self, Event> {
        Self::read(Octets::new(datagram), now_ns).ok_or(Event::Truncated)
    }

    fn read(mut octets: Octets<'a>, now_ns: u64) -> Option<Self> {
        let (_version, count) = (octets.u16()?, octets.u16()?);
        let (uptime_ms, seconds, nanoseconds) = (octets.u32()?, octets.u32()?, octets.u32()?);
        let export_ns = u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds);
        // The uptime is in milliseconds, so the time is too; otherwise the times of all records would be off by the rest.
        let export_ns = export_ns - export_ns % MILLISECOND_NS;
        let header = Header { protocol: Protocol::Netflow5, export_ns, uptime_ms: Some(uptime_ms), now_ns };
        let sequence = octets.u32()?;
        let (domain, interval) = (u32::from(octets.u16()?), octets.u16()? & INTERVAL);
        Some(Self { header, sequence, domain, interval, count, records: octets })
    }

    /// Reads its records, and follows its sequence numbers, which count records.
    pub(crate) fn flows(
        &self,
        session: &mut Session,
        origin: &Origin<'_>,
        (known, counters): (&Known, &mut Counters),
        out: &mut Vec<FlowRecord>,
    ) {
        session.follow_uptime(self.header.uptime_ms.unwrap_or_default(), counters);
        let is_in_order = session.follow(self.sequence, Event::LostRecords, counters);
        let mut records = self.records;
        for _ in 0..self.count {
            let Some(octets) = records.take(RECORD) else {
                counters.event(Event::BadRecord);
                break;
            };
            let mut draft = Draft::new(known, counters);
            match self.fill(octets, &mut draft).and_then(|()| draft.finish(origin, false)) {
                Some(record) => {
                    counters.record(Protocol::Netflow5);
                    out.push(record);
                }
                None => counters.event(Event::NotAFlow),
            }
        }
        if !records.is_zero() {
            counters.event(Event::TrailingOctets);
        }
        session.is_useful |= !out.is_empty();
        match is_in_order {
            true => session.sequence.advance(Some(u32::from(self.count))),
            false => counters.not_lost(Event::LostRecords, u64::from(self.count)),
        }
    }

    fn fill(&self, octets: &[u8], draft: &mut Draft<'_>) -> Option<()> {
        let mut record = Octets::new(octets);
        let flow = &mut draft.record.flow;
        (flow.source, flow.destination) = (address(&mut record)?, address(&mut record)?);
        let next_hop = record.array::<4>()?;
        flow.interface_index = record.u16()?.into();
        let egress_interface = record.u16()?.into();
        flow.forward.set_packets(record.u32()?.into());
        flow.forward.set_octets(record.u32()?.into());
        let times = [record.u32()?, record.u32()?].map(|uptime| self.header.time_of_uptime(uptime).unwrap_or(0));
        (flow.source_port, flow.destination_port) = (record.u16()?, record.u16()?);
        let [_, tcp_flags, protocol, tos] = record.array()?;
        flow.forward.set_tcp_flags(tcp_flags);
        (flow.protocol, flow.ip_class_of_service) = (protocol, tos);
        let (source_as, destination_as) = (record.u16()?.into(), record.u16()?.into());
        let [source_prefix, destination_prefix] = record.array()?;
        let routing =
            Routing { egress_interface, source_as, destination_as, source_prefix, destination_prefix, direction: 0 };
        draft.record.collected = Some(Box::new(Collected { routing: Some(routing), ..Collected::default() }));
        draft.set_time(End::Start, times[0]);
        draft.set_time(End::Stop, times[1]);
        if self.interval > 0 {
            draft.sampling.note(Sampling::Interval, &self.interval.to_be_bytes());
        }
        if !is_zero(&next_hop) {
            draft.put_other(0, NEXT_HOP, &next_hop);
        }
        Some(())
    }
}

fn address(record: &mut Octets<'_>) -> Option<IpAddr> {
    record.array::<4>().map(|a| Ipv4Addr::from(a).into())
}
