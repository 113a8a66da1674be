//! The encoder for IPFIX or NetFlow v9, as configured.

use pidflow_schema::FlowRecord;

use crate::config::{ExporterConfig, Output, Target, WireConfig};
use crate::ipfix::{IpfixEncoder, IpfixOptions};
use crate::netflow9::{Netflow9Encoder, Netflow9Options};
use crate::sink::{Counters, ExportContext, Loss, StartError};
use crate::template::{Template, WIRESHARK_FIELDS};
use crate::wire::{EncoderStats, Message, Resend};

fn say_if_large(exporter: &str, template: &Template) {
    let fields = template.most_fields();
    if fields > WIRESHARK_FIELDS {
        tracing::info!(
            "{exporter}: the template has up to {fields} fields; Wireshark decodes {WIRESHARK_FIELDS} by default (raise the limit with -o cflow.max_template_fields:{fields})"
        );
    }
}

/// One of the two encoders.
pub(crate) struct Encoder {
    kind: WireEncoder,
    /// The smallest and the largest allowed message limit, bytes.
    sizes: (usize, usize),
    /// Its statistics before the last records.
    before: EncoderStats,
}

enum WireEncoder {
    Ipfix(Box<IpfixEncoder>),
    Netflow9(Box<Netflow9Encoder>),
}

impl Encoder {
    /// The encoder for `config`. Fails if the template's largest record does not fit into a message.
    pub(crate) fn new(config: &ExporterConfig, wire: &WireConfig, context: &ExportContext) -> Result<Self, StartError> {
        let template = context.template(config.template.as_ref(), Template::for_collectors);
        say_if_large(&config.name(), &template);
        let domain = wire.domain.unwrap_or(context.domain);
        let max_message = wire.first_message();
        let datagram = matches!(wire.target, Target::Udp(_));
        let resend = if datagram { wire.resend } else { Resend::NEVER };
        let netflow9 = matches!(config.output, Output::Netflow9(_));
        let needed =
            if netflow9 { Netflow9Encoder::least_message(&template) } else { IpfixEncoder::least_message(&template) };
        if needed > max_message {
            return Err(StartError::MessageTooSmall { exporter: config.name(), max_message, needed });
        }
        let kind = if netflow9 {
            let options = Netflow9Options { source_id: domain, max_message, resend };
            WireEncoder::Netflow9(Box::new(Netflow9Encoder::new(template, options)))
        } else {
            let options = IpfixOptions {
                domain,
                own_pen: context.own_pen,
                max_message,
                resend,
                direction: wire.direction,
                options_records: wire.options_records,
                statistics_ns: wire.resend.interval_ns,
                metrics: context.metrics.clone(),
            };
            WireEncoder::Ipfix(Box::new(IpfixEncoder::new(template, options)))
        };
        Ok(Self { kind, sizes: (needed, max_message), before: EncoderStats::default() })
    }

    /// Limits messages to `octets` from now on, as far as the template allows and not above the configured size.
    pub(crate) fn fit(&mut self, octets: usize) {
        let (least, most) = self.sizes;
        let octets = octets.clamp(least, most);
        match &mut self.kind {
            WireEncoder::Ipfix(e) => e.set_max_message(octets),
            WireEncoder::Netflow9(e) => e.set_max_message(octets),
        }
    }

    /// Encodes the records. [`Self::count`] counts those that were left out.
    pub(crate) fn encode(
        &mut self,
        records: &[FlowRecord],
        now_ns: u64,
        counters: &Counters,
        sink: &mut impl FnMut(Message<'_>),
    ) {
        self.before = self.stats();
        match &mut self.kind {
            WireEncoder::Ipfix(e) => {
                e.set_not_sent(counters.lost_total());
                e.encode(records, now_ns, sink);
            }
            WireEncoder::Netflow9(e) => e.encode(records, now_ns, sink),
        }
    }

    /// Counts the records left out of the last batch. To be called once, when the outcome is known, because a batch may
    /// be encoded several times.
    pub(crate) fn count(&self, counters: &Counters) {
        count_left_out(&self.before, &self.stats(), counters);
    }

    /// Sends all templates again before their next records.
    pub(crate) fn announce_again(&mut self) {
        match &mut self.kind {
            WireEncoder::Ipfix(e) => e.announce_again(),
            WireEncoder::Netflow9(e) => e.announce_again(),
        }
    }

    /// Begins a new transport session.
    pub(crate) fn restart(&mut self) {
        match &mut self.kind {
            WireEncoder::Ipfix(e) => e.restart(),
            WireEncoder::Netflow9(e) => e.announce_again(),
        }
    }

    fn stats(&self) -> EncoderStats {
        match &self.kind {
            WireEncoder::Ipfix(e) => e.stats(),
            WireEncoder::Netflow9(e) => e.stats(),
        }
    }
}

fn count_left_out(before: &EncoderStats, after: &EncoderStats, counters: &Counters) {
    let lost = |why: Loss, of: fn(&EncoderStats) -> u64| {
        counters.lost(why, usize::try_from(of(after) - of(before)).unwrap_or(usize::MAX));
    };
    counters.shortened(after.shortened - before.shortened);
    lost(Loss::TooLarge, |s| s.oversized);
    lost(Loss::NoElements, |s| s.empty);
    lost(Loss::NoTemplate, |s| s.no_template);
    lost(Loss::TimeOutOfRange, |s| s.time_out_of_range);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// Two of seven of the made-up records have no process at their source, and so nothing of this template.
    #[test]
    fn omitted_records_count_once_however_often_they_are_encoded() {
        let table = "kind = \"ipfix\"\nurl = \"tcp://a\"\ntemplate = \"%SRC_PROC_PID\"";
        let config = ExporterConfig::from_table(toml::from_str(table).unwrap()).unwrap();
        let Output::Ipfix(wire) = &config.output else { panic!("{config:?}") };
        let mut encoder = Encoder::new(&config, wire, &ExportContext::default()).unwrap();
        let counters = Counters::default();
        for _ in 0..3 {
            encoder.encode(&sample::records(70), 0, &counters, &mut |_| {});
            assert_eq!(counters.lost_total(), 0, "nobody knows yet whether the others arrive");
        }
        encoder.count(&counters);
        assert_eq!(counters.lost_total(), 20);
    }

    #[test]
    fn each_reason_to_leave_a_record_out_has_a_counter() {
        let table = "kind = \"ipfix\"\nurl = \"udp://a\"\ntemplate = \"%LAST_SWITCHED\"";
        let config = ExporterConfig::from_table(toml::from_str(table).unwrap()).unwrap();
        let Output::Ipfix(wire) = &config.output else { panic!("{config:?}") };
        let encoder = Encoder::new(&config, wire, &ExportContext::default()).unwrap();
        let after = EncoderStats { empty: 1, oversized: 2, no_template: 3, time_out_of_range: 4, ..encoder.stats() };
        let counters = Counters::default();
        count_left_out(&encoder.before, &after, &counters);
        let lost = counters.snapshot(String::new(), 0).lost;
        let reasons = [Loss::NoElements, Loss::TooLarge, Loss::NoTemplate, Loss::TimeOutOfRange];
        assert_eq!(reasons.map(|why| lost[why as usize]), [1, 2, 3, 4].map(|n| (reasons[n - 1], n as u64)));
    }
}
