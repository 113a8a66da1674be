//! What one agent said of a flow.

use std::sync::Arc;

use pidflow_schema::{FlowEndReason, FlowRecord, InitiatorBasis};

use crate::sums::Sums;

/// So many of the latest records of an agent are recognised when they arrive again.
const MAX_RECENT: usize = 8;
/// Flag of TCP (RFC 9293 section 3.1).
const SYN: u8 = 0x02;

/// All records of one agent about one flow.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) observer: Arc<str>,
    /// The records that were not handed on yet, put together.
    pub(crate) pending: Option<Box<FlowRecord>>,
    /// Number of those.
    pub(crate) pending_records: u32,
    /// Over the whole flow.
    pub(crate) sums: Sums,
    pub(crate) first_ns: u64,
    /// Its last record has arrived.
    pub(crate) has_ended: bool,
    /// A record has the SYN of the source, so that nothing of the connection is before it.
    pub(crate) has_begin: bool,
    /// Start and end of the latest records.
    recent: Vec<(u64, u64)>,
}

impl Half {
    pub(crate) fn new(observer: Arc<str>) -> Self {
        Self {
            observer,
            pending: None,
            pending_records: 0,
            sums: Sums::default(),
            first_ns: u64::MAX,
            has_ended: false,
            has_begin: false,
            recent: Vec::new(),
        }
    }

    /// Whether that record has arrived already: no two records of an agent about a flow have the same times.
    pub(crate) fn has(&self, record: &FlowRecord) -> bool {
        self.recent.contains(&times(record))
    }

    /// Adds a record, whose ends are in the order of the flow's.
    pub(crate) fn add(&mut self, record: Box<FlowRecord>) {
        if self.recent.len() >= MAX_RECENT {
            self.recent.remove(0);
        }
        self.recent.push(times(&record));
        self.sums.add(Sums::of(&record.flow));
        self.first_ns = self.first_ns.min(record.flow.first_ns);
        self.has_ended |= record.flow.end_reason != FlowEndReason::ActiveTimeout;
        self.has_begin |= record.flow.forward.tcp_flags & SYN != 0;
        self.pending_records += 1;
        self.pending = Some(match self.pending.take() {
            Some(earlier) => together(earlier, record),
            None => record,
        });
    }

    /// Takes out what was not handed on yet.
    pub(crate) fn take(&mut self) -> Option<(Box<FlowRecord>, u32)> {
        let records = std::mem::take(&mut self.pending_records);
        self.pending.take().map(|record| (record, records))
    }
}

const fn times(record: &FlowRecord) -> (u64, u64) {
    (record.flow.first_ns, record.flow.last_ns)
}

/// Two records of one agent: the later one, with the counters of both. What was measured of the packets of each alone is left out.
fn together(a: Box<FlowRecord>, b: Box<FlowRecord>) -> Box<FlowRecord> {
    let (earlier, mut later) = if a.flow.last_ns <= b.flow.last_ns { (a, b) } else { (b, a) };
    let (old, new) = (earlier.flow, &mut later.flow);
    new.first_ns = new.first_ns.min(old.first_ns);
    new.forward.add(&old.forward);
    new.reverse.add(&old.reverse);
    new.handshake = new.handshake.or(old.handshake);
    new.application = new.application.take().or(old.application);
    new.classification = new.classification.take().or(old.classification);
    new.macs = new.macs.or(old.macs);
    new.icmp_type_code = old.icmp_type_code.or(new.icmp_type_code);
    (new.tcp, new.packet_figures) = (None, None);
    later.connect_error = later.connect_error.or(earlier.connect_error);
    later
}

/// How certain the direction of a record is: the basis, and the earlier one of equal ones.
pub(crate) const fn direction_rank(record: &FlowRecord) -> (u8, std::cmp::Reverse<u64>) {
    let basis = match record.flow.initiator {
        InitiatorBasis::FirstPacket => 0,
        InitiatorBasis::Syn => 1,
        InitiatorBasis::Socket => 2,
    };
    (basis, std::cmp::Reverse(record.flow.first_ns))
}
