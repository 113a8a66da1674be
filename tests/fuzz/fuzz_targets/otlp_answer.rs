//! What OTLP receivers answer: any bytes are a number of records, a message and a pause, or nothing.

#![no_main]

#[allow(dead_code, unreachable_pub, reason = "the program uses more of it")]
#[path = "../../../exporters/src/otlp/answer.rs"]
mod answer;

use answer::{Taken, asked_for, reason};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let taken = Taken::decode(octets);
    assert!(taken.message.len() <= octets.len());
    assert!(reason(octets).is_none_or(|r| !r.is_empty() && r.len() <= octets.len()));
    let _ = asked_for(octets);
});
