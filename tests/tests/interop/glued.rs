//! Records of several hosts, in ClickHouse's tables that put them together.

use serde_json::{Map, Value, json};

use crate::{clickhouse, tools};

const TABLES: [&str; 2] = [
    include_str!("../../../exporters/mappings/clickhouse.sql"),
    include_str!("../../../exporters/mappings/clickhouse-glued.sql"),
];
const SELECT: &str = "SELECT * FROM whole_flows ORDER BY FLOW_KEY, flow_start \
    SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT JSONEachRow";
const SECOND: u64 = 1000;

/// A record with these values over the usual ones of a TCP connection.
fn record(changes: &[Value]) -> Value {
    let mut record = json!({
        "FLOW_KEY_BASIS": "tcp-sequence", "INITIATOR_BASIS": "syn", "PROTOCOL": 6, "FLOW_END_REASON": 3,
        "IPV4_SRC_ADDR": "10.0.0.1", "L4_SRC_PORT": 5000, "IPV4_DST_ADDR": "10.0.0.2", "L4_DST_PORT": 80,
        "SRC_PROC_ATTRIBUTION": "remote", "DST_PROC_ATTRIBUTION": "remote",
        "IN_PKTS": 10, "IN_BYTES": 1000, "OUT_PKTS": 8, "OUT_BYTES": 800,
    });
    for change in changes {
        record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    }
    record
}

/// A key made of a number.
fn key(number: usize) -> Value {
    json!({"FLOW_KEY": format!("{number:032x}")})
}

/// The first and the last packet, milliseconds after the test's beginning.
fn times(first: u64, last: u64) -> Value {
    let start = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 * 86_400 * SECOND - 10 * SECOND;
    json!({"FLOW_START_MILLISECONDS": start + first, "FLOW_END_MILLISECONDS": start + last,
        "FIRST_SWITCHED": (start + first) / SECOND, "LAST_SWITCHED": (start + last) / SECOND})
}

fn process(end: &str, (name, pid): (&str, u32)) -> Value {
    json!({format!("{end}_PROC_ATTRIBUTION"): "socket-event", format!("{end}_PROC_NAME"): name,
        format!("{end}_PROC_PID"): pid, format!("{end}_PROC_START_TIME"): 7})
}

fn observer(name: &str) -> Value {
    json!({"OBSERVER": name, "HOST_NAME": format!("host-{name}")})
}

fn client() -> Value {
    record(&[observer("a"), process("SRC", ("curl", 11)), times(0, 2000)])
}

fn server() -> Value {
    record(&[observer("b"), process("DST", ("nginx", 22)), times(1, 2001)])
}

fn with(record: &Value, change: Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    record
}

/// The rows of each case, whose records are inserted one after the other (those of all cases beside each other). The key of a case is
/// its number.
fn glued(test: &str, cases: &[Vec<Value>]) -> Option<Vec<Vec<Map<String, Value>>>> {
    let python = tools::python(test, "chdb")?;
    let mut statements: Vec<_> = TABLES.iter().map(|text| json!([text, ""])).collect();
    let rounds = cases.iter().map(Vec::len).max().unwrap_or_default();
    for round in 0..rounds {
        let records =
            cases.iter().enumerate().filter_map(|(number, records)| Some(with(records.get(round)?, key(number))));
        let lines: Vec<_> = records.map(|record| record.to_string()).collect();
        statements.push(json!(["INSERT INTO flows FORMAT JSONEachRow", lines.join("\n")]));
    }
    statements.push(json!([SELECT, ""]));
    let mut rows = vec![Vec::new(); cases.len()];
    for line in clickhouse::answer(&python, &statements).lines() {
        let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
        row.retain(|_, value| !value.is_null() && value != "");
        let number = usize::from_str_radix(row.remove("FLOW_KEY").unwrap().as_str().unwrap(), 16).unwrap();
        rows[number].push(row);
    }
    Some(rows)
}

fn permutations(records: &[Value]) -> Vec<Vec<Value>> {
    let Some((first, rest)) = records.split_first() else { return vec![vec![]] };
    let shorter = permutations(rest);
    let at = |n: usize| {
        shorter.iter().map(move |p| {
            let mut p = p.clone();
            p.insert(n, first.clone());
            p
        })
    };
    (0..records.len()).flat_map(at).collect()
}

