//! AMQP: the header with which each end begins.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::ServiceMessage;

/// Reads the header: of version 0-9-1 or earlier ones, or of version 1.0, alone, for TLS or for SASL.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let is_known = matches!(data.strip_prefix(b"AMQP")?, [0 | 1, 0 | 1, 0..=9, 0..=10] | [0 | 2 | 3, 1, 0, 0, ..]);
    is_known.then_some(ServiceMessage::of(Kind::Amqp, None))
}
