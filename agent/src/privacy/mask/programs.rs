//! How well-known programs take secrets where no name says so.

/// A program, or several that take their options the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Mysql,
    Sshpass,
    Redis,
    Mongo,
    Ldap,
    Smb,
    Curl,
    Httpie,
    SqlServer,
    SevenZip,
    Zip,
    Openssl,
    SshKeygen,
    Mosquitto,
    Cassandra,
    /// Logs in to a registry or a cloud: `docker login -p PASSWORD`.
    Registry,
    Rdp,
    Ipmi,
    Snmp,
    Lftp,
    Htpasswd,
    Oracle,
    WpaPassphrase,
    UserAdd,
    /// Takes names and values as words: `nmcli … password VALUE`, `git config NAME VALUE`.
    Words,
    Vault,
    Shell,
}

/// Where the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Behind it in the same argument.
    Attached,
    /// In the next argument.
    Separate,
    /// Either.
    Both,
}

/// What of a value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// All of it.
    Secret,
    /// What is behind the first of these characters.
    After(char),
    /// What is behind the first of these characters; all of it where there is none.
    AfterOrAll(char),
    /// OpenSSL's `pass:SECRET`; `env:`, `file:`, `fd:` and `stdin` name a place.
    OpensslSource,
    /// Cookies, or the name of a file.
    Cookies,
    /// A command for a shell.
    Command,
}

use Form::{Attached, Both, Separate};
use Holds::{After, AfterOrAll, Command, Cookies, OpensslSource, Secret};

