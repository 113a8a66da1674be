//! Values that are no secrets although a name says so: files, switches, methods, placeholders.

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
/// Ends of names of files that hold keys and certificates.
const FILE_ENDS: &[&str] =
    &[".pem", ".key", ".crt", ".cer", ".p12", ".pfx", ".jks", ".json", ".yaml", ".yml", ".conf", ".pub"];

/// Nothing, a switch, what was masked already, or a placeholder that a shell or a template fills in.
pub(super) fn is_harmless(value: &str) -> bool {
    let word = value.trim_matches(['"', '\'']);
    word.is_empty() || word.starts_with(super::MASK) || is_one_of(word, SWITCH_WORDS) || is_placeholder(word)
}

/// The name of a file.
pub(super) fn is_path(value: &str) -> bool {
    let begins = ["/", "./", "../", "~", "file:", "@", "pkcs11:"].iter().any(|start| value.starts_with(start));
    begins || FILE_ENDS.iter().any(|end| value.len() > end.len() && value.ends_with(end))
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

/// A name that a person gave, or a small number.
pub(super) fn is_label(value: &str) -> bool {
    let is_word = value.len() <= 24 && value.bytes().all(|b| b.is_ascii_alphabetic() || b"-_.".contains(&b));
    is_word || (value.len() <= 4 && value.bytes().all(|b| b.is_ascii_digit()))
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// `$NAME`, `${NAME}`, `$(command)`, `%s`, `{{ name }}`: the secret is not in it.
fn is_placeholder(word: &str) -> bool {
    if let Some(name) = word.strip_prefix('$') {
        let inner = name.strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(name);
        let is_name = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return (is_name && !inner.starts_with(|c: char| c.is_ascii_digit())) || name.starts_with('(');
    }
    word == "%s" || (word.starts_with("{{") && word.ends_with("}}"))
}
