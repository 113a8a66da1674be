//! When standard error cannot be written or is not read, or outputs are not read, the program goes on and ends at a
//! signal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use pidflow_tests::process::{self, Guarded};
use pidflow_tests::serving::eventually;

/// The longest orderly end on a busy machine, with the drain timeout.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A capture file with `flows` UDP flows, in order.
fn pcap(dir: &Path, flows: u16) -> PathBuf {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for port in 1..=flows {
        let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        f.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        f.extend(port.to_be_bytes());
        f.extend([0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let seconds = 1_700_000_000 + u32::from(port) / 100;
        [seconds, 0, f.len() as u32, f.len() as u32].iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(f);
    }
    let path = dir.join("capture.pcap");
    fs::write(&path, out).unwrap();
    path
}

fn pidflow() -> Command {
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A pipe whose reader has gone.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn wait(child: Child, limit: Duration) -> ExitStatus {
    Guarded::new(child).wait(limit).unwrap()
}

fn fifo(dir: &Path) -> PathBuf {
    let path = dir.join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Waits until the program hangs and handles SIGTERM, and sends it: an earlier signal would kill the program.
fn terminate_hanging(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    eventually("it waits for the signal", || {
        let text = fs::read_to_string(&status)?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        // The signal is blocked, for a thread that waits for it, or caught.
        let waits = ["SigBlk:", "SigCgt:"].map(|name| u64::from_str_radix(field(name), 16).unwrap_or_default());
        Ok((waits[0] | waits[1]) >> (libc::SIGTERM - 1) & 1 == 1)
    })
    .unwrap();
    thread::sleep(Duration::from_secs(1));
    pidflow_tests::sys::signal(child.id(), libc::SIGTERM).unwrap();
}

/// A configuration with one exporter of that kind to that URL.
fn config(dir: &Path, number: usize, (kind, url): &(&str, String)) -> PathBuf {
    let path = dir.join(format!("{number}.toml"));
    fs::write(&path, format!("[[exporter]]\nkind = \"{kind}\"\nurl = \"{url}\"\n")).unwrap();
    path
}

#[test]
fn a_capture_is_read_whatever_becomes_of_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = pcap(dir.path(), 50);
    for (what, stderr) in [("full", full()), ("broken", broken_pipe())] {
        let json = dir.path().join(what);
        let child = pidflow().arg("read").arg(&file).arg("--json").arg(&json).stderr(stderr).spawn().unwrap();
        assert_eq!(wait(child, END_LIMIT).code(), Some(0), "{what}");
        assert_eq!(fs::read_to_string(json).unwrap().lines().count(), 50, "{what}");
    }
}

/// Where the other side of a socket has gone, writes fail in another way than on a pipe.
#[test]
fn a_socket_whose_reader_has_gone_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (stream, other) = UnixStream::pair().unwrap();
    drop(other);
    let (file, json) = (pcap(dir.path(), 50), dir.path().join("flows.json"));
    let stderr = std::os::fd::OwnedFd::from(stream);
    let child = pidflow().arg("read").arg(file).arg("--json").arg(&json).stderr(stderr).spawn().unwrap();
    assert_eq!(wait(child, END_LIMIT).code(), Some(0));
    assert_eq!(fs::read_to_string(json).unwrap().lines().count(), 50);
}

/// Beyond the limit on the size of files the kernel sends a signal that by default ends the program.
#[test]
fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let program = process::binary("pidflow").unwrap();
    let (program, file) = (program.display(), pcap(dir.path(), 50));
    let limited = |output: &str, stderr: &str| {
        let script = format!("ulimit -f 0; exec {program} read {} --json {output} {stderr}", file.display());
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let log = limited("/dev/null", &format!("2>{}/log", dir.path().display()));
    assert_eq!(log.status.code(), Some(0), "{log:?}");
    let records = limited(&format!("{}/flows.json", dir.path().display()), "");
    let said = String::from_utf8(records.stderr).unwrap();
    assert_eq!(records.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large") && said.contains("lost 50 records"), "{said}");
}

#[test]
fn a_closed_standard_error_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "exec {} read {} --json /dev/null 2>&-",
        process::binary("pidflow").unwrap().display(),
        pcap(dir.path(), 5).display()
    );
    assert_eq!(Command::new("sh").args(["-c", &script]).status().unwrap().code(), Some(0));
}

#[test]
fn failures_keep_their_exit_codes() {
    for (arguments, code) in [
        (&["read", "/no/such/file.pcap"][..], 1),
        (&["run", "--no-such-flag"], 2),
        (&["read"], 2),
        (&["check", "--config", "/no/such/file.toml"], 2),
    ] {
        for stderr in [full(), broken_pipe()] {
            let child = pidflow().args(arguments).stderr(stderr).spawn().unwrap();
            assert_eq!(wait(child, END_LIMIT).code(), Some(code), "{arguments:?}");
        }
    }
}

/// The exporter's warnings cannot be written; a collector that starts late gets what is sent from then on.
#[test]
fn exporters_outlive_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = pcap(dir.path(), 20_000);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let config = dir.path().join("pidflow.toml");
    // Slow enough that the collector starts while records are sent.
    let table = format!("[[exporter]]\nkind = \"netflow9\"\nurl = \"udp://{address}\"\npackets-per-second = 200\n");
    fs::write(&config, table).unwrap();
    let mut command = pidflow();
    command.arg("read").arg(&file).arg("--config").arg(&config).stderr(broken_pipe());
    let child = Guarded::new(command.spawn().unwrap());
    thread::sleep(Duration::from_secs(1));
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let got = socket.recv(&mut [0; 65_536]);
    assert!(got.is_ok_and(|octets| octets > 20), "the exporter's thread is gone");
    drop(child);
}

