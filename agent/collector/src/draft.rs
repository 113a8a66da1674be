//! A record under construction: what depends on more than one value is settled at its end.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use pidflow_engine::packet::TcpFlags;
use pidflow_schema::{Attribution, Collected, Flow, FlowEndReason, FlowRecord, Protocol};

use crate::counters::{Counters, Event};
use crate::field::{Action, End, Field, Time};
use crate::header::Header;
use crate::known::Known;
use crate::octets::{is_zero, unsigned};
use crate::sampling::{Samplers, Told, scale};
use crate::value;

/// Longest text of other elements, bytes.
const MAX_OTHERS: usize = 512;
/// How far ahead of this host's clock a record may end: clocks and time zones of exporters may be wrong.
const MAX_AHEAD_NS: u64 = 24 * 3600 * 1_000_000_000;

/// Where records come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) exporter: SocketAddr,
    pub(crate) domain: u32,
    pub(crate) header: Header,
    /// When the exporter's uptime was 0, milliseconds since the epoch, as its options records say.
    pub(crate) boot_ms: Option<u64>,
    pub(crate) samplers: &'a Samplers,
}

/// One record under construction.
pub(crate) struct Draft<'a> {
    pub(crate) record: FlowRecord,
    known: &'a Known,
    counters: &'a mut Counters,
    /// Start and end; 0: not known yet.
    times: [u64; 2],
    /// Uptimes at start and end, which need [`Time::Boot`].
    uptimes: [Option<u32>; 2],
    boot_ms: Option<u64>,
    duration_ns: Option<u64>,
    icmp: [Option<u8>; 2],
    pub(crate) sampling: Told,
    others: String,
    /// Zeros that are written if the record has other elements of their group.
    waiting: Vec<u16>,
}

