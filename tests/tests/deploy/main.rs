//! The files under `deploy/` are valid by the tools that read them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

mod alerts;
mod chart;
mod charts;
mod compose;
mod package;

use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::{process, skip};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn the_manifest_validates_strictly() {
    let Some(program) = chart::program("the_manifest_validates_strictly", "kubernetes-validate") else { return };
    let validate = |file: &Path| run(Command::new(&program).arg("--strict").arg(file));
    let said = validate(&root().join("deploy/kubernetes/pidflow.yaml")).unwrap();
    assert!(said.contains("daemonset/pidflow"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("wrong.yaml");
    std::fs::write(&wrong, read("deploy/kubernetes/pidflow.yaml").replace("hostPID", "hostPIDD")).unwrap();
    assert!(validate(&wrong).is_err(), "the validator must find the error");
}

/// The indented block below a line of YAML.
fn block<'a>(text: &'a str, key: &str) -> String {
    let mut lines = text.lines().skip_while(|l| !l.trim_start().starts_with(key)).skip(1).peekable();
    let indent = lines.peek().map_or(0, |l| l.len() - l.trim_start().len());
    let inside = lines.take_while(|l: &&'a str| l.trim().is_empty() || l.len() - l.trim_start().len() >= indent);
    inside.map(|l| format!("{}\n", l.get(indent..).unwrap_or_default())).collect()
}

/// The path at which the manifest mounts the token.
const SECRET: &str = "/etc/pidflow-token/token";

#[test]
fn the_manifests_configuration_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pidflow.toml");
    let text = block(&read("deploy/kubernetes/pidflow.yaml"), "pidflow.toml: |");
    assert!(text.contains("[http]") && text.contains(SECRET), "{text}");
    // A file in place of the Secret that the manifest mounts.
    let token = dir.path().join("token");
    std::fs::write(&token, "a-token-of-the-secret").unwrap();
    std::fs::write(&file, text.replace(SECRET, token.to_str().unwrap())).unwrap();
    run(Command::new(process::binary("pidflow").unwrap()).arg("check").arg("--config").arg(&file)).unwrap();
}

#[test]
fn every_flag_that_is_used_exists() {
    let help = run(Command::new(process::binary("pidflow").unwrap()).args(["run", "--help"])).unwrap();
    let template = "deploy/chart/pidflow/templates/daemonset.yaml";
    let compose = "deploy/compose/compose.yaml";
    for file in
        ["deploy/kubernetes/pidflow.yaml", template, "deploy/systemd/pidflow.service", "deploy/Dockerfile", compose]
    {
        let text = read(file);
        let commands = text.lines().filter(|l| l.contains("\"run\"") || l.contains("pidflow run"));
        let words: Vec<_> =
            commands.flat_map(|l| l.split(['"', ' ', ',', '[', ']'])).filter(|w| w.starts_with("--")).collect();
        assert!(!words.is_empty(), "{file}");
        words.iter().for_each(|flag| assert!(help.contains(flag), "{file}: {flag}"));
    }
}

#[test]
fn the_unit_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("pidflow.service");
    let binary = process::binary("pidflow").unwrap();
    // The unit names the installed program, and its manual page may not be installed here.
    let text = read("deploy/systemd/pidflow.service").replace("/usr/bin/pidflow", binary.to_str().unwrap());
    std::fs::write(&unit, text.replace("Documentation=man:pidflow(1)\n", "")).unwrap();
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("pidflow.service"), "{said}");
        }
        Err(e) => skip::skip("the_unit_is_sound", &format!("no systemd-analyze: {e}")),
    }
}

/// systemd's own measure of what a service may do: from 10, everything, to 0, nothing. What is left are the capabilities that
/// pidflow needs, and the host's processes and network, which it observes.
#[test]
fn systemd_finds_the_unit_little_exposed() {
    let unit = root().join("deploy/systemd/pidflow.service");
    let mut command = Command::new("systemd-analyze");
    // The threshold is ten times the measure.
    command.args(["security", "--offline=true", "--no-pager", "--threshold=35"]).arg(&unit);
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("Overall exposure level"), "{said}");
        }
        Err(e) => skip::skip("systemd_finds_the_unit_little_exposed", &format!("no systemd-analyze: {e}")),
    }
}

#[test]
fn the_image_is_built_with_the_workspaces_rust_from_files_that_exist() {
    let text = read("deploy/Dockerfile");
    let manifest = read("Cargo.toml");
    let rust = manifest.lines().find_map(|l| l.strip_prefix("rust-version = ")).unwrap().trim_matches('"').to_owned();
    assert!(text.contains(&format!("FROM rust:{rust}-")), "{rust}");
    for file in ["deploy/pidflow.toml", "LICENSE-APACHE", "LICENSE-MIT"] {
        assert!(text.contains(file) && root().join(file).exists(), "{file}");
    }
}

/// The capabilities that a file gives, without their prefix.
fn capabilities(text: &str) -> Vec<String> {
    let known =
        ["BPF", "PERFMON", "NET_RAW", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_ADMIN", "SYS_RESOURCE"];
    let lines = text.lines().map(|l| l.trim().trim_start_matches("- "));
    let words: Vec<_> = lines.filter(|l| !l.starts_with('#')).flat_map(|l| l.split([' ', '='])).collect();
    let given = |name: &&&str| words.iter().any(|w| w.trim_start_matches("CAP_") == **name);
    known.iter().filter(given).map(|name| (*name).to_owned()).collect()
}

/// With only the capabilities of manifest and unit, `pidflow doctor` finds everything that it needs.
#[test]
fn the_capabilities_that_are_given_are_enough() {
    let name = "the_capabilities_that_are_given_are_enough";
    if skip::without_root(name) {
        return;
    }
    let given = capabilities(&read("deploy/kubernetes/pidflow.yaml"));
    assert_eq!(given, capabilities(&read("deploy/systemd/pidflow.service")));
    assert!(given.len() >= 5, "{given:?}");
    let set: String = given.iter().map(|name| format!(",+{}", name.to_lowercase())).collect();
    let mut doctor = Command::new("setpriv");
    doctor.arg(format!("--bounding-set=-all{set}")).arg("--").arg(process::binary("pidflow").unwrap()).arg("doctor");
    match doctor.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("all needed ones are present"), "{said}");
        }
        Err(e) => skip::skip(name, &format!("no setpriv: {e}")),
    }
}
