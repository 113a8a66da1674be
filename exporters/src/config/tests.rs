use super::*;

#[derive(Debug, Deserialize)]
struct File {
    exporter: Vec<ExporterConfig>,
}

fn parse(text: &str) -> Result<Vec<ExporterConfig>, String> {
    toml::from_str::<File>(text).map(|f| f.exporter).map_err(|e| e.to_string())
}

const EXAMPLE: &str = r#"
[[exporter]]
kind = "ipfix"
url = "udp://collector.example:4739"
template = "@FLOW@ @PROCESS@"
domain = 7
max-message = 9000
template-seconds = 60

[[exporter]]
kind = "netflow9"
url = "udp://[::1]"
packets-per-second = 5000

[[exporter]]
kind = "json"
file = "-"
keys = "numbers"

[[exporter]]
kind = "otlp"
url = "http://127.0.0.1:4317"
compression = "none"
headers = { authorization = "Bearer x" }

[[exporter]]
kind = "otlp"
url = "https://127.0.0.1:4318/otlp/"
protocol = "http/protobuf"
signals = ["traces", "metrics"]
metric-interval-seconds = 10
resource = { "deployment.environment.name" = "test" }
"#;

#[test]
fn every_kind_is_read() {
    let all = parse(EXAMPLE).unwrap();
    let names: Vec<_> = all.iter().map(ExporterConfig::name).collect();
    assert_eq!(
        names,
        [
            "ipfix udp://collector.example:4739",
            "netflow9 udp://[::1]:2055",
            "json -",
            "otlp http://127.0.0.1:4317",
            "otlp https://127.0.0.1:4318/otlp metrics,traces"
        ]
    );
    let Output::Ipfix(wire) = &all[0].output else { panic!("{all:?}") };
    assert_eq!((wire.domain, wire.max_message, wire.resend.interval_ns), (Some(7), Some(9000), 60_000_000_000));
    let Output::Otlp(otlp) = &all[4].output else { panic!("{all:?}") };
    assert_eq!((otlp.protocol, otlp.metric_interval.as_secs(), otlp.resource.len()), (OtlpProtocol::Http, 10, 1));
    assert_eq!(all[0].template.as_ref().map(|t| t.elements().len() > 20), Some(true));
}

#[test]
fn mistakes_name_key_line_and_what_is_allowed() {
    let table = |rest: &str| parse(&format!("[[exporter]]\n{rest}")).unwrap_err();
    let unknown = table("kind = \"json\"\nfile = \"-\"\ncolour = 1\n");
    assert!(unknown.contains("`colour` is not a key") && unknown.contains("queue-records"), "{unknown}");
    let foreign = table("kind = \"json\"\nfile = \"-\"\ndomain = 1\n");
    assert!(
        foreign.contains("`domain` is not a key of an exporter of kind \"json\"; allowed are file, url, keys"),
        "{foreign}"
    );
    let missing = table("kind = \"ipfix\"\n");
    assert!(missing.contains("an exporter of kind \"ipfix\" needs the key `url`"), "{missing}");
    let kind = table("kind = \"carrier-pigeon\"\n");
    assert!(kind.contains("`kind` is \"carrier-pigeon\"; allowed are ipfix, netflow9"), "{kind}");
    assert!(table("url = \"udp://a\"\n").contains("needs the key `kind`"));
    let value = table("kind = \"ipfix\"\nurl = \"udp://a\"\ndomain = \"x\"\n");
    assert!(value.contains("`domain`: it is not a whole number; allowed are 0 to 4294967295"), "{value}");
    let range = table("kind = \"ipfix\"\nurl = \"udp://a\"\nmax-message = 10\n");
    assert!(range.contains("`max-message` is 10; allowed are 128 to 65507"), "{range}");
    let template = table("kind = \"json\"\nfile = \"-\"\ntemplate = \"%NOPE\"\n");
    assert!(template.contains("no element is called %NOPE"), "{template}");
    let otlp = "kind = \"otlp\"\nurl = \"http://a\"\n";
    let protocol = table(&format!("{otlp}protocol = \"http/json\"\n"));
    assert!(
        protocol.contains("`protocol`: unknown variant `http/json`, expected `grpc` or `http/protobuf`"),
        "{protocol}"
    );
    let none = table(&format!("{otlp}signals = []\n"));
    assert!(none.contains("`signals`: name at least one of logs, metrics, traces"), "{none}");
    let name = table(&format!("{otlp}protocol = \"http/protobuf\"\ntls-server-name = \"b\"\n"));
    assert!(name.contains("`tls-server-name` is not a key"), "{name}");
    assert!(table("kind = \"netflow9\"\nurl = \"tcp://a\"\n").contains("NetFlow v9 is sent over UDP only"));
}

