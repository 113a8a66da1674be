//! Converts flow records to NetFlow v9 packets of bounded size.

use pidflow_schema::FlowRecord;

use crate::template::Template;
use crate::wire::{Clock, Draft, EncoderStats, Message, Resend, ResendClock, Variants};

use super::{ALIGN, FORMAT, HEADER, VERSION, largest, put_template};

const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_MS: u64 = 1000;
/// How long before the oldest record the system's start is assumed.
const HEAD_START_MS: u64 = 24 * 3600 * SECOND_MS;
/// Uptime after which the system's start is moved: 40 of the 49.7 days that 32 bits of milliseconds can represent.
const MAX_UPTIME_MS: u64 = 40 * 24 * 3600 * SECOND_MS;

/// Options of a [`Netflow9Encoder`].
#[derive(Debug, Clone)]
pub struct Netflow9Options {
    /// Source id (RFC 3954 section 5.1).
    pub source_id: u32,
    /// Largest packet, in octets.
    pub max_message: usize,
    /// When templates are sent again.
    pub resend: Resend,
}

impl Default for Netflow9Options {
    fn default() -> Self {
        Self { source_id: 0, max_message: 1420, resend: Resend::default() }
    }
}

/// Converts flow records to NetFlow v9 packets, with templates as in [`crate::ipfix::IpfixEncoder`].
///
/// `FIRST_SWITCHED` and `LAST_SWITCHED` count from the start of a system, which is assumed one day before the oldest
/// record. The header's clock is rounded up to a whole second, because a receiver can compute the flow's milliseconds
/// only if the header's seconds and its uptime are the same moment.
pub struct Netflow9Encoder {
    options: Netflow9Options,
    variants: Variants,
    draft: Draft,
    /// When the system uptime was 0, milliseconds since the epoch.
    boot_ms: Option<u64>,
    /// Packets sent (RFC 3954 section 5.1).
    sequence: u32,
    /// Template records in the packet under construction, which its header counts.
    templates: usize,
    resend: ResendClock,
    stats: EncoderStats,
}

impl Netflow9Encoder {
    /// An encoder that has sent no template yet.
    #[must_use]
    pub fn new(template: Template, options: Netflow9Options) -> Self {
        Self {
            draft: Draft::new(HEADER, ALIGN, options.max_message),
            variants: Variants::new(template, FORMAT, options.resend),
            boot_ms: None,
            sequence: 0,
            templates: 0,
            resend: ResendClock::default(),
            stats: EncoderStats::default(),
            options,
        }
    }

    /// The packet size into which the template's largest record fits.
    #[must_use]
    pub fn least_message(template: &Template) -> usize {
        HEADER + largest(template)
    }

    /// Statistics so far.
    #[must_use]
    pub const fn stats(&self) -> EncoderStats {
        self.stats
    }

    /// Sends every template again before its next record: the receiver may have started again.
    pub fn announce_again(&mut self) {
        self.variants.forget();
    }

    /// Limits later packets to that many octets, but not below [`Self::least_message`].
    pub const fn set_max_message(&mut self, octets: usize) {
        self.options.max_message = octets;
    }

    /// Encodes `records`, handing each complete packet to `sink`; nothing stays behind. `now_ns` is the
    /// wall clock, nanoseconds since the epoch.
    pub fn encode(&mut self, records: &[FlowRecord], now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        for record in records {
            if self.draft.is_empty() && self.resend.due(self.options.resend, now_ns, self.stats.messages) {
                self.variants.forget();
            }
            self.record(record, now_ns, sink);
        }
        self.flush(now_ns, sink);
    }

    fn record(&mut self, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let Some(index) = self.variants.of(record, now_ns) else {
            self.stats.no_template += 1;
            return;
        };
        if self.variants.get(index).is_none_or(|v| v.elements.is_empty()) {
            self.stats.empty += 1;
            return;
        }
        self.set_boot(record, now_ns, sink);
        let clock = self.clock(now_ns);
        if !self.variants.get(index).is_some_and(|v| v.can_tell(record, clock)) {
            self.stats.time_out_of_range += 1;
        } else if !self.append(index, record) {
            self.flush(now_ns, sink);
            self.append_first(index, record, now_ns, sink);
        }
    }

