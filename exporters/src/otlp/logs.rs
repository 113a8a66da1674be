//! Converts flow records to OTLP log records.

use std::fmt::Write;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pidflow_schema::{FlowRecord, ProcessEnd};

use crate::template::Template;

use super::attributes::{FlowAttributes, transport};
use super::resource::scope;

/// Event name, which distinguishes flow records from other events of the service.
const EVENT_NAME: &str = "pidflow.flow";

/// Makes export requests.
pub struct LogEncoder {
    attributes: FlowAttributes,
    resource: Resource,
}

impl LogEncoder {
    /// An encoder for the template's elements. `resource`: see [`super::resource()`].
    #[must_use]
    pub fn new(template: &Template, resource: Resource) -> Self {
        Self { attributes: FlowAttributes::new(template), resource }
    }

    /// One log record per flow record, observed at `now_ns`, nanoseconds since the epoch.
    #[must_use]
    pub fn request(&self, records: &[FlowRecord], now_ns: u64) -> ExportLogsServiceRequest {
        let log_records = records.iter().map(|r| self.log_record(r, now_ns)).collect();
        let scope_logs = ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() };
        let resource = Some(self.resource.clone());
        let logs = ResourceLogs { resource, scope_logs: vec![scope_logs], ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![logs] }
    }

    fn log_record(&self, record: &FlowRecord, now_ns: u64) -> LogRecord {
        LogRecord {
            time_unix_nano: record.flow.last_ns,
            observed_time_unix_nano: now_ns,
            severity_number: SeverityNumber::Info.into(),
            body: Some(AnyValue { value: Some(Any::StringValue(body(record))) }),
            attributes: self.attributes.of(record),
            trace_id: record.flow.key().octets.into(),
            event_name: EVENT_NAME.into(),
            ..LogRecord::default()
        }
    }
}

/// `firefox(1234) 10.0.0.1:1 -> nginx(99) 10.0.0.2:80 tcp`.
fn body(record: &FlowRecord) -> String {
    let flow = &record.flow;
    let source = std::net::SocketAddr::new(flow.source, flow.source_port);
    let destination = std::net::SocketAddr::new(flow.destination, flow.destination_port);
    let (from, to) = (process(&record.source), process(&record.destination));
    let mut line = format!("{from}{source} -> {to}{destination} ");
    // Writing to a string cannot fail.
    let _ = match transport(flow.protocol) {
        Some(name) => line.write_str(name),
        None => write!(line, "protocol {}", flow.protocol),
    };
    line
}

fn process(end: &ProcessEnd) -> String {
    end.process.as_ref().map_or_else(String::new, |p| format!("{}({}) ", p.name, p.pid))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sample;

    fn records(n: usize) -> Vec<LogRecord> {
        let request = LogEncoder::new(&Template::default(), Resource::default()).request(&sample::records(n), 5);
        request.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect()
    }

    fn value<'a>(record: &'a LogRecord, key: &str) -> Option<&'a Any> {
        record.attributes.iter().find(|a| a.key == key)?.value.as_ref()?.value.as_ref()
    }

    #[test]
    fn a_log_record_has_both_processes_and_no_key_twice() {
        for record in records(200) {
            let keys: HashSet<_> = record.attributes.iter().map(|a| a.key.as_str()).collect();
            assert_eq!(keys.len(), record.attributes.len());
            assert!(keys.contains("source.address") && keys.contains("network.type"));
        }
        let first = &records(1)[0];
        assert_eq!(value(first, "source.process.pid"), Some(&Any::IntValue(1000)));
        assert_eq!(value(first, "destination.process.pid"), Some(&Any::IntValue(1001)));
        assert_eq!(value(first, "network.transport"), Some(&Any::StringValue("tcp".into())));
        assert_eq!(
            value(first, "source.process.creation.time"),
            Some(&Any::StringValue("2025-12-31T23:00:00.000Z".into()))
        );
        assert_eq!((first.time_unix_nano, first.observed_time_unix_nano), (sample::record(0).flow.last_ns, 5));
    }

    #[test]
    fn the_body_reads_as_a_sentence() {
        let line = |n| body(&sample::record(n));
        assert_eq!(line(0), "curl(1000) 10.0.0.1:1024 -> nginx: worker(1001) 10.0.0.2:443 tcp");
        assert_eq!(line(6), "10.0.0.25:1030 -> 10.0.0.26:443 tcp");
        assert_eq!(line(1), "nginx: worker(1001) [2001:db8::5]:1025 -> postgres(1002) [2001:db8::6]:443 tcp");
    }
}
