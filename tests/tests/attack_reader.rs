//! What a process of the user `nobody` can find out about the agent: figures, but no records, arguments, keys or memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pidflow_tests::process::Guarded;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::traffic::TALK;
use pidflow_tests::{skip, trial};

/// A secret on the command line of a process that has connections.
const ARGUMENT: &str = "words on a command line";
/// A secret in the agent's environment.
const TOKEN: &str = "token-of-the-agent";
/// A program that prints which files of a process and below folders it can open.
const LOOK: &str = r#"
import os, sys
pid, folders = sys.argv[1], sys.argv[2:]
files = "environ maps smaps smaps_rollup numa_maps mem io stack syscall auxv pagemap personality clear_refs".split()
links = "exe cwd root ns/net ns/mnt".split()
def attempt(what, f):
    try:
        f()
        print(what)
    except OSError:
        pass
def read(path):
    with open(path, "rb") as file:
        if not path.endswith("mem"):
            file.read(1)
tasks = ["/proc/" + pid] + ["/proc/%s/task/%s" % (pid, t) for t in os.listdir("/proc/%s/task" % pid)]
for base in tasks:
    for name in files:
        attempt(base + "/" + name, lambda: read(base + "/" + name))
    for name in links:
        attempt(base + "/" + name, lambda: os.readlink(base + "/" + name))
    for name in ["fd", "fdinfo", "map_files"]:
        attempt(base + "/" + name, lambda: os.listdir(base + "/" + name))
for folder in folders:
    for place, names, found in os.walk(folder):
        for name in found:
            attempt(place + "/" + name, lambda: read(place + "/" + name))
"#;

fn is_skipped(name: &str) -> bool {
    let missing =
        ["curl", "python3", "setpriv"].into_iter().find(|p| Command::new(p).arg("--version").output().is_err());
    if let Some(program) = missing {
        skip::skip(name, &format!("no {program}"));
    }
    missing.is_some() || skip::without_root(name)
}

fn nobody(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", program]);
    command
}

fn talker() -> Guarded {
    let talker = Command::new("python3").args(["-c", TALK, ARGUMENT]).stdin(Stdio::null()).spawn();
    Guarded::new(talker.unwrap())
}

