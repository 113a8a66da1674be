//! The bearer token (RFC 6750).

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pidflow_exporters::regular_file;
use subtle::ConstantTimeEq;

/// The variable with the token. There is no flag for it, because every user who can list processes sees flags.
const VARIABLE: &str = "PIDFLOW_TOKEN";

/// Whether the variable is set and not empty.
pub(super) fn is_in_environment() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(Box<[u8]>);

impl Token {
    /// The token from the file, otherwise from the variable; none: neither was given.
    pub(crate) fn given(file: Option<&Path>) -> Result<Option<Self>> {
        match (file, std::env::var_os(VARIABLE)) {
            (Some(file), _) => Self::read(file).map(Some),
            (None, Some(token)) => Self::new(token.as_encoded_bytes()).context(VARIABLE).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn read(file: &Path) -> Result<Self> {
        let text =
            regular_file::read(file).with_context(|| format!("cannot read the token file {}", file.display()))?;
        Self::new(text.trim_ascii_end()).with_context(|| file.display().to_string())
    }

    /// RFC 6750 section 2.1, `b64token`.
    fn new(text: &[u8]) -> Result<Self> {
        let is_fine = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
        ensure!(
            !text.is_empty() && text.iter().all(is_fine),
            "a token is one line of letters, digits and -._~+/=; \"openssl rand -hex 32\" makes one"
        );
        Ok(Self(text.into()))
    }

    /// The value of the header `Authorization` that a client sends.
    pub(crate) fn header(&self) -> Vec<u8> {
        [b"Bearer ", &*self.0].concat()
    }

    /// Whether the header's value contains the token. The time does not depend on how much of it is correct.
    pub(super) fn is_in(&self, authorization: &[u8]) -> bool {
        let given = authorization.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        given.is_some_and(|(_, token)| token.trim_ascii().ct_eq(&self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_will_do() {
        let token = Token::new(b"s3cret").unwrap();
        assert!(token.is_in(b"Bearer s3cret") && token.is_in(b"bearer  s3cret"));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cretx", "Basic s3cret", "s3cret", "Bearers3cret"]
        {
            assert!(!token.is_in(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_may_end_its_line_and_must_hold_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let given = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Token::given(Some(&file))
        };
        assert_eq!(given("abc\n").unwrap(), Some(Token::new(b"abc").unwrap()));
        for wrong in ["", "\n", "a b", "a\nb"] {
            let said = format!("{:#}", given(wrong).unwrap_err());
            assert!(said.contains(&*file.to_string_lossy()) && (wrong.len() < 2 || !said.contains(wrong)), "{said}");
        }
    }
}
