//! The text of a stream, made of the published state.

use std::sync::Arc;
use std::time::Instant;

use pidflow_exporters::json::JsonEncoder;
use pidflow_exporters::{JsonKeys, Template};
use pidflow_expression::Expression;
use pidflow_schema::FlowRecord;

use super::super::limits;
use super::report::Report;
use crate::published::Published;
use crate::published::recent::RecordSnapshot;
use crate::published::recent::cursor::{Cursor, Place};

/// What one client has received, and what it wants.
pub(super) struct Events {
    published: Published,
    encoder: JsonEncoder,
    filter: Option<Arc<Expression>>,
    /// The place of the newest record that the client has seen or that was not for it; none: there was none.
    place: Option<Place>,
    /// How many records the first event has; none: it was sent, or the client continues.
    initial: Option<usize>,
    is_first: bool,
    since: Instant,
}

/// Records of one event.
struct Chosen<'a> {
    /// The oldest first.
    records: Vec<&'a FlowRecord>,
    missed: u64,
    /// For the records before them.
    next_cursor: Option<Cursor>,
}

impl Events {
    /// A stream that continues after a place, or begins with the `limit` latest records.
    pub(super) fn new(
        published: Published,
        filter: Option<Arc<Expression>>,
        after: Option<Place>,
        limit: usize,
    ) -> Self {
        let encoder = JsonEncoder::new(&Template::default(), JsonKeys::Names, published.own_pen);
        let initial = after.is_none().then_some(limit);
        Self { published, encoder, filter, place: after, initial, is_first: true, since: Instant::now() }
    }

    /// Whether nothing has been sent yet.
    pub(super) const fn is_first(&self) -> bool {
        self.is_first
    }

    /// The next events; none: the stream is over.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if self.since.elapsed() > limits::STREAM_DURATION {
            return None;
        }
        let mut text = Vec::new();
        if std::mem::replace(&mut self.is_first, false) {
            text.extend_from_slice(b"retry: 1000\n\n");
        }
        self.append_status(&mut text);
        self.append_flows(&mut text);
        Some(text)
    }

    /// As if it had lasted so much longer.
    #[cfg(test)]
    pub(super) fn age(&mut self, by: std::time::Duration) {
        self.since = self.since.checked_sub(by).unwrap();
    }

    fn append_status(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"event: status\ndata: ");
        let status = self.published.status();
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut *text, &Report::new(&status, &self.published.host));
        text.extend_from_slice(b"\n\n");
    }

    fn append_flows(&mut self, text: &mut Vec<u8>) {
        let (snapshot, initial) = (self.published.recent.records(), self.initial.take());
        let filter = self.filter.clone();
        let is_wanted = move |r: &FlowRecord| filter.as_ref().is_none_or(|f| f.matches(r));
        let newest = snapshot.newest_first(Place::NEWEST, |_| true).next().map(|(place, _)| place);
        let chosen = match initial {
            Some(limit) => latest(&snapshot, limit, is_wanted),
            None => newer(&snapshot, self.place, is_wanted),
        };
        self.place = newest.or(self.place);
        if initial.is_some() || !chosen.records.is_empty() || chosen.missed > 0 {
            append(text, self.place, &chosen, &self.encoder);
        }
    }
}

/// The latest records, and where those before them begin.
fn latest(snapshot: &RecordSnapshot, limit: usize, is_wanted: impl Fn(&FlowRecord) -> bool) -> Chosen<'_> {
    let oldest = snapshot.oldest(&is_wanted);
    let wanted = snapshot.newest_first(Place::NEWEST, |_| true).filter(|(_, r)| is_wanted(r));
    let mut found: Vec<_> = wanted.take(limit + 1).collect();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().zip(oldest).filter(|_| has_more);
    let next_cursor = next.map(|((place, _), oldest)| Cursor::new(*place, oldest.0));
    Chosen { records: found.into_iter().rev().map(|(_, r)| r).collect(), missed: 0, next_cursor }
}

/// The records after a place, at most as many as a page has.
fn newer(snapshot: &RecordSnapshot, place: Option<Place>, is_wanted: impl Fn(&FlowRecord) -> bool) -> Chosen<'_> {
    let new = snapshot.since(place);
    let mut records = new.records;
    records.retain(|r| is_wanted(r));
    let left_out = records.len().saturating_sub(limits::MAX_PAGE_ENTRIES);
    records.drain(..left_out);
    Chosen { records, missed: new.missed + left_out as u64, next_cursor: None }
}

fn append(text: &mut Vec<u8>, place: Option<Place>, chosen: &Chosen<'_>, encoder: &JsonEncoder) {
    if let Some(place) = place {
        text.extend_from_slice(format!("id: {}\n", Cursor::new(place, 0)).as_bytes());
    }
    text.extend_from_slice(b"event: flows\ndata: {\"flows\":[");
    for (n, record) in chosen.records.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        encoder.encode(std::slice::from_ref(*record), text);
        let _ = text.pop_if(|last| *last == b'\n');
    }
    let cursor = chosen.next_cursor.map_or_else(|| "null".to_owned(), |cursor| format!("\"{cursor}\""));
    text.extend_from_slice(format!("],\"missed\":{},\"next_cursor\":{cursor}}}\n\n", chosen.missed).as_bytes());
}
