//! Tests of streams without a port.

use std::sync::Arc;

use pidflow_expression::Expression;
use std::time::Duration;

use futures_util::StreamExt;
use pidflow_schema::{FlowRecord, Process};
use serde_json::Value;

use super::super::budget::Budget;
use super::*;
use crate::published::recent::Recent;
use crate::published::recent::cursor::{Cursor, Place};
use crate::published::status::Status;

fn published(recent_flows: usize) -> Published {
    Published::new("host", 32473, Recent::new(recent_flows, 1 << 30))
}

fn record(octets: u64, process: &str) -> FlowRecord {
    let mut r = crate::sample::record(1, 443, octets);
    r.source.process = Some(Arc::new(Process { pid: 7, name: process.into(), ..Process::default() }));
    r
}

fn add(published: &Published, octets: std::ops::Range<u64>) {
    published.recent.add(&octets.map(|n| record(n, if n % 2 == 0 { "even" } else { "odd" })).collect());
}

/// One event: its name, id and data.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

/// Reads a text as the standard says (HTML, section 9.2.6).
fn events(text: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.ends_with("\n\n"), "{text:?}");
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let event = |block: &str| {
        let name = field(block, "event")?;
        let data = serde_json::from_str(&field(block, "data").unwrap()).unwrap();
        Some(Event { name, id: field(block, "id"), data })
    };
    text.split("\n\n").filter_map(event).collect()
}

/// The `flows` event of a text, if there is one: the bytes of its records, and how many are missed.
fn flows(text: &[u8]) -> Option<(Vec<u64>, u64)> {
    let event = events(text).into_iter().find(|e| e.name == "flows")?;
    let octets = event.data["flows"].as_array().unwrap().iter().map(|f| f["IN_BYTES"].as_u64().unwrap());
    Some((octets.collect(), event.data["missed"].as_u64().unwrap()))
}

fn id(text: &[u8]) -> Place {
    let id = events(text).into_iter().find_map(|e| e.id).unwrap();
    id.parse::<Cursor>().unwrap().walk().unwrap().before
}

#[test]
fn a_stream_begins_with_the_latest_and_goes_on_with_what_is_new() {
    let published = published(100);
    add(&published, 0..10);
    let mut stream = Events::new(published.clone(), None, None, 3);
    let first = stream.next().unwrap();
    assert_eq!(flows(&first), Some((vec![7, 8, 9], 0)));
    let before = events(&first).into_iter().find(|e| e.name == "flows").unwrap().data["next_cursor"].clone();
    let before = before.as_str().unwrap().parse::<Cursor>().unwrap().walk().unwrap().before;
    let older = published.recent.records();
    let older: Vec<_> = older.newest_first(before, |_| true).map(|(_, r)| r.flow.forward.octets).collect();
    assert_eq!(older, [6, 5, 4, 3, 2, 1, 0], "the page before them");
    assert_eq!(flows(&stream.next().unwrap()), None, "nothing is new");
    add(&published, 10..12);
    let last = stream.next().unwrap();
    assert_eq!(flows(&last), Some((vec![10, 11], 0)));
    add(&published, 12..13);
    let mut continued = Events::new(published.clone(), None, Some(id(&last)), 3);
    assert_eq!(flows(&continued.next().unwrap()), Some((vec![12], 0)), "neither twice nor left out");
}

#[test]
fn a_stream_of_an_agent_without_records_begins_empty() {
    let published = published(100);
    let mut stream = Events::new(published.clone(), None, None, 3);
    let first = stream.next().unwrap();
    assert_eq!(flows(&first), Some((vec![], 0)));
    assert!(events(&first).iter().all(|e| e.id.is_none()));
    add(&published, 0..1);
    assert_eq!(flows(&stream.next().unwrap()), Some((vec![0], 0)));
}