#[test]
fn the_order_of_records_and_repeated_ones_make_no_difference() {
    let goes_on = json!({"FLOW_END_REASON": 2});
    let later = with(&client(), times(2500, 6000));
    let halves = [
        with(&with(&client(), goes_on.clone()), json!({"IN_PKTS": 12})),
        with(&with(&server(), goes_on), json!({"CONNECT_MICROSECONDS": 90})),
        later,
        with(&server(), times(2501, 6001)),
    ];
    let mut cases = permutations(&halves);
    cases.push([&halves[..], &halves[1..3], &halves[..1]].concat());
    let Some(rows) = glued("the_order_of_records_and_repeated_ones_make_no_difference", &cases) else { return };
    assert_eq!(rows.len(), 25);
    let expected = json!({"IS_GLUED": 1, "SRC_PROC_NAME": "curl", "SRC_PROC_PID": 11, "SRC_OBSERVER": "a", "SRC_OBSERVER_HOST": "host-a",
        "DST_PROC_NAME": "nginx", "DST_PROC_PID": 22, "DST_OBSERVER": "b", "DST_OBSERVER_HOST": "host-b", "IN_PKTS": 22, "IN_BYTES": 2000,
        "OUT_PKTS": 16, "OUT_BYTES": 1600, "IN_PKTS_LOST": 2, "IN_BYTES_LOST": 0, "OUT_PKTS_LOST": 0, "OUT_BYTES_LOST": 0,
        "CONNECT_MICROSECONDS": 90, "OBSERVERS": ["a", "b"], "RECORDS": 4, "SRC_PROCESSES": 1, "DST_PROCESSES": 1});
    has(&rows[0], &[expected]);
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:#?}");
}

/// Asserts that the rows have these values.
fn has(rows: &[Map<String, Value>], expected: &[Value]) {
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, expected) in rows.iter().zip(expected) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(row.get(name).unwrap_or(&Value::Null), value, "{name} of {row:#?}");
        }
    }
}

#[test]
fn each_end_is_as_the_agent_there_says() {
    let translated = json!({"IPV4_SRC_ADDR": "192.0.2.1", "L4_SRC_PORT": 6000});
    let between = record(&[observer("r"), times(0, 2000), json!({"IN_PKTS": 9, "SRC_PROC_ATTRIBUTION": "no-socket"})]);
    let cases = [
        vec![client()],
        vec![server()],
        // Three agents, with a packet lost on each side of the one in the middle.
        vec![with(&server(), json!({"IN_PKTS": 8})), between.clone(), client()],
        vec![with(&server(), translated), client()],
        // One agent sees both ends.
        vec![record(&[observer("a"), process("SRC", ("curl", 11)), process("DST", ("nginx", 22)), times(0, 1)])],
        // The connection goes on at the server's host: what has not arrived yet is not lost.
        vec![client(), with(&server(), json!({"FLOW_END_REASON": 2, "IN_PKTS": 3}))],
        // The agent at the client knows its process better later on.
        vec![
            with(&client(), json!({"SRC_PROC_ATTRIBUTION": "no-socket", "SRC_PROC_NAME": null, "SRC_PROC_PID": null})),
            client(),
            server(),
        ],
    ];
    let Some(rows) = glued("each_end_is_as_the_agent_there_says", &cases) else { return };
    let none = Value::Null;
    has(
        &rows[0],
        &[json!({"IS_GLUED": 0, "SRC_PROC_PID": 11, "DST_PROC_PID": none, "IN_PKTS_LOST": none, "IN_PKTS": 10})],
    );
    has(&rows[1], &[json!({"IS_GLUED": 0, "SRC_PROC_PID": none, "DST_PROC_PID": 22, "SRC_OBSERVER": none})]);
    has(
        &rows[2],
        &[json!({"IS_GLUED": 1, "IN_PKTS": 10, "IN_PKTS_LOST": 2, "OBSERVERS": ["a", "b", "r"], "SRC_OBSERVER": "a"})],
    );
    has(
        &rows[3],
        &[json!({"IS_GLUED": 1, "SRC_ADDR": "10.0.0.1", "SRC_PORT": 5000, "DST_ADDR": "10.0.0.2", "DST_PORT": 80})],
    );
    has(&rows[4], &[json!({"IS_GLUED": 0, "SRC_PROC_PID": 11, "DST_PROC_PID": 22, "OBSERVERS": ["a"]})]);
    has(&rows[5], &[json!({"IS_GLUED": 1, "IN_PKTS": 10, "IN_PKTS_LOST": none})]);
    has(&rows[6], &[json!({"IS_GLUED": 1, "SRC_PROC_PID": 11, "SRC_PROC_ATTRIBUTION": "socket-event", "RECORDS": 2})]);
}

