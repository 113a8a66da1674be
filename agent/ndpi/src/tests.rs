use std::sync::{Mutex, MutexGuard};

use pidflow_engine::inspection::Inspector;

use super::*;
use crate::module::Module;

/// There can be one module in a process.
static ONE: Mutex<()> = Mutex::new(());

/// nDPI; none: it is not installed, and the test is skipped.
fn ndpi(protocols: Option<&std::path::Path>) -> Option<(MutexGuard<'static, ()>, Ndpi)> {
    let guard = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match Ndpi::load(protocols) {
        Ok(ndpi) => Some((guard, ndpi)),
        Err(e @ NdpiError::Missing(_)) => {
            pidflow_skip::skip("ndpi::tests", &e.to_string());
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let octets = (28 + payload.len()) as u16;
    let [high, low] = octets.to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9];
    packet.extend([0xc0, 0x01]);
    packet.extend(port.to_be_bytes());
    packet.extend((octets - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

#[test]
fn the_library_passes_the_trial_and_only_one_is_in_use() {
    let Some((_guard, ndpi)) = ndpi(None) else { return };
    assert!(ndpi.version().starts_with("4.2."), "{}", ndpi.version());
    assert!(matches!(Ndpi::load(None), Err(NdpiError::InUse)));
}

#[test]
fn a_wrong_layout_is_refused() {
    let Some((_guard, ndpi)) = ndpi(None) else { return };
    drop(ndpi);
    for (confidence, risks) in [(20, 320), (16, 328), (16, 10_000)] {
        let mut library = library::Library::open().unwrap();
        (library.layout.confidence, library.layout.risks) = (confidence, risks);
        let mut module = Module::new(library, None).unwrap();
        let refused = trial::run(&mut module).unwrap_err();
        assert!(matches!(refused, NdpiError::Layout(..)), "{refused}");
    }
}

#[test]
fn versions_that_are_not_known_have_no_layout() {
    for version in ["4.4.0", "4.20.1", "5.0.0", "", "3.4"] {
        assert!(layout::Layout::of(version).is_none(), "{version}");
    }
}

#[test]
fn custom_protocols_come_from_a_file() {
    let folder = std::env::temp_dir().join(format!("pidflow-ndpi-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("protocols.txt");
    std::fs::write(&file, "udp:4711@Parrot\n").unwrap();
    let Some((_guard, mut ndpi)) = ndpi(Some(&file)) else { return };
    assert!(ndpi.see(1, &udp(4711, b"\x01\x02\x03\x04"), 0).is_none_or(|verdict| verdict.is_some()));
    let name =
        ndpi.see(2, &udp(4711, b"\x01\x02\x03\x04"), 1).unwrap_or_else(|| ndpi.conclude(2)).unwrap().name.clone();
    assert_eq!(&*name, "Parrot");
    drop(ndpi);
    let absent = Ndpi::load(Some(&folder.join("absent"))).unwrap_err().to_string();
    assert!(absent.contains("absent") && !absent.contains('\n'), "{absent}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn random_packets_are_survived_and_all_memory_is_given_back() {
    let Some((_guard, mut ndpi)) = ndpi(None) else { return };
    let mut state = 1_u64;
    for id in 0..20_000 {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        let payload: Vec<u8> = (0..next() as usize * 4).map(|_| next()).collect();
        let mut packet = udp(u16::from(next()), &payload);
        packet[9] = if id % 2 == 0 { 6 } else { 17 };
        packet[0] = if id % 7 == 0 { next() } else { 0x45 };
        packet.truncate(packet.len() - (next() as usize % packet.len()));
        let _ = ndpi.see(id / 3, &packet, id);
        if id % 3 == 2 {
            ndpi.conclude(id / 3);
        }
    }
    assert!(ndpi.conclude(7_000_000).is_none());
}

#[test]
fn a_packet_that_was_cut_is_read_as_far_as_it_goes() {
    let Some((_guard, mut ndpi)) = ndpi(None) else { return };
    let mut query = udp(53, b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01");
    query[2..4].copy_from_slice(&[0x20, 0]);
    let verdict = ndpi.see(1, &query, 0).unwrap_or_else(|| ndpi.conclude(1)).unwrap();
    assert_eq!((&*verdict.name, verdict.confidence), ("DNS", Some(4)), "{verdict:?}");
}
