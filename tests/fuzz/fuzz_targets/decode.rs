//! Frames: the first two octets choose the link type and how much of the frame the capture cut off.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pidflow_engine::decode::{Decoder, Fragments, Frame, LinkType};

/// Link types that are decoded, and one that is not.
const LINKS: [u32; 9] = [1, 113, 276, 0, 108, 101, 228, 229, 147];

fuzz_target!(|input: &[u8]| {
    let [link, cut, data @ ..] = input else { return };
    let link = LinkType::from(LINKS[usize::from(*link) % LINKS.len()]);
    let wire_octets = data.len() as u32 + u32::from(*cut) * 8;
    let frame = Frame { time_ns: 1, wire_octets, interface: 0, data };
    let mut decoder = Decoder::new(if cut % 2 == 0 { Fragments::Join } else { Fragments::Separate });
    // Twice: the second time the fragment table may know the first.
    let first = decoder.decode(link, &frame);
    let second = decoder.decode(link, &frame);
    assert_eq!(first.is_ok(), second.is_ok());
    if let Ok(packet) = first {
        assert!(packet.octets <= wire_octets);
        assert_eq!(packet.frame_octets, wire_octets);
        assert_eq!(packet.source().is_ipv4(), packet.destination().is_ipv4());
    }
});
