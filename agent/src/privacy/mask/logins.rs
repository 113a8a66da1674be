//! Logins whose user is the secret: services take a token as the user, and nothing or a fixed word as the password.

use super::values;

/// What services expect as the password of a token: `TOKEN:`, `TOKEN:x-oauth-basic`.
const FILLERS: [&str; 6] = ["", "x", "X", "x-oauth-basic", "api_token", "unused"];

/// Whether the user of `user:password` is a token.
pub(super) fn is_token(login: &str) -> bool {
    let parts = login.split_once(':').filter(|(_, password)| FILLERS.contains(password));
    parts.is_some_and(|(user, _)| !values::is_path(user) && !values::is_harmless(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_password_of_its_own() {
        for login in ["sk1:", "abc:x-oauth-basic", "abc:X", "abc:api_token"] {
            assert!(is_token(login), "{login}");
        }
        for login in ["", ":", "bob:hunter2", "bob", "c.pem:", "$TOKEN:", ":x"] {
            assert!(!is_token(login), "{login}");
        }
    }
}
