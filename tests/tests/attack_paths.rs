//! Paths and addresses that a configuration may name by mistake: `check` and `run` refuse the same, neither waits, and what a
//! run leaves behind the next one takes up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use pidflow_tests::process::{self, Guarded};

/// What refusing may take on a busy machine; a program that waits for a pipe never ends.
const END_LIMIT: Duration = Duration::from_secs(30);

/// The exit code and the only line of what the program says.
fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(process::binary("pidflow").unwrap());
    let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Guarded::new(command.spawn().unwrap());
    let mut stderr = child.child().stderr.take().unwrap();
    let code = child.wait(END_LIMIT).unwrap().code();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    (code, said)
}

#[test]
fn no_file_of_a_configuration_keeps_anybody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
    let of_store = |key: &str, path: &str| {
        let url = "https://127.0.0.1:1";
        format!("[[exporter]]\nkind = \"elastic\"\nurl = \"{url}\"\n{}", key.replace("PATH", path))
    };
    for path in [&format!("{at}/pipe"), &format!("{at}/socket"), "/dev/zero", "/dev/full", &at.to_string()] {
        for text in [
            format!("[http]\ntoken-file = \"{path}\"\n"),
            format!("[http]\ntls-cert = \"{path}\"\ntls-key = \"{path}\"\n"),
            format!("[privacy]\nhash-key-file = \"{path}\"\n"),
            of_store("user = \"x\"\npassword = { file = \"PATH\" }\n", path),
            of_store("tls-ca = \"PATH\"\n", path),
            of_store("tls-cert = \"PATH\"\ntls-key = \"PATH\"\n", path),
        ] {
            refuses_both(dir.path(), &text, path);
        }
    }
}

#[test]
fn sockets_and_addresses_of_others_are_no_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("{}/socket", dir.path().display());
    let _socket = UnixListener::bind(&socket).unwrap();
    for (text, word) in [
        (format!("[export]\njson = \"{socket}\"\n"), "unix://"),
        (format!("[export]\ncollectors = [\"file:{socket}\"]\n"), "unix://"),
        ("[export]\nzmq = \"tcp://192.0.2.1:5556\"\n".to_owned(), "192.0.2.1"),
        ("[http]\nlisten = \"127.0.0.1:1\"\nmetrics-listen = \"127.0.0.1:1\"\n".to_owned(), "--metrics-listen"),
        ("[http]\nmetrics-listen = \"192.0.2.1:9\"\n".to_owned(), "192.0.2.1"),
    ] {
        refuses_both(dir.path(), &text, word);
    }
}

#[test]
fn two_names_of_one_file_are_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("is"), "").unwrap();
    std::os::unix::fs::symlink("is", dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink("folder", dir.path().join("other")).unwrap();
    let file = |name: &str| format!("[[exporter]]\nkind = \"json\"\nfile = \"{at}/{name}\"\n");
    let ipfix = |name: &str| format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"file:{at}/{name}\"\n");
    let spool =
        |name: &str| format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"tcp://127.0.0.1:1\"\nspool = \"{at}/{name}\"\n");
    for (one, other) in [
        (file("new"), file("./new")),
        (file("is"), file("link")),
        (file("is"), ipfix("folder/../is")),
        (ipfix("folder/new"), ipfix("other/new")),
        (spool("folder"), spool("other")),
        (spool("folder"), spool("other/.")),
        (spool("folder/new"), spool("other/new")),
    ] {
        refuses_both(dir.path(), &(one + &other), "each exporter needs its own");
    }
}

/// Records in a configuration, a token or a key would make it useless at the next start.
#[test]
fn no_file_that_is_read_is_an_output() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    for name in ["token", "hash.key"] {
        let path = dir.path().join(name);
        fs::write(&path, "0123456789abcdef").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::os::unix::fs::symlink("c.toml", dir.path().join("link")).unwrap();
    let json = |name: &str| format!("[export]\njson = \"{at}/{name}\"\n");
    for (text, name) in [
        (json("c.toml"), "c.toml"),
        (json("link"), "link"),
        (format!("[export]\ncollectors = [\"file:{at}/./c.toml\"]\n"), "c.toml"),
        (json("token") + &format!("[http]\ntoken-file = \"{at}/token\"\n"), "token"),
        (json("hash.key") + &format!("[privacy]\nhash-key-file = \"{at}/hash.key\"\n"), "hash.key"),
    ] {
        refuses_both(dir.path(), &text, &format!("{name} is read; write the records to another file"));
    }
}

fn refuses_both(dir: &Path, text: &str, word: &str) {
    let file = dir.join("c.toml");
    fs::write(&file, text).unwrap();
    for command in ["check", "run"] {
        let (code, said) = refusal(&[command, "--config", file.to_str().unwrap()]);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{command}: {text}{said}");
        assert!(said.contains(word), "{command}: {text}{said}");
    }
}

/// A capture file with so many UDP packets, each of its own flow.
fn pcap(path: &Path, flows: u16) {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for port in 1..=flows {
        let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        f.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        f.extend(port.to_be_bytes());
        f.extend([0, 53, 0, 8, 0, 0]);
        [1_700_000_000, 0, f.len() as u32, f.len() as u32].iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(f);
    }
    fs::write(path, out).unwrap();
}

/// Threads of exporters may open the folder of a spool, and not the one above it. What a run without records leaves is in order.
#[test]
fn the_spool_of_an_earlier_run_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(|| stream.unwrap().read_to_end(&mut Vec::new()));
        }
    });
    let (config, capture) = (dir.path().join("c.toml"), dir.path().join("capture.pcap"));
    let spool = dir.path().join("spool");
    let text = format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"tcp://{address}\"\nspool = \"{}\"\n", spool.display());
    fs::write(&config, text).unwrap();
    for flows in [3, 0, 0, 3] {
        pcap(&capture, flows);
        let output = read(&config, &capture);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("damaged"), "{said}");
        assert!(said.contains(&format!("ipfix tcp://{address}: {flows} records")), "{said}");
    }
}

fn read(config: &Path, capture: &Path) -> Output {
    let program = process::binary("pidflow").unwrap();
    Command::new(program).arg("read").arg("--config").arg(config).arg(capture).output().unwrap()
}
