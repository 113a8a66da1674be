//! Loki's answer about lines that it refused.

/// The two numbers of `total ignored: N out of M`.
pub(crate) fn ignored(body: &[u8]) -> Option<(usize, usize)> {
    let text = String::from_utf8_lossy(body);
    let (n, rest) = text.split_once("total ignored: ")?.1.split_once(" out of ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((n.parse().ok()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn what_loki_ignored_is_read() {
        let text = "entry with timestamp 2026 ignored, reason: 'entry too far behind',\nuser 'a', total ignored: 3 out of 10 for stream: {job=\"pidflow\"}";
        assert_eq!(ignored(text.as_bytes()), Some((3, 10)));
        assert_eq!(ignored(b"total ignored: 5 out of 5"), Some((5, 5)));
        for text in ["", "total ignored: x out of 3", "total ignored: 3 out of ", "total ignored: 3"] {
            assert_eq!(ignored(text.as_bytes()), None);
        }
    }
}
