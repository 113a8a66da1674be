//! Units of systemd in the path of a control group, determined as systemd does (`src/basic/cgroup-util.c`,
//! `cg_path_get_unit`): slices first, then the unit; below a user's service manager the same again.

/// The slice of units that are in no other slice.
const ROOT_SLICE: &str = "-.slice";
/// Kinds of units, except slices, that have a control group of their own (systemd.unit(5)).
const KINDS: [&str; 5] = ["service", "scope", "mount", "socket", "swap"];
/// The longest name of a unit (`UNIT_NAME_MAX`), bytes.
const MAX_NAME: usize = 255;

/// The units that a path is in; empty: none, or not known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Units<'a> {
    pub(super) unit: &'a str,
    pub(super) user_unit: &'a str,
    pub(super) slice: &'a str,
}

impl<'a> Units<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        let mut is_whole = true;
        // If the agent has its own cgroup namespace, groups above its root are not shown.
        while names.next_if_eq(&"..").is_some() {
            is_whole = false;
        }
        let mut names = names.map(unescaped);
        let Some((slice, unit)) = unit(&mut names) else { return Self::default() };
        let user_unit = if is_user_manager(unit) { self::unit(&mut names) } else { None };
        let root = if is_whole { ROOT_SLICE } else { "" };
        Self { unit, user_unit: user_unit.map_or("", |(_, unit)| unit), slice: slice.unwrap_or(root) }
    }
}

/// The innermost slice and the unit in it.
fn unit<'a>(names: &mut impl Iterator<Item = &'a str>) -> Option<(Option<&'a str>, &'a str)> {
    let mut slice = None;
    for name in names {
        if !is_slice(name) {
            return is_unit(name).then_some((slice, name));
        }
        slice = Some(name);
    }
    None
}

/// Systemd puts `_` before names that could be the kernel's own files (`cg_escape`). The escapes of units (`\x2d`) are a
/// part of their names.
fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

fn is_slice(name: &str) -> bool {
    let parts = name.strip_suffix(".slice");
    parts.is_some_and(|name| name.split('-').all(|part| !part.is_empty() && is_valid(part) && !part.contains('@')))
}

/// A template without its instance is no unit.
fn is_unit(name: &str) -> bool {
    let Some((name, kind)) = name.rsplit_once('.').filter(|_| name.len() <= MAX_NAME) else { return false };
    let is_instance =
        name.split_once('@').is_none_or(|(template, instance)| !template.is_empty() && !instance.is_empty());
    KINDS.contains(&kind) && !name.is_empty() && is_valid(name) && is_instance
}

fn is_valid(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b))
}

/// `user@UID.service`, or `capsule@NAME.service` (systemd 257).
fn is_user_manager(unit: &str) -> bool {
    let instance = |template: &str| unit.strip_prefix(template)?.strip_suffix(".service");
    instance("user@").is_some_and(|uid| uid.parse::<u32>().is_ok()) || instance("capsule@").is_some()
}
