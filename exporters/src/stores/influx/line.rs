//! InfluxDB line protocol: one line per record.

use std::io::Write;

use pidflow_schema::{DataType, Element, FlowRecord, Value};

use crate::json::put_value;
use crate::random::random;
use crate::template::Template;
use crate::time::signed_ns;
use crate::wire::utf8;

/// Name of all points.
const MEASUREMENT: &str = "flow";
const MILLISECOND_NS: u64 = 1_000_000;
/// Longest string of a field (InfluxDB documentation, "Line protocol", "Data types").
const MAX_STRING: usize = 64 * 1024 - 1;

/// Why a record cannot become a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPoint {
    /// The record has none of the elements that are fields.
    NoField,
    /// The time is later than InfluxDB's last, 2262-04-11T23:47:16.854775806Z.
    TimeOutOfRange,
}

/// Makes points. InfluxDB would store two points with the same tags and time as one. So the time of a point is the
/// flow's end in milliseconds, and the digits below are a sequence number.
pub struct InfluxEncoder {
    /// Measurement and host.
    head: Vec<u8>,
    tags: Vec<&'static Element>,
    fields: Vec<&'static Element>,
    next: u64,
    scratch: Vec<u8>,
}

impl InfluxEncoder {
    /// Elements of `tags` become tags in addition to `host`; the other elements of `template` become fields.
    #[must_use]
    pub fn new(template: &Template, tags: &Template, host: &str) -> Self {
        let is_tag = |e: &&'static Element| tags.elements().iter().any(|t| std::ptr::eq(*t, *e));
        let fields = template.elements().iter().copied().filter(|e| !is_tag(e)).collect();
        let mut head = MEASUREMENT.as_bytes().to_vec();
        put_tag("host", host, &mut head);
        Self { head, tags: tags.elements().to_vec(), fields, next: random(), scratch: Vec::new() }
    }

    /// Appends the record's line.
    ///
    /// # Errors
    /// The record has no field, or its time is after InfluxDB's last.
    pub fn put(&mut self, record: &FlowRecord, out: &mut Vec<u8>) -> Result<(), NoPoint> {
        let start = out.len();
        let time = self.time(record).ok_or(NoPoint::TimeOutOfRange)?;
        out.extend_from_slice(&self.head);
        for e in &self.tags {
            if let Some(value) = (e.read)(record) {
                put_tag(e.name, text(&value, e.data_type, &mut self.scratch), out);
            }
        }
        let fields = out.len();
        for e in &self.fields {
            if let Some(value) = (e.read)(record) {
                put_field(e, value, out);
            }
        }
        let Some(first_comma) = out.get_mut(fields) else {
            out.truncate(start);
            return Err(NoPoint::NoField);
        };
        *first_comma = b' ';
        self.next = self.next.wrapping_add(1);
        // Writing to memory cannot fail.
        let _ = writeln!(out, " {time}");
        Ok(())
    }

    /// None: InfluxDB cannot represent the whole millisecond, of which any nanosecond may become the record's time.
    fn time(&self, record: &FlowRecord) -> Option<i64> {
        let millisecond = record.flow.last_ns / MILLISECOND_NS * MILLISECOND_NS;
        signed_ns(millisecond.checked_add(MILLISECOND_NS)?)?;
        signed_ns(millisecond + self.next % MILLISECOND_NS)
    }
}

/// The value without quotes.
fn text<'a>(value: &'a Value<'_>, data_type: DataType, scratch: &'a mut Vec<u8>) -> &'a str {
    if let Value::Text(text) = value {
        return text;
    }
    scratch.clear();
    put_value(value.clone(), data_type, scratch);
    std::str::from_utf8(scratch).unwrap_or_default().trim_matches('"')
}

