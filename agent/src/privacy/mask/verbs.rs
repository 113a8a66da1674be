//! Secrets by their position: words after a command of a program, as in `vault unseal KEY`, `rabbitmqctl add_user bob
//! PASSWORD`.

use super::endings::plain_name;

/// Number of secrets if all words to the end are secrets.
const REST: usize = usize::MAX;

/// A program, optionally with a command; a subcommand or an option of it; the number of words between that and the first secret; the
/// number of secrets.
const VERBS: &[(&str, &str, usize, usize)] = &[
    ("vault", "unseal", 0, REST),
    ("vault", "unwrap", 0, REST),
    ("vault", "lookup", 0, REST),
    ("vault", "revoke", 0, REST),
    ("vault", "login", 0, REST),
    ("bao", "unseal", 0, REST),
    ("bao", "login", 0, REST),
    ("cargo", "login", 0, REST),
    ("snyk", "auth", 0, REST),
    ("ngrok", "authtoken", 0, REST),
    ("ngrok", "add-authtoken", 0, REST),
    ("cf", "auth", 1, REST),
    ("bw", "login", 1, REST),
    ("bw", "unlock", 0, REST),
    ("rabbitmqctl", "add_user", 1, REST),
    ("rabbitmqctl", "change_password", 1, REST),
    ("rabbitmqctl", "authenticate_user", 1, REST),
    ("openssl", "passwd", 0, REST),
    ("mkpasswd", "", 0, REST),
    ("mc", "set", 2, REST),
    ("mc", "add", 2, REST),
    ("virsh", "secret-set-value", 1, REST),
    ("radtest", "", 1, REST),
    ("radclient", "auth", 0, REST),
    ("mosquitto_passwd", "", 2, REST),
    ("samba-tool", "create", 1, REST),
    ("neo4j-admin", "set-initial-password", 0, REST),
    ("bitcoin-cli", "walletpassphrase", 0, REST),
    ("mega-login", "", 1, REST),
    ("prosodyctl", "register", 2, REST),
    ("ejabberdctl", "register", 2, REST),
    ("ejabberdctl", "change_password", 2, REST),
    ("drush", "user:password", 1, REST),
    ("mattermost", "password", 1, REST),
    ("grafana-cli", "reset-admin-password", 0, REST),
    ("grafana", "reset-admin-password", 0, REST),
    ("rclone", "obscure", 0, REST),
    ("travis", "encrypt", 0, REST),
    ("ansible-vault", "encrypt_string", 0, REST),
    ("doveadm", "test", 1, REST),
    ("dotnet", "user-secrets", 2, REST),
    ("glab", "set", 1, REST),
    ("pulumi", "set", 0, REST),
    ("db2", "using", 0, REST),
    ("xdotool", "type", 0, REST),
    ("net", "user", 1, REST),
    ("net", "use", 1, REST),
    ("consul", "put", 1, REST),
    ("isql", "", 2, REST),
    ("salt", "shadow.set_password", 1, REST),
    ("net", "password", 1, REST),
    ("etcdctl", "put", 1, REST),
    ("iw", "key", 0, REST),
    ("iwconfig", "key", 0, REST),
    ("composer", "http-basic.", 1, REST),
    ("poetry", "http-basic.", 1, REST),
    ("keyctl", "add", 2, REST),
    ("keyctl", "update", 1, REST),
    ("oathtool", "", 0, REST),
    ("b2", "authorize-account", 1, REST),
    ("b2", "authorize", 1, REST),
    ("teamviewer", "passwd", 0, REST),
    ("chamber", "write", 2, REST),
    ("pg_md5", "", 0, REST),
    ("salt", "user.setpassword", 1, REST),
    ("salt-call", "shadow.set_password", 1, REST),
    ("salt-call", "user.setpassword", 1, REST),
    ("lncli", "unlock", 0, REST),
    ("doppler", "set", 1, REST),
    ("samba-tool", "add", 1, REST),
    ("create_ap", "", 3, REST),
    ("drush", "upwd", 1, REST),
    ("nuget", "push", 1, REST),
    ("zkCli.sh", "digest", 0, REST),
    ("gcloud", "activate-refresh-token", 1, REST),
    ("ip macsec", "key", 1, 1),
    ("ip xfrm", "enc", 1, 1),
    ("ip xfrm", "auth", 1, 1),
    ("ip xfrm", "auth-trunc", 1, 1),
    ("ip xfrm", "aead", 1, 1),
    ("qpdf", "--encrypt", 0, 2),
    ("onesixtyone", "", 1, REST),
    ("steamcmd", "+login", 1, 2),
    ("srcds_run", "+sv_setsteamaccount", 0, 1),
    ("srcds_linux", "+sv_setsteamaccount", 0, 1),
    ("hlds_run", "+sv_setsteamaccount", 0, 1),
    ("nuget", "setapikey", 0, 1),
    ("hostapd_cli", "wps_ap_pin", 1, REST),
    ("hostapd_cli", "wps_pin", 1, REST),
    ("wpa_cli", "wps_pin", 1, REST),
    ("wpa_cli", "wps_reg", 1, REST),
    ("redis-sentinel", "auth-pass", 1, 1),
    ("redis-server", "auth-pass", 1, 1),
    ("etcdctl user", "add", 0, 1),
    ("consul", "set-agent-token", 1, 1),
    ("kubeadm token", "create", 0, 1),
    ("cf", "set-env", 2, 1),
    ("netlify", "env:set", 1, 1),
    ("virsh", "set-user-password", 2, 1),
    ("mosquitto_ctrl", "setClientPassword", 1, REST),
    ("cloudflared", "install", 0, REST),
    ("snmpusm", "passwd", 0, 2),
    ("rclone", "reveal", 0, REST),
    ("adb", "pair", 1, 1),
    ("bitcoin-cli", "importprivkey", 0, 1),
    ("bitcoin-cli", "encryptwallet", 0, REST),
    ("bitcoin-cli", "walletpassphrasechange", 0, REST),
    ("bitcoin-cli", "sethdseed", 1, REST),
    ("bitcoin-cli", "signmessagewithprivkey", 0, 1),
];

