//! The chain of a process's ancestors as one text.

use std::fmt::Write as _;

/// Adds one ancestor to the chain, as `name(pid)` with `<` before all but the first.
pub(super) fn add(chain: &mut String, name: &str, pid: u32) {
    if !chain.is_empty() {
        chain.push('<');
    }
    name.chars().for_each(|c| add_escaped(chain, c));
    // Writing to a String does not fail.
    let _ = write!(chain, "({pid})");
}

/// A process chooses its name, which must not look like several names or control a terminal.
fn add_escaped(chain: &mut String, c: char) {
    if matches!(c, '<' | '(' | ')' | '\\') {
        chain.push('\\');
        chain.push(c);
    } else if c.is_control() || is_formatting(c) {
        let _ = write!(chain, "{}", c.escape_unicode());
    } else {
        chain.push(c);
    }
}

/// Invisible characters that change how others are shown: joiners, bidirectional marks (Unicode annex 9), line and
/// paragraph separators, byte order mark, tags.
const fn is_formatting(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::add;

    fn chain(names: &[(&str, u32)]) -> String {
        let mut chain = String::new();
        names.iter().for_each(|(name, pid)| add(&mut chain, name, *pid));
        chain
    }

    #[test]
    fn a_name_cannot_look_like_a_chain() {
        assert_eq!(chain(&[("sh", 10), ("init", 1)]), "sh(10)<init(1)");
        assert_eq!(chain(&[("sh(10)<init", 7)]), r"sh\(10\)\<init(7)");
        assert_eq!(chain(&[(r"a\", 7), ("(sd-pam)", 2)]), r"a\\(7)<\(sd-pam\)(2)");
        assert_ne!(chain(&[(r"a\", 7), ("b", 1)]), chain(&[(r"a\(7)<b", 1)]));
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        assert_eq!(chain(&[("\x1b[31m\n", 3)]), r"\u{1b}[31m\u{a}(3)");
        assert_eq!(chain(&[("\u{202e}gnp\u{2066}", 3)]), r"\u{202e}gnp\u{2066}(3)");
        assert_eq!(chain(&[("größe 数", 3)]), "größe 数(3)");
    }
}
