//! Users in the names of systemd's own units.

/// Before the user's number (systemd, `src/login/logind-user.c`).
const USER_UNITS: [&str; 3] = ["user@", "user-runtime-dir@", "user-"];

/// The name of a unit with another user's number, or without one; none: there is no number in it.
pub(super) fn with_user(name: &str, replace: impl FnOnce(u32) -> Option<u32>) -> Option<String> {
    let (prefix, rest) = USER_UNITS.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (number, kind) = rest.split_at_checked(end)?;
    let uid = replace(number.parse().ok()?).map(|uid| uid.to_string()).unwrap_or_default();
    kind.starts_with('.').then(|| format!("{prefix}{uid}{kind}"))
}

#[cfg(test)]
mod tests {
    use super::with_user;

    #[test]
    fn the_number_of_a_user_is_replaced_in_systemds_own_units_alone() {
        for (name, without, other) in [
            ("user@1000.service", "user@.service", "user@7.service"),
            ("user-1000.slice", "user-.slice", "user-7.slice"),
            ("user-runtime-dir@0.service", "user-runtime-dir@.service", "user-runtime-dir@7.service"),
        ] {
            assert_eq!(with_user(name, |_| None).as_deref(), Some(without));
            assert_eq!(with_user(name, |_| Some(7)).as_deref(), Some(other));
        }
        for name in [
            "user.slice",
            "user@work.service",
            "user-1000x.slice",
            "session-3.scope",
            "user@99999999999.service",
            "user@1000",
            "",
        ] {
            assert_eq!(with_user(name, |_| None), None, "{name}");
        }
    }
}
