//! Whether and when a failed request is repeated (OTLP specification, "Failures", "OTLP/gRPC Throttling" and "OTLP/HTTP
//! Throttling").
//!
//! This deviates from the specification in one point. The specification, and the OpenTelemetry collector, drop a
//! request that was not authenticated, not permitted or sent to a wrong address. But the records of such a request are
//! valid, and an expired key would lose a whole spool. So they wait and are retried with the usual backoff.

use std::error::Error;

use tonic::{Code, Status};

use crate::delivery::{Failure, Retry};
use crate::net::{Answer, Refusal, RefusalReason, one_line};

use super::answer::{asked_for, reason};

/// Whether the failure is temporary by the specification. A status with a source was not sent by the receiver: it means
/// that the connection broke.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        _ if status.source().is_some() => true,
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => true,
        Code::OutOfRange | Code::Unavailable | Code::DataLoss => true,
        Code::ResourceExhausted => asked_for(status.details()).is_some(),
        _ => false,
    }
}

/// gRPC has no separate status for requests that are too large. The libraries for Go, Java and C use
/// `ResourceExhausted`, that for Rust uses `OutOfRange`.
fn is_too_large(status: &Status) -> bool {
    let said = status.message();
    matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange)
        && ["larger than max", "message length too large", "exceeds maximum size"].iter().any(|s| said.contains(s))
}

fn why(status: &Status) -> RefusalReason {
    match status.code() {
        _ if status.source().is_some() => RefusalReason::Other,
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound => RefusalReason::Denied,
        _ if is_too_large(status) => RefusalReason::TooLarge,
        _ => RefusalReason::Other,
    }
}

/// Whether to retry after this answer.
pub(super) fn of_grpc(status: &Status) -> Refusal {
    let why = why(status);
    let retry = match asked_for(status.details()) {
        _ if why == RefusalReason::TooLarge || (why == RefusalReason::Other && !may_pass(status)) => Retry::Never,
        Some(asked) => Retry::After(asked),
        None => Retry::Backoff,
    };
    let hint = if why == RefusalReason::Denied { " (check credentials, permissions and address)" } else { "" };
    let cause = innermost(status).map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = one_line(&format!("{:?}{hint}: {}{cause}", status.code(), status.message()));
    Refusal { why, failure: Failure { retry, ..Failure::passing(message) } }
}

/// The messages of the layers in between say little.
fn innermost(status: &Status) -> Option<&dyn Error> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause)
}

/// Like [`of_grpc`]. The specification treats fewer statuses as temporary than is usual in HTTP.
pub(super) fn of_http(answer: &Answer) -> Refusal {
    let body = reason(&answer.body).map_or_else(|| answer.excerpt(), |reason| one_line(&reason));
    answer.refusal_unless(&[429, 502, 503, 504], &body)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::answer::throttling;
    use super::*;

    fn throttled(code: Code, seconds: i64) -> Status {
        Status::with_details(code, "slow down", throttling(seconds).into())
    }

    fn retry(status: &Status) -> Retry {
        of_grpc(status).failure.retry
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let again = |code| retry(&Status::new(code, "")) == Retry::Backoff;
        assert!(again(Code::Unavailable) && again(Code::DeadlineExceeded));
        assert!(again(Code::Unauthenticated) && again(Code::PermissionDenied) && again(Code::NotFound));
        assert!(!again(Code::InvalidArgument) && !again(Code::Unimplemented));
        assert!(!again(Code::ResourceExhausted) && !again(Code::Unknown));
    }

    #[test]
    fn a_request_that_is_too_large_is_known_by_what_libraries_say() {
        let go = "grpc: received message larger than max (5000000 vs. 4194304)";
        let rust = "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes";
        for (code, said) in [(Code::ResourceExhausted, go), (Code::OutOfRange, rust)] {
            let refusal = of_grpc(&Status::new(code, said));
            assert_eq!((refusal.why, refusal.failure.retry), (RefusalReason::TooLarge, Retry::Never));
        }
    }

    #[test]
    fn a_broken_connection_is_no_answer() {
        let mut status = Status::new(Code::Unknown, "transport error");
        status.set_source(Arc::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        let failure = of_grpc(&status).failure;
        assert_eq!(
            (failure.retry, failure.message.as_str()),
            (Retry::Backoff, "Unknown: transport error: broken pipe")
        );
    }

    #[test]
    fn the_receivers_wish_is_obeyed() {
        assert_eq!(retry(&throttled(Code::Unavailable, 7)), Retry::After(Duration::from_secs(7)));
        assert_eq!(retry(&throttled(Code::ResourceExhausted, 1)), Retry::After(Duration::from_secs(1)));
        let garbage = Status::with_details(Code::Unavailable, "", vec![0xff, 0xff].into());
        assert_eq!(retry(&garbage), Retry::Backoff);
        assert_eq!(retry(&throttled(Code::ResourceExhausted, -1)), Retry::Never);
    }

    #[test]
    fn over_http_four_statuses_may_pass_and_those_that_deny() {
        let answer = |status, seconds: Option<u64>| {
            of_http(&Answer { status, body: throttling(1), retry_after: seconds.map(Duration::from_secs) })
        };
        let retry = |status, seconds| answer(status, seconds).failure.retry;
        for status in [429, 502, 503, 504] {
            assert_eq!(retry(status, None), Retry::Backoff);
            assert_eq!(retry(status, Some(3)), Retry::After(Duration::from_secs(3)));
        }
        for status in [401, 403, 404] {
            assert_eq!((answer(status, None).why, retry(status, None)), (RefusalReason::Denied, Retry::Backoff));
        }
        assert_eq!(answer(413, None).why, RefusalReason::TooLarge);
        for status in [400, 408, 413, 500, 501] {
            assert_eq!(retry(status, Some(3)), Retry::Never);
        }
        assert_eq!(answer(400, None).failure.message, "HTTP 400: slow down");
    }
}
