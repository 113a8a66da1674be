//! Losses, reordering, and what looks like them.

use super::*;

const AGAIN: [(&str, u64); 2] = [("retransmitted", 1), ("retransmitted bytes", 100)];

/// The client sends packets of 100 bytes with these numbers, a millisecond apart.
fn sent(wire: &mut Wire, sequences: impl IntoIterator<Item = u32>) {
    sequences.into_iter().for_each(|sequence| wire.client(1000, tcp(ACK, sequence, 5001).data(100)));
}

#[test]
fn a_packet_that_is_lost_after_the_capture_is_seen_twice() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1101, 1201, 1301]);
    wire.server(20_000, tcp(ACK, 5001, 1101));
    for _ in 0..2 {
        wire.server(1000, tcp(ACK, 5001, 1101));
    }
    sent(&mut wire, [1101]);
    wire.server(20_000, tcp(ACK, 5001, 1401));
    check(&wire.health(), &AGAIN, &[("duplicate acks", 2)]);
}

#[test]
fn a_packet_that_is_lost_before_the_capture_is_sent_again_after_a_round_trip() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1201, 1301, 1401]);
    for _ in 0..3 {
        wire.server(20_000, tcp(ACK, 5001, 1101));
    }
    sent(&mut wire, [1101]);
    wire.server(20_000, tcp(ACK, 5001, 1501));
    check(&wire.health(), &AGAIN, &[("duplicate acks", 2)]);
}

#[test]
fn a_packet_that_was_overtaken_is_out_of_order() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1201, 1301, 1101, 1501, 1401, 1601]);
    wire.server(20_000, tcp(ACK, 5001, 1701));
    check(&wire.health(), &[("out of order", 2)], &[]);
}

#[test]
fn what_is_never_seen_is_lost_or_was_not_captured() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1201]);
    wire.server(20_000, tcp(ACK, 5001, 1301));
    sent(&mut wire, [1301, 1501, 1801]);
    // Half of the second gap comes.
    wire.client(100, tcp(ACK, 1601, 5001).data(100));
    let health = wire.health();
    check(&health, &[("out of order", 1), ("lost bytes", 200), ("uncaptured bytes", 100)], &[]);
}

#[test]
fn what_was_acknowledged_before_the_gap_was_seen_was_not_captured() {
    let mut wire = Wire::established();
    wire.server(20_000, tcp(ACK, 5001, 1101));
    sent(&mut wire, [1101]);
    // Nothing comes after the last ones, which only their acknowledgement shows.
    wire.server(20_000, tcp(ACK, 5001, 1251));
    check(&wire.health(), &[("uncaptured bytes", 150)], &[]);
}

#[test]
fn a_gap_that_stays_is_counted_in_a_record_of_a_connection_that_goes_on() {
    let config = FlowTableConfig {
        active_timeout_ns: Some(30_000_000_000),
        idle_timeout_ns: Some(60_000_000_000),
        ..FlowTableConfig::default()
    };
    let mut wire = Wire::with(config);
    sent(&mut wire, [1001, 1201]);
    wire.table.expire(wire.now_us * 1000 + 31_000_000_000, &mut wire.out);
    assert_eq!(trouble(&wire.out[0].tcp.as_ref().unwrap().forward), [("lost bytes", 100)]);
}

#[test]
fn a_timeout_of_the_sender_is_told_from_other_reasons() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001]);
    // 200, 400, 800 ms.
    for wait in [220_000, 440_000, 880_000] {
        wire.client(wait, tcp(ACK, 1001, 5001).data(100));
    }
    wire.server(20_000, tcp(ACK, 5001, 1101));
    sent(&mut wire, [1101, 1201, 1301, 1401]);
    for _ in 0..4 {
        wire.server(20_000, tcp(ACK, 5001, 1201));
    }
    wire.client(300_000, tcp(ACK, 1201, 5001).data(100));
    let forward = [("retransmitted", 4), ("retransmitted bytes", 400), ("timeout", 3)];
    check(&wire.health(), &forward, &[("duplicate acks", 3)]);
}

