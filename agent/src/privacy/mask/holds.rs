//! Masks values of which the secret part is known.

use std::borrow::Cow;

use super::pairs::Nature;
use super::programs::Holds;
use super::{MASK, Text, ftp, logins, printed, values};

/// The value with its secret part masked. `depth` is the number of quoted strings around it.
pub(super) fn masked(holds: Holds, value: &str, depth: usize) -> Cow<'_, str> {
    let is_text = matches!(holds, Holds::Command | Holds::Sent | Holds::Ftp);
    if holds == Holds::Nothing || (!is_text && values::is_harmless(value)) {
        return Cow::Borrowed(value);
    }
    match holds {
        Holds::Hash if values::is_known_method(value) => Cow::Borrowed(value),
        Holds::Word if values::is_number(value) || values::is_path(value) => Cow::Borrowed(value),
        Holds::Cookies if !value.contains('=') => Cow::Borrowed(value),
        Holds::Login if !values::is_login(value) => text(value, Nature::Argument, depth),
        Holds::Login => after(value, ':').unwrap_or(Cow::Borrowed(MASK)),
        Holds::After(':') | Holds::AfterOrAll(':') if logins::is_token(value) => Cow::Borrowed(MASK),
        Holds::AfterOrAll(mark) => after(value, mark).unwrap_or(Cow::Borrowed(MASK)),
        Holds::OpensslSource => openssl_source(value),
        Holds::Command => text(value, Nature::Command, depth),
        Holds::Sent => printed::mask(value).map_or_else(|| text(value, Nature::Command, depth), Cow::Owned),
        Holds::Ftp => ftp::mask(value).map_or_else(|| text(value, Nature::Command, depth), Cow::Owned),
        Holds::Secret | Holds::Hash | Holds::Word | Holds::Cookies => Cow::Borrowed(MASK),
        _ => in_parts(holds, value, depth),
    }
}

/// The value masked on one side of a separator. Without the separator it is masked like any other text.
fn in_parts(holds: Holds, value: &str, depth: usize) -> Cow<'_, str> {
    let masked = match holds {
        Holds::After(mark) => after(value, mark),
        Holds::AfterLast(mark) => value.rfind(mark).map(|at| behind(value, at + mark.len_utf8())),
        Holds::Before(mark) => value.rfind(mark).filter(|at| *at > 0).map(|at| before(value, at)),
        Holds::Member(name) => member(value, name),
        Holds::Address => value.find("://").map(|at| behind(value, at + 3)),
        _ => None,
    };
    masked.unwrap_or_else(|| text(value, Nature::Argument, depth))
}

fn text(value: &str, nature: Nature, depth: usize) -> Cow<'_, str> {
    Text { nature, depth }.mask(value)
}

fn behind(value: &str, at: usize) -> Cow<'_, str> {
    format!("{}{MASK}", value.get(..at).unwrap_or_default()).into()
}

fn before(value: &str, at: usize) -> Cow<'_, str> {
    format!("{MASK}{}", value.get(at..).unwrap_or_default()).into()
}

/// The value, masked after the first separator; none: it has no separator.
pub(super) fn after(value: &str, mark: char) -> Option<Cow<'_, str>> {
    let at = value.find(mark)? + mark.len_utf8();
    let secret = value.get(at..)?;
    Some(if values::is_harmless(secret) { Cow::Borrowed(value) } else { behind(value, at) })
}

/// A list with one member masked: `g:host,u:bob,p:SECRET`; none: it has no such member.
fn member<'a>(value: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut members =
        value.split(',').map(|m| if m.starts_with(name) { format!("{name}{MASK}") } else { m.to_owned() });
    let first = members.next()?;
    let whole = members.fold(first, |all, m| all + "," + &m);
    (whole != value).then_some(whole.into())
}

fn openssl_source(value: &str) -> Cow<'_, str> {
    match value.strip_prefix("pass:") {
        Some(_) => format!("pass:{MASK}").into(),
        None if value == "stdin" || value.contains(':') => Cow::Borrowed(value),
        None => Cow::Borrowed(MASK),
    }
}

/// `user/password@service`, optionally after `userid=`.
pub(super) fn oracle_logon(argument: &str) -> Option<Cow<'_, str>> {
    let (user, rest) = argument.split_once('/')?;
    let is_user = !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$#=".contains(&b));
    let (password, service) = rest.rsplit_once('@').map_or((rest, None), |(p, s)| (p, Some(s)));
    let service = service.map(|s| format!("@{s}")).unwrap_or_default();
    (is_user && !password.is_empty()).then(|| format!("{user}/{MASK}{service}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_a_mark() {
        let of = |holds, value: &'static str| masked(holds, value, 0).into_owned();
        assert_eq!(of(Holds::Before('@'), "x@h"), "***@h");
        assert_eq!(of(Holds::Before('@'), "h"), "h");
        assert_eq!(of(Holds::Member("p:"), "g:h,u:bob,p:x,t:1"), "g:h,u:bob,p:***,t:1");
        assert_eq!(of(Holds::Member("p:"), "g:h"), "g:h");
        assert_eq!(of(Holds::Address, "tgram://1:x/chat"), "tgram://***");
        assert_eq!(of(Holds::Login, "gems.example:x"), "gems.example:***");
        assert_eq!(of(Holds::Login, "vendor/bundle"), "vendor/bundle");
        assert_eq!(of(Holds::Nothing, "token=x"), "token=x");
    }
}
