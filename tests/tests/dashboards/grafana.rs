//! Draws the dashboards with the parts of Grafana that are published on npm (`tests/pictures/dashboards.mjs`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::npm;
use serde_json::Value;

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures")
}

/// The folder of the npm packages; installs them where they differ from `tests/pictures/package.json`.
pub(crate) fn packages() -> Result<PathBuf, String> {
    npm::packages(&pictures(), "npm").map_err(|e| format!("{e:#}"))
}

/// One panel as a person sees it.
pub(crate) struct Panel {
    /// The titles of its dashboard and of the panel.
    pub(crate) name: String,
    /// Its content: `series`, `rows` or `graph`, and `links`; `empty` or `error` if it shows nothing.
    pub(crate) shown: Value,
}

impl Panel {
    /// The targets of its links.
    pub(crate) fn links(&self) -> Vec<&str> {
        self.shown["links"].as_array().map_or_else(Vec::new, |l| l.iter().filter_map(Value::as_str).collect())
    }
}

/// Draws all dashboards from the last minute of the Prometheus at `port`; the pictures stay in `out`.
pub(crate) fn drawn(port: u16, process: &str, out: &Path) -> Vec<Panel> {
    draw(&format!("http://127.0.0.1:{port}"), process, out, &["--scrape".as_ref(), "1".as_ref()])
}

/// Draws ClickHouse's dashboards from the answers in a file; the pictures stay in `out`.
pub(crate) fn drawn_from(frames: &Path, process: &str, out: &Path) -> Vec<Panel> {
    draw("", process, out, &["--frames".as_ref(), frames.as_os_str()])
}

fn draw(prometheus: &str, process: &str, out: &Path, more: &[&OsStr]) -> Vec<Panel> {
    let mut command = Command::new("node");
    command.env("PIDFLOW_NODE_MODULES", packages().unwrap()).arg(pictures().join("dashboards.mjs"));
    command.arg(prometheus).arg(out).args(["--process", process, "--seconds", "60"]).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(out.join("shown.json")).unwrap()).unwrap();
    all.iter().flat_map(panels).collect()
}

fn panels(dashboard: &Value) -> Vec<Panel> {
    let name = dashboard["dashboard"].as_str().unwrap();
    assert_eq!(dashboard["errors"], Value::Array(Vec::new()), "{name}");
    let panel = |p: &Value| Panel { name: format!("{name}: {}", p["title"].as_str().unwrap()), shown: p.clone() };
    dashboard["panels"].as_array().unwrap().iter().map(panel).collect()
}
