//! The two ends of the chaos test, each to be killed: `chaos export URL SPOOL FROM TO` hands numbered records to an exporter with
//! a spool, `chaos receive ADDRESS FILE` takes them over HTTP as a ClickHouse server would.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Snapshot, sample};
use pidflow_schema::FlowRecord;

const BATCH_RECORDS: u64 = 100;
/// Pause between batches: slow enough to be killed in the middle of the export.
const BATCH_PAUSE: Duration = Duration::from_millis(2);
const DRAIN: Duration = Duration::from_secs(120);
/// How long to wait until the spool has noted a batch.
const MAX_NOTE_WAIT: Duration = Duration::from_secs(30);
/// Offset in a spool's file `state` of the number of accepted records.
const ACCEPTED_AT: u64 = 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["export", url, spool, from, to] => export(url, spool, from.parse()?, to.parse()?),
        ["receive", address, file] => receive(address, file),
        _ => bail!("usage: chaos export URL SPOOL FROM TO | chaos receive ADDRESS FILE"),
    }
}

/// Prints the exporter's counters at the start and at the end, and before and after each batch the number of the last
/// record handed over. `sent` is printed when the spool has noted the batch, so that a crash from then on is counted.
fn export(url: &str, spool: &str, from: u64, to: u64) -> Result<()> {
    let table = format!(
        "kind = \"clickhouse\"\nurl = {url:?}\nspool = {spool:?}\ncompression = \"none\"\ntemplate = \"%IN_BYTES @PROCESS@\"\n"
    );
    let config = ExporterConfig::from_table(table.parse()?)?;
    let set = ExporterSet::start(&[config], &ExportContext::default())?;
    set.counters().iter().for_each(|s| report("begin", s));
    let before = accepted(Path::new(spool))?;
    for start in (from..to).step_by(usize::try_from(BATCH_RECORDS)?) {
        let end = to.min(start + BATCH_RECORDS);
        println!("sending {end}");
        set.send(&(start..end).map(numbered).collect());
        std::thread::sleep(BATCH_PAUSE);
        wait_for_note(Path::new(spool), before + end - from)?;
        println!("sent {end}");
    }
    set.shutdown(DRAIN).iter().for_each(|s| report("end", s));
    Ok(())
}

fn accepted(spool: &Path) -> Result<u64> {
    let mut number = [0; 8];
    File::open(spool.join("state"))?.read_exact_at(&mut number, ACCEPTED_AT)?;
    Ok(u64::from_le_bytes(number))
}

fn wait_for_note(spool: &Path, number: u64) -> Result<()> {
    let until = Instant::now() + MAX_NOTE_WAIT;
    while accepted(spool)? < number {
        ensure!(Instant::now() < until, "record {number} is not noted within {MAX_NOTE_WAIT:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// A record that carries `number` as its number of bytes.
fn numbered(number: u64) -> FlowRecord {
    let mut record = sample::record(number % 1000);
    record.flow.forward.octets = number;
    record
}

fn report(when: &str, s: &Snapshot) {
    let lost: Vec<_> = s.lost.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{} {n}", why.name())).collect();
    println!("{when} accepted {} exported {} spooled {} lost {}", s.accepted, s.exported, s.spooled, lost.join(" "));
}

/// Answers each request when its records are in the file.
fn receive(address: &str, file: &str) -> Result<()> {
    let mut out = OpenOptions::new().append(true).create(true).open(file)?;
    cut_torn_line(Path::new(file), &out)?;
    let listener = TcpListener::bind(address)?;
    println!("ready");
    for stream in listener.incoming() {
        // A request that was cut off is repeated by the exporter.
        let _ = serve(&mut BufReader::new(stream?), &mut out);
    }
    Ok(())
}

/// Removes the partial line that a receiver leaves when it is killed in the middle of a write. It has not answered that
/// request, so the exporter sends its records again.
fn cut_torn_line(path: &Path, file: &File) -> Result<()> {
    let whole = std::fs::read(path)?;
    let end = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(file.set_len(u64::try_from(end)?)?)
}

fn serve(stream: &mut BufReader<TcpStream>, out: &mut File) -> Result<()> {
    loop {
        let mut length = None;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let header = line.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.context("a request without its length")?];
        stream.read_exact(&mut body)?;
        out.write_all(&body)?;
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}
