//! Values that are not secrets although their name suggests it: files, switches, methods, placeholders.

/// Says yes or no, or where the secret is to be found.
const SWITCH_WORDS: &[&str] = &[
    "true", "false", "yes", "no", "on", "off", "0", "1", "auto", "none", "always", "never", "required", "optional",
    "prompt", "null", "default",
];
/// Names of authentication methods with digits in them; those of letters alone are known by that.
const METHODS: &[&str] = &[
    "md5",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "sha-256",
    "sha-512",
    "oauth2",
    "x509",
    "cram-md5",
    "scram-sha-1",
    "scram-sha-256",
    "scram-sha-512",
    "rsa-sha2-512",
];
/// Words before a colon that are not users: kinds of names and of digests.
const NAMESPACES: &[&str] = &["arn", "urn", "md5", "sha1", "sha256", "sha384", "sha512", "sip", "spiffe", "uri", "id"];
/// Ends of names of files that hold keys and certificates.
const FILE_ENDS: &[&str] =
    &[".pem", ".key", ".crt", ".cer", ".p12", ".pfx", ".jks", ".json", ".yaml", ".yml", ".conf", ".pub"];

/// Nothing, a switch, what was masked already, or a placeholder that a shell or a template fills in.
pub(super) fn is_harmless(value: &str) -> bool {
    let word = value.trim_matches(['"', '\'']);
    is_pattern(word) || is_masked(word) || is_one_of(word, SWITCH_WORDS) || is_placeholder(word)
}

/// Whether the word is empty, or a pattern that matches all names.
fn is_pattern(word: &str) -> bool {
    word.is_empty() || word == "*" || word == "**"
}

/// The mask, and nothing behind it that could be the rest of a secret.
fn is_masked(word: &str) -> bool {
    word.strip_prefix(super::MASK).is_some_and(|rest| !rest.contains(char::is_alphanumeric))
}

/// `user:password`, `user%password`; no URL, no `host:port`, no `user:group` in numbers.
pub(super) fn is_login(value: &str) -> bool {
    let Some((user, password)) = value.split_once([':', '%']) else { return false };
    let is_user = !user.is_empty() && !user.contains(['/', ' ', '=', '[']) && !is_one_of(user, NAMESPACES);
    let is_number = password.bytes().all(|b| b.is_ascii_digit());
    is_user && !is_number && !password.starts_with('/') && !is_harmless(password)
}

/// The name of a file.
pub(super) fn is_path(value: &str) -> bool {
    let begins = ["/", "./", "../", "~", "file:", "@", "pkcs11:"].iter().any(|start| value.starts_with(start));
    begins || FILE_ENDS.iter().any(|end| value.len() > end.len() && value.ends_with(end))
}

/// A number, such as that of a port.
pub(super) fn is_number(value: &str) -> bool {
    value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit())
}

/// Numbers of columns, as `sort --key=2,3n` has them.
pub(super) fn is_numbers(value: &str) -> bool {
    let begins = value.starts_with(|c: char| c.is_ascii_digit());
    begins && value.len() <= 8 && value.bytes().all(|b| b.is_ascii_digit() || b",.bdfghinrMRV".contains(&b))
}

/// The name of an authentication method.
pub(super) fn is_method(value: &str) -> bool {
    let is_word = value.len() <= 16 && value.bytes().all(|b| b.is_ascii_alphabetic() || b"-_,".contains(&b));
    is_word || is_one_of(value, METHODS)
}

/// One of the names of methods, and no other word.
pub(super) fn is_known_method(value: &str) -> bool {
    is_one_of(value, METHODS) || value.len() < 3
}

/// A name that a person gave, or a small number.
pub(super) fn is_label(value: &str) -> bool {
    let is_word = value.len() <= 24 && value.bytes().all(|b| b.is_ascii_alphabetic() || b"-_.".contains(&b));
    is_word || (value.len() <= 4 && value.bytes().all(|b| b.is_ascii_digit()))
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// `$NAME`, `${name}`, `$(command)`, `%s`, `{{ name }}`: the secret is not in it. `$name` may be a password that begins so.
fn is_placeholder(word: &str) -> bool {
    if let Some(name) = word.strip_prefix('$') {
        let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        return match name.strip_prefix('{').and_then(|n| n.strip_suffix('}')) {
            Some(inner) => !inner.is_empty() && inner.bytes().all(|b| is_name(b.to_ascii_uppercase())),
            None => {
                (name.starts_with('(') && !prints(name))
                    || (name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(is_name))
            }
        };
    }
    word == "%s" || (word.starts_with("{{") && word.ends_with("}}"))
}

/// Whether a command in the text prints its arguments: `$(echo SECRET)`.
fn prints(command: &str) -> bool {
    ["(echo ", "(printf ", " echo ", " printf "].iter().any(|p| command.contains(p))
}
