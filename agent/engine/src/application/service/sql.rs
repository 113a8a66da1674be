//! The verb of a statement of SQL.

use super::word;

/// Verbs of PostgreSQL and MySQL, in order.
const VERBS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "IMPORT",
    "INSERT",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "OPTIMIZE",
    "PREPARE",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VACUUM",
    "VALUES",
    "WITH",
    "XA",
];

/// The verb at the start, behind blanks, comments and parentheses; none: it is no statement of SQL.
pub(super) fn verb(statement: &[u8]) -> Option<&'static str> {
    let mut rest = statement;
    loop {
        rest = match rest {
            [b' ' | b'\t' | b'\r' | b'\n' | b'(' | b';', after @ ..] => after,
            [b'-', b'-', after @ ..] | [b'#', after @ ..] => behind(after, b"\n")?,
            [b'/', b'*', after @ ..] => behind(after, b"*/")?,
            _ => break,
        };
    }
    let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
    word(VERBS, rest.get(..end)?)
}

fn behind<'a>(data: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = data.windows(end.len()).position(|window| window == end)?;
    data.get(at + end.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_is_behind_comments() {
        assert!(VERBS.is_sorted());
        let verbs = [
            ("select 1", Some("SELECT")),
            (" /* hint */ -- more\n(SELECT 'INSERT')", Some("SELECT")),
            ("Insert", Some("INSERT")),
            ("selected 1", None),
            ("/* open", None),
            ("", None),
            ("'secret'", None),
        ];
        for (statement, expected) in verbs {
            assert_eq!(verb(statement.as_bytes()), expected, "{statement}");
        }
    }
}
