//! Splits commands of shell blocks as a shell would, and tries them as far as that has no side effects.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use pidflow_tests::process;

use crate::pages::root;

/// An interface that no host has, so that `pidflow run` ends after it has parsed its arguments.
const NO_INTERFACE: &str = "pidflow-none";

/// The simple commands of a line, each as words, without comment, `sudo`, variables before the command, and
/// redirections.
pub(crate) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for word in words(line) {
        match word.as_str() {
            "|" | "||" | "&&" | ";" | "&" => all.push(Vec::new()),
            _ => all.last_mut().unwrap().push(word),
        }
    }
    let bare = |command: Vec<String>| {
        let is_variable =
            |w: &String| w.split_once('=').is_some_and(|(n, _)| n.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        let until = command.iter().position(|w| w == ">" || w == "<" || w == ">>").unwrap_or(command.len());
        command.into_iter().take(until).skip_while(|w| w == "sudo" || is_variable(w)).collect::<Vec<_>>()
    };
    all.into_iter().map(bare).filter(|command| !command.is_empty()).collect()
}

/// Words with quotes removed, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote that does not end: {line}");
    all.extend(word);
    all
}

/// Runs pidflow in `dir`, without the variables of who runs the test.
pub(crate) fn pidflow(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(process::binary("pidflow").unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PIDFLOW_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

/// What is wrong with `pidflow ARGUMENTS`, if anything. `dir` is a folder with what the commands read.
pub(crate) fn try_pidflow(dir: &Path, arguments: &[String]) -> Result<(), String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_help = arguments.contains(&"--help");
    let output = match arguments.split_first() {
        Some((&"run", options)) if !is_help => pidflow(dir, &run_nowhere(options)),
        Some((&"collect", options)) if !is_help => pidflow(dir, &[&["collect"][..], options, &NOWHERE].concat()),
        _ => pidflow(dir, &arguments),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    let as_expected = match arguments.first() {
        Some(&"run") if !is_help => {
            code != Some(0) && said.contains(&format!("interface {NO_INTERFACE}: cannot capture"))
        }
        // It would run until it is stopped.
        Some(&"collect") if !is_help => code != Some(0) && said.contains("cannot receive from exporters at 192.0.2.1"),
        // No agent runs here; only the arguments are checked.
        Some(&"audit") => code.is_some_and(|code| code != 2) || said.contains("no agent answers"),
        // There need not be a history here; only the arguments are checked.
        Some(&"query") => code == Some(0) || said.contains("No such file or directory"),
        // The findings depend on the host; only the arguments are checked.
        Some(&"doctor") => code.is_some_and(|code| code != 2),
        _ => code == Some(0),
    };
    if as_expected { Ok(()) } else { Err(format!("pidflow {}: {code:?}: {said}", arguments.join(" "))) }
}

/// An address that no host has (RFC 5737), to receive from exporters.
const NOWHERE: [&str; 2] = ["--netflow", "192.0.2.1:2055"];

/// The options of `run` with an interface that does not exist in place of theirs, and serving nothing.
fn run_nowhere<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let takes_value = |o: &str| matches!(o, "-i" | "--interface" | "--listen");
    let (mut all, mut skipped) = (vec!["run", "-i", NO_INTERFACE, "--listen", "off"], false);
    for option in options {
        let skip = std::mem::take(&mut skipped);
        skipped = !skip && takes_value(option);
        if !skip && !skipped {
            all.push(option);
        }
    }
    all
}

/// What is wrong with a command for developers, if anything: packages, programs or files that do not exist.
pub(crate) fn try_other(command: &[String]) -> Result<(), String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let missing = match words.as_slice() {
        ["cargo", sub, options @ ..] => cargo(sub, options),
        ["sh" | "bash", file, ..] | ["kubectl", "apply", "-f", file] => absent(file),
        ["helm", "install", _, chart, ..] => absent(&format!("{chart}/Chart.yaml")),
        [file, ..] if file.contains('/') => absent(file),
        ["install", .., file, _] if !file.starts_with("target/") => absent(file),
        ["cd", folder] => absent(folder),
        ["npm", "install"] => absent("agent/web/package.json"),
        ["npm", "run", script] => no_script(script),
        ["apt-get" | "curl" | "grep" | "install" | "kubectl" | "ssh" | "systemctl", ..] => None,
        _ => Some("an unknown program: add to this test how to check it".to_owned()),
    };
    missing.map_or(Ok(()), |what| Err(format!("{}: {what}", words.join(" "))))
}

/// The scripts of npm are those of the page.
fn no_script(name: &str) -> Option<String> {
    let package = std::fs::read_to_string(root().join("agent/web/package.json")).unwrap_or_default();
    (!package.contains(&format!("\"{name}\": \""))).then(|| format!("{name} is no script of agent/web"))
}

fn absent(file: &str) -> Option<String> {
    (!root().join(file).exists()).then(|| format!("{file} does not exist"))
}

/// Finds unknown subcommands, packages that are not in this workspace, and examples without a file.
fn cargo(sub: &str, options: &[&str]) -> Option<String> {
    if !["bench", "build", "check", "clippy", "deny", "fmt", "metadata", "run", "test"].contains(&sub) {
        return Some(format!("cargo {sub}?"));
    }
    let after = |flags: &[&str]| options.windows(2).find(|pair| flags.contains(&pair[0])).map(|pair| pair[1]);
    let folder = match after(&["-p", "--package"]) {
        None => return None,
        Some("pidflow") => "agent".to_owned(),
        Some("pidflow-engine") => "agent/engine".to_owned(),
        Some("pidflow-collector") => "agent/collector".to_owned(),
        Some("pidflow-glue") => "agent/glue".to_owned(),
        Some("pidflow-expression") => "schema/expression".to_owned(),
        Some(package) => package.strip_prefix("pidflow-").unwrap_or(package).to_owned(),
    };
    let is_example = |name: &str| {
        [format!("{name}.rs"), format!("{name}/main.rs")]
            .iter()
            .any(|file| root().join(&folder).join("examples").join(file).exists())
    };
    let no_example = after(&["--example"]).filter(|name| !is_example(name));
    absent(&format!("{folder}/Cargo.toml")).or_else(|| Some(format!("{folder} has no example {}", no_example?)))
}

#[test]
fn lines_are_split_as_a_shell_splits_them() {
    let line = "A=1 sudo pidflow run -f 'tcp port 80' --json \"a b\" | grep -E 'x|y' > out # done";
    assert_eq!(
        commands(line),
        [vec!["pidflow", "run", "-f", "tcp port 80", "--json", "a b"], vec!["grep", "-E", "x|y"]]
    );
}

#[test]
fn wrong_commands_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let wrong =
        ["run --jsom x", "run -i eth0 -t soon", "read", "fields --xml", "check", "doctor --probes magic", "view", ""];
    for wrong in wrong {
        let arguments: Vec<_> = wrong.split_whitespace().map(str::to_owned).collect();
        assert!(try_pidflow(dir.path(), &arguments).is_err(), "{wrong}");
    }
    for wrong in [
        "cargo tset",
        "cargo test -p pidflow-none",
        "cargo run -p pidflow-exporters --example none",
        "sh deploy/none.sh",
        "install -D -m 644 deploy/none /etc/none",
    ] {
        assert!(try_other(&commands(wrong)[0]).is_err(), "{wrong}");
    }
}
