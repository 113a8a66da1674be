//! Names with their values inside a text: `NAME=value`, query strings, headers, JSON, connection strings, SQL.

use std::ops::Range;

use super::names::{Secrecy, secrecy};
use super::{calls, markup, values};

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// An argument: what follows `NAME=` is the value up to the end.
    Argument,
    /// A command for a shell, or a title that a program gave itself: values end at blanks.
    Command,
}

/// Number of bytes before a separator in which a name is searched.
const MAX_LOOK_BACK: usize = 160;
/// Characters that quote.
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// A name, and where it stands.
struct Name<'a> {
    text: &'a str,
    start: usize,
    /// Whether quotes, and maybe backslashes, are between it and the separator.
    is_quoted: bool,
}

/// The value of an argument that is `NAME=value` as a whole.
pub(super) fn whole(argument: &str) -> Option<Range<usize>> {
    let at = argument.find('=')?;
    let name = name_before(argument, at).filter(|n| n.start == 0 && !n.is_quoted)?;
    let range = at + 1..argument.len();
    secrecy(name.text)?.masks(argument.get(range.clone())?).then_some(range)
}

/// Values of secret names in a text.
pub(super) fn find(text: &str, nature: Nature) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, separator) in text.match_indices(['=', ':', ',']) {
        if found.last().is_some_and(|last| at < last.end) {
            continue;
        }
        found.extend(value(text, at, separator, nature).filter(|r| !r.is_empty()));
    }
    let quoted = text.match_indices(['"', '\'']).filter_map(|(at, _)| quoted_after_word(text, at));
    let others: Vec<_> = quoted.chain(calls::find(text)).chain(markup::find(text)).collect();
    for range in others {
        if !found.iter().any(|f| f.start < range.end && range.start < f.end) {
            found.push(range);
        }
    }
    found.sort_by_key(|r| r.start);
    found
}

/// The secret value behind the separator.
fn value(text: &str, at: usize, separator: &str, nature: Nature) -> Option<Range<usize>> {
    // Paths of modules such as `token::tests` are not pairs.
    if separator == ":" && text.get(..at).is_some_and(|before| before.ends_with(':')) {
        return None;
    }
    let name = name_before(text, at)?;
    let secrecy = secrecy(name.text).or_else(|| markup::secrecy_of_value(text, name.start, name.text))?;
    let range = match separator {
        "=" => after_equals(text, at, &name, nature),
        "," => after_comma(text, at, &name).filter(|_| secrecy == Secrecy::Secret)?,
        _ if matches!(secrecy, Secrecy::Secret | Secrecy::Folder) || is_header(name.text) => {
            after_colon(text, at, &name, nature)?
        }
        _ => return None,
    };
    secrecy.masks(text.get(range.clone())?).then_some(range)
}

/// The name that ends before the separator, maybe in quotes, maybe with blanks between.
fn name_before(text: &str, at: usize) -> Option<Name<'_>> {
    // The length of a name is bounded, and so is the time that a text takes.
    let from = text.floor_char_boundary(at.saturating_sub(MAX_LOOK_BACK));
    let before = text.get(from..at)?.trim_end_matches([' ', '+', ':']);
    let bare = without_closing(before);
    let is_name = |c: char| c.is_alphanumeric() || "_-.[]".contains(c);
    let start = bare.rfind(|c| !is_name(c)).map_or(0, |p| p + bare.get(p..).map_or(1, first_length));
    let name = bare.get(start..).filter(|n| !n.is_empty())?;
    Some(Name { text: name, start: from + start, is_quoted: bare.len() < before.len() })
}

/// Without the quotes and backslashes behind a name, and the brackets behind these: `environ['NAME']`, `$h{name}`.
fn without_closing(before: &str) -> &str {
    let is_quote = |c: char| QUOTES.contains(&c) || c == '\\';
    let inner = before.trim_end_matches([']', '}']);
    let is_index = inner.ends_with(is_quote) || before.ends_with('}');
    if is_index { inner } else { before }.trim_end_matches(is_quote)
}

/// Where a string is that begins there, maybe behind letters that say how to read it: `N'…'`, `u'…'`, `b"…"`, `q{…}`.
fn in_prefixed_quotes(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let inner = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '&');
    (rest.len() - inner.len() <= 2).then(|| in_quotes(text, text.len() - inner.len()))?
}

/// What is between brackets, from one to its partner.
fn in_brackets(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let open = rest.chars().next()?;
    let (_, close) = [('[', ']'), ('{', '}'), ('(', ')')].into_iter().find(|(o, _)| *o == open)?;
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(_, c)| {
        depth = if *c == open { depth + 1 } else { depth - usize::from(*c == close) };
        depth == 0
    });
    Some(from + 1..end.map_or(text.len(), |(end, _)| from + end))
}

