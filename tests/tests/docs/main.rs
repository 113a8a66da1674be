//! Checks README and docs as far as a program can: commands are valid, links have targets, options exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

mod commands;
mod pages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use commands::{commands, pidflow, try_other, try_pidflow};
use pages::{Page, root};
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip;
use tempfile::TempDir;

/// The most lines that README may have.
const MAX_README_LINES: usize = 150;

/// A folder with the files that commands of the docs name.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let capture = zstd(&root().join("tests/captures/own-mixed.pcapng"));
    std::fs::write(dir.path().join("capture.pcapng.zst"), capture).unwrap();
    std::os::unix::fs::symlink(root().join("deploy"), dir.path().join("deploy")).unwrap();
    dir
}

fn zstd(file: &Path) -> Vec<u8> {
    Command::new("zstd").arg("-c").arg(file).output().unwrap().stdout
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_command_of_the_shell_blocks_is_understood() {
    let (dir, mut faults, mut tried) = (folder(), Vec::new(), 0);
    for page in pages::all() {
        for (first, block) in &page.shell {
            for (at, line) in block.replace("\\\n", " ").lines().enumerate() {
                for command in commands(line) {
                    let outcome = match command.split_first().unwrap() {
                        (program, arguments) if program == "pidflow" => try_pidflow(dir.path(), arguments),
                        _ => try_other(&command),
                    };
                    faults.extend(outcome.err().map(|fault| format!("{}:{}: {fault}", page.name, first + at)));
                    tried += 1;
                }
            }
        }
    }
    none(&faults);
    assert!(tried > 15, "only {tried} commands were found");
}

/// Commands in running text contain placeholders: those of pidflow are compared with its help, those of cargo are
/// tried.
#[test]
fn every_command_and_flag_in_the_text_exists() {
    let (dir, mut faults, mut tried) = (tempfile::tempdir().unwrap(), Vec::new(), 0);
    let any: BTreeSet<_> = SUBCOMMANDS.iter().flat_map(|sub| long_flags(dir.path(), &[sub])).collect();
    for page in pages::all() {
        for span in &page.spans {
            let words: Vec<_> = span.split([' ', '=']).collect();
            let known = match words.as_slice() {
                ["pidflow", sub, ..] if !sub.starts_with('-') => long_flags(dir.path(), &[sub]),
                ["pidflow", ..] => long_flags(dir.path(), &[]),
                ["cargo", ..] => {
                    let command: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
                    faults.extend(try_other(&command).err().map(|fault| format!("{}: {fault}", page.name)));
                    continue;
                }
                [first, ..] if first.starts_with("--") && !FLAGS_OF_OTHERS.contains(first) => any.clone(),
                _ => continue,
            };
            // What follows is the command that `run` runs.
            let own = words.iter().take_while(|w| **w != "--");
            let unknown = own.filter(|w| w.starts_with("--") && !known.contains(**w));
            faults.extend(unknown.map(|flag| format!("{}: `{span}`: there is no {flag}", page.name)));
            tried += 1;
        }
    }
    none(&faults);
    assert!(tried > 40, "only {tried} were found");
}

/// Flags in the text that belong to cargo, or to programs whose command lines are masked.
const FLAGS_OF_OTHERS: [&str; 6] = ["--api-key", "--env", "--features", "--license", "--password", "--user"];

const SUBCOMMANDS: [&str; 9] = ["audit", "collect", "query", "run", "read", "fields", "check", "doctor", "generate"];

/// Long flags in the help of a subcommand; nothing when there is no such subcommand.
fn long_flags(dir: &Path, subcommand: &[&str]) -> BTreeSet<String> {
    let output = pidflow(dir, &[subcommand, &["--help"]].concat());
    assert!(output.status.success(), "pidflow {subcommand:?}: {}", String::from_utf8_lossy(&output.stderr));
    let help = String::from_utf8(output.stdout).unwrap();
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = starts.filter_map(|line| line.split([' ', ',', '[', '.']).find(|word| word.starts_with("--")));
    flags.map(str::to_owned).collect()
}

#[test]
fn every_option_of_run_stands_in_the_docs() {
    let dir = tempfile::tempdir().unwrap();
    let pages = pages::all();
    let words = |page: &Page| {
        let shell =
            page.shell.iter().flat_map(|(_, block)| block.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let spans = page.spans.iter().flat_map(|span| span.split([' ', '=']).map(str::to_owned));
        shell.chain(spans).collect::<Vec<_>>()
    };
    let named: BTreeSet<_> = pages.iter().filter(|p| p.name.starts_with("docs/")).flat_map(words).collect();
    let options = long_flags(dir.path(), &["run"]);
    assert!(options.len() > 30, "{options:?}");
    let missing: Vec<_> = options.difference(&named).map(|flag| format!("{flag} stands on no page")).collect();
    none(&missing);
}

#[test]
fn every_link_leads_somewhere() {
    let (mut faults, mut tried) = (Vec::new(), 0);
    for page in pages::all() {
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&page.name) } else { beside(&page.name).join(file) };
            if !target.exists() {
                faults.push(format!("{}: {link}: no such file", page.name));
            } else if !anchor.is_empty() && !anchors(&target).iter().any(|a| a == anchor) {
                faults.push(format!("{}: {link}: no such heading", page.name));
            }
            tried += 1;
        }
    }
    none(&faults);
    assert!(tried > 30, "only {tried} links were found");
}

fn beside(page: &str) -> PathBuf {
    root().join(page).parent().unwrap().to_owned()
}

fn anchors(file: &Path) -> Vec<String> {
    pages::page(String::new(), &std::fs::read_to_string(file).unwrap()).anchors
}

#[test]
fn readme_is_short() {
    let lines = pages::all().iter().find(|page| page.name == "README.md").unwrap().lines;
    assert!(lines <= MAX_README_LINES, "{lines} lines, at most {MAX_README_LINES}");
}

/// Sends the requests of the docs to an agent.
#[test]
fn every_curl_command_is_answered() {
    if skip::without_root("every_curl_command_is_answered") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let history = dir.path().join("history");
    let agent = Serving::start(dir.path(), &["--history", history.to_str().unwrap()]).unwrap();
    let lines = pages::all().into_iter().flat_map(|page| page.shell).map(|(_, block)| block).collect::<String>();
    let curls: Vec<_> = lines.lines().flat_map(commands).filter(|command| command[0] == "curl").collect();
    assert!(curls.len() >= 3, "{curls:?}");
    for curl in curls {
        let url = curl.last().unwrap();
        let path =
            url.strip_prefix("http://127.0.0.1:9435").unwrap_or_else(|| panic!("{url}: not the default address"));
        // `/readyz` fails until every part of the agent has started.
        eventually(&curl.join(" "), || Ok(agent.get(path)?.status == 200)).unwrap();
    }
    agent.stop().unwrap();
}
