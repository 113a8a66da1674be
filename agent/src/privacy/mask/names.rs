//! Which names of options, variables and members stand for secrets.

use super::name_words::{
    ABOUT, FIGURES, FOLDER_NAMES, FOREIGN_PASSWORDS, INNOCENT_NAMES, INNOCENT_WORDS, JOINED_KEY_OWNERS, KEY_NAMES,
    KEY_OWNERS, KEY_VERBS, LAST_WORDS, LOGIN_NAMES, LOGIN_WORDS, PASSWORD_ENDS, PROGRAMS, RARE_STEMS, SECRET_ENDS,
    SECRET_NAMES, SECRET_WORDS, STEMS, SWITCHES,
};

use super::values;

/// What a name tells about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// The value is a secret, whatever its form.
    Secret,
    /// A key or credentials, or the file that holds them.
    Key,
    /// A credential, or the name of an authentication method.
    Auth,
    /// A session's secret, or its name.
    Session,
    /// A secret, or a switch, or a file.
    Private,
    /// A password, or the folder that a program works in.
    Folder,
    /// A user, maybe with the password behind it.
    Login,
}

impl Secrecy {
    /// Whether a value of an option with such a name is to be masked.
    pub(super) fn masks(self, value: &str) -> bool {
        match self {
            _ if values::is_harmless(value) => false,
            Self::Secret => true,
            Self::Key => !values::is_path(value) && !values::is_numbers(value),
            Self::Auth => !values::is_path(value) && !values::is_method(value),
            Self::Session => !values::is_path(value) && !values::is_label(value),
            Self::Private | Self::Folder => !values::is_path(value),
            Self::Login => values::is_login(value),
        }
    }
}

/// Bytes at the end of a name that are looked at.
const MAX_NAME: usize = 128;
/// Maximum number of words of a name that are examined.
const MAX_WORDS: usize = 16;

/// What the name says of the value behind it; none: nothing. Upper and lower case are the same, words may be joined by
/// `-`, `_`, `.` and the like or by capitals.
pub(super) fn secrecy(name: &str) -> Option<Secrecy> {
    // What a name stands for is at its end.
    let name = name.get(name.ceil_char_boundary(name.len().saturating_sub(MAX_NAME))..).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let has = |stem: &&str| lower.contains(*stem);
    let is_rare = [SECRET_NAMES, KEY_NAMES, LOGIN_NAMES].into_iter().flatten().any(|n| lower.ends_with(n));
    if !is_rare && ![STEMS, RARE_STEMS, FOREIGN_PASSWORDS].into_iter().flatten().any(has) {
        return None;
    }
    match lower.trim_matches(|c: char| !c.is_alphanumeric()) {
        plain if INNOCENT_NAMES.contains(&plain) => None,
        plain if SECRET_NAMES.contains(&plain) => Some(Secrecy::Secret),
        plain if KEY_NAMES.contains(&plain) => Some(Secrecy::Key),
        plain if LOGIN_NAMES.contains(&plain) => Some(Secrecy::Login),
        plain if FOLDER_NAMES.contains(&plain) => Some(Secrecy::Folder),
        _ => of_words(&words(name)),
    }
}

/// Whether a word is the name of a password or of a secret variable, and nothing else: `db.password`, `API_TOKEN`, `/pwd`.
pub(super) fn is_password_name(word: &str) -> bool {
    let name = word.strip_prefix(['/', '+']).unwrap_or(word);
    let name = name.strip_suffix(':').unwrap_or(name);
    let is_name = name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_variable = name.contains('_') && !name.bytes().any(|b| b.is_ascii_lowercase());
    is_name
        && !PROGRAMS.contains(&name)
        && secrecy(name) == Some(Secrecy::Secret)
        && (is_variable || ends_as_password(name))
}

fn ends_as_password(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PASSWORD_ENDS.iter().any(|end| lower.ends_with(end))
}

/// Whether the value of an option is a command that prints a password: `--password-command`, `--passwordeval`.
pub(super) fn is_password_command(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["pass", "secret", "token"].iter().any(|stem| lower.contains(stem))
        && ["command", "cmd", "eval", "program", "helper"].iter().any(|end| lower.ends_with(end))
}

/// Whether the next argument is the value of an option of that name: of `--ask-password` it is not.
pub(super) fn takes_value(name: &str, secrecy: Secrecy) -> bool {
    let first = name.split(|c: char| !c.is_ascii_alphanumeric()).find(|w| !w.is_empty()).unwrap_or_default();
    let first = first.to_ascii_lowercase();
    let is_verb = secrecy == Secrecy::Key && KEY_VERBS.contains(&first.as_str());
    secrecy != Secrecy::Private && !is_verb && !SWITCHES.contains(&first.as_str())
}

fn of_words(words: &[String]) -> Option<Secrecy> {
    let last = words.last()?;
    if words.iter().any(|w| FIGURES.contains(&w.as_str())) {
        return None;
    }
    if ABOUT.contains(&last.as_str()) && !is_session_id(words) {
        return None;
    }
    // Helm's name of a Kubernetes secret.
    if words.windows(2).any(|w| matches!(w, [existing, secret] if existing == "existing" && secret == "secret")) {
        return None;
    }
    let secret = words.iter().any(|w| is_secret_word(w))
        || LAST_WORDS.contains(&last.trim_end_matches(|c: char| c.is_ascii_digit()))
        || is_session_id(words)
        || names_a_key(words)
        || is_code(words)
        || is_phrase(words);
    if secret {
        return Some(Secrecy::Secret);
    }
    words.iter().rev().find_map(|w| weak(w))
}

