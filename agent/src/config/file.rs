//! The configuration file: TOML into [`Options`], with the line number of what is wrong.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::options::Options;
use crate::failure::one_line;

/// Reads and parses the file.
pub(crate) fn load(path: &Path) -> Result<Options> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
    parse(&text).map_err(|e| anyhow!("{}:{e}; \"pidflow check --config FILE\" tries a file", path.display()))
}

/// Parses the file's text; an error begins with the line number.
pub(crate) fn parse(text: &str) -> Result<Options, String> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |s| line_of(text, start_of(text, &s, e.message())));
        format!("{line}: {}", one_line(e.message()))
    })
}

/// An error about a whole table begins with the key that it is about: then it is there.
fn start_of(text: &str, span: &Range<usize>, message: &str) -> usize {
    let key = message.strip_prefix('`').and_then(|m| m.split_once('`')).map(|(key, _)| key);
    let (Some(key), Some(table)) = (key, text.get(span.clone())) else { return span.start };
    let is_key = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|l| l.trim_start().starts_with('='));
    let mut lines = table.split_inclusive('\n').scan(span.start, |at, line| {
        *at += line.len();
        Some((*at - line.len(), line))
    });
    lines.find(|(_, line)| is_key(line)).map_or(span.start, |(at, _)| at)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::timeout::Timeout;

    #[test]
    fn tables_become_options() {
        let o = parse("[flows]\nactive-timeout = \"2m\"\nidle-timeout = 5\n[export]\ncollectors = [\"udp://a:1\"]\n")
            .unwrap();
        assert_eq!(o.flows.active_timeout, Some(Timeout::seconds(120)));
        assert_eq!(o.flows.idle_timeout, Some(Timeout::seconds(5)));
        assert_eq!(o.export.collectors, ["udp://a:1"]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        let e = parse("[flows]\nidle-timeout = \"5s\"\nactve-timeout = \"2m\"\n").unwrap_err();
        assert!(e.starts_with("3: ") && e.contains("actve-timeout") && e.contains("`active-timeout`"), "{e}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line_and_what_is_allowed() {
        let e = parse("[probes]\n\nbackend = \"magic\"\n").unwrap_err();
        assert!(e.starts_with("3: ") && e.contains("magic") && e.contains("kprobe"), "{e}");
        let e = parse("[flows]\nidle-timeout = \"soon\"\n").unwrap_err();
        assert!(e.starts_with("2: ") && e.contains("15s"), "{e}");
    }

    #[test]
    fn a_mistake_in_an_exporters_table_has_its_keys_line() {
        let e = parse("[[exporter]]\nkind = \"json\"\nfile = \"-\"\n\n[[exporter]]\nkind = \"ipfix\"\nurl = \"udp://a\"\nmax-message = 1\n")
            .unwrap_err();
        assert_eq!(e, "8: `max-message` is 1; allowed are 128 to 65507");
        let e = parse("[[exporter]]\nkind = \"json\"\nfile = \"-\"\n  colour = 1\n").unwrap_err();
        assert!(e.starts_with("4: `colour` means nothing to an exporter of kind \"json\"; it has file, keys"), "{e}");
        let e = parse("\n[[exporter]]\nkind = \"ipfix\"\n").unwrap_err();
        assert_eq!(e, "2: an exporter of kind \"ipfix\" needs the key `url`");
    }

    #[test]
    fn broken_toml_has_its_line() {
        assert!(parse("[flows]\n\n[export\n").unwrap_err().starts_with("3: "));
    }
}