/// Appends `,KEY=value`. Blanks, commas and equal signs are escaped. The protocol has no escape for a trailing
/// backslash or for line feeds, and no empty values.
fn put_tag(key: &str, value: &str, out: &mut Vec<u8>) {
    let value = value.trim_end_matches('\\');
    if value.is_empty() {
        return;
    }
    let _ = write!(out, ",{key}=");
    for octet in value.bytes() {
        match octet {
            b' ' | b',' | b'=' => out.extend_from_slice(&[b'\\', octet]),
            0..b' ' => out.extend_from_slice(b"\\ "),
            _ => out.push(octet),
        }
    }
}

/// Appends `,KEY=value`: a number as a signed integer of 64 bits, everything else as a string.
fn put_field(e: &Element, value: Value<'_>, out: &mut Vec<u8>) {
    let _ = write!(out, ",{}=", e.name);
    match value {
        Value::Text(text) => put_quoted(utf8::prefix(&text, MAX_STRING), out),
        Value::Signed(v) => drop(write!(out, "{v}i")),
        Value::Unsigned(v) => drop(write!(out, "{}i", v.min(i64::MAX.cast_unsigned()))),
        Value::Time(_) => {
            put_value(value, e.data_type, out);
            out.push(b'i');
        }
        Value::Ipv4(_) | Value::Ipv6(_) | Value::Mac(_) => put_value(value, e.data_type, out),
    }
}

/// Line protocol allows no line feed in strings; it is written as the two characters `\n`.
fn put_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
            b'\n' => out.extend_from_slice(b"\\\\n"),
            b'\r' => out.extend_from_slice(b"\\\\r"),
            _ => out.push(octet),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn line(template: &str, tags: &str, record: &FlowRecord) -> Result<String, NoPoint> {
        let [template, tags] = [template, tags].map(|t| Template::parse(t).unwrap());
        let (mut encoder, mut out) = (InfluxEncoder::new(&template, &tags, "web 1"), Vec::new());
        encoder.next = 7;
        encoder.put(record, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn tags_fields_and_time() {
        let mut record = sample::full(1);
        record.flow.last_ns = 1_767_225_600_123_456_789;
        record.flow.forward.octets = u64::MAX;
        let line = line("%IPV4_SRC_ADDR %IN_BYTES %PROTOCOL %INTERFACE_NAME", "%PROTOCOL", &record).unwrap();
        assert_eq!(
            line,
            "flow,host=web\\ 1,PROTOCOL=6 IPV4_SRC_ADDR=\"10.0.0.5\",IN_BYTES=9223372036854775807i,INTERFACE_NAME=\"eth0\" 1767225600123000007\n"
        );
    }

    #[test]
    fn a_record_without_fields_is_no_point() {
        assert_eq!(line("%PROTOCOL %SRC_PROC_NAME", "%PROTOCOL", &sample::record(6)), Err(NoPoint::NoField));
    }

    #[test]
    fn no_point_has_a_wrong_time() {
        let at = |last_ns: u64| {
            let mut record = sample::full(1);
            record.flow.last_ns = last_ns;
            let line = line("%IN_BYTES", "%PROTOCOL", &record)?;
            Ok(line.trim_end().rsplit_once(' ').unwrap().1.parse::<i64>().unwrap())
        };
        assert_eq!(at(0), Ok(7));
        // 2262-04-11T23:47:16.853Z is the last millisecond that InfluxDB has as a whole.
        assert_eq!(at(9_223_372_036_853_000_000), Ok(9_223_372_036_853_000_007));
        assert_eq!(at(9_223_372_036_854_000_000), Err(NoPoint::TimeOutOfRange));
        assert_eq!(at(u64::MAX), Err(NoPoint::TimeOutOfRange));
    }

    #[test]
    fn escapes() {
        let (mut tag, mut field) = (Vec::new(), Vec::new());
        put_tag("k", "a b,c=d\\e\n\\", &mut tag);
        put_tag("k", "\\", &mut tag);
        put_quoted("a \"b\" \\ c\n", &mut field);
        assert_eq!(String::from_utf8(tag).unwrap(), r",k=a\ b\,c\=d\e\ ");
        assert_eq!(String::from_utf8(field).unwrap(), r#""a \"b\" \\ c\\n""#);
    }
}
