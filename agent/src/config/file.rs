//! Reads the configuration file: TOML into [`Options`]. Errors have the line number.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use pidflow_exporters::ExporterConfig;

use super::options::Options;
use super::outputs;
use crate::failure::one_line;

/// Maximum size of a configuration file, bytes; larger files are refused.
const MAX_BYTES: u64 = 1 << 20;

/// Reads and parses the file.
pub(crate) fn load(path: &Path) -> Result<Options> {
    parse(&read(path)?).map_err(|e| anyhow!("{}:{e}; \"pidflow check --config FILE\" checks a file", path.display()))
}

/// The file's text.
fn read(path: &Path) -> Result<String> {
    let failed = || format!("cannot read the configuration {}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{} is longer than {MAX_BYTES} bytes: it is not a configuration", path.display());
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = lines_before(e.as_bytes(), e.utf8_error().valid_up_to());
        anyhow!("{}:{line}: the text is not UTF-8", path.display())
    })
}

/// Parses the file's text; an error begins with the line number.
pub(crate) fn parse(text: &str) -> Result<Options, String> {
    let options: Options = toml::from_str(text).map_err(|e| {
        let line = exporter_line(text, e.message()).unwrap_or_else(|| e.span().map_or(1, |s| line_of(text, s.start)));
        format!("{line}: {}", one_line(e.message()))
    })?;
    outputs::check(&options.export).map_err(|e| {
        let said = e.to_string();
        let line = line_in_table(text, (OPTIONS, 0), key_of(&said)).unwrap_or(1);
        format!("{line}: {}", one_line(&said))
    })?;
    Ok(options)
}

/// The line of the key in the file's exporter table of that number, counted from 0, or that of the table.
pub(crate) fn line_of_exporter(path: &Path, index: usize, key: Option<&str>) -> Option<usize> {
    line_in_table(&read(path).ok()?, (EXPORTER, index), key)
}

/// The line of the key in the file's table of short options, or that of the table.
pub(crate) fn line_of_option(path: &Path, key: Option<&str>) -> Option<usize> {
    line_in_table(&read(path).ok()?, (OPTIONS, 0), key)
}

/// The line of an address in a list of the file's table of exporters to receive from, or that of the list.
pub(crate) fn line_of_collect(path: &Path, key: &str, address: &str) -> Option<usize> {
    let text = read(path).ok()?;
    let first = line_in_table(&text, (COLLECT, 0), Some(key))?;
    let (quoted, lines) = ([format!("\"{address}\""), format!("'{address}'")], text.lines().enumerate());
    let is_it = |line: &str| quoted.iter().any(|quoted| line.contains(quoted));
    Some(lines.skip(first - 1).find(|(_, line)| is_it(line)).map_or(first, |(n, _)| n + 1))
}

const COLLECT: &str = "[collect]";
const OPTIONS: &str = "[export]";
const EXPORTER: &str = "[[exporter]]";

/// The line of an error in an exporter's table. The parser knows only that it is in one of them.
fn exporter_line(text: &str, message: &str) -> Option<usize> {
    let file: toml::Table = toml::from_str(text).ok()?;
    let wrong = |table: &toml::Value| {
        let read = ExporterConfig::from_table(table.as_table()?.clone());
        read.err().filter(|e| e.to_string() == message)
    };
    let index = file.get("exporter")?.as_array()?.iter().position(|table| wrong(table).is_some())?;
    line_in_table(text, (EXPORTER, index), key_of(message))
}

/// The key at the beginning of a message, if the message is about one.
fn key_of(message: &str) -> Option<&str> {
    message.strip_prefix('`').and_then(|m| m.split_once('`')).map(|(key, _)| key)
}

/// The line of the key in the table with that header. Among several tables with the same header, `number` (counted from 0)
/// selects one. If the key is not in the table, the line of the header.
fn line_in_table(text: &str, (header, number): (&str, usize), key: Option<&str>) -> Option<usize> {
    let lines = || text.lines().enumerate().map(|(n, line)| (n + 1, line.trim_start()));
    let (header, _) = lines().filter(|(_, line)| line.starts_with(header)).nth(number)?;
    let is_key = |line: &str| key.and_then(|k| line.strip_prefix(k)).is_some_and(|l| l.trim_start().starts_with('='));
    let inside = lines().skip(header).take_while(|(_, line)| !line.starts_with('['));
    Some(inside.filter(|(_, line)| is_key(line)).map(|(n, _)| n).next().unwrap_or(header))
}

fn line_of(text: &str, offset: usize) -> usize {
    lines_before(text.as_bytes(), offset)
}

/// The number of the line in which a byte is.
fn lines_before(bytes: &[u8], offset: usize) -> usize {
    bytes.iter().take(offset).filter(|b| **b == b'\n').count() + 1
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
        assert!(
            e.starts_with("4: `colour` is not a key of an exporter of kind \"json\"; allowed are file, url, keys"),
            "{e}"
        );
        let e = parse("\n[[exporter]]\nkind = \"ipfix\"\n").unwrap_err();
        assert_eq!(e, "2: an exporter of kind \"ipfix\" needs the key `url`");
    }

    #[test]
    fn numbers_out_of_range_are_named_as_flags_name_them() {
        for (text, allowed) in [
            ("[capture]\nsnaplen = 0\n", "64 to 262144"),
            ("[capture]\nsnaplen = -5\n", "64 to 262144"),
            ("[flows]\nmax-flows = 0\n", "1 to 4294967295"),
            ("[http]\nmax-edges = 100001\n", "1 to 100000"),
            ("[http]\nrecent-flows = 99999999999\n", "0 to 10000000"),
            ("[privacy]\nmax-command-line = 1\n", "64 to 131072"),
            ("[export]\nown-pen = 0\n", "1 to 4294967295"),
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.starts_with("2: ") && e.contains(allowed), "{e}");
        }
    }

    #[test]
    fn texts_that_cannot_be_are_named() {
        for text in [
            "[http]\nlisten = \"127.0.0.1:99999\"\n",
            "[http]\nlisten = \"nonsense\"\n",
            "[http]\ntls-cert = \"\"\n",
            "[export]\nhost = \"\"\n",
            "[capture]\ninterfaces = [\"\"]\n",
            "[flows]\nidle-timeout = \"99999999d\"\n",
            "[flows]\nidle-timeout = 9223372036854775807\n",
            "[flows]\nidle-timeout = -1\n",
            "[privacy]\ncommand-lines = \"some\"\n",
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.starts_with("2: "), "{text}: {e}");
        }
    }

    #[test]
    fn what_is_no_text_of_a_configuration_ends() {
        let said = |path: &str| format!("{:#}", load(Path::new(path)).unwrap_err());
        assert!(said("/dev/zero").contains("longer than 1048576 bytes"), "{}", said("/dev/zero"));
        assert!(said("/tmp").contains("directory"), "{}", said("/tmp"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        std::fs::write(&file, b"[log]\n# \xff\n").unwrap();
        assert!(said(file.to_str().unwrap()).contains("x:2: the text is not UTF-8"));
        std::fs::write(&file, b"[log]\n\0\n").unwrap();
        assert!(said(file.to_str().unwrap()).contains("x:2: "));
    }

    #[test]
    fn broken_toml_has_its_line() {
        assert!(parse("[flows]\n\n[export\n").unwrap_err().starts_with("3: "));
    }
}
