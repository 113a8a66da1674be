//! Names that are separate from their values: XML elements, and members `name` and `value` of one object.

use std::ops::Range;

use super::names::{Secrecy, secrecy};
use super::values;

/// Number of bytes before a value in which its name is searched.
const MAX_LOOK_BACK: usize = 160;

/// Contents of XML elements with secret names.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    text.match_indices('>').filter_map(|(at, _)| content(text, at)).collect()
}

fn content(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(text.floor_char_boundary(at.saturating_sub(MAX_LOOK_BACK))..at)?;
    let tag = before.rsplit_once('<')?.1;
    if tag.contains('>') || tag.ends_with('/') {
        return None;
    }
    let name = tag.split(|c: char| c.is_whitespace()).next()?;
    let name = name.rsplit(':').next().filter(|_| !name.starts_with('/'))?;
    let rest = text.get(at + 1..)?;
    let value = rest.get(..rest.find('<').unwrap_or(rest.len()))?;
    (secrecy(name)? == Secrecy::Secret && !values::is_harmless(value.trim())).then_some(at + 1..at + 1 + value.len())
}

/// What the name beside it says of a `value`: `{"name": "PASSWORD", "value": "x"}`, `env[0].name=PASSWORD,env[0].value=x`.
pub(super) fn secrecy_of_value(text: &str, start: usize, name: &str) -> Option<Secrecy> {
    // QEMU: `-object secret,id=x,data=VALUE`.
    if name == "data" && text.get(..start).is_some_and(|before| before.starts_with("secret,")) {
        return Some(Secrecy::Secret);
    }
    let is_value = name.rsplit('.').next().is_some_and(|n| n.to_ascii_lowercase().ends_with("value"));
    if !is_value {
        return None;
    }
    let before = text.get(text.floor_char_boundary(start.saturating_sub(MAX_LOOK_BACK))..start)?;
    let before = before.rsplit_once('{').map_or(before, |(_, object)| object);
    let (_, named) =
        ["name", "Name", "key=", "Key=", "\"key\"", "\"Key\""].iter().find_map(|n| before.rsplit_once(n))?;
    let named = named.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = named.find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))?;
    secrecy(named.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_xml() {
        let found = |text: &'static str| find(text).into_iter().map(|r| &text[r]).collect::<Vec<_>>();
        assert_eq!(found("<a><password>x</password></a>"), ["x"]);
        assert_eq!(found("<s:Password Type='t'>x y</s:Password>"), ["x y"]);
        assert_eq!(found("<name>x</name> 2>&1 <password/> a->b"), [""; 0]);
    }

    #[test]
    fn names_beside_values() {
        let of = |text: &str| secrecy_of_value(text, text.rfind("value").unwrap(), "value");
        assert_eq!(of(r#"[{"name": "DB_PASSWORD", "value": "x"}]"#), Some(Secrecy::Secret));
        assert_eq!(of("env[0].name=TOKEN,env[0].value=x"), Some(Secrecy::Secret));
        assert_eq!(of(r#"{"name":"PORT","value":"80"}"#), None);
        assert_eq!(of("value=x"), None);
    }
}
