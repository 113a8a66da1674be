//! Answers of OTLP receivers: any bytes must parse to a number of rejected records, a message and a delay, or to
//! nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    pidflow_exporters::fuzz::otlp_answer_of_any_octets(octets);
});
