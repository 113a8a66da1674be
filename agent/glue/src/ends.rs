//! Which agent is at an end, and what it knows of the end.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, EndObserver, Endpoint, FlowRecord, ProcessEnd};

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Source, Self::Destination];

    pub(crate) const fn of(self, record: &FlowRecord) -> &ProcessEnd {
        match self {
            Self::Source => &record.source,
            Self::Destination => &record.destination,
        }
    }

    const fn of_mut(self, record: &mut FlowRecord) -> &mut ProcessEnd {
        match self {
            Self::Source => &mut record.source,
            Self::Destination => &mut record.destination,
        }
    }

    const fn address(self, record: &FlowRecord) -> (IpAddr, u16) {
        match self {
            Self::Source => (record.flow.source, record.flow.source_port),
            Self::Destination => (record.flow.destination, record.flow.destination_port),
        }
    }
}

/// How certainly the observer of a record is at an end, as in ClickHouse's `glue_flows`; 0: it is not.
pub(crate) const fn certainty(end: &ProcessEnd) -> u8 {
    match end.attribution {
        Attribution::NoProcess => 1,
        Attribution::NoSocket => 2,
        Attribution::Ambiguous => 3,
        Attribution::Kernel => 4,
        Attribution::ListenerOnly => 5,
        Attribution::SnapshotPort => 6,
        Attribution::SnapshotTuple => 7,
        Attribution::LocalPortEvent => 8,
        Attribution::SocketEvent => 9,
        Attribution::Reported | Attribution::Remote | Attribution::Offline | Attribution::NotReported => 0,
    }
}

/// What the agent at an end says of it.
#[derive(Debug, Clone)]
pub(crate) struct OwnedEnd {
    /// The greatest one counts: certainty, and when the record's last packet came.
    rank: (u8, u64),
    /// The half's place in the flow.
    pub(crate) half: usize,
    pub(crate) observer: EndObserver,
    address: (IpAddr, u16),
    end: ProcessEnd,
}

impl OwnedEnd {
    /// The end of a record; none: its observer is not at this end.
    pub(crate) fn of(record: &FlowRecord, side: Side, half: usize) -> Option<Self> {
        let end = side.of(record);
        let certainty = certainty(end);
        (certainty > 0).then(|| Self {
            rank: (certainty, record.flow.last_ns),
            half,
            observer: EndObserver { id: Arc::clone(&record.observer), host: Arc::clone(&record.host) },
            address: side.address(record),
            end: end.clone(),
        })
    }

    /// Memory of what it says of the end's process, bytes.
    pub(crate) fn kept_bytes(&self) -> usize {
        let texts = self.end.endpoint.as_ref().map_or(0, |endpoint| endpoint.text_bytes());
        self.end.process.as_ref().map_or(0, |process| process.kept_bytes()) + texts
    }

    /// Takes the place of a less certain one.
    pub(crate) fn replace(self, known: &mut Option<Self>) {
        if known.as_ref().is_none_or(|known| known.rank <= self.rank) {
            *known = Some(self);
        }
    }

    /// Writes the end into a record. What the other end calls it, and the service that it asked for, stay.
    pub(crate) fn write(&self, record: &mut FlowRecord, side: Side) {
        let called = side.of(record).endpoint.clone();
        *side.of_mut(record) = self.end.clone();
        side.of_mut(record).endpoint = endpoint(self.end.endpoint.as_ref(), called);
        let flow = &mut record.flow;
        match side {
            Side::Source => (flow.source, flow.source_port) = self.address,
            Side::Destination => (flow.destination, flow.destination_port) = self.address,
        }
    }
}

/// What both agents know of an end: its own agent first.
fn endpoint(own: Option<&Arc<Endpoint>>, called: Option<Arc<Endpoint>>) -> Option<Arc<Endpoint>> {
    let (Some(own), Some(called)) = (own, &called) else { return own.cloned().or(called) };
    let is_whole = !own.name.is_empty() && own.service.is_some();
    if is_whole || Arc::ptr_eq(own, called) {
        return Some(Arc::clone(own));
    }
    let mut both = Endpoint::clone(own);
    if both.name.is_empty() {
        both.name = Arc::clone(&called.name);
    }
    both.service = both.service.or_else(|| called.service.clone());
    Some(Arc::new(both))
}
