//! Cutting text at a character boundary.

/// The longest prefix of `text` of at most `octets` that ends between two characters.
pub(crate) fn prefix(text: &str, octets: usize) -> &str {
    let end = text.floor_char_boundary(octets);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn never_cuts_a_character() {
        assert_eq!(prefix("müller", 2), "m");
        assert_eq!(prefix("müller", 3), "mü");
        assert_eq!(prefix("abc", 16), "abc");
        assert_eq!(prefix("日本", 0), "");
    }
}
