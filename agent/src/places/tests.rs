use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use pidflow_schema::{Attribution, Flow, Protocol};

use super::*;
use crate::places::database::Database;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/places").join(name)
}

fn settings(city: &Path, asn: &Path, networks: &[&str]) -> Settings {
    let networks = networks.iter().map(|text| Network::Given(text.parse().unwrap())).collect();
    Settings { databases: [Some(city.into()), Some(asn.into())], networks }
}

fn places(settings: Settings) -> Places {
    Places::new(Current::read(settings).unwrap().unwrap())
}

fn record(source: &str, destination: &str) -> FlowRecord {
    let end = |text: &str| (text.parse::<IpAddr>().unwrap(), 1);
    let flow = Flow::new(Protocol::UDP, end(source), end(destination), (1, 2));
    FlowRecord::without_processes(flow, Attribution::Offline)
}

fn described(places: &mut Places, source: &str, destination: &str) -> FlowRecord {
    let mut record = record(source, destination);
    places.describe(&mut record);
    record
}

#[test]
fn both_ends_have_their_places() {
    let mut places = places(settings(&fixture("city.mmdb"), &fixture("asn.mmdb"), &[]));
    let record = described(&mut places, "192.0.2.3", "2001:db8:1::9");
    let [source, destination] = [&record.source, &record.destination].map(|end| end.place.as_deref().unwrap());
    assert_eq!((&*source.country, &*source.city, source.system), ("NL", "Amsterdam", 64500));
    assert_eq!(&*source.organisation, "Example Networks B.V.");
    assert_eq!((&*destination.country, &*destination.city, destination.system), ("DE", "Köln", 4_200_000_000));
    let record = described(&mut places, "198.51.100.200", "10.0.0.1");
    let source = record.source.place.as_deref().unwrap();
    assert_eq!((&*source.country, source.system, &*source.organisation), ("BR", 0, ""));
    assert_eq!((record.destination.place, record.direction), (None, None));
}

#[test]
fn what_an_exporter_says_of_a_system_stays() {
    let mut places = places(settings(&fixture("city.mmdb"), &fixture("asn.mmdb"), &[]));
    let mut record = record("192.0.2.3", "192.0.2.4");
    record.source.place = Some(Arc::new(Place { system: 7, ..Place::default() }));
    record.destination.place = Some(Arc::new(Place { country: "XX".into(), ..Place::default() }));
    places.describe(&mut record);
    let source = record.source.place.as_deref().unwrap();
    assert_eq!((&*source.country, source.system, &*source.organisation), ("NL", 7, ""));
    assert_eq!(record.destination.place.unwrap().system, 0);
}

#[test]
fn directions_are_those_across_the_border() {
    let networks = ["10.0.0.0/8", "2001:db8::/64"];
    let mut places = places(settings(&fixture("city.mmdb"), &fixture("asn.mmdb"), &networks));
    let mut direction = |source, destination| described(&mut places, source, destination).direction.unwrap().name();
    assert_eq!(direction("10.1.2.3", "192.0.2.1"), "out");
    assert_eq!(direction("192.0.2.1", "10.1.2.3"), "in");
    assert_eq!(direction("10.0.0.1", "2001:db8::1"), "internal");
    assert_eq!(direction("192.0.2.1", "2001:db8:1::1"), "forwarded");
}

#[test]
fn own_networks_are_those_of_the_interfaces() {
    let settings = Settings { networks: vec![Network::Own], ..Settings::default() };
    let mut places = places(settings);
    let record = described(&mut places, "127.0.0.1", "240.0.0.1");
    assert_eq!(record.direction, Some(TrafficDirection::Out), "{:?}", places.known);
}

