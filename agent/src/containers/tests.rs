use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use pidflow_schema::Container;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Answers one request each, in this order; then no more connections are accepted.
type Answer = Box<dyn FnOnce(UnixStream) + Send>;

struct Run {
    _dir: TempDir,
    state: Arc<State>,
    facts: Receiver<Vec<Fact>>,
    requests: Receiver<String>,
}

fn run(answers: Vec<Answer>) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let ((asked, requests), (sender, facts)) = (unbounded(), unbounded());
    thread::spawn(move || {
        for answer in answers {
            let stream = listener.accept().unwrap().0;
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            asked.send(head.next().unwrap_or_default()).unwrap();
            head.take_while(|line| !line.is_empty()).for_each(drop);
            answer(stream);
        }
    });
    let state = Arc::new(State::of(std::slice::from_ref(&socket)));
    let shared = Arc::clone(&state);
    thread::spawn(move || super::run(&[socket], &shared, &sender));
    Run { _dir: dir, state, facts, requests }
}

impl Run {
    fn failure(&self) -> Option<String> {
        self.state.report().unwrap().refusals.first().map(|refusal| refusal.reason.clone())
    }

    fn failures(&self) -> u64 {
        self.state.failures().iter().map(|(_, n)| n).sum()
    }

    fn next(&self) -> Vec<(String, Container)> {
        let facts = self.facts.recv_timeout(Duration::from_secs(20)).unwrap();
        let named = |fact| match fact {
            Fact::Containers(named) => named,
            other => panic!("{other:?}"),
        };
        let all = facts.into_iter().flat_map(named);
        all.map(|(id, container)| (id.into_string(), Container::clone(&container))).collect()
    }
}

fn id(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

/// A whole answer, as Docker writes it.
fn whole(status: &str, body: &str) -> Answer {
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    raw(text.into_bytes())
}

fn raw(bytes: Vec<u8>) -> Answer {
    // The client may close the connection before it has read everything.
    Box::new(move |mut stream| drop(stream.write_all(&bytes)))
}

/// Each line is a chunk; then the connection stays open.
fn events(lines: &[Value]) -> Answer {
    let chunk = |line: &Value| {
        let line = format!("{line}\n");
        format!("{:x}\r\n{line}\r\n", line.len())
    };
    let chunks: String = lines.iter().map(chunk).collect();
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    Box::new(move |mut stream| {
        stream.write_all(text.as_bytes()).unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_mins(5));
            drop(stream);
        });
    })
}

fn event(n: u8, attributes: Value) -> Value {
    json!({"Type": "container", "Action": "start", "Actor": {"ID": id(n), "Attributes": attributes}, "time": 1})
}

#[test]
fn containers_are_listed_and_then_followed() {
    let list = json!([
        {"Id": id(1), "Names": ["/db/alias", "/shop-web-1"], "Image": "nginx:1.27", "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web", "secret": "hunter2"}},
        {"Id": id(2), "Names": null, "Image": null, "Labels": null, "More": {"a": 1}},
    ]);
    let (new, renamed) =
        (event(3, json!({"name": "db", "image": "postgres"})), event(1, json!({"name": "web", "oldName": "x"})));
    let run = run(vec![whole("200 OK", &list.to_string()), events(&[new, json!({"Type": "network"}), renamed])]);
    let container = |texts: [&str; 4]| {
        let [name, image, compose_project, compose_service] = texts.map(Into::into);
        Container { name, image, compose_project, compose_service }
    };
    assert_eq!(
        run.next(),
        [(id(1), container(["shop-web-1", "nginx:1.27", "shop", "web"])), (id(2), Container::default())]
    );
    let mut told = run.next();
    while told.len() < 2 {
        told.extend(run.next());
    }
    assert_eq!(told, [(id(3), container(["db", "postgres", "", ""])), (id(1), container(["web", "", "", ""]))]);
    assert_eq!((run.failures(), run.failure()), (1, None), "the event about a network");
    let requests: Vec<_> = run.requests.try_iter().collect();
    assert_eq!(requests[0], "GET /containers/json HTTP/1.1");
    assert!(requests[1].starts_with("GET /events?filters=%7B%22type"), "{requests:?}");
    assert_eq!(run.state.report().unwrap().lost, "");
}

