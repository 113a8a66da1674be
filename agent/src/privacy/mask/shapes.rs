//! Secrets with a known form: tokens of well-known services, JSON web tokens, PEM keys.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Prefixes of tokens, and the minimum length of such a token.
const TOKENS: [(&str, usize); 40] = [
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 22),
    ("glpat-", 16),
    ("gldt-", 16),
    ("glrt-", 16),
    ("xoxb-", 14),
    ("xoxp-", 14),
    ("xoxa-", 14),
    ("xoxr-", 14),
    ("xoxs-", 14),
    ("xapp-", 14),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("SG.", 30),
    ("npm_", 30),
    ("pypi-", 30),
    ("dop_v1_", 30),
    ("hvs.", 20),
    ("hvb.", 20),
    ("sk-", 24),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("whsec_", 20),
    ("shpat_", 20),
    ("dckr_pat_", 20),
    ("lin_api_", 20),
    ("hf_", 24),
    ("tskey-", 16),
    ("ATATT3", 24),
    ("AGE-SECRET-KEY-1", 20),
    ("PMAK-", 20),
    ("eyJ", 20),
    ("NRAK-", 20),
];
const PEM: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// None: the table above is not a valid pattern, which a test excludes.
static BEGINS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let begins = TOKENS.iter().map(|(begin, _)| *begin).chain([PEM]);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(begins).ok()
});

/// Tokens and keys in a text.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let Some(begins) = BEGINS.as_ref() else { return Vec::new() };
    let mut found: Vec<Range<usize>> = Vec::new();
    for hit in begins.find_iter(text) {
        let start = hit.start();
        if found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        found.extend(match TOKENS.get(hit.pattern().as_usize()) {
            Some((_, shortest)) => token(text, start, *shortest),
            None => Some(start..end_of_pem(text, start)),
        });
    }
    found
}

/// The token that begins there, unless it is the middle of a word or too short.
fn token(text: &str, start: usize, shortest: usize) -> Option<Range<usize>> {
    let before = text.get(..start)?.chars().next_back();
    if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let rest = text.get(start..)?;
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-_.=+/~".contains(c);
    let length = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
    let has_digit = rest.get(..length)?.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (length >= shortest && has_digit).then_some(start..start + length)
}

/// Behind the last line, or the text's end where that is missing.
fn end_of_pem(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let last = rest.find(PEM_END).map(|at| at + PEM_END.len());
    let end = last.and_then(|at| Some(at + rest.get(at..)?.find("-----")? + 5));
    start + end.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_and_words_are_not() {
        assert!(BEGINS.is_some());
        let found = |text: &'static str| find(text).into_iter().map(|r| &text[r]).collect::<Vec<_>>();
        assert_eq!(found("x ghp_16C7e42F292c6912E7710c838347Ae178B4a y"), ["ghp_16C7e42F292c6912E7710c838347Ae178B4a"]);
        assert_eq!(found("AKIAIOSFODNN7EXAMPLE"), ["AKIAIOSFODNN7EXAMPLE"]);
        assert_eq!(found("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_D b").len(), 1);
        for word in ["task-sk-installer-of-things-here", "npm_config_cache", "hf_hub", "SG.x", "MAKIAVELLI"] {
            assert!(find(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn a_key_without_its_end_goes_to_the_end() {
        let text = "x -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- y";
        assert_eq!(find(text), std::slice::from_ref(&(2..text.len() - 2)));
        assert_eq!(find("-----BEGIN RSA PRIVATE KEY-----\nab"), std::slice::from_ref(&(0..34)));
    }
}
