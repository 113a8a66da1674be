//! OpenTelemetry over OTLP: a log record or a span per flow record, and the run's metrics, over gRPC or HTTP.
//!
//! Encoders (`logs`, `spans`, `metrics`) make requests, `client` sends them, `receiver` and `pusher` decide when.

mod answer;
mod attributes;
mod client;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod grpc;
mod http;
mod ids;
mod logs;
mod metrics;
mod part;
mod pusher;
mod receiver;
mod resource;
mod retry;
mod spans;

pub use logs::LogEncoder;
pub use metrics::MetricEncoder;
pub(crate) use receiver::OtlpReceiver;
pub use resource::resource;
pub use spans::SpanEncoder;
