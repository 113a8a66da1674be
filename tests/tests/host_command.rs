//! `pidflow run -- COMMAND`: the report names everything that the command's processes did, and nothing of others.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use pidflow_tests::process::{Guarded, binary};
use pidflow_tests::skip::without_root;
use pidflow_tests::trial;
use serde_json::Value;

/// How long a run may take beside other work.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// How often a run may lose events.
const MAX_LOSSY_RUNS: usize = 5;
/// User and group `nobody`.
const NOBODY: u32 = 65534;
/// IP and UDP headers, bytes.
const DATAGRAM_HEADERS: u64 = 28;

/// A server that accepts connections and reads what comes until the client closes.
fn server(address: &str) -> Result<u16> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop({ stream }.read_to_end(&mut Vec::new())));
        }
    });
    Ok(port)
}

/// A port on which nobody listens.
fn closed_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn pidflow(options: &[&str], script: &str) -> Result<Command> {
    let mut command = Command::new(binary("pidflow")?);
    command.arg("run").args(options).args(["--", "bash", "-c", script]);
    Ok(command)
}

/// Runs it again if it says that events were lost, as happens beside other tests.
fn run(options: &[&str], script: &str) -> Result<Output> {
    for _ in 0..MAX_LOSSY_RUNS {
        let output = pidflow(options, script)?.stdin(Stdio::null()).output()?;
        if !String::from_utf8_lossy(&output.stderr).contains("kernel events were lost") {
            return Ok(output);
        }
    }
    anyhow::bail!("kernel events were lost in each of {MAX_LOSSY_RUNS} runs")
}

/// Runs a script, and returns its output and the report.
fn reported(dir: &Path, options: &[&str], script: &str) -> Result<(Output, Value)> {
    let file = dir.join("report.json");
    let name = file.to_str().context("the name is no text")?;
    let output = run(&[options, &["--report", "json", "--report-file", name]].concat(), script)?;
    let text = fs::read_to_string(&file).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output, serde_json::from_str(&text)?))
}

fn list<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Destination, port and protocol of each destination.
fn destinations(report: &Value) -> BTreeSet<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = list(report, "destinations").iter();
    all.map(|d| (text(&d["destination"]), d["port"].as_u64().unwrap_or(0), text(&d["protocol"]))).collect()
}

fn at_port<'a>(report: &'a Value, key: &str, port: u16) -> Result<&'a Value> {
    let found = list(report, key).iter().find(|d| d["port"] == port);
    found.with_context(|| format!("nothing at port {port} in {key}: {report:#}"))
}

/// Makes traffic until it is dropped.
struct Stranger(Arc<AtomicBool>);