impl<'a> Origin<'a> {
    /// Of messages that say neither when they were sent nor how packets were sampled.
    pub(crate) const fn of_objects(exporter: SocketAddr, domain: u32, header: Header, samplers: &'a Samplers) -> Self {
        Self { exporter, domain, header, boot_ms: None, samplers }
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(known: &'a Known, counters: &'a mut Counters) -> Self {
        let none = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let flow = Flow {
            forward: pidflow_schema::Counters::UNKNOWN,
            reverse: pidflow_schema::Counters::UNKNOWN,
            ..Flow::new(0, none, none, (0, 0))
        };
        Self {
            record: FlowRecord::without_processes(flow, Attribution::NotReported),
            known,
            counters,
            times: [0; 2],
            uptimes: [None; 2],
            boot_ms: None,
            duration_ns: None,
            icmp: [None; 2],
            sampling: Told::default(),
            others: String::new(),
            waiting: Vec::new(),
        }
    }

    /// Puts the value of a field into the record.
    #[inline]
    pub(crate) fn put(&mut self, field: &Field, octets: &[u8], header: &Header) {
        let is_done = match field.action {
            Action::Skip | Action::InterfaceDescription => true,
            Action::Write(place) if field.zero_waits && is_zero(octets) => {
                self.waiting.push(place);
                true
            }
            Action::Write(place) => self.write(place, octets),
            Action::Alias(place) => is_zero(octets) || self.write(place, octets),
            other => self.put_special(other, octets, header),
        };
        if !is_done {
            self.counters.event(Event::BadValue);
        }
    }

    /// Writes by the table of elements. False: the value does not fit.
    #[inline]
    fn write(&mut self, place: u16, octets: &[u8]) -> bool {
        let Some((element, write)) = self.known.element(place).and_then(|e| Some((e, e.write?))) else { return true };
        if element.data_type != pidflow_schema::DataType::String {
            let value = value::plain(element.data_type, octets);
            return value.and_then(|value| write(&mut self.record, &value)).is_some();
        }
        let (text, was_cut) = value::text(octets);
        self.counters.event_times(Event::Cut, u64::from(was_cut));
        text.is_empty() || write(&mut self.record, &pidflow_schema::Value::text(&text)).is_some()
    }

    /// Adds flags of TCP of the direction of the record. The upper bits are not flags that a record has (RFC 9293 section 3.1: data
    /// offset, reserved).
    pub(crate) const fn put_flags(&mut self, flags: u64) {
        let forward = &mut self.record.flow.forward;
        forward.set_tcp_flags(forward.tcp_flags | flags as u8);
    }

    /// Notes a zero that is written if the record has other elements of its group.
    pub(crate) fn put_zero(&mut self, place: usize) {
        self.waiting.extend(u16::try_from(place));
    }

    /// Counts something about the record.
    pub(crate) fn event(&mut self, event: Event) {
        self.counters.event(event);
    }

    /// Keeps the times that were written into the record.
    pub(crate) const fn keep_times(&mut self) {
        self.times = [self.record.flow.first_ns, self.record.flow.last_ns];
    }

    fn put_special(&mut self, action: Action, octets: &[u8], header: &Header) -> bool {
        let number = unsigned(octets);
        let flow = &mut self.record.flow;
        match action {
            Action::TcpFlags => number.map(|n| self.put_flags(n)).is_some(),
            Action::ReverseTcpFlags => {
                number.map(|n| flow.reverse.set_tcp_flags(flow.reverse.tcp_flags | n as u8)).is_some()
            }
            Action::IcmpType => number.map(|n| self.icmp[0] = Some(n as u8)).is_some(),
            Action::IcmpCode => number.map(|n| self.icmp[1] = Some(n as u8)).is_some(),
            Action::Time(time) => self.put_time(time, octets, header),
            Action::Sampling(part) => self.sampling.note(part, octets),
            Action::InterfaceName => {
                let (name, _) = value::text(octets);
                if !name.is_empty() {
                    flow.interface = Arc::from(&*name);
                }
                true
            }
            Action::Other { pen, id } => {
                self.put_other(pen, id, octets);
                true
            }
            Action::Skip | Action::Write(_) | Action::Alias(_) | Action::InterfaceDescription => true,
        }
    }

    fn put_time(&mut self, time: Time, octets: &[u8], header: &Header) -> bool {
        if let Time::Ntp(end) = time {
            return value::ntp(octets, header.export_ns).map(|ns| self.set_time(end, ns)).is_some();
        }
        let Some(number) = unsigned(octets) else { return false };
        match time {
            Time::Seconds(end) => self.set_time(end, number.saturating_mul(1_000_000_000)),
            Time::Milliseconds(end) => self.set_time(end, Header::ms(number)),
            Time::Uptime(end) => self.put_uptime(end, number as u32, header),
            Time::Before(end) => self.set_time(end, header.export_ns.saturating_sub(number.saturating_mul(1000))),
            Time::Duration(unit_ns) => self.duration_ns = Some(number.saturating_mul(u64::from(unit_ns))),
            Time::Boot => self.boot_ms = Some(number).filter(|ms| *ms > 0),
            Time::Event(unit_ns) => {
                let ns = number.saturating_mul(u64::from(unit_ns));
                self.times.iter_mut().filter(|time| **time == 0).for_each(|time| *time = ns);
            }
            Time::Ntp(_) => {}
        }
        true
    }

    fn put_uptime(&mut self, end: End, uptime_ms: u32, header: &Header) {
        match header.time_of_uptime(uptime_ms) {
            Some(ns) => self.set_time(end, ns),
            None => {
                let [start, stop] = &mut self.uptimes;
                *(if end == End::Start { start } else { stop }) = Some(uptime_ms);
            }
        }
    }

    pub(crate) const fn set_time(&mut self, end: End, ns: u64) {
        match end {
            End::Start => self.times[0] = ns,
            End::Stop => self.times[1] = ns,
        }
    }

    /// Keeps an element by its number, unless its octets are all zero.
    pub(crate) fn put_other(&mut self, pen: u32, id: u16, octets: &[u8]) {
        if is_zero(octets) {
            return;
        }
        let before = self.others.len();
        let blank = if before == 0 { "" } else { " " };
        let name = |out: &mut String| match pen {
            0 => write!(out, "{blank}{id}="),
            pen => write!(out, "{blank}{pen}.{id}="),
        };
        let mut is_whole = name(&mut self.others).is_ok() && self.others.len() + 2 * octets.len() <= MAX_OTHERS;
        if is_whole {
            is_whole = octets.iter().try_for_each(|octet| write!(self.others, "{octet:02x}")).is_ok();
        }
        if !is_whole {
            self.others.truncate(before);
            self.counters.event(Event::Cut);
        }
    }

    /// Settles what depends on several values; `tells_end`: one of them was why the flow ended. None: it is not a flow between two addresses of one family.
    pub(crate) fn finish(mut self, origin: &Origin<'_>, tells_end: bool) -> Option<FlowRecord> {
        self.settle_families()?;
        self.write_waiting();
        self.settle_times(origin);
        self.settle_icmp();
        self.settle_origin(origin);
        let FlowRecord { flow, source, destination, .. } = &mut self.record;
        for end in [source, destination] {
            if end.process.is_some() && end.attribution == Attribution::NotReported {
                end.attribution = Attribution::Reported;
            }
        }
        let flags = flow.forward.tcp_flags | flow.reverse.tcp_flags;
        let has_ended = flow.protocol == Protocol::TCP && flags & (TcpFlags::FIN | TcpFlags::RST) != 0;
        if !tells_end && has_ended {
            flow.end_reason = FlowEndReason::EndOfFlow;
        }
        Some(self.record)
    }

    /// A template may have fields for both families; the other one's are zero. The address `::` is a source in IPv6 too.
    fn settle_families(&mut self) -> Option<()> {
        let flow = &mut self.record.flow;
        match (flow.source, flow.destination) {
            (IpAddr::V4(a), IpAddr::V6(_)) if a.is_unspecified() => flow.source = Ipv6Addr::UNSPECIFIED.into(),
            (IpAddr::V6(_), IpAddr::V4(a)) if a.is_unspecified() => flow.destination = Ipv6Addr::UNSPECIFIED.into(),
            (IpAddr::V4(a), IpAddr::V4(b)) if a.is_unspecified() && b.is_unspecified() => return None,
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {}
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        }
        Some(())
    }

    fn write_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let groups = self.record.groups();
        for place in std::mem::take(&mut self.waiting) {
            let element = self.known.element(place).filter(|element| groups.contains(element.group));
            if let Some((element, write)) = element.and_then(|e| Some((e, e.write?))) {
                let octets = [0; 16];
                let octets = octets.get(..usize::from(element.data_type.octets().unwrap_or(0))).unwrap_or_default();
                let zero = value::plain(element.data_type, octets);
                // A zero that does not fit its element is no value.
                _ = zero.and_then(|zero| write(&mut self.record, &zero));
            }
        }
    }