#[test]
fn no_password_reaches_a_message() {
    let error = ExporterConfig::otlp("https://user:secret@host").unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
    let config = parse(EXAMPLE).unwrap();
    assert!(!format!("{config:?}").contains("Bearer x"));
}

const BROKERS: &str = r#"
[[exporter]]
kind = "redis"
url = "rediss://redis.example/3"
key = "flows"
user = "me"
password = "hush"
max-length = 10
batch-records = 7

[[exporter]]
kind = "nats"
url = "nats://[::1]"
subject = "a.b"
jetstream = true
token = "hush"

[[exporter]]
kind = "zmq"
url = "tcp://*:5556"
header = 2
source-id = 70000
records-per-message = 5

[[exporter]]
kind = "kafka"
brokers = ["a:9092", "b:9092"]
topic = "flows"
compression = "zstd"
acks = "leader"
sasl = "PLAIN"
user = "me"
password = "hush"
settings = { "linger.ms" = 20, "enable.sparse.connections" = true, "ssl.key.password" = "hush" }
"#;

#[test]
fn brokers_are_read_and_show_no_secret() {
    let all = parse(BROKERS).unwrap();
    let names: Vec<_> = all.iter().map(ExporterConfig::name).collect();
    let wanted = [
        "redis rediss://redis.example:6379/3 flows",
        "nats nats://[::1]:4222 a.b",
        "zmq tcp://0.0.0.0:5556",
        "kafka a:9092,b:9092 flows",
    ];
    assert_eq!(names, wanted);
    assert_eq!(all.iter().map(|e| e.output.is_reliable()).collect::<Vec<_>>(), [true, true, false, true]);
    assert!(!format!("{all:?}").contains("hush"));
    let Output::Kafka(kafka) = &all[3].output else { panic!("{all:?}") };
    let settings: Vec<_> = kafka.settings.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(settings, [("enable.sparse.connections", "true"), ("linger.ms", "20"), ("ssl.key.password", "hush")]);
}

