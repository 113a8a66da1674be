//! The arguments of one program, one after the other.

use std::borrow::Cow;

use super::names::{Secrecy, secrecy, takes_value};
use super::pairs::Nature;
use super::programs::{Flag, Holds, Program};
use super::{MASK, Text, values};

/// Options whose value is the name of something, and no program that runs.
const NAMING: [&str; 10] =
    ["--name", "--hostname", "--network", "--link", "--volumes-from", "--user", "-u", "--database", "-t", "--tag"];

/// Masks the arguments of one command. The depth says in how many strings it stands.
pub(super) fn mask<'a>(arguments: &[&'a str], depth: usize) -> Vec<Cow<'a, str>> {
    let mut walk = Walk::new(arguments, depth);
    arguments.iter().map(|argument| walk.step(argument)).collect()
}

/// What the next argument is the value of.
#[derive(Debug, Clone, Copy)]
enum ExpectedValue {
    /// An option of that name.
    Named(Secrecy),
    /// An option, or a word, of that program.
    Known(Holds),
}

/// Words anywhere in the arguments that change what others mean.
#[derive(Debug, Clone, Copy)]
struct Context {
    /// `docker login`.
    logs_in: bool,
    /// `kubectl create secret`, `fly secrets set`: every value is a secret.
    stores_secrets: bool,
    /// `vault kv put`.
    writes: bool,
    /// `git config NAME VALUE`, `nmcli … NAME VALUE`.
    configures: bool,
    /// `redis-cli AUTH`.
    authenticates: bool,
}

impl Context {
    fn of(arguments: &[&str]) -> Self {
        let has = |words: &[&str]| arguments.iter().any(|a| words.contains(a));
        Self {
            logs_in: has(&["login"]),
            stores_secrets: has(&["secret", "secrets"]) && has(&["create", "set", "put", "import"]),
            writes: has(&["put", "write", "patch", "login"]),
            configures: has(&["config", "configure", "nmcli", "/usr/bin/nmcli", "wpa_cli", "/usr/sbin/wpa_cli"]),
            authenticates: has(&["auth", "AUTH"]),
        }
    }
}

struct Walk<'s, 'a> {
    all: &'s [&'a str],
    context: Context,
    depth: usize,
    program: Option<Program>,
    owed: Option<ExpectedValue>,
    before: &'a str,
    /// Arguments of the program so far that are no options.
    words: usize,
}

