//! A capture that is still being written: records are written when they are due, and signals end the program.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pidflow_tests::process::{self, Guarded};
use serde_json::Value;

use super::{pcap, pcap_at};

/// The longest wait for something that should happen at once, on a busy machine.
const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// The drain timeout of `read` after a signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long no output must come.
const SILENCE_CHECK: Duration = Duration::from_millis(700);
/// The first packet of every capture here, seconds since the epoch.
const START: u32 = 1_700_000_000;
/// The idle timeout, in seconds of the packets' time.
const IDLE: u32 = 20;
/// `pcap` without the file's header.
const HEADER: usize = 24;

/// A `pidflow read` that writes JSON to its standard output.
struct Reader {
    process: Guarded,
    records: Receiver<Value>,
    errors: Receiver<String>,
}

impl Reader {
    fn start(input: &str, more: &[&str]) -> (Self, ChildStdin) {
        let mut command = Command::new(process::binary("pidflow").unwrap());
        command.args(["read", input, "--json", "-"]).args(more);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Guarded::new(pipes.spawn().unwrap());
        let child = process.child();
        let stdin = child.stdin.take().unwrap();
        let records = lines(child.stdout.take().unwrap(), |line| serde_json::from_str(&line).unwrap());
        let errors = lines(child.stderr.take().unwrap(), |line| line);
        (Self { process, records, errors }, stdin)
    }

    /// The source port of the next record, which must come soon.
    #[track_caller]
    fn next_port(&self) -> u64 {
        self.records.recv_timeout(WAIT_LIMIT).unwrap()["L4_SRC_PORT"].as_u64().unwrap()
    }

    #[track_caller]
    fn says_nothing(&self) {
        assert_eq!(self.records.recv_timeout(SILENCE_CHECK), Err(RecvTimeoutError::Timeout));
    }

    /// Waits for its end; returns its exit code or signal, the ports of its last records, and its log.
    #[track_caller]
    fn ended(mut self) -> (Option<i32>, Vec<u64>, String) {
        let status = self.process.wait(WAIT_LIMIT).unwrap();
        let ports = self.records.iter().map(|r| r["L4_SRC_PORT"].as_u64().unwrap()).collect();
        (status.code().or(status.signal()), ports, self.errors.iter().collect::<Vec<_>>().join("\n"))
    }
}

fn lines<T: Send + 'static>(
    from: impl std::io::Read + Send + 'static,
    parse: impl Fn(String) -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).all(|line| sender.send(parse(line)).is_ok())
    });
    receiver
}

/// A packet from this port, as a record of a pcap file.
fn packet(second: u32, port: u16) -> Vec<u8> {
    pcap_at(second, &[port])[HEADER..].to_vec()
}

/// Writes in steps the start of a file, two flows and a packet that makes them idle.
fn write_steps(reader: &Reader, mut write: impl FnMut(&[u8])) {
    write(&pcap(&[]));
    reader.says_nothing();
    // A packet in two pieces.
    let first = packet(START, 1001);
    write(&first[..20]);
    write(&first[20..]);
    write(&packet(START + 1, 1002));
    reader.says_nothing();
    write(&packet(START + 2 * IDLE, 1003));
    let mut told = [reader.next_port(), reader.next_port()];
    told.sort_unstable();
    assert_eq!(told, [1001, 1002]);
    write(&packet(START + 4 * IDLE, 1004));
    assert_eq!(reader.next_port(), 1003);
    reader.says_nothing();
}

#[test]
fn records_of_a_slow_pipe_come_when_they_are_due() {
    let (reader, mut stdin) = Reader::start("-", &[]);
    write_steps(&reader, |bytes| stdin.write_all(bytes).unwrap());
    drop(stdin);
    let (code, ports, errors) = reader.ended();
    assert_eq!((code, ports), (Some(0), vec![1004]), "{errors}");
}

#[test]
fn records_of_a_slow_compressed_pipe_come_when_they_are_due() {
    let (reader, stdin) = Reader::start("-", &[]);
    let mut gzip = flate2::write::GzEncoder::new(stdin, flate2::Compression::fast());
    write_steps(&reader, |bytes| {
        gzip.write_all(bytes).unwrap();
        gzip.flush().unwrap();
    });
    drop(gzip.finish().unwrap());
    assert_eq!(reader.ended().0, Some(0));

    // Each step is a gzip member, or a zstd frame, of its own.
    let (reader, mut stdin) = Reader::start("-", &[]);
    write_steps(&reader, |bytes| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        stdin.write_all(&gzip.finish().unwrap()).unwrap();
    });
    drop(stdin);
    assert_eq!(reader.ended().0, Some(0));
}

