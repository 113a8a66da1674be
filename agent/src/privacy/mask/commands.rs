//! Commands inside one argument: for a shell, for another host, or as a title that a program set itself.

use std::ops::Range;

use super::endings::plain_name;
use super::names::{Secrecy, secrecy};
use super::printed::{printed, replaced};
use super::program_names::program_named;
use super::shell::{Split, Word, has_operators, words};
use super::{MASK, arguments, ftp, values};

/// Programs that read a secret from standard input, or from `expect`.
const READERS: [&str; 14] = [
    "-S",
    "--password-stdin",
    "--stdin",
    "chpasswd",
    "--with-token",
    "passwd",
    "cryptsetup",
    "smbpasswd",
    "spawn",
    "expect",
    "debconf-set-selections",
    "stdin",
    "--pass-stdin",
    "--passphrase-stdin",
];

/// Programs and subcommands that usually read a secret, or something confidential, from a pipe.
const PIPE_READERS: [&str; 22] = [
    "base64",
    "md5sum",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "openssl",
    "gpg",
    "gpg2",
    "age",
    "kinit",
    "su",
    "openconnect",
    "--passwd-on-stdin",
    "load-key",
    "secret",
    "vault",
    "bao",
    "htpasswd",
    "mkpasswd",
    "wpa_passphrase",
];

/// The text with the secrets of its commands masked; none: it has none.
pub(super) fn mask(text: &str, depth: usize) -> Option<String> {
    let masked = split(text, depth, Split::Blanks);
    let rest = masked.as_deref().unwrap_or(text);
    // One word may turn out to be several.
    let again = has_operators(rest).then(|| split(rest, depth, Split::Operators)).flatten();
    again.or(masked)
}

fn split(text: &str, depth: usize, at: Split) -> Option<String> {
    let all = words(text, at);
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    for command in all.split(Word::ends_command) {
        masked(command, depth, &mut changes);
        set_by_printf(command, &mut changes);
    }
    if reads_secret(&all) {
        printed(&all, &mut changes);
        here_document(text, &all, &mut changes);
    } else {
        piped(&all, &mut changes);
    }
    if all.iter().any(|w| ftp::is_client(&w.text)) {
        changes.extend(ftp::passwords(text).map(|range| (range, MASK.to_owned())));
    }
    here_strings(&all, &mut changes);
    (!changes.is_empty()).then(|| replaced(text, changes))
}

/// Text that is piped to a program that usually reads secrets: `echo SECRET | base64`.
fn piped(all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    let is_reader = |w: &Word| PIPE_READERS.contains(&plain_name(&w.text));
    for pipeline in all.split(|w| w.ends_command() && !["|", "|&"].contains(&w.text.as_str())) {
        if let Some(reader) = pipeline.iter().rposition(is_reader) {
            printed(pipeline.get(..reader).unwrap_or_default(), changes);
        }
    }
}

/// Values that `printf` assigns to a variable with the name of a secret: `printf -v PASSWORD %s SECRET`.
fn set_by_printf(command: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    let [program, option, name, _, values @ ..] = command else { return };
    if program.text == "printf" && option.text == "-v" && secrecy(&name.text) == Some(Secrecy::Secret) {
        changes.extend(values.iter().map(|w| (w.range.clone(), MASK.to_owned())));
    }
}

/// Offset of a command after a name, as in `ProxyCommand=sshpass -p …`; none: the text does not begin with such a name.
pub(super) fn behind_name(text: &str) -> Option<usize> {
    let (name, command) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let takes_command = ["command", "cmd", "exec"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let begins_with_program = || command.split_whitespace().next().is_some_and(|w| program_named(w).is_some());
    (is_name && (takes_command || begins_with_program())).then_some(name.len() + 1)
}

/// Whether one of the commands reads a secret from what another prints, or the shell writes it to a file of such a name.
fn reads_secret(all: &[Word]) -> bool {
    let is_reader = |w: &Word| READERS.contains(&w.text.as_str()) || w.text.contains("passphrase-fd");
    let writes =
        |mark: &Word, file: &Word| [">", ">>", "tee"].contains(&mark.text.as_str()) && is_secret_file(&file.text);
    let joined = |w: &Word| w.text.trim_start_matches('>').len() < w.text.len() && is_secret_file(&w.text);
    all.iter().any(|w| is_reader(w) || joined(w)) || all.iter().zip(all.iter().skip(1)).any(|(mark, w)| writes(mark, w))
}

fn is_secret_file(path: &str) -> bool {
    path.rsplit(['/', '>']).next().and_then(secrecy) == Some(Secrecy::Secret)
}

fn masked(command: &[Word], depth: usize, changes: &mut Vec<(Range<usize>, String)>) {
    let texts: Vec<&str> = command.iter().map(|w| w.text.as_str()).collect();
    for (word, masked) in command.iter().zip(arguments::mask(&texts, depth)) {
        if masked != word.text {
            changes.push((word.range.clone(), quoted(&masked, word.quote)));
        }
    }
}

fn quoted(text: &str, quote: Option<char>) -> String {
    quote.map_or_else(|| text.to_owned(), |q| format!("{q}{text}{q}"))
}

/// `<<END`, lines with the secret, `END`.
fn here_document(text: &str, all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    let mark = |w: &Word| w.text.strip_prefix("<<").filter(|end| !end.starts_with('<')).map(str::to_owned);
    let Some((at, end)) = all.iter().enumerate().find_map(|(at, w)| Some((at, mark(w)?))) else { return };
    let mut behind = all.iter().skip(at + 1);
    let end = end.trim_start_matches('-').to_owned();
    let end = if end.is_empty() { behind.next().map_or(end, |w| w.text.clone()) } else { end };
    let line_end = all.get(at).and_then(|w| Some(w.range.end + text.get(w.range.end..)?.find('\n')?));
    let lines = behind.filter(|w| line_end.is_some_and(|line_end| w.range.start > line_end));
    changes.extend(lines.take_while(|w| w.text != end).map(|w| (w.range.clone(), MASK.to_owned())));
}

/// `<<< SECRET`.
fn here_strings(all: &[Word], changes: &mut Vec<(Range<usize>, String)>) {
    for (mark, word) in all.iter().zip(all.iter().skip(1)) {
        // `3<<<` redirects another descriptor than standard input.
        let is_descriptor = |c: char| c.is_ascii_digit();
        if mark.text.trim_start_matches(is_descriptor) == "<<<" && !values::is_harmless(&word.text) {
            changes.push((word.range.clone(), MASK.to_owned()));
        } else if let Some(at) =
            word.text.trim_start_matches(is_descriptor).strip_prefix("<<<").filter(|rest| !values::is_harmless(rest))
        {
            changes.push((word.range.end - at.len().min(word.range.len())..word.range.end, MASK.to_owned()));
        }
    }
}
