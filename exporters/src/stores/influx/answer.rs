//! InfluxDB's answer about points that it refused.

use serde::Deserialize;

/// InfluxDB 1 has `error`, InfluxDB 2 has `code` and `message`.
#[derive(Deserialize)]
struct Problem {
    #[serde(alias = "message")]
    error: String,
}

/// Number of points of a request that were dropped while the others were written; none: nothing was written.
pub(crate) fn dropped(body: &[u8]) -> Option<usize> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    problem.error.contains("partial write").then(|| {
        let unparsed = problem.error.matches("unable to parse '").count();
        let dropped = problem.error.rsplit_once("dropped=").map_or("", |(_, rest)| rest);
        let digits = dropped.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        // A message about a partial write means that at least one point was dropped.
        digits.parse().unwrap_or(0_usize).saturating_add(unparsed).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::dropped;

    #[test]
    fn partial_writes_of_both_versions_are_read() {
        let one = r#"{"error":"partial write: points beyond retention policy dropped=3"}"#;
        let two = r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"F\" is type float, already exists as type integer dropped=2"}"#;
        let bad = r#"{"error":"partial write: unable to parse 'x': missing fields\nunable to parse 'y': missing fields dropped=0"}"#;
        assert_eq!([one, two, bad].map(|b| dropped(b.as_bytes())), [Some(3), Some(2), Some(2)]);
        let none = r#"{"code":"invalid","message":"unable to parse 'x': missing fields"}"#;
        assert_eq!([none, "", "partial write", "{}"].map(|b| dropped(b.as_bytes())), [None; 4]);
    }
}
