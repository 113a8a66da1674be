//! Which names of options, variables and members stand for secrets.

use super::values;

/// How much a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// The value is a secret, whatever it looks like.
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

/// Parts of every name that [`secrecy`] knows: what has none of them is passed over quickly.
const STEMS: &[&str] = &[
    "pass", "pwd", "pswd", "pw", "secret", "token", "key", "auth", "cred", "priv", "bearer", "cookie", "sess", "psk",
    "otp", "user", "login", "pin", "pat",
];
const RARE_STEMS: &[&str] =
    &["jwt", "sig", "phrase", "connectionstring", "nkey", "community", "mnemonic", "seed", "code", "hmac", "mdp"];

/// "Password" in other languages: ends of words, and stems too.
const FOREIGN_PASSWORDS: &[&str] = &[
    "kennwort",
    "motdepasse",
    "contrasena",
    "contraseña",
    "senha",
    "wachtwoord",
    "haslo",
    "heslo",
    "parola",
    "пароль",
    "密码",
    "密碼",
    "パスワード",
    "비밀번호",
];

/// Ends of words that mean a secret.
const SECRET_ENDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "pswd",
    "secret",
    "token",
    "apikey",
    "cookie",
    "bearer",
    "authorization",
    "pass",
    "pwd",
    "masterauth",
    "proxyauth",
];
/// Whole words that mean a secret.
const SECRET_WORDS: &[&str] = &[
    "pw",
    "psk",
    "jwt",
    "otp",
    "totp",
    "passkey",
    "accesskey",
    "secretkey",
    "privatekey",
    "accountkey",
    "signature",
    "sig",
    "sessid",
    "phpsessid",
    "jsessionid",
    "sessionid",
    "connectionstring",
    "sharedaccesskey",
    "pin",
    "pat",
    "mdp",
    "upw",
    "opw",
    "nkey",
    "community",
    "mnemonic",
    "hmac",
];
/// Words that end like a secret's name, and are none.
const INNOCENT_WORDS: &[&str] =
    &["bypass", "compass", "encompass", "overpass", "underpass", "trespass", "askpass", "multipass"];
/// Before `key`: the key itself, not the file that it is in.
const KEY_OWNERS: &[&str] = &[
    "api",
    "access",
    "secret",
    "account",
    "encryption",
    "signing",
    "master",
    "shared",
    "auth",
    "subscription",
    "license",
    "app",
    "decryption",
];
/// At the end of a name: it is about a secret, and is none.
const ABOUT: &[&str] = &[
    "file",
    "files",
    "path",
    "dir",
    "directory",
    "folder",
    "stdin",
    "fd",
    "prompt",
    "cmd",
    "command",
    "helper",
    "program",
    "type",
    "name",
    "names",
    "id",
    "ids",
    "ring",
    "url",
    "uri",
    "endpoint",
    "ttl",
    "lifetime",
    "timeout",
    "expiry",
    "expiration",
    "expires",
    "duration",
    "interval",
    "length",
    "len",
    "size",
    "mode",
    "method",
    "methods",
    "policy",
    "plugin",
    "format",
    "algorithm",
    "alg",
    "bits",
    "header",
    "field",
    "attribute",
    "store",
    "cache",
    "nocache",
    "provider",
    "issuer",
    "audience",
    "server",
    "host",
    "port",
    "socket",
    "group",
    "source",
    "location",
    "version",
    "required",
    "enabled",
    "disabled",
    "check",
    "manager",
    "agent",
    "usages",
    "encryption",
];
/// Anywhere in a name: it is a figure.
const FIGURES: &[&str] = &["max", "min", "num", "count", "limit", "per"];
/// At the beginning of a name whose next argument is not its value: a switch.
const SWITCHES: &[&str] = &[
    "no", "without", "disable", "enable", "ask", "skip", "prompt", "allow", "show", "hide", "list", "has", "is",
    "force",
];
/// Before `key`: what follows is a key's id, as GnuPG has it.
const KEY_VERBS: &[&str] = &[
    "recv", "receive", "export", "search", "edit", "delete", "send", "import", "fetch", "default", "sign", "lsign",
    "refresh", "revoke", "check", "locate", "gen", "generate",
];
/// Names of files and switches that look like secrets.
const INNOCENT_NAMES: &[&str] = &["auth-user-pass"];
/// Names of the folder that a program works in, and of passwords.
const FOLDER_NAMES: &[&str] = &["pwd", "oldpwd"];
/// Words of names of users.
const LOGIN_WORDS: &[&str] = &["user", "username", "login", "userpass", "basicauth", "userpwd", "rpcauth"];

/// Longest name that is looked at; longer ones are no names.
const MAX_NAME: usize = 128;
/// Words of a name that are looked at.
const MAX_WORDS: usize = 16;

/// What the name says of the value behind it; none: nothing. Upper and lower case are the same, words may be joined by
/// `-`, `_`, `.` and the like or by capitals.
pub(super) fn secrecy(name: &str) -> Option<Secrecy> {
    if name.len() > MAX_NAME {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let has = |stem: &&str| lower.contains(*stem);
    if ![STEMS, RARE_STEMS, FOREIGN_PASSWORDS].into_iter().flatten().any(has) {
        return None;
    }
    match lower.trim_matches(|c: char| !c.is_alphanumeric()) {
        plain if INNOCENT_NAMES.contains(&plain) => None,
        plain if FOLDER_NAMES.contains(&plain) => Some(Secrecy::Folder),
        _ => of_words(&words(name)),
    }
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
    let secret =
        words.iter().any(|w| is_secret_word(w)) || is_session_id(words) || names_a_key(words) || is_code(words);
    if secret {
        return Some(Secrecy::Secret);
    }
    words.iter().rev().find_map(|w| weak(w))
}

fn is_secret_word(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.strip_suffix('s').filter(|w| !w.ends_with('s')).unwrap_or(word);
    let mut ends = SECRET_ENDS.iter().chain(FOREIGN_PASSWORDS);
    let ends = ends.any(|end| word.ends_with(end)) || SECRET_WORDS.contains(&word);
    ends && !INNOCENT_WORDS.iter().any(|w| word.ends_with(w))
}

fn is_session_id(words: &[String]) -> bool {
    matches!(words, [.., s, id] if id == "id" && (s == "session" || s == "sess"))
}

/// A code that somebody types in.
fn is_code(words: &[String]) -> bool {
    let owners = ["mfa", "unlock", "auth", "pin", "access", "security", "verification", "recovery"];
    matches!(words, [.., owner, code] if code == "code" && owners.contains(&owner.as_str()))
}

fn names_a_key(words: &[String]) -> bool {
    let pairs = words.iter().zip(words.iter().skip(1));
    let mut keys = pairs.filter(|(_, w)| *w == "key" || *w == "keys");
    keys.any(|(owner, _)| KEY_OWNERS.contains(&owner.as_str()))
}

fn weak(word: &str) -> Option<Secrecy> {
    match word {
        "key" | "keys" | "credential" | "credentials" | "cred" | "creds" => Some(Secrecy::Key),
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
