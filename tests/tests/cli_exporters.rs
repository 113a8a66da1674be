//! Mistakes in the configuration of exporters: one line with the file's line, the key and what is allowed; secrets in none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::process::{Command, Output};

use pidflow_tests::process;

/// The first keys of tables; the mistakes come after them.
const UDP: &str = "kind = \"ipfix\"\nurl = \"udp://a:1\"\n";
const TCP: &str = "kind = \"ipfix\"\nurl = \"tcp://a:1\"\n";
const TLS: &str = "kind = \"ipfix\"\nurl = \"tls://a:1\"\n";
const V9: &str = "kind = \"netflow9\"\nurl = \"udp://a:1\"\n";
const FILE: &str = "kind = \"json\"\nfile = \"flows-%Y.json\"\n";
const LINES: &str = "kind = \"json\"\nurl = \"tls://a:1\"\n";
const STDOUT: &str = "kind = \"json\"\nfile = \"-\"\n";
const OTLP: &str = "kind = \"otlp\"\nurl = \"https://a:1\"\n";
const ELASTIC: &str = "kind = \"elastic\"\nurl = \"http://a:1\"\n";
const CLICKHOUSE: &str = "kind = \"clickhouse\"\nurl = \"http://a:1\"\n";
const LOKI: &str = "kind = \"loki\"\nurl = \"http://a:1\"\n";
const INFLUX: &str = "kind = \"influx\"\nurl = \"http://a:1\"\ndatabase = \"d\"\n";
const REDIS: &str = "kind = \"redis\"\nurl = \"redis://a:1\"\n";
const NATS: &str = "kind = \"nats\"\nurl = \"nats://a:1\"\n";
const ZMQ: &str = "kind = \"zmq\"\nurl = \"tcp://*:5556\"\n";
const PARQUET: &str = "kind = \"parquet\"\nfolder = \"flows\"\n";
const S3: &str = "kind = \"parquet\"\nurl = \"s3://flows\"\naccess-key-id = \"a\"\nsecret-access-key = \"b\"\n";
const KAFKA: &str = "kind = \"kafka\"\nbrokers = [\"a:1\"]\n";

