//! Packets that no honest end sends.

use proptest::prelude::*;

use super::super::Healths;
use super::*;

#[test]
fn numbers_that_jump_lose_nothing_and_keep_nothing() {
    let mut wire = Wire::established();
    for jump in 0..1000_u32 {
        wire.client(1000, tcp(ACK, 1001 + (jump % 2) * 0x7000_0000, 5001).data(100));
    }
    let health = wire.health();
    check(&health, &[], &[]);
}

#[test]
fn gaps_are_bounded() {
    let mut wire = Wire::established();
    for packet in 0..10_000_u32 {
        wire.client(10, tcp(ACK, 1001 + packet * 200, 5001).data(100));
    }
    assert!(wire.table.healths.allocated_bytes() < 4000, "{}", wire.table.healths.allocated_bytes());
    // Those that were given up and those that are there are the sum; the first packet begins where the handshake ended.
    check(&wire.health(), &[("lost bytes", 9999 * 100)], &[]);
}

#[test]
fn gaps_of_all_connections_together_are_bounded() {
    let mut wire = Wire::established();
    wire.table.healths.max_kept_bytes = 1;
    for packet in 0..100_u32 {
        wire.client(10, tcp(ACK, 1001 + packet * 200, 5001).data(100));
    }
    assert!(wire.table.healths.kept_bytes < 1000, "{}", wire.table.healths.kept_bytes);
    check(&wire.health(), &[("lost bytes", 9900)], &[]);
}

#[test]
fn the_memory_of_a_connection_is_what_the_budget_says() {
    assert_eq!(Healths::BYTES_PER_CONNECTION, 280, "docs/tcp.md says so");
}

#[test]
fn options_that_lie_about_their_length_are_not_read() {
    for options in [[2, 0, 3, 3], [2, 4, 5, 180], [3, 255, 3, 7], [1, 1, 1, 3], [8, 2, 0, 0], [0, 3, 3, 7]] {
        let mut wire = Wire::new();
        wire.client(0, tcp(SYN, 1000, 0).options(&options));
        let health = wire.health();
        let read = (health.forward.max_segment, health.forward.window_scale);
        assert_eq!(read, if options == [2, 4, 5, 180] { (Some(1460), None) } else { (None, None) }, "{options:?}");
    }
}

proptest! {
    #[test]
    fn any_packets_are_counted_without_harm(
        packets in proptest::collection::vec(
            (any::<bool>(), any::<u8>(), any::<[u8; 4]>(), any::<[u8; 4]>(), 0_usize..3000, 0_u64..100_000, 0_usize..64), 0..300
        )
    ) {
        let mut wire = Wire::new();
        let mut expected = 0;
        for (is_from_client, flags, sequence, number, payload, after_us, cut) in packets {
            // Half of the numbers are close to each other.
            let near = |bytes: [u8; 4]| u32::from_be_bytes(if bytes[3] < 128 { bytes } else { [0, 0, bytes[2] % 16, bytes[1]] });
            wire.snap_length = if cut < 8 { 20 + 2 * cut } else { usize::MAX };
            wire.put(after_us, is_from_client, tcp(flags, near(sequence), near(number)).data(payload));
            expected += 1;
        }
        prop_assert!(wire.table.healths.kept_bytes < 4000);
        let flows = wire.finish();
        prop_assert_eq!(flows.iter().map(|flow| flow.forward.packets + flow.reverse.packets).sum::<u64>(), expected);
        for direction in flows.iter().filter_map(|flow| flow.tcp.as_deref()).flat_map(|tcp| [tcp.forward, tcp.reverse]) {
            prop_assert!(u64::from(direction.retransmitted_packets + direction.out_of_order_packets) <= expected);
        }
    }
}
