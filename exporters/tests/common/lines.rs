//! InfluxDB line protocol, read strictly by its grammar
//! (<https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(crate) struct Point {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) time: u64,
}

pub(crate) fn parse(text: &str) -> Vec<Point> {
    assert!(text.ends_with('\n'));
    text.lines().map(|line| point(&mut line.chars().peekable())).collect()
}

fn point(text: &mut Peekable<Chars>) -> Point {
    let mut point = Point { measurement: word(text, ", "), ..Point::default() };
    while text.next_if_eq(&',').is_some() {
        let key = word(text, "=");
        assert_eq!(text.next(), Some('='));
        let value = word(text, ", ");
        assert!(!key.is_empty() && !value.is_empty(), "{point:?}");
        assert!(point.tags.insert(key, value).is_none(), "{point:?}");
    }
    loop {
        assert!(matches!(text.next(), Some(' ' | ',')), "{point:?}");
        let key = word(text, "=");
        assert_eq!(text.next(), Some('='));
        assert!(point.fields.insert(key, value(text)).is_none(), "{point:?}");
        if text.next_if_eq(&' ').is_some() {
            break;
        }
    }
    point.time = text.collect::<String>().parse().unwrap();
    point
}

/// Up to one of `ends`. A backslash stands for itself unless it is before one of these three.
fn word(text: &mut Peekable<Chars>, ends: &str) -> String {
    let mut out = String::new();
    while let Some(c) = text.next_if(|c| !ends.contains(*c)) {
        let escaped = if c == '\\' { text.next_if(|c| [',', '=', ' '].contains(c)) } else { None };
        out.push(escaped.unwrap_or(c));
    }
    out
}

/// A string in quotes, or an integer.
fn value(text: &mut Peekable<Chars>) -> Value {
    if text.next_if_eq(&'"').is_none() {
        let number = word(text, ", ");
        return json!(number.strip_suffix('i').unwrap().parse::<i64>().unwrap());
    }
    let mut out = String::new();
    loop {
        match text.next().unwrap() {
            '"' => return Value::String(out),
            '\\' => out.push(text.next_if(|c| ['"', '\\'].contains(c)).unwrap_or('\\')),
            c => out.push(c),
        }
    }
}