/// A table, a wrong line, its number in the table (0 for the last), and words that the message has.
const MISTAKES: &[(&str, &str, usize, &[&str])] = &[
    ("", "url = \"udp://a:1\"", 1, &["needs the key `kind`", "ipfix, netflow9, json"]),
    ("", "kind = \"sflow\"", 0, &["`kind`", "sflow", "ipfix, netflow9, json"]),
    ("kind = \"ipfix\"\n", "domain = 1", 1, &["\"ipfix\" needs the key `url`"]),
    ("kind = \"ipfix\"\n", "url = 5", 0, &["`url`", "expected a string"]),
    ("kind = \"ipfix\"\n", "url = \"sctp://a:1\"", 0, &["`url`", "udp://HOST:PORT", "file:PATH"]),
    ("kind = \"ipfix\"\n", "url = \"udp://a:0\"", 0, &["`url`", "port 0"]),
    (UDP, "colour = 1", 0, &["`colour` is not a key", "direction", "options-records"]),
    (UDP, "file = \"x\"", 0, &["`file` is not a key", "url, domain"]),
    (UDP, "domain = -1", 0, &["`domain` is -1", "0 to 4294967295"]),
    (UDP, "domain = \"x\"", 0, &["`domain`", "whole number", "0 to 4294967295"]),
    (UDP, "max-message = 127", 0, &["`max-message` is 127", "128 to 65507"]),
    (UDP, "max-message = 1.5", 0, &["`max-message`", "whole number", "128 to 65507"]),
    (UDP, "direction = \"both\"", 0, &["`direction`", "both", "biflow", "uniflow", "ntop"]),
    (UDP, "options-records = 1", 0, &["`options-records`", "expected a boolean"]),
    (UDP, "template-seconds = 0", 0, &["`template-seconds` is 0", "1 to 86400"]),
    (UDP, "template-messages = 0", 0, &["`template-messages` is 0", "1 to 1000000"]),
    (UDP, "packets-per-second = 0", 0, &["`packets-per-second` is 0", "1 to 4294967295"]),
    (UDP, "template = \"%NOPE\"", 0, &["`template`", "NOPE"]),
    (UDP, "queue-records = 0", 0, &["`queue-records` is 0", "1 to 100000000"]),
    (UDP, "spool = \"/x\"", 0, &["`spool` is not a key"]),
    (UDP, "tls-ca = \"/x\"", 0, &["`tls-ca` is not a key"]),
    (TCP, "packets-per-second = 5", 0, &["`packets-per-second` is not a key"]),
    (TCP, "batch-records = 0", 0, &["`batch-records` is 0", "1 to 100000"]),
    (TCP, "timeout-seconds = 0", 0, &["`timeout-seconds` is 0", "1 to 86400"]),
    (TCP, "give-up-seconds = \"1h\"", 0, &["`give-up-seconds`", "whole number", "1 to 86400"]),
    (TCP, "spool-mebibytes = 1", 0, &["`spool-mebibytes` is 1", "16 to"]),
    (TLS, "tls-ca = \"/does/not/exist\"", 0, &["`tls-ca`", "cannot read /does/not/exist"]),
    (TLS, "tls-ca = \"/etc/hostname\"", 0, &["`tls-ca`", "not PEM"]),
    (TLS, "tls-key = \"/dev/null\"", 0, &["`tls-key`"]),
    (TLS, "tls-insecure = \"yes\"", 0, &["`tls-insecure`", "expected a boolean"]),
    (TLS, "tls-server-name = 1", 0, &["`tls-server-name`", "expected a string"]),
    (V9, "direction = \"ntop\"", 0, &["`direction` is not a key", "\"netflow9\""]),
    (V9, "options-records = true", 0, &["`options-records` is not a key"]),
    (V9, "domain = 4294967296", 0, &["`domain` is 4294967296", "0 to 4294967295"]),
    ("kind = \"netflow9\"\n", "url = \"tls://a:1\"", 0, &["`url`", "UDP only"]),
    ("kind = \"json\"\n", "keys = \"names\"", 1, &["needs the key `file` or `url`"]),
    (FILE, "url = \"tcp://a:1\"", 0, &["`url`", "`file`", "one of them"]),
    (FILE, "keys = \"letters\"", 0, &["`keys`", "letters", "names", "numbers", "pen-numbers"]),
    (FILE, "timestamp = \"yes\"", 0, &["`timestamp`", "expected a boolean"]),
    (FILE, "rotate-mebibytes = 0", 0, &["`rotate-mebibytes` is 0", "1 to"]),
    (FILE, "rotate-seconds = 0", 0, &["`rotate-seconds` is 0", "1 to"]),
    (FILE, "keep = 0", 0, &["`keep` is 0", "1 to"]),
    (FILE, "keep = 3", 0, &["`keep`", "`rotate-mebibytes` or `rotate-seconds`"]),
    (FILE, "compression = \"lzma\"", 0, &["`compression`", "lzma", "none", "gzip", "zstd"]),
    (FILE, "batch-records = 5", 0, &["`batch-records` is not a key"]),
    ("kind = \"json\"\n", "file = \"flows-%q.json\"", 0, &["`file`", "Y, m, d, H, M, S"]),
    ("kind = \"json\"\n", "file = \"%Y/flows.json\"", 0, &["`file`", "folder"]),
    ("kind = \"json\"\nrotate-seconds = 60\n", "file = \"flows.json\"", 0, &["`file`", "%Y%m%d-%H%M%S"]),
    (STDOUT, "compression = \"gzip\"", 0, &["`compression` is not a key"]),
    ("kind = \"json\"\n", "url = \"http://a:1\"", 0, &["`url`", "udp://", "unix:///PATH"]),
    ("kind = \"json\"\n", "url = \"tcp://a\"", 0, &["`url`", "no port"]),
    ("kind = \"json\"\n", "url = \"unix://a\"", 0, &["`url`", "does not begin with /"]),
    (LINES, "rotate-seconds = 5", 0, &["`rotate-seconds` is not a key"]),
    (LINES, "tls-cert = \"/etc/passwd\"", 0, &["`tls-cert`", "not PEM"]),
    (LINES, "spool = 5", 0, &["`spool`", "expected"]),
    // These keys are valid, but no exporter can be built from them.
    (UDP, "max-message = 200", 0, &["`max-message` 200 is too small", "bytes"]),
    (TLS, "tls-server-name = \"a b\"", 0, &["`tls-server-name`", "a b"]),
    ("kind = \"otlp\"\n", "url = \"a:1\"", 0, &["`url`", "http://HOST:PORT"]),
    (OTLP, "headers = { \"a b\" = \"c\" }", 0, &["`headers`", "\"a b\" is not a header's name", "letters"]),
    (OTLP, "headers = { a = \"b\\nc\" }", 0, &["`headers`", "\"a\" has characters"]),
    (OTLP, "headers = \"Bearer x\"", 0, &["`headers`", "expected a map"]),
    (OTLP, "tls-ca = \"BROKEN\"", 0, &["`tls-ca`", "CERTIFICATE"]),
    (OTLP, "tls-ca = \"KEY\"", 0, &["`tls-ca`", "no certificate", "CERTIFICATE"]),
    (OTLP, "tls-cert = \"KEY\"\ntls-key = \"KEY\"", 4, &["`tls-cert`", "no certificate"]),
    (OTLP, "signals = [\"profiles\"]", 0, &["`signals`", "profiles", "logs"]),
    (OTLP, "metric-interval-seconds = 0", 0, &["`metric-interval-seconds` is 0", "1 to 86400"]),
    ("kind = \"elastic\"\n", "url = \"http://a/?b\"", 0, &["`url`", "http://HOST:PORT"]),
    (ELASTIC, "headers = { \"a:\" = \"c\" }", 0, &["`headers`", "a:"]),
    (ELASTIC, "index = \"A\"", 0, &["`index`", "capital letters"]),
    (ELASTIC, "index = \"a-%q\"", 0, &["`index`", "Y, m, d, H, M, S"]),
    (ELASTIC, "password = \"x\"", 0, &["`password`", "`user`"]),
    (CLICKHOUSE, "table = \"a;b\"", 0, &["`table`", "DATABASE.TABLE"]),
    (CLICKHOUSE, "settings = { query = 1 }", 0, &["`settings`", "query"]),
    (LOKI, "labels = { a-b = \"c\" }", 0, &["`labels`", "letters"]),
    (LOKI, "compression = \"zstd\"", 0, &["`compression`", "zstd", "gzip", "none"]),
    (INFLUX, "bucket = \"b\"", 4, &["`database`", "`organization`"]),
    (INFLUX, "tags = \"%NO\"", 0, &["`tags`", "NO"]),
    ("kind = \"redis\"\n", "url = \"http://a\"", 0, &["`url`", "redis://HOST:PORT"]),
    (REDIS, "max-length = 0", 0, &["`max-length` is 0", "1 to"]),
    ("kind = \"nats\"\n", "url = \"nats://\"", 0, &["`url`", "nats://HOST:PORT"]),
    (NATS, "subject = \"a b\"", 0, &["`subject`"]),
    (NATS, "credentials = \"none\"", 0, &["`credentials`", "JWT"]),
    ("kind = \"zmq\"\n", "url = \"ipc://a\"", 0, &["`url`", "tcp://ADDRESS:PORT"]),
    (ZMQ, "header = 3", 0, &["`header` is 3", "1 to 2"]),
    ("kind = \"parquet\"\n", "folder = \"\"", 0, &["`folder`", "folder's path"]),
    (PARQUET, "rotate-seconds = 0", 0, &["`rotate-seconds` is 0", "1 to 86400"]),
    (PARQUET, "mode = \"0777\"", 0, &["`mode`", "octal digits"]),
    (PARQUET, "url = \"s3://flows\"", 0, &["`url`", "`folder` is set too"]),
    (PARQUET, "region = \"x\"", 0, &["`region` is not a key"]),
    ("kind = \"parquet\"\n", "url = \"s3://x\"", 0, &["`url`", "s3://BUCKET/PREFIX"]),
    (S3, "endpoint = \"minio:1\"", 0, &["`endpoint`", "http://HOST:PORT"]),
    (S3, "rotate-mebibytes = 2000", 0, &["`rotate-mebibytes` is 2000", "1 to 1024"]),
    (S3, "mode = \"0640\"", 0, &["`mode` is not a key"]),
    (PARQUET, "spool = \"/x\"", 0, &["`spool` is not a key", "rotate-mebibytes"]),
    (KAFKA, "acks = \"most\"", 0, &["`acks`", "all, leader, none"]),
    (KAFKA, "topic = \"a b\"", 0, &["`topic`", "249"]),
];