/// Status and body of the answer.
fn get(url: &str) -> (u16, String) {
    let output = nobody("curl").args(["-s", "--max-time", "20", "-w", "\n%{http_code}", url]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let (body, status) = output.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// An interpreter that every user may execute.
fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// Files of this process and below this folder that the user `nobody` can open.
fn opened(pid: u32, folder: &Path) -> String {
    let output = nobody(python()).args(["-c", LOOK, &pid.to_string()]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Configuration with output files and a spool.
fn outputs(folder: &Path) -> String {
    let table = |rest: &str| format!("[[exporter]]\n{}\n", rest.replace("FOLDER", folder.to_str().unwrap()));
    [
        "kind = \"json\"\nfile = \"FOLDER/flows.json\"",
        "kind = \"json\"\nfile = \"FOLDER/flows-%Y.json.zst\"",
        "kind = \"ipfix\"\nurl = \"file:FOLDER/flows.ipfix\"",
        "kind = \"ipfix\"\nurl = \"tcp://127.0.0.1:9\"\nspool = \"FOLDER/spool\"",
    ]
    .map(table)
    .concat()
}

/// Paths of the OpenAPI description, with values for the parameters in braces.
fn described(agent: &Serving) -> Vec<String> {
    let description = agent.json("/api/openapi.json").unwrap();
    let paths = description["paths"].as_object().unwrap().keys();
    let paths: Vec<_> = paths.map(|path| path.split('{').next().unwrap().to_owned()).collect();
    assert!(paths.len() >= 9, "{paths:?}");
    paths
}

/// Checks that the user `nobody` gets figures from these paths only, and a refusal of one line from all others.
#[track_caller]
fn gets_figures_alone(base: &str, paths: &[String]) {
    for path in paths {
        let (status, body) = get(&format!("{base}{path}"));
        let is_open = matches!(path.as_str(), "/" | "/api" | "/metrics" | "/livez" | "/readyz");
        assert!([401, 403, 404].contains(&status) || (is_open && status == 200), "{base}{path}: {status}");
        assert!(!body.contains(ARGUMENT) && !body.contains(TOKEN), "{base}{path}: {body}");
        assert!(status == 200 || body.lines().count() <= 1, "{base}{path}: {body}");
    }
}

#[test]
fn by_default_nobody_gets_figures_alone() {
    if is_skipped("by_default_nobody_gets_figures_alone") {
        return;
    }
    let dir = trial::folder().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = dir.path().join("pidflow.toml");
    fs::write(&config, outputs(dir.path())).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let agent = Serving::start(dir.path(), &["--config", config.to_str().unwrap()]).unwrap();
    let _talker = talker();
    eventually("there are records", || Ok(agent.get("/api/flows")?.body.contains(ARGUMENT))).unwrap();
    eventually("there are files", || Ok(fs::metadata(dir.path().join("flows.json"))?.len() > 0)).unwrap();
    eventually("there is a spool", || Ok(fs::read_dir(dir.path().join("spool"))?.count() > 0)).unwrap();
    gets_figures_alone(&format!("http://{}", agent.address), &described(&agent));
    // This test created the log, with its own umask.
    let others: Vec<_> = opened(agent.pid(), dir.path()).lines().map(str::to_owned).collect();
    assert!(others.iter().all(|path| path.ends_with("/log")), "{others:?}");
    agent.stop().unwrap();
}

/// The configuration of the manifest, with other ports and with the token in an existing file.
fn manifests_configuration(folder: &Path) -> String {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes/pidflow.yaml")).unwrap();
    let (_, rest) = manifest.split_once("  pidflow.toml: |\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("    ") || line.is_empty());
    let text: String = lines.map(|line| line.trim_start_matches("    ").to_owned() + "\n").collect();
    let token = folder.join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let text = text.replace("/etc/pidflow-token/token", token.to_str().unwrap());
    let text: Vec<_> = text.lines().filter(|line| !line.contains("listen = ")).collect();
    assert!(text.iter().any(|line| line.starts_with("token-file = ")), "{text:?}");
    text.join("\n")
}

#[test]
fn with_the_manifests_configuration_nobody_gets_figures_alone() {
    if is_skipped("with_the_manifests_configuration_nobody_gets_figures_alone") {
        return;
    }
    let dir = trial::folder().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = dir.path().join("pidflow.toml");
    fs::write(&config, manifests_configuration(dir.path())).unwrap();
    let options =
        ["--config", config.to_str().unwrap(), "-i", "lo", "--listen", "0.0.0.0:0", "--metrics-listen", "0.0.0.0:0"];
    let agent = Serving::start(dir.path(), &options).unwrap().with_token(TOKEN);
    let _talker = talker();
    eventually("there are records", || Ok(agent.get("/api/flows")?.body.contains(ARGUMENT))).unwrap();
    let paths = described(&agent);
    for port in [agent.address.port(), agent.metrics_address.unwrap().port()] {
        gets_figures_alone(&format!("http://127.0.0.1:{port}"), &paths);
    }
    let others: Vec<_> = opened(agent.pid(), dir.path()).lines().map(str::to_owned).collect();
    let is_public = |path: &String| path.ends_with("/log") || path.ends_with("/pidflow.toml");
    assert!(others.iter().all(is_public), "{others:?}");
    agent.stop().unwrap();
}

/// An agent that is not root: other processes of its user cannot read its memory either, although most of its threads have no more
/// capabilities than they have.
#[test]
fn processes_of_the_agents_own_user_do_not_read_its_memory() {
    if is_skipped("processes_of_the_agents_own_user_do_not_read_its_memory") {
        return;
    }
    let dir = trial::folder().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).unwrap();
    let capabilities = "+bpf,+perfmon,+net_raw,+sys_ptrace,+dac_read_search";
    let (inheritable, ambient) = (format!("--inh-caps={capabilities}"), format!("--ambient-caps={capabilities}"));
    let variable = format!("PIDFLOW_TOKEN={TOKEN}");
    let by = ["env", &variable, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &inheritable, &ambient];
    let agent = Serving::start_by(&by, dir.path(), &["--probes", "poll"]).unwrap();
    eventually("it is ready", || Ok(agent.get("/readyz")?.status == 200)).unwrap();
    let found = opened(agent.pid(), &dir.path().join("nothing"));
    assert_eq!(found, "", "{}", fs::read_to_string(dir.path().join("log")).unwrap());
    agent.stop().unwrap();
}