#[test]
fn a_replaced_file_is_read_again_and_a_wrong_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let [city, asn] = ["city.mmdb", "asn.mmdb"].map(|name| folder.path().join(name));
    // Not the right ones at first.
    fs::copy(fixture("asn.mmdb"), &city).unwrap();
    fs::copy(fixture("asn.mmdb"), &asn).unwrap();
    let current = Current::read(settings(&city, &asn, &[])).unwrap().unwrap();
    let mut places = Places::new(current.clone());
    let country = |places: &mut Places| {
        described(places, "192.0.2.3", "10.0.0.1").source.place.as_deref().unwrap().country.to_string()
    };
    assert_eq!(country(&mut places), "");
    let replace = |bytes: &[u8]| {
        fs::write(folder.path().join("new"), bytes).unwrap();
        fs::rename(folder.path().join("new"), &city).unwrap();
    };
    replace(&fs::read(fixture("city.mmdb")).unwrap());
    let mut refused = [None, None];
    current.refresh(&mut refused);
    assert_eq!(country(&mut places), "NL");
    for wrong in [&b"no database"[..], b""] {
        replace(wrong);
        current.refresh(&mut refused);
        assert!(refused[0].is_some());
        assert_eq!(country(&mut places), "NL");
    }
    fs::remove_file(&city).unwrap();
    current.refresh(&mut refused);
    assert_eq!(country(&mut places), "NL", "a file that is gone for a moment changes nothing");
}

#[test]
fn what_is_no_database_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.mmdb");
    for bytes in [&b""[..], b"\xab\xcd\xefMaxMind.com", &[0xff; 5000]] {
        fs::write(&path, bytes).unwrap();
        let said = format!("{:#}", Database::open(&path).unwrap_err());
        assert!(said.contains("bad.mmdb") && !said.contains('\n'), "{said}");
    }
    assert!(format!("{:#}", Database::open(folder.path()).unwrap_err()).contains("is no database"));
}

/// Wherever a bit flips or the file ends: no panic, and no look-up takes long.
#[test]
fn damaged_databases_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.mmdb");
    let whole = fs::read(fixture("city.mmdb")).unwrap();
    let addresses = ["192.0.2.3", "198.51.100.9", "203.0.113.7", "2001:db8:1::1"].map(|a| a.parse::<IpAddr>().unwrap());
    let began = std::time::Instant::now();
    let try_it = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        if let Ok(database) = Database::open(&path) {
            for address in addresses {
                let _ = (database.city(address), database.system(address));
            }
        }
    };
    (0..whole.len()).step_by(3).for_each(|length| try_it(&whole[..length]));
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        try_it(&flipped);
    }
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// Trees of maps without end, and of 20 to the power of 100 leaves.
#[test]
fn a_record_without_end_costs_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.mmdb");
    let mut loop_of_one = bomb(0);
    // The record is a pointer to itself.
    loop_of_one.splice(22..27, [0x38, 0, 0, 0, 0]);
    for bytes in [bomb(0), bomb(1), loop_of_one] {
        fs::write(&path, bytes).unwrap();
        let database = Database::open(&path).unwrap();
        let began = std::time::Instant::now();
        let look = move || assert!(database.city("192.0.2.1".parse().unwrap()).is_none());
        // The stack of the main thread, which describes records. Unoptimized, the library needs most of it to follow 512 pointers.
        std::thread::Builder::new().stack_size(8 << 20).spawn(look).unwrap().join().unwrap();
        assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    }
}

/// A database of one node, of which every address has the record at offset 0: maps of which every entry points to the map that is `next`
/// maps later.
fn bomb(next: usize) -> Vec<u8> {
    const MAPS: usize = 100;
    const ENTRIES: usize = 20;
    const MAP_BYTES: usize = 1 + ENTRIES * 7;
    let mut bytes = vec![0, 0, 17, 0, 0, 17];
    bytes.extend([0; 16]);
    for map in 0..MAPS {
        bytes.push(0xe0 | ENTRIES as u8);
        for _ in 0..ENTRIES {
            bytes.extend([0x41, b'k', 0x38]);
            bytes.extend((((map + next) % MAPS * MAP_BYTES) as u32).to_be_bytes());
        }
    }
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(metadata());
    bytes
}

fn metadata() -> Vec<u8> {
    let text = |text: &str| [&[0x40 | text.len() as u8][..], text.as_bytes()].concat();
    let mut map = vec![0xe9];
    for (key, value) in [
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa0]),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("T")),
        ("description", vec![0xe0]),
        ("ip_version", vec![0xa1, 4]),
        ("languages", vec![0x00, 0x04]),
        ("node_count", vec![0xc1, 1]),
        ("record_size", vec![0xa1, 24]),
    ] {
        map.extend(text(key));
        map.extend(value);
    }
    map
}