/// Keys of the table `[export]`, and words that the message has.
const OPTIONS: &[(&str, &[&str])] = &[
    ("collectors = [\"sctp://a:1\"]", &["`collectors`", "udp://HOST:PORT"]),
    ("version = \"9\"\ncollectors = [\"tcp://a:1\"]", &["`collectors`", "UDP only"]),
    ("json = \"http://a:1\"", &["`json`", "udp://"]),
    ("otlp = \"a:1\"", &["`otlp`", "http://HOST:PORT"]),
    ("elastic = \"a:1\"", &["`elastic`", "http://HOST:PORT"]),
    ("clickhouse = \"tcp://a:1\"", &["`clickhouse`", "http://HOST:PORT"]),
    ("kafka = \"a:b\"", &["`kafka`", "HOST:PORT"]),
    ("nats = \"a:1\"", &["`nats`", "nats://HOST:PORT"]),
    ("parquet = \"\"", &["`parquet`", "folder's path"]),
    ("redis = \"a:1\"", &["`redis`", "redis://HOST:PORT"]),
    ("zmq = \"a:1\"", &["`zmq`", "tcp://ADDRESS:PORT"]),
    ("template = \"%NOPE\"", &["`template`", "NOPE"]),
    ("own-pen = \"x\"", &["expected"]),
    ("otlp-signals = [\"profiles\"]", &["profiles", "logs"]),
];

