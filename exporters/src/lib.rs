//! Encoders (records to bytes) and transports (bytes to the world).
