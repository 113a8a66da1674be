//! Answers of receivers. The bytes are untrusted; an answer that cannot be parsed counts as empty, not as a failure.

use std::time::Duration;

use prost::Message;

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `ExportLogsServiceResponse` and similar: the same fields for every signal.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportLogsPartialSuccess` and similar.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`, as far as needed.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The answer to an accepted request (OTLP specification, "Partial Success").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// Log records, spans or data points that it refused permanently.
    pub(super) rejected: usize,
    /// The reason, or a warning if none was refused; empty: no message.
    pub(super) message: String,
}

impl Taken {
    /// Parses the body of an answer.
    pub(super) fn decode(body: &[u8]) -> Self {
        let partial = ExportResponse::decode(body).ok().and_then(|r| r.partial_success).unwrap_or_default();
        Self { rejected: usize::try_from(partial.rejected).unwrap_or(0), message: partial.error_message }
    }
}

/// The message of a `google.rpc.Status`, in which an OTLP/HTTP receiver gives the reason for a refusal.
pub(super) fn reason(status: &[u8]) -> Option<String> {
    RpcStatus::decode(status).ok().map(|s| s.message).filter(|m| !m.is_empty())
}

/// The waiting time in the `RetryInfo` of the `google.rpc.Status`.
pub(super) fn asked_for(status: &[u8]) -> Option<Duration> {
    let details = RpcStatus::decode(status).ok()?.details;
    let detail = details.into_iter().find(|d| d.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))
}

/// A status that asks to wait.
#[cfg(test)]
pub(super) fn throttling(seconds: i64) -> Vec<u8> {
    let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos: 0 }) };
    let detail = Detail { type_url: RETRY_INFO.into(), value: info.encode_to_vec() };
    RpcStatus { message: "slow down".into(), details: vec![detail] }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
    use opentelemetry_proto::tonic::collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
    };
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};

    use super::*;

    #[test]
    fn every_signals_partial_success_is_understood() {
        let message = || "too old".to_owned();
        let logs = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: message() };
        let metrics = ExportMetricsPartialSuccess { rejected_data_points: 3, error_message: message() };
        let traces = ExportTracePartialSuccess { rejected_spans: 3, error_message: message() };
        let wanted = Taken { rejected: 3, message: message() };
        for body in [
            ExportLogsServiceResponse { partial_success: Some(logs) }.encode_to_vec(),
            ExportMetricsServiceResponse { partial_success: Some(metrics) }.encode_to_vec(),
            ExportTraceServiceResponse { partial_success: Some(traces) }.encode_to_vec(),
        ] {
            assert_eq!(Taken::decode(&body), wanted);
        }
    }

    #[test]
    fn unreadable_values_are_unknown() {
        assert_eq!(Taken::decode(b""), Taken::default());
        assert_eq!(Taken::decode(b"<html>fine</html>"), Taken::default());
        let negative = PartialSuccess { rejected: -1, error_message: String::new() };
        assert_eq!(Taken::decode(&ExportResponse { partial_success: Some(negative) }.encode_to_vec()).rejected, 0);
        assert_eq!((asked_for(&[0xff, 0xff]), asked_for(&throttling(-1))), (None, None));
        assert_eq!(
            (asked_for(&throttling(7)), reason(&throttling(7))),
            (Some(Duration::from_secs(7)), Some("slow down".into()))
        );
        assert_eq!(reason(b"no protobuf"), None);
    }
}
