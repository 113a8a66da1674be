//! Which interfaces are captured.

use std::fmt;

use pidflow_engine::join::CapturedPaths;

use super::link::{ANY, Link};
use super::links::Links;
use super::open::interface_index;
use pidflow_capture::CaptureError;

/// Loopback is the first interface of each network namespace (`loopback_net_init` in drivers/net/loopback.c).
const LOOPBACK_INDEX: u32 = 1;
/// The name that stands for every interface that is up.
const ALL: &str = "all";

/// Which interfaces are captured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// All interfaces, including later ones, through libpcap's pseudo-interface `any` and one thread. It offers no
    /// destination MAC addresses and no promiscuous mode.
    #[default]
    Any,
    /// Every interface that is up, including later ones, each with its own socket and thread.
    Up,
    /// The named interfaces, each with its own socket and thread. One that disappears is captured again when an
    /// interface of that name appears.
    Named(Vec<String>),
}

impl Interfaces {
    /// Converts the names given with `-i`: none or `any` gives [`Self::Any`], `all` gives [`Self::Up`]. Other names
    /// beside these two are already included, and repeated names count once, so that no packet is counted twice.
    ///
    /// # Errors
    /// `any` and `all` are both named.
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

    /// Whether the interface is to be captured, now or once it is up.
    pub(super) fn includes(&self, link: &Link) -> bool {
        match self {
            Self::Any | Self::Up => true,
            Self::Named(names) => names.iter().any(|name| link.is_called(name)),
        }
    }

    /// The packets of this network namespace that they see.
    pub(crate) fn paths(&self) -> CapturedPaths {
        let Self::Named(names) = self else { return CapturedPaths::All };
        let indexes: Vec<u32> = names.iter().map(|name| interface_index(name)).collect();
        match indexes.iter().filter(|index| **index == LOOPBACK_INDEX).count() {
            // One that does not exist now may be any.
            _ if indexes.contains(&0) => CapturedPaths::All,
            0 => CapturedPaths::BeyondLoopback,
            n if n == indexes.len() => CapturedPaths::Loopback,
            _ => CapturedPaths::All,
        }
    }

    /// Names for which there is no interface.
    pub(super) fn missing<'a>(&'a self, links: &'a Links) -> impl Iterator<Item = &'a str> {
        let names = if let Self::Named(names) = self { names.as_slice() } else { &[] };
        names.iter().map(String::as_str).filter(|name| links.called(name).is_none())
    }
}

impl fmt::Display for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str(ANY),
            Self::Up => f.write_str(ALL),
            Self::Named(names) => f.write_str(&names.join(", ")),
        }
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
    fn loopback_is_a_path_of_its_own() {
        for (names, paths) in [
            (&["any"][..], CapturedPaths::All),
            (&["all"], CapturedPaths::All),
            (&["lo"], CapturedPaths::Loopback),
            (&["lo", "not-there"], CapturedPaths::All),
        ] {
            assert_eq!(of(names).paths(), paths, "{names:?}");
        }
    }

    #[test]
    fn any_and_all_contradict_each_other() {
        let error = Interfaces::from_names(&["all".into(), "lo".into(), "any".into()]).unwrap_err().to_string();
        assert!(error.contains("any") && error.contains("all"), "{error}");
    }
}
