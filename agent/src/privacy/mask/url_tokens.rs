//! Secrets without a name in the path or query of URLs: webhooks, stream keys, login codes.

use std::ops::Range;

/// A part of a URL, and the number of path segments between it and the secret.
const PATHS: [(&str, usize); 8] = [
    ("hooks.slack.com/services/", 2),
    ("hooks.slack.com/workflows/", 3),
    ("/api/webhooks/", 1),
    ("webhook.office.com/webhookb2/", 0),
    ("api.telegram.org/bot", 0),
    ("anaconda.org/t/", 0),
    ("hooks.zapier.com/hooks/catch/", 1),
    ("maker.ifttt.com/use/", 0),
];
/// Schemes of streams. The last path segment of their URLs may be the stream key.
const STREAMS: [&str; 3] = ["rtmp://", "rtmps://", "rtmpt://"];
/// Minimum length of a stream key. Shorter segments are taken for names.
const MIN_STREAM_KEY: usize = 12;

/// Secrets in the URLs of a text.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    if !text.contains("://") && !text.contains("grant_type=") {
        return Vec::new();
    }
    let paths = PATHS.iter().flat_map(|(part, segments)| {
        text.match_indices(part).filter_map(|(at, part)| segment(text, at + part.len(), *segments))
    });
    let streams = STREAMS
        .iter()
        .flat_map(|s| text.match_indices(s))
        .filter_map(|(at, scheme)| stream_key(text, at + scheme.len()));
    let mut found: Vec<_> = paths.chain(streams).chain(code(text)).collect();
    found.sort_by_key(|r| r.start);
    found
}

fn url_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.find(|c: char| c.is_whitespace() || "\"'`<>|".contains(c)).unwrap_or(rest.len())
}

/// The path segment after the next `skip` segments.
fn segment(text: &str, start: usize, skip: usize) -> Option<Range<usize>> {
    let path = text.get(start..url_end(text, start))?;
    let path = path.get(..path.find(['?', '#']).unwrap_or(path.len()))?;
    let from = match skip {
        0 => 0,
        _ => path.match_indices('/').nth(skip - 1)?.0 + 1,
    };
    let length = path.get(from..)?.find('/').unwrap_or(path.len() - from);
    Some(start + from..start + from + length)
}

/// The last path segment, if it is long and contains a digit.
fn stream_key(text: &str, start: usize) -> Option<Range<usize>> {
    let url = text.get(start..url_end(text, start))?;
    let path = url.get(..url.find(['?', '#']).unwrap_or(url.len()))?;
    let (before, key) = path.rsplit_once('/')?;
    let is_key = key.len() >= MIN_STREAM_KEY && key.bytes().any(|b| b.is_ascii_digit()) && before.contains('/');
    is_key.then_some(start + before.len() + 1..start + path.len())
}

/// The code in `?code=SECRET&state=…`, which OAuth returns after a login, and in the form that redeems it.
fn code(text: &str) -> Option<Range<usize>> {
    let is_name =
        |at: usize| !text.get(..at).is_some_and(|t| t.ends_with(|c: char| c.is_alphanumeric() || "-_.".contains(c)));
    let at = text.match_indices("code=").find(|(at, _)| is_name(*at))?.0 + "code=".len();
    let end = url_end(text, at);
    let is_login = ["?state=", "&state=", "&session_state=", "grant_type="];
    let around = text.get(text.get(..at)?.rfind(char::is_whitespace).map_or(0, |b| b + 1)..end)?;
    let length = text.get(at..end)?.find(['&', '#']).unwrap_or(end - at);
    is_login.iter().any(|mark| around.contains(mark)).then_some(at..at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_paths_and_queries() {
        let found = |text: &'static str| find(text).into_iter().map(|r| &text[r]).collect::<Vec<_>>();
        assert_eq!(found("https://api.telegram.org/bot123:ab_C/sendMessage?x=1"), ["123:ab_C"]);
        assert_eq!(found("https://hooks.slack.com/services/T0/B0/xyz"), ["xyz"]);
        assert_eq!(found("'https://discord.com/api/webhooks/12/xy-z' a"), ["xy-z"]);
        assert_eq!(found("rtmp://a.rtmp.youtube.com/live2/x2ab-abcd-efgh"), ["x2ab-abcd-efgh"]);
        assert_eq!(found("https://h/cb?code=x&state=y"), ["x"]);
        assert_eq!(found("code=x&grant_type=authorization_code"), ["x"]);
        assert_eq!(found("grant_type=authorization_code&code=x"), ["x"]);
        for text in [
            "https://h/q?code=200&page=2",
            "rtmp://127.0.0.1/live/cam1",
            "/api/webhooks/1/2",
            "https://h/services/T/B/x",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
    }
}
