//! Makes untrusted text (names of processes, files and interfaces, foreign messages) safe for a terminal or a log.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// The replacement for a character that is not shown.
const REPLACEMENT: char = '?';
/// Maximum number of combining marks on one character; more would cover the lines around it.
const MAX_MARKS: usize = 2;

/// The text without characters that control terminals or deceive readers: control characters (C0 and C1), marks that
/// change the direction of writing, invisible characters, variation selectors, and more than two marks on one
/// character. Line ends and tabs are kept.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\n' || b == b'\t') {
        return Cow::Borrowed(text);
    }
    let mut marks = 0;
    let shown = text.chars().filter_map(|c| shown(c, &mut marks));
    Cow::Owned(shown.collect())
}

/// The text on one line: without line ends and tabs too.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], "?")
}

/// Width of a cleaned text in columns.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Width of a cleaned character in columns.
pub(crate) fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn shown(c: char, marks: &mut usize) -> Option<char> {
    if is_deceiving(c) {
        *marks = 0;
        return Some(REPLACEMENT);
    }
    *marks = if columns(c) == 0 && !c.is_control() { *marks + 1 } else { 0 };
    (*marks <= MAX_MARKS).then_some(c)
}

/// Control characters, and those with the properties `Bidi_Control`, `Default_Ignorable_Code_Point` and
/// `Line_Separator` (Unicode 16, PropList.txt and DerivedCoreProperties.txt), private use, and noncharacters.
fn is_deceiving(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_replaced() {
        for c in [
            '\u{202e}',
            '\u{202a}',
            '\u{2066}',
            '\u{2069}',
            '\u{200e}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{e0101}',
            '\u{e0041}',
            '\u{ad}',
            '\u{3164}',
            '\u{2028}',
            '\u{1b}',
            '\u{7}',
            '\u{7f}',
            '\u{9b}',
            '\u{85}',
            '\r',
            '\u{fff9}',
            '\u{e000}',
        ] {
            assert_eq!(clean(&format!("a{c}b")), "a?b", "{c:?}");
        }
    }

    #[test]
    fn text_of_any_language_stays() {
        for text in ["plain", "Grüße", "日本語", "שלום", "مرحبا", "हिन्दी", "e\u{301}", "🦀", "two\nlines\tand tab"]
        {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean_line("a\nb\tc"), "a?b?c");
    }

    #[test]
    fn a_flood_of_marks_is_cut() {
        let flood = format!("a{}b", "\u{301}".repeat(1000));
        assert_eq!(clean(&flood), "a\u{301}\u{301}b");
    }

    #[test]
    fn columns_are_those_of_terminals() {
        assert_eq!((width("abc"), width("日本"), width("e\u{301}"), width("🦀")), (3, 4, 1, 2));
    }
}
