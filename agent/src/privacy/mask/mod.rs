//! Masks secrets in command lines: pure functions on lists of arguments.
//!
//! In doubt, a value is masked if a name marks it as secret, and kept readable if only its form suggests it. A secret
//! without name or form (the third argument of an unknown program) cannot be recognised.

mod arguments;
mod calls;
mod commands;
mod endings;
mod ftp;
mod holds;
mod logins;
mod markup;
mod name_words;
mod names;
mod neighbours;
mod pairs;
mod printed;
mod program_names;
mod programs;
mod random;
mod shapes;
mod shell;
mod url_tokens;
mod urls;
mod values;
mod verbs;

use std::borrow::Cow;
use std::ops::Range;

use pairs::Nature;
use percent_encoding::percent_decode_str;

/// The replacement for a secret.
pub(super) const MASK: &str = "***";
/// Maximum nesting of strings that are examined; deeper ones are masked completely.
const MAX_DEPTH: usize = 4;
/// In shorter texts without a separator, a secret cannot be distinguished from a word.
const MIN_TOKEN: usize = 14;

/// The arguments with every secret in them masked.
pub(super) fn mask_arguments<'a>(arguments: &[&'a str]) -> Vec<Cow<'a, str>> {
    arguments::mask(arguments, 0)
}

/// A text that is an argument, or part of one.
struct Text {
    nature: Nature,
    depth: usize,
}

impl Text {
    fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let masked = self.as_it_is(text);
        self.decoded(&masked).map_or(masked, Cow::Owned)
    }

    fn as_it_is<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(has_separator) = is_worth_a_look(text) else { return Cow::Borrowed(text) };
        if self.nature == Nature::Argument
            && let Some(value) = pairs::whole(text)
        {
            return format!("{}{MASK}", text.get(..value.start).unwrap_or_default()).into();
        }
        if !text.contains(char::is_whitespace) {
            return self.in_one_piece(text, has_separator);
        }
        if let Some((name, command)) = commands::behind_name(text).and_then(|at| text.split_at_checked(at)) {
            let masked = Self { nature: Nature::Command, depth: self.depth }.mask(command);
            return if masked == command { Cow::Borrowed(text) } else { format!("{name}{masked}").into() };
        }
        match self.of_data(text, has_separator) {
            Some(data) => self.of_words(&data, has_separator).into_owned().into(),
            None => self.of_words(text, has_separator),
        }
    }

    /// Data, which has its own quotes, brackets and line ends, before words are made of it; none: there is nothing to mask in it.
    fn of_data(&self, text: &str, has_separator: bool) -> Option<String> {
        let is_data = text.starts_with(['<', '{', '[']) || text.contains('\n') || text.contains("=(");
        let masked = is_data.then(|| self.in_one_piece(text, has_separator).into_owned())?;
        (masked != text).then_some(masked)
    }

    /// Words are masked first, because only they are free of the quotes and backslashes of the surrounding string.
    fn of_words<'a>(&self, text: &'a str, has_separator: bool) -> Cow<'a, str> {
        if self.depth >= MAX_DEPTH {
            return Cow::Borrowed(MASK);
        }
        match commands::mask(text, self.depth + 1) {
            Some(masked) => Cow::Owned(self.in_one_piece(&masked, has_separator).into_owned()),
            None => self.in_one_piece(text, has_separator),
        }
    }

    /// What is percent-encoded is shown decoded where there is a secret in it; none: there is not.
    fn decoded(&self, masked: &str) -> Option<String> {
        let plain = masked.contains('%').then(|| percent_decode_str(masked).decode_utf8_lossy())?;
        let again = (plain != masked).then(|| self.in_one_piece(&plain, true))?;
        (again != plain).then(|| again.into_owned())
    }

    fn in_one_piece<'a>(&self, text: &'a str, has_separator: bool) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        if has_separator {
            replace(&mut masked, urls::find);
            replace(&mut masked, url_tokens::find);
            let nature = self.nature;
            replace(&mut masked, |text| pairs::find(text, nature));
        }
        if text.len() >= MIN_TOKEN {
            replace(&mut masked, shapes::find);
            replace(&mut masked, random::find);
        }
        masked
    }
}

/// None: there is nothing in it; else whether it has anything that separates a name from a value.
fn is_worth_a_look(text: &str) -> Option<bool> {
    let has_separator = text.bytes().any(|b| b":=@\"'<".contains(&b) || b.is_ascii_whitespace());
    (has_separator || text.len() >= MIN_TOKEN).then_some(has_separator)
}

fn replace(text: &mut Cow<'_, str>, find: impl Fn(&str) -> Vec<Range<usize>>) {
    let found = find(text);
    if found.is_empty() {
        return;
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in found.into_iter().filter(|r| !r.is_empty()) {
        if range.start >= from {
            out += text.get(from..range.start).unwrap_or_default();
            out += MASK;
        }
        from = from.max(range.end);
    }
    out += text.get(from..).unwrap_or_default();
    *text = Cow::Owned(out);
}

#[cfg(test)]
mod tests;
