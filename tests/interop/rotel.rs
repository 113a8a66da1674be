//! rotel, an OpenTelemetry collector, printing what it receives.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::ExporterConfig;
use pidflow_schema::FlowRecord;

use crate::tools::Running;
use crate::{capture, tools};

/// Where the Python package keeps the program.
const WHERE: &str = "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";

/// What rotel has printed about the records.
pub(crate) fn printed(python: &Path, records: &[FlowRecord]) -> String {
    let agent = tools::text(&Command::new(python).args(["-c", WHERE]).output().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (grpc, http) = (tools::tcp_port(), tools::tcp_port());
    let child = Command::new(agent.trim())
        .args(["start", "--exporter", "blackhole", "--debug-log", "logs"])
        .args(["--debug-log-verbosity", "detailed"])
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _child = Running(child);
    let listens = || TcpStream::connect(("127.0.0.1", grpc)).is_ok();
    tools::wait_for("rotel's start", Duration::from_secs(30), listens);
    let url = format!("http://127.0.0.1:{grpc}");
    capture::export(&[ExporterConfig::otlp(&url).unwrap()], records, 100);
    let said = || std::fs::read_to_string(&out).unwrap();
    let all = || said().matches("EventName: pidflow.flow").count() >= records.len();
    tools::wait_for("the last log record", Duration::from_secs(30), all);
    said()
}
