//! Conditions, in three-valued logic: true, false, unknown (none).

use std::cmp::Ordering;

use ipnet::IpNet;
use pidflow_schema::FlowRecord;
use regex::Regex;

use crate::datum::Datum;
use crate::field::Side;
use crate::operand::Operand;

/// An ordering operator. `!=` is the negation of [`Comparison::Equal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The operator for exchanged sides.
    pub(crate) const fn mirrored(self) -> Self {
        match self {
            Self::Equal => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// The operator in mathematics and SQL.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// A test of a text.
#[derive(Debug, Clone)]
pub(crate) enum TextTest {
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    Matches(Regex),
}

impl TextTest {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::StartsWith(part) => text.starts_with(&**part),
            Self::EndsWith(part) => text.ends_with(&**part),
            Self::Contains(part) => text.contains(&**part),
            Self::Matches(regex) => regex.is_match(text),
        }
    }
}

/// A condition, see the module.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Constant(bool),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// True if the condition is true at one end.
    AtEitherEnd(Box<Self>),
    Compare(Comparison, Operand, Operand),
    OneOf(Operand, Vec<Datum<'static>>),
    Text(Operand, TextTest),
    Within(Operand, IpNet),
    IsUnknown(Operand),
}

impl Condition {
    /// None: unknown.
    pub(crate) fn evaluate(&self, record: &FlowRecord, side: Side) -> Option<bool> {
        match self {
            Self::Constant(is_true) => Some(*is_true),
            Self::Not(inner) => inner.evaluate(record, side).map(|is_true| !is_true),
            Self::And(a, b) => decided(false, a.evaluate(record, side), || b.evaluate(record, side)),
            Self::Or(a, b) => decided(true, a.evaluate(record, side), || b.evaluate(record, side)),
            Self::AtEitherEnd(inner) => at_either_end(inner, record),
            Self::Compare(how, a, b) => {
                let order = a.evaluate(record, side)?.compare(&b.evaluate(record, side)?)?;
                Some(how.holds(order))
            }
            Self::OneOf(operand, values) => {
                let value = operand.evaluate(record, side)?;
                Some(values.iter().any(|one| value.compare(one) == Some(Ordering::Equal)))
            }
            Self::Text(operand, test) => match operand.evaluate(record, side)? {
                Datum::Text(text) => Some(test.holds(&text)),
                _ => None,
            },
            Self::Within(operand, network) => match operand.evaluate(record, side)? {
                Datum::Address(address) => Some(network.contains(&address)),
                _ => None,
            },
            Self::IsUnknown(operand) => Some(operand.evaluate(record, side).is_none()),
        }
    }
}

/// Evaluates `&&` and `||`. If one side has the value `decides`, the result is that value, even if the other side is unknown.
fn decided(decides: bool, a: Option<bool>, b: impl FnOnce() -> Option<bool>) -> Option<bool> {
    if a == Some(decides) {
        return a;
    }
    match (a, b()) {
        (_, Some(b)) if b == decides => Some(b),
        (Some(_), Some(b)) => Some(b),
        _ => None,
    }
}

/// True if the condition is true at one end; unknown only if it is unknown at both.
fn at_either_end(inner: &Condition, record: &FlowRecord) -> Option<bool> {
    let source = inner.evaluate(record, Side::Source);
    if source == Some(true) {
        return source;
    }
    inner.evaluate(record, Side::Destination).or(source)
}