#[test]
fn a_filter_selects_and_what_it_leaves_out_is_not_missed() {
    let published = published(100);
    add(&published, 0..10);
    let filter = Arc::new(Expression::parse("process == \"odd\" && bytes > 2").unwrap());
    let mut stream = Events::new(published.clone(), Some(filter), None, 100);
    assert_eq!(flows(&stream.next().unwrap()), Some((vec![3, 5, 7, 9], 0)));
    add(&published, 10..13);
    assert_eq!(flows(&stream.next().unwrap()), Some((vec![11], 0)));
    add(&published, 14..15);
    assert_eq!(flows(&stream.next().unwrap()), None);
}

#[test]
fn a_slow_client_is_told_what_it_missed() {
    let published = published(5);
    add(&published, 0..5);
    let mut stream = Events::new(published.clone(), None, None, 100);
    stream.next().unwrap();
    // It does not read while 20 records come, of which 5 are kept.
    (5..25).for_each(|n| add(&published, n..n + 1));
    assert_eq!(flows(&stream.next().unwrap()), Some(((20..25).collect(), 15)));
}

#[test]
fn an_event_is_bounded_and_counts_what_it_leaves_out() {
    let published = published(10_000);
    add(&published, 0..1);
    let mut stream = Events::new(published.clone(), None, None, 100);
    stream.next().unwrap();
    add(&published, 1..2001);
    let most = limits::MAX_PAGE_ENTRIES as u64;
    assert_eq!(flows(&stream.next().unwrap()), Some(((2001 - most..2001).collect(), 2000 - most)));
    assert_eq!(flows(&stream.next().unwrap()), None, "it goes on at the newest");
}

#[test]
fn hostile_names_stay_within_their_event() {
    let published = published(10);
    let name = "a\n\nevent: status\r\ndata: {}\u{2028}\u{202e}\u{1b}[31m<script>\"";
    published.recent.add(&[record(1, name)].into());
    let first = Events::new(published, None, None, 10).next().unwrap();
    let events = events(&first);
    assert_eq!(events.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["status", "flows"]);
    assert_eq!(events[1].data["flows"][0]["SRC_PROC_NAME"], name);
}

#[test]
fn the_status_says_what_the_pipeline_published() {
    let published = published(10);
    let hook = crate::published::status::Hook { hook: "exec".into(), way: "fentry".into() };
    let status = Status { seconds: 7, packets: 9, hooks: vec![hook], degraded: vec!["a".into()], ..Status::default() };
    published.publish(status);
    let text = Events::new(published, None, None, 10).next().unwrap();
    let status = events(&text).into_iter().find(|e| e.name == "status").unwrap().data;
    let shown = ["seconds", "packets", "host"].map(|key| status[key].to_string());
    assert_eq!(shown, ["7", "9", "\"host\""]);
    assert_eq!((&status["degraded"][0], &status["hooks"]["exec"]), (&"a".into(), &"fentry".into()));
}

#[tokio::test]
async fn a_stream_that_is_closed_gives_its_place_back() {
    let (published, places) = (published(10), Places::new(Budget::new()));
    let query = || QueryParameters(Query { filter: None, limit: None, after: None });
    let mut open = Vec::new();
    for _ in 0..limits::MAX_STREAMS_PER_CLIENT {
        open.push(page(State(published.clone()), Extension(places.clone()), None, query()).await.unwrap());
    }
    let refused = page(State(published.clone()), Extension(places.clone()), None, query()).await.unwrap_err();
    let refused = refused.into_response();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "20"));
    let mut body = open.pop().unwrap().into_body().into_data_stream();
    assert!(!body.next().await.unwrap().unwrap().is_empty());
    drop(body);
    assert!(page(State(published.clone()), Extension(places.clone()), None, query()).await.is_ok());
}

#[test]
fn a_stream_that_has_lasted_long_enough_is_over() {
    let mut stream = Events::new(published(10), None, None, 10);
    assert!(stream.next().is_some());
    stream.age(limits::STREAM_DURATION + Duration::from_millis(1));
    assert!(stream.next().is_none());
}