fn is_secret_word(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.strip_suffix('s').filter(|w| !w.ends_with('s')).unwrap_or(word);
    let mut ends = SECRET_ENDS.iter().chain(FOREIGN_PASSWORDS);
    let ends = ends.any(|end| word.ends_with(end)) || SECRET_WORDS.contains(&word) || is_joined_key(word);
    ends && !INNOCENT_WORDS.iter().any(|w| word.ends_with(w))
}

fn is_joined_key(word: &str) -> bool {
    let owner = word.strip_suffix("key").unwrap_or_default();
    KEY_OWNERS.contains(&owner) || JOINED_KEY_OWNERS.contains(&owner)
}

fn is_session_id(words: &[String]) -> bool {
    matches!(words, [.., s, id] if id == "id" && (s == "session" || s == "sess"))
        || matches!(words, [.., root, token, id] if root == "root" && token == "token" && id == "id")
}

/// Words from which a wallet's keys are made.
fn is_phrase(words: &[String]) -> bool {
    let is_of = |owner: &str, owners: &[&str]| owners.contains(&owner);
    match words {
        [.., owner, phrase] if phrase == "phrase" => is_of(owner, &["seed", "pass", "recovery", "secret"]),
        [.., owner, seed] if seed == "seed" => is_of(owner, &["nonce", "wallet", "master", "hd", "key"]),
        _ => false,
    }
}

/// A code that a person types in.
fn is_code(words: &[String]) -> bool {
    let owners = ["mfa", "unlock", "auth", "pin", "access", "security", "verification", "recovery"];
    matches!(words, [.., owner, code] if code == "code" && owners.contains(&owner.as_str()))
}

fn names_a_key(words: &[String]) -> bool {
    let pairs = words.iter().zip(words.iter().skip(1));
    let mut keys = pairs.filter(|(_, w)| ["key", "keys"].contains(&w.trim_end_matches(|c: char| c.is_ascii_digit())));
    keys.any(|(owner, _)| KEY_OWNERS.contains(&owner.as_str()))
}

fn weak(word: &str) -> Option<Secrecy> {
    match word {
        "key" | "keys" | "credential" | "credentials" | "cred" | "creds" | "nkey" | "nkeys" => Some(Secrecy::Key),
        "auth" | "oauth" | "oauth2" => Some(Secrecy::Auth),
        "session" => Some(Secrecy::Session),
        "private" => Some(Secrecy::Private),
        login if LOGIN_WORDS.contains(&login) => Some(Secrecy::Login),
        _ => None,
    }
}

/// The words of a name in lower case: `keyStorePassword` and `KEY_STORE_PASSWORD` have the same.
fn words(name: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut before = '_';
    for c in name.chars() {
        let begins = !before.is_alphanumeric() || (before.is_ascii_lowercase() && c.is_ascii_uppercase());
        before = c;
        if !c.is_alphanumeric() {
            continue;
        }
        if begins && all.len() < MAX_WORDS {
            all.push(String::new());
        }
        if let Some(word) = all.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "password",
            "--password",
            "PGPASSWORD",
            "MYSQL_PWD",
            "keyStorePassword",
            "db.rootPassword",
            "api-key",
            "apikey",
            "API_KEY",
            "x-auth-token",
            "aws_secret_access_key",
            "client-secret",
            "oauth2-bearer",
            "session-id",
            "PHPSESSID",
            "_authToken",
            "passphrase",
            "requirepass",
            "storepass",
            "secret-string",
            "X-Amz-Signature",
            "AccountKey",
            "SharedAccessKey",
            "user[password]",
            "docker-password",
            "LDAPPASS",
            "wifi-sec.psk",
        ] {
            assert_eq!(secrecy(name), Some(Secrecy::Secret), "{name}");
        }
    }

    #[test]
    fn names_that_are_none() {
        for name in [
            "password-file",
            "--passwd-path",
            "token-ttl",
            "max-tokens",
            "key-type",
            "bypass",
            "compass",
            "keyboard",
            "monkey",
            "author",
            "password-store",
            "secret-name",
            "access-key-id",
            "SSH_ASKPASS",
            "tokenizer",
            "keyfile",
            "authorization-mode",
            "auth-user-pass",
            "keyserver",
            "passive",
            "assign",
            "--passwords-per-user",
        ] {
            assert_eq!(secrecy(name), None, "{name}");
        }
    }

    #[test]
    fn weak_names_depend_on_the_value() {
        let masks = |name, value| secrecy(name).unwrap().masks(value);
        assert!(masks("key", "hunter2") && !masks("key", "/etc/ssl/x.key") && !masks("key", "2,3n"));
        assert!(masks("auth", "bob:hunter2") && !masks("auth", "SHA256") && !masks("auth", "/run/user/1/xauth"));
        assert!(masks("session", "a81bc81bdead4e5d") && !masks("session", "ubuntu"));
        assert!(masks("password", "a") && !masks("password", "") && !masks("password", "$PASSWORD"));
    }

    #[test]
    fn users_may_have_a_password_behind_them() {
        let masks = |name, value| secrecy(name).unwrap().masks(value);
        assert!(masks("user", "bob:hunter2") && masks("login", "bob%hunter2"));
        assert!(!masks("user", "bob") && !masks("user", "1000:1000") && !masks("login", "http://h/x"));
        assert!(masks("pwd", "hunter2") && !masks("PWD", "/srv"));
    }

    #[test]
    fn switches_have_no_value() {
        let takes = |name| takes_value(name, secrecy(name).unwrap());
        assert!(!takes("--ask-pass") && !takes("--no-password") && takes("--password"));
        assert!(!takes("--recv-keys") && !takes("--private") && takes("--default-password"));
    }
}
