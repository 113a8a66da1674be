//! Records that have been here before. Collectors may feed each other, also in a circle.

use std::sync::Arc;

use pidflow_schema::FlowRecord;

/// A record is not passed on by more collectors than this.
const MAX_HOPS: usize = 16;

/// Marks records, and recognizes the mark.
#[derive(Debug, Clone)]
pub(super) struct Hops {
    /// What is added to the path of each record.
    own: Arc<str>,
}

impl Hops {
    /// `observer` identifies the host, and `ports` this collector among those of the host.
    pub(super) fn new(observer: &str, ports: &str) -> Self {
        Self { own: format!("{:08x}", crc32fast::hash(format!("{observer} {ports}").as_bytes())).into() }
    }

    /// Adds this collector to the record's path. False: it is in it already, or the path is too long.
    pub(super) fn pass(&self, record: &mut FlowRecord) -> bool {
        let collected = record.collected.get_or_insert_default();
        let mut hops = 0;
        for hop in collected.path.split(',').filter(|hop| !hop.is_empty()) {
            hops += 1;
            if hop == &*self.own || hops >= MAX_HOPS {
                return false;
            }
        }
        collected.path = match hops {
            0 => Arc::clone(&self.own),
            _ => format!("{},{}", collected.path, self.own).into(),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_record_passes_each_collector_once() {
        let mut record = sample::record(1, 443, 100);
        let [one, two] = ["udp://0.0.0.0:1", "udp://0.0.0.0:2"].map(|ports| Hops::new("host", ports));
        assert!(one.pass(&mut record) && two.pass(&mut record));
        assert_eq!(record.collected.as_ref().unwrap().path.len(), 17);
        assert!(!one.pass(&mut record) && !two.pass(&mut record));
        let many = (0..100).filter(|n| Hops::new("host", &n.to_string()).pass(&mut record)).count();
        assert_eq!(many, MAX_HOPS - 2);
    }
}
