//! What OTLP receivers answer: any bytes are a number of records, a message and a pause, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    pidflow_exporters::fuzz::otlp_answer_of_any_octets(octets);
});
