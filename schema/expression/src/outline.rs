//! An expression taken apart into its tests, for stores that select records without reading all of each.

use pidflow_schema::{Element, FlowRecord};

use crate::Expression;
use crate::condition::{Comparison, Condition};
use crate::datum::Datum;
use crate::field::{Field, Reading, Side};
use crate::operand::Operand;

/// When an expression is true, in two-valued logic.
#[derive(Debug, Clone)]
pub enum Outline<'a> {
    /// Always or never.
    Constant(bool),
    /// If this test has this result.
    Test(Test<'a>, bool),
    /// If both are true.
    And(Box<Self>, Box<Self>),
    /// If one is true.
    Or(Box<Self>, Box<Self>),
    /// If it is not true.
    Not(Box<Self>),
}

impl<'a> Outline<'a> {
    fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    /// When the condition has this value. If it is unknown, it is neither true nor false.
    fn of(condition: &'a Condition, side: Side, value: bool) -> Self {
        match condition {
            Condition::Constant(is_true) => Self::Constant(*is_true == value),
            Condition::Not(inner) => Self::of(inner, side, !value),
            Condition::And(a, b) if value => Self::of(a, side, value).and(Self::of(b, side, value)),
            Condition::Or(a, b) if !value => Self::of(a, side, value).and(Self::of(b, side, value)),
            Condition::And(a, b) | Condition::Or(a, b) => Self::of(a, side, value).or(Self::of(b, side, value)),
            Condition::AtEitherEnd(inner) => Self::at_either_end(inner, value),
            _ => Self::Test(Test { condition, side }, value),
        }
    }

    /// True if it is true at one end. False if it is false at one end and true at none.
    fn at_either_end(inner: &'a Condition, value: bool) -> Self {
        let at_one = |value| Self::of(inner, Side::Source, value).or(Self::of(inner, Side::Destination, value));
        if value { at_one(true) } else { at_one(false).and(Self::Not(Box::new(at_one(true)))) }
    }
}

impl Expression {
    /// When the expression is true.
    #[must_use]
    pub fn outline(&self) -> Outline<'_> {
        Outline::of(&self.condition, Side::Source, true)
    }
}

/// A comparison or another test without parts, at one end.
#[derive(Debug, Clone, Copy)]
pub struct Test<'a> {
    condition: &'a Condition,
    side: Side,
}

impl Test<'_> {
    /// The result for this record; none: unknown.
    #[must_use]
    pub fn evaluate(&self, record: &FlowRecord) -> Option<bool> {
        self.condition.evaluate(record, self.side)
    }

    /// The elements on which the result depends.
    #[must_use]
    pub fn elements(&self) -> Vec<&'static Element> {
        match self.condition {
            Condition::Compare(_, a, b) => [a, b].into_iter().flat_map(|o| o.elements(self.side)).collect(),
            Condition::OneOf(operand, _)
            | Condition::Text(operand, _)
            | Condition::Within(operand, _)
            | Condition::IsUnknown(operand) => operand.elements(self.side),
            _ => Vec::new(),
        }
    }

    /// The test as a comparison of one quantity with numbers; none: it is something else.
    #[must_use]
    pub fn number_test(&self) -> Option<NumberTest> {
        let (how, field, data) = match self.condition {
            Condition::Compare(how, Operand::Field(field), Operand::Constant(datum)) => {
                (*how, field, std::slice::from_ref(datum))
            }
            Condition::Compare(how, Operand::Constant(datum), Operand::Field(field)) => {
                (how.mirrored(), field, std::slice::from_ref(datum))
            }
            Condition::OneOf(Operand::Field(field), data) => (Comparison::Equal, field, data.as_slice()),
            _ => return None,
        };
        let numbers = data.iter().map(Number::of).collect::<Option<_>>()?;
        Some(NumberTest { quantity: Quantity::of(field, self.side)?, operator: how.symbol(), numbers })
    }
}

/// A comparison of a quantity with numbers. With several numbers it is true if one is equal.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberTest {
    /// The left side.
    pub quantity: Quantity,
    /// `=`, `<`, `<=`, `>` or `>=`.
    pub operator: &'static str,
    /// The right side; times and durations in nanoseconds.
    pub numbers: Vec<Number>,
}

/// A quantity that is computed from elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// The sum of the elements that are known, by name.
    Sum(Vec<&'static str>),
    /// The time from the first element to the second.
    Elapsed(&'static str, &'static str),
}

impl Quantity {
    fn of(field: &Field, side: Side) -> Option<Self> {
        if field.scale.is_some() {
            return None;
        }
        match field.reading(side) {
            Reading::First(elements) if elements.len() > 1 => None,
            Reading::First(elements) | Reading::Sum(elements) => {
                Some(Self::Sum(elements.iter().map(|e| e.name).collect()))
            }
            Reading::Elapsed(from, to) => Some(Self::Elapsed(from.name, to.name)),
        }
    }
}

/// A number that all numbers of elements can be compared with exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Below the largest number of 64 bits with a sign.
    Integer(i64),
    /// Of less than 2^53.
    Real(f64),
}

impl Number {
    /// From this double on, not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    fn of(datum: &Datum<'_>) -> Option<Self> {
        match datum {
            Datum::Real(x) => (x.abs() < Self::EXACT).then_some(Self::Real(*x)),
            _ => i64::try_from(datum.integer()?).ok().filter(|n| *n < i64::MAX).map(Self::Integer),
        }
    }
}