impl Stranger {
    fn start(ports: &'static [u16]) -> Self {
        let stops = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stops);
        thread::spawn(move || {
            while !seen.load(Relaxed) {
                for port in ports {
                    drop(TcpStream::connect(("127.0.0.1", *port)));
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self(stops)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn every_destination_of_the_tree_is_reported_and_no_strangers() -> Result<()> {
    if without_root("every_destination_of_the_tree_is_reported_and_no_strangers") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let (short, six, late, strange) =
        (server("127.0.0.1")?, server("::1")?, server("127.0.0.1")?, server("127.0.0.1")?);
    let (inner, refused) = (closed_port()?, closed_port()?);
    let datagrams = UdpSocket::bind("127.0.0.1:0")?;
    let udp = datagrams.local_addr()?.port();
    let stranger = Stranger::start(Box::leak(vec![strange, short, refused].into()));
    let script = format!(
        r#"
        for i in 1 2 3 4 5; do bash -c 'exec 3<>/dev/tcp/127.0.0.1/{short}' & done
        setpriv --reuid {NOBODY} --clear-groups bash -c 'printf %1000s > /dev/udp/127.0.0.1/{udp}'
        (exec 3<>/dev/tcp/127.0.0.1/{refused}) 2>/dev/null
        (printf %5000s > /dev/tcp/::1/{six})
        (setsid bash -c 'sleep 0.3; exec 3<>/dev/tcp/127.0.0.1/{late}' < /dev/null > /dev/null 2>&1 &)
        perl -MIO::Socket::INET -e '
            my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:{inner}", Listen => 1) or die;
            if (fork == 0) {{ my $s = IO::Socket::INET->new("127.0.0.1:{inner}"); print $s "x" x 100; exit }}
            my $c = $l->accept; my $r = <$c>; wait'
        wait
        for ((i = 0; i < 100000; i++)); do :; done
        while read -r key value unit; do [ "$key" = VmHWM: ] && echo "$value"; done < /proc/$$/status
        times
        exit 5"#
    );
    let (output, report) = reported(dir.path(), &["--linger", "60s"], &script)?;
    drop(stranger);
    ensure!(output.status.code() == Some(5), "{output:?}");
    let expected = [
        ("127.0.0.1", short, "tcp"),
        ("127.0.0.1", udp, "udp"),
        ("127.0.0.1", refused, "tcp"),
        ("::1", six, "tcp"),
        ("127.0.0.1", late, "tcp"),
    ];
    let expected = expected.map(|(address, port, protocol)| (address.to_owned(), u64::from(port), protocol.to_owned()));
    ensure!(destinations(&report) == expected.into(), "{report:#}");
    ensure!(at_port(&report, "destinations", short)?["connections"] == 5, "{report:#}");
    ensure!(at_port(&report, "destinations", refused)?["failures"]["ECONNREFUSED"] == 1, "{report:#}");
    ensure!(at_port(&report, "destinations", udp)?["sent_bytes"] == 1000 + DATAGRAM_HEADERS, "{report:#}");
    let sent = at_port(&report, "destinations", six)?["sent_bytes"].as_u64().unwrap_or_default();
    ensure!((5000..6500).contains(&sent), "{sent}");
    ensure!(at_port(&report, "inner", inner)?["connections"] == 1, "{report:#}");
    let listened = at_port(&report, "listened", inner)?;
    ensure!(listened["program"] == "perl" && listened["inner_connections"] == 1, "{listened:#}");
    processes_are_right(&report, &output)
}

/// Compares the processes with what they said of themselves.
fn processes_are_right(report: &Value, output: &Output) -> Result<()> {
    let processes = list(report, "processes");
    let said = String::from_utf8(output.stdout.clone())?;
    let (peak_kib, times) = said.split_once('\n').context("the script said nothing")?;
    let root = processes.first().context("no process")?;
    ensure!(root["exit_code"] == 5 && root["name"] == "bash", "{root:#}");
    let (peak, own) = (root["peak_memory_bytes"].as_f64().unwrap_or_default(), peak_kib.parse::<f64>()? * 1024.0);
    // The kernel counts resident pages per processor, and adds them up from time to time.
    ensure!((peak - own).abs() < 0.25 * own, "peak memory {peak}, of its own account {own}");
    let seconds = |text: &str| -> Result<f64> {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').context("no time")?;
        Ok(minutes.parse::<f64>()? * 60.0 + seconds.parse::<f64>()?)
    };
    let own: f64 = times.lines().next().unwrap_or_default().split_whitespace().map(seconds).sum::<Result<f64>>()?;
    let cpu = root["cpu_seconds"].as_f64().unwrap_or_default();
    ensure!((cpu - own).abs() < 0.03 + 0.1 * own, "CPU time {cpu}, of its own account {own}");
    let of_nobody: Vec<_> = processes.iter().filter(|p| p["user"] == "nobody").collect();
    let [one] = of_nobody.as_slice() else { bail!("{processes:#?}") };
    ensure!(one["sent_bytes"] == 1000 + DATAGRAM_HEADERS, "{processes:#?}");
    let still_run = processes.iter().filter(|p| p["seconds"].is_null()).count();
    ensure!(still_run == 0, "{processes:#?}");
    Ok(())
}

#[test]
fn a_new_destination_is_named_and_ends_with_3() -> Result<()> {
    if without_root("a_new_destination_is_named_and_ends_with_3") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let (known, new) = (server("127.0.0.1")?, server("127.0.0.1")?);
    let file = dir.path().join("baseline.json");
    let options = ["--baseline", file.to_str().context("the name is no text")?, "--fail-on-new"];
    let once = format!("exec 3<>/dev/tcp/127.0.0.1/{known}");
    let more = format!("{once}; exec 3<>/dev/tcp/127.0.0.1/{new}");
    let first = run(&options, &once)?;
    ensure!(first.status.success(), "{first:?}");
    let written = fs::read_to_string(&file)?;
    let second = run(&options, &once)?;
    let said = String::from_utf8_lossy(&second.stderr);
    ensure!(second.status.success() && said.contains("No destination is new"), "{second:?}");
    let (third, report) = reported(dir.path(), &options, &more)?;
    ensure!(third.status.code() == Some(3), "{third:?}");
    let named = list(&report["baseline"], "new");
    ensure!(named.len() == 1 && named[0]["port"] == new && named[0]["program"] == "bash", "{report:#}");
    let failing = run(&options, &format!("{more}; exit 4"))?;
    let said = String::from_utf8_lossy(&failing.stderr);
    ensure!(failing.status.code() == Some(4) && said.contains(&format!("127.0.0.1 tcp/{new}  bash")), "{failing:?}");
    ensure!(fs::read_to_string(&file)? == written, "the baseline was changed");
    Ok(())
}

#[test]
fn exit_codes_and_output_are_those_of_the_command() -> Result<()> {
    if without_root("exit_codes_and_output_are_those_of_the_command") {
        return Ok(());
    }
    let killed = run(&[], "echo out; echo err >&2; kill -KILL $$")?;
    ensure!(killed.status.code() == Some(128 + libc::SIGKILL) && killed.stdout == b"out\n", "{killed:?}");
    let said = String::from_utf8_lossy(&killed.stderr);
    ensure!(said.starts_with("err\n") && said.contains("was ended by signal 9"), "{said}");
    for (program, code) in [("/nonexistent/program", 127), ("/etc/passwd", 126)] {
        let mut command = Command::new(binary("pidflow")?);
        let output = command.args(["run", "--probes", "poll", "--", program]).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code) && said.contains(program), "{output:?}");
        ensure!(said.lines().count() == 1, "{said}");
    }
    Ok(())
}

/// The command belongs to the user who called sudo, and nothing of the agent reaches it. Signals are passed on to it.
#[test]
fn the_command_is_the_callers_and_gets_signals() -> Result<()> {
    if without_root("the_command_is_the_callers_and_gets_signals") {
        return Ok(());
    }
    let dir = trial::folder()?;
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let status = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|SigBlk|SigIgn)' /proc/self/status";
    let mut by_hand = Command::new("setpriv");
    let nobody = NOBODY.to_string();
    by_hand.args(["--reuid", &nobody, "--regid", &nobody, "--init-groups", "bash", "-c", status]);
    let by_hand = String::from_utf8(by_hand.output()?.stdout)?;
    let report = dir.path().join("report");
    let script = format!(
        "{status}; for s in USR1 HUP INT; do trap \"echo got $s\" $s; done; trap 'echo got TERM; exit 9' TERM
        echo ready $HOME $USER ${{SUDO_UID-none}}; while :; do sleep 0.02; done"
    );
    let mut command = pidflow(&["--report-file", report.to_str().context("the name is no text")?], &script)?;
    command.envs([("SUDO_UID", &*nobody), ("SUDO_GID", &*nobody), ("SUDO_USER", "nobody"), ("MAIL", "/var/mail/root")]);
    let mut child = Guarded::new(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(child.child().stdout.take().context("no output")?).lines();
    let mut until = |mark: &str| -> Result<String> {
        let mut all = String::new();
        for line in lines.by_ref() {
            let line = line?;
            if line.starts_with(mark) {
                return Ok(all + &line);
            }
            all += &(line + "\n");
        }
        anyhow::bail!("no line begins with {mark}: {all}")
    };
    let seen = until("ready")?;
    ensure!(seen == format!("{by_hand}ready /nonexistent nobody none"), "{seen}\nby hand:\n{by_hand}");
    for (name, signal) in
        [("USR1", libc::SIGUSR1), ("HUP", libc::SIGHUP), ("INT", libc::SIGINT), ("TERM", libc::SIGTERM)]
    {
        child.signal(signal)?;
        ensure!(until("got")? == format!("got {name}"));
    }
    ensure!(child.wait(RUN_LIMIT)?.code() == Some(9));
    let owner = report.metadata()?;
    ensure!((owner.uid(), owner.gid()) == (NOBODY, NOBODY));
    let text = fs::read_to_string(&report)?;
    ensure!(text.contains("ended with code 9") && text.contains("nobody"), "{text}");
    Ok(())
}

/// Ctrl-C reaches the command once, and the agent waits for what it does then.
#[test]
fn a_terminal_belongs_to_the_command() -> Result<()> {
    if without_root("a_terminal_belongs_to_the_command") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let inner = dir.path().join("inner.sh");
    fs::write(
        &inner,
        "n=0; trap 'n=$((n+1))' INT; test -t 0 && test -t 1 && echo ready; sleep 0.5; sleep 0.5; sleep 0.5; echo n=$n; exit 6\n",
    )?;
    let line = format!("{} run -- bash {}; echo code=$?", binary("pidflow")?.display(), inner.display());
    let mut script = Command::new("script");
    // `script` asks $SHELL to run the line, and dash, unlike bash, ends at Ctrl-C whatever its child does with it.
    script.env("SHELL", "/bin/bash").args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Guarded::new(script.spawn()?);
    let mut keys = child.child().stdin.take().context("no input")?;
    let mut output = BufReader::new(child.child().stdout.take().context("no output")?);
    let mut text = String::new();
    while !text.contains("ready") {
        ensure!(output.read_line(&mut text)? > 0, "{text}");
    }
    keys.write_all(b"\x03")?;
    while !text.contains("code=") {
        ensure!(output.read_line(&mut text)? > 0, "{text}");
    }
    ensure!(text.contains("n=1") && text.contains("code=6") && text.contains("ended with code 6"), "{text}");
    Ok(())
}