/// Counts the words of a program up to its secrets.
#[derive(Debug, Default)]
pub(super) struct Places {
    program: &'static str,
    /// Number of words before the first secret and number of secrets, once the command has been read.
    ahead: Option<(usize, usize)>,
}

impl Places {
    /// Takes the next word; true: it is a secret.
    pub(super) fn is_secret(&mut self, word: &str) -> bool {
        // A word with `+` begins the next command: `+login bob PASSWORD +quit`.
        if word.starts_with('+') {
            self.ahead = self.ahead.filter(|(_, secrets)| *secrets == REST);
        }
        let Some((words, secrets)) = self.ahead else {
            self.notice(word);
            return false;
        };
        self.ahead = match (words, secrets) {
            (0, REST) => self.ahead,
            (0, 0 | 1) => None,
            (0, _) => Some((0, secrets - 1)),
            _ => Some((words - 1, secrets)),
        };
        words == 0
    }

    /// Reads an option, after which secrets may follow: `qpdf --encrypt SECRET SECRET`.
    pub(super) fn pass_option(&mut self, option: &str) {
        if self.ahead.is_none() {
            self.ahead = self.behind(option);
        }
    }

    /// Whether the command has come, so that it is known where its secrets are.
    pub(super) const fn has_begun(&self) -> bool {
        self.ahead.is_some()
    }

    fn behind(&self, word: &str) -> Option<(usize, usize)> {
        let is_verb = |verb: &str| verb.eq_ignore_ascii_case(word) || (verb.ends_with('.') && word.starts_with(verb));
        let of_program = VERBS.iter().filter(|(program, ..)| *program == self.program);
        of_program
            .filter(|(_, verb, ..)| !verb.is_empty())
            .find(|(_, verb, ..)| is_verb(verb))
            .map(|(.., w, s)| (*w, *s))
    }

    fn notice(&mut self, word: &str) {
        self.ahead = self.behind(word);
        if self.ahead.is_some() {
            return;
        }
        let names = [word.rsplit('/').next().unwrap_or(word), plain_name(word)];
        let found = VERBS.iter().find_map(|(program, ..)| match program.split_once(' ') {
            Some((outer, inner)) if outer == self.program && inner == word => Some(*program),
            Some((outer, _)) => names.contains(&outer).then_some(outer),
            None => names.contains(program).then_some(*program),
        });
        if let Some(program) = found {
            self.program = program;
            let mut at_once = VERBS.iter().filter(|(p, verb, ..)| *p == program && verb.is_empty());
            self.ahead = at_once.next().map(|(.., words, secrets)| (*words, *secrets));
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

    #[test]
    fn as_many_words_as_the_command_has_secrets() {
        assert_eq!(
            secrets(&["ip", "xfrm", "state", "enc", "cbc(aes)", "0x1", "auth", "sha1", "0x2", "sel"]),
            ["0x1", "0x2"]
        );
        assert_eq!(secrets(&["ip", "link", "add", "type", "gre", "key", "42", "ttl", "64"]), [""; 0]);
        assert_eq!(secrets(&["steamcmd.sh", "+login", "bob", "x", "+quit"]), ["x"]);
        assert_eq!(secrets(&["steamcmd", "+login", "anonymous", "+app_update", "740"]), [""; 0]);
    }
}
