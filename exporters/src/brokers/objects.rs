//! Records as separate JSON objects.

use pidflow_schema::FlowRecord;

use crate::json::{JsonEncoder, JsonKeys};
use crate::sink::Parts;
use crate::template::Template;

/// The JSON objects of some records, in order, in a buffer that is reused.
pub(super) struct Objects {
    encoder: JsonEncoder,
    octets: Vec<u8>,
    /// Where each object ends.
    ends: Vec<usize>,
}

impl Objects {
    pub(super) fn new(keys: JsonKeys, parts: &Parts<'_>) -> Self {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        let encoder = JsonEncoder::new(&template, keys, parts.context.own_pen);
        Self { encoder, octets: Vec::new(), ends: Vec::new() }
    }

    /// Replaces the objects by those of these records.
    pub(super) fn fill(&mut self, records: &[FlowRecord]) {
        self.octets.clear();
        self.ends.clear();
        for record in records {
            self.encoder.encode(std::slice::from_ref(record), &mut self.octets);
            // The line feed.
            self.octets.pop();
            self.ends.push(self.octets.len());
        }
    }

    /// One object.
    #[cfg(feature = "kafka")]
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.octets.get(start..*self.ends.get(index)?)
    }

    /// Number of objects.
    #[cfg(feature = "nats")]
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| self.octets.get(*start..*end).unwrap_or_default())
    }
}
