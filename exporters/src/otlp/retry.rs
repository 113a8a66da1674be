//! When and whether a failed request is repeated (OTLP specification, "Failures" and "OTLP/gRPC Throttling").

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
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

/// Pauses that double from attempt to attempt, spread by chance so that many agents do not come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait before the next attempt; none: the failure will not pass.
    pub(super) fn after(&mut self, status: &Status) -> Option<Duration> {
        if !may_pass(status) {
            return None;
        }
        let pause = self.next.mul_f64(0.5 + chance());
        self.next = (self.next * 2).min(LONGEST);
        Some(asked_for(status).map_or(pause, |asked| asked.max(pause)))
    }
}

/// From 0 to 1; the standard library's hash seeds are random enough to spread pauses.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(code: Code, seconds: i64) -> Status {
        let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos: 0 }) };
        let detail = Detail { type_url: RETRY_INFO.into(), value: info.encode_to_vec() };
        Status::with_details(code, "slow down", RpcStatus { details: vec![detail] }.encode_to_vec().into())
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let again = |code| Backoff::new().after(&Status::new(code, "")).is_some();
        assert!(again(Code::Unavailable) && again(Code::DeadlineExceeded));
        assert!(!again(Code::InvalidArgument) && !again(Code::Unauthenticated) && !again(Code::Unimplemented));
        assert!(!again(Code::ResourceExhausted));
        assert!(Backoff::new().after(&throttled(Code::ResourceExhausted, 1)).is_some());
    }

    #[test]
    fn the_receivers_wish_is_obeyed() {
        assert_eq!(Backoff::new().after(&throttled(Code::Unavailable, 7)), Some(Duration::from_secs(7)));
        let garbage = Status::with_details(Code::Unavailable, "", vec![0xff, 0xff].into());
        assert!(Backoff::new().after(&garbage).is_some_and(|p| p < Duration::from_secs(1)));
        assert!(Backoff::new().after(&throttled(Code::ResourceExhausted, -1)).is_none());
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..12).filter_map(|_| backoff.after(&Status::unavailable(""))).collect();
        assert!(pauses[0] <= FIRST * 2 && pauses[11] >= LONGEST / 2 && pauses[11] <= LONGEST * 2);
    }
}