#[test]
fn flows_with_the_same_addresses_are_told_apart_by_pauses() {
    let udp = json!({"PROTOCOL": 17, "FLOW_KEY_BASIS": "community-id", "INITIATOR_BASIS": "first-packet", "FLOW_END_REASON": 1});
    let (client, server) = (with(&client(), udp.clone()), with(&server(), udp));
    let other = |from| with(&with(&client, process("SRC", ("dig", 12))), times(from, from + 1000));
    // The server's agent saw an answer first.
    let turned = with(&server, times(500, 2001));
    let turned = with(
        &turned,
        json!({"IPV4_SRC_ADDR": "10.0.0.2", "L4_SRC_PORT": 80, "IPV4_DST_ADDR": "10.0.0.1", "L4_DST_PORT": 5000,
        "SRC_PROC_ATTRIBUTION": "socket-event", "SRC_PROC_NAME": "nginx", "SRC_PROC_PID": 22, "SRC_PROC_START_TIME": 7,
        "DST_PROC_ATTRIBUTION": "remote", "DST_PROC_NAME": null, "DST_PROC_PID": null, "IN_PKTS": 8, "OUT_PKTS": 10}),
    );
    let half = |second: u64| with(&server, times(second * SECOND, (second + 1) * SECOND));
    let cases = [
        vec![client.clone(), server.clone()],
        vec![other(30_000), client.clone(), half(30), server.clone()],
        // A pause that the agents' idle timeout does not end.
        vec![client.clone(), server.clone(), other(10_000)],
        vec![turned.clone(), client.clone()],
        vec![client.clone(), turned],
        // A record each minute, over midnight.
        vec![
            with(&client, times(0, 59_000)),
            with(&server, times(1, 59_001)),
            with(&client, times(60_000, 100_000)),
            with(&server, times(60_001, 100_001)),
        ],
        // The server's agent began later.
        vec![client, with(&server, json!({"IN_PKTS": 1})), with(&half(1), json!({"IN_PKTS": 1}))],
    ];
    let Some(rows) = glued("flows_with_the_same_addresses_are_told_apart_by_pauses", &cases) else { return };
    let ends = |source: u32, glued: u8| json!({"IS_GLUED": glued, "SRC_PROC_PID": source, "DST_PROC_PID": 22, "SRC_PORT": 5000});
    has(&rows[0], &[ends(11, 1)]);
    has(&rows[1], &[ends(11, 1), ends(12, 1)]);
    has(&rows[2], &[json!({"SRC_PROCESSES": 2, "DST_PROCESSES": 1, "RECORDS": 3})]);
    for turned in [&rows[3], &rows[4]] {
        has(
            turned,
            &[
                json!({"IS_GLUED": 1, "SRC_PROC_PID": 11, "DST_PROC_PID": 22, "IN_PKTS": 10, "OUT_PKTS": 8, "IN_PKTS_LOST": 0}),
            ],
        );
    }
    has(&rows[5], &[json!({"IS_GLUED": 1, "RECORDS": 4, "IN_PKTS": 20, "IN_PKTS_LOST": 0})]);
    has(&rows[6], &[json!({"IS_GLUED": 1, "RECORDS": 3})]);
}

/// A record of a flow from `a` to a host whose agent said nothing of it.
fn to(address: &str, from: u64, until: u64) -> Value {
    with(&with(&client(), json!({"IPV4_DST_ADDR": address})), times(from * SECOND, until * SECOND))
}

/// A record of another flow, by which the agent `name` has the address.
fn sighting(name: &str, address: &str, second: u64, pod: &str) -> Value {
    let pod = json!({"SRC_K8S_NAMESPACE": "shop", "SRC_K8S_POD": pod, "SRC_PROC_ATTRIBUTION": "no-socket"});
    let there = json!({"IPV4_SRC_ADDR": address, "IPV4_DST_ADDR": "192.0.2.99"});
    record(&[observer(name), there, pod, times(second * SECOND, (second + 1) * SECOND)])
}

