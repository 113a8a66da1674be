//! The format that a client asks for: `Accept` (RFC 9110 section 12.5.1), as Prometheus and its libraries use it.

use super::Format;

/// The offered formats, the preferred one first, with type, subtype and version.
const OFFERED: [(Format, &str, &str, &str); 3] = [
    (Format::Text, "text", "plain", "0.0.4"),
    (Format::OpenMetrics, "application", "openmetrics-text", "1.0.0"),
    (Format::Protobuf, "application", "vnd.google.protobuf", ""),
];
/// Further parameters that a media range must have to match the offered protobuf.
const MESSAGE: &str = "io.prometheus.client.MetricFamily";
const ENCODING: &str = "delimited";

/// One media range of the header.
#[derive(Debug, Default, PartialEq)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// `proto` and `encoding`.
    message: Option<&'a str>,
    encoding: Option<&'a str>,
    /// 0 to 1000; 0: not acceptable.
    quality: u16,
}

/// The format with the highest quality. Among equals, the more specific range wins, then the text format. The text
/// format is also the answer if nothing is acceptable, because scrapers that request another format usually can read
/// it.
pub(crate) fn negotiate(accept: &str) -> Format {
    let ranges: Vec<Range<'_>> = split(accept, ',').filter_map(parse).collect();
    let rated = OFFERED.into_iter().rev().map(|(format, kind, subtype, version)| {
        let matching = ranges.iter().filter(|r| format != Format::Protobuf || r.means_protobuf());
        let matching = matching.filter_map(|r| Some((r.closeness(kind, subtype, version)?, r.quality)));
        let (closeness, quality) = matching.max().unwrap_or((0, 0));
        ((quality, closeness), format)
    });
    let best = rated.filter(|((quality, _), _)| *quality > 0).max_by_key(|(rate, _)| *rate);
    best.map_or(Format::Text, |(_, format)| format)
}

impl Range<'_> {
    /// A client that accepts `*/*` usually cannot read protobuf, of which there are several kinds.
    fn means_protobuf(&self) -> bool {
        self.message.is_some_and(|m| m == MESSAGE) && self.encoding.is_some_and(|e| e.eq_ignore_ascii_case(ENCODING))
    }

    /// How specifically the range matches a media type; none: not at all.
    fn closeness(&self, kind: &str, subtype: &str, version: &str) -> Option<u8> {
        let is = |range: &str, offered: &str| range.eq_ignore_ascii_case(offered);
        match (self.kind, self.subtype, self.version) {
            ("*", "*", _) => Some(1),
            (k, "*", _) if is(k, kind) => Some(2),
            (k, s, None) if is(k, kind) && is(s, subtype) => Some(3),
            (k, s, Some(v)) if is(k, kind) && is(s, subtype) && v == version => Some(4),
            _ => None,
        }
    }
}

/// `type/subtype;version=V;q=Q`; none: it is malformed. Other parameters are irrelevant to the offered formats.
fn parse(range: &str) -> Option<Range<'_>> {
    let mut parts = split(range, ';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let mut range = Range { kind, subtype, quality: 1000, ..Range::default() };
    for (name, value) in parts.filter_map(|p| p.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim() {
            name if name.eq_ignore_ascii_case("q") => range.quality = quality(value)?,
            name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
            name if name.eq_ignore_ascii_case("proto") => range.message = Some(value),
            name if name.eq_ignore_ascii_case("encoding") => range.encoding = Some(value),
            _ => {}
        }
    }
    Some(range)
}

/// From 0 to 1 with at most three digits, in thousandths.
fn quality(value: &str) -> Option<u16> {
    let number: f32 = value.parse().ok()?;
    let is_plain = value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (is_plain && number <= 1.0).then(|| (number * 1000.0).round() as u16)
}

/// Splits at every separator outside quotes. Within quotes, a backslash quotes the next character (RFC 9110 section
/// 5.6.4).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && !was_escaped && c == '\\';
        is_quoted ^= c == '"' && !was_escaped;
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scraper_gets_what_it_reads_best() {
        use Format::{OpenMetrics, Protobuf, Text};
        for (accept, format) in [
            // Prometheus 3, 2.42 and 2.30; with native histograms it prefers protobuf.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Protobuf,
            ),
            // Other kinds of protobuf, and less liked.
            ("application/vnd.google.protobuf", Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text),
            ("application/vnd.google.protobuf;proto=x.Y;encoding=delimited, text/plain;q=0.1", Text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.2,text/plain;q=0.3",
                Text,
            ),
            (
                "Application/vnd.Google.protobuf; Proto=\"io.prometheus.client.MetricFamily\"; Encoding=delimited",
                Protobuf,
            ),
            // Plain clients and browsers.
            ("", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("text/plain", Text),
            ("text/plain; version=0.0.4; charset=utf-8", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"", OpenMetrics),
            ("application/*", OpenMetrics),
            // Weights.
            ("application/openmetrics-text;q=0.5, text/plain;q=0.6", Text),
            ("application/openmetrics-text;q=0.601, text/plain;q=0.6", OpenMetrics),
            ("application/openmetrics-text;q=0, */*", Text),
            ("text/plain;q=0, */*;q=0.1", OpenMetrics),
            ("text/*;q=0.3, application/openmetrics-text;q=0.2", Text),
            ("text/*, text/plain;q=0.1, application/openmetrics-text;q=0.2", OpenMetrics),
            // Nothing that is offered, and what is no Accept at all.
            ("application/json", Text),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;q=2, text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=NaN", Text),
            ("application/openmetrics-text;q=-1;,;;=,\"", Text),
            ("application/openmetrics-text;x=\"a,text/plain;q=0.9\";q=0.5", OpenMetrics),
            // Quotes and separators in quotes, and what is not ASCII.
            ("text/plain;x=\"a\\\",b\";q=0.1, application/openmetrics-text", OpenMetrics),
            ("text/plain;x=\"\\\\\";q=0.1, application/openmetrics-text", OpenMetrics),
            ("text/x;y=\"\\", Text),
            ("caf\u{fffd}/x, application/openmetrics-text;q=0.9", OpenMetrics),
            // Zero in every way, a range twice, blanks and tabs.
            ("*/*;q=0", Text),
            ("application/openmetrics-text;q=0.000, text/plain;q=0.001", Text),
            ("application/openmetrics-text;q=0.1, application/openmetrics-text;q=0.9, text/plain;q=0.5", OpenMetrics),
            ("application/openmetrics-text\t;\tversion = 1.0.0 ; Q = 0.9 , text/plain;q=0.8", OpenMetrics),
            ("TEXT/PLAIN;VERSION=0.0.4, application/*;q=0.9", Text),
        ] {
            assert_eq!(negotiate(accept), format, "{accept}");
        }
    }
}
