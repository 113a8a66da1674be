//! How well-known programs take secrets without a telling name.

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
    /// Takes names and values as words: `nmcli … password VALUE`.
    Words,
    /// Takes names and values as words of `config`: `git config NAME VALUE`.
    Configured,
    Vault,
    Shell,
    /// Takes a password behind `-p`.
    LowerP,
    /// Takes one behind `-P`, `-K` or `-W`.
    UpperP,
    /// Takes a key behind `-k`.
    LowerK,
    /// Takes a password behind `-w`.
    LowerW,
    /// Takes a token behind `-t`, or `-r`.
    LowerT,
    /// Takes `user:password` behind one of several letters.
    LoginA,
    Mail,
    Vmrun,
    Dns,
    /// Takes `user%password`.
    Percent,
    SmbTools,
    Doveadm,
    Consul,
    Nagios,
    Jmx,
    Matrix,
    /// A monitoring plugin: the value of `-p` may be a port or a folder.
    Check,
    Tpm,
    Piv,
    /// Takes a password behind `-a`.
    LowerA,
    /// Takes a password behind `-s`.
    LowerS,
    Proxytunnel,
    /// Takes `NAME=SECRET` behind `-s`.
    Act,
    Dislocker,
    /// Takes a password behind `-p`, and a token behind `-t`.
    Influx,
    /// Takes `domain/user:password` as a word, and `LM:NT` hashes.
    Impacket,
    /// Takes `password@host` behind `-h`.
    MusicPlayer,
    /// Takes `user:password` as a word.
    Bundle,
    /// Same as [`Program::Registry`]; its other commands take `-u user -p password`.
    Azure,
    Netcat,
    /// Takes `community@host` as a word.
    CommunityWords,
    Onesixtyone,
    Wireguard,
    Expect,
    Maven,
    Sops,
    Sedutil,
    Hdparm,
    Vrrpd,
    Tcpdump,
    Miner,
    TransmissionDaemon,
    Squidclient,
    Icinga,
    /// Takes URLs whose host and path are secrets.
    Apprise,
    IpaServer,
    Openconnect,
    Keychain,
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
    /// What is behind the last of these characters.
    AfterLast(char),
    /// All of it, unless it names a method of hashing.
    Hash,
    /// All of it, unless it is a number or the name of a file.
    Word,
    /// OpenSSL's `pass:SECRET`; `env:`, `file:`, `fd:` and `stdin` name a place.
    OpensslSource,
    /// Cookies, or the name of a file.
    Cookies,
    /// A command for a shell.
    Command,
    /// The part before the last of these characters.
    Before(char),
    /// The list member that begins with this text.
    Member(&'static str),
    /// Statements of `expect`: what it sends.
    Sent,
    /// Statements of an FTP client: `user bob SECRET`.
    Ftp,
    /// The password of `user:password`; no part of other values.
    Login,
    /// The part after `://`.
    Address,
    /// No part, even if it looks like a secret.
    Nothing,
}

