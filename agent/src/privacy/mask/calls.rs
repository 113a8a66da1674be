//! Calls and statements that take a secret without its name: `login('bob', 'secret')`, `SET PASSWORD FOR bob = 'secret'`.

use std::ops::Range;

/// Functions, in lower case, whose arguments in quotes are masked.
const FUNCTIONS: [&str; 13] = [
    "auth",
    "login",
    "authenticate",
    "crypt",
    "changeuserpassword",
    "pdo",
    "mysqli_connect",
    "mysql_connect",
    "mysqli",
    "pgp_sym_encrypt",
    "pgp_sym_decrypt",
    "aes_encrypt",
    "aes_decrypt",
];
/// Statements, in lower case, whose strings behind it are masked, up to a semicolon.
const STATEMENTS: [&str; 3] = ["set password", "pragma key", "convertto-securestring"];
/// Before a password in Oracle's SQL, which needs no quotes.
const IDENTIFIED: &str = "identified by ";
/// Longest text in which statements are looked for; longer ones are data.
const MAX_TEXT: usize = 64 * 1024;

/// The strings in such calls and statements, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    if text.len() > MAX_TEXT {
        return Vec::new();
    }
    let lower = text.to_ascii_lowercase();
    let calls = lower.match_indices('(').filter(|(at, _)| is_function(lower.get(..*at).unwrap_or_default()));
    let calls = calls.map(|(at, _)| part(text, at, ')'));
    let statements =
        STATEMENTS.iter().flat_map(|s| lower.match_indices(s)).map(|(at, s)| part(text, at + s.len(), ';'));
    let words = lower.match_indices(IDENTIFIED).filter_map(|(at, s)| bare_word(text, at + s.len()));
    calls.chain(statements).flat_map(|part| strings(text, part)).chain(words).collect()
}

/// What stands there, up to a blank or a semicolon, and is in no quotes.
fn bare_word(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let end = rest.find(|c: char| c.is_whitespace() || ";\"'".contains(c)).unwrap_or(rest.len());
    let is_keyword =
        ["values", "externally", "password"].iter().any(|w| rest.get(..end).is_some_and(|r| r.eq_ignore_ascii_case(w)));
    (end > 0 && !is_keyword).then_some(start..start + end)
}

fn is_function(before: &str) -> bool {
    let name = before.trim_end();
    let start = name.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let is_known = name.get(start..).is_some_and(|name| FUNCTIONS.contains(&name)) && name.is_char_boundary(start);
    is_known || name.ends_with("dbi->connect")
}

fn part(text: &str, start: usize, end: char) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    start..start + rest.find(end).unwrap_or(rest.len())
}

/// The texts between quotes there.
fn strings(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = part.start;
    while let Some((start, quote)) =
        text.get(from..part.end).and_then(|t| t.char_indices().find(|(_, c)| "'\"".contains(*c)))
    {
        let start = from + start + 1;
        let length = text.get(start..part.end).map_or(0, |t| t.find(quote).unwrap_or(t.len()));
        found.push(start..start + length);
        from = (start + length + 1).min(part.end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_calls_and_statements() {
        let found = |text: &'static str| find(text).into_iter().map(|r| &text[r]).collect::<Vec<_>>();
        assert_eq!(found("db.auth('bob', \"x)y\") + f('z')"), ["bob", "x"], "up to the first bracket");
        assert_eq!(found("SET PASSWORD FOR bob = 'x'; select 'y'"), ["x"]);
        assert_eq!(found("author('x') é('y') auth 'z'"), [""; 0]);
        assert_eq!(found("login('open"), ["open"]);
    }
}
