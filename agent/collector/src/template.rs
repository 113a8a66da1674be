//! Templates of IPFIX and NetFlow v9.

use pidflow_schema::Enterprise;

use crate::counters::Protocol;
use crate::field::{Action, End, Field, Time, VARIABLE};
use crate::known::Known;
use crate::octets::Octets;

/// Field specifier bit that says that an enterprise number follows (RFC 7011 section 3.2).
const ENTERPRISE_BIT: u16 = 0x8000;
/// The field type of NetFlow v9 for the scope "interface" (RFC 3954 section 6.1).
const V9_SCOPE_INTERFACE: u16 = 2;
/// Element ingressInterface.
const INGRESS_INTERFACE: u16 = 10;
/// Elements of addresses: of the source, of the destination.
const ADDRESSES: [[u16; 2]; 2] = [[8, 27], [12, 28]];
/// Element flowEndReason.
const FLOW_END_REASON: u16 = 136;
/// Octets and packets that routers counted behind themselves; ntop's programs and NetFlow v9 mean the way back.
const POST_COUNTERS: [u16; 2] = [23, 24];

/// A template, compiled to what is done with each field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) fields: Box<[Field]>,
    /// Fields at its beginning that are the scope; 0: its records are flows.
    pub(crate) scopes: u16,
    /// The shortest record, octets; more than 0.
    pub(crate) min_octets: usize,
    /// Whether its records have both addresses.
    pub(crate) is_flow: bool,
    /// Whether its records say why the flow ended.
    pub(crate) tells_end: bool,
    /// Identifies the octets that it was made from.
    pub(crate) checksum: u64,
    /// When it was sent last, nanoseconds since the epoch.
    pub(crate) sent_ns: u64,
    /// What it was made from, to make it again after a restart.
    pub(crate) octets: Box<[u8]>,
}

/// What a record in a set of templates says.
#[derive(Debug)]
pub(crate) enum Announced {
    Template(u16, Template),
    /// This template is withdrawn; below 256: all templates, or all options templates.
    Withdrawn(u16),
}

/// One field specifier.
#[derive(Debug, Clone, Copy)]
struct Specifier {
    pen: u32,
    id: u16,
    length: u16,
}

impl Template {
    /// Memory that it keeps, bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.fields) + self.octets.len()
    }

    fn new(specifiers: &[Specifier], scopes: u16, octets: &[u8], known: &Known, protocol: Protocol) -> Option<Self> {
        let all = Compiler::new(specifiers, known, protocol);
        let fields: Box<[Field]> =
            (0..).zip(specifiers).filter(|(_, s)| s.length > 0).map(|(n, s)| all.field(*s, n < scopes)).collect();
        let min_octets = fields.iter().map(|f| if f.length == VARIABLE { 1 } else { usize::from(f.length) }).sum();
        let has = |ids: [u16; 2]| specifiers.iter().any(|s| s.pen == 0 && ids.contains(&s.id));
        let is_flow = scopes == 0 && ADDRESSES.into_iter().all(has);
        let tells_end = specifiers.iter().any(|s| s.pen == 0 && s.id == FLOW_END_REASON);
        let checksum = foldhash::fast::FixedState::default();
        let checksum = std::hash::BuildHasher::hash_one(&checksum, octets);
        let octets = octets.into();
        (min_octets > 0).then_some(Self {
            fields,
            scopes,
            min_octets,
            is_flow,
            tells_end,
            checksum,
            sent_ns: 0,
            octets,
        })
    }
}

/// Turns specifiers into fields.
struct Compiler<'a> {
    known: &'a Known,
    protocol: Protocol,
    /// Zeros in it are values.
    is_pidflow: bool,
    is_ntop: bool,
    /// The most precise of its times, for start and end.
    precision: [u8; 2],
}

impl<'a> Compiler<'a> {
    fn new(specifiers: &[Specifier], known: &'a Known, protocol: Protocol) -> Self {
        let mut all = Self {
            known,
            protocol,
            is_pidflow: specifiers.iter().any(|s| known.is_own(s.pen, s.id)),
            is_ntop: specifiers.iter().any(|s| Known::is_ntop(s.pen, s.id))
                && !specifiers.iter().any(|s| s.pen == Enterprise::REVERSE_PEN),
            precision: [0; 2],
        };
        let most = |end| {
            let of_end = specifiers.iter().filter_map(|s| precision(all.action(*s))).filter(|(e, _)| *e == end);
            of_end.map(|(_, own)| own).max().unwrap_or_default()
        };
        all.precision = [most(End::Start), most(End::Stop)];
        all
    }

    fn action(&self, s: Specifier) -> Action {
        let is_way_back = s.pen == 0 && self.is_ntop && POST_COUNTERS.contains(&s.id);
        match self.protocol {
            Protocol::Netflow9 => self.known.netflow9(s.id),
            _ if is_way_back => self.known.netflow9(s.id),
            _ => self.known.ipfix(s.pen, s.id),
        }
    }

