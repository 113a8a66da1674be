//! What stores answer: any bytes are an account of every document, or not understood.
#![no_main]

#[allow(dead_code, unreachable_pub, reason = "the program uses more of it")]
#[path = "../../../exporters/src/stores/elastic/answer.rs"]
mod elastic;
#[allow(dead_code, unreachable_pub, reason = "the program uses more of it")]
#[path = "../../../exporters/src/stores/influx/answer.rs"]
mod influx;

#[allow(dead_code, unreachable_pub, reason = "the program uses more of it")]
#[path = "../../../exporters/src/stores/loki/answer.rs"]
mod loki;
#[allow(dead_code, unreachable_pub, reason = "the program uses more of it")]
#[path = "../../../exporters/src/net/retry_after.rs"]
mod retry_after;

use std::time::SystemTime;

use elastic::DocumentOutcome;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, &[u8])| {
    let (documents, body) = (usize::from(data.0), data.1);
    if let Ok(verdict) = elastic::read(body, documents) {
        let fates = [DocumentOutcome::Taken, DocumentOutcome::Later, DocumentOutcome::Refused].map(|f| verdict.count(f));
        assert_eq!((verdict.fates.len(), fates.iter().sum()), (documents, documents));
        assert_eq!(verdict.reason.is_some(), fates[0] < documents);
    }
    assert_ne!(influx::dropped(body), Some(0));
    let _ = loki::ignored(body);
    if let Ok(header) = std::str::from_utf8(body) {
        let _ = retry_after::wait(header, SystemTime::UNIX_EPOCH);
    }
});
