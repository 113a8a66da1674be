//! What is done with one field of a template.

/// The ends of a flow's time, in order of precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Start,
    Stop,
}

/// A time that depends on other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Seconds since the epoch.
    Seconds(End),
    /// Milliseconds since the epoch.
    Milliseconds(End),
    /// Milliseconds of uptime (flowStartSysUpTime, flowEndSysUpTime).
    Uptime(End),
    /// Seconds and fractions in NTP's format (RFC 7011 sections 6.1.9 and 6.1.10).
    Ntp(End),
    /// Microseconds before the message was sent (flowStartDeltaMicroseconds).
    Before(End),
    /// Duration in units of this many nanoseconds.
    Duration(u32),
    /// When the uptime was 0, milliseconds since the epoch (systemInitTimeMilliseconds).
    Boot,
    /// The time of an event, in units of this many nanoseconds (observationTimeMilliseconds).
    Event(u32),
}

/// A part of a sampling rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// One in so many packets.
    Interval,
    /// Number of the sampler or selector.
    Sampler,
    /// Packets taken in a row (samplingPacketInterval).
    Taken,
    /// Packets left out between them (samplingPacketSpace).
    Space,
    /// Packets taken of a population (samplingSize).
    Size,
    /// The population (samplingPopulation).
    Population,
    /// The probability (samplingProbability), a floating-point number.
    Probability,
}

/// What is done with the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: it is padding, or follows from others.
    Skip,
    /// It is written to the record by the element with this place in the table.
    Write(u16),
    /// The same, if the value is not zero: the template may have several fields for one value.
    Alias(u16),
    /// Flags of the direction of the record.
    TcpFlags,
    /// Flags of the way back.
    ReverseTcpFlags,
    /// The type of ICMP or ICMPv6 alone.
    IcmpType,
    /// The code of ICMP or ICMPv6 alone.
    IcmpCode,
    Time(Time),
    Sampling(Sampling),
    /// In options: the name of an interface.
    InterfaceName,
    /// In options: the description of an interface.
    InterfaceDescription,
    /// It is kept by its number.
    Other {
        pen: u32,
        id: u16,
    },
}

/// Length of a field of variable length in a template (RFC 7011 section 7).
pub(crate) const VARIABLE: u16 = u16::MAX;

/// One field of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) action: Action,
    /// Octets, or [`VARIABLE`].
    pub(crate) length: u16,
    /// A zero may mean that the value is not known: it is written only if the record has other elements of its group.
    pub(crate) zero_waits: bool,
}