/// `setenv("NAME", "x")`, `["NAME", "x"]`.
fn after_comma(text: &str, at: usize, name: &Name<'_>) -> Option<Range<usize>> {
    let rest = text.get(at + 1..).filter(|_| name.is_quoted)?;
    in_prefixed_quotes(text, text.len() - rest.trim_start().len())
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// Where the value is that begins at `from`, when it is in quotes, which may have backslashes before them.
fn in_quotes(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let inner = rest.trim_start_matches('\\');
    let quote = inner.chars().next().filter(|c| QUOTES.contains(c))?;
    let mark = rest.get(..rest.len() - inner.len() + 1)?;
    let start = from + mark.len();
    let body = text.get(start..)?;
    let mut ends = body.match_indices(mark).map(|(end, _)| end);
    let is_end = |end: &usize| mark.len() > 1 || quote == '\'' || !body.get(..*end).is_some_and(|b| b.ends_with('\\'));
    Some(start..start + ends.find(is_end).unwrap_or(body.len()))
}

fn after_equals(text: &str, at: usize, name: &Name<'_>, nature: Nature) -> Range<usize> {
    let rest = text.get(at + 1..).unwrap_or_default();
    let value = match rest.strip_prefix('>') {
        // `name => value`.
        Some(value) => value.trim_start_matches(' '),
        None if is_blank_before(text, at) => rest.trim_start_matches(' '),
        None => rest,
    };
    let start = text.len() - value.len();
    let before = text.get(..name.start).and_then(|t| t.chars().next_back());
    match (before, nature) {
        (None, Nature::Argument) if !name.is_quoted => start..text.len(),
        _ => in_prefixed_quotes(text, start)
            .or_else(|| in_brackets(text, start).filter(|_| !is_odbc(text, start, before)))
            .unwrap_or_else(|| start..unquoted_end(text, start, before)),
    }
}

/// `Pwd={x};`: any character may be between the braces but `}`.
fn is_odbc(text: &str, start: usize, before: Option<char>) -> bool {
    before == Some(';') && text.get(start..).is_some_and(|t| t.starts_with('{'))
}

fn is_blank_before(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|t| t.ends_with(' '))
}

/// Where an unquoted value ends depends on what it is one of: a query, a list, members of an object, words.
fn unquoted_end(text: &str, start: usize, before: Option<char>) -> usize {
    let is_end = |c: char| match before {
        Some('?' | '&') => c.is_whitespace() || "&#\"'`".contains(c),
        Some(';') => ";\"'`".contains(c),
        Some(',') => c.is_whitespace() || ",\"'`".contains(c),
        Some('{' | '[' | '(') => c.is_whitespace() || ",}])\"'`".contains(c),
        Some('"' | '\'') => "\"'".contains(c),
        _ => c.is_whitespace() || "\"'`".contains(c),
    };
    let rest = text.get(start..).unwrap_or_default();
    // ODBC: a value in braces may have any character.
    if let Some(end) = rest.find('}').filter(|_| rest.starts_with('{') && before == Some(';')) {
        return start + end + 1;
    }
    let is_escaped = |end: usize| rest.get(..end).is_some_and(|r| r.ends_with('\\'));
    let end = rest.char_indices().find(|(end, c)| is_end(*c) && !(before == Some(',') && is_escaped(*end)));
    start + end.map_or(rest.len(), |(end, _)| end)
}

/// YAML: the lines below a name that stand further to the right than others, behind `|`, `>` or nothing.
fn in_block(text: &str, start: usize) -> Option<Range<usize>> {
    let (first, below) = text.get(start..)?.split_once('\n')?;
    if !first.trim_start_matches(['|', '>', '-', '+']).trim().is_empty() || !below.starts_with([' ', '-', '\t']) {
        return None;
    }
    let lines = below.split_inclusive('\n').take_while(|line| line.starts_with([' ', '-', '\t', '\n']));
    let from = start + first.len() + 1;
    Some(from..from + lines.map(str::len).sum::<usize>())
}

fn is_header(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-auth", "x-session"]
        .iter()
        .any(|h| name.eq_ignore_ascii_case(h))
}

/// A header's value, a member of JSON or YAML; none: it is the name of a file, or of something else.
fn after_colon(text: &str, at: usize, name: &Name<'_>, nature: Nature) -> Option<Range<usize>> {
    let rest = text.get(at + 1..)?;
    // `/password:x` is an option of programs for Windows.
    let is_in_path = text.get(..name.start).is_some_and(|before| before.ends_with('/') && before.len() > 1);
    if rest.starts_with("//") || rest.starts_with(':') || is_in_path {
        return None;
    }
    let value = rest.trim_start_matches([' ', '=']);
    let start = text.len() - value.len();
    if let Some(range) = in_prefixed_quotes(text, start).or_else(|| in_brackets(text, start)) {
        return Some(range);
    }
    if let Some(range) = in_block(text, start) {
        return Some(range);
    }
    let is_whole = name.start == 0 && nature == Nature::Argument;
    let end = match start > at + 1 || is_header(name.text) {
        true if is_whole => value.len(),
        true if name.is_quoted => value.find([',', '}', ']', '\n']).unwrap_or(value.len()),
        true => value.find(['"', '\'', '`', '\n']).unwrap_or(value.len()),
        false => value.find(|c: char| c.is_whitespace() || "\"'`,}&;".contains(c)).unwrap_or(value.len()),
    };
    (!values::is_path(value)).then_some(start..start + end)
}

/// `PASSWORD 'x'`, `password "x"`, `PASSWORD('x')`, `IDENTIFIED BY 'x'`.
fn quoted_after_word(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_LOOK_BACK))..at)?;
    // SQL: E'…', N'…', U&'…'.
    let plain = before.trim_end_matches('&');
    let before =
        plain.strip_suffix(['E', 'N', 'U', 'e', 'n', 'u']).filter(|b| b.ends_with([' ', '\n'])).unwrap_or(before);
    let word_end = before.trim_end_matches([' ', '\n', '\t', '(', '\\']);
    if word_end.len() == before.len() {
        return None;
    }
    let (rest, word) = word_end.rsplit_once([' ', '\n', '(']).unwrap_or(("", word_end));
    let is_sql = word.eq_ignore_ascii_case("by") && rest.to_ascii_lowercase().contains("identified");
    let is_word = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let is_secret = is_sql || (is_word && secrecy(word) == Some(Secrecy::Secret));
    if !is_secret {
        return None;
    }
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    in_quotes(text, at - backslashes).filter(|r| !values::is_harmless(text.get(r.clone()).unwrap_or_default()))
}
