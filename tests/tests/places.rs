//! Places in records: those that libmaxminddb's own program finds in the same databases.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use serde_json::Value;

/// Element, without the side; database; keys.
const ELEMENTS: [(&str, &str, &[&str]); 4] = [
    ("IP_COUNTRY", "city.mmdb", &["country", "iso_code"]),
    ("IP_CITY", "city.mmdb", &["city", "names", "en"]),
    ("AS", "asn.mmdb", &["autonomous_system_number"]),
    ("AS_MAP", "asn.mmdb", &["autonomous_system_organization"]),
];

fn database(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("places").join(name)
}

fn pidflow(options: &[&str]) -> std::process::Output {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut command = Command::new(process::binary("pidflow").unwrap());
    command.args(["read", "--json", "-"]).arg("--geoip-city").arg(database("city.mmdb")).arg("--geoip-asn");
    command.arg(database("asn.mmdb")).args(options);
    command.args(["own-mixed.pcap", "own-tunnels.pcap", "own-vpns.pcap"].map(|name| captures.join(name)));
    command.output().unwrap()
}

fn records(options: &[&str]) -> Vec<Value> {
    let output = pidflow(options).stdout;
    String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn address<'r>(record: &'r Value, side: &str) -> &'r str {
    ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str()).unwrap()
}

/// The value without its type; empty: there is none.
fn look_up(file: &str, address: &str, keys: &[&str]) -> String {
    let arguments = ["--file".into(), database(file), "--ip".into(), address.into()];
    let output = Command::new("mmdblookup").args(arguments).args(keys).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = text.trim().rsplit_once(" <").map_or("", |(value, _)| value);
    value.trim_matches('"').to_owned()
}

#[test]
fn places_are_those_that_libmaxminddb_finds() {
    if Command::new("mmdblookup").arg("--version").output().is_err() {
        return skip("places_are_those_that_libmaxminddb_finds", "mmdblookup is not installed");
    }
    let mut known = 0;
    for record in records(&[]) {
        for side in ["SRC", "DST"] {
            for (element, file, keys) in ELEMENTS {
                let ours = match &record[format!("{side}_{element}")] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                let address = address(&record, side);
                assert_eq!(ours, look_up(file, address, keys), "{side}_{element} of {address}");
                known += usize::from(!ours.is_empty());
            }
        }
    }
    assert!(known > 40, "{known}");
}

#[test]
fn records_are_selected_by_place_and_direction() {
    let networks = ["--local-networks", "192.0.2.0/25,2001:db8::/32"];
    let all = records(&networks);
    let is_local = |address: &str| address.starts_with("192.0.2.") || address.starts_with("2001:db8:");
    for record in &all {
        let ends = ["SRC", "DST"].map(|side| is_local(address(record, side)));
        let direction = match ends {
            [false, true] => "in",
            [true, false] => "out",
            [true, true] => "internal",
            [false, false] => "forwarded",
        };
        assert_eq!(record["TRAFFIC_DIRECTION"], direction, "{record}");
    }
    let selected = records(&[&networks[..], &["--only", "src.country == 'NL' && direction == 'internal'"]].concat());
    let expected = all.iter().filter(|r| r["SRC_IP_COUNTRY"] == "NL" && r["TRAFFIC_DIRECTION"] == "internal").count();
    assert!(expected > 0 && selected.len() == expected, "{} of {expected}", selected.len());
}

#[test]
fn a_file_that_is_no_database_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.mmdb");
    std::fs::write(&wrong, "not a database").unwrap();
    let config = folder.path().join("pidflow.toml");
    std::fs::write(&config, format!("[places]\ngeoip-city = \"{}\"\n", wrong.display())).unwrap();
    let output = Command::new(process::binary("pidflow").unwrap()).arg("check").arg("--config").arg(&config).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("wrong.mmdb"), "{said}");
}