const NAMES: &[(&str, Program)] = &[
    ("mysql", Program::Mysql),
    ("mariadb", Program::Mysql),
    ("mysqldump", Program::Mysql),
    ("mariadb-dump", Program::Mysql),
    ("mysqladmin", Program::Mysql),
    ("mariadb-admin", Program::Mysql),
    ("mysqlimport", Program::Mysql),
    ("mysqlcheck", Program::Mysql),
    ("mariadb-check", Program::Mysql),
    ("mysqlshow", Program::Mysql),
    ("mysqlbinlog", Program::Mysql),
    ("mysqlslap", Program::Mysql),
    ("mysqlpump", Program::Mysql),
    ("mycli", Program::Mysql),
    ("mysqlsh", Program::Mysql),
    ("mytop", Program::Mysql),
    ("sshpass", Program::Sshpass),
    ("redis-cli", Program::Redis),
    ("valkey-cli", Program::Redis),
    ("keydb-cli", Program::Redis),
    ("mongo", Program::Mongo),
    ("mongosh", Program::Mongo),
    ("mongodump", Program::Mongo),
    ("mongorestore", Program::Mongo),
    ("mongoexport", Program::Mongo),
    ("mongoimport", Program::Mongo),
    ("mongostat", Program::Mongo),
    ("mongotop", Program::Mongo),
    ("ldapsearch", Program::Ldap),
    ("ldapadd", Program::Ldap),
    ("ldapmodify", Program::Ldap),
    ("ldapdelete", Program::Ldap),
    ("ldapwhoami", Program::Ldap),
    ("ldappasswd", Program::Ldap),
    ("ldapcompare", Program::Ldap),
    ("ldapmodrdn", Program::Ldap),
    ("smbclient", Program::Smb),
    ("rpcclient", Program::Smb),
    ("net", Program::Smb),
    ("smbget", Program::Smb),
    ("winexe", Program::Smb),
    ("smbcacls", Program::Smb),
    ("curl", Program::Curl),
    ("http", Program::Httpie),
    ("https", Program::Httpie),
    ("httpie", Program::Httpie),
    ("xh", Program::Httpie),
    ("sqlcmd", Program::SqlServer),
    ("bcp", Program::SqlServer),
    ("isql", Program::SqlServer),
    ("tsql", Program::SqlServer),
    ("7z", Program::SevenZip),
    ("7za", Program::SevenZip),
    ("7zr", Program::SevenZip),
    ("7zz", Program::SevenZip),
    ("rar", Program::SevenZip),
    ("unrar", Program::SevenZip),
    ("zip", Program::Zip),
    ("unzip", Program::Zip),
    ("zipcloak", Program::Zip),
    ("openssl", Program::Openssl),
    ("ssh-keygen", Program::SshKeygen),
    ("mosquitto_pub", Program::Mosquitto),
    ("mosquitto_sub", Program::Mosquitto),
    ("mosquitto_rr", Program::Mosquitto),
    ("cqlsh", Program::Cassandra),
    ("cypher-shell", Program::Cassandra),
    ("nodetool", Program::Cassandra),
    ("docker", Program::Registry),
    ("podman", Program::Registry),
    ("nerdctl", Program::Registry),
    ("buildah", Program::Registry),
    ("skopeo", Program::Registry),
    ("helm", Program::Registry),
    ("oras", Program::Registry),
    ("crane", Program::Registry),
    ("az", Program::Registry),
    ("oc", Program::Registry),
    ("argocd", Program::Registry),
    ("xfreerdp", Program::Rdp),
    ("xfreerdp3", Program::Rdp),
    ("wlfreerdp", Program::Rdp),
    ("rdesktop", Program::Rdp),
    ("ipmitool", Program::Ipmi),
    ("snmpwalk", Program::Snmp),
    ("snmpget", Program::Snmp),
    ("snmpset", Program::Snmp),
    ("snmpbulkwalk", Program::Snmp),
    ("snmpbulkget", Program::Snmp),
    ("snmpgetnext", Program::Snmp),
    ("snmptrap", Program::Snmp),
    ("snmptable", Program::Snmp),
    ("snmpstatus", Program::Snmp),
    ("lftp", Program::Lftp),
    ("htpasswd", Program::Htpasswd),
    ("sqlplus", Program::Oracle),
    ("impdp", Program::Oracle),
    ("expdp", Program::Oracle),
    ("sqlldr", Program::Oracle),
    ("rman", Program::Oracle),
    ("sqlcl", Program::Oracle),
    ("wpa_passphrase", Program::WpaPassphrase),
    ("useradd", Program::UserAdd),
    ("usermod", Program::UserAdd),
    ("nmcli", Program::Words),
    ("wpa_cli", Program::Words),
    ("aws", Program::Words),
    ("git", Program::Words),
    ("npm", Program::Words),
    ("yarn", Program::Words),
    ("pnpm", Program::Words),
    ("pip", Program::Words),
    ("pip3", Program::Words),
    ("poetry", Program::Words),
    ("composer", Program::Words),
    ("vault", Program::Vault),
    ("bao", Program::Vault),
    ("sh", Program::Shell),
    ("bash", Program::Shell),
    ("dash", Program::Shell),
    ("zsh", Program::Shell),
    ("ksh", Program::Shell),
    ("ash", Program::Shell),
    ("fish", Program::Shell),
    ("su", Program::Shell),
    ("script", Program::Shell),
    ("runuser", Program::Shell),
];