#[test]
fn mistakes_of_brokers_name_their_key() {
    let wrong = |rest: &str| parse(&format!("[[exporter]]\n{rest}\n")).unwrap_err();
    let cases = [
        ("kind = \"redis\"\nurl = \"redis://a/x\"", "`url`: \"x\" is not a database's number"),
        ("kind = \"redis\"\nurl = \"redis://a\"\nmax-length = 0", "`max-length` is 0; allowed are 1 to"),
        ("kind = \"redis\"\nurl = \"redis://a\"\nuser = \"u\"", "`user`: it needs `password`"),
        ("kind = \"nats\"\nurl = \"nats://a\"\nsubject = \"a.*\"", "`subject`: allowed are words with dots"),
        ("kind = \"nats\"\nurl = \"nats://a\"\nsubject = \"a.{KEY}\"", "`subject`: allowed in braces is {FLOW_KEY}"),
        ("kind = \"nats\"\nurl = \"nats://a\"\ntoken = \"t\"\nuser = \"u\"", "`token`: it excludes"),
        ("kind = \"zmq\"\nurl = \"ipc://a\"", "`url`: \"ipc://a\" is not an endpoint (its scheme is not tcp)"),
        ("kind = \"zmq\"\nurl = \"tcp://*:1\"\nsource-id = 256", "`source-id` is 256; allowed are 0 to 255"),
        ("kind = \"zmq\"\nurl = \"tcp://*:1\"\ngive-up-seconds = 1", "`give-up-seconds` is not a key"),
        ("kind = \"kafka\"", "needs the key `brokers`"),
        ("kind = \"kafka\"\nbrokers = [\"a\"]\ntopic = \"a b\"", "`topic`: allowed are up to 249 letters"),
        ("kind = \"kafka\"\nbrokers = [\"a\"]\nacks = \"most\"", "`acks`: allowed are all, leader, none"),
        ("kind = \"kafka\"\nbrokers = [\"a\"]\npassword = \"p\"", "`sasl`: it is needed with"),
        (
            "kind = \"kafka\"\nbrokers = [\"a\"]\nsettings = { \"message.timeout.ms\" = 1 }",
            "`settings`: message.timeout.ms is set by pidflow itself",
        ),
    ];
    for (table, wanted) in cases {
        let error = wrong(table);
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn mode_is_a_key_of_exporters_that_write_files() {
    let read = |rest: &str| parse(&format!("[[exporter]]\n{rest}\n")).map(|all| all[0].output.clone());
    let mode = Some(FileMode::try_from("0640".to_owned()).unwrap());
    let json = read("kind = \"json\"\nfile = \"a\"\nmode = \"0640\"").unwrap();
    assert!(
        matches!(&json, Output::Json(JsonConfig { output: JsonOutput::File(f), .. }) if f.mode == mode),
        "{json:?}"
    );
    let ipfix = read("kind = \"ipfix\"\nurl = \"file:a\"\nmode = \"0640\"").unwrap();
    assert!(matches!(&ipfix, Output::Ipfix(wire) if wire.mode == mode), "{ipfix:?}");
    let cases = [
        ("kind = \"json\"\nfile = \"a\"\nmode = \"0777\"", "`mode`: write three or four octal digits"),
        ("kind = \"json\"\nfile = \"a\"\nmode = 640", "`mode`: "),
        ("kind = \"json\"\nfile = \"-\"\nmode = \"0640\"", "`mode` is not a key of an exporter of kind \"json\""),
        ("kind = \"ipfix\"\nurl = \"file:a\"\nmode = \"0400\"", "`mode`: write three or four octal digits"),
        (
            "kind = \"ipfix\"\nurl = \"udp://a\"\nmode = \"0640\"",
            "`mode` is not a key of an exporter of kind \"ipfix\"",
        ),
    ];
    for (table, wanted) in cases {
        let error = read(table).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn exporters_of_one_name_are_distinguished_across_reloads() {
    let loki = |tenant: &str| {
        let text = format!("kind = \"loki\"\nurl = \"http://a\"\nheaders = {{ X-Scope-OrgID = \"{tenant}\" }}");
        ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap()
    };
    let names = |all: &[ExporterConfig]| all.iter().map(ExporterConfig::name).collect::<Vec<_>>();
    let mut first = vec![loki("a"), loki("b"), loki("b")];
    name_apart(&mut first, &[]);
    assert_eq!(names(&first), ["loki http://a", "loki http://a #2", "loki http://a #3"]);
    let mut second = vec![loki("c"), loki("b")];
    name_apart(&mut second, &first);
    assert_eq!(names(&second), ["loki http://a", "loki http://a #2"]);
    assert_eq!(second[1], first[1]);
}

#[test]
fn no_secret_is_in_what_debug_shows() {
    let http = "headers = { x-key = \"hush\" }";
    let tables = [
        "kind = \"otlp\"\nurl = \"http://a\"\nuser = \"u\"\npassword = \"hush\"".to_owned(),
        format!("kind = \"otlp\"\nurl = \"http://a\"\n{http}"),
        format!("kind = \"elastic\"\nurl = \"http://a\"\napi-key = \"hush\"\n{http}"),
        format!("kind = \"clickhouse\"\nurl = \"http://a\"\n{http}"),
        format!("kind = \"loki\"\nurl = \"http://a\"\n{http}"),
        format!("kind = \"influx\"\nurl = \"http://a\"\ndatabase = \"d\"\ntoken = \"hush\"\n{http}"),
        "kind = \"nats\"\nurl = \"nats://a\"\nuser = \"u\"\npassword = \"hush\"".to_owned(),
        "kind = \"nats\"\nurl = \"nats://a\"\ncredentials = \"hush\"".to_owned(),
    ];
    for text in tables {
        let config = ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap();
        let shown = format!("{config:?} {}", config.name());
        assert!(!shown.contains("hush"), "{shown}");
    }
}

/// The compiler would not notice a missing one.
#[test]
fn every_kind_stands_in_the_example_and_in_the_docs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let [example, docs] =
        ["deploy/pidflow.toml", "docs/exporters.md"].map(|f| std::fs::read_to_string(root.join(f)).unwrap());
    for kind in output::KINDS {
        let name = kind.name;
        assert!(example.contains(&format!("# kind = \"{name}\"")), "deploy/pidflow.toml has no `{name}`");
        assert!(docs.contains(&format!("`{name}`")), "docs/exporters.md has no `{name}`");
    }
}
