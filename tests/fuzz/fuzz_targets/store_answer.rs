//! Answers of stores: any bytes must give a result for every document, or be reported as not understood.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, &[u8])| {
    pidflow_exporters::fuzz::store_answer_of_any_octets(usize::from(data.0), data.1);
});
