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
"#;

#[test]
fn every_kind_is_read() {
    let all = parse(EXAMPLE).unwrap();
    let names: Vec<_> = all.iter().map(ExporterConfig::name).collect();
    assert_eq!(
        names,
        ["ipfix udp://collector.example:4739", "netflow9 udp://[::1]:2055", "json -", "otlp http://127.0.0.1:4317"]
    );
    let Output::Ipfix(wire) = &all[0].output else { panic!("{all:?}") };
    assert_eq!((wire.domain, wire.max_message, wire.resend.interval_ns), (Some(7), 9000, 60_000_000_000));
    assert_eq!(all[0].template.as_ref().map(|t| t.elements().len() > 20), Some(true));
}

#[test]
fn mistakes_name_key_line_and_what_is_allowed() {
    let table = |rest: &str| parse(&format!("[[exporter]]\n{rest}")).unwrap_err();
    let unknown = table("kind = \"json\"\nfile = \"-\"\ncolour = 1\n");
    assert!(unknown.contains("`colour` means nothing") && unknown.contains("queue-records"), "{unknown}");
    let foreign = table("kind = \"json\"\nfile = \"-\"\ndomain = 1\n");
    assert!(foreign.contains("`domain` means nothing to an exporter of kind \"json\"; it has file, keys"), "{foreign}");
    let missing = table("kind = \"ipfix\"\n");
    assert!(missing.contains("an exporter of kind \"ipfix\" needs the key `url`"), "{missing}");
    let kind = table("kind = \"carrier-pigeon\"\n");
    assert!(kind.contains("`kind` is \"carrier-pigeon\"; allowed are ipfix, netflow9"), "{kind}");
    assert!(table("url = \"udp://a\"\n").contains("needs the key `kind`"));
    let value = table("kind = \"ipfix\"\nurl = \"udp://a\"\ndomain = \"x\"\n");
    assert!(value.contains("`domain`: invalid type: string \"x\", expected u32"), "{value}");
    let range = table("kind = \"ipfix\"\nurl = \"udp://a\"\nmax-message = 10\n");
    assert!(range.contains("`max-message` is 10; allowed are 128 to 65507"), "{range}");
    let template = table("kind = \"json\"\nfile = \"-\"\ntemplate = \"%NOPE\"\n");
    assert!(template.contains("no element is called %NOPE"), "{template}");
    assert!(table("kind = \"netflow9\"\nurl = \"tcp://a\"\n").contains("NetFlow v9 goes over UDP only"));
}

#[test]
fn no_password_reaches_a_message() {
    let error = ExporterConfig::otlp("https://user:secret@host").unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
    let config = parse(EXAMPLE).unwrap();
    assert!(!format!("{config:?}").contains("Bearer x"));
}
