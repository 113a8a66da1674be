//! Masks the arguments of one program in order.

use std::borrow::Cow;

use super::holds::{self, after, oracle_logon};
use super::names::{Secrecy, is_password_command, is_password_name, secrecy, takes_value};
use super::pairs::Nature;
use super::program_names::program_named;
use super::programs::{Flag, Holds, Program};
use super::verbs::Places;
use super::{MASK, Text, neighbours, printed, values};

/// Options whose value is a name, not a program that is run.
const NAMING: [&str; 10] =
    ["--name", "--hostname", "--network", "--link", "--volumes-from", "--user", "-u", "--database", "-t", "--tag"];

/// Masks the arguments of one command. The depth is the number of strings around it.
pub(super) fn mask<'a>(arguments: &[&'a str], depth: usize) -> Vec<Cow<'a, str>> {
    let mut walk = Walk::new(arguments, depth);
    arguments.iter().map(|argument| walk.step(argument)).collect()
}

/// What the next argument belongs to.
#[derive(Debug, Clone, Copy)]
enum ExpectedValue {
    /// An option of that name.
    Named(Secrecy),
    /// An option, or a word, of that program.
    Known(Holds),
    /// An option that takes a command that prints a password.
    PasswordCommand,
}

/// Words in the arguments that change the meaning of others.
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
    /// `-n node.session.auth.password -v VALUE`.
    names_password: bool,
}

