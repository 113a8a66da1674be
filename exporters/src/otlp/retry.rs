//! When and whether a failed request is repeated (OTLP specification, "Failures" and "OTLP/gRPC Throttling").

use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};

use crate::delivery::{Failure, Retry};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`, as far as needed.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
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

/// How long the receiver asks to wait.
fn asked_for(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let detail = details.into_iter().find(|d| d.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))
}

/// Whether the specification calls the failure one that may pass.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => true,
        Code::OutOfRange | Code::Unavailable | Code::DataLoss => true,
        Code::ResourceExhausted => asked_for(status).is_some(),
        _ => false,
    }
}

/// What the answer means for another attempt.
pub(super) fn failure(status: &Status) -> Failure {
    let retry = match asked_for(status) {
        _ if !may_pass(status) => Retry::Never,
        Some(asked) => Retry::After(asked),
        None => Retry::Backoff,
    };
    Failure { retry, ..Failure::passing(format!("{:?}: {}", status.code(), status.message())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(code: Code, seconds: i64) -> Status {
        let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos: 0 }) };
        let detail = Detail { type_url: RETRY_INFO.into(), value: info.encode_to_vec() };
        Status::with_details(code, "slow down", RpcStatus { details: vec![detail] }.encode_to_vec().into())
    }

    fn retry(status: &Status) -> Retry {
        failure(status).retry
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let again = |code| retry(&Status::new(code, "")) == Retry::Backoff;
        assert!(again(Code::Unavailable) && again(Code::DeadlineExceeded));
        assert!(!again(Code::InvalidArgument) && !again(Code::Unauthenticated) && !again(Code::Unimplemented));
        assert!(!again(Code::ResourceExhausted));
    }

    #[test]
    fn the_receivers_wish_is_obeyed() {
        assert_eq!(retry(&throttled(Code::Unavailable, 7)), Retry::After(Duration::from_secs(7)));
        assert_eq!(retry(&throttled(Code::ResourceExhausted, 1)), Retry::After(Duration::from_secs(1)));
        let garbage = Status::with_details(Code::Unavailable, "", vec![0xff, 0xff].into());
        assert_eq!(retry(&garbage), Retry::Backoff);
        assert_eq!(retry(&throttled(Code::ResourceExhausted, -1)), Retry::Never);
    }
}
