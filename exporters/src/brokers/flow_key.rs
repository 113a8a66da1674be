//! The key that puts all records of a flow into one partition.

use std::io::Write;

use pidflow_schema::FlowRecord;

/// Appends `PROTOCOL ADDRESS PORT ADDRESS PORT`, the lower end first, so that it is the same in both directions.
pub(super) fn put_flow_key(record: &FlowRecord, out: &mut Vec<u8>) {
    let flow = &record.flow;
    let ends = [(flow.source, flow.source_port), (flow.destination, flow.destination_port)];
    let [low, high] = if ends[0] <= ends[1] { ends } else { [ends[1], ends[0]] };
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{} {} {} {} {}", flow.protocol, low.0, low.1, high.0, high.1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn both_directions_have_one_key() {
        let mut record = sample::full(0);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        put_flow_key(&record, &mut there);
        let flow = &mut record.flow;
        std::mem::swap(&mut flow.source, &mut flow.destination);
        std::mem::swap(&mut flow.source_port, &mut flow.destination_port);
        put_flow_key(&record, &mut back);
        assert_eq!(String::from_utf8(there.clone()).unwrap(), "6 10.0.0.1 1024 10.0.0.2 443");
        assert_eq!(there, back);
    }
}