#[test]
fn only_the_bytes_that_were_sent_before_are_retransmitted() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001]);
    wire.client(100_000, tcp(ACK, 1001, 5001).data(150));
    wire.server(20_000, tcp(ACK, 5001, 1151));
    wire.client(100, tcp(FIN, 1151, 5001).data(10));
    wire.client(100_000, tcp(FIN, 1151, 5001).data(10));
    wire.client(100_000, tcp(FIN, 1161, 5001));
    check(&wire.health(), &[("retransmitted", 3), ("retransmitted bytes", 110)], &[]);
}

#[test]
fn a_single_byte_is_sent_again_while_it_is_not_acknowledged() {
    let mut wire = Wire::established();
    wire.client(0, tcp(ACK, 1001, 5001).data(1));
    wire.client(300_000, tcp(ACK, 1001, 5001).data(1));
    wire.server(20_000, tcp(ACK, 5001, 1002));
    check(&wire.health(), &[("retransmitted", 1), ("retransmitted bytes", 1), ("timeout", 1)], &[]);
}

#[test]
fn selective_acknowledgements_are_duplicates_also_for_data_that_came_twice() {
    let sack: &[u8] = &[1, 1, 5, 10, 0, 0, 4, 0xb1, 0, 0, 5, 0x15];
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1101, 1201]);
    wire.server(20_000, tcp(ACK, 5001, 1101));
    wire.server(100, tcp(ACK, 5001, 1101).options(sack));
    wire.server(100, tcp(ACK, 5001, 1301));
    // Sent again without need: the answer names what came twice (RFC 2883).
    sent(&mut wire, [1101]);
    wire.server(20_000, tcp(ACK, 5001, 1301).options(sack));
    // A change of the window is no duplicate, and neither is data.
    wire.server(100, tcp(ACK, 5001, 1301).window(501));
    wire.server(100, tcp(ACK, 5001, 1301).window(501).data(10));
    check(&wire.health(), &AGAIN, &[("duplicate acks", 2)]);
}

#[test]
fn offloaded_segments_count_once_and_have_all_their_bytes() {
    let mut wire = Wire::established();
    wire.client(0, tcp(ACK, 1001, 5001).data(70_000));
    wire.client(0, tcp(ACK, 71_001, 5001).data(60_000));
    wire.server(20_000, tcp(ACK, 5001, 131_001));
    wire.client(200_000, tcp(ACK, 1001, 5001).data(70_000));
    wire.client(0, tcp(ACK, 2461, 5001).data(1460));
    let health = wire.health();
    check(&health, &[("retransmitted", 2), ("retransmitted bytes", 71_460)], &[]);
    assert_eq!(health.forward.rtt_min_us, Some(20_000));
}

#[test]
fn a_capture_that_begins_later_counts_from_there() {
    let mut wire = Wire::new();
    sent(&mut wire, [1101, 1201]);
    wire.server(20_000, tcp(ACK, 5001, 1301));
    sent(&mut wire, [1301, 1201]);
    wire.server(20_000, tcp(FIN, 5001, 1401));
    let health = wire.health();
    check(&health, &AGAIN, &[]);
    assert_eq!((health.state, health.end), (TcpState::HalfClosed, Some(TcpEnd::DestinationFin)));
    assert_eq!((health.forward.max_segment, health.forward.window_scale), (None, None));
}

#[test]
fn a_capture_of_one_direction_has_its_losses() {
    let mut data = Wire::new();
    data.client(0, tcp(SYN, 1000, 0));
    data.client(100, tcp(ACK, 1001, 5001));
    sent(&mut data, [1001, 1201, 1101, 1401, 1201]);
    check(
        &data.health(),
        &[("retransmitted", 1), ("retransmitted bytes", 100), ("out of order", 1), ("lost bytes", 100)],
        &[],
    );
    let mut acknowledgements = Wire::new();
    for number in [1001, 1101, 1101, 1101, 1401] {
        acknowledgements.server(100, tcp(ACK, 5001, number));
    }
    let health = acknowledgements.health();
    check(&health, &[("duplicate acks", 2)], &[]);
    assert_eq!(health.forward.rtt_min_us, None);
}