/// Checks a configuration in which `KEY` and `BROKEN` stand for the paths of a key and of a broken certificate.
fn check(text: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(path("key.pem"), key).unwrap();
    std::fs::write(path("broken.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").unwrap();
    let text = text.replace("KEY", &path("key.pem")).replace("BROKEN", &path("broken.pem"));
    std::fs::write(path("pidflow.toml"), text).unwrap();
    Command::new(process::binary("pidflow").unwrap())
        .args(["check", "--config", &path("pidflow.toml")])
        .output()
        .unwrap()
}

/// Asserts that the text is refused with one line that has this line number and all of the words.
#[track_caller]
fn refuses(text: &str, line: usize, words: &[&str]) {
    let output = check(text);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{text}{said}");
    let place = format!("pidflow.toml:{line}: ");
    for word in words.iter().chain([&place.as_str()]) {
        assert!(said.contains(word), "{text}no {word:?} in {said}");
    }
}

#[test]
fn every_mistake_has_its_line_its_key_and_what_is_allowed() {
    for (start, wrong, line, words) in MISTAKES {
        let text = format!("[[exporter]]\n{start}{wrong}\n");
        refuses(&text, if *line == 0 { text.lines().count() } else { *line }, words);
    }
}

#[test]
fn every_mistake_among_the_short_options_has_the_options_name_and_its_line() {
    for (wrong, words) in OPTIONS {
        let text = format!("[flows]\n\n[export]\nhost = \"a\"\n{wrong}\n");
        refuses(&text, text.lines().count(), words);
    }
}

#[test]
fn exporters_that_share_a_spool_are_refused() {
    let table = |url: &str| format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"{url}\"\nspool = \"/x/spool\"\n");
    let text = table("tcp://a:1") + &table("tcp://b:1");
    refuses(&text, 8, &["`spool`", "/x/spool", "ipfix tcp://a:1", "each exporter needs its own"]);
}

