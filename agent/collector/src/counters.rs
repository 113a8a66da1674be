//! What was received, and what happened to everything that is not a record.

/// A protocol of exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// NetFlow version 5.
    Netflow5,
    /// NetFlow version 9 (RFC 3954).
    Netflow9,
    /// IPFIX (RFC 7011).
    Ipfix,
    /// sFlow version 5.
    Sflow,
    /// Lines of JSON, as pidflow writes them.
    Json,
    /// Messages of nProbe and pidflow over ZeroMQ.
    Zmq,
}

impl Protocol {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::Netflow5, Self::Netflow9, Self::Ipfix, Self::Sflow, Self::Json, Self::Zmq];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Netflow5 => "netflow-v5",
            Self::Netflow9 => "netflow-v9",
            Self::Ipfix => "ipfix",
            Self::Sflow => "sflow",
            Self::Json => "json",
            Self::Zmq => "zmq",
        }
    }
}

/// Gives the enum its list and its names.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is counted beside datagrams and records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

events! {
    /// Datagrams of no protocol that is known.
    UnknownVersion = "unknown-version",
    /// Datagrams that are shorter than their header says.
    Truncated = "truncated",
    /// Datagrams that are longer than their header says; what the header covers was read.
    TrailingOctets = "trailing-octets",
    /// Sets with an impossible length; the rest of the message was not read.
    BadSet = "bad-set",
    /// Sets with a reserved number.
    ReservedSet = "reserved-set",
    /// Template records that contradict themselves.
    BadTemplate = "bad-template",
    /// Sets of data whose template did not come in time.
    UnknownTemplate = "unknown-template",
    /// Templates and waiting sets that would have exceeded the memory of their exporter.
    ExporterFull = "exporter-full",
    /// Sessions that were forgotten because all exporters together exceeded the memory.
    SessionEvicted = "session-evicted",
    /// Templates that were replaced by others with the same number.
    TemplateChanged = "template-changed",
    /// Templates that the exporter withdrew.
    TemplateWithdrawn = "template-withdrawn",
    /// Templates that were not sent again in time.
    TemplateExpired = "template-expired",
    /// Data records, and samples of sFlow, that are cut off or contradict themselves.
    BadRecord = "bad-record",
    /// Data records without addresses of source and destination, and packets of sFlow that are not IP.
    NotAFlow = "not-a-flow",
    /// Records of options templates.
    Options = "options",
    /// Samples of sFlow that contain counters and no packets, and samples of kinds that are not known.
    OtherSample = "other-sample",
    /// Messages of ZeroMQ on other topics than flows, such as events and counters of interfaces.
    OtherTopic = "other-topic",
    /// Messages of ZeroMQ whose payload is no JSON, TLV or zlib, or is too long.
    BadPayload = "bad-payload",
    /// Connections of ZeroMQ that were closed: the peer is no publisher, wants encryption, or sent too much at once.
    BadPeer = "bad-peer",
    /// Connections over TLS that were closed: no handshake in time, or no certificate of the clients' authority.
    TlsRefused = "tls-refused",
    /// Records that this collector has passed on before, or too many others.
    Looped = "looped",
    /// Keys of JSON that are no names or numbers of elements, and were left out.
    UnknownKey = "unknown-key",
    /// Values that do not fit their element, and were left out.
    BadValue = "bad-value",
    /// Texts that were cut, and lists of other elements that were not complete.
    Cut = "cut",
    /// Records without a time, or with one more than a day ahead; they have the time of their message, or of its arrival.
    NoTime = "no-time",
    /// Records of a sampler whose rate is not known; their counters were not multiplied.
    SamplingUnknown = "sampling-unknown",
    /// Records that never arrived, by the exporter's sequence numbers.
    LostRecords = "lost-records",
    /// Datagrams that never arrived, by the exporter's sequence numbers.
    LostDatagrams = "lost-datagrams",
    /// Datagrams that arrived after later ones.
    Late = "late",
    /// Exporters that began to count anew.
    Restarted = "restarted",
}

impl Event {
    /// What was lost, where this is a loss of flows.
    #[must_use]
    pub const fn lost(self) -> Option<&'static str> {
        match self {
            Self::UnknownVersion | Self::Truncated | Self::BadPayload | Self::LostDatagrams => {
                Some("datagrams of exporters lost")
            }
            Self::BadSet | Self::UnknownTemplate | Self::ExporterFull => Some("sets of exporters lost"),
            Self::BadRecord | Self::LostRecords => Some("records of exporters lost"),
            _ => None,
        }
    }
}

/// Counters since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    datagrams: [u64; Protocol::ALL.len()],
    octets: [u64; Protocol::ALL.len()],
    records: [u64; Protocol::ALL.len()],
    events: [u64; Event::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        let none = [0; Protocol::ALL.len()];
        Self { datagrams: none, octets: none, records: none, events: [0; Event::ALL.len()] }
    }
}

impl Counters {
    /// Datagrams with the header of this protocol (over TCP: messages).
    #[must_use]
    pub fn datagrams(&self, protocol: Protocol) -> u64 {
        at(&self.datagrams, protocol as usize)
    }

    /// Octets of those datagrams.
    #[must_use]
    pub fn octets(&self, protocol: Protocol) -> u64 {
        at(&self.octets, protocol as usize)
    }

    /// Flow records from those datagrams.
    #[must_use]
    pub fn records(&self, protocol: Protocol) -> u64 {
        at(&self.records, protocol as usize)
    }

    /// How often this happened.
    #[must_use]
    pub fn events(&self, event: Event) -> u64 {
        at(&self.events, event as usize)
    }

    /// Adds those of another collector.
    pub fn add(&mut self, other: &Self) {
        let all = [&mut self.datagrams, &mut self.octets, &mut self.records];
        for (mine, theirs) in all.into_iter().zip([&other.datagrams, &other.octets, &other.records]) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.events.iter_mut().zip(&other.events).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(crate) fn datagram(&mut self, protocol: Protocol, octets: usize) {
        increase(&mut self.datagrams, protocol as usize, 1);
        increase(&mut self.octets, protocol as usize, octets as u64);
    }

    pub(crate) fn record(&mut self, protocol: Protocol) {
        increase(&mut self.records, protocol as usize, 1);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.event_times(event, 1);
    }

    pub(crate) fn event_times(&mut self, event: Event, times: u64) {
        increase(&mut self.events, event as usize, times);
    }

    /// A loss that turned out to be only a delay.
    pub(crate) fn not_lost(&mut self, event: Event, times: u64) {
        if let Some(count) = self.events.get_mut(event as usize) {
            *count = count.saturating_sub(times);
        }
    }
}

fn at(counts: &[u64], place: usize) -> u64 {
    counts.get(place).copied().unwrap_or_default()
}

fn increase(counts: &mut [u64], place: usize, by: u64) {
    if let Some(count) = counts.get_mut(place) {
        *count += by;
    }
}
