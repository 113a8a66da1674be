//! DNS messages (RFC 1035), and the names that they resolve.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use domain::base::iana::{Class, Rtype};
use domain::base::name::{Label, ParsedName};
use domain::base::{Message, RecordSection};
use domain::rdata::{A, Aaaa};
use pidflow_schema::record::DnsResponse;

/// The greatest number of addresses that are kept of one response.
const MAX_ADDRESSES: usize = 32;
/// The greatest number of queries of one flow whose responses are waited for. A further one takes the place of the oldest.
const MAX_WAITING: usize = 8;

/// A response of DNS to a query that was seen: addresses for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAnswer {
    /// When the response was captured, nanoseconds, in the packets' time.
    pub time_ns: u64,
    /// IP protocol number of the flow.
    pub protocol: u8,
    /// Address and port that asked.
    pub client: (IpAddr, u16),
    /// Address and port that answered.
    pub server: (IpAddr, u16),
    /// Inode number of the network namespace behind the interfaces that saw the flow; none: unknown.
    pub network_namespace: Option<u32>,
    /// The name that was asked for.
    pub name: Arc<str>,
    /// The addresses, each with its time to live in seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// A message with one question at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DnsMessage {
    id: u16,
    pub(super) name: Arc<str>,
    pub(super) query_type: u16,
    /// None: it is a query.
    pub(super) response: Option<Answered>,
}

/// A name and its addresses, each with its time to live in seconds.
pub(crate) type Resolved = (Arc<str>, Vec<(IpAddr, u32)>);

impl DnsMessage {
    /// What the message resolves; none: it is no response, or one without addresses.
    pub(super) fn resolved(self) -> Option<Resolved> {
        let answered = self.response.filter(|answered| answered.code == 0 && !answered.addresses.is_empty())?;
        Some((self.name, answered.addresses))
    }
}

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) code: u8,
    pub(super) answers: u16,
    pub(super) addresses: Vec<(IpAddr, u32)>,
}

impl Answered {
    /// For the record.
    pub(super) fn response(&self) -> DnsResponse {
        let mut addresses = String::new();
        for (index, (address, _)) in self.addresses.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(addresses, "{}{address}", if index == 0 { "" } else { "," });
        }
        DnsResponse { code: self.code, answers: self.answers, addresses: addresses.into() }
    }
}

/// Reads a message. It must be whole and nothing else, unless `may_be_cut` says that its end may be missing.
pub(super) fn read(bytes: &[u8], may_be_cut: bool) -> Option<DnsMessage> {
    let message = Message::from_slice(bytes).ok()?;
    let question = message.first_question()?;
    let is_whole = is_whole(message) == Some(bytes.len());
    if !(is_whole || may_be_cut) || !is_class(question.qclass()) || is_netbios(question.qtype(), question.qname()) {
        return None;
    }
    let header = message.header();
    Some(DnsMessage {
        id: header.id(),
        name: question.qname().to_string().into(),
        query_type: question.qtype().to_int(),
        response: header.qr().then(|| Answered {
            code: header.rcode().to_int(),
            answers: message.header_counts().ancount(),
            addresses: message.answer().map(addresses).unwrap_or_default(),
        }),
    })
}

/// The Internet, CHAOS (`version.bind`) or any; the highest bit belongs to multicast DNS (RFC 6762 section 5.4).
fn is_class(class: Class) -> bool {
    matches!(Class::from_int(class.to_int() & 0x7fff), Class::IN | Class::CH | Class::ANY)
}

/// NetBIOS names (RFC 1002 section 4.2) have messages of the same form, with a first label of 32 letters from A to P.
fn is_netbios(query_type: Rtype, name: &ParsedName<&[u8]>) -> bool {
    let is_encoded = |label: &Label| label.len() == 32 && label.as_slice().iter().all(|c| matches!(c, b'A'..=b'P'));
    matches!(query_type.to_int(), 32 | 33) && name.iter().next().is_some_and(is_encoded)
}

/// The length of the message; none: a record is malformed or incomplete.
fn is_whole(message: &Message<[u8]>) -> Option<usize> {
    let mut section = message.answer().ok()?;
    loop {
        for record in section.by_ref() {
            record.ok()?;
        }
        let end = section.pos();
        match section.next_section().ok()? {
            Some(next) => section = next,
            None => return Some(end),
        }
    }
}

/// The addresses in the answer section, also those behind aliases (CNAME).
fn addresses(section: RecordSection<'_, [u8]>) -> Vec<(IpAddr, u32)> {
    let mut found = Vec::new();
    for record in section.flatten().filter(|record| record.class() == Class::IN).take(usize::from(u8::MAX)) {
        let ttl = record.ttl().as_secs();
        let address = match record.rtype() {
            Rtype::A => record.to_record::<A>().ok().flatten().map(|a| IpAddr::V4(a.data().addr())),
            Rtype::AAAA => record.to_record::<Aaaa>().ok().flatten().map(|a| IpAddr::V6(a.data().addr())),
            _ => None,
        };
        found.extend(address.map(|address| (address, ttl)));
        if found.len() == MAX_ADDRESSES {
            break;
        }
    }
    found
}

/// Queries of one flow that wait for their responses.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queries: [Option<(u16, u16, u32)>; MAX_WAITING],
    next: u8,
}

impl Waiting {
    /// Notes a query.
    pub(super) fn add(&mut self, query: &DnsMessage) {
        if let Some(place) = self.queries.get_mut(usize::from(self.next) % MAX_WAITING) {
            *place = Some(fingerprint(query));
        }
        self.next = self.next.wrapping_add(1);
    }

    /// Whether this is the first response to a query that waits.
    pub(super) fn answers(&mut self, response: &DnsMessage) -> bool {
        let wanted = Some(fingerprint(response));
        let place = self.queries.iter_mut().find(|query| **query == wanted);
        place.and_then(Option::take).is_some()
    }
}

/// Id, type, and FNV-1a hash of the name in lower case, because servers may answer with other letter case.
fn fingerprint(message: &DnsMessage) -> (u16, u16, u32) {
    let hash = message
        .name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193));
    (message.id, message.query_type, hash)
}