#[test]
fn the_beginnings_of_these_tables_are_right() {
    for table in [
        UDP, TCP, TLS, V9, FILE, LINES, STDOUT, OTLP, ELASTIC, CLICKHOUSE, LOKI, INFLUX, REDIS, NATS, ZMQ, PARQUET, S3,
        KAFKA,
    ] {
        let output = check(&format!("[[exporter]]\n{table}"));
        let said = String::from_utf8_lossy(&output.stderr);
        let left_out = said.contains("pidflow.toml:2: ") && said.contains("`kind`: this build has no ");
        assert!(output.status.success() || left_out, "{table}{said}");
    }
}

const SECRET: &str = "hu5hHush";

/// A table of each kind with a secret in every key that may hold one.
const WITH_SECRETS: &[&str] = &[
    "kind = \"otlp\"\nprotocol = \"grpc\"\nurl = \"http://ADDRESS\"\nheaders = { authorization = \"SECRET\", x-key = \"SECRET\" }",
    "kind = \"otlp\"\nprotocol = \"http/protobuf\"\nurl = \"http://ADDRESS\"\nuser = \"u\"\npassword = \"SECRET\"",
    "kind = \"elastic\"\nurl = \"http://ADDRESS\"\napi-key = \"SECRET\"\nheaders = { x-key = \"SECRET\" }",
    "kind = \"clickhouse\"\nurl = \"http://ADDRESS\"\nuser = \"u\"\npassword = \"SECRET\"",
    "kind = \"clickhouse\"\nurl = \"http://ADDRESS\"\nheaders = { X-ClickHouse-Key = \"SECRET\" }",
    "kind = \"loki\"\nurl = \"http://ADDRESS\"\nheaders = { authorization = \"Bearer SECRET\" }",
    "kind = \"influx\"\nurl = \"http://ADDRESS\"\norganization = \"o\"\nbucket = \"b\"\ntoken = \"SECRET\"",
    "kind = \"redis\"\nurl = \"redis://ADDRESS\"\nuser = \"u\"\npassword = \"SECRET\"",
    "kind = \"nats\"\nurl = \"nats://ADDRESS\"\nuser = \"u\"\npassword = \"SECRET\"",
    "kind = \"nats\"\nurl = \"nats://ADDRESS\"\ntoken = \"SECRET\"",
];

