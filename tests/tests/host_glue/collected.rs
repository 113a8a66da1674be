//! The records of both hosts through `pidflow collect --glue`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::process::{self, Guarded};
use serde_json::{Map, Value};

use crate::store::Whole;

/// Longest time for the end.
const LIMIT: Duration = Duration::from_secs(60);

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Sends a file, and waits until the collector, which has read all of it then, closes the connection.
fn send(file: &Path, port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    std::io::copy(&mut File::open(file)?, &mut stream)?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The flows that the records in both files make. Those of the first arrive twice.
pub(crate) fn whole_flows(dir: &Path, files: &[PathBuf; 2]) -> Result<Vec<Whole>> {
    let (json, address) = (dir.join("collected.jsonl"), format!("127.0.0.1:{}", free_port()?));
    let port = address.rsplit(':').next().context("port")?.parse()?;
    let mut command = Command::new(process::binary("pidflow")?);
    command.args(["collect", "--listen", "off", "--json-tcp", &address, "--glue", "10m", "--json"]).arg(&json);
    let mut collect = Guarded::new(command.stderr(Stdio::piped()).spawn()?);
    let mut log = BufReader::new(collect.child().stderr.take().context("no standard error")?);
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        ensure!(log.read_line(&mut line)? > 0, "pidflow collect did not start");
    }
    // At once, as two agents do.
    let halves = files.clone().map(|file| std::thread::spawn(move || send(&file, port)));
    for half in halves {
        half.join().map_err(|_| anyhow::anyhow!("a sender failed"))??;
    }
    send(&files[0], port)?;
    collect.signal(libc::SIGTERM)?;
    let mut summary = String::new();
    log.read_to_string(&mut summary)?;
    ensure!(collect.wait(LIMIT)?.success(), "{summary}");
    println!("{}", summary.lines().find(|line| line.contains("glue:")).context("no summary")?);
    std::fs::read_to_string(&json)?.lines().map(whole).collect()
}

fn whole(line: &str) -> Result<Whole> {
    let record: Map<String, Value> = serde_json::from_str(line)?;
    let number = |name: &str| record.get(name).and_then(Value::as_u64);
    let small =
        |name: &str| number(name).and_then(|n| u16::try_from(n).ok()).with_context(|| format!("{name}: {line}"));
    let text = |name: &str| {
        Ok::<_, anyhow::Error>(record.get(name).and_then(Value::as_str).context(line.to_owned())?.to_owned())
    };
    let pid = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
    let lost = |name: &str| record.get(name).and_then(Value::as_i64);
    Ok(Whole {
        key: text("FLOW_KEY")?,
        basis: text("FLOW_KEY_BASIS")?,
        is_glued: number("IS_GLUED") == Some(1),
        protocol: u8::try_from(small("PROTOCOL")?)?,
        ports: (small("L4_SRC_PORT")?, small("L4_DST_PORT")?),
        pids: (pid("SRC_PROC_PID"), pid("DST_PROC_PID")),
        lost: lost("IN_PKTS_LOST").zip(lost("OUT_PKTS_LOST")).map(|(to, from)| [to, from]),
    })
}
