//! Every exporter against receivers of other projects. It is one test program, because the code that starts and queries
//! these receivers is common to all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

mod brokers;
mod capture;
mod captures;
mod clickhouse;
mod collect;
mod collectors;
mod expected;
mod front;
mod glued;
#[allow(dead_code, reason = "the exporters' own tests use more of it")]
#[path = "../../../exporters/tests/common/http.rs"]
mod http;
mod influxdb;
mod nats;
mod netflow_parser;
mod nfacctd;
mod nfcapd;
mod nginx;
mod nginx_stream;
mod otlp;
mod otlp_receivers;
mod parquet;
mod program;
mod python_ipfix;
mod redis;
mod rotel;
mod stores;
mod tools;
mod tshark;
mod zmq;