#[test]
fn a_fifo_is_read_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(dir.path());
    let (reader, _stdin) = Reader::start(&path, &[]);
    let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
    write_steps(&reader, |bytes| writer.write_all(bytes).unwrap());
    drop(writer);
    let (code, ports, errors) = reader.ended();
    assert_eq!((code, ports), (Some(0), vec![1004]), "{errors}");
}

fn fifo(dir: &Path) -> String {
    let path = dir.join("fifo").display().to_string();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_signal_ends_it_while_nothing_comes() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = fifo(dir.path());
    let gzip_start = [0x1f, 0x8b, 8, 0, 0];
    // The cases: nothing; a part of the file's header; a file without packets; a part of a packet; compressed data; a
    // FIFO without a writer.
    let part = [&pcap(&[])[..], &packet(START, 7)[..30]].concat();
    for (input, start) in
        [("-", &[][..]), ("-", &pcap(&[])[..10]), ("-", &pcap(&[])), ("-", &part), ("-", &gzip_start), (&fifo, &[])]
    {
        let (reader, mut stdin) = Reader::start(input, &[]);
        stdin.write_all(start).unwrap();
        reader.says_nothing();
        let told = Instant::now();
        reader.process.signal(libc::SIGTERM).unwrap();
        let (code, ports, errors) = reader.ended();
        assert_eq!((code, ports.len()), (Some(1), 0), "{errors}");
        assert!(errors.contains("interrupted, the rest was not read"), "{errors}");
        assert!(told.elapsed() < DRAIN_TIMEOUT, "{:?}", told.elapsed());
    }
}

#[test]
fn records_read_before_the_signal_are_exported() {
    let (reader, mut stdin) = Reader::start("-", &[]);
    stdin.write_all(&pcap(&[5, 6, 7])).unwrap();
    reader.says_nothing();
    reader.process.signal(libc::SIGINT).unwrap();
    let (code, mut ports, errors) = reader.ended();
    ports.sort_unstable();
    assert_eq!((code, ports), (Some(1), vec![5, 6, 7]), "{errors}");
    assert!(errors.contains("3 packets"), "{errors}");
}

/// The receiver of one exporter hangs, so that an orderly end takes long.
#[test]
fn a_second_signal_ends_it_at_once_and_loses_no_earlier_record() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hung.local_addr().unwrap());
    let (reader, mut stdin) = Reader::start("-", &["--elastic", &url]);
    stdin.write_all(&pcap(&[5, 6])).unwrap();
    stdin.write_all(&packet(START + 3 * IDLE, 7)).unwrap();
    let mut told = [reader.next_port(), reader.next_port()];
    told.sort_unstable();
    assert_eq!(told, [5, 6]);
    reader.process.signal(libc::SIGTERM).unwrap();
    assert_eq!(reader.next_port(), 7, "the first signal flushes it");
    std::thread::sleep(SILENCE_CHECK);
    let second = Instant::now();
    reader.process.signal(libc::SIGTERM).unwrap();
    let (code, ports, errors) = reader.ended();
    assert_eq!((code, ports.len()), (Some(128 + libc::SIGTERM), 0), "{errors}");
    assert!(second.elapsed() < DRAIN_TIMEOUT / 2, "{:?}", second.elapsed());
}

#[test]
fn a_receiver_that_hangs_delays_the_end_after_a_signal_by_the_drain_timeout() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hung.local_addr().unwrap());
    let (reader, mut stdin) = Reader::start("-", &["--elastic", &url, "--drain-timeout", "2s"]);
    stdin.write_all(&pcap(&[5, 6])).unwrap();
    reader.says_nothing();
    let told = Instant::now();
    reader.process.signal(libc::SIGTERM).unwrap();
    let mut ports = [reader.next_port(), reader.next_port()];
    ports.sort_unstable();
    assert_eq!(ports, [5, 6]);
    let (code, _, errors) = reader.ended();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("lost 2 records") && told.elapsed() < DRAIN_TIMEOUT, "{:?}: {errors}", told.elapsed());
}
