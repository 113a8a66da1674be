//! Expressions agree with a naive evaluation, for every element and over records of every kind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::cmp::Ordering;

use pidflow_exporters::sample;
use pidflow_expression::Expression;
use pidflow_schema::{ELEMENTS, Element, FlowRecord, Value};
use proptest::prelude::*;

const OPERATORS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// The value as a constant of the language.
fn constant(value: &Value<'_>) -> String {
    match value {
        Value::Unsigned(n) => n.to_string(),
        Value::Signed(n) => n.to_string(),
        Value::Text(text) => quoted(text),
        Value::Ipv4(a) => format!("\"{a}\""),
        Value::Ipv6(a) => format!("\"{a}\""),
        Value::Mac([a, b, c, d, e, f]) => format!("\"{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02X}\""),
        Value::Time(_) => panic!("times have a test of their own"),
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().flat_map(char::escape_unicode_of).collect();
    format!("\"{escaped}\"")
}

trait Escape {
    fn escape_unicode_of(self) -> std::vec::IntoIter<char>;
}

impl Escape for char {
    /// CEL's `\uXXXX` and `\UXXXXXXXX`, for all that is not a letter or digit.
    fn escape_unicode_of(self) -> std::vec::IntoIter<char> {
        let text = if self.is_ascii_alphanumeric() { self.to_string() } else { format!("\\U{:08x}", self as u32) };
        text.chars().collect::<Vec<_>>().into_iter()
    }
}

fn naive(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Signed(a), Value::Signed(b)) => Some(a.cmp(b)),
        (Value::Unsigned(a), Value::Unsigned(b)) | (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Mac(a), Value::Mac(b)) => Some(a.cmp(b)),
        (a, b) => Some(a.address()?.cmp(&b.address()?)),
    }
}

fn holds(operator: &str, order: Ordering) -> bool {
    match operator {
        "==" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}

fn is_time(e: &Element) -> bool {
    e.data_type.name().starts_with("dateTime")
}

#[test]
fn every_comparison_of_every_element_agrees() {
    let records = sample::records(400);
    let mut compared = 0;
    for e in ELEMENTS.iter().filter(|e| !is_time(e)) {
        let known: Vec<Value<'_>> = records.iter().filter_map(|r| (e.read)(r)).collect();
        assert!(!known.is_empty(), "{}: no record has it", e.name);
        for value in known.iter().step_by(known.len().div_ceil(5)) {
            for operator in OPERATORS {
                let text = format!("{} {operator} {}", e.name, constant(value));
                let expression = Expression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                for record in &records {
                    let expected =
                        (e.read)(record).and_then(|read| naive(&read, value)).is_some_and(|o| holds(operator, o));
                    assert_eq!(expression.matches(record), expected, "{text}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100_000, "{compared}");
}

#[test]
fn times_and_durations_agree() {
    let records = sample::records(6000);
    let count = |text: &str| records.iter().filter(|r| Expression::parse(text).unwrap().matches(r)).count();
    let by = |condition: &dyn Fn(&FlowRecord) -> bool| records.iter().filter(|r| condition(r)).count();
    const TWO_S: u64 = 1_767_225_602_000_000_000;
    let after = by(&|r| r.flow.first_ns >= TWO_S);
    assert!(after > 0 && after < records.len());
    assert_eq!(count("start >= \"2026-01-01T00:00:02Z\""), after);
    assert_eq!(count("FIRST_SWITCHED >= timestamp('2026-01-01T01:00:02+01:00')"), after);
    let long = by(&|r| r.flow.last_ns - r.flow.first_ns > 1_500_000_000);
    assert_eq!(count("duration > '1.5s'"), long);
    assert_eq!(count("duration > duration('1500ms')"), long);
}

/// One comparison of an element with a constant.
#[derive(Debug, Clone)]
struct Leaf {
    element: usize,
    operator: usize,
    from: u64,
}

impl Leaf {
    fn text(&self) -> String {
        let (e, record) = (self.element(), sample::record(self.from));
        match (e.read)(&record) {
            Some(value) => format!("{} {} {}", e.name, OPERATORS[self.operator], constant(&value)),
            None => format!("{} == null", e.name),
        }
    }

    fn element(&self) -> &'static Element {
        ELEMENTS.iter().filter(|e| !is_time(e)).nth(self.element).unwrap()
    }

    fn naive(&self, record: &FlowRecord) -> Option<bool> {
        let (e, from) = (self.element(), sample::record(self.from));
        let read = (e.read)(record);
        match (e.read)(&from) {
            Some(value) => Some(holds(OPERATORS[self.operator], naive(&read?, &value)?)),
            None => Some(read.is_none()),
        }
    }
}

#[derive(Debug, Clone)]
enum Tree {
    Leaf(Leaf),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Leaf(leaf) => leaf.text(),
            Self::Not(a) => format!("!({})", a.text()),
            Self::And(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Self::Or(a, b) => format!("({} || {})", a.text(), b.text()),
        }
    }

    /// Kleene's logic by its truth tables: false < unknown < true; and is the least, or the greatest.
    fn naive(&self, record: &FlowRecord) -> Option<bool> {
        let rank = |truth| match truth {
            Some(false) => 0,
            None => 1,
            Some(true) => 2,
        };
        let truth = |rank| [Some(false), None, Some(true)][rank];
        match self {
            Self::Leaf(leaf) => leaf.naive(record),
            Self::Not(a) => truth(2 - rank(a.naive(record))),
            Self::And(a, b) => truth(rank(a.naive(record)).min(rank(b.naive(record)))),
            Self::Or(a, b) => truth(rank(a.naive(record)).max(rank(b.naive(record)))),
        }
    }
}

fn leaf() -> impl Strategy<Value = Tree> {
    let elements = ELEMENTS.iter().filter(|e| !is_time(e)).count();
    (0..elements, 0..OPERATORS.len(), 0_u64..200)
        .prop_map(|(element, operator, from)| Tree::Leaf(Leaf { element, operator, from }))
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| Tree::Not(Box::new(a))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Tree::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn combinations_agree(tree in tree()) {
        let text = tree.text();
        let expression = Expression::parse(&text);
        prop_assume!(text.len() <= Expression::MAX_BYTES);
        let expression = expression.unwrap_or_else(|error| panic!("{text}: {error}"));
        for record in sample::records(120) {
            prop_assert_eq!(expression.matches(&record), tree.naive(&record) == Some(true), "{}", text);
        }
    }

    /// Any text is either an expression or an error with a column inside the text.
    #[test]
    fn nothing_typed_panics(text in "([a-z.]{1,8}|[0-9]{1,20}|\"[^\"]{0,4}\"|[-+*/%!=<>&|()\\[\\],.?:' ]{1,2}|\\PC){0,30}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(error.column >= 1);
            prop_assert!(!error.message.contains('\n'), "{error}");
        }
    }
}