#[test]
fn a_reader_of_the_log_that_does_not_read_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A pipe takes 65,536 bytes and not one more.
    let mut child = pidflow();
    let filled = writer.try_clone().unwrap();
    let mut chunk = vec![b'.'; 65_536];
    chunk[65_535] = b'\n';
    writer.write_all(&chunk).unwrap();
    child.arg("read").arg(pcap(dir.path(), 50)).args(["--log-level", "debug", "--json", "/dev/null"]).stderr(filled);
    assert_eq!(wait(child.spawn().unwrap(), END_LIMIT).code(), Some(0));
    drop(reader);
}

#[test]
fn a_pipe_without_a_reader_does_not_delay_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (file, fifo) = (pcap(dir.path(), 50), fifo(dir.path()));
    for output in [format!("--json={}", fifo.display()), format!("--collector=file:{}", fifo.display())] {
        let child = pidflow().arg("read").arg(&file).arg(&output).spawn().unwrap();
        terminate_hanging(&child);
        // After a signal, `read` gives exporters ten seconds.
        let status = wait(child, END_LIMIT);
        assert_eq!(status.code(), Some(1), "{output}: records were lost, {status}");
    }
}

#[test]
fn a_pipe_whose_reader_comes_late_gets_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (file, fifo) = (pcap(dir.path(), 3000), fifo(dir.path()));
    let child = pidflow().arg("read").arg(&file).arg("--json").arg(&fifo).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    let lines = BufReader::new(File::open(&fifo).unwrap()).lines().count();
    assert_eq!((wait(child, END_LIMIT).code(), lines), (Some(0), 3000));
}

#[test]
fn a_full_standard_output_does_not_keep_it_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let child = pidflow().arg("read").arg(pcap(dir.path(), 3000)).args(["--json", "-"]).stdout(writer).spawn().unwrap();
    terminate_hanging(&child);
    assert_eq!(wait(child, END_LIMIT).code(), Some(1));
    drop(reader);
}

/// Receivers that accept connections and read nothing.
#[test]
fn receivers_that_do_not_read_do_not_keep_it_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let file = pcap(dir.path(), 60_000);
    let (stream, datagram) = (dir.path().join("stream"), dir.path().join("datagram"));
    let _stream = UnixListener::bind(&stream).unwrap();
    let _datagram = UnixDatagram::bind(&datagram).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    thread::spawn(move || tcp.incoming().collect::<Vec<_>>());
    let outputs = [
        ("json", format!("unix://{}", stream.display())),
        ("json", format!("unixgram://{}", datagram.display())),
        ("json", format!("tcp://{at}")),
        ("ipfix", format!("tcp://{at}")),
        ("elastic", format!("http://{at}")),
    ];
    let children: Vec<_> = outputs
        .iter()
        .enumerate()
        .map(|(number, output)| {
            let config = config(dir.path(), number, output);
            let child = pidflow().arg("read").arg(&file).arg("--config").arg(config).stderr(Stdio::piped()).spawn();
            (&output.1, child.unwrap())
        })
        .collect();
    for (_, child) in &children {
        terminate_hanging(child);
    }
    for (output, mut child) in children {
        let mut stderr = child.stderr.take().unwrap();
        let status = wait(child, END_LIMIT);
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(1), "{output}: {said}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    fs::write(&config, "").unwrap();
    let check = ["check", "--config", config.to_str().unwrap()];
    for arguments in [&["fields"][..], &["fields", "--json"], &["generate", "man"], &check] {
        let output =
            pidflow().args(arguments).stdout(full()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("pidflow: cannot write to standard output: No space left"), "{arguments:?}: {said}");
        let gone = pidflow().args(arguments).stdout(broken_pipe()).spawn().unwrap().wait().unwrap();
        assert!(gone.success(), "{arguments:?}: whose reader has gone has read enough");
    }
}
