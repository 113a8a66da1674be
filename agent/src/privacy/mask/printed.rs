//! Secrets that a command prints, for another one to read.

use std::ops::Range;

use super::shell::{Split, Word, words};
use super::{MASK, values};

/// Programs that print their arguments.
const PRINTERS: [&str; 5] = ["echo", "printf", "yes", "send", "print"];
/// The text of a command that prints a secret, without what it prints; none: it prints nothing.
pub(super) fn mask(text: &str) -> Option<String> {
    let mut changes = Vec::new();
    printed(&words(text, Split::Blanks), &mut changes);
    (!changes.is_empty()).then(|| replaced(text, changes))
}

/// `echo SECRET | sudo -S …`.
pub(super) fn printed(all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    for command in all.split(Word::ends_command) {
        if command.first().is_some_and(|w| PRINTERS.contains(&w.text.as_str())) {
            let secrets = command.iter().skip(1).filter(|w| !w.text.starts_with('-') && !values::is_harmless(&w.text));
            changes.extend(secrets.map(|w| (w.range.clone(), MASK.to_owned())));
        }
    }
}

/// Applies the changes. If two concern the same word, the later one wins.
pub(super) fn replaced(text: &str, mut changes: Vec<(Range<usize>, String)>) -> String {
    changes.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (range, new) in changes {
        if range.start < from {
            continue;
        }
        out += text.get(from..range.start).unwrap_or_default();
        out += &new;
        from = range.end;
    }
    out + text.get(from..).unwrap_or_default()
}
