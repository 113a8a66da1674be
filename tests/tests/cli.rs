//! The command line as a user meets it: exit codes, messages of one line, generated pages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pidflow_tests::{process, skip};

fn pidflow(arguments: &[&str]) -> Output {
    let binary = process::binary("pidflow").unwrap();
    let mut command = Command::new(binary);
    let variables = std::env::vars().map(|(name, _)| name).filter(|n| n.starts_with("PIDFLOW_"));
    variables.for_each(|name| {
        command.env_remove(name);
    });
    command.args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Asserts that the program fails with this code, and with one line on standard error that has all of `words`.
#[track_caller]
fn refuses(arguments: &[&str], code: i32, words: &[&str]) {
    let output = pidflow(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no {word:?} in {said}");
    }
}

#[test]
fn wrong_usage_is_one_line_and_code_2() {
    refuses(&["run", "--jsom", "x"], 2, &["--jsom", "--json"]);
    refuses(&["run", "--probes", "magic"], 2, &["magic", "kprobe"]);
    refuses(&["run", "-t", "soon"], 2, &["soon", "15s"]);
    refuses(&["run", "--max-flows", "0"], 2, &["allowed are 1 to"]);
    refuses(&["run", "--command-lines", "some"], 2, &["masked", "full"]);
    refuses(&["read"], 2, &["<CAPTURE>"]);
    refuses(&[], 2, &["run", "read"]);
    refuses(&["read", "x.pcap", "-T", "%NO_SUCH_FIELD"], 2, &["NO_SUCH_FIELD", "fields"]);
    refuses(&["read", "x.pcap", "-n", "carrier-pigeon://a:1"], 2, &["carrier-pigeon", "udp://"]);
}

#[test]
fn a_wrong_configuration_is_one_line_with_the_line_number_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pidflow.toml");
    std::fs::write(&file, "[flows]\nidle-timeout = \"5s\"\nactve-timeout = \"2m\"\n").unwrap();
    let path = file.to_str().unwrap();
    for command in [&["check", "--config", path][..], &["run", "--config", path], &["read", "x.pcap", "--config", path]]
    {
        refuses(command, 2, &["pidflow.toml:3:", "actve-timeout", "active-timeout"]);
    }
    refuses(&["check", "--config", "/no/such/file"], 2, &["/no/such/file", "No such file"]);
}

#[test]
fn values_of_a_configuration_are_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pidflow.toml");
    std::fs::write(&file, "[export]\ntemplate = \"%NO_SUCH_FIELD\"\n").unwrap();
    refuses(&["check", "--config", file.to_str().unwrap()], 2, &["NO_SUCH_FIELD"]);
}