/// What the tables say of the destination of each of these flows, when the agents have reported these sightings: basis, host and pod.
fn owners(test: &str, flows: &[Value], sightings: &[Value]) -> Option<Vec<[String; 3]>> {
    const OWNERS: &str = "SELECT DST_OWNER_BASIS, DST_OWNER_HOST, DST_OWNER_K8S_POD FROM owned_flows_of_days(first_day = today() - 2, \
        last_day = today()) WHERE SRC_PROC_PID = 11 ORDER BY FLOW_KEY FORMAT JSONCompactEachRow";
    let python = tools::python(test, "chdb")?;
    let all = flows.iter().chain(sightings).enumerate().map(|(number, record)| with(record, key(number)).to_string());
    let all: Vec<_> = all.collect();
    let mut statements: Vec<_> = TABLES.iter().map(|text| json!([text, ""])).collect();
    // Neither the order of records nor a repeated one makes a difference.
    for part in [&all[..], &all[flows.len()..]] {
        statements.push(json!(["INSERT INTO flows FORMAT JSONEachRow", part.join("\n")]));
    }
    statements.push(json!([OWNERS, ""]));
    let answer = clickhouse::answer(&python, &statements);
    Some(answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn an_end_without_an_agent_has_the_host_that_had_its_address_then() {
    let minutes = |of: std::ops::Range<u64>, name: &'static str, address: &'static str, pod: &'static str| {
        of.map(move |minute| sighting(name, address, 60 * minute, pod))
    };
    let moved = minutes(0..10, "b", "10.0.0.2", "web-1").chain(minutes(12..20, "c", "10.0.0.2", "web-2"));
    // Returns to the same host after a pause that is too long to know who had it meanwhile.
    let paused = [0, 60, 120, 430, 490].map(|second| sighting("b", "10.0.0.3", second, ""));
    let shared = minutes(0..9, "b", "172.17.0.2", "").chain(minutes(3..6, "c", "172.17.0.2", ""));
    let of_two_pods = minutes(0..3, "b", "10.0.0.4", "x").chain(minutes(1..3, "b", "10.0.0.4", "y"));
    let everywhere = minutes(0..9, "b", "127.0.0.1", "").chain(minutes(0..9, "b", "169.254.1.1", ""));
    let sightings: Vec<_> = moved.chain(paused).chain(shared).chain(of_two_pods).chain(everywhere).collect();
    let [nobody, b, c] = [["", "", ""], ["address", "host-b", "web-1"], ["address", "host-c", "web-2"]];
    let without_pod = ["address", "host-b", ""];
    let cases = [
        (to("10.0.0.2", 120, 121), b),
        (to("10.0.0.2", 155, 159), b),
        (to("10.0.0.2", 600, 601), nobody),
        (to("10.0.0.2", 780, 790), c),
        (to("10.0.0.2", 480, 780), nobody),
        (to("10.0.0.2", 1260, 1261), nobody),
        (to("10.0.0.3", 100, 110), without_pod),
        (to("10.0.0.3", 200, 201), nobody),
        (to("10.0.0.3", 440, 450), without_pod),
        (to("172.17.0.2", 60, 61), without_pod),
        (to("172.17.0.2", 200, 201), nobody),
        (to("172.17.0.2", 480, 481), without_pod),
        (to("10.0.0.4", 90, 91), without_pod),
        (to("127.0.0.1", 90, 91), nobody),
        (to("169.254.1.1", 90, 91), nobody),
        (to("198.51.100.1", 90, 91), nobody),
        // The agent there has reported it.
        (with(&to("10.0.0.7", 780, 790), process("DST", ("nginx", 22))), ["agent", "host-a", ""]),
    ];
    let flows: Vec<_> = cases.iter().map(|(flow, _)| flow.clone()).collect();
    let test = "an_end_without_an_agent_has_the_host_that_had_its_address_then";
    let Some(found) = owners(test, &flows, &sightings) else { return };
    assert_eq!(found.len(), cases.len());
    for ((flow, expected), found) in cases.iter().zip(&found) {
        assert_eq!(found, expected, "{flow}");
    }
}

/// Exporters that are not pidflow report a process by its number alone.
#[test]
fn a_process_without_a_start_time_is_taken() {
    let case = [with(&client(), json!({"SRC_PROC_START_TIME": null})), server()];
    let Some(rows) = glued("a_process_without_a_start_time_is_taken", &[case.to_vec()]) else { return };
    has(&rows[0], &[json!({"IS_GLUED": 1, "SRC_PROC_PID": 11, "SRC_PROC_START_TIME": null, "SRC_PROCESSES": 1})]);
}

/// The records of a proxy's two connections have two keys.
#[test]
fn what_has_another_key_stays_apart() {
    let cases = [
        vec![client()],
        vec![server()],
        vec![with(&client(), observer("")), with(&server(), json!({"OBSERVER": null}))],
    ];
    let Some(rows) = glued("what_has_another_key_stays_apart", &cases) else { return };
    has(&rows[0], &[json!({"IS_GLUED": 0})]);
    has(&rows[1], &[json!({"IS_GLUED": 0})]);
    // Records of files have no observer, and are not put together; the host's name stands for an older agent's.
    has(&rows[2], &[json!({"IS_GLUED": 0, "OBSERVERS": ["host-b"]})]);
}
