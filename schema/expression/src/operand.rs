//! The operands of comparisons: fields, constants, and arithmetic on them.

use pidflow_schema::{Element, FlowRecord};

use crate::datum::Datum;
use crate::field::{Field, Side};

/// An operator between two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    /// None: the result is not defined.
    fn apply(self, a: &Datum<'_>, b: &Datum<'_>) -> Option<Datum<'static>> {
        if let (Datum::Integer(a), Datum::Integer(b)) = (a, b) {
            return self.of_integers(*a, *b).map(Datum::Integer);
        }
        let (a, b) = (a.real()?, b.real()?);
        Some(Datum::Real(match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => a % b,
        }))
    }

    const fn of_integers(self, a: i128, b: i128) -> Option<i128> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => a.checked_div(b),
            Self::Remainder => a.checked_rem(b),
        }
    }
}

/// An operand, see the module.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Field(Field),
    Constant(Datum<'static>),
    Computed(Arithmetic, Box<Self>, Box<Self>),
}

impl Operand {
    /// None: a value is unknown, or the result is not defined.
    pub(crate) fn evaluate<'a>(&'a self, record: &'a FlowRecord, side: Side) -> Option<Datum<'a>> {
        match self {
            Self::Field(field) => field.read(record, side),
            Self::Constant(datum) => Some(borrowed(datum)),
            Self::Computed(how, a, b) => how.apply(&a.evaluate(record, side)?, &b.evaluate(record, side)?),
        }
    }

    /// The elements on which the value at this end depends.
    pub(crate) fn elements(&self, side: Side) -> Vec<&'static Element> {
        match self {
            Self::Field(field) => field.reading(side).elements(),
            Self::Constant(_) => Vec::new(),
            Self::Computed(_, a, b) => [a, b].into_iter().flat_map(|o| o.elements(side)).collect(),
        }
    }

    /// Whether the operand's value depends on the end.
    pub(crate) fn is_of_either_end(&self) -> bool {
        match self {
            Self::Field(field) => field.is_of_either_end(),
            Self::Constant(_) => false,
            Self::Computed(_, a, b) => a.is_of_either_end() || b.is_of_either_end(),
        }
    }
}

/// The value as a borrowed one; texts are not copied.
fn borrowed<'a>(datum: &'a Datum<'static>) -> Datum<'a> {
    match datum {
        Datum::Text(text) => Datum::Text(text.as_ref().into()),
        other => other.clone(),
    }
}
