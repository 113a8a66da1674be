//! Cuts text that is longer than what is kept.

/// The end of a text that was cut.
pub(super) const ELLIPSIS: char = '…';

/// At most `max` bytes of the text, cut at a character boundary, with an ellipsis at the end if anything was cut.
pub(super) fn bounded(mut text: String, max: usize, is_cut: bool) -> String {
    if text.len() <= max && !is_cut {
        return text;
    }
    let room = max.saturating_sub(ELLIPSIS.len_utf8());
    text.truncate(text.floor_char_boundary(room.min(text.len())));
    while text.ends_with(ELLIPSIS) {
        text.pop();
    }
    text.push(ELLIPSIS);
    text
}

/// What can be kept of an argument whose end is not known. What follows could have made its last word a secret (the `@`
/// behind `user:password`), so this goes; of the name of a file only the part behind the last `/`. What is printed may go to
/// a program that takes a password (`echo PASSWORD | sudo -S`), so all from there on goes.
pub(super) fn without_tail(argument: &str) -> &str {
    let printed = ["echo ", "printf "].iter().filter_map(|p| argument.find(p)).min();
    let argument = argument.get(..printed.unwrap_or(argument.len())).unwrap_or_default();
    let start = argument.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = argument.get(start..).unwrap_or_default();
    let is_path = word.starts_with('/') && !word.contains("://");
    let kept = if is_path { word.rfind('/').map_or(0, |at| at + 1) } else { 0 };
    argument.get(..start + kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(bounded("abcdef".into(), 6, false), "abcdef");
        assert_eq!(bounded("abcdefg".into(), 6, false), "abc…");
        assert_eq!(bounded("äöüß".into(), 7, false), "äö…");
        assert_eq!(bounded("ab".into(), 6, true), "ab…");
        assert_eq!(bounded("äöüß".into(), 0, false), "…");
    }

    #[test]
    fn the_last_word_of_what_was_cut_goes() {
        assert_eq!(without_tail("run postgres://bob:s3cr"), "run ");
        assert_eq!(without_tail("eyJhbGciOiJ"), "");
        assert_eq!(without_tail("/usr/lib/a.jar:/usr/lib/b"), "/usr/lib/a.jar:/usr/lib/");
        assert_eq!(without_tail("cd /x && echo hunter2"), "cd /x && ");
        assert_eq!(without_tail("x; echo a | grep bcd"), "x; ");
    }
}