    fn clock(&self, now_ns: u64) -> Clock {
        Clock { now_ns, boot_ms: self.boot_ms.unwrap_or(0), text_limit: usize::MAX }
    }

    /// Appends to an empty packet. If template and record do not fit into one packet, the template is sent first.
    fn append_first(&mut self, variant: usize, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        if !self.append(variant, record) {
            self.announce(variant);
            self.flush(now_ns, sink);
            self.stats.oversized += u64::from(!self.append(variant, record));
        }
    }

    /// Appends the variant's template, if it is due.
    fn announce(&mut self, index: usize) {
        if let Some(variant) = self.variants.get_mut(index).filter(|v| !v.announced) {
            put_template(variant, &mut self.draft);
            variant.announced = true;
            self.templates += 1;
        }
    }

    /// Each packet states when the system started. So the start can be moved when a record is older than it, or when
    /// the uptime would soon overflow.
    fn set_boot(&mut self, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let (now_ms, first_ms) = (now_ns / MILLISECOND_NS, record.flow.first_ns.min(now_ns) / MILLISECOND_NS);
        if self.boot_ms.is_none_or(|boot| first_ms < boot || now_ms.saturating_sub(boot) > MAX_UPTIME_MS) {
            self.flush(now_ns, sink);
            self.boot_ms = Some(first_ms.saturating_sub(HEAD_START_MS));
        }
    }

    /// Appends the record, preceded by its template if that is due. Returns false, and appends nothing, if there is no
    /// room.
    fn append(&mut self, index: usize, record: &FlowRecord) -> bool {
        let Some(variant) = self.variants.get_mut(index) else { return false };
        let mark = self.draft.mark();
        if !variant.announced {
            put_template(variant, &mut self.draft);
        }
        self.draft.open(variant.id);
        let clock = Clock { now_ns: 0, boot_ms: self.boot_ms.unwrap_or(0), text_limit: usize::MAX };
        variant.write(record, clock, self.draft.body());
        if self.draft.len() > self.options.max_message {
            self.draft.rewind(mark);
            return false;
        }
        self.templates += usize::from(!variant.announced);
        variant.announced = true;
        self.draft.count();
        true
    }

    /// Completes the packet and passes it to the sink.
    fn flush(&mut self, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        if self.draft.is_empty() {
            return;
        }
        self.draft.close();
        self.put_header(now_ns);
        let records = self.draft.records();
        sink(Message { bytes: self.draft.bytes(), records });
        self.stats.octets += self.draft.len() as u64;
        self.sequence = self.sequence.wrapping_add(1);
        self.stats.records += records as u64;
        self.stats.templates += self.templates as u64;
        self.stats.messages += 1;
        self.templates = 0;
        self.draft.clear();
    }

    /// RFC 3954 section 5.1. Seconds and uptime are the same moment, even if one of them cannot represent the time.
    fn put_header(&mut self, now_ns: u64) {
        let count = u16::try_from(self.draft.records() + self.templates).unwrap_or(u16::MAX);
        let (boot_ms, longest) = (self.boot_ms.unwrap_or(0), u64::from(u32::MAX));
        let seconds = (now_ns / MILLISECOND_NS).div_ceil(SECOND_MS).min(longest).min((boot_ms + longest) / SECOND_MS);
        let uptime = (seconds * SECOND_MS).saturating_sub(boot_ms);
        self.draft.patch(0, &VERSION.to_be_bytes());
        self.draft.patch(2, &count.to_be_bytes());
        self.draft.patch(4, &(uptime as u32).to_be_bytes());
        self.draft.patch(8, &(seconds as u32).to_be_bytes());
        self.draft.patch(12, &self.sequence.to_be_bytes());
        self.draft.patch(16, &self.options.source_id.to_be_bytes());
    }
}