    fn settle_times(&mut self, origin: &Origin<'_>) {
        if let Some(boot_ms) = self.boot_ms.or(origin.boot_ms) {
            for (time, uptime) in self.times.iter_mut().zip(self.uptimes).filter(|(time, _)| **time == 0) {
                *time = uptime.map_or(0, |uptime| Header::ms(boot_ms.saturating_add(u64::from(uptime))));
            }
        }
        let duration_ns = self.duration_ns.unwrap_or_default();
        let [first, last] = match self.times {
            [0, 0] => [0, 0],
            [0, last] => [last.saturating_sub(duration_ns), last],
            [first, 0] => [first, first.saturating_add(duration_ns)],
            [first, last] => [first.min(last), last],
        };
        let header = &origin.header;
        let is_known = last > 0 && last <= header.now_ns.saturating_add(MAX_AHEAD_NS);
        let (first_ns, last_ns) = if is_known { (first, last) } else { self.fallback(header, last - first) };
        (self.record.flow.first_ns, self.record.flow.last_ns) = (first_ns, last_ns);
    }

    /// The time of the message, if that can be.
    fn fallback(&mut self, header: &Header, duration_ns: u64) -> (u64, u64) {
        self.counters.event(Event::NoTime);
        let can_be = header.export_ns > 0 && header.export_ns <= header.now_ns.saturating_add(MAX_AHEAD_NS);
        let last = if can_be { header.export_ns } else { header.now_ns };
        (last.saturating_sub(duration_ns), last)
    }

    /// Routers put type and code into the destination port.
    fn settle_icmp(&mut self) {
        let flow = &mut self.record.flow;
        if !matches!(flow.protocol, Protocol::ICMP | Protocol::ICMPV6) || flow.icmp_type_code.is_some() {
            return;
        }
        if let [Some(icmp_type), code] = self.icmp {
            flow.icmp_type_code = Some(u16::from_be_bytes([icmp_type, code.unwrap_or(0)]));
        } else if flow.source_port == 0 {
            flow.icmp_type_code = Some(std::mem::take(&mut flow.destination_port));
        }
    }

    /// An exporter that passes on what others observed names them in its records.
    fn settle_origin(&mut self, origin: &Origin<'_>) {
        let rate = origin.samplers.rate(&self.sampling).unwrap_or_else(|_| {
            self.counters.event(Event::SamplingUnknown);
            None
        });
        if let Some(rate) = rate.filter(|rate| *rate > 1) {
            scale(&mut self.record, rate);
        }
        let is_told = self.record.collected.as_deref().is_some_and(|told| !told.exporter.is_unspecified());
        let collected: &mut Collected = self.record.collected.get_or_insert_default();
        if !is_told {
            (collected.exporter, collected.domain) = (origin.exporter.ip().to_canonical(), origin.domain);
        }
        collected.sampling_rate = rate.or(collected.sampling_rate);
        if collected.others.is_empty() && !self.others.is_empty() {
            collected.others = Arc::from(self.others.as_str());
        }
    }
}
