//! What is wrong with an expression, in one line.

use thiserror::Error;

/// An error in an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {message}")]
pub struct ExpressionError {
    /// The column, counted in characters from 1.
    pub column: usize,
    /// What is wrong there, and what was expected.
    pub message: String,
}

impl ExpressionError {
    pub(crate) const fn new(column: usize, message: String) -> Self {
        Self { column, message }
    }

    /// Converts an error of the CEL parser, whose messages name the tokens of its grammar.
    pub(crate) fn syntax(text: &str, errors: &cel::ParseErrors) -> Self {
        let Some(first) = errors.errors.first() else {
            return Self::new(1, "this is not an expression".into());
        };
        let (line, column) = (usize::try_from(first.pos.0).unwrap_or(1), usize::try_from(first.pos.1).unwrap_or(1));
        let before: usize = text.lines().take(line.saturating_sub(1)).map(|line| line.chars().count() + 1).sum();
        Self::new((before + column).max(1), explained(&first.msg))
    }
}

/// The parser's message in plain words.
fn explained(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    let (what, expected) = message.split_once(" expecting ").map_or((message, None), |(a, b)| (a, Some(b)));
    if let Some(letters) = what.strip_prefix("token recognition error at: '") {
        return unreadable(letters);
    }
    if let Some((missing, _)) = what.strip_prefix("missing ").and_then(|rest| rest.split_once(" at ")) {
        return format!("expected {}", missing.trim_matches('\''));
    }
    let found = what.split_once('\'').map_or(what, |(_, rest)| rest.trim_end_matches('\''));
    let found = found.escape_debug().to_string().replace("\\\"", "\"");
    let word = match found.as_str() {
        "<EOF>" => "the expression ends here".into(),
        "and" | "or" | "not" => return format!("{found} is not an operator; write &&, || or !"),
        _ => format!("{found} is unexpected here"),
    };
    match expected {
        Some(tokens) if tokens.contains("IDENTIFIER") => format!("{word}; expected a name, a number or a quoted text"),
        Some("<EOF>") => format!("{word}; expected an operator such as && or the end"),
        Some(tokens) => format!("{word}; expected {}", tokens.trim_matches(['{', '}'])),
        None => word,
    }
}

/// The message for characters with which no token begins.
fn unreadable(letters: &str) -> String {
    match letters.chars().next() {
        Some('=') => "= is not an operator; write == to compare".into(),
        Some('"' | '\'') => "the text has no closing quote".into(),
        Some(letter) => format!("{letter:?} is unexpected here"),
        None => "the expression cannot be read".into(),
    }
}
