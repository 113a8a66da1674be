//! Tests the page that the agent serves at `/`: in Chromium, with real traffic (`page.mjs`), and that the committed bundle
//! is the one that its sources make.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pidflow_tests::process::Guarded;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{npm, skip};

const TOKEN: &str = "0f3a.secret-of_the/test";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> PathBuf {
    root().join("agent/web")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host_page")
}

/// The npm packages of the page; or why they, or a program that is needed, cannot be used.
fn packages(programs: &[&str]) -> Result<PathBuf, String> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    match programs.iter().find(|program| !runs(program)) {
        Some(program) => Err(format!("{program} is not installed")),
        None => npm::packages(&sources(), "npm-page").map_err(|e| format!("{e:#}")),
    }
}

fn traffic(dir: &Path) -> (Guarded, String) {
    let file = dir.join("port");
    let mut command = Command::new("python3");
    command.arg(here().join("traffic.py")).arg(&file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let traffic = Guarded::new(command.spawn().unwrap());
    eventually("the programs run", || Ok(file.exists())).unwrap();
    (traffic, std::fs::read_to_string(file).unwrap())
}

#[test]
fn every_view_shows_what_goes_on() {
    let name = "every_view_shows_what_goes_on";
    if skip::without_root(name) {
        return;
    }
    let modules = match packages(&["node", "npm", "python3", "chromium"]) {
        Ok(modules) => modules,
        Err(why) => return skip::skip(name, &why),
    };
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let history = dir.path().join("history");
    let arguments =
        ["--token-file", token.to_str().unwrap(), "--host", "testhost", "--history", history.to_str().unwrap()];
    let agent = Serving::start(dir.path(), &arguments).unwrap();
    let (_traffic, port) = traffic(dir.path());
    let mut command = Command::new("node");
    command.env("PIDFLOW_NODE_MODULES", modules).arg(here().join("page.mjs"));
    command.args([&agent.address.to_string(), TOKEN, &port]).arg(root().join("target/pictures/page"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    println!("{said}");
    assert!(output.status.success(), "{said}");
    agent.stop().unwrap();
}

/// Runs a program of the packages in a copy of the sources.
fn run(copy: &Path, arguments: &[&str]) {
    let output = Command::new("node").args(arguments).current_dir(copy).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn the_committed_bundle_is_what_its_sources_make() {
    let name = "the_committed_bundle_is_what_its_sources_make";
    let modules = match packages(&["node", "npm"]) {
        Ok(modules) => modules,
        Err(why) => return skip::skip(name, &why),
    };
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", "--"])
        .arg(sources().join("src"))
        .arg(sources().join("public"))
        .arg(dir.path())
        .status();
    assert!(copied.unwrap().success());
    for file in ["index.html", "package.json", "tsconfig.json", "vite.config.ts"] {
        std::fs::copy(sources().join(file), dir.path().join(file)).unwrap();
    }
    std::os::unix::fs::symlink(modules, dir.path().join("node_modules")).unwrap();
    run(dir.path(), &["node_modules/typescript/bin/tsc", "--noEmit"]);
    run(dir.path(), &["node_modules/vite/bin/vite.js", "build", "--logLevel", "error"]);
    let committed = sources().join("dist");
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&committed), names(&dir.path().join("dist")));
    for file in names(&committed) {
        let [new, old] = [dir.path().join("dist"), committed.clone()].map(|d| std::fs::read(d.join(&file)).unwrap());
        assert!(new == old, "agent/web/dist/{} is stale: npm install && npm run build in agent/web", file.display());
    }
}
