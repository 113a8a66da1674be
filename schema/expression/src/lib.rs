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
mod nearest;
mod operand;
mod outline;
mod selector;

use std::thread;

use pidflow_schema::FlowRecord;

pub use error::ExpressionError;
pub use names::{SHORT_NAMES, ShortName};
pub use nearest::nearest;
pub use outline::{Number, NumberTest, Outline, Quantity, Test};
pub use selector::{End, Selector, SelectorValue};

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
    pub const MAX_BYTES: usize = 2048;
    /// The maximum number of opening brackets and question marks.
    pub const MAX_BRACKETS: usize = 64;
    /// Stack of the thread that reads an expression, bytes. The reader of CEL calls itself for each bracket and each operator of
    /// a chain: without optimisation it needs about 60 kB for each bracket, and 3 kB for each operator. With the two limits
    /// above, that is less than 8 MB.
    const READER_STACK: usize = 64 << 20;

    /// Compiles an expression.
    ///
    /// # Errors
    /// The expression is wrong; the error has the column, what is wrong there, and, for an unknown name, the most similar known one.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ExpressionError::new(1, format!("the expression is longer than {} bytes", Self::MAX_BYTES)));
        }
        // Those in texts count too, because only the reader knows where a text ends.
        let mut opening = text.chars().enumerate().filter(|(_, c)| matches!(c, '(' | '[' | '{' | '?'));
        if let Some((column, _)) = opening.nth(Self::MAX_BRACKETS) {
            let message = format!("the expression has more than {} brackets and question marks", Self::MAX_BRACKETS);
            return Err(ExpressionError::new(column + 1, message));
        }
        Ok(Self { text: text.into(), condition: Self::read(text)? })
    }

    /// Reads and compiles in a thread of its own, whose stack is large enough for every text within the limits.
    fn read(text: &str) -> Result<Condition, ExpressionError> {
        let compile = || {
            let program = cel::Program::compile(text).map_err(|errors| ExpressionError::syntax(text, &errors))?;
            compile::condition(&program)
        };
        let failed =
            || ExpressionError::new(1, "the expression cannot be read: no thread could be started for it".into());
        thread::scope(|scope| {
            let reader = thread::Builder::new().name("expression".into()).stack_size(Self::READER_STACK);
            let reader = reader.spawn_scoped(scope, compile).map_err(|_| failed())?;
            reader.join().unwrap_or_else(|_| Err(failed()))
        })
    }

    /// Whether the expression is true for the record.
    #[must_use]
    pub fn matches(&self, record: &FlowRecord) -> bool {
        self.condition.evaluate(record, Side::Source) == Some(true)
    }

    /// The records for which it is true, in their order; none: all of them.
    #[must_use]
    pub fn select(&self, records: &[FlowRecord]) -> Option<Vec<FlowRecord>> {
        let first_left_out = records.iter().position(|record| !self.matches(record))?;
        let (selected, others) = records.split_at_checked(first_left_out)?;
        let later = others.iter().skip(1).filter(|record| self.matches(record));
        Some(selected.iter().chain(later).cloned().collect())
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
