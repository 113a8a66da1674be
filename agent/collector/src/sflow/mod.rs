//! sFlow version 5 (sflow.org, "sFlow Version 5", July 2004): each sampled packet becomes a record.

mod packet;
mod sample;

pub(crate) use packet::Packets;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pidflow_schema::FlowRecord;

use crate::counters::{Counters, Event, Protocol};
use crate::octets::Octets;
use crate::session::Session;
use sample::Sample;

/// Smallest sample: format and length.
const SAMPLE_HEADER: usize = 8;

/// A datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    agent: IpAddr,
    pub(crate) sub_agent: u32,
    sequence: u32,
    uptime_ms: u32,
    samples: Octets<'a>,
    count: u32,
}

impl<'a> Message<'a> {
    /// An error says why it is none.
    pub(crate) fn new(datagram: &'a [u8]) -> Result<Self, Event> {
        Self::read(Octets::new(datagram)).ok_or(Event::Truncated)
    }

    fn read(mut octets: Octets<'a>) -> Option<Self> {
        let _version = octets.u32()?;
        let agent = address(&mut octets)?;
        let (sub_agent, sequence, uptime_ms, count) = (octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?);
        Some(Self { agent, sub_agent, sequence, uptime_ms, samples: octets, count })
    }
}

/// A type (1: IPv4, 2: IPv6) and an address; type 0 is an unknown address.
fn address(octets: &mut Octets<'_>) -> Option<IpAddr> {
    match octets.u32()? {
        0 => Some(Ipv4Addr::UNSPECIFIED.into()),
        1 => octets.array::<4>().map(|a| Ipv4Addr::from(a).into()),
        2 => octets.array::<16>().map(|a| Ipv6Addr::from(a).into()),
        _ => None,
    }
}

/// Reads datagrams.
pub(crate) struct Reader<'a> {
    pub(crate) packets: &'a mut Packets,
    pub(crate) counters: &'a mut Counters,
    /// When the datagram arrived, which is the time of its packets: they carry none.
    pub(crate) now_ns: u64,
    /// The address that the datagram came from.
    pub(crate) sender: IpAddr,
    pub(crate) out: &'a mut Vec<FlowRecord>,
}

impl Reader<'_> {
    /// Reads all samples, and follows the sequence numbers, which count datagrams.
    pub(crate) fn message(mut self, message: &Message<'_>, session: &mut Session) {
        session.follow_uptime(message.uptime_ms, self.counters);
        let is_in_order = session.follow(message.sequence, Event::LostDatagrams, self.counters);
        match is_in_order {
            true => session.sequence.advance(Some(1)),
            false => self.counters.not_lost(Event::LostDatagrams, 1),
        }
        let mut samples = message.samples;
        for _ in 0..message.count {
            let read = samples.u32().zip(samples.u32());
            let Some((format, octets)) = read.and_then(|(f, length)| Some((f, samples.take(length as usize)?))) else {
                self.counters.event(Event::BadSet);
                break;
            };
            self.sample(message, format, Octets::new(octets));
        }
        if samples.len() >= SAMPLE_HEADER {
            self.counters.event(Event::TrailingOctets);
        }
        session.is_useful |= !self.out.is_empty();
    }

    fn sample(&mut self, message: &Message<'_>, format: u32, octets: Octets<'_>) {
        let sample = match format {
            1 => Sample::compact(octets),
            3 => Sample::expanded(octets),
            _ => {
                self.counters.event(Event::OtherSample);
                return;
            }
        };
        let Some(sample) = sample else {
            self.counters.event(Event::BadRecord);
            return;
        };
        match sample.flow(self.packets, self.now_ns) {
            Ok(mut record) => {
                let collected = record.collected.get_or_insert_default();
                collected.exporter = if message.agent.is_unspecified() { self.sender } else { message.agent };
                collected.domain = message.sub_agent;
                self.counters.record(Protocol::Sflow);
                self.out.push(record);
            }
            Err(why) => self.counters.event(why),
        }
    }
}