#[test]
fn the_example_configuration_is_fine_and_names_every_option() {
    let example = root().join("deploy/pidflow.toml");
    let output = pidflow(&["check", "--config", example.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Options without a default are comments: the file must also be valid with these as settings.
    let text_of = std::fs::read_to_string(&example).unwrap();
    let uncommented: String = text_of.lines().map(|l| format!("{}\n", setting(l).unwrap_or(l))).collect();
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.toml");
    let whole_text = with_files_in(dir.path(), &uncommented);
    std::fs::write(&whole, without_unbuilt_kinds(&whole_text, dir.path())).unwrap();
    let output = pidflow(&["check", "--config", whole.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (of_run, _) = uncommented.split_once("[[exporter]]").unwrap();
    let keys = of_run.lines().filter(|l| !l.starts_with('#') && l.contains(" = ")).count();
    let help = pidflow(&["run", "--help"]);
    let options = text(&help.stdout).matches("[env:").count();
    let (_, report) = text(&help.stdout).split_once("Report (with a COMMAND):").unwrap();
    let of_report = report.split_once("\n\nPackets:").unwrap().0.matches("[env:").count();
    assert_eq!(
        keys,
        options - 1 - of_report,
        "every option but --config and those of one command stands in the example"
    );
}

/// Creates the files that the example names in the folder, and replaces their paths in the text.
fn with_files_in(dir: &Path, text: &str) -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let put = |name: &str, text: &str| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).mode(0o600).open(dir.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    put("tls.crt", &cert.pem());
    put("tls.key", &signing_key.serialize_pem());
    put("clients.crt", &cert.pem());
    put("token", "0123456789abcdef");
    put("hash.key", "0123456789abcdef");
    put("s3-key", "0123456789abcdef");
    for (name, database) in [("GeoLite2-City.mmdb", "city.mmdb"), ("GeoLite2-ASN.mmdb", "asn.mmdb")] {
        std::fs::copy(root().join("tests/places").join(database), dir.join(name)).unwrap();
    }
    let folder = format!("{}/", dir.display());
    let text = text.replace("/usr/share/GeoIP/", &folder);
    text.replace("/etc/pidflow/", &folder).replace("/var/log/pidflow/", &folder).replace("/var/lib/pidflow/", &folder)
}

/// A configuration that `check` accepts is one that `run` starts with, and both refuse the same; `check` leaves no file
/// behind.
#[test]
fn check_and_run_refuse_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let exporter = |keys: &str| format!("[[exporter]]\n{keys}\n");
    let tcp = "kind = \"ipfix\"\nurl = \"tcp://127.0.0.1:1\"\n";
    for (text, word) in [
        ("[capture]\nsnaplen = 0\n".to_owned(), "c.toml:2: "),
        ("[flows]\nmax-flows = 0\n".to_owned(), "c.toml:2: "),
        ("[flows]\nmax-flows = -1\n".to_owned(), "c.toml:2: "),
        ("[flows]\nidle-timeout = 99999999999999\n".to_owned(), "c.toml:2: "),
        ("[capture]\ninterfaces = [\"nosuch0\"]\n".to_owned(), "nosuch0"),
        ("[capture]\nfilter = \"tcp prot\"\n".to_owned(), "tcp prot"),
        ("[http]\nlisten = \"127.0.0.1:99999\"\n".to_owned(), "c.toml:2: "),
        ("[http]\nlisten = \"192.0.2.1:1234\"\n".to_owned(), "192.0.2.1:1234"),
        ("[http]\ntls-cert = \"/etc/hostname\"\ntls-key = \"/etc/hostname\"\n".to_owned(), "/etc/hostname"),
        ("[http]\ntls-cert = \"/etc/hostname\"\n".to_owned(), "--tls-key"),
        ("[http]\ntoken-file = \"/etc/passwd\"\n".to_owned(), "/etc/passwd"),
        ("[http]\ntoken-file = \"/no/such\"\n".to_owned(), "/no/such"),
        ("[export]\nhost = \"\"\n".to_owned(), "c.toml:2: "),
        ("[export]\njson = \"/no/such/x.json\"\n".to_owned(), "c.toml:2: "),
        ("[export]\njson = \"/etc/hostname/x.json\"\n".to_owned(), "c.toml:2: "),
        ("[export]\ncollectors = [\"file:/no/such/x\"]\n".to_owned(), "c.toml:2: "),
        ("[privacy]\nhash-key-file = \"/etc/hostname\"\n".to_owned(), "chmod 600"),
        (exporter(&format!("{tcp}spool = \"\"")), "c.toml:4: "),
        (exporter(&format!("{tcp}spool = \"/etc/hostname\"")), "c.toml:4: "),
        (exporter(&format!("{tcp}spool = \"/etc/hostname/below\"")), "c.toml:4: "),
        (exporter("kind = \"json\"\nfile = \"/etc\""), "c.toml:3: "),
        (exporter("kind = \"json\"\nfile = \"/tmp/a.json\"").repeat(2), "/tmp/a.json"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        refuses(&["check", "--config", path], 2, &[word]);
        // Only `check` names the line of an exporter's fault: `run` may have the value from a flag.
        let of_run = if word.starts_with("c.toml:") { "" } else { word };
        refuses(&["run", "--config", path], 2, &[of_run]);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// `check` names the line of an address at which `collect` cannot receive; one that is in use may be that of a running agent.
#[test]
fn check_and_collect_refuse_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let path = file.to_str().unwrap();
    for (text, line, word) in [
        ("[collect]\nnetflow = [\"0.0.0.0:70000\"]\n", "c.toml:2: ", "65535"),
        ("[collect]\nsflow = [\"127.0.0.1\"]\n", "c.toml:2: ", "no port"),
        ("[collect]\nnetflows = []\n", "c.toml:2: ", "netflow"),
        ("[collect]\nnetflow = 2055\n", "c.toml:2: ", "sequence"),
        ("[collect]\n\nsflow = [\"192.0.2.1:6343\"]\n", "c.toml:3: ", "192.0.2.1:6343"),
        ("[collect]\nipfix-tcp = [\n  \"127.0.0.1:0\",\n  \"192.0.2.1:4739\"\n]\n", "c.toml:4: ", "192.0.2.1:4739"),
        ("[collect]\n\nzmq-from = [\"tcp://192.0.2.1:5556c\"]\n", "c.toml:3: ", "192.0.2.1:5556"),
        ("[collect]\nzmq-from = [\"probe:5556\"]\n", "c.toml:2: ", "tcp://HOST:PORT"),
        ("[collect]\nnetflow = [\"127.0.0.1:0\"]\nstate = \"/dev/null\"\n", "c.toml:3: ", "/dev/null"),
        ("[collect]\nipfix-tls = [\"127.0.0.1:0\"]\n", "c.toml:2: ", "--collect-tls-cert"),
        (
            "[collect]\nipfix-tls = [\"127.0.0.1:0\"]\ntls-cert = \"/nowhere\"\ntls-key = \"/nowhere\"\n",
            "c.toml:2: ",
            "/nowhere",
        ),
        ("[collect]\nnetflow = [\"no-such-host.invalid:2055\"]\n", "c.toml:2: ", "no-such-host.invalid:2055"),
        (
            "[collect]\nnetflow = [\"127.0.0.1:36343\"]\nsflow = [\"127.0.0.1:36343\"]\n",
            "c.toml:3: ",
            "127.0.0.1:36343",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        refuses(&["check", "--config", path], 2, &[line, word]);
        refuses(&["collect", "--listen", "off", "--config", path], 2, &[word]);
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    std::fs::write(&file, format!("[collect]\nnetflow = [\"{}\"]\n", socket.local_addr().unwrap())).unwrap();
    assert!(pidflow(&["check", "--config", path]).status.success());
}

#[test]
fn check_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let wanted = format!(
        "[export]\njson = \"{at}/x.json\"\ncollectors = [\"file:{at}/x.ipfix\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[[exporter]]\n\
         kind = \"ipfix\"\nurl = \"tcp://127.0.0.1:1\"\nspool = \"{at}/a/b\"\n"
    );
    let file = dir.path().join("c.toml");
    std::fs::write(&file, wanted).unwrap();
    let output = pidflow(&["check", "--config", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the configuration");
}

/// Exporters hold no capabilities in a running agent, so root may not write to others' folders there, nor in `check`.
#[test]
fn what_belongs_to_others_is_refused_by_check_too() {
    if skip::without_root("what_belongs_to_others_is_refused_by_check_too") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("theirs");
    std::fs::create_dir_all(theirs.join("spool")).unwrap();
    std::fs::write(theirs.join("flows.json"), "kept\n").unwrap();
    std::fs::write(theirs.join("spool/state"), "kept").unwrap();
    for (path, mode) in [("", 0o755), ("flows.json", 0o644), ("spool", 0o755), ("spool/state", 0o644)] {
        std::os::unix::fs::chown(theirs.join(path), Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(theirs.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let (file, at) = (dir.path().join("c.toml"), theirs.display());
    let spool =
        |folder: &str| format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"tcp://127.0.0.1:1\"\nspool = \"{folder}\"\n");
    for text in [
        format!("[export]\njson = \"{at}/flows.json\"\n"),
        format!("[export]\njson = \"{at}/new.json\"\n"),
        format!("[export]\ncollectors = [\"file:{at}/new.ipfix\"]\n"),
        spool(&format!("{at}/spool")),
        spool(&format!("{at}/new")),
    ] {
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        refuses(&["check", "--config", path], 2, &["Permission denied", "capabilities"]);
        refuses(&["run", "--config", path], 2, &["Permission denied", "capabilities"]);
    }
    assert_eq!(std::fs::read(theirs.join("flows.json")).unwrap(), b"kept\n");
    assert_eq!(std::fs::read_dir(&theirs).unwrap().count(), 2, "nothing was made");
}

#[test]
fn a_file_that_is_not_a_configuration_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let path = file.to_str().unwrap();
    for command in ["check", "run"] {
        refuses(&[command, "--config", "/dev/zero"], 2, &["/dev/zero", "longer than"]);
        refuses(&[command, "--config", "/etc"], 2, &["/etc", "directory"]);
        refuses(&[command, "--config", ""], 2, &[]);
        std::fs::write(&file, b"[log]\n\xff").unwrap();
        refuses(&[command, "--config", path], 2, &["c.toml:2: ", "UTF-8"]);
        std::fs::write(&file, "#".repeat(2 << 20)).unwrap();
        refuses(&[command, "--config", path], 2, &["longer than"]);
        std::fs::write(&file, "[log]\n\0").unwrap();
        refuses(&[command, "--config", path], 2, &["c.toml:2: "]);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        refuses(&[command, "--config", path], 2, &["c.toml", "symbolic links"]);
        std::fs::remove_file(&file).unwrap();
    }
}

/// Kafka is an optional feature of the build.
fn without_unbuilt_kinds(text: &str, dir: &Path) -> String {
    let written = dir.join("written");
    let kinds = [("kafka", "a:1"), ("parquet", written.to_str().unwrap())];
    kinds.into_iter().fold(text.to_owned(), |text, (kind, to)| without_unbuilt_kind(&text, dir, (kind, to)))
}

fn without_unbuilt_kind(text: &str, dir: &Path, (kind, to): (&str, &str)) -> String {
    let file = dir.join("kind.toml");
    std::fs::write(&file, format!("[export]\n{kind} = {to:?}\n")).unwrap();
    let output = pidflow(&["check", "--config", file.to_str().unwrap()]);
    if output.status.success() {
        return text.to_owned();
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = format!("`kind`: this build has no {kind}");
    assert!(said.contains("kind.toml:2: ") && said.contains(&reason), "{said}");
    let (key, option) = (format!("kind = {kind:?}"), format!("{kind} = "));
    let tables: Vec<_> = text.split("[[exporter]]").filter(|table| !table.contains(&key)).collect();
    tables.join("[[exporter]]").lines().filter(|line| !line.starts_with(&option)).map(|l| format!("{l}\n")).collect()
}

/// The setting in a comment.
fn setting(line: &str) -> Option<&str> {
    let inside = line.strip_prefix("# ")?;
    let is_key = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let holds = inside.starts_with("[[") || inside.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    holds.then_some(inside)
}

#[test]
fn help_and_version_are_fine_and_go_to_standard_output() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["read", "--help"]] {
        let output = pidflow(arguments);
        assert!(output.status.success() && !output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn fields_lists_every_element_three_ways() {
    let (plain, json, page) =
        (pidflow(&["fields"]), pidflow(&["fields", "--json"]), pidflow(&["fields", "--markdown"]));
    let lines: Vec<serde_json::Value> = text(&json.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.len() > 80);
    for element in &lines {
        let name = element["name"].as_str().unwrap();
        assert!(text(&plain.stdout).contains(name) && text(&page.stdout).contains(&format!("`{name}`")), "{name}");
    }
    let pid = lines.iter().find(|e| e["name"] == "SRC_PROC_PID").unwrap();
    assert_eq!(
        (pid["enterprise"].as_u64(), pid["id"].as_u64(), pid["netflow9"].as_u64()),
        (Some(35632), Some(168), Some(57640))
    );
}

/// Asserts that a committed page is what the program generates.
#[track_caller]
fn is_fresh(file: &str, arguments: &[&str]) {
    let output = pidflow(arguments);
    assert!(output.status.success());
    let committed = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    assert!(committed == text(&output.stdout), "{file} is stale: pidflow {} > {file}", arguments.join(" "));
}

#[test]
fn generated_pages_are_fresh() {
    is_fresh("ELEMENTS.md", &["fields", "--markdown"]);
    is_fresh("deploy/man/pidflow.1", &["generate", "man"]);
    is_fresh("deploy/completions/pidflow.bash", &["generate", "completions", "bash"]);
    is_fresh("deploy/completions/_pidflow", &["generate", "completions", "zsh"]);
    is_fresh("deploy/completions/pidflow.fish", &["generate", "completions", "fish"]);
}

#[test]
fn the_man_page_is_clean() {
    let Ok(output) = Command::new("man")
        .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
        .arg(root().join("deploy/man/pidflow.1"))
        .output()
    else {
        return skip::skip("the_man_page_is_clean", "no man on this host");
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn doctor_fits_eighty_columns() {
    let output = pidflow(&["doctor"]);
    let said = text(&output.stdout);
    assert!(said.lines().all(|l| l.chars().count() <= 80), "{said}");
    assert!(said.contains("Verdict: ") && matches!(output.status.code(), Some(0 | 1)), "{said}");
}
