//! The words of names that [`super::names`] knows.

/// Every name that [`secrecy`] knows contains one of these parts. Other names are skipped quickly.
pub(super) const STEMS: &[&str] = &[
    "pass", "pwd", "pswd", "pw", "secret", "token", "key", "auth", "cred", "priv", "bearer", "cookie", "sess", "psk",
    "otp", "user", "login", "pin", "pat", "basic",
];
pub(super) const RARE_STEMS: &[&str] = &[
    "jwt",
    "sig",
    "phrase",
    "connectionstring",
    "nkey",
    "community",
    "mnemonic",
    "seed",
    "code",
    "hmac",
    "mdp",
    "mfa",
    "2fa",
    "twofactor",
];

/// "Password" in other languages: ends of words, and stems too.
pub(super) const FOREIGN_PASSWORDS: &[&str] = &[
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
pub(super) const SECRET_ENDS: &[&str] = &[
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
    "pw",
    "pwd",
    "masterauth",
    "proxyauth",
];
/// Whole words that mean a secret.
pub(super) const SECRET_WORDS: &[&str] = &[
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
    "mdp",
    "upw",
    "opw",
    "community",
    "mnemonic",
    "hmac",
    "pincode",
    "otpcode",
    "mfa",
    "twofactor",
    "2fa",
];
/// Words that indicate a secret only at the end of a name: `card-pin`, not `pin_project`.
pub(super) const LAST_WORDS: &[&str] = &["pin", "pins", "pat", "pats"];
/// Words that end like a secret's name, but are not.
pub(super) const INNOCENT_WORDS: &[&str] = &[
    "bypass",
    "compass",
    "encompass",
    "overpass",
    "underpass",
    "trespass",
    "askpass",
    "multipass",
    "onepass",
    "singlepass",
    "twopass",
];
/// Before `key`: the key itself, not the file that it is in.
pub(super) const KEY_OWNERS: &[&str] = &[
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
    "wep",
];
/// Before `key` in one word, as in `authkey`; with something between, such a key may be public, or a file.
pub(super) const JOINED_KEY_OWNERS: &[&str] =
    &["priv", "enc", "hmac", "sign", "psk", "consumer", "recovery", "unlock", "security"];
/// At the end of a name: the value is about a secret, but is not one.
pub(super) const ABOUT: &[&str] = &[
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
    "kubeconfig",
];
/// Anywhere in a name: it is a figure.
pub(super) const FIGURES: &[&str] = &["max", "min", "num", "count", "limit", "per"];
/// At the beginning of a name whose next argument is not its value: a switch.
pub(super) const SWITCHES: &[&str] = &[
    "no", "without", "disable", "enable", "ask", "skip", "prompt", "allow", "show", "hide", "list", "has", "is",
    "force",
];
/// Before `key`: what follows is a key's id, as GnuPG has it.
pub(super) const KEY_VERBS: &[&str] = &[
    "recv", "receive", "export", "search", "edit", "delete", "send", "import", "fetch", "default", "sign", "lsign",
    "refresh", "revoke", "check", "locate", "gen", "generate",
];
/// Names of files and switches that look like secrets.
pub(super) const INNOCENT_NAMES: &[&str] = &["auth-user-pass", "initial-cluster-token"];
/// Names of secrets that do not look like one; before them may be `-D`.
pub(super) const SECRET_NAMES: &[&str] = &["sonar.login", "dsonar.login", "sas", "nodekeyhex"];
/// Same as [`SECRET_NAMES`], but these also occur as switches and as names of files.
pub(super) const KEY_NAMES: &[&str] = &["salt"];
/// Names of users that have another meaning as part of a longer name.
pub(super) const LOGIN_NAMES: &[&str] = &["digest", "identity"];
/// Ends of the names of passwords, as words.
pub(super) const PASSWORD_ENDS: &[&str] = &["password", "passwd", "passphrase", "passwort", "pwd", "pswd", "bearer"];
/// Words like a password's name that are programs, or commands of programs.
pub(super) const PROGRAMS: &[&str] = &[
    "passwd",
    "pwd",
    "gpasswd",
    "chpasswd",
    "smbpasswd",
    "htpasswd",
    "vncpasswd",
    "ldappasswd",
    "changepassword",
    "setpassword",
    "resetpassword",
];
/// Names of the folder that a program works in, and of passwords.
pub(super) const FOLDER_NAMES: &[&str] = &["pwd", "oldpwd"];
/// Words of names of users.
pub(super) const LOGIN_WORDS: &[&str] =
    &["user", "username", "login", "userpass", "basicauth", "userpwd", "rpcauth", "basic"];
