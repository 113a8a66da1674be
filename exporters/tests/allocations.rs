//! Once warm, encoders do not allocate.
#![allow(unsafe_code, reason = "counting allocations needs an allocator of one's own")]

#[path = "../benches/encode/allocated.rs"]
mod allocated;

use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};

const NOW_NS: u64 = 1_767_230_000_000_000_000;

#[test]
fn no_encoder_allocates_for_a_record() {
    let records = sample::records(1000);
    let mut ipfix = IpfixEncoder::new(Template::default(), IpfixOptions::default());
    assert_eq!(allocated::by(&mut || ipfix.encode(&records, NOW_NS, &mut |_| {})), 0);
    let mut netflow9 = Netflow9Encoder::new(Template::default(), Netflow9Options::default());
    assert_eq!(allocated::by(&mut || netflow9.encode(&records, NOW_NS, &mut |_| {})), 0);
    let (json, mut out) = (JsonEncoder::new(&Template::default(), JsonKeys::Names, 1), Vec::new());
    let json = allocated::by(&mut || {
        out.clear();
        json.encode(&records, &mut out);
    });
    assert_eq!(json, 0);
}
