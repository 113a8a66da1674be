//! `Retry-After`, with which a server asks a client to wait.

use std::time::{Duration, SystemTime};

/// RFC 9110 section 10.2.3: seconds, or the date until which to wait; none: neither.
pub(crate) fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    let seconds = value.parse().ok().map(Duration::from_secs);
    let until = || Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default());
    seconds.or_else(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let wait = |value| wait(value, now);
        assert_eq!((wait("7"), wait("soon")), (Some(Duration::from_secs(7)), None));
        assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Wed, 21 Oct 2015 07:29:40 GMT"), Some(Duration::from_secs(100)));
    }
}
