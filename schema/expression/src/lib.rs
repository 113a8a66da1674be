//! The one expression language that selects flow records: a typed subset of CEL (Common Expression Language) whose names
//! are the elements of [`pidflow_schema::ELEMENTS`] and the short names of [`SHORT_NAMES`].
//!
//! The crate `cel` reads the text; names and types are checked once, when the expression is compiled. The crate's own
//! evaluator is not used: it finds a wrong type only while it evaluates, it has no notion of a condition on either end, and
//! an unknown value ends it with an error.
//!
//! Semantics beyond CEL's:
//!
//! - **Unknown values.** A comparison with an element that the record does not have is neither true nor false. `&&`, `||`
//!   and `!` follow three-valued logic. A record is selected only if the whole expression is true. `x == null` is true
//!   if the value is unknown.
//! - **Either end.** A short name of an end without `src.` or `dst.` means either end: the comparison is true if it is
//!   true at one end. `!=` is the negation of `==`: `user != "root"` selects records at whose known ends no user is root.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod compile;
mod condition;
mod constant;
mod datum;
mod error;
mod field;
mod names;
mod operand;

use pidflow_schema::FlowRecord;

pub use error::ExpressionError;
pub use names::{SHORT_NAMES, ShortName};

use condition::Condition;
use field::Side;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    condition: Condition,
}

impl Expression {
    /// The maximum length of an expression, bytes.
    pub const MAX_BYTES: usize = 4096;

    /// Compiles an expression.
    ///
    /// # Errors
    /// The expression is wrong; the error has the column, what is wrong there, and, for an unknown name, the most similar known one.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ExpressionError::new(1, format!("the expression is longer than {} bytes", Self::MAX_BYTES)));
        }
        let program = cel::Program::compile(text).map_err(|errors| ExpressionError::syntax(text, &errors))?;
        Ok(Self { text: text.into(), condition: compile::condition(&program)? })
    }

    /// Whether the expression is true for the record.
    #[must_use]
    pub fn matches(&self, record: &FlowRecord) -> bool {
        self.condition.evaluate(record, Side::Source) == Some(true)
    }

    /// The expression as written.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl std::str::FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
