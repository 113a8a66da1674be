//! The filter of the view: an expression, and the line in which it is written.

use std::sync::Arc;

use pidflow_expression::Expression;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::rows::{PairEnd, PairId, RowId};

/// The line in which a filter is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    /// What is written so far.
    pub(super) text: String,
    /// Why it is no expression.
    pub(super) error: Option<String>,
}

/// What became of the line after a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    /// It goes on.
    Unfinished,
    /// It was given up.
    GivenUp,
    /// It is done; none: no filter.
    Done(Option<Arc<Expression>>),
}

impl Input {
    /// A line that has this text already.
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), error: None }
    }

    /// Takes a key.
    pub(super) fn take(&mut self, key: KeyEvent) -> Written {
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Written::GivenUp,
            KeyCode::Enter => return self.finish(),
            KeyCode::Char('u') if has_control => self.text.clear(),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char(c) if !has_control => self.insert(&c.to_string()),
            _ => {}
        }
        self.error = None;
        Written::Unfinished
    }

    /// Adds text, such as one that was pasted.
    pub(super) fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= Expression::MAX_BYTES {
            self.text.push_str(text);
        }
    }

    fn finish(&mut self) -> Written {
        if self.text.trim().is_empty() {
            return Written::Done(None);
        }
        match Expression::parse(&self.text) {
            Ok(expression) => Written::Done(Some(Arc::new(expression))),
            Err(e) => {
                self.error = Some(e.to_string());
                Written::Unfinished
            }
        }
    }
}

/// The expression that selects the flows of a pair, host or user; none: the row opens by itself.
pub(super) fn of_row(id: &RowId) -> Option<String> {
    match id {
        RowId::Flow(_) | RowId::Process(_) => None,
        RowId::Host(address) => Some(format!("address == \"{address}\"")),
        RowId::User(user) => Some(format!("user == {}", quoted(user))),
        RowId::Pair(pair) => Some(of_pair(pair)),
    }
}

fn of_pair(pair: &PairId) -> String {
    let end = |side: &str, end: &PairEnd| match end {
        PairEnd::Process(name) => format!("{side}.process == {}", quoted(name)),
        PairEnd::Address(address) => format!("{side}.address == \"{address}\""),
    };
    let ends = format!("{} && {}", end("src", &pair.source), end("dst", &pair.destination));
    format!("{ends} && dst.port == {} && protocol == {}", pair.port, pair.protocol)
}

/// A text of the expression language.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::super::sample::{active, named};
    use super::*;

    fn typed(text: &str) -> (Input, Written) {
        let mut input = Input::default();
        for c in text.chars() {
            assert_eq!(input.take(KeyCode::Char(c).into()), Written::Unfinished);
        }
        let written = input.take(KeyCode::Enter.into());
        (input, written)
    }

    #[test]
    fn an_expression_is_taken_and_a_wrong_one_says_where() {
        let (_, written) = typed("dst.port == 443");
        let Written::Done(Some(expression)) = written else { panic!("{written:?}") };
        assert!(expression.matches(&active(443, 1)) && !expression.matches(&active(80, 1)));
        let (input, written) = typed("proces == \"a\"");
        assert_eq!(written, Written::Unfinished);
        let error = input.error.unwrap();
        assert!(error.contains("proces") && error.contains("process") && !error.contains('\n'), "{error}");
        assert_eq!(typed("  ").1, Written::Done(None));
    }

    #[test]
    fn a_line_can_be_corrected_and_given_up() {
        let mut input = Input::new("ab");
        input.error = Some("wrong".into());
        input.take(KeyCode::Backspace.into());
        assert_eq!((input.text.as_str(), &input.error), ("a", &None));
        input.take(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text, "");
        assert_eq!(input.take(KeyCode::Esc.into()), Written::GivenUp);
        input.insert(&"x".repeat(Expression::MAX_BYTES + 1));
        assert_eq!(input.text, "", "what is too long is not an expression");
    }

    #[test]
    fn rows_select_their_flows_whatever_their_names() {
        for name in ["curl", "a\"b\\", "\x1b[2J\n", "日本語", "\u{202e}x"] {
            let mut r = named(443, name);
            let process = r.source.process.take().map(Arc::unwrap_or_clone).unwrap();
            r.source.process = Some(Arc::new(pidflow_schema::Process { user: name.into(), ..process }));
            let pair = PairId::of(&r);
            for id in [RowId::User(name.into()), RowId::Pair(pair), RowId::Host(r.flow.source)] {
                let text = of_row(&id).unwrap();
                let expression = Expression::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
                assert!(expression.matches(&r), "{text}");
                let mut other = active(80, 1);
                other.flow.source = [10, 0, 0, 9].into();
                assert!(!expression.matches(&other), "{text}");
            }
        }
    }
}
