//! Queries answer as a naive evaluation over the same records does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed step ends the test")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use pidflow_exporters::sample;
use pidflow_expression::{End, Expression, SHORT_NAMES, Selector, SelectorValue};
use pidflow_history::{Limits, Reader, Retention, Selected, Sums, Writer, same_elements};
use pidflow_schema::{DataType, ELEMENTS, FlowRecord, Process, Value};
use proptest::prelude::*;

const HOUR_NS: u64 = 3_600_000_000_000;
const KEEP: Retention = Retention { max_age: None, max_bytes: u64::MAX };

fn limits(entries: usize) -> Limits {
    Limits { deadline: Instant::now() + Duration::from_secs(60), entries }
}

/// Writes the records, in three hours.
fn write(folder: &Path, records: &[FlowRecord]) {
    let mut writer = Writer::new(folder, KEEP).unwrap();
    let mut safe = 0;
    for (n, part) in records.chunks(records.len().div_ceil(3)).enumerate() {
        let now = 1_800_000 * 1_000_000_000 + n as u64 * HOUR_NS;
        writer.add(part, now);
        let committed = writer.commit(now);
        assert!(committed.error.is_none() && committed.lost == 0, "{committed:?}");
        safe += committed.records;
    }
    assert_eq!(safe, records.len() as u64);
}

/// Made records and a folder that has them.
struct Written {
    records: Vec<FlowRecord>,
    folder: tempfile::TempDir,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let records = sample::records(200);
    write(folder.path(), &records);
    Written { records, folder }
});

fn selected(filter: Option<&str>) -> Selected {
    let filter = filter.map(|text| Arc::new(Expression::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))));
    Selected { filter, ..Selected::default() }
}

fn found(folder: &Path, selected: &Selected) -> Vec<FlowRecord> {
    let answer = Reader::new(folder).unwrap().records(selected, None, limits(usize::MAX)).unwrap();
    assert_eq!(answer.skipped, [""; 0]);
    let mut records: Vec<FlowRecord> = answer.entries.into_iter().map(|(_, record)| record).collect();
    records.reverse();
    records
}

fn assert_same(found: &[FlowRecord], expected: &[&FlowRecord], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        let different = ELEMENTS.iter().filter(|e| (e.read)(a) != (e.read)(b));
        let different: Vec<_> = different.map(|e| (e.name, (e.read)(a), (e.read)(b))).collect();
        assert!(same_elements(a, b), "{what}: {different:?}");
    }
}

#[test]
fn every_element_of_every_record_comes_back() {
    let expected: Vec<&FlowRecord> = WRITTEN.records.iter().collect();
    assert_same(&found(WRITTEN.folder.path(), &Selected::default()), &expected, "all");
}

#[test]
fn names_that_are_meant_to_harm_come_back_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        ["\u{1b}[31m", "<script>'\"", "a\nb\0c", "\u{fffd}\u{202e}txt", "'); DROP TABLE flows; --", "%00\\", ""];
    let records: Vec<FlowRecord> = names
        .iter()
        .zip(0..)
        .map(|(name, n)| {
            let mut record = sample::record(n);
            let process = Process {
                pid: 7,
                name: (*name).into(),
                user: (*name).into(),
                command_line: (*name).into(),
                ..Process::default()
            };
            record.source.process = Some(process.into());
            record.flow.interface = (*name).into();
            record
        })
        .collect();
    write(folder.path(), &records);
    assert_same(&found(folder.path(), &Selected::default()), &records.iter().collect::<Vec<_>>(), "names");
    for (name, record) in names.iter().zip(&records).filter(|(name, _)| !name.is_empty() && !name.contains('\0')) {
        let filter = format!("src.process == {}", serde_json::to_string(name).unwrap());
        assert_same(&found(folder.path(), &selected(Some(&filter))), &[record], &filter);
    }
}

