//! At every moment, each counted packet is in a record, in the table or held.

use super::*;
use crate::decode::FrameCount;
use crate::packet::Marks;

proptest! {
    #[test]
    fn nothing_is_between_the_table_and_its_records(
        packets in prop::collection::vec((any_packet(), 0..3_u32, 0..4_u8), 1..200),
        config in any_config(),
    ) {
        let mut run = Run::new(config);
        (0..2).for_each(|number| run.table.set_interface(number, number + 1, &Arc::from("eth")));
        let (mut now, mut put) = (0, [FrameCount::default(); 3]);
        for (n, ((gap, packet), interface, kind)) in packets.into_iter().enumerate() {
            now += gap;
            let packet = Packet { time_ns: now, interface, ..packet };
            let packet = match kind {
                0 => Packet { source_port: 0, destination_port: 0, marks: Marks::NONE, ..packet }
                    .with_fragment(Fragment::Later, n as u32),
                _ => packet,
            };
            put[interface as usize].count(packet.frame_octets);
            run.put(packet);
            if n % 5 == 0 {
                run.table.expire(now, &mut run.out);
            }
            let mut counted: Vec<FrameCount> = run.table.counted_by_interface().map(|(_, counted)| counted).collect();
            for (number, frame_octets) in run.table.held_fragments() {
                if let Some(place) = counted.get_mut(number as usize) {
                    place.count(frame_octets);
                }
            }
            prop_assert_eq!(&counted[..], &put[..2], "the third was never named");
            let (packets, octets, _) = totals(&run.out);
            let counters = run.table.counters();
            let recorded = Traffic { packets, octets };
            prop_assert_eq!(counters.recorded, recorded);
            prop_assert_eq!(run.table.unrecorded().packets + packets, counters.packets);
        }
        let held = run.table.held_fragments().count() as u64;
        let unrecorded = run.table.unrecorded();
        let rest = run.table.drain(FlowEndReason::ForcedEnd, FlowEndDetail::Shutdown).map(|flow| Traffic::of(&flow));
        let mut drained = Traffic::default();
        rest.for_each(|traffic| drained += traffic);
        prop_assert_eq!(drained.packets, unrecorded.packets + held);
        prop_assert_eq!(run.table.unrecorded(), Traffic::default());
    }
}
