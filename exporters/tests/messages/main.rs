//! Messages of IPFIX and NetFlow v9, read by decoders that share no code with the encoders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "../common/decode.rs"]
mod decode;
mod expected;
mod ipfix;
mod ipfix_directions;
mod netflow9;
mod templates;
mod times;

/// When messages are made, unless it matters.
const NOW_NS: u64 = 1_767_230_000_000_000_000;