/// A constant that the value of some record equals.
fn constant(value: &Value<'_>) -> String {
    match value {
        Value::Unsigned(n) => n.to_string(),
        Value::Signed(n) => n.to_string(),
        Value::Text(text) => serde_json::to_string(&**text).unwrap(),
        Value::Ipv4(a) => format!("\"{a}\""),
        Value::Ipv6(a) => format!("\"{a}\""),
        Value::Mac(mac) => format!("\"{}\"", mac.map(|b| format!("{b:02x}")).join(":")),
        Value::Time(ns) => format!("timestamp(\"{}\")", jiff::Timestamp::from_nanosecond(i128::from(*ns)).unwrap()),
    }
}

/// A test of an element that is true for some records.
fn test_of_an_element() -> impl Strategy<Value = String> {
    (0..ELEMENTS.len(), 0..200_usize, 0..9_usize).prop_map(|(element, record, operator)| {
        let e = &ELEMENTS[element];
        let Some(value) = (e.read)(&WRITTEN.records[record]) else { return format!("{} == null", e.name) };
        let constant = constant(&value);
        if e.data_type == DataType::String && operator > 5 {
            let test = ["startsWith", "endsWith", "contains"][operator - 6];
            return format!("{}.{test}({constant})", e.name);
        }
        format!("{} {} {constant}", e.name, ["==", "!=", "<", "<=", ">", ">="][operator.min(8) % 6])
    })
}

/// A test of a short name, of either end or one.
fn test_of_a_short_name() -> impl Strategy<Value = String> {
    (0..SHORT_NAMES.len(), 0..3_usize, 0..200_usize, any::<bool>(), 0..6_usize).prop_map(
        |(short, end, record, is_source, operator)| {
            let short = SHORT_NAMES[short];
            let name = match end {
                1 if short.is_of_an_end() => format!("src.{}", short.name),
                2 if short.is_of_an_end() => format!("dst.{}", short.name),
                _ => short.name.to_owned(),
            };
            let end = if is_source { End::Source } else { End::Destination };
            let value = Selector::parse(&name).unwrap().read(&WRITTEN.records[record], end);
            let operator = ["==", "!=", "<", "<=", ">", ">="][operator];
            match value {
                None => format!("{name} == null"),
                Some(SelectorValue::Number(n)) => format!("{name} {operator} {n}"),
                Some(SelectorValue::Text(text)) => {
                    let quoted = serde_json::to_string(&text).unwrap();
                    let is_number =
                        text.parse::<f64>().is_ok() && ["cpu", "iowait", "host_cpu"].iter().any(|n| name.ends_with(n));
                    let constant = if is_number { format!("{text:.3}").trim_start().to_owned() } else { quoted };
                    format!("{name} {operator} {constant}")
                }
            }
        },
    )
}

fn expression() -> impl Strategy<Value = String> {
    let test = prop_oneof![test_of_an_element(), test_of_a_short_name(), Just("true".to_owned())];
    test.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_selects_the_same_records(text in expression()) {
        // Some made tests compare what has no order or another type.
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let expected: Vec<&FlowRecord> = WRITTEN.records.iter().filter(|r| expression.matches(r)).collect();
        assert_same(&found(WRITTEN.folder.path(), &selected(Some(&text))), &expected, &text);
    }

    #[test]
    fn groups_and_series_have_the_same_sums(
        text in expression(),
        by in prop::sample::subsequence((0..SHORT_NAMES.len()).collect::<Vec<_>>(), 1..4),
        ends in prop::collection::vec(0..3_usize, 4),
        step_s in 1..100_u64,
    ) {
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let by: Vec<Selector> = by.iter().zip(ends).map(|(short, end)| {
            let short = SHORT_NAMES[*short];
            let prefix = if short.is_of_an_end() { ["", "src.", "dst."][end] } else { "" };
            Selector::parse(&format!("{prefix}{}", short.name)).unwrap()
        }).collect();
        let expected: Vec<&FlowRecord> = WRITTEN.records.iter().filter(|r| expression.matches(r)).collect();
        let reader = Reader::new(WRITTEN.folder.path()).unwrap();
        let groups = reader.groups(&selected(Some(&text)), &by, limits(usize::MAX)).unwrap();
        prop_assert_eq!(groups.skipped, [""; 0]);
        let groups = groups.entries;
        let named: HashMap<_, _> = groups.into_iter().map(|g| (g.key, g.sums)).collect();
        prop_assert_eq!(named, naive_groups(&expected, &by), "{} by {:?}", text, by);
        let step_ns = step_s * 1_000_000_000;
        let points = reader.series(&selected(Some(&text)), step_ns, limits(usize::MAX)).unwrap().entries;
        let mut naive = BTreeMap::<u64, Sums>::new();
        expected.iter().for_each(|r| add(naive.entry(r.flow.last_ns / step_ns * step_ns).or_default(), r));
        let points: BTreeMap<_, _> = points.into_iter().map(|p| (p.start_ns, p.sums)).collect();
        prop_assert_eq!(points, naive, "{}", text);
    }
}

