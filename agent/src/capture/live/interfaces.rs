//! Which interfaces are captured.

use super::super::CaptureError;
use super::link::{ANY, Link};
use super::links::Links;

/// Stands for each that is up.
const ALL: &str = "all";

/// Which interfaces are captured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// All, also those that come later, through libpcap's pseudo-interface `any`: one thread. There are no
    /// destination MAC addresses and no promiscuous mode there.
    #[default]
    Any,
    /// Each that is up, by itself, also those that come up later.
    Up,
    /// These, each by itself. One that disappears is captured again when there is one of that name again.
    Named(Vec<String>),
}

impl Interfaces {
    /// What `-i` names: nothing or `any`: all through one socket; `all`: each that is up by itself. Whatever else is named
    /// beside one of these is among it already, and what is named twice is meant once: packets are counted once.
    ///
    /// # Errors
    /// `any` and `all` together: two ways to capture the same packets.
    pub fn from_names(names: &[String]) -> Result<Self, CaptureError> {
        Self::check(names)?;
        let all = [(ANY, Self::Any), (ALL, Self::Up)].into_iter().find(|(all, _)| names.iter().any(|name| name == all));
        let mut once: Vec<String> = Vec::new();
        for name in names {
            match &all {
                Some((all, _)) if name == all => {}
                Some((all, _)) => tracing::info!("interface {name} is captured once: \"{all}\" includes it"),
                None if once.contains(name) => tracing::info!("interface {name} is named twice and captured once"),
                None => once.push(name.clone()),
            }
        }
        Ok(match all {
            Some((_, interfaces)) => interfaces,
            None if once.is_empty() => Self::Any,
            None => Self::Named(once),
        })
    }

    /// Whether these names are valid together.
    ///
    /// # Errors
    /// As [`Interfaces::from_names`].
    pub fn check(names: &[String]) -> Result<(), CaptureError> {
        let is_named = |all: &str| names.iter().any(|name| name == all);
        if is_named(ANY) && is_named(ALL) { Err(CaptureError::AnyAndAll) } else { Ok(()) }
    }

    /// Whether packets of the interface are to be captured, now or when it is up.
    pub(super) fn includes(&self, link: &Link) -> bool {
        match self {
            Self::Any | Self::Up => true,
            Self::Named(names) => names.iter().any(|name| link.is_called(name)),
        }
    }

    /// Names of which there is no interface.
    pub(super) fn missing<'a>(&'a self, links: &'a Links) -> impl Iterator<Item = &'a str> {
        let names = if let Self::Named(names) = self { names.as_slice() } else { &[] };
        names.iter().map(String::as_str).filter(|name| links.called(name).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Interfaces {
        Interfaces::from_names(&names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn duplicate_names_count_once() {
        let named = |names: &[&str]| Interfaces::Named(names.iter().map(ToString::to_string).collect());
        for (names, expected) in [
            (&[][..], Interfaces::Any),
            (&["any"], Interfaces::Any),
            (&["any", "any", "lo"], Interfaces::Any),
            (&["lo", "any"], Interfaces::Any),
            (&["all"], Interfaces::Up),
            (&["all", "eth0", "all"], Interfaces::Up),
            (&["lo", "lo"], named(&["lo"])),
            (&["eth0", "lo", "eth0"], named(&["eth0", "lo"])),
        ] {
            assert_eq!(of(names), expected, "{names:?}");
        }
    }

    #[test]
    fn any_and_all_contradict_each_other() {
        let error = Interfaces::from_names(&["all".into(), "lo".into(), "any".into()]).unwrap_err().to_string();
        assert!(error.contains("any") && error.contains("all"), "{error}");
    }
}
