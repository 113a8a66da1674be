//! Words of a command that stands in one argument, as `sh -c` and titles of programs have them.

use std::ops::Range;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its range, including its quotes.
    pub(super) range: Range<usize>,
    /// Without quotes and backslashes.
    pub(super) text: String,
    /// The quote that it is in from one end to the other.
    pub(super) quote: Option<char>,
}

impl Word {
    /// Whether the next word begins another command.
    pub(super) fn ends_command(&self) -> bool {
        self.quote.is_none() && ["|", "||", "&&", "&", ";", "(", ")", "{", "}", "|&", "`"].contains(&self.text.as_str())
    }
}

/// Characters that end a word and a command wherever they stand outside of quotes.
const OPERATORS: [char; 6] = [';', '&', '|', '(', ')', '`'];

/// How a text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// At blanks: a title, or anything else that need not be for a shell.
    Blanks,
    /// At blanks and operators: `a;b`, `$(a)`.
    Operators,
}

/// Splits as a POSIX shell does, near enough to find options and their values; a quote that does not end goes to the end.
pub(super) fn words(text: &str, split: Split) -> Vec<Word> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|t| t.find(|c: char| !c.is_whitespace())) {
        let word = word(text, from + start, split);
        from = word.range.end;
        all.push(word);
    }
    all
}

/// Whether there is an operator that stands against something else than blanks.
pub(super) fn has_operators(text: &str) -> bool {
    text.contains(OPERATORS)
}

fn word(text: &str, start: usize, split: Split) -> Word {
    let rest = text.get(start..).unwrap_or_default();
    let mut open: Option<char> = None;
    let mut plain = String::new();
    let mut chars = rest.char_indices().peekable();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match (open, c) {
            (None, c) if split == Split::Operators && OPERATORS.contains(&c) => {
                end = if at == 0 { c.len_utf8() } else { at };
                plain.extend((at == 0).then_some(c));
                break;
            }
            (None, c) if c.is_whitespace() => {
                end = at;
                break;
            }
            (None, '"' | '\'') => open = Some(c),
            // The `$` of `$'…'` and `$"…"` is not part of the word.
            (None, '$') if matches!(chars.peek(), Some((_, '"' | '\''))) => {}
            (Some(quote), c) if c == quote => open = None,
            (None | Some('"'), '\\') => plain.extend(chars.next().map(|(_, c)| c)),
            (_, c) => plain.push(c),
        }
    }
    let raw = rest.get(..end).unwrap_or_default();
    let raw = raw.strip_prefix('$').filter(|r| r.starts_with(['"', '\''])).unwrap_or(raw);
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
        let all = words("a 'b c' d\"e f\"g \\  \"h\\\"i\" 'open x", Split::Blanks);
        let texts: Vec<_> = all.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, ["a", "b c", "de fg", " ", "h\"i", "open x"]);
        assert_eq!(all[1].quote, Some('\''));
        assert_eq!(all[2].quote, None);
    }

    #[test]
    fn operators_end_words() {
        let all = words("x=$(a b);c&&'d;e'|`f`", Split::Operators);
        let texts: Vec<_> = all.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, ["x=$", "(", "a", "b", ")", ";", "c", "&", "&", "d;e", "|", "`", "f", "`"]);
    }
}
