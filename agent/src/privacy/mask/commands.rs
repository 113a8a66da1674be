//! Commands that stand in one argument: for a shell, for another host, or as the title that a program gave itself.

use std::ops::Range;

use super::shell::{Split, Word, has_operators, words};
use super::{MASK, arguments};

/// Print the words behind them.
const PRINTERS: [&str; 4] = ["echo", "printf", "yes", "send"];
/// Read a secret from their standard input, or from what `expect` sends.
const READERS: [&str; 11] = [
    "-S",
    "--password-stdin",
    "--stdin",
    "chpasswd",
    "--with-token",
    "passwd",
    "cryptsetup",
    "smbpasswd",
    "spawn",
    "expect",
    "debconf-set-selections",
];

/// The text with the secrets of its commands masked; none: it has none.
pub(super) fn mask(text: &str, depth: usize) -> Option<String> {
    let masked = split(text, depth, Split::Blanks);
    let rest = masked.as_deref().unwrap_or(text);
    // What looked like one word may be several.
    let again = has_operators(rest).then(|| split(rest, depth, Split::Operators)).flatten();
    again.or(masked)
}

fn split(text: &str, depth: usize, at: Split) -> Option<String> {
    let all = words(text, at);
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    for command in all.split(Word::ends_command) {
        masked(command, depth, &mut changes);
    }
    if all.iter().any(|w| READERS.contains(&w.text.as_str()) || w.text.contains("passphrase-fd")) {
        printed(&all, &mut changes);
    }
    here_strings(&all, &mut changes);
    (!changes.is_empty()).then(|| replaced(text, changes))
}

fn masked(command: &[Word], depth: usize, changes: &mut Vec<(Range<usize>, String)>) {
    let texts: Vec<&str> = command.iter().map(|w| w.text.as_str()).collect();
    for (word, masked) in command.iter().zip(arguments::mask(&texts, depth)) {
        if masked != word.text {
            changes.push((word.range.clone(), quoted(&masked, word.quote)));
        }
    }
}

fn quoted(text: &str, quote: Option<char>) -> String {
    quote.map_or_else(|| text.to_owned(), |q| format!("{q}{text}{q}"))
}

/// `echo SECRET | sudo -S …`.
fn printed(all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    for command in all.split(Word::ends_command) {
        if command.first().is_some_and(|w| PRINTERS.contains(&w.text.as_str())) {
            let secrets = command.iter().skip(1).filter(|w| !w.text.starts_with('-'));
            changes.extend(secrets.map(|w| (w.range.clone(), MASK.to_owned())));
        }
    }
}

/// `<<< SECRET`.
fn here_strings(all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    for (mark, word) in all.iter().zip(all.iter().skip(1)) {
        if mark.text == "<<<" {
            changes.push((word.range.clone(), MASK.to_owned()));
        } else if let Some(at) = word.text.strip_prefix("<<<").filter(|rest| !rest.is_empty()) {
            changes.push((word.range.end - at.len().min(word.range.len())..word.range.end, MASK.to_owned()));
        }
    }
}

/// Puts the changes in; of two of the same word the later one holds.
fn replaced(text: &str, mut changes: Vec<(Range<usize>, String)>) -> String {
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
