//! Secrets by their position: words after a command of a program, as in `vault unseal KEY`, `rabbitmqctl add_user bob
//! PASSWORD`.

/// A program, one of its commands, and the words between that and the first secret. What follows is masked to the end.
const VERBS: &[(&str, &str, usize)] = &[
    ("vault", "unseal", 0),
    ("vault", "unwrap", 0),
    ("vault", "lookup", 0),
    ("vault", "revoke", 0),
    ("vault", "login", 0),
    ("bao", "unseal", 0),
    ("bao", "login", 0),
    ("cargo", "login", 0),
    ("snyk", "auth", 0),
    ("ngrok", "authtoken", 0),
    ("ngrok", "add-authtoken", 0),
    ("cf", "auth", 1),
    ("bw", "login", 1),
    ("bw", "unlock", 0),
    ("rabbitmqctl", "add_user", 1),
    ("rabbitmqctl", "change_password", 1),
    ("rabbitmqctl", "authenticate_user", 1),
    ("openssl", "passwd", 0),
    ("mkpasswd", "", 0),
    ("mc", "set", 2),
    ("mc", "add", 2),
    ("virsh", "secret-set-value", 1),
    ("radtest", "", 1),
    ("radclient", "auth", 0),
    ("mosquitto_passwd", "", 2),
    ("samba-tool", "create", 1),
    ("neo4j-admin", "set-initial-password", 0),
    ("bitcoin-cli", "walletpassphrase", 0),
    ("mega-login", "", 1),
    ("prosodyctl", "register", 2),
    ("ejabberdctl", "register", 2),
    ("ejabberdctl", "change_password", 2),
    ("drush", "user:password", 1),
    ("mattermost", "password", 1),
    ("grafana-cli", "reset-admin-password", 0),
    ("grafana", "reset-admin-password", 0),
    ("rclone", "obscure", 0),
    ("travis", "encrypt", 0),
    ("ansible-vault", "encrypt_string", 0),
    ("doveadm", "test", 1),
    ("dotnet", "user-secrets", 2),
    ("glab", "set", 1),
    ("pulumi", "set", 0),
    ("db2", "using", 0),
    ("xdotool", "type", 0),
    ("net", "user", 1),
    ("net", "use", 1),
    ("consul", "put", 1),
    ("isql", "", 2),
    ("salt", "shadow.set_password", 1),
    ("net", "password", 1),
    ("etcdctl", "put", 1),
    ("iw", "key", 0),
    ("iwconfig", "key", 0),
    ("composer", "http-basic.", 1),
    ("poetry", "http-basic.", 1),
    ("keyctl", "add", 2),
    ("keyctl", "update", 1),
    ("oathtool", "", 0),
    ("b2", "authorize-account", 1),
    ("b2", "authorize", 1),
    ("teamviewer", "passwd", 0),
    ("chamber", "write", 2),
    ("pg_md5", "", 0),
    ("salt", "user.setpassword", 1),
    ("salt-call", "shadow.set_password", 1),
    ("salt-call", "user.setpassword", 1),
    ("lncli", "unlock", 0),
    ("doppler", "set", 1),
    ("samba-tool", "add", 1),
    ("create_ap", "", 3),
    ("drush", "upwd", 1),
    ("nuget", "push", 1),
    ("zkCli.sh", "digest", 0),
    ("gcloud", "activate-refresh-token", 1),
];

/// Counts the words of a program up to its secrets.
#[derive(Debug, Default)]
pub(super) struct Places {
    program: &'static str,
    /// Words until the first secret, once the command has come.
    until: Option<usize>,
}

impl Places {
    /// Takes the next word; true: it is a secret.
    pub(super) fn is_secret(&mut self, word: &str) -> bool {
        match &mut self.until {
            Some(0) => true,
            Some(words) => {
                *words -= 1;
                false
            }
            None => {
                self.notice(word);
                false
            }
        }
    }

    /// Whether the command has come, so that it is known where its secrets are.
    pub(super) const fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    fn notice(&mut self, word: &str) {
        let is_verb = |verb: &str| verb == word || (verb.ends_with('.') && word.starts_with(verb));
        if let Some((_, _, words)) = VERBS.iter().find(|(program, verb, _)| *program == self.program && is_verb(verb)) {
            self.until = Some(*words);
            return;
        }
        let name = word.rsplit('/').next().unwrap_or(word);
        if let Some((program, ..)) = VERBS.iter().find(|(program, ..)| *program == name) {
            self.program = program;
            self.until = VERBS.iter().find(|(p, verb, _)| p == program && verb.is_empty()).map(|(_, _, words)| *words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets<'a>(words: &[&'a str]) -> Vec<&'a str> {
        let mut places = Places::default();
        words.iter().copied().filter(|w| places.is_secret(w)).collect()
    }

    #[test]
    fn words_behind_a_command_are_secrets() {
        assert_eq!(secrets(&["sudo", "/usr/bin/vault", "operator", "unseal", "x"]), ["x"]);
        assert_eq!(secrets(&["rabbitmqctl", "add_user", "bob", "x"]), ["x"]);
        assert_eq!(secrets(&["mkpasswd", "x"]), ["x"]);
        assert_eq!(secrets(&["prog", "unseal", "x"]), [""; 0]);
    }
}