impl Context {
    fn of(arguments: &[&str]) -> Self {
        let has = |words: &[&str]| arguments.iter().any(|a| words.contains(a));
        Self {
            logs_in: has(&["login"]),
            stores_secrets: has(&["secret", "secrets"]) && has(&["create", "set", "put", "import", "patch", "add"])
                || has(&["put-parameter", "create-secret", "put-secret-value", "config:set", "config:add"]),
            writes: has(&["put", "write", "patch", "login"]),
            configures: has(&["config", "configure", "nmcli", "/usr/bin/nmcli", "wpa_cli", "/usr/sbin/wpa_cli"])
                || has(&["npm", "pnpm"]) && has(&["set"]),
            authenticates: has(&["auth", "AUTH", "auth2", "AUTH2"]),
            names_password: arguments
                .windows(2)
                .any(|w| matches!(w, [option, name] if ["-n", "--name"].contains(option) && is_password_name(name))),
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
    /// Number of arguments so far that are not options.
    words: usize,
    places: Places,
}

impl<'s, 'a> Walk<'s, 'a> {
    fn new(all: &'s [&'a str], depth: usize) -> Self {
        Self {
            all,
            context: Context::of(all),
            depth,
            program: None,
            owed: None,
            before: "",
            words: 0,
            places: Places::default(),
        }
    }

    fn step(&mut self, argument: &'a str) -> Cow<'a, str> {
        let masked = self.masked(argument);
        self.before = argument;
        masked
    }

    fn masked(&mut self, argument: &'a str) -> Cow<'a, str> {
        if neighbours::is_particle(argument) {
            self.owed = None;
        }
        if self.owed.is_some() && neighbours::is_link(argument) {
            return Cow::Borrowed(argument);
        }
        if let Some(masked) = self.owed.take().and_then(|owed| self.pay(owed, argument)) {
            self.owe_again(argument);
            return masked;
        }
        let is_option = argument.starts_with(['-', '–', '—']) && argument.len() > 1;
        if is_option {
            self.places.pass_option(argument);
        } else if self.places.is_secret(argument)
            && !values::is_harmless(argument)
            && !values::is_known_method(argument)
        {
            return Cow::Borrowed(MASK);
        }
        if self.notice_program(argument) {
            return Cow::Borrowed(argument);
        }
        match self.flag(argument) {
            Some(Flag::Next(holds)) => {
                self.owed = Some(ExpectedValue::Known(holds));
                return Cow::Borrowed(argument);
            }
            Some(Flag::Here(at, holds)) => {
                // `-pass` may be `-p` with its value, or an option of its own.
                self.owed = secrecy(argument).filter(|_| is_option).map(ExpectedValue::Named);
                return self.behind(argument, at, holds);
            }
            None => {}
        }
        match is_option {
            true => self.option(argument),
            false => self.word(argument),
        }
    }

    /// The masked value of the preceding option; none: the argument is not a value.
    fn pay(&self, owed: ExpectedValue, argument: &'a str) -> Option<Cow<'a, str>> {
        match owed {
            ExpectedValue::Known(holds) => Some(self.behind(argument, 0, holds)),
            ExpectedValue::PasswordCommand => Some(self.password_command(argument)),
            ExpectedValue::Named(Secrecy::Secret) if is_option(argument) => None,
            ExpectedValue::Named(secrecy) if secrecy != Secrecy::Secret && argument.starts_with('-') => None,
            ExpectedValue::Named(secrecy) if secrecy.masks(argument) => Some(Cow::Borrowed(MASK)),
            ExpectedValue::Named(_) => None,
        }
    }

    /// A supposed value may be a name itself: `key-mgmt wpa-psk psk VALUE`, `set password 2 VALUE`.
    fn owe_again(&mut self, argument: &str) {
        let takes_words = matches!(self.program, Some(Program::Words | Program::Ipmi));
        let is_number = argument.len() <= 2 && argument.bytes().all(|b| b.is_ascii_digit());
        if takes_words && (is_number || secrecy(argument) == Some(Secrecy::Secret)) {
            self.owed = Some(ExpectedValue::Named(Secrecy::Secret));
        }
    }

    fn notice_program(&mut self, argument: &str) -> bool {
        // A hyphen is before the name of a login shell, and before options.
        let may_be_one = !NAMING.contains(&self.before) && (!argument.starts_with('-') || self.before.is_empty());
        let program = program_named(argument).filter(|_| may_be_one);
        if program.is_some() {
            (self.program, self.words) = (program, 0);
        }
        program.is_some()
    }

    fn flag(&self, argument: &str) -> Option<Flag> {
        let program = self.program?;
        // `docker run -p 80:80` is not a password, nor is `az webapp create -p PLAN`.
        let is_other = match program {
            Program::Registry => !self.context.logs_in,
            Program::Azure => !self.context.logs_in && !self.all.contains(&"-u"),
            _ => false,
        };
        program.flag(argument).filter(|_| !is_other)
    }

    /// The argument, masked from that position on.
    fn behind(&self, argument: &'a str, at: usize, holds: Holds) -> Cow<'a, str> {
        let (before, value) = argument.split_at_checked(at).unwrap_or(("", argument));
        joined(argument, before, holds::masked(holds, value, self.depth), value)
    }

    /// `--name=value`, `--name` with its value in the next argument, `-Dname=value`, or anything else with a hyphen before it.
    fn option(&mut self, argument: &'a str) -> Cow<'a, str> {
        if self.context.stores_secrets && argument.starts_with("-b") && argument.len() > 2 {
            return format!("-b{MASK}").into();
        }
        let (name, value) = argument.split_once('=').map_or((argument, None), |(n, v)| (n, Some(v)));
        // Dashes that a word processor made of hyphens.
        let name = name.trim_start_matches(['–', '—']).trim_end_matches(':');
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return self.text(argument);
        }
        let secrecy = secrecy(name).or_else(|| secrecy(define(name)?)).or_else(|| self.secrecy_here(name));
        // `docker run --user nobody:nogroup`.
        let secrecy = secrecy.filter(|s| *s != Secrecy::Login || self.program != Some(Program::Registry));
        let Some(value) = value else {
            self.owed = secrecy.filter(|s| takes_value(name, *s)).map(ExpectedValue::Named);
            self.owed = self.owed.or_else(|| is_password_command(name).then_some(ExpectedValue::PasswordCommand));
            self.owed = self.owed.or_else(|| takes_file(name).then_some(ExpectedValue::Known(Holds::Nothing)));
            return self.text(argument);
        };
        let before = argument.strip_suffix(value).unwrap_or_default();
        if value.is_empty() {
            self.owed = secrecy.filter(|s| *s == Secrecy::Secret).map(ExpectedValue::Named);
        }
        let masked = match secrecy {
            Some(secrecy) if secrecy.masks(value) => Cow::Borrowed(MASK),
            _ if is_password_command(name) => self.password_command(value),
            _ if takes_file(name) => Cow::Borrowed(value),
            _ if self.is_in_secret_store() && value.starts_with('{') => Cow::Borrowed(MASK),
            _ if is_literal(name) && self.context.stores_secrets => {
                after(value, '=').unwrap_or_else(|| self.text(value))
            }
            _ => self.text(value),
        };
        joined(argument, before, masked, value)
    }

    /// An argument that is not an option.
    fn word(&mut self, argument: &'a str) -> Cow<'a, str> {
        self.words += 1;
        if let Some(masked) = self.windows_option(argument).or_else(|| self.value_of_member(argument)) {
            return masked;
        }
        if self.is_in_secret_store() {
            if argument.starts_with('{') {
                return Cow::Borrowed(MASK);
            }
            if let Some(masked) = after(argument, '=') {
                return masked;
            }
        }
        let name = argument
            .strip_suffix(['=', ':'])
            .filter(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        if name.and_then(secrecy) == Some(Secrecy::Secret) {
            self.owed = Some(ExpectedValue::Named(Secrecy::Secret));
            return Cow::Borrowed(argument);
        }
        let is_other = self.program == Some(Program::Bundle) && !self.context.configures;
        if let Some(holds) = self.program.filter(|_| !is_other).and_then(Program::word) {
            let masked = self.text(argument);
            return if masked == argument { self.behind(argument, 0, holds) } else { masked };
        }
        match self.positional(argument) {
            Some(masked) => masked,
            None => self.text(argument),
        }
    }

    /// An option of Windows programs, `/p:SECRET`; not `/p:NAME=VALUE`, which is a property for MSBuild.
    fn windows_option(&self, argument: &'a str) -> Option<Cow<'a, str>> {
        let (name, value) = argument.split_at_checked(3).filter(|(name, _)| name.eq_ignore_ascii_case("/p:"))?;
        let is_other = value.contains(['=', '/', ';']) || values::is_number(value) || values::is_harmless(value);
        (!is_other).then(|| format!("{name}{MASK}").into())
    }

    /// `env[0].value=SECRET` after `env[0].name=API_TOKEN`, each as a separate argument.
    fn value_of_member(&self, argument: &'a str) -> Option<Cow<'a, str>> {
        let (member, value) = argument.split_once(".value=")?;
        let name = self.all.iter().find_map(|a| a.rsplit_once(".name=").filter(|(m, _)| m.ends_with(member)))?.1;
        let is_secret = secrecy(name)?.masks(value);
        is_secret.then(|| format!("{member}.value={MASK}").into())
    }

    /// `--value` and `--body` of a command that stores secrets; `-u user:password` of any.
    fn secrecy_here(&self, name: &str) -> Option<Secrecy> {
        match name {
            "--value" | "--body" | "-b" if self.context.stores_secrets => Some(Secrecy::Secret),
            "-v" | "--value" if self.context.names_password => Some(Secrecy::Secret),
            "-u" => Some(Secrecy::Login),
            _ => None,
        }
    }

    fn is_in_secret_store(&self) -> bool {
        self.context.stores_secrets || (self.program == Some(Program::Vault) && self.context.writes)
    }

    /// Arguments that are secrets by their position.
    fn positional(&mut self, argument: &'a str) -> Option<Cow<'a, str>> {
        let secret = Some(Cow::Borrowed(MASK));
        let Some(program) = self.program else { return self.owe_to_any_word(argument) };
        match program {
            Program::Oracle => oracle_logon(argument),
            Program::Htpasswd if self.is_last() && self.words > 1 && self.has_flag_letter('b') => secret,
            Program::WpaPassphrase if self.words == 2 => secret,
            Program::Smb if self.words == 2 && self.before.starts_with("//") => secret,
            Program::Redis if argument.starts_with(['>', '<', '#']) && argument.len() > 1 => secret,
            Program::Redis if self.context.authenticates && !is_auth(argument) => secret,
            Program::Redis | Program::Mysql | Program::Ipmi | Program::Words => self.owe_to_word(argument),
            _ if self.context.configures => self.owe_to_word(argument),
            _ => self.owe_to_any_word(argument),
        }
    }

    /// A word behind which every program would have a password: `set -x DB_PASSWORD VALUE`. Where text is searched it is a pattern.
    fn owe_to_any_word(&mut self, argument: &'a str) -> Option<Cow<'a, str>> {
        if self.places.has_begun() {
            return None;
        }
        let is_linked = matches!(self.all, [_, link, ..] if neighbours::is_link(link));
        let is_first = self.before.is_empty() && !argument.contains('_') && !is_linked && argument != "Bearer";
        if is_first || !is_password_name(argument) || neighbours::leave_it_alone(self.before, self.all) {
            return None;
        }
        self.owed = Some(ExpectedValue::Named(Secrecy::Secret));
        Some(Cow::Borrowed(argument))
    }

    /// If a word is a secret's name, the next word is its value.
    fn owe_to_word(&mut self, argument: &'a str) -> Option<Cow<'a, str>> {
        let is_name = argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+".contains(&b));
        let is_path = values::is_path(argument) && !argument.starts_with("//");
        let secrecy =
            secrecy(argument).filter(|s| is_name && !is_path && matches!(s, Secrecy::Secret | Secrecy::Auth))?;
        self.owed = Some(ExpectedValue::Named(secrecy));
        Some(Cow::Borrowed(argument))
    }

    fn is_last(&self) -> bool {
        self.all.iter().filter(|a| !a.starts_with('-')).count() == self.words + 1
    }

    fn has_flag_letter(&self, letter: char) -> bool {
        self.all.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(letter))
    }

    /// The value of `--password-command`: what it prints is the secret.
    fn password_command(&self, value: &'a str) -> Cow<'a, str> {
        printed::mask(value).map_or_else(|| self.text(value), Cow::Owned)
    }

    fn text(&self, text: &'a str) -> Cow<'a, str> {
        Text { nature: Nature::Argument, depth: self.depth }.mask(text)
    }
}

/// The word of Redis before a password.
fn is_auth(word: &str) -> bool {
    word.eq_ignore_ascii_case("auth") || word.eq_ignore_ascii_case("auth2")
}

/// `-x` and `--xyz`.
fn is_option(argument: &str) -> bool {
    argument.starts_with("--") || (argument.starts_with('-') && argument.len() == 2)
}

/// `-Dname` and `-Pname` define a property.
fn define(name: &str) -> Option<&str> {
    name.strip_prefix("-D")
        .or_else(|| name.strip_prefix("-o"))
        .or_else(|| name.strip_prefix("-P"))
        .or_else(|| name.strip_prefix("-e"))
}

/// Whether the option takes `NAME=FILE`.
fn takes_file(option: &str) -> bool {
    ["--from-file", "--set-file"].contains(&option)
}

/// Takes the members of a Kubernetes secret.
fn is_literal(option: &str) -> bool {
    option == "--from-literal"
}

/// The whole argument, if something was masked in its value.
fn joined<'a>(whole: &'a str, before: &str, masked: Cow<'a, str>, value: &str) -> Cow<'a, str> {
    match masked == value {
        true => Cow::Borrowed(whole),
        false => format!("{before}{masked}").into(),
    }
}
