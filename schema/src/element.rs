//! The description of one element: the contents of a row of the table.

use crate::group::Group;
use crate::record::FlowRecord;
use crate::value::Value;

/// The number space of an element's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Enterprise {
    /// IANA's "IPFIX Information Elements" registry.
    Iana,
    /// RFC 5103's reverse direction of an IANA element, private enterprise number 29305.
    Reverse,
    /// ntop's elements, private enterprise number 35632.
    Ntop,
    /// pidflow's own elements. The user can set the number; the default is 32473 (RFC 5612's example number).
    Pidflow,
}

impl Enterprise {
    /// RFC 5103's private enterprise number.
    pub const REVERSE_PEN: u32 = 29305;
    /// ntop's private enterprise number.
    pub const NTOP_PEN: u32 = 35632;
    /// RFC 5612's example number, the default for pidflow's own elements.
    pub const DEFAULT_OWN_PEN: u32 = 32473;

    /// The private enterprise number; none for IANA. `own` is the number set for pidflow's elements.
    #[must_use]
    pub const fn number(self, own: u32) -> Option<u32> {
        match self {
            Self::Iana => None,
            Self::Reverse => Some(Self::REVERSE_PEN),
            Self::Ntop => Some(Self::NTOP_PEN),
            Self::Pidflow => Some(own),
        }
    }
}

/// The abstract data types of RFC 7012 section 3.1 that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are RFC 7012's own")]
pub enum DataType {
    Unsigned8,
    Unsigned16,
    Unsigned32,
    Unsigned64,
    Signed64,
    String,
    Ipv4Address,
    Ipv6Address,
    MacAddress,
    DateTimeSeconds,
    DateTimeMilliseconds,
    DateTimeNanoseconds,
}

impl DataType {
    /// The name in RFC 7012 and in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsigned8 => "unsigned8",
            Self::Unsigned16 => "unsigned16",
            Self::Unsigned32 => "unsigned32",
            Self::Unsigned64 => "unsigned64",
            Self::Signed64 => "signed64",
            Self::String => "string",
            Self::Ipv4Address => "ipv4Address",
            Self::Ipv6Address => "ipv6Address",
            Self::MacAddress => "macAddress",
            Self::DateTimeSeconds => "dateTimeSeconds",
            Self::DateTimeMilliseconds => "dateTimeMilliseconds",
            Self::DateTimeNanoseconds => "dateTimeNanoseconds",
        }
    }

    /// The number of RFC 5610 section 3.1 (informationElementDataType, 339).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Unsigned8 => 1,
            Self::Unsigned16 => 2,
            Self::Unsigned32 => 3,
            Self::Unsigned64 => 4,
            Self::Signed64 => 8,
            Self::MacAddress => 12,
            Self::String => 13,
            Self::DateTimeSeconds => 14,
            Self::DateTimeMilliseconds => 15,
            Self::DateTimeNanoseconds => 17,
            Self::Ipv4Address => 18,
            Self::Ipv6Address => 19,
        }
    }

    /// Octets in IPFIX: the size in RFC 7012; none for strings.
    #[must_use]
    pub const fn octets(self) -> Option<u16> {
        match self {
            Self::Unsigned8 => Some(1),
            Self::Unsigned16 => Some(2),
            Self::Unsigned32 | Self::Ipv4Address | Self::DateTimeSeconds => Some(4),
            Self::MacAddress => Some(6),
            Self::Unsigned64 | Self::Signed64 | Self::DateTimeMilliseconds | Self::DateTimeNanoseconds => Some(8),
            Self::Ipv6Address => Some(16),
            Self::String => None,
        }
    }
}

/// The length of the element on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The same number of octets in IPFIX and NetFlow v9.
    Fixed(u16),
    /// IPFIX: variable length (RFC 7011 section 7). NetFlow v9 has no variable lengths: this many octets, zero padded
    /// with at least one zero, and the text cut at a character boundary.
    Variable {
        /// Octets in NetFlow v9.
        v9: u16,
    },
}