use Form::{Attached, Both, Separate};
use Holds::{
    Address, After, AfterLast, AfterOrAll, Before, Command, Cookies, Ftp, Hash, Login, Member, Nothing, OpensslSource,
    Secret, Sent, Word,
};

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
    (Program::Jmx, "-pw", Separate, Secret),
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
    (Program::LowerP, "-p", Both, Secret),
    (Program::UpperP, "-P", Both, Secret),
    (Program::UpperP, "-K", Both, Secret),
    (Program::UpperP, "-W", Both, Secret),
    (Program::LowerK, "-k", Both, Secret),
    (Program::LowerK, "-p=", Attached, Secret),
    (Program::LowerW, "-w", Both, Secret),
    (Program::LowerT, "-t", Both, Secret),
    (Program::LowerT, "-r", Both, Secret),
    (Program::LoginA, "-a", Both, After(':')),
    (Program::LoginA, "-A", Both, After(':')),
    (Program::LoginA, "-P", Both, After(':')),
    (Program::LoginA, "-id", Separate, After(':')),
    (Program::LoginA, "-n", Both, After(':')),
    (Program::LoginA, "-c", Both, After(':')),
    (Program::LoginA, "-C", Both, Cookies),
    (Program::Mail, "-ap", Separate, Secret),
    (Program::Mail, "-xp", Separate, Secret),
    (Program::Vmrun, "-gp", Separate, Secret),
    (Program::Vmrun, "-vp", Separate, Secret),
    (Program::Dns, "-y", Both, AfterLast(':')),
    (Program::Percent, "-U", Both, After('%')),
    (Program::Percent, "-a", Both, After('%')),
    (Program::Percent, "--authenticate", Both, After('%')),
    (Program::Ldap, "-a", Separate, Secret),
    (Program::Matrix, "-p", Both, Secret),
    (Program::Matrix, "-k", Both, Secret),
    (Program::SmbTools, "-U", Both, After('%')),
    (Program::SmbTools, "--user", Both, After('%')),
    (Program::Doveadm, "-p", Both, Secret),
    (Program::Doveadm, "-s", Both, Hash),
    (Program::Consul, "-encrypt", Both, Secret),
    (Program::Influx, "-p", Both, Secret),
    (Program::Influx, "-t", Both, Secret),
    (Program::Mail, "--ap", Separate, Secret),
    (Program::Check, "-p", Both, Word),
    (Program::Check, "-P", Both, Word),
    (Program::Check, "-s", Both, Word),
    (Program::Tpm, "-p", Both, Secret),
    (Program::Tpm, "-P", Both, Secret),
    (Program::Piv, "-k", Both, Secret),
    (Program::Piv, "-P", Both, Secret),
    (Program::Piv, "-N", Both, Secret),
    (Program::LowerA, "-a", Both, Secret),
    (Program::LowerS, "-s", Both, Secret),
    (Program::Proxytunnel, "-P", Both, After(':')),
    (Program::Proxytunnel, "-R", Both, After(':')),
    (Program::Proxytunnel, "-s", Both, Secret),
    (Program::Act, "-s", Both, After('=')),
    (Program::Dislocker, "-u", Attached, Secret),
    (Program::Dislocker, "-p", Attached, Secret),
    (Program::Rdp, "/pth:", Attached, Secret),
    (Program::Rdp, "/p", Separate, Secret),
    (Program::Nagios, "-C", Both, Secret),
    (Program::Nagios, "-a", Both, Secret),
    (Program::Impacket, "-hashes", Separate, After(':')),
    (Program::MusicPlayer, "-h", Both, Before('@')),
    (Program::MusicPlayer, "--host", Both, Before('@')),
    (Program::Azure, "-p", Both, Secret),
    (Program::Registry, "-t", Both, Secret),
    (Program::Netcat, "-P", Both, After(':')),
    (Program::Onesixtyone, "-c", Separate, Nothing),
    (Program::Onesixtyone, "-i", Separate, Nothing),
    (Program::Onesixtyone, "-o", Separate, Nothing),
    (Program::Wireguard, "peer", Separate, Nothing),
    (Program::Openssl, "-signature", Separate, Nothing),
    (Program::Expect, "-c", Separate, Sent),
    (Program::Maven, "-emp", Separate, Secret),
    (Program::Maven, "-ep", Separate, Secret),
    (Program::Sops, "--set", Both, AfterLast(']')),
    (Program::Hdparm, "--security-set-pass", Both, Secret),
    (Program::Hdparm, "--security-unlock", Both, Secret),
    (Program::Hdparm, "--security-disable", Both, Secret),
    (Program::Hdparm, "--security-erase", Both, Secret),
    (Program::Hdparm, "--security-erase-enhanced", Both, Secret),
    (Program::Vrrpd, "-a", Both, After('/')),
    (Program::Tcpdump, "-E", Both, After(':')),
    (Program::Miner, "-O", Both, After(':')),
    (Program::Miner, "-p", Both, Secret),
    (Program::TransmissionDaemon, "-v", Both, Secret),
    (Program::Squidclient, "-w", Both, Secret),
    (Program::Squidclient, "-W", Both, Secret),
    (Program::Icinga, "--ticket", Both, Secret),
    (Program::Curl, "--ftp-account", Both, Secret),
    (Program::Curl, "--ftp-alternative-to-user", Both, Secret),
    (Program::Snmp, "-3m", Separate, Secret),
    (Program::Snmp, "-3M", Separate, Secret),
    (Program::Snmp, "-3k", Separate, Secret),
    (Program::Snmp, "-3K", Separate, Secret),
    (Program::Rdp, "/gateway:", Attached, Member("p:")),
    (Program::Lftp, "-e", Separate, Ftp),
    (Program::Lftp, "-c", Separate, Ftp),
    (Program::Smb, "-p", Both, Word),
    (Program::IpaServer, "-p", Both, Secret),
    (Program::IpaServer, "-a", Both, Secret),
    (Program::Openconnect, "-p", Both, Secret),
    (Program::Openconnect, "-C", Both, Secret),
    (Program::Keychain, "-p", Both, Secret),
    (Program::Keychain, "-w", Both, Secret),
    (Program::Vault, "-id", Separate, Secret),
    (Program::Vault, "-id=", Attached, Secret),
];

