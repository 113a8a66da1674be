//! rotel, an OpenTelemetry collector, printing what it receives.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::config::OtlpProtocol;

use crate::tools;
use crate::tools::Running;

/// Where the Python package keeps the program.
const PRINT_AGENT_PATH: &str = "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";

/// The running program.
pub(crate) struct Rotel {
    grpc: u16,
    http: u16,
    out: PathBuf,
    _dir: tempfile::TempDir,
    _child: Running,
}

impl Rotel {
    pub(crate) fn start(python: &Path) -> Self {
        let program = tools::text(&Command::new(python).args(["-c", PRINT_AGENT_PATH]).output().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let (grpc, http) = (tools::tcp_port(), tools::tcp_port());
        let child = Command::new(program.trim())
            .args(["start", "--exporter", "blackhole", "--debug-log-verbosity", "detailed"])
            .args(["--debug-log", "logs", "--debug-log", "traces", "--debug-log", "metrics"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Running(child);
        let listens = || tools::is_listening(grpc) && tools::is_listening(http);
        tools::wait_for("rotel's start", Duration::from_secs(30), listens);
        Self { grpc, http, out, _dir: dir, _child: child }
    }

    pub(crate) fn url(&self, protocol: OtlpProtocol) -> String {
        let port = if protocol == OtlpProtocol::Grpc { self.grpc } else { self.http };
        format!("http://127.0.0.1:{port}")
    }

    /// Its output, as soon as it has that many log records and spans.
    pub(crate) fn printed(&self, records: usize) -> String {
        let said = || std::fs::read_to_string(&self.out).unwrap();
        let has = |said: &str, what: &str| said.matches(what).count() >= records;
        let all = || has(&said(), "EventName: pidflow.flow") && has(&said(), ": SPAN_KIND_");
        tools::wait_for("the last record", Duration::from_secs(30), all);
        said()
    }
}