#[test]
fn a_capture_that_cuts_packets_still_has_the_lengths_of_the_headers() {
    let mut wire = Wire::established();
    wire.snap_length = 40;
    sent(&mut wire, [1001, 1101, 1101]);
    check(&wire.health(), &AGAIN, &[]);
    // Without the window and what is behind it, nothing is compared, and nothing is lost.
    let mut short = Wire::established();
    short.snap_length = 34;
    sent(&mut short, [1001, 1101, 1101]);
    short.snap_length = usize::MAX;
    sent(&mut short, [1201, 1301, 1301]);
    check(&short.health(), &AGAIN, &[]);
}

#[test]
fn another_connection_of_the_same_ports_begins_anew() {
    let mut wire = Wire::with(FlowTableConfig::whole_capture(10));
    for first in [1000_u32, 9_000_000] {
        wire.client(0, tcp(SYN, first, 0));
        wire.server(1000, tcp(SYN | ACK, first + 77, first + 1));
        wire.client(1000, tcp(ACK, first + 101, first + 78).data(100));
        wire.client(1000, tcp(FIN, first + 201, first + 78));
        wire.server(1000, tcp(FIN, first + 78, first + 1));
    }
    let health = wire.health();
    check(&health, &[("lost bytes", 200)], &[]);
    assert_eq!((health.state, health.end), (TcpState::Closed, Some(TcpEnd::BothFin)));
}

#[test]
fn the_totals_are_the_sums_of_the_records() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001, 1201, 1101, 1401, 1001]);
    wire.server(1000, tcp(RST, 5001, 0));
    wire.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::EndOfCapture, &mut wire.out);
    let totals = wire.table.counters().tcp;
    assert_eq!((totals.records, totals.retransmitted, totals.out_of_order, totals.resets), (1, 1, 1, 1));
    assert_eq!((totals.lost_bytes, totals.uncaptured_bytes), (100, 0));
}

/// The packet in GRE, in fragments of at most 800 bytes of the outer packet, which has this identification.
fn fragments_of_gre(packet: Tcp<'_>, id: u16) -> Vec<Vec<u8>> {
    let inside = [&[0, 0, 8, 0], packet.bytes(true).as_slice()].concat();
    let pieces = inside.chunks(800).enumerate();
    let outer = |(at, piece): (usize, &[u8])| {
        let more = if (at + 1) * 800 < inside.len() { 0x2000 } else { 0 };
        let octets = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
        let [total, place] = [octets(20 + piece.len()), octets(more | (at * 100))];
        let header =
            [0x45, 0, total[0], total[1], id.to_be_bytes()[0], id.to_be_bytes()[1], place[0], place[1], 64, 47, 0, 0];
        [&header[..], &[192, 0, 2, 1, 192, 0, 2, 2], piece].concat()
    };
    pieces.map(outer).collect()
}

#[test]
fn packets_in_a_tunnel_whose_packets_are_fragments_have_their_whole_length() {
    let mut wire = Wire::new();
    for (id, sequence) in [(1, 1001), (2, 3001), (3, 5001), (4, 3001), (5, 9001)] {
        let fragments = fragments_of_gre(tcp(ACK, sequence, 5001).data(2000), id);
        assert_eq!(fragments.len(), 3);
        fragments.iter().for_each(|bytes| wire.put_frame(bytes));
        wire.now_us += 100_000;
    }
    let health = wire.health();
    check(&health, &[("retransmitted", 1), ("retransmitted bytes", 2000), ("lost bytes", 2000)], &[]);
}

#[test]
fn fragments_of_the_connection_itself_are_not_compared() {
    let mut wire = Wire::established();
    sent(&mut wire, [1001]);
    let mut bytes = tcp(ACK, 1101, 5001).data(1000).bytes(true);
    let (mut first, mut later) = (bytes.clone(), bytes.split_off(20 + 400));
    first.truncate(20 + 400);
    (first[2], first[3], first[5], first[6]) = (1, 164, 9, 0x20);
    let header: Vec<u8> = [&first[..2], &[2, 0x80], &[0, 9, 0, 50], &first[8..20]].concat();
    later.splice(0..0, header);
    let [first, later] =
        [first, later].map(|bytes| bytes[..usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))].to_vec());
    wire.put_frame(&first);
    wire.put_frame(&later);
    sent(&mut wire, [2101, 2201]);
    check(&wire.health(), &[], &[]);
}
