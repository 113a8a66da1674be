//! OpenTelemetry log records, one per flow, over OTLP/gRPC.

mod client;
mod encoder;
mod iso8601;
mod retry;
mod sink;

pub use encoder::LogEncoder;
pub(crate) use sink::OtlpSink;