    fn field(&self, s: Specifier, is_scope: bool) -> Field {
        let mut action = if is_scope { self.scope(s) } else { self.action(s) };
        let is_coarse = |(end, own)| {
            let [start, stop] = self.precision;
            own < if end == End::Start { start } else { stop }
        };
        if precision(action).is_some_and(is_coarse) {
            action = Action::Skip;
        }
        Field { action, length: s.length, zero_waits: self.zero_waits(action) }
    }

    /// The numbers of scopes in NetFlow v9 are not those of its types.
    fn scope(&self, s: Specifier) -> Action {
        match (self.protocol, s.id) {
            (Protocol::Netflow9, V9_SCOPE_INTERFACE) => self.known.netflow9(INGRESS_INTERFACE),
            (Protocol::Netflow9, _) => Action::Skip,
            _ => self.action(s),
        }
    }

    fn zero_waits(&self, action: Action) -> bool {
        matches!(action, Action::Write(place) if self.known.zero_waits(place.into(), self.is_pidflow))
    }
}

/// Which end of the flow's time it is, and how precise: a template may have the same time in seconds and in milliseconds.
fn precision(action: Action) -> Option<(End, u8)> {
    match action {
        Action::Time(Time::Seconds(end)) => Some((end, 1)),
        Action::Time(Time::Uptime(end)) => Some((end, 2)),
        Action::Time(Time::Milliseconds(end)) => Some((end, 3)),
        Action::Time(Time::Before(end)) => Some((end, 4)),
        Action::Time(Time::Ntp(end)) => Some((end, 5)),
        _ => None,
    }
}

/// Reads the next template of a set; none: the set is at its end, or contradicts itself.
pub(crate) fn next(set: &mut Octets<'_>, kind: SetKind, known: &Known) -> Option<Announced> {
    let whole = set.rest();
    let id = set.u16()?;
    let (specifiers, scopes) = match kind {
        SetKind::Netflow9Options => v9_options(set)?,
        SetKind::Netflow9 => {
            let count = set.u16()?;
            (specifiers(set, count, false)?, 0)
        }
        SetKind::Ipfix | SetKind::IpfixOptions => {
            let count = set.u16()?;
            if count == 0 {
                return Some(Announced::Withdrawn(id));
            }
            let scopes =
                if kind == SetKind::IpfixOptions { set.u16().filter(|n| (1..=count).contains(n))? } else { 0 };
            (specifiers(set, count, true)?, scopes)
        }
    };
    let octets = whole.get(..whole.len() - set.len())?;
    let template = Template::new(&specifiers, scopes, octets, known, kind.protocol())?;
    (id >= FIRST_DATA_SET).then_some(Announced::Template(id, template))
}

/// Smallest number of a set of data, and so of a template (RFC 7011 section 3.3.2).
pub(crate) const FIRST_DATA_SET: u16 = 256;

/// A kind of set with templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetKind {
    Ipfix,
    IpfixOptions,
    Netflow9,
    Netflow9Options,
}

impl SetKind {
    /// The kind of set in which a template of this protocol is; none: it has no templates.
    pub(crate) const fn of(protocol: Protocol, is_options: bool) -> Option<Self> {
        match (protocol, is_options) {
            (Protocol::Ipfix, false) => Some(Self::Ipfix),
            (Protocol::Ipfix, true) => Some(Self::IpfixOptions),
            (Protocol::Netflow9, false) => Some(Self::Netflow9),
            (Protocol::Netflow9, true) => Some(Self::Netflow9Options),
            _ => None,
        }
    }

    const fn protocol(self) -> Protocol {
        match self {
            Self::Ipfix | Self::IpfixOptions => Protocol::Ipfix,
            Self::Netflow9 | Self::Netflow9Options => Protocol::Netflow9,
        }
    }
}

fn specifiers(set: &mut Octets<'_>, count: u16, is_ipfix: bool) -> Option<Vec<Specifier>> {
    // Each takes at least four octets.
    if usize::from(count) * 4 > set.len() {
        return None;
    }
    (0..count).map(|_| specifier(set, is_ipfix)).collect()
}

fn specifier(set: &mut Octets<'_>, is_ipfix: bool) -> Option<Specifier> {
    let (id, length) = (set.u16()?, set.u16()?);
    if is_ipfix && id & ENTERPRISE_BIT != 0 {
        return Some(Specifier { pen: set.u32()?, id: id & !ENTERPRISE_BIT, length });
    }
    // NetFlow v9 has no variable lengths, and no field can be as long as a whole datagram.
    (is_ipfix || length != VARIABLE).then_some(Specifier { pen: 0, id, length })
}

/// RFC 3954 section 6.1: both lengths are in octets.
fn v9_options(set: &mut Octets<'_>) -> Option<(Vec<Specifier>, u16)> {
    let (scopes, others) = (set.u16()? / 4, set.u16()? / 4);
    let count = scopes.checked_add(others)?;
    // Without a scope its records would be taken for flows.
    (scopes > 0).then_some((specifiers(set, count, false)?, scopes))
}
