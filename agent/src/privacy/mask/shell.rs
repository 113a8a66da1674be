//! Words of a command that stands in one argument, as `sh -c` and titles of programs have them.

use std::ops::Range;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it stands, with its quotes.
    pub(super) range: Range<usize>,
    /// Without quotes and backslashes.
    pub(super) text: String,
    /// The quote that it is in from one end to the other.
    pub(super) quote: Option<char>,
}

impl Word {
    /// Whether the next word begins another command.
    pub(super) fn ends_command(&self) -> bool {
        self.quote.is_none() && ["|", "||", "&&", "&", ";", "(", ")", "{", "}", "|&"].contains(&self.text.as_str())
    }
}

/// Splits as a POSIX shell does, near enough to find options and their values; a quote that does not end goes to the end.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|t| t.find(|c: char| !c.is_whitespace())) {
        let word = word(text, from + start);
        from = word.range.end;
        all.push(word);
    }
    all
}

fn word(text: &str, start: usize) -> Word {
    let rest = text.get(start..).unwrap_or_default();
    let mut open: Option<char> = None;
    let mut plain = String::new();
    let mut chars = rest.char_indices().peekable();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match (open, c) {
            (None, c) if c.is_whitespace() => {
                end = at;
                break;
            }
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            (None | Some('"'), '\\') => plain.extend(chars.next().map(|(_, c)| c)),
            (_, c) => plain.push(c),
        }
    }
    let raw = rest.get(..end).unwrap_or_default();
    Word { range: start..start + end, text: plain, quote: whole_quote(raw) }
}

fn whole_quote(raw: &str) -> Option<char> {
    let quote = raw.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let inner = raw.get(1..)?;
    (inner.find(quote) == Some(inner.len().saturating_sub(1))).then_some(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_quotes_taken_off() {
        let all = words("a 'b c' d\"e f\"g \\  \"h\\\"i\" 'open x");
        let texts: Vec<_> = all.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, ["a", "b c", "de fg", " ", "h\"i", "open x"]);
        assert_eq!(all[1].quote, Some('\''));
        assert_eq!(all[2].quote, None);
    }
}