impl<'s, 'a> Walk<'s, 'a> {
    fn new(all: &'s [&'a str], depth: usize) -> Self {
        Self { all, context: Context::of(all), depth, program: None, owed: None, before: "", words: 0 }
    }

    fn step(&mut self, argument: &'a str) -> Cow<'a, str> {
        let masked = self.masked(argument);
        self.before = argument;
        masked
    }

    fn masked(&mut self, argument: &'a str) -> Cow<'a, str> {
        if let Some(masked) = self.owed.take().and_then(|owed| self.pay(owed, argument)) {
            return masked;
        }
        if self.notice_program(argument) {
            return Cow::Borrowed(argument);
        }
        match self.flag(argument) {
            Some(Flag::Next(holds)) => {
                self.owed = Some(ExpectedValue::Known(holds));
                return Cow::Borrowed(argument);
            }
            Some(Flag::Here(at, holds)) => return self.behind(argument, at, holds),
            None => {}
        }
        match argument.starts_with('-') && argument.len() > 1 {
            true => self.option(argument),
            false => self.word(argument),
        }
    }

    /// The value of an option that came before; none: it is no value.
    fn pay(&self, owed: ExpectedValue, argument: &'a str) -> Option<Cow<'a, str>> {
        match owed {
            ExpectedValue::Known(holds) => Some(self.behind(argument, 0, holds)),
            ExpectedValue::Named(Secrecy::Secret) if is_option(argument) => None,
            ExpectedValue::Named(secrecy) if secrecy != Secrecy::Secret && argument.starts_with('-') => None,
            ExpectedValue::Named(secrecy) if secrecy.masks(argument) => Some(Cow::Borrowed(MASK)),
            ExpectedValue::Named(_) => None,
        }
    }

    fn notice_program(&mut self, argument: &str) -> bool {
        let program = Program::named(argument).filter(|_| !NAMING.contains(&self.before));
        if program.is_some() {
            (self.program, self.words) = (program, 0);
        }
        program.is_some()
    }

    fn flag(&self, argument: &str) -> Option<Flag> {
        let program = self.program?;
        // `docker run -p 80:80` is another matter.
        let is_other = program == Program::Registry && !self.context.logs_in;
        program.flag(argument).filter(|_| !is_other)
    }

    /// The argument with what it holds from there on masked.
    fn behind(&self, argument: &'a str, at: usize, holds: Holds) -> Cow<'a, str> {
        let (before, value) = argument.split_at_checked(at).unwrap_or(("", argument));
        if values::is_harmless(value) {
            return Cow::Borrowed(argument);
        }
        let masked = match holds {
            Holds::Secret => Cow::Borrowed(MASK),
            Holds::After(mark) => after(value, mark).unwrap_or(Cow::Borrowed(value)),
            Holds::AfterOrAll(mark) => after(value, mark).unwrap_or(Cow::Borrowed(MASK)),
            Holds::OpensslSource => openssl_source(value),
            Holds::Cookies if value.contains('=') => Cow::Borrowed(MASK),
            Holds::Cookies => Cow::Borrowed(value),
            Holds::Command => Text { nature: Nature::Command, depth: self.depth }.mask(value),
        };
        joined(argument, before, masked, value)
    }

    /// `--name=value`, `--name` with its value in the next argument, `-Dname=value`, or anything else with a hyphen before it.
    fn option(&mut self, argument: &'a str) -> Cow<'a, str> {
        let (name, value) = argument.split_once('=').map_or((argument, None), |(n, v)| (n, Some(v)));
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return self.text(argument);
        }
        let secrecy = secrecy(name).or_else(|| secrecy(define(name)?));
        let Some(value) = value else {
            self.owed = secrecy.filter(|s| takes_value(name, *s)).map(ExpectedValue::Named);
            return self.text(argument);
        };
        let before = argument.get(..=name.len()).unwrap_or_default();
        let masked = match secrecy {
            Some(secrecy) if secrecy.masks(value) => Cow::Borrowed(MASK),
            _ if is_literal(name) => after(value, '=').unwrap_or_else(|| self.text(value)),
            _ => self.text(value),
        };
        joined(argument, before, masked, value)
    }

    /// An argument that is no option.
    fn word(&mut self, argument: &'a str) -> Cow<'a, str> {
        self.words += 1;
        let is_pair = is_literal(self.before) || self.is_in_secret_store();
        if let Some(masked) = is_pair.then(|| after(argument, '=')).flatten() {
            return masked;
        }
        match self.positional(argument) {
            Some(masked) => masked,
            None => self.text(argument),
        }
    }

    fn is_in_secret_store(&self) -> bool {
        self.context.stores_secrets || (self.program == Some(Program::Vault) && self.context.writes)
    }

    /// Arguments that are secrets by their place.
    fn positional(&mut self, argument: &'a str) -> Option<Cow<'a, str>> {
        let secret = Some(Cow::Borrowed(MASK));
        match self.program? {
            Program::Oracle => oracle_logon(argument),
            Program::Htpasswd if self.is_last() && self.words > 1 && self.has_flag_letter('b') => secret,
            Program::WpaPassphrase if self.words == 2 => secret,
            Program::Vault if self.before == "login" => secret,
            Program::Redis if self.context.authenticates && !argument.eq_ignore_ascii_case("auth") => secret,
            Program::Redis | Program::Mysql | Program::Ipmi => self.owe_to_word(argument),
            Program::Words if self.before == "psk" => secret,
            Program::Words if self.context.configures => self.owe_to_word(argument),
            _ => None,
        }
    }

    /// A word that is a secret's name has its value in the next one.
    fn owe_to_word(&mut self, argument: &'a str) -> Option<Cow<'a, str>> {
        let is_name = argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
        let is_path = values::is_path(argument) && !argument.starts_with("//");
        if is_name && !is_path && secrecy(argument) == Some(Secrecy::Secret) {
            self.owed = Some(ExpectedValue::Named(Secrecy::Secret));
            return Some(Cow::Borrowed(argument));
        }
        None
    }

    fn is_last(&self) -> bool {
        self.all.iter().filter(|a| !a.starts_with('-')).count() == self.words + 1
    }

    fn has_flag_letter(&self, letter: char) -> bool {
        self.all.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(letter))
    }

    fn text(&self, text: &'a str) -> Cow<'a, str> {
        Text { nature: Nature::Argument, depth: self.depth }.mask(text)
    }
}

/// `-x` and `--xyz`.
fn is_option(argument: &str) -> bool {
    argument.starts_with("--") || (argument.starts_with('-') && argument.len() == 2)
}

/// `-Dname` and `-Pname` define a property.
fn define(name: &str) -> Option<&str> {
    name.strip_prefix("-D").or_else(|| name.strip_prefix("-P")).or_else(|| name.strip_prefix("-e"))
}

/// Takes the members of a Kubernetes secret.
fn is_literal(option: &str) -> bool {
    option == "--from-literal"
}

/// The value with what is behind the first mark masked; none: it has no mark.
fn after(value: &str, mark: char) -> Option<Cow<'_, str>> {
    let at = value.find(mark)? + mark.len_utf8();
    let (kept, secret) = value.split_at_checked(at)?;
    Some(if values::is_harmless(secret) { Cow::Borrowed(value) } else { format!("{kept}{MASK}").into() })
}

fn openssl_source(value: &str) -> Cow<'_, str> {
    match value.strip_prefix("pass:") {
        Some(_) => format!("pass:{MASK}").into(),
        None if value == "stdin" || value.contains(':') => Cow::Borrowed(value),
        None => Cow::Borrowed(MASK),
    }
}

/// `user/password@service`, maybe behind `userid=`.
fn oracle_logon(argument: &str) -> Option<Cow<'_, str>> {
    let (user, rest) = argument.split_once('/')?;
    let is_user = !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$#=".contains(&b));
    let (password, service) = rest.rsplit_once('@').map_or((rest, None), |(p, s)| (p, Some(s)));
    let service = service.map(|s| format!("@{s}")).unwrap_or_default();
    (is_user && !password.is_empty()).then(|| format!("{user}/{MASK}{service}").into())
}

/// The whole, where something was masked in its value.
fn joined<'a>(whole: &'a str, before: &str, masked: Cow<'a, str>, value: &str) -> Cow<'a, str> {
    match masked == value {
        true => Cow::Borrowed(whole),
        false => format!("{before}{masked}").into(),
    }
}
