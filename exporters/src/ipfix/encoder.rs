//! Flow records to IPFIX messages of bounded size.

use pidflow_schema::{Enterprise, FlowRecord};

use crate::metric_source::MetricSource;
use crate::template::Template;
use crate::wire::{Clock, Draft, EncoderStats, Message, Resend, ResendClock, Variants};

use super::announcements::Announcements;
use super::direction::one_way;
use super::{Direction, HEADER, SET_HEADER, VERSION, WITHDRAWAL, largest, put_template, put_withdrawals};

/// Longest text that a length of 16 bits allows.
const WHOLE_TEXT: usize = u16::MAX as usize;
/// First limit for the texts of a record that is larger than a message.
const FIRST_CUT: usize = 1024;
/// Maximum number of template withdrawals in a set.
const MAX_WITHDRAWALS: usize = 1024;
/// Smallest message for options records: the statistics and one type, each with its options template.
const OPTIONS_MESSAGE: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;

/// Options of an [`IpfixEncoder`].
#[derive(Debug, Clone)]
pub struct IpfixOptions {
    /// Observation domain id (RFC 7011 section 3.1).
    pub domain: u32,
    /// Private enterprise number of pidflow's own elements.
    pub own_pen: u32,
    /// Largest message, in octets.
    pub max_message: usize,
    /// When templates are sent again.
    pub resend: Resend,
    /// How both directions of a flow are sent.
    pub direction: Direction,
    /// Whether options records are sent with the templates: the types of the enterprise elements in use (RFC 5610),
    /// statistics and interface names. They count in the sequence (RFC 7011 section 3.1), which nfdump 1.7 does not know
    /// and reports as sequence errors.
    pub options_records: bool,
    /// After how many nanoseconds the statistics are sent again; 0: only with the templates.
    pub statistics_ns: u64,
    /// The agent's metrics for the statistics; none: only the exporter's own.
    pub metrics: Option<MetricSource>,
}

impl Default for IpfixOptions {
    /// As for UDP: 1420 octets pass an Ethernet path with room for tunnels.
    fn default() -> Self {
        Self {
            domain: 0,
            own_pen: Enterprise::DEFAULT_OWN_PEN,
            max_message: 1420,
            resend: Resend::default(),
            direction: Direction::Biflow,
            options_records: false,
            statistics_ns: 0,
            metrics: None,
        }
    }
}

/// Turns flow records into IPFIX messages.
///
/// Each combination of groups that occurs gets a template of its own, sent before its first record
/// and again as [`Resend`] says; options records come at the start and again with them. A record is never split; one that is larger than a whole message has its texts cut.
pub struct IpfixEncoder {
    options: IpfixOptions,
    variants: Variants,
    draft: Draft,
    /// Data records sent before the message under construction (RFC 7011 section 3.1).
    sequence: u32,
    resend: ResendClock,
    /// Options records; none: none are sent.
    announcements: Option<Announcements>,
    /// Whether the current record is the reverse direction of a record that was counted.
    is_way_back: bool,
    /// Flow records that did not reach the encoder or the network, as counted by its owner.
    not_sent: u64,
    stats: EncoderStats,
}

impl IpfixEncoder {
    /// An encoder that has sent no template yet.
    #[must_use]
    pub fn new(template: Template, options: IpfixOptions) -> Self {
        Self {
            draft: Draft::new(HEADER, 1, options.max_message),
            announcements: options.options_records.then(|| Announcements::new(&template, &options)),
            variants: Variants::new(template, options.direction.format(), options.resend),
            sequence: 0,
            resend: ResendClock::default(),
            is_way_back: false,
            not_sent: 0,
            stats: EncoderStats::default(),
            options,
        }
    }

    /// The message size into which the template's largest record fits, with its texts cut if necessary.
    #[must_use]
    pub fn least_message(template: &Template) -> usize {
        let (template, record) = largest(template, Enterprise::DEFAULT_OWN_PEN);
        (HEADER + SET_HEADER + template.max(record)).max(OPTIONS_MESSAGE)
    }

    /// Statistics so far.
    #[must_use]
    pub const fn stats(&self) -> EncoderStats {
        self.stats
    }

    /// Sends every template again before its next record: the receiver may have started again.
    pub fn announce_again(&mut self) {
        self.variants.forget();
        if let Some(announcements) = &mut self.announcements {
            announcements.again();
        }
    }

    /// Limits later messages to that many octets, but not below [`Self::least_message`].
    pub const fn set_max_message(&mut self, octets: usize) {
        self.options.max_message = octets;
    }

    /// Sets how many flow records were lost outside the encoder so far, for the statistics.
    pub const fn set_not_sent(&mut self, records: u64) {
        self.not_sent = records;
    }

    /// Begins a new transport session: templates again, and the sequence from 0.
    pub fn restart(&mut self) {
        self.announce_again();
        self.variants.restart();
        self.sequence = 0;
    }

    /// Encodes `records`, handing each complete message to `sink`; nothing stays behind. `now_ns` is the
    /// wall clock, nanoseconds since the epoch.
    pub fn encode(&mut self, records: &[FlowRecord], now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        for record in records {
            if self.draft.is_empty() && self.resend.due(self.options.resend, now_ns, self.stats.messages) {
                self.announce_again();
            }
            if self.announcements.is_some() {
                self.options_records(record, now_ns, sink);
            }
            if self.options.direction == Direction::Uniflow {
                self.both_ways(record, now_ns, sink);
            } else {
                self.record(record, now_ns, sink);
            }
        }
        self.flush(now_ns, sink);
    }

