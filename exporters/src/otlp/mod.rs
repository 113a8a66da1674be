//! OpenTelemetry log records, one per flow, over OTLP/gRPC.

mod client;
mod encoder;
mod receiver;
mod retry;

pub use encoder::LogEncoder;
pub(crate) use receiver::OtlpReceiver;
