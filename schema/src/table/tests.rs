use std::collections::HashSet;

use super::{ELEMENTS, NTOP_V9_BASE, PROCESS_MACRO, by_name};
use crate::element::{Enterprise, Length};

#[test]
fn names_and_ids_are_unique() {
    let mut names = HashSet::new();
    let mut ids = HashSet::new();
    let mut v9 = HashSet::new();
    for e in ELEMENTS.iter() {
        for n in [e.name, e.ipfix_name].iter().chain(e.aliases) {
            assert!(names.insert(n.to_ascii_lowercase()), "{n} stands twice");
        }
        assert!(ids.insert((e.enterprise, e.id)), "{} has another's id", e.name);
        assert!(e.v9.is_none_or(|t| v9.insert(t)), "{} has another's v9 type", e.name);
        assert!(e.id < 0x8000, "{}: bit 15 is the enterprise bit", e.name);
    }
}

#[test]
fn ntop_types_in_netflow_v9_are_base_plus_id() {
    for e in ELEMENTS.iter().filter(|e| e.enterprise == Enterprise::Ntop) {
        assert_eq!(e.v9, Some(NTOP_V9_BASE + e.id), "{}", e.name);
    }
    assert_eq!(by_name("SRC_PROC_PID").and_then(|e| e.v9), Some(57640));
    assert_eq!(by_name("DST_PROC_PCTG_IOWAIT").map(|e| e.id), Some(394));
}

#[test]
fn ntop_numbers_that_wireshark_knows_are_at_most_four_octets() {
    const LAST_KNOWN: u16 = 471;
    for e in ELEMENTS.iter().filter(|e| e.enterprise == Enterprise::Ntop && e.id <= LAST_KNOWN) {
        assert!(!matches!(e.length, Length::Fixed(n) if n > 4), "{}: Wireshark reads 32 bits", e.name);
    }
}

#[test]
fn every_element_is_documented_and_attributes_are_unique() {
    let mut otel = HashSet::new();
    for e in ELEMENTS.iter() {
        assert!(e.doc.len() > 12 && e.doc.ends_with(['.', '…']), "{}: {}", e.name, e.doc);
        if let Some(a) = e.otel {
            let family_twin = e.name.starts_with("IPV6_");
            assert!(otel.insert(a) || family_twin, "{a} stands twice");
        }
    }
}

#[test]
fn process_macro_has_the_twenty_elements_of_the_talks() {
    assert_eq!(PROCESS_MACRO.len(), 20);
    assert_eq!(PROCESS_MACRO.first(), Some(&"SRC_PROC_PID"));
    assert_eq!(PROCESS_MACRO.last(), Some(&"DST_PROC_PCTG_IOWAIT"));
}
