//! Passwords before an `@`: in URLs, and in the connection strings of databases (`user:password@tcp(host)/name`).

use std::ops::Range;

use super::random::is_random;
use super::{logins, values};

/// Shortest user part of a URL without a colon that is taken for a token.
const MIN_TOKEN: usize = 16;
/// Bytes before an `@` in which a user and a password are looked for.
const MAX_LOOK_BACK: usize = 512;
/// `scheme:name@…` and `image:tag@sha256:…`, which hold no password.
const INNOCENT_SCHEMES: [&str; 9] = ["npm", "pkg", "mailto", "sip", "sips", "xmpp", "acct", "git", "ssh"];
const DIGESTS: [&str; 2] = ["sha256:", "sha512:"];

/// Schemes in whose URLs a user without a password is a token: `https://TOKEN@host/project.git`.
const TOKEN_SCHEMES: [&str; 6] = ["http", "https", "ws", "wss", "nats", "ss"];

/// `jdbc:oracle:thin:user/password@…`.
const ORACLE: &str = "jdbc:oracle:";

/// Passwords in a text.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    if !text.contains('@') {
        return Vec::new();
    }
    let mut found: Vec<_> = text.match_indices("://").filter_map(|(at, _)| in_url(text, at + 3)).collect();
    found.extend(text.match_indices(ORACLE).filter_map(|(at, _)| in_oracle(text, at + ORACLE.len())));
    for (at, _) in text.match_indices('@') {
        let is_known = found.iter().any(|r| r.start <= at && at <= r.end);
        found.extend(if is_known { None } else { before_at(text, at) });
    }
    found.sort_by_key(|r| r.start);
    found
}

/// The password of the URL whose authority begins at `start`.
fn in_url(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(rest.len());
    let url = rest.get(..end)?;
    let authority = url.get(..url.find(['/', '?', '#']).unwrap_or(end))?;
    match authority.rfind('@') {
        Some(at) => of_user(scheme_before(text, start), authority, at).map(|r| start + r.start..start + r.end),
        None => odd_password(url, authority).map(|r| start + r.start..start + r.end),
    }
}

/// What is behind the first colon, or all of it where the user is a token.
fn of_user(scheme: &str, authority: &str, at: usize) -> Option<Range<usize>> {
    let login = authority.get(..at)?;
    let takes_token = TOKEN_SCHEMES.contains(&scheme);
    match login.find(':') {
        Some(_) if takes_token && logins::is_token(login) => Some(0..at),
        Some(colon) if colon + 1 < at => Some(colon + 1..at),
        Some(_) => None,
        None if takes_token => (!INNOCENT_SCHEMES.contains(&login) && !values::is_harmless(login)).then_some(0..at),
        None => (login.len() >= MIN_TOKEN && (is_random(login) || has_digits(login))).then_some(0..at),
    }
}

/// The scheme of the URL whose authority begins at `start`, without what a program puts before it: `git+https`.
fn scheme_before(text: &str, start: usize) -> &str {
    let before = text.get(..start).and_then(|before| before.strip_suffix("://")).unwrap_or_default();
    before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

fn has_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 2
}

/// A password with `/`, `?` or `#` in it that should have been encoded: what is behind the colon is no port.
fn odd_password(url: &str, authority: &str) -> Option<Range<usize>> {
    let colon = authority.find(':')?;
    let port = authority.get(colon + 1..)?;
    let is_port = port.bytes().all(|b| b.is_ascii_digit());
    let at = url.rfind('@')?;
    (!is_port && at > colon + 1).then_some(colon + 1..at)
}

fn in_oracle(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let at = rest.find('@')?;
    let slash = rest.get(..at)?.find('/').filter(|slash| slash + 1 < at)?;
    Some(start + slash + 1..start + at)
}

/// `user:password@host` without a scheme, `domain/user:password@host`, `:pserver:user:password@host`.
fn before_at(text: &str, at: usize) -> Option<Range<usize>> {
    let from = text.floor_char_boundary(at.saturating_sub(MAX_LOOK_BACK));
    let (before, after) = (text.get(from..at)?, text.get(at + 1..)?);
    let is_edge = |c: char| c.is_whitespace() || "\"'`=,;<>|".contains(c);
    let edge = before.rfind(is_edge).map_or(0, |edge| edge + 1);
    // `//user:password@host`.
    let edge = edge + before.get(edge..)?.len() - before.get(edge..)?.trim_start_matches("//").len();
    let start = from + edge;
    let whole = before.get(edge..)?;
    let method = if whole.starts_with(':') { whole.match_indices(':').nth(1)?.0 + 1 } else { 0 };
    let (user, password) = whole.get(method..)?.split_once(':')?;
    let is_in_domain = user.split_once('/').is_none_or(|(domain, name)| is_word(domain) && is_word(name));
    let is_user = !user.is_empty() && !user.contains('@') && is_in_domain && !INNOCENT_SCHEMES.contains(&user);
    let is_host = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[' || c == '(');
    let is_digest = DIGESTS.iter().any(|d| after.starts_with(d));
    let has_slash = password.contains('/') && !after.starts_with("tcp(") && !after.starts_with("unix(");
    let fits = is_user && is_host && !is_digest && !has_slash && !password.is_empty();
    fits.then_some(start + method + user.len() + 1..at)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.\\".contains(&b))
        && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn passwords_of_urls() {
        assert_eq!(found("postgres://bob:s3cret@db:5432/x?sslmode=off"), ["s3cret"]);
        assert_eq!(found("redis://:s3cret@[::1]:6379/0"), ["s3cret"]);
        assert_eq!(found("a http://u:p@h/ b ftp://v:q@h"), ["p", "q"]);
        assert_eq!(found("mongodb://u:p@ss@h1:1,h2:2/db"), ["p@ss"]);
        assert_eq!(found("amqp://u:p/a?s#s@host/vhost"), ["p/a?s#s"]);
        assert_eq!(found("https://0a1b2c3d4e5f60718293@github.com/a/b"), ["0a1b2c3d4e5f60718293"]);
        assert_eq!(found("git+https://s3cret@h/a nats://s3cret@h:4222"), ["s3cret", "s3cret"]);
        assert_eq!(found("https://s3cret:x-oauth-basic@h/a https://s3cret:@h/"), ["s3cret:x-oauth-basic", "s3cret:"]);
        assert_eq!(found("root:s3cret@tcp(127.0.0.1:3306)/db"), ["s3cret"]);
        assert_eq!(found("--dsn=root:s3/cret@unix(/run/mysql.sock)/db"), ["s3/cret"]);
        assert_eq!(found("bob:hunter2@db.example:5432/x"), ["hunter2"]);
        assert_eq!(found("jdbc:oracle:thin:bob/hunter2@h:1521:x"), ["hunter2"]);
        assert_eq!(found("corp/bob:hunter2@10.0.0.1"), ["hunter2"]);
        assert_eq!(found(":pserver:bob:hunter2@h:/x"), ["hunter2"]);
    }

    #[test]
    fn arguments_without_a_password_are_unchanged() {
        for text in [
            "https://host:8443/@scope/pkg",
            "ssh://git@github.com/a/b",
            "https://git@github.com/a/b",
            "https://$USER@github.com/a/b",
            "postgresql://app@db/app",
            "nginx:1.25@sha256:0123",
            "git@github.com:a/b",
            "mailto:bob@example.org",
            "npm:react@18",
            "host:/srv/a@b",
            "user@1000.service",
            "x@y",
            "https://a/b:c@d",
            "sip:100@pbx.example",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