/// The semantics of RFC 7012 section 3.2, with the numbers of RFC 5610 section 3.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// No arithmetic meaning (0).
    Default,
    /// An amount at one time (1).
    Quantity,
    /// A growing total (2).
    TotalCounter,
    /// An amount since the last record (3).
    DeltaCounter,
    /// A number used as a name (4).
    Identifier,
    /// Bits (5).
    Flags,
}

impl Semantics {
    /// The number of RFC 5610 section 3.6.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Quantity => 1,
            Self::TotalCounter => 2,
            Self::DeltaCounter => 3,
            Self::Identifier => 4,
            Self::Flags => 5,
        }
    }

    /// The name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Quantity => "quantity",
            Self::TotalCounter => "totalCounter",
            Self::DeltaCounter => "deltaCounter",
            Self::Identifier => "identifier",
            Self::Flags => "flags",
        }
    }
}

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Unit {
    None,
    Octets,
    Packets,
    Hops,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Faults,
    /// Percent of one core (or of the time) times 100: 12.34 % is 1234.
    HundredthsOfPercent,
}

impl Unit {
    /// As printed by the element page and `pidflow fields`; empty for none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Octets => "octets",
            Self::Packets => "packets",
            Self::Hops => "hops",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
            Self::Faults => "faults",
            Self::HundredthsOfPercent => "percent x 100",
        }
    }

    /// The number of RFC 5610 section 3.7 (IANA "IPFIX Information Element Units"); 0 if the registry has none.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Octets => 2,
            Self::Packets => 3,
            Self::Seconds => 5,
            Self::Milliseconds => 6,
            Self::Microseconds => 7,
            Self::Nanoseconds => 8,
            Self::Hops => 11,
            Self::None | Self::Faults | Self::HundredthsOfPercent => 0,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Element {
    /// nProbe's name, which `-T "%NAME"` and the named JSON keys use.
    pub name: &'static str,
    /// Other names accepted in templates (nProbe's older ones, IANA's own).
    pub aliases: &'static [&'static str],
    /// The IPFIX name: IANA's if IANA has the element, otherwise one in the same style.
    pub ipfix_name: &'static str,
    /// Whose number space `id` is in.
    pub enterprise: Enterprise,
    /// The IPFIX element id.
    pub id: u16,
    /// The NetFlow v9 field type; none: the element is not sent in v9.
    pub v9: Option<u16>,
    /// RFC 7012 abstract data type.
    pub data_type: DataType,
    /// Octets on the wire.
    pub length: Length,
    /// Octets in NetFlow v9, if they differ from IPFIX's (TCP flags, times of system uptime).
    pub v9_length: u16,
    /// Unit of the value.
    pub unit: Unit,
    /// RFC 7012 semantics.
    pub semantics: Semantics,
    /// Which records have it.
    pub group: Group,
    /// The OpenTelemetry attribute; none if a field of the log record itself has the value.
    pub otel: Option<&'static str>,
    /// One sentence: meaning, range, source.
    pub doc: &'static str,
    /// Reads the value; none: unknown for this record.
    pub read: fn(&FlowRecord) -> Option<Value<'_>>,
    /// Writes the value, for records that are built from values (by a collector, a history); none: the element follows
    /// from others, or contains less than the record. The function returns none, and does not change the record, if the
    /// value has another type or is out of range.
    pub write: Option<Write>,
}

/// See [`Element::write`].
pub type Write = fn(&mut FlowRecord, &Value<'_>) -> Option<()>;

impl Element {
    /// nProbe's number notation for JSON keys: the NetFlow v9 field type if there is one (`8`, `57640`), otherwise
    /// `PEN.id`.
    #[must_use]
    pub fn numeric_key(&self, own_pen: u32) -> String {
        match (self.v9, self.enterprise.number(own_pen)) {
            (Some(n), _) if self.enterprise != Enterprise::Pidflow => n.to_string(),
            (_, Some(pen)) => format!("{pen}.{}", self.id),
            (_, None) => self.id.to_string(),
        }
    }

    /// The IPFIX number for JSON keys: `8` for IANA's elements, `PEN.id` (`35632.168`) for all others.
    #[must_use]
    pub fn dotted_key(&self, own_pen: u32) -> String {
        match self.enterprise.number(own_pen) {
            Some(pen) => format!("{pen}.{}", self.id),
            None => self.id.to_string(),
        }
    }
}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}
