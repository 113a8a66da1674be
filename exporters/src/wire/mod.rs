//! The common parts of IPFIX and NetFlow v9: flat plans for writing a record, one per combination of groups, and the
//! message under construction.

mod field;
mod message;
mod template_ids;
pub(crate) mod utf8;
mod variant;
mod variants;

pub(crate) use field::{Clock, Field, Op};
pub(crate) use message::Draft;
pub(crate) use utf8::prefix as utf8_prefix;
pub(crate) use variant::{Format, Variant};
pub(crate) use variants::Variants;

/// One complete message, borrowed from its encoder until the next one is begun.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The encoded message.
    pub bytes: &'a [u8],
    /// Number of flow records in it; templates and options records do not count.
    pub records: usize,
}

/// An encoder's statistics since it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncoderStats {
    /// Flow records written.
    pub records: u64,
    /// Messages passed to the sink.
    pub messages: u64,
    /// Octets of these messages.
    pub octets: u64,
    /// Template records written, including repeated ones.
    pub templates: u64,
    /// Records whose strings were cut because the record alone was larger than a message may be.
    pub shortened: u64,
    /// Records left out because they have none of the template's elements.
    pub empty: u64,
    /// Records left out because even their fixed part does not fit into a message.
    pub oversized: u64,
    /// Records left out because no template number was free for their combination of groups.
    pub no_template: u64,
    /// Records left out because the format cannot represent one of their times.
    pub time_out_of_range: u64,
}

impl EncoderStats {
    /// These statistics, but with the numbers of left-out records of `before`.
    pub(crate) const fn with_left_out_of(self, before: Self) -> Self {
        let Self { empty, oversized, no_template, time_out_of_range, .. } = before;
        Self { empty, oversized, no_template, time_out_of_range, ..self }
    }
}

/// An observation domain (RFC 7011 section 3.1) or source id (RFC 3954 section 5.1) that is constant for a node: a
/// CRC-32 of its machine id or name. It is never 0, which means no domain.
#[must_use]
pub fn node_domain(node: &str) -> u32 {
    crc32fast::hash(node.as_bytes()).max(1)
}

/// When templates are sent again (RFC 7011 section 8.1, RFC 3954 section 9), over transports that may lose them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// After this many nanoseconds; 0: never.
    pub interval_ns: u64,
    /// After this many messages; 0: never.
    pub messages: u64,
}

impl Resend {
    /// For reliable connections: templates are sent once.
    pub const NEVER: Self = Self { interval_ns: 0, messages: 0 };
}

impl Default for Resend {
    /// Every 30 seconds or 200 messages, whichever comes first.
    fn default() -> Self {
        Self { interval_ns: 30_000_000_000, messages: 200 }
    }
}

/// Remembers when templates were sent last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResendClock {
    at_ns: u64,
    messages: u64,
}

impl ResendClock {
    /// Whether templates are due at `now_ns`, after `messages` messages in total. If they are, the interval starts
    /// again.
    pub(crate) fn due(&mut self, rule: Resend, now_ns: u64, messages: u64) -> bool {
        let by_time = rule.interval_ns != 0 && now_ns.saturating_sub(self.at_ns) >= rule.interval_ns;
        let by_count = rule.messages != 0 && messages - self.messages >= rule.messages;
        if by_time || by_count {
            *self = Self { at_ns: now_ns, messages };
        }
        by_time || by_count
    }
}
