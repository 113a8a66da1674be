//! Formats figures and names for people.

use crate::printable::{self, clean_line};

/// `999 B`, `1.2 kB`, `56 MB`: at most seven columns, decimal units.
pub(crate) fn bytes(n: u64) -> String {
    scaled(n as f64, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// `999`, `1.2 k`, `56 M`: at most six columns.
pub(crate) fn count(n: u64) -> String {
    scaled(n as f64, &["", "k", "M", "G", "T", "P", "E"]).trim_end().to_owned()
}

fn scaled(mut v: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // 999.5 would be printed as 1000.
    while v >= 999.5 {
        let Some(next) = units.next() else { break };
        v /= 1000.0;
        unit = next;
    }
    let decimals = usize::from(v < 9.95 && v.fract() != 0.0);
    format!("{v:.decimals$} {unit}")
}

/// `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `0:05:09`.
pub(crate) fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Exactly `width` columns of a terminal: padded at the end, or cut in the middle with an ellipsis. Characters with
/// which a process name could control the terminal or deceive the reader are replaced.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let clean = clean_line(text);
    let wide = printable::width(&clean);
    if wide <= width {
        return clean + &" ".repeat(width - wide);
    }
    let room = width.saturating_sub(1);
    let tail = last_columns(&clean, room / 2);
    let head = first_columns(&clean, room - room / 2);
    let used = printable::width(head) + printable::width(tail);
    let ellipsis = if width > 0 { "…" } else { "" };
    // A wide character that does not fit completely is replaced by a blank.
    format!("{head}{ellipsis}{tail}{}", " ".repeat(room.saturating_sub(used)))
}

/// The beginning of a text, at most that many columns.
pub(crate) fn first_columns(text: &str, width: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += printable::columns(*c);
        used > width
    });
    text.get(..end.map_or(text.len(), |(at, _)| at)).unwrap_or_default()
}

/// The end of a text, at most that many columns.
pub(crate) fn last_columns(text: &str, width: usize) -> &str {
    let mut used = 0;
    let before = text.char_indices().rev().find(|(_, c)| {
        used += printable::columns(*c);
        used > width
    });
    text.get(before.map_or(0, |(at, c)| at + c.len_utf8())..).unwrap_or_default()
}

/// Width of printed text in columns.
pub(crate) const WIDTH: usize = 80;

/// Breaks text at blanks so that no line is wider than [`WIDTH`].
pub(crate) fn wrapped(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut line = String::from(indent);
    for word in text.split_whitespace() {
        if printable::width(&line) + 1 + printable::width(word) > WIDTH && line.len() > indent.len() {
            out += line.trim_end();
            out.push('\n');
            line = indent.into();
        }
        line += word;
        line.push(' ');
    }
    out + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let seen: Vec<_> = [0, 999, 1000, 1234, 9_960, 56_000_000, 999_600, u64::MAX].map(bytes).into();
        assert_eq!(seen, ["0 B", "999 B", "1 kB", "1.2 kB", "10 kB", "56 MB", "1.0 MB", "18 EB"]);
        assert_eq!([0, 12_345, 1_000_000].map(count), ["0", "12 k", "1 M"]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([7, 999, 1000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn text_is_cut_in_the_middle_and_cleaned() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("2001:db8::1234", 7), "200…234");
        assert_eq!(fit("a\x1b[2Jb", 6), "a?[2Jb");
        assert_eq!((fit("abc", 0), fit("abc", 1)), (String::new(), "…".into()));
        assert_eq!(fit("a\u{202e}cod.exe", 9), "a?cod.exe");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(fit("日本語", 8), "日本語  ");
        assert_eq!(fit("日本語日本語", 8), "日本…語 ");
        for text in
            ["日本語日本語日本語", "e\u{301}e\u{301}e\u{301}", "🦀🦀🦀", "a\u{301}\u{301}\u{301}\u{301}", "", "abc"]
        {
            for width in 0..20 {
                assert_eq!(printable::width(&fit(text, width)), width, "{text} {width}");
            }
        }
    }
}