const FLAGS: &[(Program, &str, Form, Holds)] = &[
    (Program::Mysql, "-p", Attached, Secret),
    (Program::Sshpass, "-p", Both, Secret),
    (Program::Redis, "-a", Both, Secret),
    (Program::Mongo, "-p", Both, Secret),
    (Program::Ldap, "-w", Both, Secret),
    (Program::Ldap, "-s", Separate, Secret),
    (Program::Smb, "-U", Both, After('%')),
    (Program::Smb, "--user", Both, After('%')),
    (Program::Curl, "-u", Both, After(':')),
    (Program::Curl, "--user", Both, After(':')),
    (Program::Curl, "-U", Both, After(':')),
    (Program::Curl, "--proxy-user", Both, After(':')),
    (Program::Curl, "-E", Both, After(':')),
    (Program::Curl, "--cert", Both, After(':')),
    (Program::Curl, "--proxy-cert", Both, After(':')),
    (Program::Curl, "-b", Both, Cookies),
    (Program::Curl, "--cookie", Both, Cookies),
    (Program::Httpie, "-a", Both, AfterOrAll(':')),
    (Program::Httpie, "--auth", Both, AfterOrAll(':')),
    (Program::SqlServer, "-P", Both, Secret),
    (Program::SevenZip, "-p", Attached, Secret),
    (Program::SevenZip, "-hp", Attached, Secret),
    (Program::Zip, "-P", Both, Secret),
    (Program::Openssl, "-passin", Separate, OpensslSource),
    (Program::Openssl, "-passout", Separate, OpensslSource),
    (Program::Openssl, "-pass", Separate, OpensslSource),
    (Program::Openssl, "-password", Separate, OpensslSource),
    (Program::Openssl, "-k", Separate, Secret),
    (Program::Openssl, "-K", Separate, Secret),
    (Program::Openssl, "-hmac", Separate, Secret),
    (Program::Openssl, "-macopt", Separate, After(':')),
    (Program::SshKeygen, "-N", Both, Secret),
    (Program::SshKeygen, "-P", Both, Secret),
    (Program::Mosquitto, "-P", Both, Secret),
    (Program::Cassandra, "-p", Both, Secret),
    (Program::Cassandra, "-pw", Separate, Secret),
    (Program::Registry, "-p", Both, Secret),
    (Program::Rdp, "/p:", Attached, Secret),
    (Program::Rdp, "/gp:", Attached, Secret),
    (Program::Rdp, "-p", Both, Secret),
    (Program::Ipmi, "-P", Both, Secret),
    (Program::Ipmi, "-k", Both, Secret),
    (Program::Snmp, "-c", Both, Secret),
    (Program::Snmp, "-A", Both, Secret),
    (Program::Snmp, "-X", Both, Secret),
    (Program::Lftp, "-u", Both, After(',')),
    (Program::UserAdd, "-p", Both, Secret),
    (Program::Shell, "-c", Separate, Command),
    (Program::Shell, "-lc", Separate, Command),
    (Program::Shell, "-ec", Separate, Command),
    (Program::Shell, "-xc", Separate, Command),
    (Program::Shell, "-ic", Separate, Command),
    (Program::Shell, "-exc", Separate, Command),
    (Program::Shell, "-euc", Separate, Command),
    (Program::Shell, "--command", Both, Command),
];

impl Program {
    /// The program that an argument names, with or without its folder.
    pub(super) fn named(argument: &str) -> Option<Self> {
        let name = argument.rsplit('/').next()?.trim_start_matches('-');
        // Names are short, and most arguments are none of them.
        let is_short = (2..=14).contains(&name.len());
        let found = is_short.then(|| NAMES.iter().find(|(n, _)| *n == name)).flatten();
        found.map(|(_, program)| *program)
    }

    /// What of an argument, or of the one behind it, is a value that this program takes as a secret.
    pub(super) fn flag(self, argument: &str) -> Option<Flag> {
        let mut all = FLAGS.iter().filter(|(program, ..)| *program == self);
        all.find_map(|(_, flag, form, holds)| {
            let rest = argument.strip_prefix(flag)?;
            // A long option has its value behind a `=`.
            let rest_is_value = if flag.starts_with("--") { rest.starts_with('=') } else { !rest.is_empty() };
            match (rest.is_empty(), form) {
                (true, Separate | Both) => Some(Flag::Next(*holds)),
                (false, Attached | Both) if rest_is_value => {
                    Some(Flag::Here(argument.len() - rest.trim_start_matches('=').len(), *holds))
                }
                _ => None,
            }
        })
    }
}

/// Where the value of a flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// In the next argument.
    Next(Holds),
    /// In this argument, from this byte on.
    Here(usize, Holds),
}
