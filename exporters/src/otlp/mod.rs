//! OpenTelemetry log records, one per flow, over OTLP/gRPC.

mod client;
mod encoder;
mod iso8601;
mod receiver;
mod retry;

pub use encoder::LogEncoder;
pub(crate) use receiver::OtlpReceiver;