fn add(sums: &mut Sums, r: &FlowRecord) {
    sums.records += 1;
    sums.packets += r.flow.forward.packets + r.flow.reverse.packets;
    sums.bytes += r.flow.forward.octets + r.flow.reverse.octets;
}

type Key = Vec<Option<SelectorValue>>;

/// The sums as the documentation says them.
fn naive_groups(records: &[&FlowRecord], by: &[Selector]) -> HashMap<Key, Sums> {
    let mut groups = HashMap::<Key, Sums>::new();
    for record in records {
        let keys: Vec<Key> =
            [End::Source, End::Destination].map(|end| by.iter().map(|name| name.read(record, end)).collect()).into();
        let nothing = |key: &Key| by.iter().zip(key).all(|(name, value)| !name.is_of_either_end() || value.is_none());
        let mut counted: Vec<&Key> = keys.iter().filter(|key| !nothing(key)).collect();
        counted.dedup();
        if counted.is_empty() {
            counted.push(&keys[0]);
        }
        counted.into_iter().for_each(|key| add(groups.entry(key.clone()).or_default(), record));
    }
    groups
}

#[test]
fn a_period_selects_the_flows_that_have_a_part_in_it() {
    let times: Vec<u64> = WRITTEN.records.iter().flat_map(|r| [r.flow.first_ns, r.flow.last_ns]).collect();
    for (since, until) in times.iter().step_by(37).zip(times.iter().skip(50).step_by(31)) {
        let period = Selected { since_ns: Some(*since), until_ns: Some(*until), filter: None };
        let overlaps = |r: &&FlowRecord| r.flow.last_ns >= *since && r.flow.first_ns <= *until;
        let expected: Vec<&FlowRecord> = WRITTEN.records.iter().filter(overlaps).collect();
        assert_same(&found(WRITTEN.folder.path(), &period), &expected, "period");
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    for filter in [None, Some("dst.port > 20000"), Some("FLOW_KEY != \"x\" && src.process != \"curl\"")] {
        let (selected, reader) = (selected(filter), Reader::new(WRITTEN.folder.path()).unwrap());
        let (mut before, mut all) = (None, Vec::new());
        loop {
            let page = reader.records(&selected, before, limits(7)).unwrap().entries;
            assert!(page.len() <= 7);
            before = page.last().map(|(place, _)| *place);
            all.extend(page.into_iter().map(|(_, record)| record));
            if before.is_none() {
                break;
            }
        }
        all.reverse();
        assert_same(&all, &found(WRITTEN.folder.path(), &selected).iter().collect::<Vec<_>>(), "pages");
    }
}

#[test]
fn a_query_ends_when_its_time_is_over() {
    let reader = Reader::new(WRITTEN.folder.path()).unwrap();
    let over = Limits { deadline: Instant::now(), entries: 10 };
    assert!(matches!(reader.records(&selected(None), None, over), Err(pidflow_history::HistoryError::TimeOver)));
}