/// Tables that are wrong in the value that holds a secret.
const WRONG_WITH_SECRETS: &[&str] = &[
    "kind = \"ipfix\"\nurl = \"udp://me:SECRET@a:1\"",
    "kind = \"netflow9\"\nurl = \"udp://SECRET@a:1\"",
    "kind = \"json\"\nurl = \"tcp://me:SECRET@a:1\"",
    "kind = \"zmq\"\nurl = \"tcp://me:SECRET@a:1\"",
    "kind = \"redis\"\nurl = \"redis://me:SECRET@a:1\"",
    "kind = \"nats\"\nurl = \"nats://me:SECRET@a:1\"",
    "kind = \"elastic\"\nurl = \"http://me:SECRET@a:1\"",
    "kind = \"loki\"\nurl = \"http://a:1/?token=SECRET\"",
    "kind = \"parquet\"\nurl = \"s3://flows\"\naccess-key-id = \"i\"\nsecret-access-key = [\"SECRET\"]",
    "kind = \"parquet\"\nurl = \"s3://flows\"\nendpoint = \"http://me:SECRET@a:1\"\naccess-key-id = \"i\"\nsecret-access-key = \"s\"",
    "kind = \"kafka\"\nbrokers = [\"me:SECRET@a:1\"]",
    "kind = \"kafka\"\nbrokers = [\"a:1\"]\nsettings = \"SECRET\"",
    "kind = \"kafka\"\nbrokers = [\"a:1\"]\nsasl = \"PLAIN\"\nuser = \"u\"\npassword = [\"SECRET\"]",
    "kind = \"otlp\"\nurl = \"http://a:1\"\nheaders = \"authorization: SECRET\"",
    "kind = \"otlp\"\nurl = \"http://a:1\"\nheaders = { x = \"SECRET\\n\" }",
    "kind = \"otlp\"\nurl = \"http://a:1\"\nheaders = { x = [\"SECRET\"] }",
    "kind = \"otlp\"\nurl = \"http://a:1\"\npassword = \"SECRET\"",
    "kind = \"elastic\"\nurl = \"http://a:1\"\nuser = \"u\"\napi-key = \"SECRET\"",
    "kind = \"elastic\"\nurl = \"http://a:1\"\napi-key = { text = \"SECRET\" }",
    "kind = \"influx\"\nurl = \"http://a:1\"\ntoken = \"SECRET\"",
    "kind = \"influx\"\nurl = \"http://a:1\"\ndatabase = \"d\"\ntoken = [\"SECRET\"]",
    "kind = \"nats\"\nurl = \"nats://a:1\"\ncredentials = \"SECRET\"",
    "kind = \"nats\"\nurl = \"nats://a:1\"\ntoken = \"SECRET\"\nuser = \"u\"",
    "kind = \"redis\"\nurl = \"redis://a/0?password=SECRET\"",
    "kind = \"elastic\"\nurl = \"http://bob:SECRET\"",
    "kind = \"ipfix\"\nurl = \"tcp://bob:SECRET\"",
    "kind = \"otlp\"\nurl = \"http://a:1\"\nheaders = { \"authorization: Bearer SECRET\" = \"\" }",
];

#[track_caller]
fn shows_no_secret(what: &str, output: &Output) {
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains(SECRET), "{what}\n{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_mistake_shows_no_secret() {
    for table in WRONG_WITH_SECRETS {
        let output = check(&format!("[[exporter]]\n{}\n", table.replace("SECRET", SECRET)));
        assert_eq!(output.status.code(), Some(2), "{table}");
        shows_no_secret(table, &output);
    }
    for (option, _) in OPTIONS.iter().filter(|(option, _)| option.contains("a:")) {
        let output = check(&format!("[export]\n{}\n", option.replace("a:", &format!("me:{SECRET}@a:"))));
        assert_eq!(output.status.code(), Some(2), "{option}");
        shows_no_secret(option, &output);
    }
}

/// A server that answers every connection with HTTP status 401, which is invalid in other protocols.
fn unfriendly() -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A client that has gone needs no answer.
            let _ = stream.read(&mut [0; 65_536]);
            let _ = stream.write_all(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

/// A capture of one UDP packet, as raw IP.
fn one_packet() -> Vec<u8> {
    let packet =
        [&[0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], &[0, 9, 0, 53, 0, 16, 0, 0]]
            .concat();
    let (captured, length) = (packet.len() as u32, 36_u32);
    let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101, 1_700_000_000, 0, captured, length];
    [header.iter().flat_map(|n| n.to_le_bytes()).collect(), packet].concat()
}

#[test]
fn neither_check_nor_the_fullest_log_shows_a_secret() {
    let (dir, address) = (tempfile::tempdir().unwrap(), unfriendly());
    let capture = dir.path().join("one.pcap");
    std::fs::write(&capture, one_packet()).unwrap();
    for table in WITH_SECRETS {
        let text = format!("[[exporter]]\n{table}\ngive-up-seconds = 1\ntimeout-seconds = 1\n");
        let text = text.replace("SECRET", SECRET).replace("ADDRESS", &address.to_string());
        let output = check(&text);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        shows_no_secret(table, &output);
        let file = dir.path().join("pidflow.toml");
        std::fs::write(&file, text).unwrap();
        let mut read = Command::new(process::binary("pidflow").unwrap());
        read.arg("read").arg(&capture).arg("--config").arg(&file).args(["--log-level", "trace"]);
        let output = read.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("trying again") && said.contains("1 unreachable"), "{table}\n{said}");
        shows_no_secret(table, &output);
    }
}
