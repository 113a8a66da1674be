//! The agent's answers over HTTP and HTTPS, also to clients that send bad, slow or too many requests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::collections::HashSet;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use pidflow_tests::serving::{self, Serving, eventually, within};
use pidflow_tests::{process, skip};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

/// Requests that are invalid or too large, and the status of their answer.
fn bad_requests() -> Vec<(&'static str, Vec<u8>, u16)> {
    let get = |more: &str| format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").into_bytes();
    let post =
        |length: &str| format!("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    vec![
        ("no HTTP", b"NONSENSE\r\n\r\n".to_vec(), 400),
        ("TLS", vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], 400),
        ("HTTP of another world", b"GET / HTTP/7.3\r\n\r\n".to_vec(), 400),
        ("no Host", b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), 400),
        ("two Hosts", get("Host: y\r\n"), 400),
        ("a NUL in a header", get("X: a\0b\r\n"), 400),
        ("a length below zero", post("-1"), 400),
        ("a large body", post("100000"), 413),
        ("a long URI", format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(9_000)).into_bytes(), 414),
        ("a very long URI", format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(1_000_000)).into_bytes(), 431),
        ("large headers", get(&format!("X: {}\r\n", "a".repeat(20_000))), 431),
        ("very large headers", get(&format!("X: {}\r\n", "a".repeat(1_000_000))), 431),
        ("many headers", get(&many), 431),
        (
            "a page of the web under its own name",
            b"GET /api/flows HTTP/1.1\r\nHost: web.example:9435\r\nConnection: close\r\n\r\n".to_vec(),
            421,
        ),
        ("a method that changes things", b"DELETE /api/flows HTTP/1.0\r\n\r\n".to_vec(), 405),
        ("a method that nobody knows", b"BREW /api/flows HTTP/1.0\r\n\r\n".to_vec(), 405),
        ("what is allowed", b"OPTIONS /api/flows HTTP/1.0\r\n\r\n".to_vec(), 405),
        ("a tunnel", b"CONNECT web.example:443 HTTP/1.0\r\n\r\n".to_vec(), 421),
        ("a page that is not there", b"GET /etc/passwd HTTP/1.0\r\n\r\n".to_vec(), 404),
    ]
}

/// Queries that are refused, and words of the line that says why.
const BAD_QUERIES: [(&str, [&str; 2]); 16] = [
    ("flows?prot=tcp", ["`prot`", "`protocol`"]),
    ("flows?port=65536", ["port: \"65536\"", "0 to 65535"]),
    ("flows?port=", ["port: \"\"", "0 to 65535"]),
    ("flows?pid=+1", ["pid: \" 1\"", "4294967295"]),
    ("flows?protocol=TCPX", ["protocol: \"TCPX\"", "icmpv6"]),
    ("flows?address=localhost", ["address: \"localhost\"", "192.0.2.1"]),
    ("flows?since=yesterday", ["since: \"yesterday\"", "milliseconds"]),
    ("flows?limit=0", ["limit: \"0\"", "1 to 500"]),
    ("flows?limit=501", ["limit: \"501\"", "1 to 500"]),
    ("flows?process=", ["process: \"\"", "name"]),
    ("flows?pod=", ["pod: \"\"", "name"]),
    ("processes?namespace=", ["namespace: \"\"", "name"]),
    ("flows?cursor=1", ["cursor: \"1\"", "next_cursor"]),
    ("flows?pid=1&pid=2", ["`pid`", "twice"]),
    ("processes?port=1", ["`port`", "`container`"]),
    ("graph?limit=x", ["limit: \"x\"", "1 to 500"]),
];

#[test]
fn requests_that_cannot_be_met_get_their_status() {
    if skip::without_root("requests_that_cannot_be_met_get_their_status") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    for (what, octets, status) in bad_requests() {
        let answer = agent.send(&octets).unwrap();
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(status != 405 || answer.head.contains("\r\nallow: get,head"), "{what}: {answer:?}");
    }
    for (query, words) in BAD_QUERIES {
        let answer = agent.get(&format!("/api/{query}")).unwrap();
        assert_eq!((answer.status, answer.body.lines().count()), (400, 1), "{query}: {answer:?}");
        assert!(words.iter().all(|w| answer.body.contains(w)), "{query}: {}", answer.body);
    }
    let of_another_run = format!("/api/flows?cursor={}", "1".repeat(40));
    assert_eq!(agent.get(&of_another_run).unwrap().status, 410);
    assert_eq!(agent.get("/livez").unwrap().body, "ok\n");
    assert_eq!(agent.metric("pidflow_http_requests_total{status=\"413\"}").unwrap(), 1);
    assert!(agent.metric("pidflow_http_connections_cut_total{reason=\"malformed\"}").unwrap() >= 5);
    agent.stop().unwrap();
}