fn has_failed(run: &Run) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(reason) = run.failure() {
            return reason;
        }
        assert!(Instant::now() < until, "no failure");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes until the client has had enough.
fn endless(head: &'static str, part: Vec<u8>) -> Answer {
    Box::new(move |mut stream| {
        let mut written = stream.write_all(head.as_bytes());
        while written.is_ok() {
            written = stream.write_all(&part);
        }
    })
}

#[test]
fn hostile_answers_are_failures_in_one_line() {
    let ok = "HTTP/1.1 200 OK\r\n\r\n";
    let deep = format!("[{{\"Id\":{}", "[".repeat(100_000));
    let cases: Vec<(&str, Answer)> = vec![
        (
            "HTTP 500 Internal Server Error: no   [31m daemon",
            whole("500 Internal Server Error", "{\"message\":\"no \\n\\u001b[31m daemon\"}"),
        ),
        ("HTTP 403 Forbidden: go away", whole("403 Forbidden", "go away\n")),
        (
            "HTTP 301 Moved Permanently: ",
            raw(b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ),
        ("the list of containers: ", whole("200 OK", "<html>")),
        ("the list of containers: ", whole("200 OK", "{\"Id\": \"a\"}")),
        ("the list of containers: ", whole("200 OK", &deep)),
        ("the list of containers: ", whole("200 OK", "")),
        ("the answer exceeds ", endless(ok, vec![b' '; 1 << 20])),
        ("", endless("HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n".repeat(1000))),
        ("", raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("", raw(Vec::new())),
        ("", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[".to_vec())),
    ];
    for (expected, answer) in cases {
        let run = run(vec![answer]);
        let reason = has_failed(&run);
        let why = reason.split_once(": ").unwrap().1;
        assert!(why.starts_with(expected) && !reason.contains(char::is_control), "{expected:?}: {reason:?}");
        assert!(why.len() < 400 && run.failures() >= 1 && run.facts.is_empty(), "{reason}");
        assert_ne!(run.state.report().unwrap().lost, "");
    }
}

#[test]
fn hostile_names_and_events_are_bounded() {
    let long = "ü\u{1b}".repeat(100_000);
    let list = json!([
        {"Id": id(1), "Names": [format!("/{long}")], "Image": long, "Labels": {}},
        {"Id": "../../etc", "Names": ["/a"]},
        {"Id": id(0xab).to_uppercase(), "Names": ["/a"]},
        {"Id": "", "Names": ["/a"]},
    ]);
    let head = "HTTP/1.1 200 OK\r\n\r\n{\"Type\":\"container\",\"Actor\":{\"ID\":\"";
    let run = run(vec![whole("200 OK", &list.to_string()), endless(head, vec![b'a'; 1 << 20])]);
    let named = run.next();
    assert_eq!(named.len(), 1);
    let Container { name, image, .. } = &named[0].1;
    assert!(name.len() <= 256 && image.len() <= 256 && !name.contains(char::is_control), "{name}");
    assert!(has_failed(&run).contains("a line exceeds"), "{:?}", run.failure());
    assert!(run.failures() >= 4, "three ids, and the events");
}

#[test]
fn a_socket_that_is_not_there_is_one_failure_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let state = Arc::new(State::of(std::slice::from_ref(&socket)));
    let (sender, facts) = unbounded();
    let shared = Arc::clone(&state);
    thread::spawn(move || super::run(&[socket], &shared, &sender));
    let failures = || state.failures()[0].1;
    let until = Instant::now() + Duration::from_secs(20);
    while failures() < 2 && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert!((2..10).contains(&failures()) && facts.is_empty());
    let report = state.report().unwrap();
    assert!(report.way.is_none() && report.refusals[0].reason.contains("No such file"), "{report:?}");
    assert!(State::default().report().is_none(), "nobody asked for names");
}
