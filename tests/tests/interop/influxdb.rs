//! A real InfluxDB 1 with authentication, in a folder of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::ExporterConfig;
use serde_json::{Map, Value, json};

use crate::tools::{self, Running};

pub(crate) struct InfluxDb {
    _process: Running,
    _dir: tempfile::TempDir,
    port: u16,
}

impl InfluxDb {
    /// Starts it with the database `flows` and the user `admin`, whose password is `secret`.
    pub(crate) fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), tools::tcp_port());
        let path = |name: &str| dir.path().join(name);
        let process = Command::new("influxd")
            .args(["-config", "/dev/null"])
            .env("INFLUXDB_META_DIR", path("meta"))
            .env("INFLUXDB_DATA_DIR", path("data"))
            .env("INFLUXDB_DATA_WAL_DIR", path("wal"))
            .env("INFLUXDB_BIND_ADDRESS", format!("127.0.0.1:{}", tools::tcp_port()))
            .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("INFLUXDB_HTTP_AUTH_ENABLED", "true")
            .env("INFLUXDB_MONITOR_STORE_ENABLED", "false")
            .env("INFLUXDB_REPORTING_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let influx = Self { _process: Running(process), _dir: dir, port };
        let up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        tools::wait_for("InfluxDB's start", Duration::from_secs(30), up);
        influx.query("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES");
        influx.query("CREATE DATABASE flows");
        influx
    }

    /// The configuration of an exporter to its database, with these additional keys.
    pub(crate) fn exporter(&self, more: &Value) -> ExporterConfig {
        let mut config = json!({"kind": "influx", "url": format!("http://127.0.0.1:{}", self.port), "database": "flows",
            "user": "admin", "password": "secret", "batch-records": 100});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    /// Writes one line of line protocol.
    pub(crate) fn write(&self, line: &str) {
        assert_eq!(self.post("/write?db=flows&u=admin&p=secret", line), Value::Null);
    }

    /// All points of the measurement `flow`, without unknown values.
    pub(crate) fn points(&self) -> Vec<Map<String, Value>> {
        let answer = self.query("SELECT * FROM flow");
        let Some(series) = answer.pointer("/results/0/series/0") else { return vec![] };
        let names: Vec<String> = serde_json::from_value(series["columns"].clone()).unwrap();
        let rows: Vec<Vec<Value>> = serde_json::from_value(series["values"].clone()).unwrap();
        let point = |row: Vec<Value>| names.iter().cloned().zip(row).filter(|(_, v)| !v.is_null()).collect();
        rows.into_iter().map(point).collect()
    }

    fn query(&self, statement: &str) -> Value {
        let statement = statement.replace(' ', "%20").replace('\'', "%27").replace('*', "%2A");
        let answer = self.post(&format!("/query?u=admin&p=secret&db=flows&epoch=ns&q={statement}"), "");
        assert!(answer.pointer("/results/0/error").is_none() && answer.get("error").is_none(), "{answer}");
        answer
    }

    /// Sends a request and returns the answer's body, which is JSON or empty. With HTTP/1.0 the body ends with the
    /// connection.
    fn post(&self, target: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "POST {target} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 20"), "{answer}");
        if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() }
    }
}