    /// Writes the options records that are due before `record`.
    fn options_records(&mut self, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let Some(announcements) = &mut self.announcements else { return };
        for piece in announcements.due(record, &self.options, now_ns, self.not_sent) {
            if self.draft.len() + piece.octets() > self.options.max_message {
                self.flush(now_ns, sink);
            }
            if self.draft.len() + piece.octets() <= self.options.max_message {
                piece.put(&self.options, &self.stats, &mut self.draft);
            }
        }
    }

    /// Writes a record for each direction. The second one does not count as a flow record.
    fn both_ways(&mut self, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let (there, back) = one_way(record);
        self.record(&there, now_ns, sink);
        if let Some(back) = back {
            let before = self.stats;
            self.is_way_back = true;
            self.record(&back, now_ns, sink);
            self.is_way_back = false;
            self.stats = self.stats.with_left_out_of(before);
        }
    }

    fn record(&mut self, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let Some(index) = self.variants.of(record, now_ns) else {
            self.stats.no_template += 1;
            return;
        };
        self.withdraw(now_ns, sink);
        let Some(variant) = self.variants.get(index) else { return };
        if variant.elements.is_empty() {
            self.stats.empty += 1;
        } else if !variant.can_tell(record, clock(now_ns, WHOLE_TEXT)) {
            self.stats.time_out_of_range += 1;
        } else if !self.append(index, record, WHOLE_TEXT) {
            self.flush(now_ns, sink);
            self.append_first(index, record, now_ns, sink);
        }
    }

    /// Withdraws templates that are no longer used, in separate sets (RFC 7011 section 8.1).
    fn withdraw(&mut self, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        let withdrawn = self.variants.take_withdrawn();
        let room = self.options.max_message.saturating_sub(HEADER + SET_HEADER) / WITHDRAWAL;
        for ids in withdrawn.chunks(room.clamp(1, MAX_WITHDRAWALS)) {
            self.draft.close();
            if self.draft.len() + SET_HEADER + ids.len() * WITHDRAWAL > self.options.max_message {
                self.flush(now_ns, sink);
            }
            put_withdrawals(ids, &mut self.draft);
        }
    }

    /// Appends to an empty message. If template and record do not fit into one message, the template is sent first.
    fn append_first(&mut self, variant: usize, record: &FlowRecord, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        if !self.append(variant, record, WHOLE_TEXT) {
            self.announce(variant);
            self.flush(now_ns, sink);
            self.append_alone(variant, record);
        }
    }

    /// Appends the variant's template, if it is due.
    fn announce(&mut self, index: usize) {
        if let Some(variant) = self.variants.get_mut(index).filter(|v| !v.announced) {
            put_template(variant, &self.options, &mut self.draft);
            variant.announced = true;
            self.stats.templates += 1;
        }
    }

    /// Appends the record to an empty message after its template was sent, and cuts texts as far as needed.
    fn append_alone(&mut self, variant: usize, record: &FlowRecord) {
        if self.append(variant, record, WHOLE_TEXT) {
            return;
        }
        let cuts = std::iter::successors(Some(FIRST_CUT), |cut| (*cut > 0).then_some(cut / 2));
        for cut in cuts {
            if self.append(variant, record, cut) {
                self.stats.shortened += 1;
                return;
            }
        }
        self.stats.oversized += 1;
    }

    /// Appends the record, preceded by its template if that is due. Returns false, and appends nothing, if there is no
    /// room.
    fn append(&mut self, index: usize, record: &FlowRecord, text_limit: usize) -> bool {
        let Some(variant) = self.variants.get_mut(index) else { return false };
        let mark = self.draft.mark();
        if !variant.announced {
            put_template(variant, &self.options, &mut self.draft);
        }
        self.draft.open(variant.id);
        variant.write(record, clock(0, text_limit), self.draft.body());
        if self.draft.len() > self.options.max_message {
            self.draft.rewind(mark);
            return false;
        }
        self.stats.templates += u64::from(!variant.announced);
        variant.announced = true;
        if self.is_way_back {
            self.draft.count_way_back();
        } else {
            self.draft.count();
        }
        true
    }

    /// Completes the message and passes it to the sink.
    fn flush(&mut self, now_ns: u64, sink: &mut impl FnMut(Message<'_>)) {
        if self.draft.is_empty() {
            return;
        }
        self.draft.close();
        self.put_header(now_ns);
        let records = self.draft.records();
        sink(Message { bytes: self.draft.bytes(), records });
        let flow_records = records + self.draft.ways_back();
        let data_records = flow_records + self.draft.options();
        self.sequence = self.sequence.wrapping_add(u32::try_from(data_records).unwrap_or(u32::MAX));
        self.stats.octets += self.draft.len() as u64;
        self.stats.records += flow_records as u64;
        self.stats.messages += 1;
        self.draft.clear();
    }

    /// RFC 7011 section 3.1.
    fn put_header(&mut self, now_ns: u64) {
        let length = u16::try_from(self.draft.len()).unwrap_or(u16::MAX);
        let seconds = u32::try_from(now_ns / SECOND_NS).unwrap_or(u32::MAX);
        self.draft.patch(0, &VERSION.to_be_bytes());
        self.draft.patch(2, &length.to_be_bytes());
        self.draft.patch(4, &seconds.to_be_bytes());
        self.draft.patch(8, &self.sequence.to_be_bytes());
        self.draft.patch(12, &self.options.domain.to_be_bytes());
    }
}

const fn clock(now_ns: u64, text_limit: usize) -> Clock {
    Clock { now_ns, boot_ms: 0, text_limit }
}