/// What happens to a connection on which these bytes and then a valid request arrive: the status, whether the answer
/// has a line of text, and whether the connection stays open.
fn ends_of_connections() -> Vec<(&'static str, Vec<u8>, u16, bool, bool)> {
    let request = |first: &str, more: &str| format!("{first} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes();
    let long = |n| format!("GET /{}", "a".repeat(n));
    vec![
        ("GET", request("GET /livez", ""), 200, true, true),
        ("HEAD", request("HEAD /livez", ""), 200, false, true),
        ("OPTIONS", request("OPTIONS /livez", ""), 405, true, true),
        ("POST", request("POST /livez", "Content-Length: 3\r\n").into_iter().chain(*b"a=b").collect(), 405, true, true),
        ("another page", request("GET /nowhere", ""), 404, true, true),
        ("a wrong parameter", request("GET /api/flows?x=1", ""), 400, true, true),
        ("a name", b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n".to_vec(), 421, true, true),
        ("a long URI", request(&long(9_000), ""), 414, true, true),
        ("large headers", request("GET /livez", &format!("X: {}\r\n", "a".repeat(20_000))), 431, true, true),
        ("no HTTP", b"NONSENSE\r\n\r\n".to_vec(), 400, false, false),
        ("very large headers", request("GET /livez", &format!("X: {}\r\n", "a".repeat(200_000))), 431, false, false),
        ("a very long URI", request(&long(200_000), ""), 431, false, false),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), 505, true, false),
    ]
}

#[test]
fn connections_go_on_or_are_closed_as_described() {
    if skip::without_root("connections_go_on_or_are_closed_as_described") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    for (what, octets, status, has_line, goes_on) in ends_of_connections() {
        let next = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = agent.send(&[&octets, next.as_slice()].concat()).unwrap();
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let (line, rest) = answer.body.split_at(answer.body.find("HTTP/1.1 200 ").unwrap_or(answer.body.len()));
        assert_eq!((line.lines().count(), !rest.is_empty()), (has_line.into(), goes_on), "{what}: {answer:?}");
    }
    agent.stop().unwrap();
}

