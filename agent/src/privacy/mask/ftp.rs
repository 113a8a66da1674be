//! Statements of FTP clients, in which passwords are recognised by their position.

use std::ops::Range;

use super::MASK;
use super::printed::replaced;
use super::shell::{Split, words};

/// FTP clients.
const CLIENTS: [&str; 6] = ["ftp", "lftp", "tnftp", "ncftp", "/usr/bin/ftp", "/usr/bin/lftp"];

/// Whether the word is the name of an FTP client.
pub(super) fn is_client(word: &str) -> bool {
    CLIENTS.contains(&word)
}

/// The text without the passwords of its statements `user NAME PASSWORD`, `pass PASSWORD` and `quote PASS PASSWORD`;
/// none: it has no such passwords.
pub(super) fn mask(text: &str) -> Option<String> {
    let changes: Vec<_> = passwords(text).map(|range| (range, MASK.to_owned())).collect();
    (!changes.is_empty()).then(|| replaced(text, changes))
}

/// The positions of the passwords.
pub(super) fn passwords(text: &str) -> impl Iterator<Item = Range<usize>> {
    let statements = text.split_inclusive(['\n', ';']).scan(0, |start, statement| {
        *start += statement.len();
        Some((*start - statement.len(), statement))
    });
    statements.filter_map(|(start, statement)| password(statement).map(|r| start + r.start..start + r.end))
}

fn password(statement: &str) -> Option<Range<usize>> {
    let statement = statement.trim_end_matches([';', '\n']);
    let all = words(statement, Split::Blanks);
    let lower: Vec<String> = all.iter().map(|w| w.text.to_ascii_lowercase()).collect();
    let word = match lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["user", _, _, ..] => all.get(2),
        ["pass", _] => all.get(1),
        ["quote" | "literal" | "site", "pass", ..] => all.get(2),
        _ => None,
    };
    word.map(|w| w.range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_statements() {
        assert_eq!(mask("set x no; user bob x; ls").unwrap(), "set x no; user bob ***; ls");
        assert_eq!(
            mask("open h\nquote USER bob\nquote PASS x\nput f").unwrap(),
            "open h\nquote USER bob\nquote PASS ***\nput f"
        );
        assert_eq!(mask("open h; ls user x; pass"), None);
    }
}
