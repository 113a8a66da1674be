//! What OTLP receivers answer: any octets are a number of records, a message and a pause, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pidflow_exporters::otlp::{Taken, asked_for, reason};

fuzz_target!(|octets: &[u8]| {
    let taken = Taken::decode(octets);
    assert!(taken.message.len() <= octets.len());
    assert!(reason(octets).is_none_or(|r| !r.is_empty() && r.len() <= octets.len()));
    let _ = asked_for(octets);
});