/// Sockets of another process.
fn sockets(pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Requests a hundred times more than the kernel's buffers hold, and reads none of it.
fn greedy(agent: &Serving) -> TcpStream {
    let mut stream = TcpStream::connect(agent.address).unwrap();
    stream.write_all("GET /api/elements HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500).as_bytes()).unwrap();
    stream
}

#[test]
fn slow_clients_and_too_many_of_them_cost_nothing() {
    const CONNECTIONS: u64 = 64;
    const TOO_MANY: u64 = 20;
    if skip::without_root("slow_clients_and_too_many_of_them_cost_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    let before = sockets(agent.pid());
    let cut = |why: &str| agent.metric(&format!("pidflow_http_connections_cut_total{{reason=\"{why}\"}}")).unwrap();

    let begin = || {
        let mut stream = TcpStream::connect(agent.address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHo").unwrap();
        stream
    };
    let slow: Vec<_> = (0..CONNECTIONS + TOO_MANY).map(|_| begin()).collect();
    assert_eq!(agent.get("/livez").unwrap().body, "ok\n", "a valid request gets an answer all the same");
    // On a busy machine the last connections that were displaced are still being closed; the slow ones stay open longer
    // than that.
    let until = Instant::now() + Duration::from_secs(8);
    while sockets(agent.pid()) > before + CONNECTIONS as usize + 1 {
        assert!(Instant::now() < until, "{before} {}", sockets(agent.pid()));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(cut("displaced") > TOO_MANY);
    let answers: Vec<_> = slow.into_iter().map(|stream| serving::read(stream).unwrap()).collect();
    let told = answers.iter().filter(|a| a.status == 408).count() as u64;
    let is_as_described = |status, body: &str| match status {
        408 => body == "the request did not arrive in 10 s\n",
        status => status == 0,
    };
    assert!(answers.iter().all(|a| is_as_described(a.status, &a.body)), "{answers:?}");
    assert_eq!(cut("slow-request"), told);
    assert!((CONNECTIONS - 10..CONNECTIONS).contains(&told), "{told}");

    let (idle, reader) = (TcpStream::connect(agent.address).unwrap(), greedy(&agent));
    eventually("the client that does not read is disconnected", || Ok(cut("slow-reader") == 1)).unwrap();
    assert_eq!(serving::read(idle).unwrap().status, 0, "a client without a request gets no answer");
    drop(reader);
    eventually("all connections are closed", || Ok(sockets(agent.pid()) <= before + 1)).unwrap();
    agent.stop().unwrap();
}

/// Creates a certificate authority and a certificate for this host, as PEM files.
fn certificates(dir: &Path) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(dir.join("authority"), authority.pem()).unwrap();
    std::fs::write(dir.join("certificate"), certificate.pem()).unwrap();
    std::fs::write(dir.join("key"), key.serialize_pem()).unwrap();
}

const TOKEN: &str = "0f3a.secret-of_the/test";

#[test]
fn https_and_the_token_keep_others_out() {
    let name = "https_and_the_token_keep_others_out";
    if skip::without_root(name) {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        return skip::skip(name, "curl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("token"), format!("{TOKEN}\n")).unwrap();
    let (certificate, key, token, authority) = (file("certificate"), file("key"), file("token"), file("authority"));
    let options = ["--listen", "0.0.0.0:0", "--tls-cert", &certificate, "--tls-key", &key, "--token-file", &token];
    let agent = Serving::start(dir.path(), &options).unwrap();
    assert!(agent.log.contains("HTTPS on") && !agent.log.contains("could read"), "{}", agent.log);
    let url = |path: &str| format!("https://localhost:{}{path}", agent.address.port());
    let curl = |path: &str, more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "-i", "--http1.1", "--cacert", &authority]).args(more);
        command.arg(url(path)).output().unwrap()
    };
    let said = |o: &Output| String::from_utf8_lossy(&o.stdout).into_owned();

    let refused = said(&curl("/api/flows", &[]));
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nwww-authenticate: bearer"), "{refused}");
    for path in ["/api", "/metrics", "/api/openapi.json", "/nowhere", "//livez"] {
        assert!(said(&curl(path, &[])).starts_with("HTTP/1.1 401 "), "{path}");
    }
    for path in ["/livez", "/readyz"] {
        eventually(path, || Ok(said(&curl(path, &[])).starts_with("HTTP/1.1 200 "))).unwrap();
    }
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    assert!(said(&curl("/metrics", &["-H", &bearer("wrong")])).starts_with("HTTP/1.1 401 "));
    let metrics = said(&curl("/metrics", &["-H", &bearer(TOKEN)]));
    assert!(
        metrics.starts_with("HTTP/1.1 200 ") && metrics.contains("\n# TYPE pidflow_packets_total counter\n"),
        "{metrics}"
    );

    assert!(!curl("/livez", &["--tls-max", "1.1"]).status.success(), "TLS 1.1 is too old");
    let plain = Command::new("curl").args(["-s", &url("/livez").replace("https", "http")]).output().unwrap();
    assert!(!plain.status.success(), "no plain HTTP on this port");
    let stranger = Command::new("curl").args(["-s", &url("/livez")]).output().unwrap();
    assert_eq!(stranger.status.code(), Some(60), "the certificate is of an authority that curl does not know");
    assert!(!metrics.contains(TOKEN) && !std::fs::read_to_string(file("log")).unwrap().contains(TOKEN));
    agent.stop().unwrap();
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    const WAIT_LIMIT: Duration = Duration::from_secs(150);
    let name = "a_renewed_certificate_is_served_without_a_restart";
    if skip::without_root(name) {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        return skip::skip(name, "curl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // Keys may belong to other users, and root's processes without capabilities may not be able to read them.
    let renew = || {
        certificates(dir.path());
        std::fs::set_permissions(file("key"), Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(file("key"), Some(65_534), None).unwrap();
    };
    renew();
    let agent = Serving::start(dir.path(), &["--tls-cert", &file("certificate"), "--tls-key", &file("key")]).unwrap();
    let url = format!("https://localhost:{}/livez", agent.address.port());
    let is_served = || {
        let output = Command::new("curl").args(["-s", "--cacert", &file("authority"), &url]).output().unwrap();
        output.stdout == b"ok\n"
    };
    assert!(is_served());
    renew();
    assert!(!is_served(), "it was looked at a moment ago");
    let served = within(WAIT_LIMIT, "the new certificate is served", || Ok(is_served()));
    assert!(served.is_ok(), "{served:?}: {}", std::fs::read_to_string(file("log")).unwrap());
    agent.stop().unwrap();
}

#[test]
fn access_settings_are_checked_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("token"), "two words\n").unwrap();
    let (certificate, key, token, authority) = (file("certificate"), file("key"), file("token"), file("authority"));
    let ours: [&str; 4] = ["--tls-cert", &certificate, "--tls-key", &key];
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--tls-cert", &certificate], &["--tls-key"]),
        (&["--tls-cert", "/no/such/file", "--tls-key", &key], &["/no/such/file", "No such file"]),
        (&["--tls-cert", &token, "--tls-key", &key], &[&token, "certificate"]),
        (&["--tls-cert", &authority, "--tls-key", &key], &[&authority, "TLS"]),
        (&["--token-file", &token], &[&token, "one line"]),
        (&["--tls-client-ca", &authority], &["--tls-client-ca", "--tls-cert"]),
        (&[&ours[..], &["--tls-client-ca", &key]].concat(), &[&key, "no certificate"]),
        (&["--listen", "nonsense"], &["--listen", "nonsense", "127.0.0.1:9435"]),
        (&["--metrics-listen", "127.0.0.1:99999"], &["--metrics-listen", "127.0.0.1:99999"]),
        (&["--listen", "0.0.0.0:0"], &["--listen", "0.0.0.0:0", "--token-file", "--tls-client-ca", "--metrics-listen"]),
    ];
    for (arguments, words) in cases {
        let output = Command::new(process::binary("pidflow").unwrap()).arg("run").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{arguments:?}: {said}");
        assert!(words.iter().all(|w| said.contains(w)) && !said.contains("two words"), "{arguments:?}: {said}");
    }
}

/// A listener of this process, to which it connects as often as wanted.
struct Traffic(TcpListener);

impl Traffic {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// A connection with one exchange, closed by both.
    fn connect(&self, times: usize) {
        for _ in 0..times {
            let mut client = TcpStream::connect(self.0.local_addr().unwrap()).unwrap();
            let (mut server, _) = self.0.accept().unwrap();
            client.write_all(b"question").unwrap();
            server.read_exact(&mut [0; 8]).unwrap();
        }
    }
}

fn array<'a>(page: &'a Value, name: &str) -> &'a Vec<Value> {
    page[name].as_array().unwrap()
}

/// Requests all pages of a query by following the cursor; calls `between` between them.
fn pages(agent: &Serving, question: &str, name: &str, between: impl Fn()) -> Vec<Value> {
    let mut all = Vec::new();
    let mut page = agent.json(question).unwrap();
    loop {
        all.extend(array(&page, name).iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { return all };
        between();
        page = agent.json(&format!("{question}&cursor={cursor}")).unwrap();
    }
}

#[test]
fn flows_and_processes_are_found_by_what_is_known_of_them() {
    const FLOWS: usize = 30;
    if skip::without_root("flows_and_processes_are_found_by_what_is_known_of_them") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("records.jsonl");
    let agent = Serving::start(dir.path(), &["--json", json.to_str().unwrap()]).unwrap();
    let traffic = Traffic::new();
    traffic.connect(FLOWS);
    let of_port = format!("/api/flows?port={}", traffic.port());
    let count = |question: &str| array(&agent.json(&format!("{question}&limit=500")).unwrap(), "flows").len();
    eventually("all flows are there", || Ok(count(&of_port) >= FLOWS)).unwrap();

    let text = agent.get(&format!("{of_port}&limit=500")).unwrap().body;
    let flows: Vec<Value> = array(&serde_json::from_str(&text).unwrap(), "flows").clone();
    assert_eq!(flows.len(), FLOWS, "{text}");
    let paged = pages(&agent, &format!("{of_port}&limit=7"), "flows", || {
        let before = count(&of_port);
        traffic.connect(3);
        eventually("new records come in", || Ok(count(&of_port) == before + 3)).unwrap();
    });
    assert_eq!(paged, flows, "pages stay as they are while records come in");

    let pid = std::process::id();
    let own = format!("{of_port}&pid={pid}&protocol=tcp&user=0&address=127.0.0.1&since=2020-01-01T00:00:00%2B01:00");
    let name = flows[0]["SRC_PROC_NAME"].as_str().unwrap();
    let user = flows[0]["SRC_PROC_USER_NAME"].as_str().unwrap();
    for all in [own, format!("{of_port}&process={name}&user={user}")] {
        // A record of a late packet may come in meanwhile.
        let (before, found, after) = (count(&of_port), count(&all), count(&of_port));
        let records = || agent.get(&format!("{of_port}&limit=500")).unwrap().body;
        assert!((before..=after).contains(&found), "{all}: {found}, not {before} to {after}: {}", records());
    }
    periods_are_kept_to(&agent, &of_port);
    for other in [
        "protocol=udp",
        "process=nobody",
        "pid=1",
        "user=nobody",
        "container=abc",
        "namespace=shop",
        "pod=web-0",
        "address=127.0.0.2",
        "until=1",
        "since=2100-01-01T00:00:00Z",
    ] {
        assert_eq!(count(&format!("{of_port}&{other}")), 0, "{other}");
    }

    processes_are_as_their_flows(&agent, pid, name);
    agent.stop().unwrap();
    let exported = std::fs::read_to_string(json).unwrap();
    let exported: HashSet<&str> = exported.lines().collect();
    let shown: Vec<_> = text.lines().filter(|l| l.contains("IPV4_SRC_ADDR")).map(|l| l.trim_end_matches(',')).collect();
    assert_eq!(shown.len(), FLOWS);
    assert!(shown.iter().all(|line| exported.contains(line)), "records are those of the JSON exporter");
}

/// For periods that start or end at, just before and just after the ends of flows, the answer has exactly the flows of
/// the whole list that are in the period.
#[track_caller]
fn periods_are_kept_to(agent: &Serving, question: &str) {
    let flows = agent.json(&format!("{question}&limit=500")).unwrap();
    let times = |f: &Value| {
        let time = |name: &str| f[name].as_u64().unwrap();
        (time("FLOW_START_MILLISECONDS"), time("FLOW_END_MILLISECONDS"))
    };
    let all: Vec<_> = array(&flows, "flows").iter().map(times).collect();
    let last = all.iter().map(|(start, _)| *start).max().unwrap();
    let first = all.iter().map(|(_, end)| *end).min().unwrap();
    assert!(first < last, "the flows are not all of one moment");
    let (mut some, mut moments) = (0, vec![first - 1, first, first + 1, last - 1, last, last + 1]);
    moments.extend(all.get(all.len() / 2).map(|(start, _)| *start));
    let check = |since: Option<u64>, until: Option<u64>| {
        let is_in = |(start, end): &&(u64, u64)| since.is_none_or(|t| t <= *end) && until.is_none_or(|t| t >= *start);
        let wanted = all.iter().filter(is_in).count();
        let parameter = |name, t: Option<u64>| t.map(|t| format!("&{name}={t}")).unwrap_or_default();
        let asked = format!("{question}&limit=500{}{}", parameter("since", since), parameter("until", until));
        assert_eq!(array(&agent.json(&asked).unwrap(), "flows").len(), wanted, "{asked}");
        u32::from(wanted > 0 && wanted < all.len())
    };
    for moment in moments {
        some += check(Some(moment), None) + check(None, Some(moment)) + check(Some(moment), Some(moment));
    }
    assert!(some >= 6, "periods that take some flows and leave others: {some}");
}

/// A process and its flows, requested without a new record in between: the other tests of this program make records
/// too.
#[track_caller]
fn of_one_moment(agent: &Serving, pid: u32, name: &str) -> (Value, Value) {
    let process = || {
        let page = agent.json(&format!("/api/processes?pid={pid}&process={name}"))?;
        let [process] = array(&page, "processes").as_slice() else { panic!("{page}") };
        Ok::<_, anyhow::Error>(process.clone())
    };
    let mut found = (Value::Null, Value::Null);
    eventually("no record comes between the pages", || {
        found = (process()?, agent.json(&format!("/api/flows?pid={pid}&limit=500"))?);
        let after = process()?;
        Ok(["records_as_source", "records_as_destination"].iter().all(|n| found.0[n] == after[n]))
    })
    .unwrap();
    found
}

#[track_caller]
fn processes_are_as_their_flows(agent: &Serving, pid: u32, name: &str) {
    let (process, flows) = of_one_moment(agent, pid, name);
    let side =
        |side: &str| array(&flows, "flows").iter().filter(|f| f[format!("{side}_PROC_PID")] == pid).count() as u64;
    assert_eq!(process["records_as_source"], side("SRC"), "{process}");
    assert_eq!(process["records_as_destination"], side("DST"), "{process}");
    assert!(process["ancestors"].as_str().unwrap().contains("(1)"), "{process}");
    assert!(process["memory_actual"].as_u64().unwrap() > 1_000_000, "{process}");
    let all = pages(agent, "/api/processes?limit=1", "processes", || {});
    assert_eq!(all.iter().filter(|p| p["pid"] == pid).count(), 1, "{all:?}");

    let graph = agent.json(&format!("/api/graph?process={name}")).unwrap();
    let node = array(&graph, "nodes").iter().find(|n| n["title"] == name).unwrap();
    assert_eq!(node["detail__pid"], pid, "{graph}");
    let limited = agent.json("/api/graph?limit=1").unwrap();
    assert_eq!(array(&limited, "edges").len(), 1, "{limited}");
    let elements = agent.json("/api/elements").unwrap();
    assert_eq!(elements.as_array().unwrap().len(), pidflow_schema::ELEMENTS.len());
}