/// The part of words that are not options that is secret, by program.
const WORDS: &[(Program, Holds)] = &[
    (Program::Impacket, After(':')),
    (Program::Bundle, Login),
    (Program::CommunityWords, Before('@')),
    (Program::Sedutil, Word),
    (Program::Apprise, Address),
];

/// Letters of options without a value, which may stand before one of [`FLAGS`] in the same argument: `curl -sSu bob:x`.
const SWITCHES: &[(Program, &str)] = &[
    (Program::Curl, "#0123468BGIJLNORSZafgijklnpqsv"),
    (Program::Mysql, "ABCEGHLNVXbfinqrstvw"),
    (Program::Sshpass, "ev"),
    (Program::Ldap, "ACILMNQWZcnuvx"),
    (Program::Smb, "BENPekgq"),
    (Program::SmbTools, "NPekln"),
    (Program::Zip, "0123456789@ADFJLSTXcdefghjklmopqruvwxyz"),
    (Program::Snmp, "IOV"),
    (Program::SshKeygen, "ABHLXceghilpquvy"),
    (Program::Shell, "aefilnuvx"),
];

impl Program {
    /// Where the last option begins in an argument that has several; 0: it has one.
    fn cluster(self, argument: &str) -> usize {
        let letters = SWITCHES.iter().find(|(program, _)| *program == self).map_or("", |(_, letters)| letters);
        let rest = argument.strip_prefix('-').unwrap_or_default();
        rest.find(|c| !letters.contains(c)).unwrap_or(0)
    }

    /// The secret part of a word that is not an option; none: words have no secrets.
    pub(super) fn word(self) -> Option<Holds> {
        WORDS.iter().find(|(program, _)| *program == self).map(|(_, holds)| *holds)
    }

    /// What of an argument, or of the one behind it, is a value that this program takes as a secret.
    pub(super) fn flag(self, argument: &str) -> Option<Flag> {
        let switches = self.cluster(argument);
        self.one_of_flags(argument, 0).or_else(|| (switches > 0).then(|| self.one_of_flags(argument, switches))?)
    }

    fn one_of_flags(self, argument: &str, switches: usize) -> Option<Flag> {
        let mut all = FLAGS.iter().filter(|(program, ..)| *program == self);
        all.find_map(|(_, flag, form, holds)| {
            let letters = flag.strip_prefix('-').filter(|l| switches == 0 || l.len() == 1);
            let rest = match switches {
                0 => argument.strip_prefix(flag)?,
                _ => argument.get(1 + switches..)?.strip_prefix(letters?)?,
            };
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
